#!/usr/bin/env python3
"""Counts what meson's test runs did, test by test.

  tally.py suites DIR                   prints the suites that the build in DIR has, one a line
  tally.py report DIR SUITE BUILD FILE  reads DIR/meson-logs/testlog-SUITE.json, prints one line and
                                        in full whatever failed, appends its counts to FILE
  tally.py sum FILE                     prints "N passed, N failed, N skipped"; exits 1 where any
                                        failed or none ran

A program that speaks TAP counts with each of its tests, any other as one. One that dies before
it has reported all that it planned, or exits badly after its tests passed, counts as one failure
more; a suite without a log (meson itself failed) as one failure.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TAP_LINE = re.compile(r"^(not )?ok\b(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)\b(?:\s*#\s*skip\b\s*(.*))?", re.I)
TAP_SKIP = re.compile(r"#\s*skip\b\s*(.*)$", re.I)
GOOD = {"OK", "EXPECTEDFAIL"}


def suites(build_dir):
    out = subprocess.run(["meson", "introspect", "--tests", build_dir],
                         check=True, capture_output=True, text=True).stdout
    seen = []
    for test in json.loads(out):
        for suite in test["suite"]:
            name = suite.split(":", 1)[-1]
            if name not in seen:
                seen.append(name)
    print("\n".join(seen))


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = {}

    def skip(self, reason):
        self.skipped += 1
        reason = reason.strip(" :-") or "no reason given"
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def count_tap(test, counts):
    """Adds the TAP subtests of one program; True where it said anything in TAP."""
    planned, seen, failed = None, 0, 0
    for line in test.get("stdout", "").splitlines():
        plan = TAP_PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0:
                counts.skip(plan.group(2) or "")
            continue
        result = TAP_LINE.match(line)
        if not result:
            continue
        seen += 1
        skip = TAP_SKIP.search(result.group(2))
        if result.group(1):
            failed += 1
        elif skip:
            counts.skip(skip.group(1))
        else:
            counts.passed += 1
    if planned is None and seen == 0:
        return False
    incomplete = planned is not None and seen < planned
    if failed == 0 and (incomplete or test["result"] not in GOOD | {"SKIP"}):
        failed = 1
    counts.failed += failed
    return True


def count(test, counts):
    """Adds one program of the log; returns whether anything in it failed."""
    before = counts.failed
    if not count_tap(test, counts):
        if test["result"] in GOOD:
            counts.passed += 1
        elif test["result"] == "SKIP":
            counts.skip(last_line(test))
        else:
            counts.failed += 1
    return counts.failed > before


def last_line(test):
    lines = [line for line in test.get("stdout", "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def show_failure(test):
    print(f"---- {test['name']}: {test['result']}, exit status {test['returncode']}")
    for stream in ("stdout", "stderr"):
        text = test.get(stream, "").rstrip()
        if text:
            print(text)
    print("----")


def report(build_dir, suite, build, tally_path):
    log = Path(build_dir, "meson-logs", f"testlog-{suite}.json")
    counts, seconds = Counts(), 0.0
    tests = []
    if log.exists():
        tests = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
    for test in tests:
        seconds += test.get("duration", 0.0)
        if count(test, counts):
            show_failure(test)
    if not tests:
        counts.failed += 1
        print(Path(build_dir, f"dev-test-{suite}.log").read_text()[-4000:])
    parts = [f"{counts.passed} passed"]
    if counts.failed:
        parts.append(f"{counts.failed} FAILED")
    if counts.skipped:
        parts.append(f"{counts.skipped} skipped")
    print(f"test      {suite:<10} {build:<8} {', '.join(parts):<28} {seconds:6.1f} s", flush=True)
    for reason, times in counts.reasons.items():
        print(f"            skipped {times}: {reason}")
    with open(tally_path, "a", encoding="utf-8") as tally:
        tally.write(f"{counts.passed} {counts.failed} {counts.skipped}\n")


def total(tally_path):
    rows = [[int(n) for n in line.split()] for line in Path(tally_path).read_text().splitlines()]
    passed, failed, skipped = (sum(column) for column in zip(*rows)) if rows else (0, 0, 0)
    if passed + failed + skipped == 0:
        print("nothing ran: no test belongs to what was asked for")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed + skipped == 0 else 0


def main(args):
    if len(args) == 2 and args[0] == "suites":
        return suites(args[1])
    if len(args) == 5 and args[0] == "report":
        return report(*args[1:])
    if len(args) == 2 and args[0] == "sum":
        return total(args[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
