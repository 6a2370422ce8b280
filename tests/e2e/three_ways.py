#!/usr/bin/env python3
"""The same capture, three ways: read in process, over wss through the simulated exchange, and from
the journal that this wss run wrote. Rows, bars and messages must be the same, byte for byte.

Only the receive time may differ between the first way and the others: it is when a message was
received. Between the wss run and its journal nothing may differ at all.
"""

import csv
import gzip
import io
import os
import re

import harness
from harness import (BUILD, SHARED, TIDEMARK, Skip, add_test, cores, expect, expect_equal, parts,
                     run)

JOB = BUILD / "tests/e2e/rows_job"
CAPTURES = ("spot_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz", "usdm_btcusdt_20240808.gz",
            "cm_btcusd_perp_20240808.gz", "spot_btcusdt_20230405.dat.gz",
            "usdm_btcusdt_20230405.dat.gz")
SEED = int(os.environ.get("TM_SEED", "20264"))
STREAM = re.compile(rb'\{"stream":"([^"]+)"')


def job(rows, out, *options):
    os.environ["TM_ROWS"] = rows
    done = run(JOB, *options, "--out", out, "--json")
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    return done


def table(folder, leave_out=()):
    """The rows of the parts in a folder, as text, in the order of their parts."""
    lines = []
    for part in parts(folder):
        done = run(TIDEMARK, "inspect", "--csv", part)
        expect_equal(done.code, 0, f"tidemark inspect --csv: {done.stderr}")
        for record in csv.DictReader(io.StringIO(done.stdout)):
            lines.append(",".join(f"{key}={value}" for key, value in record.items()
                                  if key not in leave_out))
    return lines


def same(found, wanted, what):
    expect(wanted, f"{what}: there is something to compare")
    expect_equal(len(found), len(wanted), f"{what}: how many")
    for number, (one, other) in enumerate(zip(found, wanted)):
        if one != other:
            raise AssertionError(f"{what} {number}: found {one}, wanted {other}")


def messages_of(path):
    """[(stream, message)] of a capture, without lines that no stream carries."""
    opener = gzip.open if path.suffix == ".gz" else open
    found = []
    with opener(path, "rb") as lines:
        for line in lines:
            message = line.split(b" ", 1)[1].rstrip(b"\n")
            stream = STREAM.match(message)
            if stream:
                found.append((stream.group(1).decode(), message))
    return found


def split(streams, connections):
    """Trades on the first connection and all else on the second, or everything on one."""
    if connections == 1:
        return [streams]
    return [[name for name in streams if name.endswith("@trade")],
            [name for name in streams if not name.endswith("@trade")]]


def recorded(folder):
    """The messages of a journal, as they were."""
    out = folder.parent / f"{folder.name}.raw"
    done = run(TIDEMARK, "journal", "export", "--format", "raw", "--strict", "--out", out, folder)
    expect_equal(done.code, 0, f"tidemark journal export: {done.stderr}")
    return out.read_bytes().splitlines()


def three_ways(find, connections, rows):
    def test(folder):
        capture = find()
        messages = messages_of(capture)
        sides = split(sorted({stream for stream, _ in messages}), connections)
        expect(all(sides), "every connection has streams")
        threads = ["--ingest-cores", cores(connections)]

        job(rows, folder / "one", "--replay", capture)
        with harness.venue(folder, "--replay", capture, "--speed", "max", "--wait-clients",
                           connections) as (url, ca_file):
            connects = [word for side in sides
                        for word in ("--connect", f"{url}/stream?streams={'/'.join(side)}")]
            job(rows, folder / "two", *connects, "--ca-file", ca_file, "--journal",
                folder / "journal", *threads)
        journals = [folder / "journal"] if connections == 1 else \
            [folder / "journal" / str(i) for i in range(connections)]
        replays = [word for journal in journals for word in ("--replay", journal)]
        job(rows, folder / "three", *replays, *threads)

        for journal, side in zip(journals, sides):
            same(recorded(journal), [text for stream, text in messages if stream in side],
                 "message")
        one, two, three = (folder / name for name in ("one", "two", "three"))
        same(table(three / "rows"), table(two / "rows"), "row by journal")
        same(sorted(table(three / "bars")), sorted(table(two / "bars")), "bar by journal")
        # A quote of the spot market has no time of its own: its event time is that of its receipt.
        timeless = rows == "quote" and capture.name.startswith("spot")
        left_out = ["recv_time", "event_time"] if timeless else ["recv_time"]
        same(table(two / "rows", left_out), table(one / "rows", left_out), "row by wss")
        if not timeless:
            same(sorted(table(two / "bars")), sorted(table(one / "bars")), "bar by wss")
    return test


def shared(name):
    def find():
        path = SHARED / "captures" / name
        if not path.exists():
            raise Skip(f"{path} is not there")
        return path
    return find


def generated_capture():
    """What tidemark capture records of the generated market, as text lines."""
    path, journal = harness.scratch() / "generated.gz", harness.scratch() / "generated"
    streams = "/".join(f"{symbol}@{kind}" for symbol in ("btcusdt", "ethusdt")
                       for kind in ("trade", "bookTicker"))
    if path.exists():
        return path
    with harness.venue(harness.scratch(), "--rate", 0, "--messages", 20000, "--seed", SEED,
                       "--faults", "none", "--wait-clients", 1) as (url, ca_file):
        done = run(TIDEMARK, "capture", "--connect", f"{url}/stream?streams={streams}",
                   "--ca-file", ca_file, "--on-close", "end", "--quiet", journal)
        expect_equal(done.code, 0, f"tidemark capture: {done.stderr}")
    done = run(TIDEMARK, "journal", "export", "--out", path, journal)
    expect_equal(done.code, 0, f"tidemark journal export: {done.stderr}")
    return path


def main():
    print(f"# seed {SEED}")
    for connections in (1, 2):
        add_test(f"generated trades are the same in all three ways over {connections} connections",
                 three_ways(generated_capture, connections, "trade"))
    for name in CAPTURES:
        for connections, words in ((1, "one connection"), (2, "two connections")):
            for rows in ("trade", "quote"):
                add_test(f"{name}: {rows}s are the same in all three ways over {words}",
                         three_ways(shared(name), connections, rows))
    harness.main()


main()
