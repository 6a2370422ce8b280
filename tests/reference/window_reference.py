#!/usr/bin/env python3
"""Random window jobs against a slow model: window_reference.py WINDOW_JOBS [--jobs N] [--seed N].

The model keeps every row of every window in a list and works each result out anew. It finds windows
by their definition, timers by looking at all of them, and knows nothing of slices, queues, batches
or accumulators. Each job's results must be the engine's, as multisets after every single step, late
rows included. Every tenth job runs in threads, with a second exchange behind the window, and is
compared as a whole. $TM_RANDOM_JOBS and $TM_SEED stand for the options.
"""

import argparse
import os
import random
import subprocess
import sys
from collections import Counter
from fractions import Fraction

MIN, MAX = -(1 << 63), (1 << 63) - 1
TUMBLING, SLIDING, CUMULATIVE, SESSION, GLOBAL, COUNT = range(6)
DEFAULT, EVENT, PROC, EVERY_N, EVERY_EVENT, EVERY_PROC, DELTA, NEVER = range(8)
KEEP_ALL, KEEP_COUNT, KEEP_TIME, KEEP_DELTA = range(4)
FIRE, PURGE = 1, 2
AGG = {"count": 1, "sum": 2, "min": 3, "max": 4, "avg": 8, "distinct": 12, "reduce": 100,
       "user": 101, "function": 102}


def rounded(fraction):
    """Half away from zero."""
    sign = -1 if fraction < 0 else 1
    return sign * int(abs(fraction) + Fraction(1, 2))


RESULT = {
    "count": len, "sum": sum, "reduce": sum, "user": sum, "function": sum, "min": min, "max": max,
    "distinct": lambda values: len(set(values)),
    "avg": lambda values: rounded(Fraction(sum(values) * 10**6, len(values))),
}


class Window:
    def __init__(self, key, start, end):
        self.key, self.start, self.end = key, start, end
        self.rows = []          # (time, value) in order of arrival
        self.timers = set()     # (is it the clock's?, time)
        self.cleanup = None
        self.count = 0          # the trigger's state
        self.next = None
        self.last = None

    def max(self):
        return MAX if self.start == MIN else self.end - 1


