#!/usr/bin/env python3
"""Jobs that are killed, and jobs whose disk fails, until they are done: exactly_once.py [--full].

Each job of crash_job.c reads one journal of a synthetic capture. An undisturbed run gives the rows
to compare with, and the calls to the kernel that checkpoints and part files are made with. Then,
over and over again:

  instants  kill -9 after a random time, restart, and so on until a run ends by itself
  kills     the process ends before or behind its Nth call; its restart ends before a call that
            is drawn; the next run goes on undisturbed
  faults    the Nth call fails with ENOSPC, EIO or EINTR, or writes half; a failed fsync takes the
            bytes with it that it was to make durable. The job retries, or ends and says why; or
            failed checkpoints are tolerated and the process is killed a little later; or the job
            is restarted in process. The next run goes on undisturbed
  restarts  a process is killed, and the Nth call of its restart fails

At the end the finished part files must hold exactly the rows of the undisturbed run, row by row,
and nothing unfinished may be left; where a job ends before, what is visible must be whole.

The sample takes some of all that, and each sort of call at least once. --full takes every call, in
every way, and 1,000 instants a job: about 20,000 runs. What is done stands in a log; the same
command goes on where it was interrupted. The seed is printed; --seed repeats it.
"""

import argparse
import json
import os
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crash_bed import BUILD, JOBS, Bed, Lane, expect, journal_make

WHATS = {"instants": "killed at random instants", "kills": "killed at its calls",
         "restarts": "whose restarts meet failing calls", "faults": "whose calls fail"}
FAULTS = ["ENOSPC", "EIO", "EINTR"]
ALL_SORTS = {"sessions", "bars-csv", "bars-compact"}
SOME = 8
SELDOM = {"bars-csv"}  # killed in a full sweep or when asked for; its calls always fail
INSTANTS = 1000
RESTART_CALLS = 60  # a restart is through with what it found before so many calls
ROUND_KILLS = 12
MISSED_MAX = 16
TELL_S = 20


def after_kills(lane, bed, case, rng):
    """A round of random instants; where none leaves a run the time to end, the last is let go."""
    del case
    kills = 0
    while kills < ROUND_KILLS:
        process = lane.start()
        time.sleep(rng.uniform(0.005, 1.1 * lane.took_s))  # longer where others want the cores
        process.send_signal(signal.SIGKILL)
        code = process.wait()
        if code == 0:
            break
        lane.expect_killed(code)
        kills += 1
    else:
        lane.expect_end("of the last restart")
    bed.check(lane, f"killed {kills} times")
    return Counter({"instant": kills})


def after_kill(lane, bed, case, rng):
    how = "kill-behind" if case["number"] % 2 else "kill-before"
    hits = Counter()
    code = lane.run(HOW=how, AT=case["number"])
    if code != 0:
        lane.expect_killed(code)
        hits[lane.hit()] += 1
        bed.check_visible(lane, how)
        code = lane.run(HOW="kill-before", AT=1 + rng.randrange(RESTART_CALLS))
    if code != 0:
        lane.expect_killed(code)
        hits[lane.hit()] += 1
        lane.expect_end("of the last restart")
    bed.check(lane, how)
    return hits


def fail(lane, bed, case, rng):
    """One run with a call that fails, and the next where that did not come to its end."""
    words, env = ["--restart", "none"], {"HOW": case["fault"], "AT": case["number"]}
    if case["number"] % 3 == 1:
        words, env = [*words, "--checkpoint-failures", "3"], {**env, "KILL": rng.randint(1, 120)}
    elif case["number"] % 3 == 2:
        words = ["--restart", "fixed:3,10ms"]
    code, said = lane.run(*words, **env), lane.stderr()
    hits = Counter([lane.hit() or "nothing"])
    if code > 0:
        expect(case["fault"] in said or "fsync failed" in said,
               f"{list(hits)[0]}: the job ends with {code} and does not say why: {said}")
    elif code < 0:
        lane.expect_killed(code)
    if code != 0:
        bed.check_visible(lane, f"{list(hits)[0]} failed")
        lane.expect_end(f"behind {list(hits)[0]}, which failed")
    bed.check(lane, f"{list(hits)[0]} failed")
    return hits


