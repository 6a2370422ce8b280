#!/usr/bin/env python3
"""Live jobs with a journal that are killed, or fail and are restarted in process, while an exchange
gives ids of before again, or goes on without them: their rows are those of a replay of the whole
journal, each trade once, and what is missing is told once."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import harness
from crash_bed import FAULT_AT, JOB, rows_of
from harness import (TIDEMARK, expect, expect_equal, finish, free_port, run, test, venue,
                     wait_for)

STREAMS = "btcusdt@trade/ethusdt@trade/solusdt@trade"
MARKET = ["--seed", 7, "--faults", "none", "--symbols", 3, "--trades", 100]
MESSAGES = 5000  # of an exchange that comes to its end
FAULT_CALL = 150  # on part files: behind some checkpoints


def words(folder, feed, connections, *more):
    url, ca_file, streams = (*feed, STREAMS)[:3]
    address = f"{url}/stream?streams={streams}"
    return [JOB, "--connect", ",".join([address] * connections), "--ca-file", ca_file,
            "--journal", folder / "journal", "--out", folder / "out", "--checkpoints",
            folder / "kept", "--state-memory", "8M", "--checkpoint-interval", "20ms", *more]


def manifests(folder):
    return sorted((folder / "kept").glob("manifest-*"))


@contextmanager
def job(folder, feed, connections, *more, **env):
    """A run; yields the process and a function that reads what it has said so far."""
    log = folder / "stderr"
    with open(log, "w", encoding="utf-8") as err:
        process = subprocess.Popen([*map(str, words(folder, feed, connections, *more))],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                                   text=True, env={**os.environ, **env})
    try:
        yield process, log.read_text
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def some_checkpoints(folder, count=3):
    """Waits until so many were completed from now on."""
    newest = manifests(folder)[-1:]
    for _ in range(count):
        wait_for(lambda known=newest: manifests(folder)[-1:] > known, "a checkpoint")
        newest = manifests(folder)[-1:]


def killed(folder, feed, connections, ready=lambda told: True, more=()):
    """A run that is killed some checkpoints behind what it waits for. Returns what it said."""
    with job(folder, feed, connections, *more) as (process, told):
        wait_for(lambda: ready(told()) or process.poll() is not None, "the job")
        some_checkpoints(folder)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return told()


def gaps(told):
    return [(symbol, int(first), int(last)) for symbol, first, last in
            re.findall(r"(\w+): trades (\d+) to (\d+) are missing", told)]


def ids_of_journal(folder):
    """{symbol: every id that an exchange has ever sent}, by the messages themselves."""
    ids = {}
    messages = run(TIDEMARK, "journal", "cat", folder / "journal").stdout
    for symbol, number in re.findall(r'\\"s\\":\\"(\w+)\\",\\"t\\":(\d+)', messages):
        ids.setdefault(symbol, set()).add(int(number))
    return ids


def expect_each_once(folder, rows, symbol_cnt):
    """Every trade that an exchange has sent, once, however often it came."""
    found = {}
    for line, count in rows.items():
        sink, _, row = line.partition(":")
        if sink == "rows":
            symbol, _, _, number = row.split(",")[:4]
            found.setdefault(symbol, Counter())[int(number)] += count
    wanted = ids_of_journal(folder)
    expect_equal(len(wanted), symbol_cnt, "symbols of the journal")
    for symbol, ids in wanted.items():
        twice = [number for number, count in found[symbol].items() if count > 1]
        expect(not twice, f"{symbol}: {len(twice)} ids come twice, {twice[:3]}")
        expect_equal(set(found[symbol]), ids, f"ids of {symbol}")


def expect_as_replayed(folder, sinks=("rows", "results")):
    """The finished parts hold what a replay of the whole journal gives. Returns the rows and that
    run."""
    done = run(JOB, "--replay", folder / "journal", "--out", folder / "whole", "--json")
    expect_equal(done.code, 0, f"exit status of the replay: {done.stderr}")
    wanted, found = rows_of(folder / "whole"), rows_of(folder / "out")
    for sink in sinks:
        of_sink = [Counter({line: count for line, count in bag.items()
                            if line.startswith(f"{sink}:")}) for bag in (found, wanted)]
        lost, doubled = of_sink[1] - of_sink[0], of_sink[0] - of_sink[1]
        expect(of_sink[1], f"{sink} of the replay")
        expect(not lost and not doubled, f"{sink}: {lost.total()} lost, {doubled.total()} too "
               f"many; {list(lost)[:2]} {list(doubled)[:2]}")
    return found, done


def ids_come_again_behind_a_kill(folder, connections, before_last=lambda: []):
    """Two runs are killed; before_last returns options of the third."""
    paced = [*MARKET, "--rate", 3000, "--wait-clients", connections]
    told = ""
    for _ in range(2):
        with venue(folder, *paced) as feed:
            told += killed(folder, feed, connections)
    last = before_last()
    with venue(folder, *MARKET, "--rate", 0, "--messages", MESSAGES, "--wait-clients",
               connections) as feed:
        done = run(*words(folder, feed, connections, *last, "--json"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    told += done.stderr
    expect_equal(told.count("restored from checkpoint"), 2, f"restarts; {told}")
    expect_equal(len(re.findall(r"\d+ frames from the journal", told)), 2, "journals read again")
    expect(done.counter("copies_dropped") > 100, "ids that came again")
    rows, _ = expect_as_replayed(folder)
    expect_each_once(folder, rows, 3)


@test
def ids_that_an_exchange_gives_again_behind_a_kill_count_once(folder):
    ids_come_again_behind_a_kill(folder, 1)


@test
def ids_that_two_connections_give_again_behind_a_kill_count_once(folder):
    ids_come_again_behind_a_kill(folder, 2)


@test
def a_savepoint_and_more_workers_know_what_had_come(folder):
    def savepoint():
        done = run(TIDEMARK, "savepoint", folder / "kept", folder / "point")
        expect_equal(done.code, 0, f"savepoint: {done.stderr}")
        (folder / "kept").rename(folder / "before")
        return ["--restore", folder / "point", "--worker-cores", "0,0"]

    ids_come_again_behind_a_kill(folder, 1, savepoint)


@test
def what_an_exchange_sent_while_nothing_ran_is_one_gap_told_once(folder):
    told = []
    with venue(folder, *MARKET, "--rate", 500) as (url, ca_file):  # nobody is too slow for that
        feed = (url, ca_file, "btcusdt@trade")
        told.append(killed(folder, feed, 1))
        told.append(killed(folder, feed, 1, gaps))
        with job(folder, feed, 1) as (process, said):
            wait_for(lambda: gaps(said()) or process.poll() is not None, "the gap of the third run")
            some_checkpoints(folder)
            process.send_signal(signal.SIGTERM)
            expect_equal(finish(process).code, 0, f"exit status; {said()}")
            told.append(said())
    rows, again = expect_as_replayed(folder, ["rows"])  # windows that are not due did not fire
    expect_each_once(folder, rows, 1)
    ids = sorted(ids_of_journal(folder)["BTCUSDT"])
    missing = [("BTCUSDT", a + 1, b - 1) for a, b in zip(ids, ids[1:]) if b > a + 1]
    expect_equal(len(missing), 2, "gaps of the journal")
    expect_equal(gaps("".join(told)), missing, "gaps that were told")
    expect_equal(again.counter("gaps"), 2, "gaps that the replay tells")
    expect_equal(again.counter("gap_messages"), sum(b - a + 1 for _, a, b in missing),
                 "messages in them")


@test
def feeds_that_are_others_than_they_were_are_refused_with_both_named(folder):
    def swapped(url, *streams):
        return [word for name in streams for word in ("--connect", f"{url}/ws/{name}@trade")]

    with venue(folder, *MARKET, "--rate", 500) as (url, ca_file):
        feed = (url, ca_file, "solusdt@trade")
        killed(folder, feed, 1, more=swapped(url, "btcusdt", "ethusdt"))
        before = rows_of(folder / "out")
        done = run(*words(folder, feed, 1, *swapped(url, "ethusdt", "btcusdt")))
        expect_equal(done.code, 2, f"exit status; {done.stderr}")
        expect("feed 2 is 'binance: 1 streams, ethusdt@trade first" in done.stderr and
               "and was 'binance: 1 streams, btcusdt@trade first" in done.stderr and
               "--restore none" in done.stderr, done.stderr)
        done = run(*words(folder, feed, 1, *swapped(url, "btcusdt", "ethusdt"), "--venue",
                          "binance-usdm"))
        expect_equal(done.code, 2, f"exit status; {done.stderr}")
        expect("is 'binance-usdm: " in done.stderr, done.stderr)
    # What the last checkpoint had prepared, the first of them may have made visible.
    expect(not before - rows_of(folder / "out"), "rows that were there")


def ids_come_again_in_process(folder, connections):
    """A call on a part file fails; while the job waits for its next attempt the exchange begins
    anew. Where the job is faster, it meets the new one by way of a lost connection."""
    port = ["--port", free_port(), *MARKET]
    fault = {"LD_PRELOAD": str(FAULT_AT), "TM_FAULT": "EIO", "TM_FAULT_AT": str(FAULT_CALL),
             "TM_FAULT_UNDER": str(folder / "out")}
    patient = ["--restart", "fixed:100,1s", "--retries", "0", "--retry-delay", "100ms", "--json"]
    with ExitStack() as market:
        feed = market.enter_context(venue(folder, *port, "--rate", 3000, "--wait-clients",
                                          connections))
        with job(folder, feed, connections, *patient, **fault) as (process, said):
            wait_for(lambda: "Input/output error" in said() or process.poll() is not None,
                     "a call that fails")
            market.close()
            market.enter_context(venue(folder, *port, "--rate", 0, "--messages", MESSAGES,
                                       "--wait-clients", connections))
            done = finish(process, harness.RUN_TIMEOUT_S)
    expect_equal(done.code, 0, f"exit status; {said()}")
    expect("restored from checkpoint" in said(), said())
    expect(done.counter("restarts") >= 1, "restarts in process")
    expect(done.counter("copies_dropped") > 100, "ids that came again")
    rows, _ = expect_as_replayed(folder)
    expect_each_once(folder, rows, 3)


@test
def ids_that_an_exchange_gives_again_behind_a_restart_in_process_count_once(folder):
    ids_come_again_in_process(folder, 1)


@test
def ids_that_two_connections_give_again_behind_a_restart_in_process_count_once(folder):
    ids_come_again_in_process(folder, 2)


harness.main()
