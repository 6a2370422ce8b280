#!/usr/bin/env python3
"""The job with a JSON schema of its own: its rows are those that Python's json module gives, and
what does not fit is buried with its reason."""

import csv
import io
import json
import random
from collections import defaultdict
from decimal import Decimal

from harness import BUILD, TIDEMARK, expect_equal, main, milliseconds, parts, run, test

SENSORS = ["roof", "cellar", "größe", "ulica-\"ż\"", "s" * 63]
STATIONS = ["berlin-4", "oslo", "mars"]
START_MS = 1_723_118_400_000
MINUTE_MS = 60_000
MESSAGES = 4_000
SEED = 5


def time_text(rng, ms):
    """The same instant in one of the forms of RFC 3339."""
    seconds, ms = divmod(ms, 1000)
    east = rng.choice([0, 0, 0, 90, -330])
    day, second = divmod(seconds - 1_723_075_200 + east * 60, 86400)
    fraction = rng.choice([f".{ms:03d}", f".{ms:03d}000", f".{ms:03d}0000000000"])
    sign = "-" if east < 0 else "+"
    zone = f"{sign}{abs(east) // 60:02d}:{abs(east) % 60:02d}" if east else rng.choice("Zz")
    return (f"2024-08-{8 + day:02d}{rng.choice('Tt ')}{second // 3600:02d}:{second // 60 % 60:02d}:"
            f"{second % 60:02d}{fraction}{zone}")


def number_text(rng, e3):
    """The number e3 / 1000 in one of the forms of JSON, bare or in a string."""
    plain = f"{'-' * (e3 < 0)}{abs(e3) // 1000}.{abs(e3) % 1000:03d}"
    return rng.choice([plain, plain + "00", f"{e3}e-3", f'"{plain}"', f'"{e3}E-03"'])


def reading_text(rng, reading):
    members = [f'"sensor":{json.dumps(reading["sensor"], ensure_ascii=rng.random() < 0.5)}',
               f'"at":"{time_text(rng, reading["ms"])}"',
               f'"celsius":{number_text(rng, reading["e3"])}']
    if reading["battery"] is not None or rng.random() < 0.5:
        members.append(f'"battery":{json.dumps(reading["battery"])}')
    if rng.random() < 0.3:
        members.append('"more":{"celsius":[1,{"-":2}],"n":null}')
    rng.shuffle(members)
    return "{" + rng.choice([",", " , "]).join(members) + "}"


def message_text(rng, station, seq, readings):
    members = ['"type":"readings"',
               f'"station":{{"name":"{station}","seq":{seq}}}',
               '"readings":[' + ",".join(reading_text(rng, r) for r in readings) + "]"]
    rng.shuffle(members)
    return "{" + ",".join(members) + "}"


GOOD = ('{"type":"readings","station":{"name":"oslo","seq":1},"readings":[{"sensor":"roof",'
        '"at":"2024-08-08T12:00:00Z","celsius":1.5},{"sensor":"roof","at":"2024-08-08T12:00:00Z",'
        '"celsius":2.5}]}')
BAD = {
    GOOD[:-1]: "truncated",
    GOOD + "]": "syntax",
    GOOD.replace("1.5", "1.5.5"): "syntax",
    GOOD.replace("roof", "ro\\x66"): "syntax",
    GOOD.replace("2.5", "2.0005"): "range",
    GOOD.replace("2.5", '"warm"'): "number",
    GOOD.replace("2.5", "[2]"): "type",
    GOOD.replace('"celsius":2.5', '"c":2'): "missing",
    GOOD.replace('"seq":1', '"seq":-1'): "range",
    GOOD.replace('"seq":1', '"seq":null'): "missing",
    GOOD.replace("08T12", "08T25"): "number",
    GOOD.replace("roof", "r" * 64): "symbol",
    GOOD.replace("roof", "\\udc00"): "utf8",
    GOOD.replace('"type"', '"readings":[],"type"'): "twice",
    GOOD.replace("1.5", "[" * 600 + "]" * 600): "nesting",
}
OTHER = ['{"type":"hello","readings":{"-":1},"station":7}',
         '{"op":"pong"}', '{"type":5}', "[]", "0"]


