#!/usr/bin/env python3
"""Runs stream_vectors over this folder's cases and the shared ones, then over spoilt copies:
run_vectors.py STREAM_VECTORS.

Each spoilt copy has one expected number changed, and every one must fail: a runner that passes
whatever it reads would be found out. Shared vectors come from $TM_SHARED or ../shared beside the
source tree; where they are not there, this folder's cases run alone.
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = ["01_window_assigners", "02_window_operator", "05_watermarks", "06_file_sink",
          "07_barrier_alignment", "10_two_phase_commit", "11_evictors_and_count"]
EXPECTED = ("windows", "out", "side", "expect", "merge_calls", "periodic_emit", "pane_of", "split",
            "last_window_of_pane", "start", "triggered", "aborted", "blocked_after", "v",
            "in_progress_or_pending", "finished", "pending", "in_progress_to_clean",
            "active_buckets", "active_buckets_after", "discarded_resume_points", "recover_calls",
            "recover_for_commit_calls", "open_transactions")


def shared_files():
    places = [os.environ.get("TM_SHARED"), HERE.parent.parent.parent / "shared"]
    for place in filter(None, places):
        files = [Path(place) / "vectors" / f"{name}.json" for name in SHARED]
        if all(f.exists() for f in files):
            return files
    return []


def numbers(node, path, expected):
    """Paths of all integers that a case expects."""
    if isinstance(node, bool):
        return
    if isinstance(node, int):
        if expected:
            yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            # A session's "windows" are its input, and what it lists as panes is found by "ts".
            is_input = key == "windows" and "merge_calls" in node
            is_input |= key in ("ts", "pane", "window") and path[-2:-1] in (
                ("pane_of",), ("split",), ("last_window_of_pane",)) and (
                    key != "pane" or "last" in node)
            is_input |= path[-1:] == ("state",)  # what part files are restored from
            yield from numbers(value, path + (key,),
                               (expected or key in EXPECTED) and not is_input)
    elif isinstance(node, list):
        for idx, value in enumerate(node):
            if idx == 0 and path[-2:-1] == ("blocked_after",):
                continue  # the same channels may be blocked an event later, too
            yield from numbers(value, path + (idx,), expected)


def spoilt(doc):
    """Copies of a document with one expected number changed, and the case that holds it."""
    for section, cases in doc.items():
        if not isinstance(cases, (list, dict)) or section == "invalid_parameters":
            continue
        for idx, case in enumerate(cases if isinstance(cases, list) else [cases]):
            if not isinstance(case, dict):
                continue
            for path in numbers(case, (), False):
                changed = copy.deepcopy(case)
                at = changed
                for step in path[:-1]:
                    at = at[step]
                at[path[-1]] += 1 if at[path[-1]] < 1 << 62 else -1
                yield f"{section}[{idx}] {path}", {
                    "format": doc["format"],
                    section: [changed] if isinstance(cases, list) else changed}


def main():
    program = sys.argv[1]
    files = [HERE / "windows.json", HERE / "parts.json", *shared_files()]
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    print(done.stdout)
    if done.returncode != 0:
        sys.exit(f"stream_vectors exits with {done.returncode}: {done.stderr}")

    missed, tried = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            for what, doc in spoilt(json.loads(file.read_text())):
                path = Path(folder) / "spoilt.json"
                path.write_text(json.dumps(doc))
                bad = subprocess.run([program, path], capture_output=True, check=False)
                tried += 1
                if bad.returncode != 1:
                    missed.append(f"{file.name} {what}: exits with {bad.returncode}")
        path = Path(folder) / "unknown.json"
        path.write_text('{"format": "stream-vectors/1", "cases": [{"case": "x", "steps": []}]}')
        if subprocess.run([program, path], capture_output=True, check=False).returncode == 0:
            missed.append("a case of no known kind passes")
    print(f"{tried} spoilt copies")
    for line in missed:
        print(line)
    if missed or tried == 0:
        sys.exit(f"{len(missed)} of {tried} spoilt copies pass")


main()
