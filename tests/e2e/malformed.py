#!/usr/bin/env python3
"""Bad messages in a feed are counted by reason and kept; nothing else is lost, nothing stops."""

import csv
import io
import json
import random
from decimal import Decimal

import harness
import synthetic
from bars_reference import bars_of
from harness import (BUILD, TIDEMARK, bars, bars_ok, cores, expect, expect_bars, expect_equal,
                     parts, read_bars, run, test)

GOOD = ('{"e":"trade","E":1700000000001,"s":"BTCUSDT","t":1,"p":"1.00000000","q":"1.00000000",'
        '"T":1700000000000,"m":true,"M":true}')

# What a peer can send instead of a trade, and the counter that it must raise.
BAD = {
    "cut short": (GOOD[:60], "bad_truncated"),
    "no JSON": ("hello", "bad_syntax"),
    "text after the end": (GOOD + "}", "bad_syntax"),
    "a price with letters": (GOOD.replace('"p":"1.0', '"p":"x.0'), "bad_number"),
    "a price beyond 64 bits": (GOOD.replace('"p":"1.0', '"p":"92233720368547.0'), "bad_range"),
    "a ninth digit": (GOOD.replace('"q":"1.00000000"', '"q":"1.000000001"'), "bad_range"),
    "a trade id beyond 64 bits": (GOOD.replace('"t":1', '"t":99999999999999999999'), "bad_range"),
    "no price": (GOOD.replace('"p":"1.00000000",', ""), "bad_missing"),
    "no time": (GOOD.replace('"T":1700000000000,', ""), "bad_missing"),
    "a price of null": (GOOD.replace('"p":"1.00000000"', '"p":null'), "bad_missing"),
    "a price that is a list": (GOOD.replace('"p":"1.00000000"', '"p":[1]'), "bad_type"),
    "an empty symbol": (GOOD.replace('"BTCUSDT"', '""'), "bad_symbol"),
    "a symbol without end": (GOOD.replace('"BTCUSDT"', '"' + "B" * 5000 + '"'), "bad_symbol"),
    "nesting without end": ('{"zz":' + "[" * 5000 + "]" * 5000 + "," + GOOD[1:], "bad_nesting"),
}


def spoiled(folder, seed):
    """A good capture and one with bad lines strewn in; returns both and the bad lines' names."""
    rng = random.Random(seed)
    good, bad = folder / "good.txt", folder / "bad.txt"
    synthetic.write(good, seed, seconds=20, rate=20)
    lines = good.read_text().splitlines()
    names = list(BAD) * 3
    for name in names:
        place = rng.randrange(1, len(lines))
        lines.insert(place, lines[place - 1].split(" ", 1)[0] + " " + BAD[name][0])
    bad.write_text("\n".join(lines) + "\n")
    return good, bad, names


@test
def bad_messages_are_counted_by_reason_and_the_bars_stay_right(folder):
    good, bad, names = spoiled(folder, 3)
    out = folder / "out"
    done = bars_ok("--replay", bad, "--out", out, "--speed", "max", "--worker-cores", cores(2))
    expect_bars(read_bars(parts(out)), bars_of([good], 1000).rows())
    expect_equal(done.summary["dead_letters"], len(names), "dead letters")
    for counter in sorted({counter for _, counter in BAD.values()}):
        wanted = sum(BAD[name][1] == counter for name in names)
        expect_equal(done.counter(counter), wanted, f"counter {counter}")


@test
def dead_letters_can_be_read_with_their_reasons(folder):
    _, bad, names = spoiled(folder, 4)
    letters = folder / "letters.jsonl"
    bars_ok("--replay", bad, "--out", folder / "out", "--speed", "max", "--dead-letters", letters)
    kept = [json.loads(line) for line in letters.read_text().splitlines()]
    expect_equal(len(kept), len(names), "kept dead letters")
    wanted = sorted(BAD[name][1].removeprefix("bad_") for name in names)
    expect_equal(sorted(letter["reason"] for letter in kept), wanted, "reasons")
    expect(all(letter["text"] for letter in kept), "every letter shows its text")


