#!/usr/bin/env python3
"""A seeded capture with everything that makes bars hard: synthetic.py --seed N --out FILE.

Several symbols whose prices walk; trades of one millisecond in both orders of their ids; trades
out of order by less than the watermark bound; seconds without trades; raw and combined messages,
keys in any order, unknown keys; quotes and depth in between; very small and very large numbers;
and, on request, trades that come long after their window has closed.

Late trades are LATE_AGE_MS old and come LATE_AFTER messages after the start at the earliest, so
that they are late however often a watermark is announced."""

import argparse
import gzip
import json
import random
from dataclasses import dataclass

START_MS = 1_700_000_000_000
DISORDER_MS = 900
LATE_AGE_MS = 20_000
LATE_AFTER = 20_000

# Symbol, first price in 1e-8, largest step of the walk, largest quantity, all in 1e-8.
SYMBOLS = [
    ("BTCUSDT", 6_183_763_000_000, 50_000_000, 300_000_000),
    ("ETHUSDT", 268_250_000_000, 1_000_000, 5_000_000_000),
    ("DOGEUSDT", 10_123_000, 1_000, 900_000_000_000),
    ("PEPEUSDT", 812, 3, 9_000_000_000_000_000),
    ("1000SATSUSDT", 24_310, 7, 100_000_000_000),
    ("BTCIDRT", 99_999_999_912_345_678, 1_000_000_007, 123_456_789),
]


@dataclass
class Message:
    arrival_ms: float
    body: dict


def e8(value):
    return f"{value // 10**8}.{value % 10**8:08d}"


def message_of(rng, symbol, event, body):
    """The body as the exchange sends it, alone or combined, keys as they come or shuffled."""
    if rng.random() < 0.2:
        body["zz"] = rng.choice([None, True, [1, {"e": "trade"}], {"T": 1, "p": "9"}, "x\"\\u00e9"])
    if rng.random() < 0.3:
        items = list(body.items())
        rng.shuffle(items)
        body = dict(items)
    if rng.random() < 0.5:
        body = {"stream": f"{symbol.lower()}@{event}", "data": body}
    return body


def trade(rng, symbol, trade_id, price, qty, time_ms):
    return message_of(rng, symbol, "trade", {
        "e": "trade", "E": time_ms + rng.randrange(3), "s": symbol, "t": trade_id, "p": e8(price),
        "q": e8(qty), "T": time_ms, "m": rng.random() < 0.5, "M": True})


def noise(rng, symbol, price):
    if rng.random() < 0.7:
        return message_of(rng, symbol, "bookTicker", {
            "u": rng.randrange(10**11), "s": symbol, "b": e8(price), "B": e8(rng.randrange(10**12)),
            "a": e8(price + 1), "A": e8(rng.randrange(10**12))})
    return message_of(rng, symbol, "depth", {
        "e": "depthUpdate", "E": START_MS, "s": symbol, "U": 1, "u": 2,
        "b": [[e8(price), "0.00000000"]], "a": []})


def on_time(rng, seconds, rate):
    """The messages of an orderly feed in order of arrival."""
    ids = {symbol: rng.randrange(10**9) for symbol, *_ in SYMBOLS}
    prices = {symbol: price for symbol, price, *_ in SYMBOLS}
    messages = []
    for second in range(seconds):
        for symbol, _, step, qty_max in SYMBOLS:
            if rng.random() < 0.15:
                continue
            times = sorted(rng.randrange(1000) for _ in range(rng.randrange(1, 2 * rate)))
            for idx, at in enumerate(times):
                if idx and rng.random() < 0.3:
                    at = times[idx] = times[idx - 1]
                time_ms = START_MS + second * 1000 + at
                prices[symbol] = max(1, prices[symbol] + rng.randrange(-step, step + 1))
                ids[symbol] += 1
                body = trade(rng, symbol, ids[symbol], prices[symbol],
                             rng.randrange(1, qty_max), time_ms)
                messages.append(Message(time_ms + rng.random() * DISORDER_MS, body))
                if rng.random() < 0.5:
                    messages.append(Message(time_ms, noise(rng, symbol, prices[symbol])))
    return sorted(messages, key=lambda message: message.arrival_ms)


def with_late(rng, messages, count):
    """Puts late trades between the messages; returns how many."""
    places = [idx for idx in range(LATE_AFTER, len(messages))
              if messages[idx].arrival_ms > START_MS + 2 * LATE_AGE_MS]
    if len(places) < count:
        raise ValueError(f"the capture is too short for {count} late trades: "
                         f"{len(messages)} messages")
    for idx in sorted(rng.sample(places, count), reverse=True):
        symbol, price, *_ = rng.choice(SYMBOLS)
        at = messages[idx].arrival_ms
        body = trade(rng, symbol, rng.randrange(10**9), price * 2, 10**8, int(at) - LATE_AGE_MS)
        messages.insert(idx, Message(at, body))
    return count


def write(path, seed, seconds=60, rate=60, late=0):
    """Writes a capture (gzip where the name ends in .gz); returns its number of messages."""
    rng = random.Random(seed)
    messages = on_time(rng, seconds, rate)
    if late:
        with_late(rng, messages, late)
    lines = (f"{int(m.arrival_ms * 1e6)} {json.dumps(m.body, separators=(',', ':'))}\n"
             for m in messages)
    opened = gzip.open(path, "wt", encoding="utf-8") if str(path).endswith(".gz") else \
        open(path, "w", encoding="utf-8")
    with opened as out:
        out.writelines(lines)
    return len(messages)


def main():
    parser = argparse.ArgumentParser(description="writes a seeded synthetic capture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=60, help="trades a symbol and second, about")
    parser.add_argument("--late", type=int, default=0)
    options = parser.parse_args()
    count = write(options.out, options.seed, options.seconds, options.rate, options.late)
    print(f"seed {options.seed}: {count} messages in {options.out}")


if __name__ == "__main__":
    main()
