#!/usr/bin/env python3
"""Sliding windows, sessions and a process function: the results of the examples are those of a few
lines of Python, whatever the threads."""

import csv
import io
import random
from collections import defaultdict
from fractions import Fraction

from harness import BUILD, TIDEMARK, expect_equal, main, milliseconds, parts, run, test

SYMBOLS = [f"SYM{i}" for i in range(7)]
START_MS = 1_700_000_000_000
SEED = 23


def decimal(number):
    return f"{number // 10**8}.{number % 10**8:08d}"


def number(text, scale=8):
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(scale, "0"))


def trades(count, seconds, disorder_ms):
    """(ms, symbol, id, price, quantity, buyer is maker) in order of arrival; prices walk."""
    rng, price, made = random.Random(SEED), defaultdict(lambda: 10**10), []
    print(f"# seed {SEED}")
    for i in range(count):
        ms = START_MS + i * seconds * 1000 // count
        ms -= rng.randrange(disorder_ms) if disorder_ms else 0
        symbol = rng.choice(SYMBOLS)
        price[symbol] += rng.randrange(-price[symbol] // 250, price[symbol] // 250)
        made.append((ms, symbol, i, price[symbol], rng.randrange(1, 10**11), rng.random() < 0.5))
    return made


def write(path, rows):
    with open(path, "w") as out:
        for ms, symbol, no, price, qty, maker in rows:
            out.write(f'{ms}000000 {{"e":"trade","E":{ms},"s":"{symbol}","t":{no},'
                      f'"p":"{decimal(price)}","q":"{decimal(qty)}","T":{ms},'
                      f'"m":{str(maker).lower()},"M":true}}\n')
    return path


def job(name, folder, rows, *options):
    done = run(BUILD / "examples" / name, "--replay", write(folder / "rows.txt", rows), "--out",
               folder / "out", "--quiet", *options)
    expect_equal(done.code, 0, done.stderr)


def found(folder, name=""):
    files = [p for p in parts(folder / "out") if name in str(p.relative_to(folder))]
    text = run(TIDEMARK, "inspect", "--csv", *files).stdout
    return list(csv.DictReader(io.StringIO(text)))


def rounded(fraction):
    return int(fraction + Fraction(1, 2))


def minutes_of(rows):
    windows = defaultdict(list)
    for ms, symbol, _, price, qty, _ in rows:
        first = ms // 1000 + 1
        for end in range(first, first + 60):
            windows[symbol, end * 1000].append((price, qty))
    return sorted((symbol, end, rounded(Fraction(sum(p * q for p, q in of), sum(q for _, q in of))),
                   sum(q for _, q in of), max(of)[0], min(of)[0], len(of))
                  for (symbol, end), of in windows.items())


def vwap_check(folder, *options):
    rows = trades(12_000, 150, 900)
    job("sliding_vwap", folder, rows, *options)
    got = sorted((r["symbol"], milliseconds(r["window_end"]), number(r["vwap"]),
                  number(r["volume"]), number(r["high"]), number(r["low"]), int(r["trades"]))
                 for r in found(folder))
    expect_equal(got, minutes_of(rows), "sliding prices")


@test
def sliding_vwap_is_that_of_every_minute(folder):
    vwap_check(folder)


@test
def sliding_vwap_is_the_same_with_three_workers(folder):
    vwap_check(folder, "--worker-cores", "0,0,0", "--ring-depth", "64")


def sessions_of(rows):
    by_symbol = defaultdict(list)
    for row in rows:
        by_symbol[row[1]].append(row)
    for symbol, of in by_symbol.items():
        session = [of[0]]
        for row in of[1:] + [None]:
            if row and row[0] - session[-1][0] <= 2000:
                session.append(row)
                continue
            yield symbol, session
            session = [row]


@test
def sessions_are_runs_of_trades_without_a_pause_of_two_seconds(folder):
    rows = trades(1_500, 600, 0)
    job("sessions", folder, rows, "--worker-cores", "0,0,0")
    activity, rhythm = [], []
    for symbol, of in sessions_of(rows):
        start, end, sizes = of[0][0], of[-1][0] + 2000, [r[4] for r in of]
        largest = (sorted(sizes, reverse=True) + [None] * 3)[:3]
        activity.append((symbol, start, end, len(of), sum(sizes), len(set(sizes)), largest,
                         of[0][3], of[-1][3]))
        pauses = [b[0] - a[0] for a, b in zip(of, of[1:])]
        rhythm.append((symbol, start, end, max(pauses, default=0),
                       sum(a[5] != b[5] for a, b in zip(of, of[1:]))))
    got = [(r["symbol"], milliseconds(r["window_start"]), milliseconds(r["window_end"]),
            int(r["trades"]), number(r["volume"]), int(r["sizes"]),
            [number(r[f"largest_{k}"]) if r[f"largest_{k}"] else None for k in (1, 2, 3)],
            number(r["open"]), number(r["close"])) for r in found(folder, "activity")]
    expect_equal(sorted(got), sorted(activity), "sessions")
    got = [(r["symbol"], milliseconds(r["window_start"]), milliseconds(r["window_end"]),
            int(r["longest_pause_ms"]), int(r["side_changes"])) for r in found(folder, "rhythm")]
    expect_equal(sorted(got), sorted(rhythm), "what a function says of them")


def jumps_of(rows):
    reference = {}
    for ms, symbol, _, price, _, _ in rows:
        start, until = reference.get(symbol, (0, 0))
        if ms < until:
            jump = int((price - start) / start * 10000)
            if abs(jump) < 50:
                continue
            yield symbol, ms, start, price, jump
        reference[symbol] = price, ms + 10_000


def jump_check(folder, *options):
    rows = trades(3_000, 900, 900)
    job("price_jump", folder, rows, *options)
    got = sorted((r["symbol"], milliseconds(r["time"]), number(r["from"]), number(r["to"]),
                  int(r["jump_bps"])) for r in found(folder))
    want = sorted(jumps_of(rows))
    expect_equal(len(want) > 50, True, "jumps to be found")
    expect_equal(got, want, "alerts")


@test
def price_jumps_are_those_within_ten_seconds_of_a_reference(folder):
    jump_check(folder)


@test
def price_jumps_are_the_same_with_three_workers(folder):
    jump_check(folder, "--worker-cores", "0,0,0", "--ring-depth", "64")


main()
