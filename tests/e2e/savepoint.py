#!/usr/bin/env python3
"""Checkpoints that are kept for good: made of a running job, and of one that ends."""

import os
import signal
import subprocess
from collections import Counter

import harness
import synthetic
from harness import BARS, TIDEMARK, expect, expect_equal, finish, parts, run, test, wait_for

SECONDS = 40


def capture(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=37, seconds=SECONDS, rate=30)
    return path


def rows_of(folder):
    done = subprocess.run([TIDEMARK, "inspect", "--csv", *parts(folder)], capture_output=True,
                          text=True, check=True)
    return sorted(done.stdout.splitlines()[1:])


def undisturbed(folder, path):
    done = run(BARS, "--replay", path, "--out", folder / "whole", "--quiet")
    expect_equal(done.code, 0, "exit status")
    return rows_of(folder / "whole")


def words(folder, path, *more, out="out", kept="kept"):
    return [BARS, "--replay", path, "--out", folder / out, "--checkpoints", folder / kept,
            "--state-memory", "8M", "--checkpoint-interval", "20ms", *more]


def manifests(folder):
    return sorted((folder / "kept").glob("manifest-*"))


def start(folder, path, *more):
    process = subprocess.Popen([*map(str, words(folder, path, "--speed", "20x", "--quiet", *more))],
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(manifests(folder)) >= 1, "checkpoints")
    return process


def verified(place):
    done = run(TIDEMARK, "checkpoint", "verify", place)
    expect_equal(done.code, 0, f"{done.stdout} {done.stderr}")
    expect(" pages, in order" in done.stdout, done.stdout)
    expect_equal(run(TIDEMARK, "checkpoint", "ls", place).stdout.count("\n"), 1, "checkpoints")
    shown = run(TIDEMARK, "checkpoint", "show", place).stdout
    expect("savepoint" in shown and "symbols" in shown, shown)


@test
def a_job_that_ends_with_a_savepoint_is_gone_on_from_there(folder):
    path = capture(folder)
    wanted = undisturbed(folder, path)
    process = start(folder, path, "--stop-with-savepoint", folder / "keep" / "first")
    wait_for(lambda: len(parts(folder / "out")) >= 2, "parts")
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    verified(folder / "keep" / "first")
    subprocess.run(["rm", "-r", folder / "kept"], check=True)
    some = rows_of(folder / "out")
    expect(0 < len(some) < len(wanted), f"{len(some)} of {len(wanted)} rows so far")
    (folder / "keep" / "first").chmod(0o555)
    before = sorted(os.listdir(folder / "keep" / "first"))
    done = run(*words(folder, path, "--restore", folder / "keep" / "first"))
    expect_equal(done.code, 0, f"exit status; {done.stderr}")
    expect("restored from checkpoint" in done.stderr, done.stderr)
    expect_equal(rows_of(folder / "out"), wanted, "rows of both runs")
    expect_equal(sorted(os.listdir(folder / "keep" / "first")), before, "files of the savepoint")
    (folder / "keep" / "first").chmod(0o755)


@test
def savepoints_of_a_running_job_outlive_its_checkpoints(folder):
    path = capture(folder)
    wanted = Counter(undisturbed(folder, path))
    process = start(folder, path, "--checkpoint-keep", "1")
    ids, made = [], 0
    while process.poll() is None and made < 8:
        done = run(TIDEMARK, "savepoint", folder / "kept", folder / f"keep{made}")
        expect_equal(done.code, 0, f"exit status; {done.stderr}")
        ids.append(int(done.stdout.split()[1]))
        made += 1
    expect_equal(finish(process).code, 0, "exit status")
    expect(made >= 2 and ids == sorted(ids), f"{ids}")
    expect(f"{ids[0]:020}" not in manifests(folder)[0].name, "the first checkpoint is kept")
    later = None
    for number in (0, made - 1):
        verified(folder / f"keep{number}")
        done = run(*words(folder, path, "--restore", folder / f"keep{number}", out=f"out{number}",
                          kept=f"kept{number}"))
        expect_equal(done.code, 0, f"exit status; {done.stderr}")
        rows = Counter(rows_of(folder / f"out{number}"))
        expect(not rows - wanted, f"rows that nobody wants: {list(rows - wanted)[:2]}")
        expect(sum(rows.values()) > 0, "rows behind the savepoint")
        expect(later is None or not rows - later, "a later savepoint has less behind it")
        later = rows


@test
def what_cannot_be_kept_leaves_nothing_behind(folder):
    path = capture(folder)
    process = start(folder, path, "--duration", "300ms")
    expect_equal(finish(process).code, 0, "exit status")
    first = run(TIDEMARK, "savepoint", folder / "kept", folder / "keep")
    expect_equal(first.code, 0, f"exit status; {first.stderr}")
    done = run(TIDEMARK, "savepoint", folder / "kept", folder / "keep")
    expect_equal(done.code, 1, "exit status")
    expect("there already" in done.stderr, done.stderr)
    done = run(*words(folder, path, "--stop-with-savepoint", folder / "keep"))
    expect_equal(done.code, 2, "exit status")
    expect("there already" in done.stderr, done.stderr)
    done = run(TIDEMARK, "savepoint", folder / "nowhere", folder / "other")
    expect_equal(done.code, 1, "exit status")
    for pages in (folder / "kept").glob("*.tmp1"):
        data = bytearray(pages.read_bytes())
        data[len(data) // 2] ^= 1
        pages.write_bytes(data)
    done = run(TIDEMARK, "savepoint", folder / "kept", folder / "other")
    expect_equal(done.code, 1, "exit status")
    expect(".tmp1" in done.stderr, done.stderr)
    left = [entry.name for entry in folder.iterdir() if "other" in entry.name]
    expect_equal(left, [], "what the failed ones left")


@test
def a_savepoint_is_no_folder_for_checkpoints(folder):
    path = capture(folder)
    expect_equal(finish(start(folder, path, "--duration", "300ms")).code, 0, "exit status")
    expect_equal(run(TIDEMARK, "savepoint", folder / "kept", folder / "keep").code, 0, "status")
    done = run(*words(folder, path, kept="keep"))
    expect_equal(done.code, 2, f"exit status; {done.stderr}")
    expect("--restore" in done.stderr, done.stderr)
    verified(folder / "keep")


harness.main()
