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
IGNORED = ("referencePrice", "blockTrade", "indexPriceUpdate", "contractInfo")
QUOTE_KEYS = ("u", "s", "b", "B", "a", "A")
NAMES = ("parsed_trade", "parsed_quote", "parsed_depth", "parsed_mark", "parsed_depth_snapshot")


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
    return scaled(value, 8, 1 - 10**18, 10**18 - 1)  # DECIMAL(18, 8)


def unsigned(value):
    return scaled(value, 0, 0, (1 << 64) - 1)


def time_ns(value):
    value = unsigned(value)
    value *= 1000000 if value < 10**14 else 1000
    if value >= 1 << 63:
        raise Bad("range")
    return value


def maker(value):
    if value is None or isinstance(value, bool):
        return {True: 2, False: 1, None: 0}[value]
    raise Bad("type")


def side(value):
    if not isinstance(value, str) or isinstance(value, Bare):
        raise Bad("type")
    return {"buy": 1, "b": 1, "bid": 1, "sell": 2, "s": 2, "ask": 2, "offer": 2,
            "a": 2}.get(value.lower() if value.isascii() else "", 0)


def flag(value):
    if not isinstance(value, bool):
        raise Bad("type")
    return int(value)


def wide(value):
    return scaled(value, 8, 1 - 10**38, 10**38 - 1)  # DECIMAL(38, 8)


def signed(value):
    return scaled(value, 0, -(1 << 63), (1 << 63) - 1)


def sequence(value):
    return max(0, scaled(value, 0, -(1 << 64) + 1, (1 << 64) - 1))


def lenient(read):
    """Text that is no number counts as 0; anything but text is wrong."""
    def one(value):
        if not isinstance(value, str):
            raise Bad("type")
        return read(value) if NUMBER.match(value) else 0
    return one


def interval(value):
    if not isinstance(value, str):
        raise Bad("type")
    match = re.match(r"([0-9]{0,6})([smhdwHDW]?)\Z", value, re.ASCII)
    if not match or not value or isinstance(value, Bare):
        return 0
    unit = {"s": 1, "": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2].lower()]
    return int(match[1] or 1) * unit * 10**9


def name(value):
    if not isinstance(value, str) or isinstance(value, Bare):
        raise Bad("type")
    if not 0 < len(value.encode("utf-8", "strict")) <= 63:
        raise Bad("symbol")
    return "".join("?" if c < " " else c for c in value)


def get(message, key, read, absent):
    """An optional field; with absent Bad it is required."""
    value = message.get(key)
    if value is None or (value == "" and not isinstance(value, Bare) and absent is not Bad):
        if absent is Bad:
            raise Bad("missing")
        return absent
    return read(value)


def line(kind, symbol, event_ns, recv_ns, *fields):
    return " ".join([kind, symbol] + ["%s" % v for v in (event_ns, recv_ns) + fields])


def levels(recv_ns, message, keys, symbol, event_ns, first, last, snapshot):
    made, arrays = [], 0
    for key, which in zip(keys, (1, 2)):
        if key not in message:
            continue
        arrays += 1
        array = message[key]
        if array is None:
            continue
        if not isinstance(array, list):
            raise Bad("type")
        for level in array:
            if not isinstance(level, list):
                raise Bad("object levels have no side here" if isinstance(level, dict) else "type")
            if len(level) < 2:
                raise Bad("missing")
            made.append((e8(level[0]), e8(level[1]), which))
    if not arrays:
        raise Bad("missing")
    return [line("level", symbol, event_ns, recv_ns, price, qty, first, last, 0, which, snapshot,
                 int(i + 1 == len(made))) for i, (price, qty, which) in enumerate(made)]


def depth(recv_ns, message, stream):
    partial = isinstance(stream, str) and re.search("@depth", stream)
    snapshot = int(bool(partial and stream[partial.end():][:1] in list("0123456789")))
    times = [time_ns(message[key]) for key in ("T", "E") if message.get(key) not in (None, "")]
    first, last = get(message, "U", unsigned, Bad), get(message, "u", unsigned, Bad)
    prev = get(message, "pu", unsigned, 0)
    symbol = get(message, "s", name, Bad)
    made = levels(recv_ns, message, "ba", symbol, times[0] if times else recv_ns, first, last,
                  snapshot)
    return [line("depth", symbol, times[0] if times else recv_ns, recv_ns, first, last, prev, 0,
                 len(made), snapshot)] + made


