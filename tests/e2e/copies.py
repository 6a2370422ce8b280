#!/usr/bin/env python3
"""Recordings of two connections that bring the same messages replay to the rows of the live feed:
each once, whoever brought it first, also where a message is a copy in part, and from the middle."""

import csv
import io
import json
import os
import random
import re

import harness
from harness import BUILD, TIDEMARK, expect, expect_equal, parts, run, test, venue

JOB = BUILD / "tests/e2e/rows_job"
SEED = int(os.environ.get("TM_SEED", random.SystemRandom().randrange(1 << 30)))
STREAMS = "btcusdt@trade/ethusdt@trade/solusdt@trade"
MESSAGES = 20000


def rows(folder, *options, leave_out=()):
    os.environ["TM_ROWS"] = "trade"
    done = run(JOB, *options, "--out", folder, "--json")
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    found = []
    for part in parts(folder / "rows"):
        text = run(TIDEMARK, "inspect", "--csv", part).stdout
        found += [{key: value for key, value in row.items() if key not in leave_out}
                  for row in csv.DictReader(io.StringIO(text))]
    return found


def key(row):
    return row["symbol"], row["trade_id"]


def keys(found):
    return [key(row) for row in found]


def by_symbol(found):
    return sorted(found, key=lambda row: row["symbol"])


def market(folder):
    """Of one connection or the other, messages are missing, doubled and late."""
    faults = folder / "faults"
    faults.write_text("odd some 400 gap 3\neven some 300 gap 5\nany some 500 duplicate\n")
    return venue(folder, "--seed", SEED, "--symbols", 3, "--trades", 100, "--rate", 0,
                 "--messages", MESSAGES, "--wait-clients", 2, "--faults", faults)


def twice(url):
    return f"{url}/stream?streams={STREAMS},{url}/stream?streams={STREAMS}"


@test
def what_a_job_recorded_of_two_connections_replays_to_the_rows_that_it_had_live(folder):
    print(f"# TM_SEED={SEED}")
    with market(folder) as (url, ca_file):
        live = rows(folder / "live", "--connect", twice(url), "--ca-file", ca_file,
                    "--journal", folder / "feed")
    again = rows(folder / "again", "--replay", folder / "feed")
    expect(len(live) > MESSAGES / 2, f"{len(live)} rows are a feed")
    expect_equal(len(set(keys(live))), len(live), "rows of the live feed, each once")
    expect_equal(again, live, "rows of the replay")


@test
def what_tidemark_capture_recorded_of_two_connections_replays_to_each_row_once(folder):
    print(f"# TM_SEED={SEED}")
    with market(folder) as (url, ca_file):
        done = run(TIDEMARK, "capture", "--connect", twice(url), "--ca-file", ca_file,
                   "--on-close", "end", "--rotate", "1M", "--json", folder / "feed")
        expect_equal(done.code, 0, f"capture: {done.stderr}")
    messages = run(TIDEMARK, "replay", folder / "feed").stdout.splitlines()
    ids = {(found.group(1), found.group(2)) for found in
           (re.search(r'"s":"(\w+)","t":(\d+)', line) for line in messages) if found}
    found = rows(folder / "rows", "--replay", folder / "feed")
    expect(len(messages) > 1.5 * len(ids), "the recording holds copies")
    expect_equal(len(found), len(ids), "rows")
    expect_equal(set(keys(found)), ids, "every trade that either connection brought")

    middle = found[len(found) // 3]["recv_time"]
    part = rows(folder / "part", "--replay", folder / "feed", "--from",
                middle.replace(" ", "T"))
    expect(len(part) < len(found), "the range begins in the middle")
    expect_equal(len(set(keys(part))), len(part), "rows of the range, each once")
    # Of trades that the faster connection brought before the range, the slower one's copies count.
    behind = [row for row in found if row["recv_time"] >= middle]
    wanted = set(keys(behind))
    expect_equal(by_symbol(row for row in part if key(row) in wanted), by_symbol(behind),
                 "rows from there on")
    expect(set(keys(part)) <= ids, "nothing else")


def record(conn, kind, message, number):
    return json.dumps({"recv_ns": 1_700_000_000_000_000_000 + number * 1_000_000, "conn": conn,
                       "kind": kind, "data": message}, separators=(",", ":"))


def kraken(*ids):
    trades = [{"symbol": "BTC/USD", "side": "buy", "price": 27000.5, "qty": 0.25,
               "ord_type": "market", "trade_id": number,
               "timestamp": "2023-11-14T22:13:20.000000Z"} for number in ids]
    return json.dumps({"channel": "trade", "type": "update", "data": trades},
                      separators=(",", ":"))


@test
def of_a_message_that_is_a_copy_in_part_the_other_part_counts(folder):
    lines, source, journal = [], folder / "lines.json", folder / "feed"
    for conn in (0, 1):
        lines.append((conn, "connect", "wss://example.org/v2"))
        lines.append((conn, "lane", f"group 0 lane {2 * conn} of 2 addresses, address 0, "
                                    "trades 1, quotes 0"))
    lines += [(0, "text", kraken(10, 11)), (1, "text", kraken(10)),
              (1, "text", kraken(11, 12, 13)), (0, "text", kraken(12)),
              (0, "text", kraken(13, 14)), (1, "text", kraken(14))]
    source.write_text("".join(record(*line, number) + "\n" for number, line in enumerate(lines)))
    done = run(TIDEMARK, "journal", "import", "--format", "json", source, journal)
    expect_equal(done.code, 0, f"import: {done.stderr}")
    found = rows(folder / "rows", "--replay", journal, "--venue", "kraken")
    expect_equal([row["trade_id"] for row in found], ["10", "11", "12", "13", "14"], "trades")


harness.main()
