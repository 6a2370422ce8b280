#!/usr/bin/env python3
"""What a person meets first: help, mistakes on the command line, the summary."""

import re
import subprocess
import time

import harness
import synthetic
from bars_reference import bars_of
from harness import BARS, ROOT, TIDEMARK, bars, bars_ok, expect, expect_equal, run, test


def capture(folder, **options):
    path = folder / "capture.txt"
    options = {"seed": 1, "seconds": 10, "rate": 20, **options}
    return path, synthetic.write(path, **options)


@test
def help_lists_every_option_on_standard_output(_):
    done = run(BARS, "--help")
    expect_equal(done.code, 0, "exit status")
    for option in ("--connect", "--replay", "--out", "--speed", "--ingest-cores", "--worker-cores",
                   "--watermark-bound", "--duration", "--json", "--ca-file"):
        expect(option in done.stdout, f"{option} is missing in the help")
    expect(all(len(line) <= 100 for line in done.stdout.splitlines()), "lines fit a terminal")


@test
def tidemark_without_a_verb_names_its_verbs_and_fails(_):
    done = run(TIDEMARK)
    expect_equal(done.code, 2, "exit status")
    for verb in ("venue", "inspect"):
        expect(verb in done.stderr, f"{verb} is missing")
    expect_equal(run(TIDEMARK, "--help").code, 0, "exit status of --help")
    for verb in ("venue", "inspect"):
        done = run(TIDEMARK, verb, "--help")
        expect_equal(done.code, 0, f"exit status of {verb} --help")
        expect("--" in done.stdout, f"{verb} --help lists options")


def refuses(words, *names):
    """Bad options end with status 2 and a text that names each of the names."""
    done = run(BARS, *words)
    expect_equal(done.code, 2, f"exit status of {words}; standard error: {done.stderr}")
    for name in names:
        expect(name in done.stderr, f"{words}: the message does not name {name}: {done.stderr}")
    expect("Traceback" not in done.stderr and done.stdout == "", f"{words}: {done.stdout}")


@test
def bad_options_end_with_status_2_and_name_the_remedy(_):
    refuses(["--nosuch"], "--nosuch", "--help")
    refuses(["--replay"], "--replay")
    refuses([], "--connect", "--replay")
    refuses(["--replay", "x", "--speed", "fast"], "--speed", "fast", "max")
    refuses(["--replay", "x", "--speed", "0x"], "--speed")
    refuses(["--replay", "x", "--speed", "-1"], "--speed")
    refuses(["--replay", "x", "--worker-cores", "a"], "--worker-cores")
    refuses(["--replay", "x", "--worker-cores", "0,"], "--worker-cores")
    refuses(["--replay", "x", "--ingest-cores", "3-1"], "--ingest-cores")
    refuses(["--replay", "x", "--watermark-bound", "soon"], "--watermark-bound", "soon")
    refuses(["--replay", "x", "--duration", "-5s"], "--duration")
    refuses(["--replay", "x", "--connect", "ws://localhost/"], "--connect", "--replay")
    refuses(["--replay", "x", "stray"], "stray")


@test
def a_url_that_is_none_is_refused_by_name(folder):
    for url in ("https://localhost/ws", "wss://", "localhost:9443", "wss://localhost:99999/"):
        done = run(BARS, "--connect", url, "--out", folder / "out")
        expect(done.code in (1, 2), f"exit status {done.code} for {url}")
        expect(url in done.stderr or "URL" in done.stderr, f"{url}: {done.stderr}")


@test
def a_missing_capture_is_named(folder):
    done = bars("--replay", folder / "nowhere.gz", "--out", folder / "out")
    expect_equal(done.code, 1, "exit status")
    expect("nowhere.gz" in done.stderr, done.stderr)


@test
def a_core_that_is_not_there_is_named(folder):
    path, _ = capture(folder)
    done = bars("--replay", path, "--out", folder / "out", "--worker-cores", "1000")
    expect(done.code in (1, 2), f"exit status {done.code}")
    expect("1000" in done.stderr, done.stderr)


