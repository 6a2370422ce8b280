#!/usr/bin/env python3
"""Power cuts: power_loss.py [--full] starts programs on what a disk may hold after one.

Each program runs while all that it does to files is recorded (record_calls.c): once from start to
end, and once killed at a random call and started again (half of these kills come while folders are
made and files cut, half of all cuts right behind renames). Then, for random instants of the record,
power_disk.py makes one of the states in which a file system may be found after a power cut there,
and the program is started on it. It has to come to its end, and then

  jobs (those of crash_job.c, fed from a journal)
    every checkpoint that was told to be complete before the instant is in force, or a newer one;
    no checkpoint is passed over: what has a manifest's name is whole;
    the finished parts hold exactly the rows of an undisturbed run, none lost, none doubled;
    parts that could be seen before the instant are there, byte for byte;
    no part that a reader finds right behind the cut is torn or has rows of another;
    nothing unfinished is left;
    a live job's rows are those of a replay of the journal that it wrote;
  journals (of crash_journal.c and of tidemark capture)
    every record below the sequence that was told to be durable is there and what it was;
    recovery tells the bytes of the torn tail as an independent reader counts them.

Some restarts are recorded themselves and cut again. At last the jobs run on a disk that does
nothing when it is told to fsync, which has to be found out. The sample takes some dozens of
instants, --full 1,000 a program. The seed is printed; --seed repeats the choices, on a new record.
--keep DIR leaves there what failed.
"""

import argparse
import itertools
import json
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

from crash_bed import JOB, JOBS, SECONDS, expect_rows, journal_make, rows_of
from harness import BUILD, ROOT, TIDEMARK, expect, expect_equal, venue
from power_disk import Content, Disk, read_record

RECORD = BUILD / "tests/crash/librecord_calls.so"
JOURNAL = BUILD / "tests/crash/crash_journal"
READER = ROOT / "tests/reference/journal_reader.py"
PACE_S = 0.7  # in which a recorded run reads it: some dozens of checkpoints
RECORDS = 1000  # of a journal
AGAIN = 0.2  # of restarts are recorded and cut again
CUTS_A_RECORD = 50
LIVE = {"live": 1, "live-twice": 2}  # connections that bring the same messages


@dataclass
class Promise:
    """What a program has told so far, and must keep."""
    acked: int = 0  # checkpoint, or first sequence that is not durable
    parts: dict = field(default_factory=dict)  # content by path
    gone: set = field(default_factory=set)  # sequences that an earlier cut took
    records: dict = field(default_factory=dict)  # that were written, durable or not
    anew: bool = False  # begun without a checkpoint

    def note(self, call):
        if call.kind == "N":
            self.acked = max(self.acked, int(call.data.split()[1]))

    def copy(self):
        return Promise(self.acked, dict(self.parts), set(self.gone), anew=self.anew)


