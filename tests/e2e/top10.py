#!/usr/bin/env python3
"""The two-stage job: its ranks are those of a few lines of Python, whatever the threads."""

import csv
import io
import random
from collections import defaultdict

from harness import BUILD, TIDEMARK, expect_equal, main, milliseconds, parts, run, test

SYMBOLS = [f"SYM{i:02d}" for i in range(17)]
WINDOW_MS = 10_000
START_MS = 1_700_000_000_000
TRADES = 20_000
SEED = 11


def capture(path, part, rng, sums):
    """Trades of 100 seconds, up to 900 ms out of order; sums by (window end, symbol) go up."""
    with open(path, "w") as out:
        for i in range(TRADES):
            ms = START_MS + i * 100_000 // TRADES - rng.randrange(900)
            symbol = rng.choice(SYMBOLS)
            price, qty = rng.randrange(1, 10**12), rng.randrange(1, 10**11)
            out.write(f'{ms}000000 {{"e":"trade","E":{ms},"s":"{symbol}","t":{part * TRADES + i},'
                      f'"p":"{price // 10**8}.{price % 10**8:08d}",'
                      f'"q":"{qty // 10**8}.{qty % 10**8:08d}","T":{ms},"m":true,"M":true}}\n')
            sums[(ms // WINDOW_MS + 1) * WINDOW_MS, symbol] += price * qty


def ranks(sums):
    """(window end, rank, symbol, value): the ten largest of each window."""
    windows = defaultdict(list)
    for (end_ms, symbol), value in sums.items():
        windows[end_ms].append((-value, symbol))
    return sorted((end_ms, rank, symbol, -value)
                  for end_ms, totals in windows.items()
                  for rank, (value, symbol) in enumerate(sorted(totals)[:10], start=1))


def ranks_found(folder):
    found = []
    for row in csv.DictReader(io.StringIO(run(TIDEMARK, "inspect", "--csv", *parts(folder)).stdout)):
        whole, _, fraction = row["value"].partition(".")
        found.append((milliseconds(row["window_end"]), int(row["rank"]), row["symbol"],
                      int(whole + fraction.ljust(16, "0"))))
    return sorted(found)


def check(folder, *cores):
    rng, sums = random.Random(SEED), defaultdict(int)
    print(f"# seed {SEED}")
    files = [folder / "a.txt", folder / "b.txt"]
    for part, path in enumerate(files):
        capture(path, part, rng, sums)
    done = run(BUILD / "examples/top10", "--replay", files[0], "--replay", files[1], "--out",
               folder / "out", "--quiet", *cores)
    expect_equal(done.code, 0, done.stderr)
    expect_equal(ranks_found(folder / "out"), ranks(sums), "ranks")


@test
def one_worker_ranks_as_the_reference_does(folder):
    check(folder)


@test
def three_workers_and_two_ingest_threads_rank_as_the_reference_does(folder):
    check(folder, "--worker-cores", "0,0,0", "--ingest-cores", "0,0")


@test
def small_rings_change_nothing(folder):
    check(folder, "--worker-cores", "0,0", "--ring-depth", "64")


main()