def after_bad_restart(lane, bed, case, rng):
    code = lane.run(HOW="kill-before", AT=rng.randrange(20, len(bed.calls) // 2))
    if code != 0:  # else it had less to do than others
        lane.expect_killed(code)
    return fail(lane, bed, case, rng)


RUNS = {"instants": after_kills, "kills": after_kill, "faults": fail,
        "restarts": after_bad_restart}


def all_cases(bed, what, step, turns):
    """Every call in every way, or in some in turn. Short writes count writes only."""
    total = len(bed.calls) if what != "restarts" else RESTART_CALLS
    if what == "kills":
        return [{"number": n} for n in range(1, total + 1, step)]
    writes = sum(sort.startswith("pwrite") for sort in bed.calls[:total])
    return [{"number": n, "fault": FAULTS[(n // 3 + turn) % len(FAULTS)], "turn": turn}
            for turn in range(turns) for n in range(1, total + 1, step)] \
        + [{"number": n, "fault": "short"} for n in range(1, writes + 1, step)]


def some_cases(bed, what, rng):
    """Each sort of call once, for some jobs: others have the same."""
    if what == "restarts":
        return [{"number": rng.randint(1, RESTART_CALLS), "fault": fault} for fault in FAULTS]
    by_sort = defaultdict(list)
    for number, sort in enumerate(bed.calls, 1):
        by_sort[sort].append(number)
    picks = [(rng.choice(by_sort[sort]), sort) for sort in sorted(by_sort)]
    if what == "kills":
        return [{"number": number} for number, _ in rng.sample(picks, min(SOME, len(picks)))]
    if bed.job not in ALL_SORTS:
        picks = rng.sample(picks, min(SOME, len(picks)))
    cases = [{"number": number, "fault": rng.choice(FAULTS[:2] if "fsync" in sort else FAULTS)}
             for number, sort in picks]
    writes = sum(sort.startswith("pwrite") for sort in bed.calls)
    return cases + [{"number": rng.randint(1, writes), "fault": "short"} for _ in range(2)]


class Log:
    """What was done, one JSON object a line, so that a sweep can be gone on with."""

    def __init__(self, path, seed):
        self.path, self.seed, self.done, self.lock = path, seed, {}, threading.Lock()
        if path and path.exists():
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            self.seed = lines[0]["seed"] if lines else seed
            self.done = {line["case"]: line for line in lines[1:] if not line["bad"]}
        elif path:
            path.write_text(json.dumps({"seed": seed}) + "\n")

    def put(self, line):
        with self.lock:
            self.done[line["case"]] = line
            if self.path:
                with open(self.path, "a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")


class Sweep:
    def __init__(self, folder, args, log):
        self.folder, self.args, self.log = folder, args, log
        self.journal = journal_make(folder, log.seed)
        self.told_s, self.missed = time.monotonic(), Counter()

    def cases(self, bed, what, count):
        rng = random.Random(f"{self.log.seed} {bed.job} {what}")
        if what == "instants":
            return [{"number": n} for n in range(count)]
        if self.args.full or self.args.step:
            return all_cases(bed, what, self.args.step or 1, self.args.errors)
        return some_cases(bed, what, rng)

    def run_case(self, lanes, bed, what, case, enough):
        name = f"{bed.job} {what} {case['number']} {case.get('fault', '')}".strip()
        if name in self.log.done or enough(case):
            return
        lane = lanes.get()
        line = {"case": name, "bad": None, "hits": {}}
        try:
            lane.fresh()
            rng = random.Random(f"{self.log.seed} {name}")
            line["hits"] = dict(RUNS[what](lane, bed, case, rng))
        except AssertionError as error:
            line["bad"] = f"{name}: {error}"
            if self.args.keep:
                kept = self.args.keep / name.replace(" ", "-")
                shutil.copytree(lane.folder, kept, dirs_exist_ok=True)
        finally:
            lanes.put(lane)
        met = line["bad"] or set(line["hits"]) - {"nothing"}
        how = (case.get("fault"), case.get("turn"))
        self.missed[how] = 0 if met else self.missed[how] + 1
        self.log.put(line)

    def tell(self, job, what, total, lines):
        if time.monotonic() - self.told_s < TELL_S:
            return
        self.told_s = time.monotonic()
        bad = sum(line["bad"] is not None for line in lines)
        print(f"# {job} {what}: {len(lines)} of {total}, {bad} bad", file=sys.stderr, flush=True)

    def run(self, bed, what, kills):
        """All cases of one kind; what they did, and the first that went wrong."""
        lanes = queue.Queue()
        place = self.folder / f"{bed.job}-{what}"
        for idx in range(self.args.lanes):
            lanes.put(Lane(place / str(idx), self.journal, bed.job))
        cases = self.cases(bed, what, kills)
        self.missed.clear()

        def lines():
            start = f"{bed.job} {what} "
            return [line for name, line in list(self.log.done.items()) if name.startswith(start)]

        def enough(case):
            if what == "instants":
                return sum(line["hits"].get("instant", 0) for line in lines()) >= kills
            how = (case.get("fault"), case.get("turn"))
            return self.missed[how] > MISSED_MAX  # no run makes so many calls

        with ThreadPoolExecutor(self.args.lanes) as pool:
            waits = [pool.submit(self.run_case, lanes, bed, what, case, enough) for case in cases]
            for wait in waits:
                wait.result()
                self.tell(bed.job, what, len(cases), lines())
        shutil.rmtree(place)
        hits = sum((Counter(line["hits"]) for line in lines()), Counter())
        del hits["nothing"]
        bad = [line["bad"] for line in lines() if line["bad"]]
        expect(bad or hits, f"{bed.job} {what}: no call was met")
        return hits, bad


def table(tally):
    """How often each sort of call was met, by what happened there."""
    whats = [what for what in WHATS if what != "instants"]
    print("# " + "".join(f"{what:>10}" for what in whats) + "  call")
    for sort in sorted({sort for what in whats for sort in tally[what]}):
        print("# " + "".join(f"{tally[what][sort]:>10}" for what in whats) + f"  {sort}")


def options():
    ask = argparse.ArgumentParser()
    ask.add_argument("--full", action="store_true",
                     help="every call in every way, 1,000 random instants")
    ask.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    ask.add_argument("--job", choices=sorted(JOBS), action="append")
    ask.add_argument("--what", choices=list(WHATS), action="append")
    ask.add_argument("--kills", type=int, default=0, help="random instants a job")
    ask.add_argument("--step", type=int, default=0, help="every step-th call, in every way")
    ask.add_argument("--errors", type=int, choices=(1, 2, 3), default=len(FAULTS),
                     help="each call fails with so many of the errors, one after the other")
    ask.add_argument("--lanes", type=int, default=2 * (os.cpu_count() or 1),
                     help="runs side by side")
    ask.add_argument("--log", type=Path, help="what was done; an interrupted sweep goes on with it "
                                              "(default for --full: crash-sweep.jsonl)")
    ask.add_argument("--keep", type=Path, help="copies the files of what goes wrong to here")
    args = ask.parse_args()
    if args.full and not args.log:
        args.log = BUILD / "crash-sweep.jsonl"
    return args


def place():
    """In memory where there is room: a kill leaves the page cache alone, so a disk adds nothing."""
    shm = Path("/dev/shm")
    return shm if "TMPDIR" not in os.environ and os.access(shm, os.W_OK) else None


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # folders in memory go with it
    args = options()
    log = Log(args.log, args.seed)
    plan = [(job, what) for what in args.what or WHATS for job in args.job or JOBS
            if args.full or args.job or job not in SELDOM or what == "faults"]
    kills = args.kills or (INSTANTS if args.full else SOME)
    tally, failed, beds = defaultdict(Counter), 0, {}
    print(f"# seed {log.seed}" + (f", log {args.log}" if args.log else ""))
    print(f"1..{len(plan)}")
    with tempfile.TemporaryDirectory(prefix="tm-crash-", dir=place()) as folder:
        sweep = Sweep(Path(folder), args, log)
        for number, (job, what) in enumerate(plan, 1):
            name = f"{job}, {WHATS[what]}, loses nothing and doubles nothing"
            try:
                if job not in beds:
                    beds[job] = Bed(Path(folder), sweep.journal, job)
                hits, bad = sweep.run(beds[job], what, kills)
            except AssertionError as error:
                hits, bad = Counter(), [str(error)]
            tally[what] += hits
            failed += bool(bad)
            print(f"{'not ok' if bad else 'ok'} {number} - {name} # {sum(hits.values())} times",
                  flush=True)
            for text in bad[:5]:
                print("# " + text.replace("\n", "\n# "), flush=True)
            if len(bad) > 5:
                print(f"# and {len(bad) - 5} more", flush=True)
    if args.full:
        table(tally)
    if args.full and not args.job and not args.what and args.errors == len(FAULTS):
        # the next sweep is another one
        args.log.rename(args.log.with_suffix(".done.jsonl"))
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
