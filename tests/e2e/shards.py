#!/usr/bin/env python3
"""The streams of one address, spread over two connections: event time waits for the one that is
behind, and for as long as it is not idle."""

import harness
from harness import BARS, cores, expect, expect_equal, parts, read_bars, run, test, venue

# A connection to Binance carries 1,024 streams. Those of the exchange are the first and the last.
NEAR = ["btcusdt@trade", "solusdt@trade"]
FAR = ["ethusdt@trade", "bnbusdt@trade"]
FILL = [f"none{i}usdt@trade" for i in range(1024 - len(NEAR))]
STREAMS = ",".join(NEAR + FILL + FAR)


def bars_of(folder, fault, messages, *options):
    """Runs bars on both connections; one of them does what the fault says."""
    script = folder / "faults.txt"
    script.write_text(fault + "\n")
    with venue(folder, "--seed", 5, "--symbols", 4, "--trades", 100, "--rate", 1000, "--messages",
               messages, "--wait-clients", 2, "--faults", script) as (url, ca_file):
        done = run(BARS, "--connect", f"{url}/stream", "--ca-file", ca_file, "--stream", STREAMS,
                   "--out", folder / "out", "--worker-cores", cores(1), "--watermark-bound",
                   "200ms", "--json", *options)
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    return done


@test
def rows_of_a_connection_that_stalls_are_not_late(folder):
    messages = 6000
    done = bars_of(folder, "2 message 300 stall 2s", messages)
    expect_equal(done.counter("attempts"), 2, "connections")
    expect_equal(done.summary["rows_in"], messages, "rows")
    expect_equal(done.summary["late"], 0, "late rows: event time has gone on without them")
    trades = sum(row["trades"] for row in read_bars(parts(folder / "out")))
    expect_equal(trades, messages, "trades in bars")


@test
def a_connection_that_falls_silent_is_left_out_once_it_is_idle(folder):
    done = bars_of(folder, "2 message 300 half-open", 12000, "--duration", "10s",
                   "--idle-timeout", "0")
    expect_equal(done.counter("partitions_idle"), 1, "idle partitions at the end")
    expect_equal(done.summary["late"], 0, "late rows")
    expect(done.summary["rows_in"] > 3000, f"rows of the other: {done.summary['rows_in']}")


harness.main()
