#!/usr/bin/env python3
"""A job that goes on with another number of workers gives the rows of one that ran undisturbed."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import harness
import synthetic
from harness import BUILD, TIDEMARK, expect, expect_equal, finish, hidden, parts, test, wait_for

JOB = BUILD / "tests/crash/crash_job"
SECONDS = 60
CORES = {1: "0", 2: "0,0", 3: "0,0,0"}


def rows_of(folder):
    bag = Counter()
    for sink in sorted({file.relative_to(folder).parts[0] for file in parts(folder)}):
        files = [file for file in parts(folder) if file.relative_to(folder).parts[0] == sink]
        done = subprocess.run([TIDEMARK, "inspect", "--csv", *files], capture_output=True,
                              text=True, check=True)
        bag.update(f"{sink}:{line}" for line in done.stdout.splitlines()[1:])
    return bag


def start(folder, job, workers, *more):
    return subprocess.Popen(
        [*map(str, [JOB, "--replay", folder / "capture.txt", "--out", folder / "out",
                    "--checkpoints", folder / "kept", "--checkpoint-interval", "15ms",
                    "--worker-cores", CORES[workers], *more])],
        env={**os.environ, "TM_JOB": job}, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True)


def manifests(folder):
    return sorted((folder / "kept").glob("manifest-*"))


def piece(folder, job, workers, sig, *more):
    """A run that ends some checkpoints later."""
    before = manifests(folder)[-1:]
    process = start(folder, job, workers, "--speed", "30x", *more)
    wait_for(lambda: process.poll() is not None or
             (manifests(folder)[-1:] != before and len(parts(folder / "out")) > 0), "checkpoints")
    process.send_signal(sig)
    done = finish(process)
    expect(done.code in (0, -sig), f"exit status {done.code}; {done.stderr}")


def compare(folder, job, numbers, seed):
    synthetic.write(folder / "capture.txt", seed=seed, seconds=SECONDS, rate=40)
    done = finish(start(folder, job, 1, "--state-memory", "8M"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    wanted = rows_of(folder / "out")
    for place in ("out", "kept"):
        subprocess.run(["rm", "-r", folder / place], check=True)
    rng = random.Random(seed)
    for workers in numbers[:-1]:
        piece(folder, job, workers, rng.choice([signal.SIGKILL, signal.SIGTERM]),
              "--state-memory", "8M")
    done = finish(start(folder, job, numbers[-1], "--state-memory", "16M"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("the state of " in done.stderr, done.stderr)
    found = rows_of(folder / "out")
    expect(not wanted - found and not found - wanted,
           f"lost {list(wanted - found)[:3]}, too many {list(found - wanted)[:3]}")
    expect_equal(hidden(folder / "out"), [], "unfinished files")


@test
def timers_and_maps_go_from_one_worker_to_two(folder):
    compare(folder, "timers", [1, 2], 41)


@test
def timers_and_maps_go_from_two_workers_to_one(folder):
    compare(folder, "timers", [2, 1], 42)


@test
def timers_and_maps_go_from_two_workers_to_three_and_back(folder):
    compare(folder, "timers", [2, 3, 1, 3, 2], 43)


@test
def bars_and_the_rows_beside_them_go_to_more_and_fewer_workers(folder):
    compare(folder, "bars", [1, 2], 45)


@test
def bars_go_on_over_many_changes(folder):
    compare(folder, "bars", [3, 1, 2, 3, 1], 46)


@test
def sessions_with_trees_of_values_go_to_more_and_fewer_workers(folder):
    compare(folder, "sessions", [1, 2, 3, 2, 1], 47)


@test
def sliding_windows_go_to_more_and_fewer_workers(folder):
    compare(folder, "sliding", [2, 3, 1, 2], 48)


@test
def cumulative_windows_go_to_more_and_fewer_workers(folder):
    compare(folder, "cumulative", [1, 3, 2], 49)


@test
def rows_keyed_anew_go_from_one_worker_to_two_and_three(folder):
    compare(folder, "rekeyed", [1, 2, 3], 50)


@test
def rows_keyed_anew_go_on_over_many_changes(folder):
    compare(folder, "rekeyed", [3, 1, 2, 3, 1], 51)


harness.main()
