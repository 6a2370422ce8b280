#!/usr/bin/env python3
"""A live job on two connections with the same messages: either may die at any time."""

import csv
import io
import os
import random
import re
import selectors
import socket
import subprocess
import threading
import time

import harness
from harness import (BARS, cores, expect, expect_equal, parts, read_bars, run, test,
                     venue, wait_for)

SYMBOLS = ["btcusdt", "ethusdt", "solusdt"]
STREAMS = "/".join(f"{symbol}@trade" for symbol in SYMBOLS)
SEED = int(os.environ.get("TM_SEED", random.SystemRandom().randrange(1 << 30)))


class Relay:
    """Passes bytes on to a port, until it cuts them."""

    def __init__(self, port):
        self.target = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.pairs, self.lock, self.over = [], threading.Lock(), False
        self.passed = 0  # bytes of the newest connection
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.over:
            try:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            with self.lock:
                self.pairs.append((near, far))
                self.passed = 0
            threading.Thread(target=self.pump, args=(near, far), daemon=True).start()

    def pump(self, near, far):
        with selectors.DefaultSelector() as both:
            both.register(near, selectors.EVENT_READ, far)
            both.register(far, selectors.EVENT_READ, near)
            try:
                while both.get_map():
                    for key, _ in both.select():
                        data = key.fileobj.recv(65536)
                        if data:
                            key.data.sendall(data)
                            self.passed += len(data)
                        else:
                            both.unregister(key.fileobj)
                            key.data.shutdown(socket.SHUT_WR)
            except (OSError, ValueError):
                pass
        near.close()
        far.close()

    def streams(self):
        """A handshake takes a few thousand bytes, so market data have come through."""
        return self.passed > 40000

    def cut(self):
        """Ends what is open, in the middle of whatever is on its way."""
        with self.lock:
            pairs, self.pairs, self.passed = self.pairs, [], 0
        for pair in pairs:
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.over = True
        self.cut()
        self.server.close()