@test
def an_ingest_core_that_is_not_there_is_named_and_nobody_waits_for_its_thread(folder):
    path, _ = capture(folder)
    done = bars("--replay", path, "--out", folder / "out", "--ingest-cores", "1000", timeout=20)
    expect_equal(done.code, 1, "exit status")
    expect("ingest.0" in done.stderr and "1000" in done.stderr, done.stderr)


@test
def more_threads_than_there_may_be_are_bad_options(folder):
    path, _ = capture(folder)
    refuses(["--replay", path, "--out", folder / "out", "--worker-cores", "0-39"],
            "--worker-cores", "32")
    refuses(["--replay", path, "--out", folder / "out", "--ingest-cores", "0-39"],
            "--ingest-cores", "16")


@test
def the_summary_counts_frames_rows_and_time(folder):
    path, messages = capture(folder)
    done = bars_ok("--replay", path, "--out", folder / "out", "--speed", "max")
    wanted = bars_of([path])
    summary = done.summary
    for name in ("frames", "rows_in", "rows_out", "late", "dead_letters"):
        expect(isinstance(summary[name], int), f"{name} is {summary[name]!r}")
    expect_equal(summary["frames"], messages, "frames")
    expect_equal(summary["rows_out"], len(wanted.windows), "rows_out")
    expect_equal(summary["late"], 0, "late")
    expect(wanted.trade_cnt <= summary["rows_in"] <= messages, f"rows_in {summary['rows_in']}")
    expect(0 < summary["elapsed_s"] < harness.RUN_TIMEOUT_S, f"elapsed {summary['elapsed_s']}")


@test
def latencies_are_whole_nanoseconds_in_order(folder):
    path, _ = capture(folder)
    done = bars_ok("--replay", path, "--out", folder / "out", "--speed", "10x")
    latency = [done.summary["latency_ns"][name] for name in ("p50", "p99", "p999", "max")]
    expect(all(isinstance(value, int) for value in latency), f"latencies {latency}")
    expect(latency == sorted(latency), f"latencies {latency} do not rise")
    expect(0 < latency[0] < 10**9, f"median of {latency[0]} ns")


@test
def a_paced_replay_takes_the_recorded_time(folder):
    path, _ = capture(folder)
    done = bars_ok("--replay", path, "--out", folder / "out", "--speed", "5x")
    recorded = [int(line.split(" ", 1)[0]) for line in path.read_text().splitlines()]
    due_s = (recorded[-1] - recorded[0]) / 1e9 / 5
    expect(due_s <= done.summary["elapsed_s"] <= due_s + 2,
           f"{done.summary['elapsed_s']} s for a schedule of {due_s:.3f} s")


@test
def a_duration_ends_a_replay_in_order(folder):
    path, _ = capture(folder, seconds=60)
    done = bars_ok("--replay", path, "--out", folder / "out", "--speed", "1x", "--duration", "2s")
    expect(1.9 <= done.summary["elapsed_s"] <= 4, f"elapsed {done.summary['elapsed_s']} s")
    expect_equal(len(harness.read_bars(harness.parts(folder / "out"))), done.summary["rows_out"],
                 "rows in the parts")


@test
def rows_that_find_no_room_in_the_state_are_told_of_even_when_quiet(folder):
    path = folder / "many.txt"
    with open(path, "w", encoding="utf-8") as out:
        for idx in range(30_000):
            out.write(f'{1_700_000_000_000_000_000 + idx} {{"e":"trade","E":1700000000000,'
                      f'"s":"S{idx}","t":{idx},"p":"1","q":"1","T":1700000000000,"m":true}}\n')
    done = run(BARS, "--replay", path, "--out", folder / "quiet", "--state-memory", "1M", "--quiet")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("--state-memory" in done.stderr, f"no warning: {done.stderr}")
    done = run(BARS, "--replay", path, "--out", folder / "out", "--state-memory", "1M")
    expect("window_full" in done.stdout, f"the summary is silent about them: {done.stdout}")


