#!/usr/bin/env python3
"""Jobs with checkpoints that are stopped, started again, changed or damaged in between."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter

import harness
import synthetic
from harness import BARS, TIDEMARK, expect, expect_equal, finish, parts, run, test, wait_for

SECONDS = 40


def capture(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=31, seconds=SECONDS, rate=30)
    return path


def rows_of(folder):
    if not parts(folder):
        return []
    done = subprocess.run([TIDEMARK, "inspect", "--csv", *parts(folder)], capture_output=True,
                          text=True, check=True)
    return sorted(done.stdout.splitlines()[1:])


def undisturbed(folder, path):
    done = run(BARS, "--replay", path, "--out", folder / "whole", "--quiet")
    expect_equal(done.code, 0, "exit status")
    return rows_of(folder / "whole")


def words(folder, path, *more):
    return [BARS, "--replay", path, "--out", folder / "out", "--checkpoints", folder / "kept",
            "--state-memory", "8M", "--checkpoint-interval", "50ms", *more]


def manifests(folder):
    return sorted((folder / "kept").glob("manifest-*"))


def number_of(manifest):
    return int(manifest.name.split("-")[1].split(".")[0])


def committed(folder):
    """The newest checkpoint whose results can be seen, as the logs of the part files have it."""
    lines = "".join(log.read_text() for log in (folder / "out").glob(".parts-*.log")).splitlines()
    return max([int(line.split()[2]) for line in lines if line.split()[1] == "commit"], default=0)


def stopped(folder, path, sig=signal.SIGTERM):
    """A run that was ended by a signal after a few checkpoints."""
    before = manifests(folder)[-1:]
    process = subprocess.Popen([*map(str, words(folder, path, "--speed", "40x", "--quiet"))],
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(manifests(folder)) >= 2 and manifests(folder)[-1:] != before,
             "checkpoints")
    process.send_signal(sig)
    return finish(process)


@test
def a_job_that_is_told_to_stop_goes_on_where_it_was(folder):
    path = capture(folder)
    wanted = undisturbed(folder, path)
    done = stopped(folder, path)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    some = rows_of(folder / "out")
    expect(0 < len(some) < len(wanted), f"{len(some)} of {len(wanted)} rows so far")
    done = run(*words(folder, path))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("restored from checkpoint" in done.stderr, done.stderr)
    expect_equal(rows_of(folder / "out"), wanted, "rows of both runs")
    done = run(*words(folder, path, "--json"))
    expect_equal(json.loads(done.stdout.splitlines()[-1])["rows_in"], 0, "rows of a third run")
    expect_equal(rows_of(folder / "out"), wanted, "rows of three runs")


@test
def a_job_that_never_got_a_connection_stops_all_the_same(folder):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            [*map(str, [BARS, "--connect", f"wss://127.0.0.1:{silent.getsockname()[1]}/stream"
                        "?streams=btcusdt@trade", "--out", folder / "out", "--checkpoints",
                        folder / "kept", "--journal", folder / "journal", "--state-memory", "8M",
                        "--quiet"])], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        silent.settimeout(10)
        client, _ = silent.accept()
        with client:
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            done = finish(process)
    expect(time.monotonic() - started < 4, "it waits for an answer")
    expect_equal(done.code, 0, f"exit status; {done.stderr}")


@test
def other_ingest_threads_are_refused_and_other_options_are_not(folder):
    path = capture(folder)
    stopped(folder, path)
    done = run(*words(folder, path, "--ingest-cores", "0,0", "--replay", path))
    expect_equal(done.code, 2, f"exit status; {done.stderr}")
    expect("it had 1 ingest threads, now there are 2" in done.stderr, done.stderr)
    done = run(*words(folder, path, "--watermark-bound", "5s"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")


@test
def a_damaged_checkpoint_is_named_and_the_one_before_is_taken(folder):
    path = capture(folder)
    stopped(folder, path, signal.SIGKILL)
    newest, before = manifests(folder)[-1], manifests(folder)[-2]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    rows, number = rows_of(folder / "out"), number_of(before)
    if committed(folder) > number:  # its results can be seen: nothing older will do
        done = run(*words(folder, path, "--duration", "100ms", "--speed", "1x"))
        expect_equal(done.code, 2, f"exit status; {done.stderr}")
        expect(newest.name in done.stderr and f"behind checkpoint {number}" in done.stderr,
               done.stderr)
        expect_equal(rows_of(folder / "out"), rows, "rows that were there")
    shutil.rmtree(folder / "out")
    done = run(*words(folder, path, "--duration", "100ms", "--speed", "1x"))
    expect(newest.name in done.stderr, done.stderr)
    expect(f"restored from checkpoint {number}" in done.stderr, done.stderr)
    expect_equal(newest.read_bytes(), bytes(data), "the damaged one, which stays as it was")


@test
def where_no_checkpoint_can_be_used_the_job_does_not_begin_anew_by_itself(folder):
    path = capture(folder)
    stopped(folder, path, signal.SIGKILL)
    for manifest in manifests(folder):
        manifest.write_bytes(manifest.read_bytes()[:-1])
    rows = rows_of(folder / "out")
    done = run(*words(folder, path))
    expect_equal(done.code, 2, f"exit status; {done.stderr}")
    expect("no checkpoint in it can be used; --restore none" in done.stderr, done.stderr)
    expect_equal(rows_of(folder / "out"), rows, "rows that were there")


@test
def restore_none_begins_anew(folder):
    path = capture(folder)
    wanted = undisturbed(folder, path)
    stopped(folder, path)
    done = run(*words(folder, path, "--restore", "none", "--worker-cores", "0,0"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect(len(rows_of(folder / "out")) > len(wanted), "what was written before stays")


@test
def restore_none_keeps_committed_rows_of_files_in_progress(folder):
    path = capture(folder)
    csv = ["--format", "csv"]
    done = run(BARS, "--replay", path, "--out", folder / "whole", "--quiet", *csv)
    expect_equal(done.code, 0, "exit status")

    def lines(out):
        return sorted(line for file in out.rglob("part-*.csv")
                      for line in file.read_text().splitlines()[1:])

    process = subprocess.Popen([*map(str, words(folder, path, "--speed", "40x", "--quiet", *csv))],
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: committed(folder) >= 2, "a commit")
    process.send_signal(signal.SIGKILL)
    finish(process)
    expect_equal(lines(folder / "out"), [], "rows that can be seen so far")
    expect(harness.hidden(folder / "out") != [], "a file in progress")
    done = run(*words(folder, path, "--restore", "none", *csv))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("begins anew" in done.stderr and "twice" in done.stderr, done.stderr)
    some, wanted = Counter(lines(folder / "out")), Counter(lines(folder / "whole"))
    again = some - wanted
    expect(not wanted - some, f"lost: {wanted - some}")
    expect(0 < again.total() < wanted.total() and not again - wanted,
           f"{again.total()} of {wanted.total()} rows were committed before")
    expect_equal(harness.hidden(folder / "out"), [], "unfinished files")


@test
def an_older_checkpoint_is_refused_by_the_results_though_its_folder_is_new(folder):
    path = capture(folder)
    stopped(folder, path)
    shutil.copytree(folder / "kept", folder / "old")
    old = number_of(manifests(folder)[-1])
    stopped(folder, path)
    wait_for(lambda: committed(folder) > old, "a commit")
    shutil.rmtree(folder / "kept")
    rows = rows_of(folder / "out")
    done = run(*words(folder, path, "--restore", folder / "old"))
    expect_equal(done.code, 2, f"exit status; {done.stderr}")
    expect(f"checkpoint {committed(folder)} are committed" in done.stderr and
           f"behind checkpoint {old}" in done.stderr and "--out" in done.stderr, done.stderr)
    expect_equal(rows_of(folder / "out"), rows, "rows that were there")


@test
def a_checkpoint_of_another_folder_is_gone_on_from(folder):
    path = capture(folder)
    wanted = undisturbed(folder, path)
    stopped(folder, path)
    (folder / "kept").rename(folder / "old")
    done = run(*words(folder, path, "--restore", folder / "old"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect_equal(rows_of(folder / "out"), wanted, "rows of both runs")


@test
def a_checkpoint_older_than_what_was_committed_is_refused(folder):
    path = capture(folder)
    stopped(folder, path)
    shutil.copytree(folder / "kept", folder / "old")
    before = sorted(f.name for f in (folder / "old").iterdir())
    stopped(folder, path)
    rows = rows_of(folder / "out")
    done = run(*words(folder, path, "--restore", folder / "old", "--checkpoint-keep", "1"))
    expect_equal(done.code, 2, f"exit status; {done.stderr}")
    expect("is older than" in done.stderr and "leave --restore out" in done.stderr, done.stderr)
    expect_equal(rows_of(folder / "out"), rows, "rows of both runs")
    expect_equal(sorted(f.name for f in (folder / "old").iterdir()), before, "files only read")


@test
def a_folder_to_restore_from_that_is_missing_is_not_made(folder):
    done = run(*words(folder, capture(folder), "--restore", folder / "missing"))
    expect(done.code != 0 and "missing" in done.stderr, done.stderr)
    expect(not (folder / "missing").exists(), "the folder was made")


@test
def restore_without_a_folder_for_checkpoints_is_a_bad_option(folder):
    done = run(BARS, "--replay", capture(folder), "--restore", "latest", "--out", folder / "out")
    expect_equal(done.code, 2, "exit status")
    expect("--checkpoints" in done.stderr, done.stderr)


@test
def a_killed_live_job_reads_its_journal_before_it_connects_again(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=33, seconds=20, rate=20)
    with harness.venue(folder, "--replay", path, "--speed", "5x", "--wait-clients", "1") as venue:
        url, ca_file = venue
        live = [BARS, "--connect", f"{url}/stream?streams=btcusdt@trade", "--ca-file", ca_file,
                "--journal", folder / "journal", "--out", folder / "out", "--checkpoints",
                folder / "kept", "--state-memory", "8M", "--checkpoint-interval", "200ms"]
        process = subprocess.Popen([*map(str, live), "--quiet"], stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(manifests(folder)) >= 2, "checkpoints")
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        finish(process)
    with harness.venue(folder, "--replay", path, "--speed", "max", "--wait-clients", "1") as venue:
        url, ca_file = venue
        live[2] = f"{url}/stream?streams=btcusdt@trade"
        live[4] = ca_file
        done = run(*live)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("frames from the journal" in done.stderr, done.stderr)


harness.main()
