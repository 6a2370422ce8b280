#!/usr/bin/env python3
"""A live job whose exchange is killed, comes back, or never comes back."""

import re
import signal
import subprocess
import time
from contextlib import contextmanager

import harness
from harness import (TIDEMARK, bars, cores, expect, expect_equal, finish, free_port, parts,
                     read_bars, start_bars, test, wait_for)

LAST_LIFE = "4s"  # the last venue ends its feed in order
STREAMS = "btcusdt@trade/ethusdt@trade"


@contextmanager
def venue_life(folder, port, *options):
    """A venue on this port with the CA of its folder; killed at the end, without a word."""
    log = folder / "venue.log"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [str(TIDEMARK), "venue", "--port", str(port), "--plain-port", "0", "--rate", "400",
             "--trades", "100", "--tls-dir", str(folder / "tls"), *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: process.poll() is not None or "listening on wss" in log.read_text(),
                 "the venue to listen", harness.LISTEN_TIMEOUT_S)
        expect_equal(process.poll(), None, f"the venue's status; {log.read_text()}")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def now_ms():
    return time.time_ns() // 1_000_000


def sleep_to_half_a_second():
    """Until the wall clock shows n.5 s, at least half a second from now. A connection comes back
    0.8 s after a kill at the earliest, so no window of a second holds trades of two venues."""
    time.sleep(0.5)
    time.sleep((1500 - now_ms() % 1000) % 1000 / 1000)


@test
def a_venue_that_is_killed_and_restarted_twice_costs_the_gap_and_nothing_else(folder):
    port, out, log, lives = free_port(), folder / "out", folder / "job.log", []
    job = None
    try:
        for life in range(3):
            options = ["--seed", life + 1, "--faults", "none",
                       *(["--duration", LAST_LIFE] if life == 2 else [])]
            with venue_life(folder, port, *options):
                since = now_ms()
                if life == 0:
                    with open(log, "w", encoding="utf-8") as stderr:
                        job = subprocess.Popen(
                            [str(harness.BARS), "--connect",
                             f"wss://localhost:{port}/stream?streams={STREAMS}", "--ca-file",
                             str(folder / "tls/ca.pem"), "--out", str(out), "--worker-cores",
                             cores(1), "--json"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                            text=True)
                wait_for(lambda: len(re.findall(r" streams ", log.read_text())) > life,
                         f"the job to stream for the {life + 1}. time", 20)
                if life == 2:
                    stdout, _ = job.communicate(timeout=harness.STOP_TIMEOUT_S)
                else:
                    sleep_to_half_a_second()
                until = now_ms()
            lives.append((since, until))
    finally:
        if job and job.poll() is None:
            job.kill()
            job.communicate()
    done = harness.Run(job.returncode, stdout, log.read_text())
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect(done.counter("disconnects") >= 2, f"disconnects: {done.counter('disconnects')}")
    expect(done.counter("reconnects") >= 2, f"reconnects: {done.counter('reconnects')}")
    rows = read_bars(parts(out))
    for number, (since, until) in enumerate(lives, 1):
        trades = sum(row["trades"] for row in rows if since <= row["window_start"] < until)
        expect(trades > 0, f"no trades of life {number}, {since} to {until}, in {rows}")
    expect_equal(sum(row["trades"] for row in rows) + done.summary["late"],
                 done.summary["rows_in"], "trades in the bars and late ones")


@test
def spent_retries_end_the_job_with_what_the_last_one_met(folder):
    url = f"ws://127.0.0.1:{free_port()}/ws/btcusdt@trade"
    done = bars("--connect", url, "--retries", "1", "--out", folder / "out")
    expect_equal(done.code, 1, "exit status")
    for words in (url, "is the server running", "still so after 1 retries"):
        expect(words in done.stderr, f"{words!r} is missing in {done.stderr}")


@test
def a_signal_ends_the_back_off_at_once(folder):
    job = start_bars("--connect", f"ws://127.0.0.1:{free_port()}/ws/btcusdt@trade", "--retries",
                     "0", "--out", folder / "out")
    time.sleep(2.5)  # well into the second wait
    expect_equal(job.poll(), None, "the job goes on trying")
    since = time.monotonic()
    job.send_signal(signal.SIGTERM)
    done = finish(job)
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect(time.monotonic() - since < 1, "it took more than a second")


harness.main()
