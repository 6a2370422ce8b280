#!/bin/sh
# run_fuzzer.sh TARGET CORPUS: fuzzes for TM_FUZZ_SECONDS (20) from the checked-in inputs, by the
# numbers of TM_FUZZ_SEED (1; 0 = by chance), which libFuzzer prints. What it finds on the way is
# thrown away; an input that fails is kept beside the target and named.
set -eu
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# A status of 77, libFuzzer's own for a failure, would read as "skipped".
"$1" -error_exitcode=1 -seed="${TM_FUZZ_SEED:-1}" -max_total_time="${TM_FUZZ_SECONDS:-20}" \
    -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$1-" "$found" "$2"
