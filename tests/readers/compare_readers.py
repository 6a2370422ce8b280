#!/usr/bin/env python3
"""Random part files read by ours and four other readers, row by row against what was written.

  compare_readers.py WRITE_PARTS DUMP_PARTS [SEED]

Speaks TAP. A reader whose packages are not installed is skipped with the reason.
"""

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = 60
CODECS = ("UNCOMPRESSED", "ZSTD", "LZ4_RAW")
ENCODINGS = ("PLAIN", "DELTA_BINARY_PACKED", "RLE_DICTIONARY")
OTHERS = ("duckdb", "hyparquet", "parquet-wasm", "polars")
SKIP = 77


def expected_of(folder):
    """Per file: units of the columns and the rows, as written beside it."""
    out = {}
    for text in folder.glob("*.txt"):
        lines = text.read_text().splitlines()
        out[str(text.with_suffix(".parquet"))] = (lines[0].split("\t"), lines[1:])
    return out


def rows_of(output):
    """The rows of each file in a reader's output."""
    out, rows = {}, None
    for line in output.splitlines():
        if line.startswith("# "):
            rows = out[line[2:]] = []
        else:
            rows.append(line)
    return out


def in_micros(units, line):
    """DuckDB hands out times with a zone in microseconds: the expectation is cut likewise."""
    cells = line.split("\t")
    return "\t".join(str(int(cell) // 1000) if unit == "ns" and cell != "\\N" else cell
                     for unit, cell in zip(units, cells))


def compare(name, expected, output):
    """The first difference as a text, or None."""
    got = rows_of(output)
    for path, (units, want) in expected.items():
        if name == "duckdb":
            want = [in_micros(units, line) for line in want]
        have = got.get(path)
        if have is None:
            return f"{path}: not read"
        if len(have) != len(want):
            return f"{path}: {len(have)} rows instead of {len(want)}"
        for row, (a, b) in enumerate(zip(have, want)):
            if a != b:
                return f"{path}: row {row} is\n#   {a}\n# instead of\n#   {b}"
    return None


def check_layout(output):
    """What the files do not put to the test, or None."""
    groups = {(codec, encoding): cnt for codec, encoding, cnt in json.loads(output)}
    missing = set(itertools.product(CODECS, ENCODINGS)) - set(groups)
    if missing:
        return f"no chunk is {sorted(missing)}"
    return None if max(groups.values()) > 1 else "no file has several row groups"


def check_blooms(output):
    """What is wrong with the Bloom filters, or None."""
    seen = json.loads(output)
    if seen["missed"]:
        return f"{seen['missed']} of {seen['there']} values that are there are ruled out"
    if min(seen["there"], seen["absent"]) < 500:
        return f"too little was looked up: {seen}"
    if seen["excluded"] < seen["absent"] * 0.98:
        return f"filters rule out only {seen['excluded']} of {seen['absent']} absent values"
    return None


def report(number, title, run, check):
    """One line of TAP. Returns whether the test failed."""
    if run is None:
        print(f"ok {number} - {title} # SKIP node is not installed", flush=True)
        return False
    if run.returncode == SKIP:
        print(f"ok {number} - {title} # SKIP {run.stderr.strip()}", flush=True)
        return False
    why = run.stderr if run.returncode else check(run.stdout)
    if why is not None:
        print("# " + why.strip().replace("\n", "\n# "))
    print(f"{'ok' if why is None else 'not ok'} {number} - {title}", flush=True)
    return why is not None


def main():
    write_parts, dump_parts = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20260131
    node = shutil.which("node")
    titles = {"layout": "the files hold each encoding in each compression, and several row groups",
              "blooms": "DuckDB's use of Bloom filters misses no value, and rules out absent ones"}
    for name in ("ours", *OTHERS):
        titles[name] = f"{name} reads {FILES} random part files as they were written"
    print(f"1..{len(titles)}\n# seed {seed}")
    failed = False
    checks = {"layout": check_layout, "blooms": check_blooms}
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([write_parts, scratch, str(seed), str(FILES)], check=True)
        expected = expected_of(Path(scratch))
        for number, (name, title) in enumerate(titles.items(), 1):
            command = [node, str(HERE / "read_parts.mjs"), name] if name != "ours" else [dump_parts]
            files = sorted(expected)[::4 if name == "blooms" else 1]
            run = command[0] and subprocess.run(command + files, capture_output=True, text=True)
            check = checks.get(name) or partial(compare, name, expected)
            failed |= report(number, title, run, check)
    return failed


if __name__ == "__main__":
    sys.exit(main())