def capture(path, rng):
    """Messages of ten minutes, good ones, others, bad ones; returns the rows and the reasons."""
    rows, reasons, lines = [], [], []
    for seq in range(MESSAGES):
        ms = START_MS + seq * 600_000 // MESSAGES
        station = rng.choice(STATIONS)
        readings = [{"sensor": rng.choice(SENSORS), "ms": ms - rng.randrange(3000),
                     "e3": rng.randrange(-60_000, 60_000),
                     "battery": rng.choice([None, rng.randrange(101)])}
                    for _ in range(rng.choice([0, 1, 2, 7]))]
        text = message_text(rng, station, seq, readings)
        # What Python reads is what was meant; the texts of numbers and times vary.
        read = json.loads(text, parse_float=Decimal)
        for wanted, found in zip(readings, read["readings"], strict=True):
            expect_equal(found["sensor"], wanted["sensor"], "sensor")
            expect_equal(Decimal(found["celsius"]) * 1000, wanted["e3"], "celsius")
            rows.append((station, seq, wanted))
        lines.append((ms, text))
        if seq % 40 == 0:
            bad = rng.choice(list(BAD))
            reasons.append(BAD[bad])
            lines.append((ms, bad))
            lines.append((ms, rng.choice(OTHER)))
    path.write_text("".join(f"{ms}000000 {text}\n" for ms, text in lines))
    return rows, reasons


def minutes_of(rows):
    windows = defaultdict(list)
    for station, seq, r in rows:
        windows[station, r["sensor"], r["ms"] // MINUTE_MS * MINUTE_MS].append((seq, r))
    found = {}
    for key, readings in windows.items():
        values = [r["e3"] for _, r in readings]
        batteries = [r["battery"] for _, r in readings if r["battery"] is not None]
        # The last one is that of the largest (time, seq); readings of one message may have both.
        last = max((r["ms"], seq) for seq, r in readings)
        found[key] = (min(values), max(values),
                      {r["e3"] for seq, r in readings if (r["ms"], seq) == last},
                      min(batteries) if batteries else None, len(readings))
    return found


def minutes_found(folder):
    found = {}
    text = run(TIDEMARK, "inspect", "--csv", *parts(folder)).stdout
    for row in csv.DictReader(io.StringIO(text)):
        key = row["station"], row["sensor"], milliseconds(row["window_start"])
        e3 = [int(Decimal(row[name]) * 1000) for name in ("lowest", "highest", "last")]
        found[key] = (*e3, int(row["battery"]) if row["battery"] else None, int(row["readings"]))
    return found


def check(folder, *options):
    rng = random.Random(SEED)
    print(f"# seed {SEED}")
    rows, reasons = capture(folder / "readings.txt", rng)
    done = run(BUILD / "examples/sensors", "--replay", folder / "readings.txt", "--out",
               folder / "out", "--quiet", "--speed", "max", "--dead-letter-journal",
               folder / "bad", *options)
    expect_equal(done.code, 0, done.stderr)
    wanted, found = minutes_of(rows), minutes_found(folder / "out")
    expect_equal(sorted(found), sorted(wanted), "stations, sensors and minutes")
    for key, (low, high, last, battery, cnt) in found.items():
        w_low, w_high, w_last, w_battery, w_cnt = wanted[key]
        expect_equal((low, high, battery, cnt), (w_low, w_high, w_battery, w_cnt), f"{key}")
        expect_equal(last in w_last, True, f"last of {key}")
    shown = run(TIDEMARK, "journal", "cat", folder / "bad").stdout.splitlines()
    notes = [json.loads(json.loads(line)["data"]) for line in shown[::2]]
    expect_equal([note["reason"] for note in notes], reasons, "reasons of dead letters")
    return done


@test
def rows_and_reasons_are_those_of_the_reference(folder):
    check(folder)


@test
def several_workers_change_nothing(folder):
    check(folder, "--worker-cores", "0,0,0", "--ring-depth", "64")


@test
def the_graph_tells_what_is_read(folder):
    done = run(BUILD / "examples/sensors", "--replay", folder / "none", "--explain")
    expect_equal("JSON to reading rows where /type is readings" in done.stdout, True, done.stdout)


main()
