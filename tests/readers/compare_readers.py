#!/usr/bin/env python3
"""Random part files read by our reader, DuckDB and hyparquet, row by row against what was written.

  compare_readers.py WRITE_PARTS DUMP_PARTS [SEED]

Speaks TAP. A reader whose packages are not installed is skipped with the reason.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = 60
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


def main():
    write_parts, dump_parts = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20260131
    node = shutil.which("node")
    readers = {
        "ours": [dump_parts],
        "duckdb": node and [node, str(HERE / "read_parts.mjs"), "duckdb"],
        "hyparquet": node and [node, str(HERE / "read_parts.mjs"), "hyparquet"],
    }
    print(f"1..{len(readers)}\n# seed {seed}")
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([write_parts, scratch, str(seed), str(FILES)], check=True)
        expected = expected_of(Path(scratch))
        for number, (name, command) in enumerate(readers.items(), 1):
            title = f"{number} - {name} reads {FILES} random part files as they were written"
            if not command:
                print(f"ok {title} # SKIP node is not installed")
                continue
            run = subprocess.run(command + sorted(expected), capture_output=True, text=True)
            if run.returncode == SKIP:
                print(f"ok {title} # SKIP {run.stderr.strip()}")
                continue
            why = run.stderr if run.returncode else compare(name, expected, run.stdout)
            failed |= why is not None
            if why is not None:
                print("# " + why.strip().replace("\n", "\n# "))
            print(f"{'not ok' if why is not None else 'ok'} {title}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