@test
def the_dead_letter_journal_shows_reason_place_and_message_and_can_be_replayed(folder):
    _, bad, names = spoiled(folder, 7)
    graves = folder / "graves"
    bars_ok("--replay", bad, "--out", folder / "out", "--speed", "max",
            "--dead-letter-journal", graves)
    shown = run(TIDEMARK, "journal", "cat", graves)
    records = [json.loads(line) for line in shown.stdout.splitlines()]
    expect_equal([r["kind"] for r in records], ["note", "text"] * len(names), "kinds of records")
    texts = {text: counter.removeprefix("bad_") for text, counter in BAD.values()}
    for note, message in zip(records[::2], records[1::2]):
        told = json.loads(note["data"])
        expect_equal(told["reason"], texts[message["data"]], "reason")
        expect_equal(told["size"], len(message["data"].encode()), "size")
        expect(told["offset"] <= told["size"], "the offset lies in the message")
        expect_equal(note["recv_ns"], message["recv_ns"], "receive time")
    again = bars_ok("--replay", graves, "--out", folder / "again", "--speed", "max")
    expect_equal(again.summary["dead_letters"], len(names), "dead letters of the dead")


@test
def decimals_of_18_digits_reach_the_part_files_and_those_of_19_are_counted(folder):
    # The widest that DECIMAL(18, 8) holds, and what lies beyond it. Twice, so that the paths that
    # learn from messages are taken, too.
    fit = ["9999999999.99999999", "9999999999.9", "0.00000001", "-9999999999.99999999", "1e9",
           "0009999999999.99999999000"]
    beyond = ["10000000000", "10000000000.00000000", "-10000000000", "99999999999.99999999", "1e10",
              "92233720368.54775807", "9223372036854775807"]
    path, out, lines, wanted = folder / "capture.txt", folder / "out", [], []
    for name, other in ("pq", "qp") * 2:
        for number in fit + beyond:
            trade_id = len(lines) + 1
            text = GOOD.replace(f'"{name}":"1.00000000"', f'"{name}":"{number}"')
            text = text.replace('"t":1', f'"t":{trade_id}')
            lines.append(f"{1700000000000000000 + trade_id} {text}")
            row = {name: Decimal(number), other: Decimal(1)}
            if number in fit:
                wanted.append((trade_id, row["p"], row["q"]))
    path.write_text("\n".join(lines) + "\n")
    done = run(BUILD / "tests/e2e/rows_job", "--replay", path, "--out", out, "--speed", "max",
               "--json")
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(done.counter("bad_range"), 4 * len(beyond), "numbers that do not fit")
    shown = run(TIDEMARK, "inspect", "--csv", *parts(out / "rows"))
    found = [(int(row["trade_id"]), Decimal(row["price"]), Decimal(row["qty"]))
             for row in csv.DictReader(io.StringIO(shown.stdout))]
    expect_equal(sorted(found), wanted, "trades of the part files")


@test
def kinds_that_nobody_asked_for_are_no_rows(folder):
    good, path = folder / "good.txt", folder / "capture.txt"
    synthetic.write(good, 5, seconds=5, rate=10)
    recv = good.read_text().split(" ", 1)[0]
    path.write_text(f'{recv} {{"result":null,"id":1}}\n{recv} {{"e":"kline","s":"BTCUSDT"}}\n'
                    + good.read_text())
    done = bars_ok("--replay", path, "--out", folder / "out", "--speed", "max")
    expect_bars(read_bars(parts(folder / "out")), bars_of([good], 1000).rows())
    expect_equal(done.summary["late"], 0, "late")


@test
def a_line_without_a_receive_time_is_named_after_the_lines_before_it_were_used(folder):
    good, path = folder / "good.txt", folder / "capture.txt"
    synthetic.write(good, 6, seconds=5, rate=10)
    lines = good.read_text().splitlines()
    path.write_text("\n".join([*lines, "no time here", *lines]) + "\n")
    done = bars("--replay", path, "--out", folder / "out", "--speed", "max")
    expect_equal(done.code, 1, "exit status")
    expect(f"capture.txt:{len(lines) + 1}" in done.stderr, done.stderr)
    expect_bars(read_bars(parts(folder / "out")), bars_of([good], 1000).rows())


@test
def a_cut_archive_is_named_after_its_good_lines_were_used(folder):
    path = folder / "capture.txt.gz"
    synthetic.write(path, 7, seconds=20, rate=20)
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    done = bars("--replay", path, "--out", folder / "out", "--speed", "max")
    expect_equal(done.code, 1, "exit status")
    expect("capture.txt.gz" in done.stderr, done.stderr)
    expect(len(read_bars(parts(folder / "out"))) > 0, "the good half's bars are there")


harness.main()