@test
def a_quiet_job_that_ends_well_says_nothing(folder):
    path, _ = capture(folder)
    with harness.venue(folder, "--replay", path, "--speed", "max", "--wait-clients", "1") as venue:
        url, ca_file = venue
        done = run(BARS, "--connect", f"{url}/stream?streams=btcusdt@trade", "--ca-file", ca_file,
                   "--out", folder / "out", "--quiet")
    expect_equal((done.code, done.stdout, done.stderr), (0, "", ""), "status and output")


@test
def a_summary_that_cannot_be_written_is_a_failure(folder):
    path, _ = capture(folder)
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([str(BARS), "--replay", path, "--out", folder / "out", "--json"],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)
    expect_equal(done.returncode, 1, "exit status")
    expect("standard output" in done.stderr, done.stderr)
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([str(TIDEMARK), "inspect", *harness.parts(folder / "out")],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)
    expect_equal(done.returncode, 1, "exit status of inspect")
    expect("standard output" in done.stderr, done.stderr)


@test
def a_source_that_cannot_be_opened_ends_the_job_although_another_streams(folder):
    core = harness.cores(1)
    with harness.venue(folder) as (url, ca_file):
        done = bars("--connect", f"{url}/stream?streams=btcusdt@trade", "--connect",
                    "ws://localhost:99999/", "--ca-file", ca_file,
                    "--ingest-cores", f"{core},{core}",
                    "--out", folder / "out", "--duration", "30s", timeout=25)
    expect_equal(done.code, 1, "exit status")
    expect("localhost:99999" in done.stderr, done.stderr)


@test
def piped_output_has_no_escape_codes(folder):
    path, _ = capture(folder)
    done = run(BARS, "--replay", path, "--out", folder / "out", "--speed", "max")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("\x1b" not in done.stdout + done.stderr, "escape codes in a pipe")
    expect("\r" not in done.stdout + done.stderr, "carriage returns in a pipe")


@test
def a_venue_misbehaves_by_a_script_or_by_a_seed_and_says_how(folder):
    def shown(*options):
        with harness.venue(folder, *options):
            time.sleep(0.1)
        return (folder / "venue.log").read_text()

    script = folder / "faults.txt"
    script.write_text("any message 500 gap 3\n")
    expect("any message 500 gap 3" in shown("--faults", script), "the script is shown")
    bare = re.search(r"misbehaving by \d+ rules, seed 7\n(  .*\n)+", shown("--seed", 7))
    expect(bare, "--seed alone makes up a script, and shows it with the seed")
    named = shown("--faults", "random", "--seed", 7)
    expect(bare.group(0) in named, "--faults random --seed N makes up the same one")
    expect(bare.group(0) not in shown("--seed", 8), "another seed makes up another one")
    expect("misbehaving" not in shown("--faults", "none", "--seed", 7), "--faults none behaves")
    expect("misbehaving" not in shown(), "so does a venue that was told nothing")


@test
def every_option_of_the_help_is_explained_in_the_documents(_):
    page = (ROOT / "docs/running.md").read_text()
    for option in re.findall(r"^ +(--[a-z-]+)", run(BARS, "--help").stdout, re.M):
        if option not in ("--help", "--version"):
            expect(f"`{option}" in page, f"docs/running.md does not explain {option}")


@test
def the_job_in_the_readme_compiles(folder):
    source = folder / "job.c"
    blocks = re.findall(r"^```c\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    jobs = [block for block in blocks if "tm_main" in block]
    expect_equal(len(jobs), 1, "jobs in README.md")
    source.write_text(jobs[0])
    done = run("cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               "-I", ROOT / "engine", "-I", ROOT, source)
    expect_equal(done.code, 0, done.stderr)


harness.main()