def start_job(url, ca_file, out, *options):
    return subprocess.Popen(
        [str(BARS), "--connect", url, "--ca-file", str(ca_file), "--out", str(out),
         "--worker-cores", cores(2), "--json", "--retry-delay", "100ms", *map(str, options)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(job):
    stdout, stderr = job.communicate(timeout=60)
    return harness.Run(job.returncode, stdout, stderr)


def trades_of(folder):
    return sum(row["trades"] for row in read_bars(parts(folder)))


def market(folder, messages, clients):
    return venue(folder, "--seed", SEED, "--faults", "none", "--symbols", len(SYMBOLS), "--trades",
                 100, "--rate", 2000, "--messages", messages, "--wait-clients", clients)


@test
def killing_either_connection_loses_and_doubles_nothing(folder):
    print(f"# TM_SEED={SEED}")
    chance, out, messages = random.Random(SEED), folder / "out", 12000
    with market(folder, messages, 2) as (url, ca_file):
        port = int(url.rsplit(":", 1)[1])
        relays = [Relay(port), Relay(port)]
        urls = ",".join(f"wss://localhost:{relay.port}/stream?streams={STREAMS}"
                        for relay in relays)
        job = start_job(urls, ca_file, out, "--journal", folder / "journal")
        cuts = 6
        for _ in range(cuts):
            # One at a time, and never before the other one is back.
            wait_for(lambda: all(relay.streams() for relay in relays), "both to stream", 20)
            time.sleep(0.1 * chance.random())
            relays[chance.randrange(2)].cut()
        done = finished(job)
        for relay in relays:
            relay.close()
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(trades_of(out) + done.summary["late"], messages, "trades in the bars, and late")
    expect_equal(done.summary["rows_in"], messages, "rows that entered the graph")
    expect_equal(done.counter("gaps"), 0, f"gaps; standard error: {done.stderr}")
    expect(done.counter("copies_dropped") > messages / 2, "the losers are counted")
    expect_equal(done.counter("disconnects"), cuts, "disconnects")
    # All that came is recorded; a replay takes what counted, so it gives the same bars.
    export = run(harness.TIDEMARK, "journal", "export", "--format", "raw", folder / "journal")
    expect_equal(len(export.stdout.splitlines()), done.counter("frames"), "messages recorded")
    expect(done.counter("frames") > 1.5 * messages, "most messages came twice")
    again = harness.bars_ok("--replay", folder / "journal", "--out", folder / "again")
    expect_equal(again.summary["rows_in"], messages, "rows of the recorded feed")
    if done.summary["late"] == again.summary["late"] == 0:
        harness.expect_bars(read_bars(parts(folder / "again")), read_bars(parts(out)))


@test
def rotation_under_load_loses_and_doubles_nothing(folder):
    messages, out = 8000, folder / "out"
    with market(folder, messages, 1) as (url, ca_file):
        done = finished(start_job(f"{url}/stream?streams={STREAMS}", ca_file, out, "--rotate",
                                  "400ms"))
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(trades_of(out) + done.summary["late"], messages, "trades in the bars, and late")
    expect(done.counter("rotations") >= 3, f"rotations: {done.counter('rotations')}")
    expect_equal(done.counter("gaps"), 0, "gaps")
    expect_equal(done.counter("disconnects"), 0, "disconnects")


@test
def a_gap_of_both_connections_is_told_by_symbol_and_ids(folder):
    messages, faults = 4000, folder / "faults.txt"
    faults.write_text("any message 500 gap 3\n")
    with venue(folder, "--seed", SEED, "--symbols", 1, "--trades", 100, "--rate", 2000,
               "--messages", messages, "--wait-clients", 2, "--faults", faults) as (url, ca_file):
        one = f"{url}/stream?streams=btcusdt@trade"
        done = finished(start_job(f"{one},{one}", ca_file, folder / "out"))
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(done.summary["rows_in"], messages - 3, "rows")
    expect_equal(done.counter("gaps"), 1, "gaps")
    expect_equal(done.counter("gap_messages"), 3, "messages missing")
    expect(re.search(r"BTCUSDT: trades \d+ to \d+ are missing", done.stderr), done.stderr)


def levels(folder):
    """Rows of levels as dictionaries of whole numbers: prices and quantities by 1e8."""
    shown = run(harness.TIDEMARK, "inspect", "--csv", *parts(folder))
    expect_equal(shown.code, 0, f"tidemark inspect: {shown.stderr}")
    number = lambda text: round(float(text) * 1e8)  # noqa: E731
    return [{"side": row["side"], "snapshot": row["snapshot"] in ("1", "true"),
             "first_id": int(row["first_id"]), "last_id": int(row["last_id"]),
             "price": number(row["price"]), "qty": number(row["qty"])}
            for row in csv.DictReader(io.StringIO(shown.stdout))]


@test
def a_book_with_a_gap_is_asked_for_anew_and_its_levels_are_the_exchanges(folder):
    """Levels that end in part files, put together by rule: the changes alone, begun anew with each
    whole book, never cross, and follow each other without a hole behind the last whole one."""
    faults = folder / "faults.txt"
    faults.write_text("1 message 6000 gap 3\n")
    with venue(folder, "--seed", SEED, "--symbols", 1, "--trades", 10, "--depth", 90,
               "--rate", 2000, "--messages", 14000, "--wait-clients", 1,
               "--faults", faults) as (url, ca_file):
        done = finished(subprocess.Popen(
            [str(harness.BUILD / "tests/e2e/rows_job"), "--connect", url, "--ca-file", str(ca_file),
             "--stream", "btcusdt@depth@100ms", "--out", str(folder / "out"), "--worker-cores",
             harness.cores(1), "--json"],
            env={**os.environ, "TM_ROWS": "level"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(done.counter("gaps"), 1, f"gaps; {done.stderr}")
    expect_equal(done.counter("books_fetched"), 2, f"whole books; {done.stderr}")
    expect_equal(done.counter("books_failed"), 0, "requests that failed")
    rows = levels(folder / "out")
    rows.sort(key=lambda row: (row["last_id"], row["snapshot"]))
    wholes = sorted({row["last_id"] for row in rows if row["snapshot"]})
    expect_equal(len(wholes), 2, "whole books among the rows")
    sides, last = {"buy": {}, "sell": {}}, wholes[-1]
    for row in rows:
        if row["last_id"] == wholes[-1] and row["snapshot"]:
            sides[row["side"]][row["price"]] = row["qty"]
    for row in rows:
        if row["snapshot"] or row["last_id"] <= wholes[-1]:
            continue
        expect(row["first_id"] <= last + 1, f"a hole behind {last}: {row}")
        last = row["last_id"]
        if row["qty"] == 0:
            sides[row["side"]].pop(row["price"], None)
        else:
            sides[row["side"]][row["price"]] = row["qty"]
    expect(max(sides["buy"]) < min(sides["sell"]), f"crossed: {sides}")


@test
def a_stream_that_the_exchange_does_not_know_is_named(folder):
    with market(folder, 4000, 1) as (url, ca_file):
        done = finished(start_job(url, ca_file, folder / "out", "--stream",
                                  "btcusdt@trade,nosuch@trade", "--stream-timeout", "500ms"))
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect("1 of 2 streams have never spoken: nosuch@trade" in done.stderr, done.stderr)
    expect_equal(done.counter("streams_silent"), 1, "streams_silent")


@test
def a_venue_that_nobody_knows_is_refused(folder):
    done = run(BARS, "--connect", "ws://127.0.0.1:1", "--venue", "nyse", "--out", folder / "out")
    expect_equal(done.code, 2, "exit status")
    expect("nyse" in done.stderr and "kraken" in done.stderr, done.stderr)


harness.main()