class Program:
    """Something that writes below self.disk, whose path stays the same: jobs remember it."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.disk, self.image = folder / "disk", folder / "image"

    def words(self, recorded):
        """What to start; recorded: from an empty disk, else after a cut."""
        raise NotImplementedError

    def wipe(self):
        for place in (self.disk, self.image):
            shutil.rmtree(place, ignore_errors=True)
        self.disk.mkdir(parents=True)

    def run(self, recorded=False, **env):
        env = {**os.environ, "TM_JOB": self.name.split("-", maxsplit=1)[0], "TM_ACKS": "1", **env}
        with open(self.folder / "stderr", "w", encoding="utf-8") as err, \
                open(self.folder / "stdout", "w", encoding="utf-8") as out:
            try:
                return subprocess.run([*map(str, self.words(recorded))], stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=err, timeout=120, check=False,
                                      env=env).returncode
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{self.name} hangs") from None

    def told(self, where="stderr"):
        return (self.folder / where).read_text()

    def record(self, stop=0, recorded=True):
        """Runs on what is there; its calls."""
        path = self.folder / "record"
        code = self.run(recorded, LD_PRELOAD=str(RECORD), TM_RECORD_ROOT=str(self.disk),
                        TM_RECORD_TO=str(path), TM_RECORD_STOP=str(stop))
        expect(code == 0 or (stop and code == -9), f"exit status {code}; {self.told()}")
        return read_record(path)

    def expect_seen(self, disk):
        """The record is whole: it led to what lies there."""
        found = {str(path.relative_to(self.disk)): path for path in self.disk.rglob("*")
                 if path.is_file()}
        wanted = dict(disk.files())
        expect_equal(sorted(found), sorted(wanted), "files by the record")
        for name, path in found.items():
            there = Content()
            there.load(path)
            expect(there.whole() == wanted[name].whole(), f"{name} is not what was recorded")

    def look(self, disk, promise):
        """Adds to the promise what can be seen on the disk."""

    def check(self, promise, what):
        """After a run on self.image, which left self.disk. Returns what the run met with."""
        raise NotImplementedError


class Job(Program):
    """A job with checkpoints, and the rows that it has to give."""

    def __init__(self, name, folder):
        super().__init__(name, folder)
        self.wipe()
        expect_equal(self.run(), 0, f"exit status of the undisturbed run; {self.told()}")
        self.wanted = rows_of(self.disk / "out")
        expect(len(self.wanted) > 10, f"the undisturbed run gives {len(self.wanted)} rows")

    def words(self, recorded):
        pace = ["--speed", f"{SECONDS / PACE_S:.0f}x"] if recorded else []
        return [JOB, "--replay", self.folder / "journal", "--state-memory", "8M",
                "--checkpoint-interval", "12ms", *JOBS[self.name], "--out", self.disk / "out",
                "--checkpoints", self.disk / "kept", *pace]

    def look(self, disk, promise):
        promise.parts |= {path: content.whole() for path, content in disk.files()
                          if path.startswith("out/") and "/." not in path}

    def check(self, promise, what):
        restored = re.search(r"restored from checkpoint (\d+)", self.told())
        number = int(restored.group(1)) if restored else 0
        self.check_manifests(what)
        expect(number >= promise.acked,
               f"{what}: checkpoint {promise.acked} was complete, but {number} is in force")
        promise.anew |= not number
        self.check_seen(what)
        self.check_rows(promise, what)
        for path, content in promise.parts.items():
            expect((self.disk / path).exists(), f"{what}: {path} was seen, and is gone")
            expect((self.disk / path).read_bytes() == content, f"{what}: {path} has changed")
        return "restored" if number else "begun anew"

    def check_seen(self, what):
        more = rows_of(self.image / "out") - self.wanted
        expect(not more, f"{what}: {sum(more.values())} rows too many are seen before the restart; "
                         f"{list(more)[:2]}")

    def check_rows(self, _promise, what):
        expect_rows(self.wanted, self.disk / "out", what)

    def check_manifests(self, what):
        expect("passed over" not in self.told(),
               f"{what}: a checkpoint is not whole: {self.told()}")
        if not any(self.image.glob("kept/manifest-*")):
            return
        done = subprocess.run([TIDEMARK, "checkpoint", "verify", self.image / "kept"],
                              capture_output=True, text=True, check=False)
        expect_equal(done.returncode, 0, f"{what}: {done.stdout}{done.stderr}")


class Live(Job):
    """A job fed by an exchange, which it records: its rows are those of a replay of its journal.
    Each start finds an exchange that has begun anew and gives the same ids again."""

    def __init__(self, name, folder):
        Program.__init__(self, name, folder)
        self.connections = LIVE[name]

    def run(self, recorded=False, **env):
        with venue(self.folder, "--rate", 4000, "--messages", 1200, "--trades", 100, "--symbols",
                   3, "--wait-clients", self.connections) as self.feed:
            return super().run(recorded, **env)

    def words(self, recorded):
        url, ca_file = self.feed
        address = f"{url}/stream?streams=btcusdt@trade/ethusdt@trade"
        return [JOB, "--connect", ",".join([address] * self.connections), "--ca-file",
                ca_file, "--journal", self.disk / "journal", "--state-memory", "8M",
                "--checkpoint-interval", "12ms", "--out", self.disk / "out", "--checkpoints",
                self.disk / "kept"]

    def check_seen(self, what):
        """The journal may hold less than was received."""

    def check_rows(self, promise, what):
        if promise.anew:
            return  # what the journal held before is not read then
        whole = self.folder / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        done = subprocess.run([JOB, "--replay", self.disk / "journal", "--out", whole, "--quiet"],
                              env={**os.environ, "TM_JOB": "bars"}, capture_output=True, text=True,
                              check=False)
        expect_equal(done.returncode, 0, f"{what}: exit status of a replay; {done.stderr}")
        self.wanted = rows_of(whole)
        super().check_rows(promise, what)


def journal_of(folder):
    """By the independent reader: {sequence: its line without offset}, bytes of the torn tail."""
    if not any(folder.glob("journal-*")):
        return {}, 0
    done = subprocess.run([sys.executable, READER, folder], capture_output=True, text=True,
                          check=True)
    last = max(path.name for path in folder.glob("journal-*"))
    records, end, torn_end = {}, 4096, 0
    for words in map(str.split, done.stdout.splitlines()):
        if words[0] == "record":
            seq, off, size = int(words[1]), int(words[2]), int(words[8])
            records[seq] = " ".join(words[3:])
            if seq >= int(last[8:28]):
                end = off + 32 + (size + 7) // 8 * 8
        elif words[0] == "lost" and words[1] == last:
            torn_end = int(words[2]) + int(words[3])
    # Behind a trailer nothing is a tail: what is lost before it is damage.
    sealed = (folder / last).read_bytes()[-16:-8] == b"TMJSEAL\n"
    return records, 0 if sealed else max(0, torn_end - end)


class Journal(Program):
    """Records that follow from their sequences; what is durable is told."""

    def words(self, recorded):
        return [JOURNAL, self.disk / "journal", RECORDS]

    def check(self, promise, what):
        start, *runs = self.told("stdout").splitlines()
        _, first, _, torn = start.split()
        self.check_start(promise, int(first), int(torn), what)
        there = set()
        for run in runs:
            there |= set(range(*map(int, run.split()[1:])))
        self.check_gone(promise, set(range(RECORDS)) - there, what)
        return "with a torn tail" if int(torn) else "whole"

    def check_start(self, promise, first, torn, what):
        expect(first >= promise.acked, f"{what}: {promise.acked} records were durable, but "
               f"recovery found {first}")
        expect_equal(torn, journal_of(self.image / "journal")[1], f"{what}: bytes of the torn tail")

    @staticmethod
    def check_gone(promise, gone, what):
        lost = {seq for seq in gone - promise.gone if seq < promise.acked}
        expect(not lost, f"{what}: durable records are gone: {sorted(lost)[:5]}")
        promise.gone |= gone


class Capture(Journal):
    """tidemark capture of a simulated exchange: durable is what an fsync has covered."""

    def __init__(self, folder, url, ca_file):
        super().__init__("capture", folder)
        self.connect = ["--connect", f"{url}/stream?streams=btcusdt@trade/ethusdt@trade",
                        "--ca-file", ca_file]

    def words(self, recorded):
        return [TIDEMARK, "capture", *self.connect, "--rotate", "64K", "--sync", "8K", "--json",
                "--messages", 800 if recorded else 5, self.disk / "journal"]

    def look(self, disk, promise):
        with tempfile.TemporaryDirectory() as place:
            disk.keep(lambda node: node.durable, Path(place) / "sure")
            disk.keep(lambda node: node.now, Path(place) / "all")
            sure, seq = journal_of(Path(place) / "sure/journal")[0], 0
            while seq in sure or seq in promise.gone:
                seq += 1  # what lies behind a write that is still under way is nobody's promise
            promise.acked = max(promise.acked, seq)
            promise.records = journal_of(Path(place) / "all/journal")[0]

    def check(self, promise, what):
        told = json.loads(self.told("stdout"))
        self.check_start(promise, told["first_seq"], told["torn_bytes"], what)
        found = journal_of(self.disk / "journal")[0]
        self.check_gone(promise, set(range(told["next_seq"])) - set(found), what)
        for seq, line in found.items():
            if seq < told["first_seq"]:
                expect_equal(line, promise.records.get(seq), f"{what}: record {seq}")
        return "with a torn tail" if told["torn_bytes"] else "whole"


def replay(lives, disk):
    """Brings a disk to where each call of one process, or of several in turn, left it."""
    for calls in lives:
        disk.reborn()
        for call in calls:
            disk.do(call)
            yield call


class Cuts:
    """Cuts a program's power at random instants of its records."""

    def __init__(self, program, rng, keep, disk=Disk):
        self.program, self.rng, self.keep, self.new_disk = program, rng, keep, disk
        self.counts = Counter()

    def rounds(self, count):
        for first in range(0, count, CUTS_A_RECORD):
            now = min(CUTS_A_RECORD, count - first)
            self.program.wipe()
            whole = self.program.record()
            self.cut_all([whole], (now + 1) // 2, Promise())
            self.program.wipe()
            killed = self.program.record(stop=self.instant([whole], "MT", len(whole)))
            lives = [killed, self.program.record()]
            anew = "restored from checkpoint" not in self.program.told()
            self.cut_all(lives, now // 2, Promise(anew=anew))
            if first + now < count:
                print(f"# {self.program.name} so far: {self.tally()}", flush=True)
        return self.tally()

    def tally(self):
        return ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))

    def cut_all(self, lives, count, promise):
        """`count` cuts at instants of what one process did, or several in turn."""
        disk, total = self.new_disk(), sum(map(len, lives))
        for _ in replay(lives, disk):
            pass
        self.program.expect_seen(disk)
        disk = self.new_disk()
        instants = Counter(self.instant(lives, "R", total) for _ in range(count))
        for number, call in enumerate(replay(lives, disk), 1):
            promise.note(call)
            self.cuts(disk, promise, instants[number], f"call {number} of {total}")

    def instant(self, lives, kinds, total):
        """Any, or one shortly behind a call of some kinds with which much is decided."""
        hot = [number for number, call in enumerate(itertools.chain(*lives), 1)
               if call.kind in kinds]
        if not hot or self.rng.random() < 0.5:
            return self.rng.randrange(1, total + 1)
        return min(total, self.rng.choice(hot) + self.rng.randrange(3))

    def cuts(self, disk, promise, count, where):
        for _ in range(count):
            kept = promise.copy()
            self.program.look(disk, kept)
            self.cut(disk, kept, f"{self.program.name}, cut at {where}")

    def cut(self, disk, promise, what):
        program = self.program
        program.wipe()
        disk.cut(self.rng, program.disk, program.image)
        again = self.rng.random() < AGAIN
        self.counts["cuts"] += 1
        try:
            if again:
                life = program.record(recorded=False)
            else:
                expect_equal(program.run(), 0, f"{what}: exit status; {program.told()}")
            self.counts[program.check(promise, what)] += 1
            if again:
                self.counts["cut again"] += 1
                self.cut_again(self.new_disk(program.image), life, promise, what)
        except AssertionError:
            if self.keep:
                shutil.rmtree(self.keep, ignore_errors=True)
                shutil.copytree(program.image, self.keep / "image")
                shutil.copytree(program.disk, self.keep / "disk")
                shutil.copy(program.folder / "stderr", self.keep / "stderr")
            raise

    def cut_again(self, disk, life, promise, what):
        at = self.rng.randrange(len(life) + 1)
        for call in life[:at]:
            disk.do(call)
            promise.note(call)
        self.program.look(disk, promise)
        self.cut(disk, promise, f"{what}, again at call {at} of {len(life)}")


