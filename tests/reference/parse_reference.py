#!/usr/bin/env python3
"""A second opinion on what the parser reads: recorded Binance messages through Python's json and
decimal modules, compared row by row with what the program parse_rows prints.

    parse_reference.py PARSE_ROWS [FILE...]
    parse_reference.py PARSE_ROWS --damaged COUNT [SEED]
    parse_reference.py --print FILE...

--damaged makes its own messages: real forms, changed at random, so that most are malformed.

Exit 77 where the captures are absent, 1 where a row differs, a message became a dead letter, a
count differs from the ones below, or trade ids of a file have a gap. Nothing here shares code with
the parser.
"""
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from decimal import Decimal, localcontext

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
TAGS = ("trade", "bookTicker", "depthUpdate", "aggTrade", "markPriceUpdate", "kline",
        "continuous_kline", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker",
        "avgPrice", "forceOrder", "serverShutdown")
QUOTE_KEYS = ("u", "s", "b", "B", "a", "A")
UNTAGGED = (("lastUpdateId",), ("error",), ("code", "msg"), ("result", "id"))
NAMES = ("parsed_trade", "parsed_quote", "ignored_depth", "ignored_mark_price",
         "ignored_depth_snapshot")


NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII)


class Bad(Exception):
    """The message gives no row."""


class Bare(str):
    """A JSON number, as its text."""


def scaled(value, scale, low, high):
    """The exact integer value * 10^scale."""
    if not isinstance(value, str) or not NUMBER.match(value):
        raise Bad("number")
    digits, _, exponent = value.lower().partition("e")
    number = Decimal(digits).scaleb(max(-9999, min(9999, int(exponent or 0))))
    if number and not -60 < number.adjusted() < 60:
        raise Bad("range")
    with localcontext() as context:
        context.prec = len(value) + 100
        number = number.scaleb(scale, context)
    if number and number.adjusted() > 60 or number != int(number) or not low <= int(number) <= high:
        raise Bad("range")
    return int(number)


def e8(value):
    return scaled(value, 8, -(1 << 63), (1 << 63) - 1)


def unsigned(value):
    return scaled(value, 0, 0, (1 << 64) - 1)


def time_ns(value):
    value = unsigned(value)
    value *= 1000000 if value < 10**14 else 1000
    if value >= 1 << 63:
        raise Bad("range")
    return value


def side(value):
    if value is None or isinstance(value, bool):
        return {True: 2, False: 1, None: 0}[value]
    raise Bad("type")


def name(value):
    if not isinstance(value, str) or isinstance(value, Bare):
        raise Bad("type")
    if not 0 < len(value.encode("utf-8", "strict")) <= 63:
        raise Bad("symbol")
    return "".join("?" if c < " " else c for c in value)


def event(recv_ns, message):
    """The row of one event object, or None where its kind has none."""
    if not isinstance(message, dict):
        raise Bad("unknown")
    kind = message.get("e")
    if "e" in message and (not isinstance(kind, str) or isinstance(kind, Bare) or kind not in TAGS):
        raise Bad("unknown")
    if kind == "trade":
        for key in ("s", "T", "t", "p", "q"):
            if message.get(key) is None:
                raise Bad("missing")
        sent = message.get("E")
        return "T %s %d %d %d %d %d %d %d" % (
            name(message["s"]), time_ns(message["T"]), recv_ns, unsigned(message["t"]),
            e8(message["p"]), e8(message["q"]), TIME_NONE if sent is None else time_ns(sent),
            side(message.get("m")))
    if kind == "bookTicker" or (kind is None and all(k in message for k in QUOTE_KEYS)):
        for key in QUOTE_KEYS:
            if message.get(key) is None:
                raise Bad("missing")
        times = [time_ns(message[key]) for key in ("T", "E") if message.get(key) is not None]
        return "Q %s %d %d %d %d %d %d %d" % (
            name(message["s"]), times[0] if times else recv_ns, recv_ns, unsigned(message["u"]),
            e8(message["b"]), e8(message["B"]), e8(message["a"]), e8(message["A"]))
    if kind is None and not any(all(k in message for k in keys) for keys in UNTAGGED):
        raise Bad("unknown")
    return None


def constant(text):
    raise ValueError(text)  # NaN and Infinity are no JSON


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def rows(recv_ns, text):
    """The lines that parse_rows should print for one message, given as bytes."""
    try:
        message = json.loads(text.decode("utf-8", "strict"), parse_float=Bare, parse_int=Bare,
                             parse_constant=constant)
        if isinstance(message, dict) and "stream" in message and "data" in message:
            message = message["data"]
        events = message if isinstance(message, list) else [message]
        if not events:
            raise Bad("unknown")
        return [row for row in [event(recv_ns, one) for one in events] if row] or ["-"]
    except (Bad, ValueError, RecursionError):
        return ["-"]


def expected(path):
    with gzip.open(path, "rb") as f:
        for line in f:
            stamp, text = line.rstrip(b"\r\n").split(b" ", 1)
            yield from rows(int(stamp) * (1000 if len(stamp) == 16 else 1), text)