class Model:
    def __init__(self, job):
        self.job = job
        self.windows = []
        self.clock = {False: MIN, True: 0}  # watermark, wall clock
        self.out = Counter()
        kind = job["kind"]
        self.trigger, self.evictor = job["trigger"], job["evictor"]
        self.count, self.purge, self.keep = job["count"], job["purge"], job["keep"]
        if kind == COUNT:
            self.trigger, self.count = EVERY_N, job["slide"] or job["size"]
            self.purge = job["slide"] in (0, job["size"])
            self.evictor = KEEP_ALL if self.purge else KEEP_COUNT
            self.keep, self.after = job["size"], False
        elif self.trigger == DEFAULT:
            self.trigger = NEVER if kind == GLOBAL else PROC if job["proc"] else EVENT
        self.after = job["after"] if kind != COUNT else False
        self.inputs = [{"wm": MIN, "active": True, "aligned": True} for _ in range(job["inputs"])]

    # ---- rows

    def assigned(self, t, gap):
        job, kind = self.job, self.job["kind"]
        if kind in (GLOBAL, COUNT):
            return [(MIN, MAX)]
        if kind == SESSION:
            return [(t, t + (job["gap"] or gap))]
        size, step = job["size"], job["slide"]
        grid = step if kind == SLIDING else size
        found = []
        for k in range((t - job["offset"] - size) // grid - 1, (t - job["offset"]) // grid + 2):
            start = job["offset"] + k * grid
            ends = range(start + step, start + size + 1, step) if kind == CUMULATIVE \
                else [start + size]
            found += [(start, end) for end in ends if start <= t < end]
        return found

    def forgotten_at(self, window_max):
        if self.job["proc"]:
            return window_max
        return min(window_max + self.job["lateness"], MAX)

    def is_late(self, window_max):
        job = self.job
        return not job["proc"] and job["kind"] not in (GLOBAL, COUNT) and \
            self.forgotten_at(window_max) <= self.clock[False]

    def find(self, key, start, end):
        for w in self.windows:
            if (w.key, w.start, w.end) == (key, start, end):
                return w
        return None

    def merged(self, key, start, end):
        """The session of a row with all it touches, or None where it is late and alone."""
        touched = [w for w in self.windows
                   if w.key == key and w.start <= end and w.end >= start]
        if not touched:
            if self.is_late(end - 1):
                return None
            self.windows.append(Window(key, start, end))
            return self.windows[-1]
        if len(touched) == 1 and touched[0].start <= start and touched[0].end >= end:
            return touched[0]
        one = Window(key, min([start] + [w.start for w in touched]),
                     max([end] + [w.end for w in touched]))
        for w in touched:
            one.rows += w.rows
            one.count += w.count
            if w.next is not None:
                one.next = w.next if one.next is None else min(one.next, w.next)
            self.windows.remove(w)
        self.windows.append(one)
        if self.trigger == EVENT and one.max() > self.clock[False]:
            one.timers.add((False, one.max()))
        if self.trigger == PROC and one.max() > self.clock[True]:
            one.timers.add((True, one.max()))
        if self.trigger in (EVERY_EVENT, EVERY_PROC) and one.next is not None:
            one.timers.add((self.trigger == EVERY_PROC, one.next))
        return one

    def row(self, key, value, t, gap):
        time = self.clock[True] if self.job["proc"] else t
        kept, assigned = False, self.assigned(time, gap)
        for start, end in assigned:
            if self.job["kind"] == SESSION:
                w = self.merged(key, start, end)
            elif self.job["kind"] not in (GLOBAL, COUNT) and self.is_late(end - 1):
                w = None
            else:
                w = self.find(key, start, end)
                if w is None:
                    w = Window(key, start, end)
                    self.windows.append(w)
            if w is None:
                continue
            kept = True
            w.rows.append((t, value))
            self.obey(w, self.on_row(w, t, value))
            at = self.forgotten_at(w.max())
            w.cleanup = at if at != MAX else None
        if not kept and not self.job["proc"] and t + self.job["lateness"] <= self.clock[False]:
            self.out["l", key, value, t] += 1

    # ---- triggers

    def on_row(self, w, t, value):
        if self.trigger in (EVENT, EVERY_EVENT):
            if w.max() <= self.clock[False]:
                return FIRE
            w.timers.add((False, w.max()))
        if self.trigger == PROC:
            w.timers.add((True, w.max()))
        if self.trigger in (EVERY_EVENT, EVERY_PROC) and w.next is None:
            now = t if self.trigger == EVERY_EVENT else self.clock[True]
            self.set_next(w, now - now % self.job["interval"])
        if self.trigger == EVERY_N:
            w.count += 1
            if w.count >= self.count:
                w.count = 0
                return FIRE
        if self.trigger == DELTA:
            if w.last is None:
                w.last = value
            elif value - w.last > self.count:
                w.last = value
                return FIRE
        return 0

    def set_next(self, w, start):
        w.next = min(start + self.job["interval"], w.max())
        if self.clock[False] == MAX and self.trigger == EVERY_EVENT:
            w.next = w.max()  # the input has ended: once more, not at every interval of the future
        w.timers.add((self.trigger == EVERY_PROC, w.next))

    def on_timer(self, w, is_clock, at):
        if self.trigger in (EVENT, EVERY_EVENT) and not is_clock and at == w.max():
            return FIRE
        if self.trigger == PROC and is_clock:
            return FIRE
        if (self.trigger, is_clock) in ((EVERY_EVENT, False), (EVERY_PROC, True)) and at == w.next:
            w.next = None
            if at < w.max():
                self.set_next(w, at)
            return FIRE
        return 0

    def obey(self, w, result):
        if result & FIRE and w.rows:
            if not self.after:
                self.evict(w)
            if w.rows:
                value = RESULT[self.job["result"]]([v for _, v in w.rows])
                bounds = (0, 0) if self.job["result"] == "reduce" else (w.start, w.end)
                self.out["r", w.key, value, w.max(), *bounds] += 1
            if self.after:
                self.evict(w)
        if result & PURGE or (result & FIRE and self.purge):
            w.rows = []

    def evict(self, w):
        if not w.rows:
            return
        if self.evictor == KEEP_COUNT:
            w.rows = w.rows[max(0, len(w.rows) - self.keep):]
        if self.evictor == KEEP_TIME:
            newest = max(t for t, _ in w.rows)
            w.rows = [r for r in w.rows if r[0] > newest - self.keep]
        if self.evictor == KEEP_DELTA:
            last = w.rows[-1][1]
            w.rows = [r for r in w.rows if not last - r[1] >= self.keep]

    # ---- time

    def advance(self, is_clock, now):
        if now <= self.clock[is_clock]:
            return
        self.clock[is_clock] = now
        while True:
            due = [(at, w) for w in self.windows for c, at in w.timers if c == is_clock]
            due += [(w.cleanup, w) for w in self.windows
                    if w.cleanup is not None and is_clock == self.job["proc"]]
            due = [d for d in due if d[0] <= now]
            if not due:
                return
            at, w = min(due, key=lambda d: d[0])
            w.timers.discard((is_clock, at))
            self.obey(w, self.on_timer(w, is_clock, at))
            if w.cleanup == at and is_clock == self.job["proc"]:
                self.windows.remove(w)

    def combined(self):
        """What the watermarks of the inputs come to."""
        active = [i for i in self.inputs if i["active"]]
        for i in active:
            i["aligned"] = i["aligned"] or i["wm"] >= self.clock[False]
        if not active:
            self.advance(False, max(i["wm"] for i in self.inputs))
        elif any(i["aligned"] for i in active):
            self.advance(False, min(i["wm"] for i in active if i["aligned"]))

    def step(self, step):
        op = step[0]
        self.out = Counter()
        if op == "e":
            self.row(*step[1:])
        elif op == "p":
            self.advance(True, step[1])
        elif op == "r":
            pass  # a job that starts again from a checkpoint goes on as if nothing had been
        else:
            i = self.inputs[step[1]]
            if op == "w" and i["active"] and step[2] > i["wm"]:
                i["wm"] = step[2]
                self.combined()
            if op == "i" and i["active"]:
                i["active"] = i["aligned"] = False
                self.combined()
            if op == "a" and not i["active"]:
                i["active"], i["aligned"] = True, i["wm"] >= self.clock[False]
        return self.out


# ---- jobs --------------------------------------------------------------------------------------


def job_make(rng):
    kind = rng.choice([TUMBLING, SLIDING, CUMULATIVE, SESSION, SESSION, SESSION, GLOBAL, COUNT])
    job = {"workers": rng.randint(1, 3), "inputs": rng.choice([1, 1, 2, 3]), "kind": kind,
           "size": rng.randint(1, 40), "slide": 0, "offset": 0, "gap": 0,
           "lateness": rng.choice([0, 0, rng.randint(1, 30)]), "proc": rng.random() < 0.15,
           "trigger": DEFAULT, "count": rng.randint(1, 5), "interval": rng.randint(1, 15),
           "purge": rng.random() < 0.25, "evictor": KEEP_ALL, "after": rng.random() < 0.5,
           "keep": rng.randint(1, 12), "result": rng.choice(list(AGG)),
           "unsliced": rng.random() < 0.4}
    if kind == SLIDING:
        job["slide"] = rng.randint(1, 25)
    if kind == CUMULATIVE:
        job["slide"] = rng.randint(1, 8)
        job["size"] = job["slide"] * rng.randint(1, 6)
    if kind in (TUMBLING, SLIDING, CUMULATIVE):
        bound = job["slide"] if kind == SLIDING else job["size"]
        job["offset"] = rng.randint(1 - bound, bound - 1) if rng.random() < 0.5 else 0
    if kind == SESSION:
        job["gap"] = rng.choice([0, rng.randint(1, 15)])
    if kind in (GLOBAL, COUNT):
        job["proc"] = False
    if kind == COUNT:
        job["size"] = rng.randint(1, 6)
        job["slide"] = rng.choice([0, rng.randint(1, 6)])
    elif rng.random() < 0.4:
        triggers = [EVENT, PROC, EVERY_N, EVERY_EVENT, EVERY_PROC, NEVER]
        job["trigger"] = rng.choice(triggers + ([DELTA] if kind != SESSION else []))
    # Which rows are last hangs on the order of merging: sessions do not count from the end.
    if kind not in (COUNT, SESSION) and rng.random() < 0.25:
        job["evictor"] = rng.choice([KEEP_COUNT, KEEP_TIME, KEEP_DELTA])
    if kind == SESSION and rng.random() < 0.2:
        job["evictor"] = KEEP_TIME
    if job["evictor"] != KEEP_ALL or kind == COUNT:
        job["unsliced"] = False
    return job


def threads_make(rng, job):
    """A job for threads, whose clock is the real one: whatever hangs on the clock is left out, and
    results whose field the second window can sum up are taken."""
    job.update(inputs=1, proc=False, unsliced=False)
    if job["trigger"] in (PROC, EVERY_PROC):
        job["trigger"] = DEFAULT
    if job["result"] == "avg":
        job["result"] = "sum"
    steps = [s for s in steps_make(rng, job) if s[0] in "ew"]
    first = next((i for i, s in enumerate(steps) if s[0] == "e"), len(steps))
    steps = steps[first:]  # a watermark rides on the row before it
    while steps and steps[-1][0] == "w":
        steps.pop()  # the end of the source says the last one
    return steps


def totals(model, steps):
    """All that comes out of a job, and of the window behind it that sums up all results."""
    want, sums = Counter(), {}
    for step in steps + [("w", 0, MAX)]:
        want += model.step(step)
    for (what, _, value, *_), cnt in want.items():
        if what == "r":
            total, n = sums.get(value & 3, (0, 0))
            sums[value & 3] = (total + value * cnt, n + cnt)
    for key, (total, n) in sums.items():
        want["s", key, total, n] += 1
    return want


def steps_make(rng, job):
    inputs, now, clock = job["inputs"], rng.randint(-200, 200), 0
    bound, disorder = rng.choice([0, rng.randint(0, 25)]), rng.randint(0, 80)
    newest = [MIN] * inputs
    idle = [False] * inputs
    keys = rng.choice([1, 2, 5, 20])
    restarts = rng.random() < 0.3
    steps = []
    for _ in range(rng.randint(1, 120)):
        i = rng.randrange(inputs)
        what = rng.random()
        if what < 0.72:
            now += rng.choice([0, 0, 1, 2, 3, rng.randint(0, 40)])
            t = now - rng.randint(0, disorder)
            newest[i] = max(newest[i], t)
            steps.append(("e", rng.randrange(keys), rng.randint(-9, 9), t, rng.randint(0, 12)))
        elif what < 0.90 and newest[i] != MIN:
            steps.append(("w", i, newest[i] - bound - 1))
        elif what < 0.92 and restarts:
            steps.append(("r",))
        elif what < 0.95 and inputs > 1:
            idle[i] = not idle[i]
            steps.append(("i" if idle[i] else "a", i))
        else:
            clock += rng.randint(0, 20)
            steps.append(("p", clock))
    # All inputs come back before the first of them ends.
    steps += [("a", i) for i in range(inputs) if idle[i]]
    # Before the end, a trigger that fires at intervals would fire at all of them.
    late = now + 500 if job["kind"] == GLOBAL else MAX - 1
    steps += [("w", i, at) for at in (late, MAX) for i in range(inputs)]
    steps.append(("p", clock + 1000))
    return steps


def job_text(job, steps, word="job"):
    names = ("workers", "inputs", "kind", "size", "slide", "offset", "gap", "lateness", "proc",
             "trigger", "count", "interval", "purge", "evictor", "after", "keep")
    values = dict(job)
    line = [word] + [str(int(values[n])) for n in names]
    line += [str(AGG[job["result"]]), str(int(job["unsliced"]))]
    return "\n".join([" ".join(line)] + [" ".join(map(str, s)) for s in steps] + ["end", ""])


class Engine:
    def __init__(self, program):
        self.run = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    text=True)

    def results(self, job, steps, word="job"):
        """A multiset a step; of a job of threads all in the first."""
        out = [Counter() for _ in steps]
        self.run.stdin.write(job_text(job, steps, word))
        self.run.stdin.flush()
        for line in self.run.stdout:
            if line.startswith("done"):
                return out
            step, what, *numbers = line.split()
            out[int(step)][(what, *map(int, numbers))] += 1
        sys.exit(f"window_jobs ended: {self.run.wait()}")


