"""A job that is killed, or whose disk fails, and what it has to leave behind in the end.

An undisturbed run over a journal gives the rows to compare with. Bed is that run; Lane is one place
where others of the same job are disturbed, several side by side.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import synthetic
from harness import BUILD, TIDEMARK, expect, expect_equal, hidden, parts

JOB = BUILD / "tests/crash/crash_job"
FAULT_AT = BUILD / "tests/crash/libfault_at.so"
TWO = ["--worker-cores", "0,0"]
JOBS = {"bars": [], "sessions": TWO, "timers": [], "rekeyed": TWO,
        # Files that go on over checkpoints, and are cut by a restart.
        "bars-csv": ["--format", "csv", "--roll-size", "128K", *TWO],
        # Parts of three checkpoints become one before they can be seen.
        "bars-compact": ["--compact-checkpoints", "3"]}
SECONDS = 60  # of the capture
RATE = 20  # messages a second of it
RUN_S = 0.1  # in which a run reads it
INTERVAL = "32ms"  # of checkpoints
OFTEN = {"sessions": "20ms", "timers": "20ms"}  # until merged page files are merged again
HANGS_S = 120


def rows_of(folder):
    """All rows of the finished parts, as a bag of CSV lines, each with its sink."""
    bag = Counter()
    by_sink = {}
    for file in parts(folder):
        by_sink.setdefault(file.relative_to(folder).parts[0], []).append(file)
    for file in Path(folder).rglob("part-*.csv"):
        sink = file.relative_to(folder).parts[0]
        bag.update(f"{sink}:{line}" for line in file.read_text().splitlines()[1:])
    for sink, files in sorted(by_sink.items()):
        done = subprocess.run([TIDEMARK, "inspect", "--csv", *files], capture_output=True,
                              text=True, check=False)
        expect_equal(done.returncode, 0, f"exit status of inspect: {done.stderr}")
        bag.update(f"{sink}:{line}" for line in done.stdout.splitlines()[1:])
    return bag


def expect_rows(wanted, folder, what):
    """Exactly these rows are in the finished parts, and nothing unfinished is left beside them."""
    found = rows_of(folder)
    lost, doubled = wanted - found, found - wanted
    expect(not lost and not doubled,
           f"{what}: {sum(lost.values())} rows lost, {sum(doubled.values())} too many; "
           f"{list(lost)[:2]} {list(doubled)[:2]}")
    expect(not hidden(folder), f"{what}: unfinished files are left: {hidden(folder)}")


def sort_of(line):
    """What kind of call on what kind of file a line of fault_at.c tells: "fsync page file"."""
    call, path = line.split(" ", 1)
    name = path.rsplit("/", 1)[-1]
    if path.startswith("/kept"):
        kinds = [(r"\.manifest-", "manifest in progress"), (r"manifest-", "manifest"),
                 (r"pages-", "page file"), (r"base-", "merged page file"),
                 (r"\.lock$", "lock of checkpoints"), (r"kept$", "folder of checkpoints")]
    else:
        kinds = [(r"\.part-", "part in progress"), (r"part-", "finished part"),
                 (r"\.parts-.*\.new$", "new log of parts"), (r"\.parts-.*\.log$", "log of parts"),
                 (r"\.parts-.*\.lock$", "lock of parts"), (r"", "folder of parts")]
    return f"{call} {next((kind for form, kind in kinds if re.match(form, name)), name)}"


def journal_make(folder, seed):
    synthetic.write(folder / "capture.txt", seed=seed, seconds=SECONDS, rate=RATE)
    subprocess.run([TIDEMARK, "journal", "import", folder / "capture.txt", folder / "journal"],
                   check=True, capture_output=True)
    return folder / "journal"


class Lane:
    """One folder in which a job runs again and again."""

    def __init__(self, folder, journal, job):
        self.folder, self.job = folder, job
        self.took_s = RUN_S  # by the last run that ended by itself
        folder.mkdir(parents=True)
        self.out, self.kept, self.log = folder / "out", folder / "kept", folder / "log"
        self.words = [JOB, "--replay", journal, "--speed", f"{SECONDS / RUN_S:.0f}x", "--quiet",
                      "--state-memory", "8M", "--checkpoint-interval", OFTEN.get(job, INTERVAL),
                      *JOBS[job], "--out", self.out, "--checkpoints", self.kept]

    def fresh(self):
        for place in (self.out, self.kept):
            shutil.rmtree(place, ignore_errors=True)

    def start(self, *words, **env):
        """env: of fault_at.c, without their prefix; HOW is the fault itself."""
        self.log.unlink(missing_ok=True)
        full = {**os.environ, "TM_JOB": self.job.split("-")[0]}
        if env:
            full |= {"LD_PRELOAD": str(FAULT_AT), "TM_FAULT_UNDER": str(self.folder),
                     "TM_FAULT_LOG": str(self.log)}
            full |= {f"TM_FAULT_{name}".removesuffix("_HOW"): str(value)
                     for name, value in env.items()}
        with open(self.folder / "stderr", "w", encoding="utf-8") as errors:
            return subprocess.Popen([*self.words, *words], env=full, stderr=errors)

    def run(self, *words, **env):
        process, since = self.start(*words, **env), time.monotonic()
        try:
            code = process.wait(timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.job} hangs; {self.stderr()}") from None
        if code == 0:
            self.took_s = time.monotonic() - since
        return code

    def trace(self):
        """The sorts of all counted calls of an undisturbed run, in order."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        expect_equal(self.run(TRACE=calls), 0, f"exit status; {self.stderr()}")
        return [sort_of(line) for line in calls.read_text().splitlines()]

    def hit(self):
        """What the call was that was disturbed; None where none came so far."""
        return sort_of(self.log.read_text().rstrip("\n")) if self.log.exists() else None

    def stderr(self):
        return (self.folder / "stderr").read_text()

    def expect_killed(self, code):
        expect_equal(code, -signal.SIGKILL, f"exit status; {self.stderr()}")

    def expect_end(self, what):
        expect_equal(self.run(), 0, f"exit status {what}; {self.stderr()}")


class Bed:
    """A job, the rows that it has to give, and the calls that it makes."""

    def __init__(self, folder, journal, job):
        self.job = job
        lane = Lane(folder / "undisturbed", journal, job)
        traces = []
        for _ in range(3):  # how many calls there are differs a little from run to run
            lane.fresh()
            traces.append(lane.trace())
        self.calls = max(traces, key=len)
        self.wanted = rows_of(lane.out)
        expect(len(self.wanted) > 10, f"the undisturbed run gives {len(self.wanted)} rows")
        shutil.rmtree(lane.folder)

    def check_visible(self, lane, what):
        """What can be seen before the end is whole and part of what there will be."""
        more = rows_of(lane.out) - self.wanted
        expect(not more, f"{what}: {sum(more.values())} rows too many are visible; "
                         f"{list(more)[:2]}")

    def check(self, lane, what):
        expect_rows(self.wanted, lane.out, what)
