#!/usr/bin/env python3
"""Shows the newest bars of part files as a table:

  tidemark inspect --csv PART... | show_bars.py [--last N] [--summary FILE]

FILE is what the job printed with --json: rates and latencies go below the table.
"""

import argparse
import csv
import json
import sys
from datetime import datetime, timezone

COLUMNS = ("window_start", "symbol", "open", "high", "low", "close", "volume", "trades")
LEFT = {"window_start", "symbol"}


def clock(text):
    """A window's start as a time of day, from milliseconds or from ISO 8601."""
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text) / 1000, timezone.utc).strftime("%H:%M:%S")
    return text.replace("T", " ").split(" ")[-1][:8]


def short(text):
    """A decimal without the zeros at its end, but with cents."""
    whole, point, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}" if point else text


def table(records):
    rows = [[clock(record[name]) if name == "window_start" else short(record[name])
             for name in COLUMNS] for record in records]
    head = ["time (UTC)" if name == "window_start" else name for name in COLUMNS]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) if name in LEFT else cell.rjust(width)
                 for name, cell, width in zip(COLUMNS, row, widths)]
        print("  " + "  ".join(cells).rstrip())


def duration(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.1f} {unit}"
    return f"{ns} ns"


def summary(path):
    with open(path, encoding="utf-8") as lines:
        done = json.loads(lines.read().splitlines()[-1])
    latency = done["latency_ns"]
    print(f"  {done['rows_in']:,} trades in, {done['rows_out']:,} bars out in "
          f"{done['elapsed_s']:.1f} s; late {done['late']}, dead letters {done['dead_letters']}")
    print("  latency, receive to window update: " + ", ".join(
        f"{name} {duration(latency[key])}"
        for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))))


def main():
    parser = argparse.ArgumentParser(description="the newest bars of part files as a table")
    parser.add_argument("--last", type=int, default=10, metavar="N")
    parser.add_argument("--summary", metavar="FILE")
    options = parser.parse_args()
    records = list(csv.DictReader(sys.stdin))
    if not records:
        sys.exit("show_bars: there are no bars in these part files")
    records.sort(key=lambda record: (record["window_start"], record["symbol"]))
    table(records[-options.last:])
    symbols = len({record["symbol"] for record in records})
    print(f"\n  {len(records)} bars, {symbols} symbols")
    if options.summary:
        summary(options.summary)


if __name__ == "__main__":
    main()
