#!/usr/bin/env python3
"""Power cuts: power_loss.py [--full] restarts jobs on what a disk may hold after one.

Each job runs while all that it does to files is recorded (record_calls.c): once from start to end,
and once killed at a random call and started again. Then, for random instants of the record,
power_disk.py makes one of the states in which a file system may be found after a power cut there,
and the job is started on it. It has to come to its end, and then

  every checkpoint that was told to be complete before the instant is in force, or a newer one;
  no checkpoint is passed over: what has a manifest's name is whole;
  the finished part files hold exactly the rows of an undisturbed run, none lost, none doubled;
  parts that could be seen before the instant are there, byte for byte;
  nothing unfinished is visible.

Some restarts are recorded themselves and cut again. The sample takes some dozens of instants,
--full 1,000 a job. The seed is printed; --seed repeats the choices, on a new record. --keep DIR
leaves there what failed.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import synthetic
from exactly_once import JOB, JOBS, rows_of
from harness import BUILD, TIDEMARK, expect, expect_equal, hidden
from power_disk import Disk, read_record

RECORD = BUILD / "tests/crash/librecord_calls.so"
SECONDS = 60  # of the capture
PACE_S = 0.7  # in which a recorded run reads it: some dozens of checkpoints
AGAIN = 0.2  # of restarts are recorded and cut again
CUTS_A_RECORD = 100


@dataclass
class Promise:
    """What a job has told so far, and must keep."""
    acked: int = 0
    parts: dict = field(default_factory=dict)  # content by path

    def note(self, call):
        if call.kind == "N":
            self.acked = max(self.acked, int(call.data.split()[1]))

    def look(self, disk):
        """Takes up the parts that can be seen."""
        self.parts |= {path: content for path, content in disk.files()
                       if path.startswith("out/") and "/." not in path}

    def copy(self):
        return Promise(self.acked, dict(self.parts))


class Job:
    """A job on a disk, and the rows that it has to give."""

    def __init__(self, name, folder, journal):
        self.name, self.folder, self.disk = name, folder, folder / "disk"
        self.words = [JOB, "--replay", journal, "--state-memory", "8M", "--checkpoint-interval",
                      "12ms", *JOBS[name], "--out", self.disk / "out", "--checkpoints",
                      self.disk / "kept"]
        self.wipe()
        expect_equal(self.run(), 0, f"exit status of the undisturbed run; {self.stderr()}")
        self.wanted = rows_of(self.disk / "out")
        expect(len(self.wanted) > 10, f"the undisturbed run gives {len(self.wanted)} rows")

    def wipe(self):
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir(parents=True)

    def run(self, paced=False, **env):
        pace = ["--speed", f"{SECONDS / PACE_S:.0f}x"] if paced else []
        with open(self.folder / "stderr", "w", encoding="utf-8") as to:
            try:
                return subprocess.run(
                    [*map(str, self.words), *pace], stdin=subprocess.DEVNULL, timeout=120,
                    stdout=subprocess.DEVNULL, stderr=to, check=False,
                    env={**os.environ, "TM_JOB": self.name.split("-")[0], "TM_ACKS": "1",
                         **env}).returncode
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{self.name} hangs") from None

    def stderr(self):
        return (self.folder / "stderr").read_text()

    def record(self, stop=0, paced=True):
        """Runs the job on what is there; its calls, and whether it came to its end."""
        path = self.folder / "record"
        code = self.run(paced, LD_PRELOAD=str(RECORD), TM_RECORD_ROOT=str(self.disk),
                        TM_RECORD_TO=str(path), TM_RECORD_STOP=str(stop))
        expect(code == 0 or (stop and code == -9), f"exit status {code}; {self.stderr()}")
        return read_record(path)

    def expect_seen(self, disk):
        """The record is whole: it led to what lies there."""
        found = {str(path.relative_to(self.disk)): path.read_bytes()
                 for path in self.disk.rglob("*") if path.is_file()}
        wanted = dict(disk.files())
        expect_equal(sorted(found), sorted(wanted), "files by the record")
        for path, content in found.items():
            expect(content == wanted[path], f"{path} is not what was recorded")

    def check_end(self, promise, what):
        """After a run that was not disturbed any more."""
        found = rows_of(self.disk / "out")
        lost, doubled = self.wanted - found, found - self.wanted
        expect(not lost and not doubled,
               f"{what}: {sum(lost.values())} rows lost, {sum(doubled.values())} too many; "
               f"{list(lost)[:2]} {list(doubled)[:2]}; {self.stderr()}")
        unfinished = hidden(self.disk / "out")
        expect(not unfinished, f"{what}: unfinished files are left: {unfinished}")
        for path, content in promise.parts.items():
            expect((self.disk / path).exists(), f"{what}: {path} was seen, and is gone")
            expect((self.disk / path).read_bytes() == content, f"{what}: {path} has changed")

    def check_start(self, promise, what):
        text = self.stderr()
        expect("passed over" not in text, f"{what}: a checkpoint is not whole: {text}")
        restored = re.search(r"restored from checkpoint (\d+)", text)
        number = int(restored.group(1)) if restored else 0
        expect(number >= promise.acked,
               f"{what}: checkpoint {promise.acked} was complete, but {number} is in force")
        return number


def replay(lives, disk):
    """Brings a disk to where each call of one process, or of several in turn, left it."""
    for calls in lives:
        disk.reborn()
        for call in calls:
            disk.do(call)
            yield call


class Cuts:
    """Cuts a job's power at random instants of its records."""

    def __init__(self, job, rng, keep):
        self.job, self.rng, self.keep, self.counts = job, rng, keep, Counter()

    def rounds(self, count):
        for first in range(0, count, CUTS_A_RECORD):
            now = min(CUTS_A_RECORD, count - first)
            self.job.wipe()
            whole = self.job.record()
            self.cut_all([whole], (now + 1) // 2)
            self.job.wipe()
            killed = self.job.record(stop=self.rng.randrange(1, len(whole)))
            self.cut_all([killed, self.job.record()], now // 2)
        return ", ".join(f"{count} {what}" for what, count in self.counts.items())

    def cut_all(self, lives, count):
        """`count` cuts at instants of what one process did, or several in turn."""
        disk = Disk()
        for _ in replay(lives, disk):
            pass
        self.job.expect_seen(disk)
        disk, promise = Disk(), Promise()
        total = sum(map(len, lives))
        instants = Counter(self.rng.randrange(total + 1) for _ in range(count))
        self.cuts(disk, promise, instants[0], f"call 0 of {total}")
        for number, call in enumerate(replay(lives, disk), 1):
            promise.note(call)
            self.cuts(disk, promise, instants[number], f"call {number} of {total}")

    def cuts(self, disk, promise, count, where):
        for _ in range(count):
            kept = promise.copy()
            kept.look(disk)
            self.cut(disk, kept, f"{self.job.name}, cut at {where}")

    def cut(self, disk, promise, what):
        self.job.wipe()
        disk.cut(self.rng, self.job.disk)
        image = self.job.folder / "image"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(self.job.disk, image)
        again = self.rng.random() < AGAIN
        self.counts["cuts"] += 1
        try:
            if again:
                life = self.job.record(paced=False)
            else:
                expect_equal(self.job.run(), 0, f"{what}: exit status; {self.job.stderr()}")
            number = self.job.check_start(promise, what)
            self.counts["restored" if number else "begun anew"] += 1
            self.job.check_end(promise, what)
            if again:
                self.counts["cut again"] += 1
                self.cut_again(Disk(image), life, promise, what)
        except AssertionError:
            if self.keep:
                shutil.copytree(image, self.keep / "image", dirs_exist_ok=True)
                shutil.copytree(self.job.disk, self.keep / "disk", dirs_exist_ok=True)
                shutil.copy(self.job.folder / "stderr", self.keep / "stderr")
            raise

    def cut_again(self, disk, life, promise, what):
        at = self.rng.randrange(len(life) + 1)
        for call in life[:at]:
            disk.do(call)
            promise.note(call)
        promise.look(disk)
        self.cut(disk, promise, f"{what}, again at call {at} of {len(life)}")


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--full", action="store_true", help="1,000 instants a job")
    ask.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    ask.add_argument("--job", choices=sorted(JOBS))
    ask.add_argument("--cuts", type=int, default=0, help="instants a job")
    ask.add_argument("--keep", type=Path, help="folder for what failed")
    args = ask.parse_args()
    jobs = [args.job] if args.job else JOBS
    count = args.cuts or (1000 if args.full else 12)
    rng = random.Random(args.seed)
    print(f"# seed {args.seed}")
    print(f"1..{len(jobs)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="tm-power-") as place:
        folder = Path(place).resolve()
        synthetic.write(folder / "capture.txt", seed=args.seed, seconds=SECONDS, rate=40)
        subprocess.run([TIDEMARK, "journal", "import", folder / "capture.txt", folder / "journal"],
                       check=True, capture_output=True)
        for number, name in enumerate(jobs, 1):
            what = f"{number} - {name} keeps what it promised through power cuts"
            try:
                cuts = Cuts(Job(name, folder, folder / "journal"), rng, args.keep)
                print(f"ok {what} # {cuts.rounds(count)}", flush=True)
            except AssertionError as error:
                bad += 1
                told = str(error).replace("\n", "\n# ")
                print(f"not ok {what}\n# {told}", flush=True)
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
