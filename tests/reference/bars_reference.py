#!/usr/bin/env python3
"""One-second bars of captured trades, computed the slow and obvious way.

  bars_reference.py [--json] [--bound MS] FILE...

Reads captures (plain, gzip or xz; lines "<receive time> <raw JSON>") and prints the bars of all
trades in them, sorted by symbol and window: as CSV, or as JSON lines with --json. It is written
from the definition alone, with the standard library's decimal, and shares nothing with the engine:

  one row per symbol and second with at least one trade. A trade is a message with "e":"trade",
  alone or as "data" of the combined-stream wrapper. Its event time is T, in ms (or us, told by
  magnitude). Windows are [start, start + 1 s). open is the price of the trade with the smallest
  (T, trade id), close that with the largest; high and low the extremes; volume the sum of
  quantities; notional the sum of price * quantity; trades how many.

With --bound a trade is left out as late when its window had been closed before it came: when
window_end - 1 unit <= watermark, the watermark being the largest T seen so far - bound - 1 unit.
Here the watermark advances with every trade; an engine may announce it less often and then still
accept a trade that just missed it. Whoever makes a capture with late trades keeps them clear of
that.
"""

import argparse
import gzip
import json
import lzma
import sys
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext

WINDOW_MS = 1000
COLUMNS = ("symbol", "window_start", "window_end", "open", "high", "low", "close", "volume",
           "notional", "trades")
SCALE = {"open": 8, "high": 8, "low": 8, "close": 8, "volume": 8, "notional": 16}


@dataclass
class Trade:
    symbol: str
    trade_id: int
    price: Decimal
    qty: Decimal
    time_us: int


def open_capture(path):
    with open(path, "rb") as file:
        magic = file.read(6)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8", errors="strict")
    if magic == b"\xfd7zXZ\x00":
        return lzma.open(path, "rt", encoding="utf-8", errors="strict")
    return open(path, encoding="utf-8", errors="strict")


def microseconds(time):
    """Exchange times are ms until the year 5138 and us since 1973."""
    return time if time >= 10**14 else time * 1000


def trade_of(message):
    """The trade that a message carries, or None."""
    if isinstance(message.get("data"), dict):
        message = message["data"]
    if message.get("e") != "trade":
        return None
    return Trade(message["s"], int(message["t"]), Decimal(message["p"]), Decimal(message["q"]),
                 microseconds(int(message["T"])))


def trades_of(path):
    with open_capture(path) as lines:
        for line in lines:
            _, _, text = line.partition(" ")
            trade = trade_of(json.loads(text, parse_float=Decimal))
            if trade:
                yield trade


class Bars:
    """Collects the trades of every (symbol, second); the arithmetic is done at the end."""

    def __init__(self, bound_ms=None):
        self.bound_us = None if bound_ms is None else bound_ms * 1000
        self.windows = {}
        self.newest_us = None
        self.trade_cnt = self.late_cnt = 0

    def add(self, trade):
        self.trade_cnt += 1
        start_ms = trade.time_us // 1000 // WINDOW_MS * WINDOW_MS
        if self.bound_us is not None:
            if self.newest_us is not None:
                watermark_us = self.newest_us - self.bound_us - 1
                if (start_ms + WINDOW_MS) * 1000 - 1 <= watermark_us:
                    self.late_cnt += 1
                    return
            self.newest_us = max(self.newest_us or trade.time_us, trade.time_us)
        self.windows.setdefault((trade.symbol, start_ms), []).append(trade)

    def rows(self):
        """The bars as dicts, sorted by symbol and window."""
        for (symbol, start_ms), trades in sorted(self.windows.items()):
            trades = sorted(trades, key=lambda trade: (trade.time_us, trade.trade_id))
            prices = [trade.price for trade in trades]
            # 60 digits hold any sum here; should one not fit, Inexact stops the run.
            with localcontext(Context(prec=60, traps=[Inexact])):
                row = {
                    "symbol": symbol,
                    "window_start": start_ms,
                    "window_end": start_ms + WINDOW_MS,
                    "open": prices[0],
                    "high": max(prices),
                    "low": min(prices),
                    "close": prices[-1],
                    "volume": sum(trade.qty for trade in trades),
                    "notional": sum(trade.price * trade.qty for trade in trades),
                    "trades": len(trades),
                }
                for name, scale in SCALE.items():
                    row[name] = format(Decimal(row[name]).quantize(Decimal(1).scaleb(-scale)), "f")
            yield row


def bars_of(paths, bound_ms=None):
    """The Bars of capture files, one after the other. A bound is for one file: each source of the
    engine has a watermark of its own."""
    bars = Bars(bound_ms)
    for path in paths:
        for trade in trades_of(path):
            bars.add(trade)
    return bars


def main():
    parser = argparse.ArgumentParser(description="one-second bars of captured trades")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of CSV")
    parser.add_argument("--bound", type=int, metavar="MS", help="leave out trades that are late")
    options = parser.parse_args()
    if options.bound is not None and len(options.files) > 1:
        parser.error("--bound takes one file")
    bars = bars_of(options.files, options.bound)
    if not options.json:
        print(",".join(COLUMNS))
    for row in bars.rows():
        print(json.dumps(row) if options.json else ",".join(str(row[name]) for name in COLUMNS))
    print(f"{bars.trade_cnt} trades, {len(bars.windows)} bars, {bars.late_cnt} late",
          file=sys.stderr)


if __name__ == "__main__":
    main()
