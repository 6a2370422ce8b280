#!/usr/bin/env python3
"""Messages of order books written as lists, read by four readers and compared with what was
written, and with the same levels as rows.

  compare_books.py WRITE_BOOKS DUMP_PARTS [SEED]

Speaks TAP. A reader whose packages are not installed is skipped with the reason.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MESSAGES = 2000
SKIP = 77


def read(name, *args):
    """Lines of read_books.mjs, or None where its packages are missing, and what it complains of."""
    done = subprocess.run(["node", HERE / "read_books.mjs", name, *args],
                          capture_output=True, text=True)
    if done.returncode == SKIP:
        return None, done.stderr.strip()
    return done.stdout.splitlines() if done.returncode == 0 else [], done.stderr.strip()


def first_difference(got, want):
    """As a text, or None."""
    if len(got) != len(want):
        return f"{len(got)} lines instead of {len(want)}"
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f"line {i} is\n#   {a}\n# instead of\n#   {b}"
    return None


def checks(folder):
    """Name of each check, how read_books.mjs is called for it, and what it must answer."""
    lists, cut, rows = (str(folder / f"{name}.parquet") for name in ("lists", "cut", "rows"))
    want = (folder / "lists.txt").read_text().splitlines()
    for name in ("duckdb", "hyparquet", "parquet-wasm", "polars"):
        yield f"{name} reads lists as they were written", (name, lists), want
    yield "hyparquet finds rows in the middle by the offset index", ("pages", lists), want[700:760]
    yield "no level is in the lists or in the rows alone", ("same", lists, rows), ["0\t0"]
    yield "nor where row groups cut messages", ("same", cut, rows), ["0\t0"]
    yield "DuckDB finds messages by their ids", ("lookup", lists, rows), ["0"]


def main():
    write_books, dump_parts = sys.argv[1:3]
    seed = sys.argv[3] if len(sys.argv) > 3 else "20260131"
    failed = False
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        subprocess.run([write_books, folder, seed, str(MESSAGES)], check=True)
        plan = list(checks(folder))
        print(f"1..{len(plan) + 1}\n# seed {seed}")
        for number, (title, call, want) in enumerate(plan, 1):
            got, complaint = read(*call)
            if got is None:
                print(f"ok {number} - {title} # SKIP {complaint}")
                continue
            problem = first_difference(got, want)
            failed = failed or problem is not None
            if problem:
                print(f"# {problem}\n# {complaint}")
            print(f"{'not ' if problem else ''}ok {number} - {title}")
        ours = subprocess.run([dump_parts, folder / "lists.parquet"],
                              capture_output=True, text=True)
        refused = ours.returncode != 0 and "nested" in ours.stderr
        failed = failed or not refused
        verdict = "ok" if refused else "not ok"
        print(f"{verdict} {len(plan) + 1} - our own reader says that it does not take lists")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
