#!/usr/bin/env python3
"""tidemark capture is killed (SIGKILL) at seeded instants while it records the simulated exchange
at full speed, again and again into one journal. Whenever it dies, the journal opens and holds every
record that was acknowledged (--durable), without a hole and without damage but a torn tail; the
next capture begins right behind the last record, having dropped as many bytes as that tail had.

    capture_kill.py [--kills N] [--seed N]"""

import argparse
import json
import os
import random
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import harness  # noqa: E402
from harness import TIDEMARK, expect, expect_equal, run, venue, wait_for  # noqa: E402

STREAMS = "btcusdt@trade/btcusdt@bookTicker/ethusdt@trade"
ENTRY = re.compile(r"(\d+) records?.*?(?:a torn tail of (\d+) bytes|$)", re.MULTILINE)


def durable(file):
    found = file.read_bytes() if file.exists() else b""
    return struct.unpack("<Q", found)[0] if len(found) == 8 else 0


def first_sequence(journal):
    return min((int(path.name[8:28]) for path in journal.glob("journal-*.tmj")), default=0)


def verified(journal):
    """(sequence behind the last record, bytes of the torn tail): every byte of the journal is read,
    and anything but a torn tail, a missing record too, is exit status 1."""
    done = run(TIDEMARK, "journal", "verify", journal)
    expect_equal(done.code, 0, f"verify: {done.stdout}{done.stderr}")
    found = ENTRY.search(done.stdout)
    expect(found, f"verify counts records: {done.stdout}")
    return first_sequence(journal) + int(found.group(1)), int(found.group(2) or 0)


def words(url, ca_file, folder):
    return [TIDEMARK, "capture", "--connect", f"{url}/stream?streams={STREAMS}", "--ca-file",
            ca_file, "--sync", "3ms", "--rotate", "1M", "--keep", "16M", "--buffer", "1M",
            "--durable", folder / "durable", "--json", folder / "feed"]


def killed(command, acknowledged, before, pause_s):
    """Lets it record until something new was acknowledged, and a while longer."""
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: durable(acknowledged) > before or process.poll() is not None,
                 "something to be acknowledged", 60)
        time.sleep(pause_s)
        process.kill()
        _, stderr = process.communicate(timeout=60)
        expect_equal(process.returncode, -9, f"how the capture ended: {stderr}")


def kills(count, seed):
    def test(folder):
        print(f"# TM_SEED={seed}, {count} kills")
        chance, torn, tails, last_end = random.Random(seed), 0, 0, 0
        journal, acknowledged = folder / "feed", folder / "durable"
        with venue(folder, "--seed", seed, "--symbols", 2, "--rate", 0) as (url, ca_file):
            command = words(url, ca_file, folder)
            for number in range(count):
                killed(command, acknowledged, last_end, chance.random() * 0.06)
                promised = durable(acknowledged)
                end, tail = verified(journal)
                expect(end >= promised, f"kill {number}: {promised} were acknowledged, {end} there")
                torn, tails, last_end = torn + tail, tails + (tail > 0), end
                if number % 10 < 9 and number + 1 < count:
                    continue
                done = run(*command, "--messages", 1000)
                expect_equal(done.code, 0, f"capture behind kill {number}: {done.stderr}")
                summary = json.loads(done.stdout)
                expect_equal(summary["first_seq"], end, "where the next capture begins")
                expect_equal(summary["torn_bytes"], tail, "bytes that it dropped")
                last_end, tail = verified(journal)
                expect_equal((last_end, tail), (summary["next_seq"], 0), "behind a clean end")
        print(f"# {last_end} records kept, {tails} torn tails of {torn} bytes in all")
        expect(last_end > 100 * count, "it was really capturing")
    return test


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--seed", type=int, default=int(os.environ.get("TM_SEED", "20261121")))
    args, sys.argv[1:] = options.parse_args(), []
    harness.add_test("killed at any instant a capture keeps every acknowledged record",
                     kills(args.kills, args.seed))
    harness.main()


main()
