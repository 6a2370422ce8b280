#!/usr/bin/env python3
"""Ending a job while it writes: by signal in order, or killed."""

import signal

import harness
import synthetic
from bars_reference import bars_of
from harness import (expect, expect_bars, expect_equal, finish, parts, read_bars, start_bars, test,
                     wait_for)

SEED = 11
SECONDS = 120
BOUND_MS = 1000
PARTS_BEFORE = 2


def start_writing(folder):
    """Starts a job on a paced capture and waits until part files appear; returns all three."""
    path, out = folder / "capture.txt", folder / "out"
    synthetic.write(path, SEED, seconds=SECONDS, rate=20)
    process = start_bars("--replay", path, "--out", out, "--speed", "10x", "--roll-interval",
                         "300ms", "--worker-cores", harness.cores(2))
    try:
        wait_for(lambda: process.poll() is not None or len(parts(out)) >= PARTS_BEFORE,
                 "part files", 10)
    except AssertionError:
        process.kill()
        process.communicate()
        raise
    if process.poll() is not None:
        done = finish(process)
        raise AssertionError(f"the job ended by itself with {done.code}: {done.stderr}")
    return path, out, process


def expect_prefix(rows, path):
    """The bars are those of the capture up to some second; the last ones may be cut short."""
    wanted = list(bars_of([path]).rows())
    expect(0 < len(rows) < len(wanted), f"{len(rows)} bars, {len(wanted)} in the whole capture")
    newest = max(row["window_start"] for row in rows)
    whole = newest - BOUND_MS
    expect_bars([row for row in rows if row["window_end"] <= whole],
                [row for row in wanted if row["window_end"] <= whole])
    return rows


def stopped_by(number, folder):
    path, out, process = start_writing(folder)
    process.send_signal(number)
    done = finish(process)
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(harness.hidden(out), [], "unfinished parts after an orderly stop")
    rows = expect_prefix(read_bars(parts(out)), path)
    expect_equal(done.summary["rows_out"], len(rows), "rows_out of the summary")


@test
def sigterm_drains_finishes_the_parts_and_prints_the_summary(folder):
    stopped_by(signal.SIGTERM, folder)


@test
def sigint_does_the_same(folder):
    stopped_by(signal.SIGINT, folder)


@test
def two_signals_in_a_row_end_in_order_or_at_once_but_never_break_a_part(folder):
    path, out, process = start_writing(folder)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    finish(process)
    expect_prefix(read_bars(parts(out)), path)


@test
def a_killed_job_leaves_only_whole_parts_visible(folder):
    path, out, process = start_writing(folder)
    process.kill()
    process.communicate()
    expect(len(parts(out)) >= PARTS_BEFORE, "the finished parts are still there")
    wanted = {(row["symbol"], row["window_start"]): row for row in bars_of([path]).rows()}
    for row in read_bars(parts(out)):
        expect_equal(row, wanted[row["symbol"], row["window_start"]], "a bar of a finished part")


@test
def a_second_run_into_the_same_folder_keeps_what_the_first_one_wrote(folder):
    path, out = folder / "capture.txt", folder / "out"
    synthetic.write(path, SEED, seconds=5, rate=10)
    harness.bars_ok("--replay", path, "--out", out, "--speed", "max")
    before = {part: part.read_bytes() for part in parts(out)}
    harness.bars_ok("--replay", path, "--out", out, "--speed", "max")
    for part, content in before.items():
        expect(part.exists() and part.read_bytes() == content, f"{part.name} was changed")
    expect(len(parts(out)) > len(before), "the second run wrote parts of its own")


harness.main()