class Careless(Disk):
    """A disk that says that it is done when it is told to fsync, and does nothing."""

    def _sync_ended(self, call):
        self.syncs.pop(call.a)


def found_out(program, rng):
    """A disk that loses what was fsynced must not pass."""
    for cuts in range(1, 4):
        try:
            Cuts(program, rng, None, Careless).rounds(4 * cuts)
        except AssertionError as error:
            return str(error).split("\n", maxsplit=1)[0]
    raise AssertionError("a disk that forgets what was fsynced goes unnoticed")


def tests(folder, names, rng, count, keep):
    """Yields (what holds, a function that raises where it does not and else tells how it went)."""
    def keeps(make):
        return lambda: Cuts(make(), rng, keep).rounds(count)

    for name in (name for name in JOBS if name in names):
        yield (f"{name} keeps what it promised through power cuts",
               keeps(lambda name=name: Job(name, folder)))
    if "journal" in names:
        yield ("a journal keeps what is durable through power cuts",
               keeps(lambda: Journal("journal", folder)))
    if "capture" in names:
        with venue(folder, "--rate", 0) as (url, ca_file):
            yield ("a capture keeps what is durable through power cuts",
                   keeps(lambda: Capture(folder, url, ca_file)))
    for name in (name for name in LIVE if name in names):
        yield (f"a {name} job keeps what it promised, on the journal that it writes",
               keeps(lambda name=name: Live(name, folder)))
    if "careless" in names:
        yield ("a disk that does nothing when it is told to fsync is found out",
               lambda: found_out(Job("bars", folder), rng))


def main():
    known = [*JOBS, "journal", "capture", *LIVE, "careless"]
    ask = argparse.ArgumentParser()
    ask.add_argument("--full", action="store_true", help="1,000 instants a program")
    ask.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    ask.add_argument("--only", choices=known, action="append", help="of these; repeatable")
    ask.add_argument("--cuts", type=int, default=0, help="instants a program")
    ask.add_argument("--keep", type=Path, help="folder for what failed")
    args = ask.parse_args()
    names = args.only or known
    rng = random.Random(args.seed)
    print(f"# seed {args.seed}")
    print(f"1..{len(names)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="tm-power-") as place:
        folder = Path(place).resolve()
        journal_make(folder, args.seed)
        count = args.cuts or (1000 if args.full else 10)
        for number, (what, test) in enumerate(tests(folder, names, rng, count, args.keep), 1):
            try:
                print(f"ok {number} - {what} # {test()}", flush=True)
            except AssertionError as error:
                bad += 1
                told = str(error).replace("\n", "\n# ")
                print(f"not ok {number} - {what}\n# {told}", flush=True)
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
