#!/usr/bin/env python3
"""What part files say of where they come from, to DuckDB and to tidemark inspect."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import time

import harness
import synthetic
from harness import BUILD, TIDEMARK, Skip, expect, expect_equal, finish, parts, run, test, wait_for

JOB = BUILD / "tests/e2e/rows_job"
READ_PARTS = harness.ROOT / "tests/readers/read_parts.mjs"
NOT_INSTALLED = 77


def keys_of(files):
    """The keys of each file, as inspect shows them."""
    shown = {}
    for path in files:
        done = run(TIDEMARK, "inspect", "--no-rows", path)
        expect_equal(done.code, 0, f"exit status; {done.stderr}")
        shown[str(path)] = dict(re.findall(r"^  (tidemark\.\w+) = (.*)$", done.stdout, re.M))
    return shown


def duckdb_keys_of(files):
    node = shutil.which("node")
    if not node:
        raise Skip("node is not installed")
    done = subprocess.run([node, READ_PARTS, "keys", *map(str, files)], capture_output=True,
                          text=True, check=False)
    if done.returncode == NOT_INSTALLED:
        raise Skip(done.stderr.strip())
    expect_equal(done.returncode, 0, f"exit status; {done.stderr}")
    return json.loads(done.stdout)


def live(folder, url, ca_file):
    return [JOB, "--connect", f"{url}/stream?streams=btcusdt@trade", "--ca-file", ca_file,
            "--journal", folder / "journal", "--out", folder / "out", "--checkpoints",
            folder / "kept", "--state-memory", "8M", "--checkpoint-interval", "200ms"]


def killed_and_restarted(folder):
    """A recorded job that is killed behind a few checkpoints, and then runs to the end."""
    path = folder / "capture.txt"
    synthetic.write(path, seed=33, seconds=20, rate=20)
    with harness.venue(folder, "--replay", path, "--speed", "10x", "--wait-clients", "1") as at:
        process = subprocess.Popen([*map(str, live(folder, *at)), "--quiet"],
                                   stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(parts(folder / "out/rows")) >= 3, "parts of some checkpoints")
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        finish(process)
    with harness.venue(folder, "--replay", path, "--speed", "10x", "--wait-clients", "1") as at:
        done = run(*live(folder, *at))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("frames from the journal" in done.stderr, done.stderr)


def recorded_trades(folder):
    """The trade id of each record of the journal, None where it is no trade or came before: the
    exchange of the second run begins with what the first one gave."""
    done = run(TIDEMARK, "journal", "cat", folder / "journal")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    found, came = [], {None}
    for number, line in enumerate(done.stdout.splitlines()):
        record = json.loads(line)
        expect_equal(record["seq"], number, "sequence")
        trade = re.search(r'"t":(\d+)', record["data"]) if record["kind"] == "text" else None
        trade_id = trade and trade.group(1)
        found.append(None if trade_id in came else trade_id)
        came.add(trade_id)
    return found


def trade_ids(path):
    done = run(TIDEMARK, "inspect", "--csv", path)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    return [row["trade_id"] for row in csv.DictReader(io.StringIO(done.stdout))]


@test
def each_epoch_holds_exactly_the_rows_recorded_in_its_range(folder):
    killed_and_restarted(folder)
    recorded = recorded_trades(folder)
    rows, ranges = {}, {}
    for path, keys in keys_of(parts(folder / "out/rows")).items():
        expect_equal(keys["tidemark.job"], "rows_job", "job")
        expect_equal(keys["tidemark.journal"], str(folder / "journal"), "journal")
        epoch = int(keys["tidemark.epoch"])
        found = re.fullmatch(r"\[(\d+),(\d+)\)", keys["tidemark.journal_range"])
        expect(found, keys["tidemark.journal_range"])
        expect_equal(ranges.setdefault(epoch, found.groups()), found.groups(), "range of an epoch")
        rows.setdefault(epoch, []).extend(trade_ids(path))
    expect(len(rows) > 4, f"{len(rows)} epochs")
    end = 0
    for epoch, pair in sorted(ranges.items()):
        first, behind = map(int, pair)
        expect(end <= first < behind <= len(recorded), f"epoch {epoch}: {pair} behind {end}")
        wanted = [trade for trade in recorded[first:behind] if trade]
        expect_equal(sorted(rows[epoch]), sorted(wanted), f"trades of epoch {epoch}")
        expect(not any(recorded[end:first]), f"trades between {end} and {first} are in no part")
        end = behind
    expect(not any(recorded[end:]), f"trades from {end} on are in no part")


@test
def duckdb_reads_the_keys_that_inspect_shows(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=34, seconds=10, rate=20)
    with harness.venue(folder, "--replay", path, "--speed", "10x", "--wait-clients", "1") as at:
        done = run(*live(folder, *at))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    files = parts(folder / "out")
    found = duckdb_keys_of(files)
    expect_equal(found, keys_of(files), "keys")
    for keys in found.values():
        expect_equal(sorted(keys), ["tidemark.epoch", "tidemark.job", "tidemark.journal",
                                    "tidemark.journal_range", "tidemark.version"], "keys")
    version = run(TIDEMARK, "--version").stdout.split()[1]
    expect_equal({keys["tidemark.version"] for keys in found.values()}, {version}, "version")


@test
def without_checkpoints_and_journal_there_is_neither_epoch_nor_range(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=35, seconds=5, rate=20)
    done = run(JOB, "--replay", path, "--out", folder / "out", "--quiet")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    files = parts(folder / "out")
    expect(files, "there are parts")
    for keys in keys_of(files).values():
        expect_equal(sorted(keys), ["tidemark.job", "tidemark.version"], "keys")


harness.main()
