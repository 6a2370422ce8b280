#!/usr/bin/env python3
"""Jobs that are killed and restarted until they are done: exactly_once.py [--full].

Each job of crash_job.c reads one journal of a synthetic capture. An undisturbed run gives the rows
to compare with. Then the job is killed

  at random instants: kill -9 after a random time, restart, and so on until a run ends by itself;
  at every call: kill_at.c ends the process at its Nth call that changes a file, before or behind
  it, for each N there is; the next run goes on undisturbed.

After each round the finished part files must hold exactly the rows of the undisturbed run, row by
row, and nothing unfinished may be visible. The sample takes every few calls and some rounds; --full
takes all calls and 1,000 instants. The seed is printed; --seed repeats it.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import synthetic
from harness import BUILD, TIDEMARK, expect, expect_equal, hidden, parts

JOB = BUILD / "tests/crash/crash_job"
KILL_AT = BUILD / "tests/crash/libkill_at.so"
JOBS = {"bars": [], "sessions": ["--worker-cores", "0,0"], "timers": [],
        "rekeyed": ["--worker-cores", "0,0"],
        # Files that go on over checkpoints, and are cut by a restart.
        "bars-csv": ["--format", "csv", "--roll-size", "8K", "--worker-cores", "0,0"]}
SELDOM = {"bars-csv"}  # in a full sweep, or when asked for
SPEED_S = 0.5  # how long a run takes that nobody kills
RESTARTS_MAX = 400


def rows_of(folder):
    """All rows of the finished parts, as a bag of CSV lines, one a sink."""
    bag = Counter()
    for file in Path(folder).rglob("part-*.csv"):
        bag.update(file.read_text().splitlines()[1:])
    for sink in sorted({file.relative_to(folder).parts[0] for file in parts(folder)}):
        files = [file for file in parts(folder) if file.relative_to(folder).parts[0] == sink]
        done = subprocess.run([TIDEMARK, "inspect", "--csv", *files], capture_output=True,
                              text=True, check=True)
        bag.update(f"{sink}:{line}" for line in done.stdout.splitlines()[1:])
    return bag


class Bed:
    """A journal, a job and the rows that it has to give."""

    def __init__(self, folder, journal, seconds, job):
        self.folder, self.job = folder, job
        self.words = [JOB, "--replay", journal, "--speed", f"{seconds / SPEED_S:.0f}x", "--quiet",
                      "--state-memory", "8M", "--checkpoint-interval", "15ms", *JOBS[job]]
        self.fresh()
        done = self.run()
        expect_equal(done, 0, f"exit status of the undisturbed run of {job}")
        self.wanted = rows_of(self.out)
        expect(len(self.wanted) > 10, f"the undisturbed run gives {len(self.wanted)} rows")

    def fresh(self):
        self.out, self.kept = self.folder / "out", self.folder / "kept"
        for place in (self.out, self.kept):
            shutil.rmtree(place, ignore_errors=True)

    def start(self, **env):
        return subprocess.Popen([*self.words, "--out", self.out, "--checkpoints", self.kept],
                                env={**os.environ, "TM_JOB": self.job.split("-")[0], **env},
                                stderr=open(self.folder / "stderr", "w", encoding="utf-8"))

    def run(self, **env):
        try:
            return self.start(**env).wait(timeout=120)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.job} hangs") from None

    def check(self, what):
        found = rows_of(self.out)
        lost, doubled = self.wanted - found, found - self.wanted
        expect(not lost and not doubled,
               f"{what}: {sum(lost.values())} rows lost, {sum(doubled.values())} too many; "
               f"{list(lost)[:2]} {list(doubled)[:2]}")
        expect(not hidden(self.out), f"{what}: unfinished files are left: {hidden(self.out)}")

    def stderr(self):
        return (self.folder / "stderr").read_text()


def random_kills(bed, rng, rounds):
    """Kills until `rounds` kills were made."""
    kills, runs = 0, 0
    while kills < rounds:
        bed.fresh()
        for _ in range(RESTARTS_MAX):
            process = bed.start()
            time.sleep(rng.uniform(0.005, 1.1 * SPEED_S))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            code = process.wait(timeout=120)
            if code == 0:
                break
            expect_equal(code, -signal.SIGKILL, f"exit status; {bed.stderr()}")
        else:
            raise AssertionError("no run comes to its end")
        runs += 1
        bed.check(f"{bed.job}, killed at random, round {runs}")
    return f"{kills} kills in {runs} rounds"


def calls_of(bed):
    log = bed.folder / "calls"
    bed.fresh()
    expect_equal(bed.run(LD_PRELOAD=str(KILL_AT), TM_KILL_LOG=str(log)), 0, "exit status")
    return int(log.read_text())


def call_kills(bed, step, first):
    """A kill at every step-th call that changes a file, in turn before and behind it."""
    total, kills = calls_of(bed), 0
    for number in range(1 + first % step, total + 1, step):
        bed.fresh()
        after = "1" if (number // step) % 2 else "0"
        code = bed.run(LD_PRELOAD=str(KILL_AT), TM_KILL_AT=str(number), TM_KILL_AFTER=after)
        if code != 0:
            expect_equal(code, -signal.SIGKILL, f"exit status; {bed.stderr()}")
            kills += 1
            expect_equal(bed.run(), 0, f"exit status of the restart; {bed.stderr()}")
        bed.check(f"{bed.job}, killed at call {number} of {total}, after={after}")
    return f"{kills} kills at calls 1 to {total}"


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--full", action="store_true", help="all calls, 1,000 random instants")
    ask.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    ask.add_argument("--job", choices=sorted(JOBS))
    ask.add_argument("--kills", type=int, default=0, help="random instants a job")
    ask.add_argument("--step", type=int, default=0, help="between calls")
    args = ask.parse_args()
    jobs = [args.job] if args.job else [job for job in JOBS if args.full or job not in SELDOM]
    kills = args.kills or (1000 // len(jobs) + 1 if args.full else 12)
    rng = random.Random(args.seed)
    seconds = 60
    print(f"# seed {args.seed}")
    print(f"1..{2 * len(jobs)}")
    bad = number = 0
    with tempfile.TemporaryDirectory(prefix="tm-crash-") as place:
        folder = Path(place)
        synthetic.write(folder / "capture.txt", seed=args.seed, seconds=seconds, rate=40)
        subprocess.run([TIDEMARK, "journal", "import", folder / "capture.txt", folder / "journal"],
                       check=True, capture_output=True)
        for job in jobs:
            try:
                bed, broken = Bed(folder, folder / "journal", seconds, job), None
            except AssertionError as error:
                broken = error
            rounds = [("random instants", lambda b: random_kills(b, rng, kills)),
                      ("calls", lambda b: call_kills(
                          b, args.step or (1 if args.full else calls_of(b) // 12 + 1),
                          rng.randrange(1 << 20)))]
            for what, function in rounds:
                number += 1
                name = f"{job} killed at {what} loses nothing and doubles nothing"
                try:
                    if broken:
                        raise broken
                    print(f"ok {number} - {name} # {function(bed)}", flush=True)
                except AssertionError as error:
                    bad += 1
                    print(f"not ok {number} - {name}\n# {error}", flush=True)
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