def book(recv_ns, message, stream):
    times = [time_ns(message[key]) for key in ("T", "E") if message.get(key) not in (None, "")]
    event_ns = times[0] if times else recv_ns
    last = get(message, "lastUpdateId", unsigned, Bad)
    symbol = get(message, "symbol", name, None)
    if symbol is None and stream not in (None, ""):
        text = name_of_stream(stream)
        symbol = text or None
    made = levels(recv_ns, message, ("bids", "asks"), symbol or "-", event_ns, 0, last, 1)
    return [line("depth", symbol or "-", event_ns, recv_ns, 0, last, 0, 0, len(made), 1)] + made


def name_of_stream(stream):
    if not isinstance(stream, str) or isinstance(stream, Bare):
        raise Bad("type")
    if len(stream.encode("utf-8")) > 63 + 1:
        raise Bad("symbol")
    text = stream[:max(0, stream.find("@"))]
    return "".join("?" if c < " " else chr(ord(c) - 32) if "a" <= c <= "z" else c for c in text)


def agg_trade(recv_ns, message):
    first, last = get(message, "f", unsigned, Bad), get(message, "l", unsigned, Bad)
    if not 0 <= last - first < (1 << 31) - 1:
        raise Bad("range")
    return [line("agg_trade", get(message, "s", name, Bad), get(message, "T", time_ns, Bad),
                 recv_ns, get(message, "a", unsigned, Bad), get(message, "p", e8, Bad),
                 get(message, "q", e8, Bad), first, last - first + 1,
                 get(message, "m", maker, 0))]


def mark(recv_ns, message):
    return [line("mark", get(message, "s", name, Bad), get(message, "E", time_ns, Bad), recv_ns,
                 get(message, "p", e8, Bad), get(message, "i", e8, 0), get(message, "P", e8, 0),
                 get(message, "r", e8, 0), get(message, "T", time_ns, TIME_NONE))]


def kline(recv_ns, message):
    k = message.get("k")
    if "k" not in message:
        raise Bad("missing")
    if not isinstance(k, dict):
        raise Bad("type")
    symbol = get(message, "ps", name, None) or get(message, "s", name, "-")
    return [line("bar", symbol, get(message, "E", time_ns, Bad), recv_ns,
                 get(k, "t", time_ns, Bad), get(k, "T", time_ns, Bad), get(k, "i", interval, Bad),
                 *[get(k, key, e8, Bad) for key in "ohlc"],
                 *[get(k, key, wide, "-") for key in "vqVQ"], get(k, "n", unsigned, "-"),
                 get(k, "f", sequence, "-"), get(k, "L", sequence, "-"), get(k, "x", flag, Bad))]


def ticker(recv_ns, message):
    return [line("ticker", get(message, "s", name, Bad), get(message, "E", time_ns, Bad), recv_ns,
                 get(message, "O", time_ns, "-"), get(message, "C", time_ns, "-"),
                 get(message, "c", e8, Bad), *[get(message, key, e8, "-") for key in "QbBaA"],
                 *[get(message, key, e8, Bad) for key in "ohl"],
                 *[get(message, key, e8, "-") for key in "xpPw"],
                 *[get(message, key, wide, "-") for key in "vq"],
                 *[get(message, key, sequence, "-") for key in "FL"],
                 get(message, "n", unsigned, "-"))]


def force_order(recv_ns, message):
    o = message.get("o")
    if "o" not in message:
        raise Bad("missing")
    if not isinstance(o, dict):
        raise Bad("type")
    event_ns = get(message, "E", time_ns, Bad)
    return [line("liquidation", get(o, "s", name, Bad), get(o, "T", time_ns, event_ns), recv_ns,
                 get(o, "p", e8, Bad), get(o, "ap", e8, 0), get(o, "q", e8, Bad),
                 get(o, "z", e8, 0), get(o, "S", side, Bad))]


def notice(recv_ns, message, what, code):
    return [line("notice", "-", get(message, "E", time_ns, recv_ns), recv_ns,
                 get(message, "id", lenient(sequence), 0), get(code, "code", lenient(signed), 0),
                 0, what)]


def nested_error(recv_ns, message):
    error = message["error"]
    for one in error if isinstance(error, list) else [error]:
        if not isinstance(one, dict):
            raise Bad("type")
    made = [notice(recv_ns, {"id": message.get("id")}, 2, one)[0]
            for one in (error if isinstance(error, list) else [error])]
    return made