def compare_threads(engine, rng, job, seed, seen):
    steps = threads_make(rng, job)
    if not steps:
        return
    want, got = totals(Model(job), steps), engine.results(job, steps, "run")[0]
    if got != want:
        print(f"TM_SEED={seed} by threads\n{job}\n{steps}")
        print("missing", sorted((want - got).elements()))
        print("too many", sorted((got - want).elements()))
        sys.exit(1)
    seen["threads"] += 1
    seen.update(kind for kind, *_ in want.elements())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("TM_RANDOM_JOBS", "500")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("TM_SEED", "1")))
    options = parser.parse_args()
    engine, seen = Engine(options.program), Counter()
    for seed in range(options.seed, options.seed + options.jobs):
        rng = random.Random(seed)
        job = job_make(rng)
        if seed % 10 == 0:
            compare_threads(engine, rng, job, seed, seen)
            continue
        steps = steps_make(rng, job)
        model = Model(job)
        for no, (step, got) in enumerate(zip(steps, engine.results(job, steps))):
            want = model.step(step)
            if got != want:
                print(f"TM_SEED={seed} step {no} {step}\n{job}")
                print("missing", sorted((want - got).elements()))
                print("too many", sorted((got - want).elements()))
                sys.exit(1)
            seen.update(kind for kind, *_ in want.elements())
    print(f"{options.jobs} jobs from TM_SEED={options.seed}, {seen['threads']} of them by threads:"
          f" {seen['r']} results, {seen['l']} late rows")
    if options.jobs >= 100 and not (seen["r"] and seen["l"]):
        sys.exit("nothing was compared")


main()
