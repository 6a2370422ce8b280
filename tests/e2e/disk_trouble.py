#!/usr/bin/env python3
"""Folders that cannot be written, disks that fill up: named errors, nothing broken to be seen."""

import os
import subprocess

import harness
import synthetic
from bars_reference import bars_of
from harness import (BARS, Skip, bars, expect, expect_equal, mounted, parts, read_bars, run,
                     test)


def capture(folder, **options):
    path = folder / "capture.txt"
    synthetic.write(path, **{"seed": 21, "seconds": 10, "rate": 10, **options})
    return path


@test
def an_out_folder_below_a_file_is_refused_by_name(folder):
    blocker = folder / "file"
    blocker.write_text("")
    done = bars("--replay", capture(folder), "--out", blocker / "out")
    expect_equal(done.code, 1, "exit status")
    expect(str(blocker / "out") in done.stderr, done.stderr)


def without_privilege():
    """Words that make a program subject to permissions, which root is not."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    try:
        done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Skip(f"setpriv: {error}") from None
    if done.returncode != 0:
        raise Skip(f"root may write everywhere: {done.stderr.strip()}")
    return words


@test
def an_out_folder_without_permission_is_refused_by_name(folder):
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    done = run(*without_privilege(), BARS, "--replay", capture(folder), "--out", locked / "out")
    expect_equal(done.code, 1, "exit status")
    expect(str(locked) in done.stderr and "ermission denied" in done.stderr, done.stderr)


@test
def a_read_only_out_folder_is_refused_by_name(folder):
    with mounted(folder / "readonly", "ro,size=64k") as place:
        done = bars("--replay", capture(folder), "--out", place / "out")
        expect_equal(done.code, 1, "exit status")
        expect(str(place) in done.stderr and "ead-only" in done.stderr, done.stderr)


@test
def a_full_disk_is_named_and_what_is_finished_stays_readable(folder):
    path = capture(folder, seconds=600, rate=4)
    with mounted(folder / "small", "size=48k") as place:
        done = bars("--replay", path, "--out", place / "out", "--speed", "200x",
                    "--roll-interval", "200ms")
        expect_equal(done.code, 1, f"exit status; {done.stderr}")
        expect("No space left on device" in done.stderr, done.stderr)
        expect(str(place) in done.stderr, done.stderr)
        finished = parts(place / "out")
        expect(len(finished) > 0, "the parts from before are there")
        wanted = {(row["symbol"], row["window_start"]): row for row in bars_of([path]).rows()}
        for row in read_bars(finished):
            expect_equal(row, wanted[row["symbol"], row["window_start"]], "a finished bar")


@test
def a_disk_full_from_the_start_is_named(folder):
    path = capture(folder)
    with mounted(folder / "full", "size=4k") as place:
        (place / "ballast").write_bytes(bytes(4096))
        done = bars("--replay", path, "--out", place / "out", "--speed", "max")
        expect_equal(done.code, 1, "exit status")
        expect("No space left on device" in done.stderr, done.stderr)
        expect_equal(parts(place), [], "no part is visible")


harness.main()