def trade(recv_ns, message):
    for key in ("s", "T", "t", "p", "q"):
        if message.get(key) is None:
            raise Bad("missing")
    return [line("trade", name(message["s"]), time_ns(message["T"]), recv_ns,
                 unsigned(message["t"]), e8(message["p"]), e8(message["q"]),
                 get(message, "E", time_ns, TIME_NONE), get(message, "m", maker, 0))]


def quote(recv_ns, message):
    for key in QUOTE_KEYS:
        if message.get(key) is None:
            raise Bad("missing")
    times = [time_ns(message[key]) for key in ("T", "E") if message.get(key) not in (None, "")]
    return [line("quote", name(message["s"]), times[0] if times else recv_ns, recv_ns,
                 unsigned(message["u"]), e8(message["b"]), e8(message["B"]), e8(message["a"]),
                 e8(message["A"]))]


TAGGED = {"trade": trade, "bookTicker": quote, "aggTrade": agg_trade, "markPriceUpdate": mark,
          "kline": kline, "continuous_kline": kline, "24hrTicker": ticker,
          "24hrMiniTicker": ticker, "1hTicker": ticker, "4hTicker": ticker, "1dTicker": ticker,
          "forceOrder": force_order}


def event(recv_ns, message, stream):
    """The rows of one event object."""
    if not isinstance(message, dict):
        raise Bad("unknown")
    if "e" in message:
        kind = message["e"]
        if not isinstance(kind, str) or isinstance(kind, Bare):
            raise Bad("unknown")
        if kind in TAGGED:
            return TAGGED[kind](recv_ns, message)
        if kind == "depthUpdate":
            return depth(recv_ns, message, stream)
        if kind == "avgPrice":
            raise Bad("not made here")
        if kind == "serverShutdown":
            return notice(recv_ns, message, 5, message)
        if kind in IGNORED:
            return []
        raise Bad("unknown")
    if all(k in message for k in QUOTE_KEYS):
        return quote(recv_ns, message)
    if "lastUpdateId" in message:
        return book(recv_ns, message, stream)
    if "error" in message:
        return nested_error(recv_ns, message)
    if "code" in message and "msg" in message:
        return notice(recv_ns, message, 2, message)
    if "result" in message and "id" in message:
        return notice(recv_ns, message, 1, message)
    raise Bad("unknown")


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
        stream = None
        if isinstance(message, dict) and "stream" in message and "data" in message:
            message, stream = message["data"], message["stream"]
        events = message if isinstance(message, list) else [message]
        if not events:
            raise Bad("unknown")
        return [row for one in events for row in event(recv_ns, one, stream)] or ["-"]
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
    '{"stream":"btcusdt@depth5","data":{"lastUpdateId":%d,"bids":[["%d","1"],["1","%d","7"]],'
    '"asks":[]}}',
    '{"stream":"btcusdt@depth5@100ms","data":{"e":"depthUpdate","E":%d,"T":4,"s":"A","U":1,'
    '"u":%d,"pu":%d,"b":[["1","2"]],"a":[["3","4"],["5","6"],["7","8"],["9","1"],["9","1"]]}}',
    '{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":%d,"p":"0.%d1","q":"100","f":1%d,"l":205,'
    '"T":1672515782136,"m":true,"M":true}',
    '{"e":"markPriceUpdate","E":1680652800010,"s":"BTCUSDT","p":"%d.1","P":"28141.47600845",'
    '"i":"%d","r":"","T":1680652800%03d}',
    '{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":%d,"T":1,"i":"%dm","f":-1,"L":-1,'
    '"o":"1","c":"2","h":"3","l":"0.5","v":"%d22000000000000000.5","n":1,"x":false,"q":"1",'
    '"V":"5","Q":"0.500","B":"0"}}',
    '{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","E":%d,"s":"S","c":"%d","o":"2",'
    '"h":"3","l":"1","v":"2345678901234.00","q":"%d.53085"}]}',
    '{"e":"forceOrder","E":1,"o":{"s":"B","S":"SELL","q":"%d","p":"9%d","ap":"1","z":"0.%d",'
    '"T":7}}',
    '{"error":{"code":%d,"msg":"Invalid%d"},"id":%d}',
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
        if want.startswith("trade ") and not may_die:
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