# What the damage starts from: %d is a number that differs.
FORMS = (
    '{"e":"trade","E":17231612553%02d,"s":"BTCUSDT","t":37356832%02d,"p":"61837.%02d000000",'
    '"q":"0.02","T":1723161255342,"m":true,"M":true}',
    '{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":%d,"p":"618%d.30",'
    '"q":"%d.006","X":"MARKET","m":false}',
    '{"u":500932392%d,"s":"BTCUSDT","b":"61837.63000000","B":"3.%d","a":"61837.64000000",'
    '"A":"%d.54698000"}',
    '{"u":%d,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"%d",'
    '"a":"61804.8","A":"%d","T":1723161257465,"E":1723161257476}',
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%d.5",'
    '"q":"0.02000000","T":1723161255342,"m":true,"M":true}}',
    '{"e":"depthUpdate","E":%d,"s":"BTCUSDT","U":%d,"u":%d,"b":[["1.5","0.1"],["1.4","2"]],'
    '"a":[["1.6","1"]]}',
    '[{"e":"trade","E":%d,"s":"A","t":%d,"p":"%d","q":"1","T":1,"m":false},'
    '{"e":"kline","k":{"x":[1,{}]}}]',
    '{"u":%d,"s":"\u00e9\\u00e9","b":"%d","B":2.5e3,"a":-%d,"A":"1e-8"}',
)
ALPHABET = b'"""{}[]:,.0123456789-+eEtrufalsn \\\t\x01\x80\xc3\xa9'


def damaged(draw):
    """One message, changed in up to three places."""
    text = bytearray((draw.choice(FORMS) % tuple(draw.randrange(100) for _ in range(3))).encode())
    for _ in range(draw.randrange(4)):
        at, size = draw.randrange(len(text) + 1), draw.randrange(1, 7)
        what = draw.randrange(5)
        if what == 0:
            text[at:at + 1] = bytes([draw.choice(ALPHABET)])
        elif what == 1:
            text[at:at] = bytes([draw.choice(ALPHABET)])
        elif what == 2:
            del text[at:at + size]
        elif what == 3:
            text[at:at] = text[at:at + size]
        elif text[at:at + 1].isdigit():
            text[at:at + 1] = b"%d" % draw.randrange(10)
    return bytes(text) or b" "


def compare_damaged(program, count, seed):
    draw = random.Random(seed)
    print("%d damaged messages, seed %d" % (count, seed))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "damaged.gz")
        with gzip.open(path, "wb", compresslevel=1) as f:
            for i in range(count):
                f.write(b"%d %s\n" % (1700000000000000000 + i, damaged(draw)))
        return compare(program, path, may_die=True)


def compare(program, path, may_die=False):
    run = subprocess.run([program, path], stdout=subprocess.PIPE, check=False,
                         stderr=subprocess.DEVNULL if may_die else None)
    got = run.stdout.decode("utf-8").split("\n")[:-1]
    counters = dict(line[2:].split() for line in got if line.startswith("#"))
    got = [line for line in got if not line.startswith("#")]
    faults = [] if run.returncode == 0 else ["exit code %d" % run.returncode]
    total, last_id = 0, {}
    for i, want in enumerate(expected(path)):
        total += 1
        if i >= len(got) or got[i] != want:
            have = got[i] if i < len(got) else "nothing"
            faults.append("message %d: want %s, got %s" % (i + 1, want, have))
            if len(faults) > 5:
                break
        if want.startswith("T ") and not may_die:
            _, symbol, _, _, trade_id = want.split()[:5]
            if int(trade_id) != last_id.get(symbol, int(trade_id) - 1) + 1:
                faults.append("message %d: trade id %s follows %d" % (
                    i + 1, trade_id, last_id[symbol]))
            last_id[symbol] = int(trade_id)
    if total != len(got):
        faults.append("%d lines expected, %d printed" % (total, len(got)))
    if counters.get("dead_letters", "0") != "0" and not may_die:
        faults.append("%s dead letters" % counters["dead_letters"])
    counts = COUNTS.get(os.path.basename(path))
    have = tuple(int(counters.get(name, 0)) for name in NAMES)
    if counts and have != counts:
        faults.append("counts %s, recorded were %s" % (have, counts))
    verdict = "DIFFERENT" if faults else "equal"
    print("%s: %d messages, %s" % (os.path.basename(path), total, verdict))
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
    if args[1:2] == ["--damaged"]:
        seed = int(args[3]) if len(args) > 3 else random.SystemRandom().randrange(1 << 32)
        return 0 if compare_damaged(args[0], int(args[2]), seed) else 1
    root = os.environ.get("TM_SOURCE_ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
    shared = os.environ.get("TM_SHARED", os.path.join(root, "..", "shared"))
    captures = os.path.join(shared, "captures")
    files = args[1:] or [os.path.join(captures, name) for name in COUNTS]
    if not all(os.path.exists(path) for path in files):
        print("no captures in %s: skipped" % captures)
        return 77
    return 0 if all([compare(args[0], path) for path in files]) else 1


if __name__ == "__main__":
    sys.exit(main())
