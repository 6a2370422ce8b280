#!/usr/bin/env python3
"""A job that is changed and goes on from its savepoint: the rows of both runs are what a model of
the two jobs gives, which reads the capture itself; and what does not fit is refused by name."""

import csv
import json
import os
import signal
import subprocess
from collections import defaultdict

import harness
import synthetic
from harness import (BUILD, TIDEMARK, expect, expect_equal, finish, milliseconds, parts, run, test,
                     wait_for)

JOB = BUILD / "tests/e2e/evolve_job"


def capture(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=53, seconds=40, rate=30)
    return path


def trades(path):
    """(symbol, id, quantity, second) in the order of the capture."""
    for line in path.read_text(encoding="utf-8").splitlines():
        body = json.loads(line.split(" ", 1)[1])
        body = body.get("data", body)
        if body.get("e") == "trade":
            yield (body["s"], body["t"], int(body["q"].replace(".", "")), body["T"] // 1000)


def started(change):
    os.environ["TM_CHANGE"] = change


def words(folder, path, *more):
    return [JOB, "--replay", path, "--out", folder / "out", "--state-memory", "8M", *more]


def stop(folder, path, change="", cores="0"):
    """Runs the job for a while, and ends it with a savepoint."""
    started(change)
    process = subprocess.Popen(
        [*map(str, words(folder, path, "--checkpoints", folder / "kept", "--speed", "2x",
                         "--checkpoint-interval", "20ms", "--quiet", "--worker-cores", cores,
                         "--stop-with-savepoint", folder / "saved"))],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(parts(folder / "out" / "tally")) >= 8, "parts")
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")


def go_on(folder, path, change, *more, kept="after"):
    started(change)
    return run(*words(folder, path, "--checkpoints", folder / kept, "--restore", folder / "saved",
                      *more))


def rows(folder, name):
    files = parts(folder / "out" / name)
    if not files:
        return []
    done = subprocess.run([TIDEMARK, "inspect", "--csv", *files], capture_output=True, text=True,
                          check=True)
    return list(csv.DictReader(done.stdout.splitlines()))


def e8(text):
    return int(text.replace(".", ""))


def expect_tally(found, path, first, second):
    """first: ids by symbol that the first run has seen; second: which of the others the second one
    lets through."""
    totals, wanted = {}, {}
    for symbol, ident, qty, _ in trades(path):
        before = ident in first[symbol]
        if not before and not second(ident):
            continue
        total = totals.setdefault(symbol, {"count": 0, "volume": 0, "since": 0, "largest": 0})
        total["count"] += 1
        total["volume"] += qty
        total["since"] += not before
        total["largest"] = max(total["largest"], qty)
        wanted[symbol, ident] = tuple(total.values())
    expect_equal(len(found), len(wanted), "rows")
    for row in found:
        key = row["symbol"], int(row["trade_id"])
        is_row = (int(row["count"]), e8(row["volume"]), int(row["since"]), e8(row["largest"]))
        expect_equal(is_row, wanted[key], f"row of {key}")
        expect_equal(int(row["later"]), int(row["since"]), f"the new state of {key}")


def expect_bars(found, path, first, second):
    wanted = defaultdict(lambda: [0, 0])
    for symbol, ident, qty, at in trades(path):
        if ident in first[symbol] or second(ident):
            wanted[symbol, at][0] += qty
            wanted[symbol, at][1] += 1
    expect_equal(len(found), len(wanted), "bars")
    for row in found:
        key = row["symbol"], milliseconds(row["window_start"]) // 1000
        expect_equal([e8(row["volume"]), int(row["trades"])], wanted[key], f"bar of {key}")


def seen(found):
    ids = defaultdict(set)
    for row in found:
        ids[row["symbol"]].add(int(row["trade_id"]))
    return ids


def changed_and_compared(folder, change, second, cores=("0", "0"), *more):
    path = capture(folder)
    stop(folder, path, cores=cores[0])
    first = seen(rows(folder, "tally"))
    done = go_on(folder, path, change, "--worker-cores", cores[1], *more)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("restored from checkpoint" in done.stderr, done.stderr)
    found = rows(folder, "tally")
    expect(sum(map(len, first.values())) < len(found), "rows of the second run")
    expect_tally(found, path, first, second)
    if "gone" not in change:
        expect_bars(rows(folder, "bars"), path, first, second)
    return done


@test
def a_filter_a_window_a_state_and_a_field_are_added(folder):
    changed_and_compared(folder, "filter ten state field", lambda ident: ident % 10 != 0)
    expect(len(rows(folder, "tens")) > 0, "rows of the new window")


@test
def a_changed_job_goes_on_with_other_workers(folder):
    changed_and_compared(folder, "filter ten state field", lambda ident: ident % 10 != 0,
                         ("0,0", "0,0,0"))


@test
def an_operator_keeps_its_state_under_another_name_by_its_id(folder):
    changed_and_compared(folder, "renamed state field", lambda ident: True)


@test
def a_source_is_added(folder):
    changed_and_compared(folder, "extra state field", lambda ident: True)
    expect_equal([int(row["trades"]) for row in rows(folder, "extra")], [10] * 10, "new windows")


@test
def a_source_goes_and_its_watermarks_go_with_it(folder):
    path = capture(folder)
    stop(folder, path, "extra")
    first = seen(rows(folder, "tally"))
    done = go_on(folder, path, "state field")
    expect_equal(done.code, 2, "exit status")
    expect("source_generator/extra: it has state there" in done.stderr, done.stderr)
    done = go_on(folder, path, "state field", "--allow-dropped-state")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect_tally(rows(folder, "tally"), path, first, lambda ident: True)
    expect_bars(rows(folder, "bars"), path, first, lambda ident: True)


@test
def a_checkpoint_of_its_own_is_gone_on_from_too(folder):
    path = capture(folder)
    stop(folder, path)
    first = seen(rows(folder, "tally"))
    started("filter ten state field")
    done = run(*words(folder, path, "--checkpoints", folder / "kept"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect_tally(rows(folder, "tally"), path, first, lambda ident: ident % 10 != 0)


@test
def what_is_gone_is_refused_by_name_and_left_behind_on_request(folder):
    path = capture(folder)
    stop(folder, path)
    first = seen(rows(folder, "tally"))
    done = go_on(folder, path, "gone state field")
    expect_equal(done.code, 2, "exit status")
    expect("window/bars: it has state there" in done.stderr, done.stderr)
    expect("--allow-dropped-state" in done.stderr, done.stderr)
    done = go_on(folder, path, "gone state field", "--allow-dropped-state")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("has no window/bars any more" in done.stderr, done.stderr)
    expect_tally(rows(folder, "tally"), path, first, lambda ident: True)


def refused(folder, path, change, *wanted):
    done = go_on(folder, path, change, kept=f"refused-{change.replace(' ', '-')}")
    expect_equal(done.code, 2, f"exit status of '{change}'; {done.stderr}")
    for text in wanted:
        expect(text in done.stderr, f"'{change}': '{text}' is not in: {done.stderr}")


@test
def each_difference_that_does_not_fit_is_named(folder):
    path = capture(folder)
    stop(folder, path)
    before = len(rows(folder, "tally"))
    refused(folder, path, "longer", "window/bars", "'size_ns 2000000000' was 'size_ns 1000000000'")
    refused(folder, path, "aggregate", "window/bars",
            "'aggregate max decimal64(8) qty as largest' is new in it")
    refused(folder, path, "rekeyed", "process/tally", "'key side side' was 'key symbol symbol'")
    refused(folder, path, "type", "process/tally: state 'total': field 'count' was int64, is "
            "decimal64(2)")
    refused(folder, path, "kind", "process/tally: state 'largest' was a value, is a list")
    refused(folder, path, "dropped", "process/tally: state 'largest' is gone",
            "--allow-dropped-state")
    expect_equal(len(rows(folder, "tally")), before, "rows after refusals")


@test
def the_schema_is_shown(folder):
    path = capture(folder)
    stop(folder, path)
    shown = run(TIDEMARK, "checkpoint", "show", folder / "saved").stdout
    for line in ("operator source_feed layout 1 at source node 0 id source_feed/feed",
                 "  state value value 16 key 0 ttl 0 never total",
                 "    field decimal64(8) of 8 at 8 volume",
                 "  aggregate sum decimal64(8) qty as volume"):
        expect(line in shown.splitlines(), f"'{line}' is not in: {shown}")
    reader = harness.ROOT / "tests/reference/checkpoint_reader.py"
    done = run("python3", reader, "--schema", folder / "saved")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    tally = json.loads(done.stdout)["operators"]["process/tally"]
    expect_equal(tally["keys"], [{"name": "symbol", "type": "symbol"}], "keys")
    total = {"name": "total", "kind": "value", "value_sz": 16, "key_sz": 0, "ttl_ns": 0,
             "time": "never", "fields": [{"name": "count", "type": "int64", "off": 0, "sz": 8},
                                         {"name": "volume", "type": "decimal64(8)", "off": 8,
                                          "sz": 8}]}
    expect_equal(tally["states"][-1], total, "state")


harness.main()
