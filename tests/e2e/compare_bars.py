#!/usr/bin/env python3
"""The bars in the part files are exactly those of the reference.

  compare_bars.py               a synthetic capture (seed in $TM_SEED) and the shared captures
  compare_bars.py --synthetic   the synthetic capture only
  compare_bars.py CAPTURE...    these captures

Each capture is replayed with one and with two workers, and sent through the simulated exchange over
TLS.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path

import harness
import synthetic
from bars_reference import bars_of
from harness import (Skip, add_test, bars_ok, cores, expect, expect_bars, expect_equal, parts,
                     read_bars)

# Trades in each shared capture, as its own documentation counts them.
CAPTURES = {
    "spot_btcusdt_20240808.gz": 9757,
    "spot_ethusdt_20240808.gz": 6106,
    "usdm_btcusdt_20240808.gz": 21313,
    "cm_btcusd_perp_20240808.gz": 2286,
    "spot_btcusdt_20230405.dat.gz": 3144,
    "usdm_btcusdt_20230405.dat.gz": 10738,
}
SEED = int(os.environ.get("TM_SEED", "20261"))
BOUND_MS = 1000


@lru_cache
def reference(path):
    """(rows, trades, late) of a capture under the job's default watermark bound."""
    bars = bars_of([path], BOUND_MS)
    return list(bars.rows()), bars.trade_cnt, bars.late_cnt


def compare(out, done, path):
    rows, trades, late = reference(path)
    expect_equal(done.summary["late"], late, "late trades")
    expect_bars(read_bars(parts(out)), rows)
    expect_equal(done.summary["rows_out"], len(rows), "rows_out of the summary")
    expect(done.summary["rows_in"] >= trades, "rows_in counts at least the trades")
    expect_equal(harness.hidden(out), [], "unfinished parts after an orderly end")


def replayed(path, workers):
    def run(folder):
        out = folder / "out"
        capture = path() if callable(path) else path
        done = bars_ok("--replay", capture, "--out", out, "--speed", "max",
                       "--worker-cores", cores(workers))
        compare(out, done, capture)
    return run


def through_venue(path):
    def run(folder):
        out = folder / "out"
        capture = path() if callable(path) else path
        symbols = sorted({row["symbol"].lower() for row in reference(capture)[0]})
        streams = "/".join(f"{symbol}@trade" for symbol in symbols)
        with harness.venue(folder, "--replay", capture, "--speed", "max") as (url, ca_file):
            done = bars_ok("--connect", f"{url}/stream?streams={streams}", "--ca-file", ca_file,
                           "--out", out, "--worker-cores", cores(2))
        compare(out, done, capture)
    return run


def add_capture(name, path):
    add_test(f"{name}: one worker gives the reference's bars", replayed(path, 1))
    add_test(f"{name}: two workers give the reference's bars", replayed(path, 2))
    add_test(f"{name}: over TLS through the venue, the reference's bars", through_venue(path))


def shared_capture(name, trades):
    """A function that finds the capture, or skips."""
    def find():
        path = harness.SHARED / "captures" / name
        if not path.exists():
            raise Skip(f"{path} is not there")
        expect_equal(reference(path)[1], trades, "trades that the reference sees")
        return path
    return find


def synthetic_capture(late):
    """A function that writes the capture on its first call."""
    path = harness.scratch() / f"synthetic-{SEED}-{late}.gz"

    def find():
        if not path.exists():
            synthetic.write(path, SEED, seconds=60, rate=60, late=late)
        return path
    return find


def add_synthetic():
    print(f"# seed {SEED}")
    add_capture("synthetic", synthetic_capture(0))
    late = synthetic_capture(40)
    add_test("synthetic with late trades: one worker counts and drops them", replayed(late, 1))
    add_test("synthetic with late trades: two workers count and drop them", replayed(late, 2))


def main():
    named = [name for name in sys.argv[1:] if name != "--synthetic"]
    for name in named:
        add_capture(Path(name).name, Path(name))
    if not named:
        add_synthetic()
    if len(sys.argv) == 1:
        for name, trades in CAPTURES.items():
            add_capture(name, shared_capture(name, trades))
    harness.main()


main()
