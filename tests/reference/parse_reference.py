#!/usr/bin/env python3
"""A second opinion on what the parser reads: recorded Binance messages through Python's json and
decimal modules, compared row by row with what the program parse_rows prints.

    parse_reference.py PARSE_ROWS [--captures DIR] [FILE...]
    parse_reference.py --print FILE...

Exit 77 where the captures are absent, 1 where a row differs, a message became a dead letter, a count
differs from the ones below, or trade ids of a file have a gap. Nothing here shares code with the parser.
"""
import gzip
import json
import os
import subprocess
import sys
from decimal import Decimal

TIME_NONE = -(1 << 63)

# Messages per type of the shared captures, as counted when they were recorded.
COUNTS = {
    "spot_btcusdt_20240808.gz": (9757, 28040, 3451, 0, 1),
    "spot_ethusdt_20240808.gz": (6106, 24077, 3434, 0, 1),
    "usdm_btcusdt_20240808.gz": (21313, 66089, 6551, 0, 1),
    "cm_btcusd_perp_20240808.gz": (2286, 19136, 26847, 0, 1),
    "spot_btcusdt_20230405.dat.gz": (3144, 8015, 3929, 0, 0),
    "usdm_btcusdt_20230405.dat.gz": (10738, 37440, 11788, 415, 0),
}
NAMES = ("parsed_trade", "parsed_quote", "ignored_depth", "ignored_mark_price", "ignored_depth_snapshot")


def e8(value):
    scaled = Decimal(value) * 100000000
    whole = int(scaled)
    assert whole == scaled and -(1 << 63) <= whole < 1 << 63, value
    return whole


def time_ns(value):
    value = int(value)
    return value * (1000000 if value < 10**14 else 1000)


def rows(recv_ns, text):
    """The lines that parse_rows should print for one message."""
    message = json.loads(text, parse_float=Decimal)
    if isinstance(message, dict) and "stream" in message and "data" in message:
        message = message["data"]
    kind = message.get("e")
    if kind == "trade":
        side = {True: 2, False: 1, None: 0}[message.get("m")]
        return ["T %s %d %d %d %d %d %d %d" % (
            message["s"], time_ns(message["T"]), recv_ns, message["t"], e8(message["p"]),
            e8(message["q"]), time_ns(message["E"]) if "E" in message else TIME_NONE, side)]
    if kind == "bookTicker" or (kind is None and all(k in message for k in ("u", "s", "b", "B", "a", "A"))):
        when = message.get("T", message.get("E"))
        return ["Q %s %d %d %d %d %d %d %d" % (
            message["s"], recv_ns if when is None else time_ns(when), recv_ns, message["u"],
            e8(message["b"]), e8(message["B"]), e8(message["a"]), e8(message["A"]))]
    return ["-"]


def expected(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        for line in f:
            stamp, text = line.rstrip("\r\n").split(" ", 1)
            yield from rows(int(stamp) * (1000 if len(stamp) == 16 else 1), text)


def compare(program, path):
    run = subprocess.run([program, path], stdout=subprocess.PIPE, check=False)
    got = run.stdout.decode().splitlines()
    counters = dict(line[2:].split() for line in got if line.startswith("#"))
    got = [line for line in got if not line.startswith("#")]
    faults = [] if run.returncode == 0 else ["exit code %d" % run.returncode]
    total, last_id = 0, {}
    for i, want in enumerate(expected(path)):
        total += 1
        if i >= len(got) or got[i] != want:
            faults.append("message %d: want %s, got %s" % (i + 1, want, got[i] if i < len(got) else "nothing"))
            if len(faults) > 5:
                break
        if want.startswith("T "):
            _, symbol, _, _, trade_id = want.split()[:5]
            if int(trade_id) != last_id.get(symbol, int(trade_id) - 1) + 1:
                faults.append("message %d: trade id %s follows %d" % (i + 1, trade_id, last_id[symbol]))
            last_id[symbol] = int(trade_id)
    if total != len(got):
        faults.append("%d lines expected, %d printed" % (total, len(got)))
    if counters.get("dead_letters", "0") != "0":
        faults.append("%s dead letters" % counters["dead_letters"])
    counts = COUNTS.get(os.path.basename(path))
    have = tuple(int(counters.get(name, 0)) for name in NAMES)
    if counts and have != counts:
        faults.append("counts %s, recorded were %s" % (have, counts))
    print("%s: %d messages, %s" % (os.path.basename(path), total, "equal" if not faults else "DIFFERENT"))
    print("  " + ", ".join("%s %s" % item for item in sorted(counters.items())))
    for fault in faults:
        print("  " + fault)
    return not faults


def main():
    args = sys.argv[1:]
    if args and args[0] == "--print":
        for path in args[1:]:
            for line in expected(path):
                print(line)
        return 0
    root = os.environ.get("TM_SOURCE_ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
    captures = os.path.join(os.environ.get("TM_SHARED", os.path.join(root, "..", "shared")), "captures")
    files = args[1:] or [os.path.join(captures, name) for name in COUNTS]
    if not all(os.path.exists(path) for path in files):
        print("no captures in %s: skipped" % captures)
        return 77
    return 0 if all([compare(args[0], path) for path in files]) else 1


if __name__ == "__main__":
    sys.exit(main())
