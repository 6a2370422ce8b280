#!/usr/bin/env python3
"""tidemark capture and replay as a person uses them: feeds recorded, ended, killed, cut, filled up;
recordings printed by range, stream and pace."""

import gzip
import json
import re
import signal
import socket
import subprocess
import time

import harness
import synthetic
from harness import (SHARED, TIDEMARK, Skip, expect, expect_equal, mounted, run, test, venue,
                     wait_for)

STREAMS = "btcusdt@trade/btcusdt@bookTicker/ethusdt@trade"


def capture(*words, timeout=60):
    return run(TIDEMARK, "capture", *words, timeout=timeout)


def capture_ok(*words):
    done = capture(*words, "--json")
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    return done.summary


def start(*words):
    return subprocess.Popen([str(TIDEMARK), "capture", *map(str, words), "--json"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def records(journal, *options):
    done = run(TIDEMARK, "journal", "cat", *options, journal)
    expect_equal(done.code, 0, f"cat: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def verified(journal):
    done = run(TIDEMARK, "journal", "verify", journal)
    expect_equal(done.code, 0, f"verify: {done.stdout}{done.stderr}")


def replay(*words):
    done = run(TIDEMARK, "replay", *words)
    expect_equal(done.code, 0, f"exit status of {words}; standard error: {done.stderr}")
    return done


def file_sizes(folder):
    return sum(path.stat().st_size for path in folder.glob("journal-*"))


@test
def two_connections_are_recorded_under_their_addresses_and_streams(folder):
    with venue(folder, "--rate", 0, "--messages", 20000, "--wait-clients", 2) as (url, ca_file):
        done = capture_ok("--connect", f"{url}/stream?streams=btcusdt@trade/btcusdt@bookTicker",
                          "--connect", f"{url}/ws/ethusdt@trade", "--ca-file", ca_file,
                          "--on-close", "end", "--label", "two feeds", folder / "j")
    verified(folder / "j")
    found = records(folder / "j")
    messages = [row for row in found if row["kind"] == "text"]
    expect_equal(len(messages), done["messages"], "messages of the summary")
    expect_equal(done["next_seq"], len(found), "sequences of the summary")
    connects = {row["conn"]: row["data"] for row in found if row["kind"] == "connect"}
    expect_equal(connects, {0: f"{url}/stream?streams=btcusdt@trade/btcusdt@bookTicker",
                            1: f"{url}/ws/ethusdt@trade"}, "connect events")
    expect_equal([row["code"] < 0 for row in found if row["kind"] == "disconnect"], [True] * 2,
                 "disconnect events")
    names = {row["stream"]: row["data"] for row in found if row["kind"] == "stream"}
    expect_equal(sorted(names.values()), ["btcusdt@bookTicker", "btcusdt@trade"], "streams")
    for row in messages:
        name = json.loads(row["data"]).get("stream")
        expect_equal(names.get(row["stream"]), name, f"stream of sequence {row['seq']}")
        expect_equal(row["conn"], 0 if name else 1, f"connection of sequence {row['seq']}")
    listing = run(TIDEMARK, "journal", "ls", "--streams", folder / "j").stdout
    expect("two feeds" in listing and "btcusdt@bookTicker" in listing, listing)


@test
def messages_and_durations_end_a_capture(folder):
    with venue(folder, "--rate", 2000) as (url, ca_file):
        words = ["--connect", f"{url}/stream?streams={STREAMS}", "--ca-file", ca_file]
        expect_equal(capture_ok(*words, "--messages", 777, folder / "j")["messages"], 777, "first")
        done = capture_ok(*words, "--duration", "500ms", folder / "j")
        expect(0 < done["messages"] < 2000 and 0.3 < done["elapsed_s"] < 1.5, done)
    verified(folder / "j")
    found = records(folder / "j")
    expect_equal([row["seq"] for row in found], list(range(len(found))), "sequences")
    expect_equal(sum(row["kind"] == "text" for row in found), 777 + done["messages"], "messages")


@test
def a_signal_ends_a_capture_in_order_and_a_kill_costs_its_tail_at_most(folder):
    journal = folder / "j"
    with venue(folder, "--rate", 5000) as (url, ca_file):
        words = ["--connect", f"{url}/stream?streams={STREAMS}", "--ca-file", ca_file, journal]
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            seen = file_sizes(journal) if journal.exists() else 0
            job = start(*words, "--rotate", "64K")
            wait_for(lambda seen=seen: journal.exists() and file_sizes(journal) > seen + 200_000,
                     "the capture to write", 20)
            job.send_signal(sign)
            done = harness.finish(job)
            if sign != signal.SIGKILL:
                expect_equal(done.code, 0, f"exit status after {sign}: {done.stderr}")
                verified(journal)
        before = len(records(journal))
        done = capture_ok(*words, "--messages", 10)
    expect_equal(done["first_seq"], before, "the sequence that the next capture begins with")
    verified(journal)
    found = records(journal)
    expect_equal([row["seq"] for row in found], list(range(len(found))), "sequences")


@test
def segments_end_at_their_size_and_old_ones_go(folder):
    with venue(folder, "--rate", 0, "--messages", 30000) as (url, ca_file):
        done = capture_ok("--connect", f"{url}/stream?streams={STREAMS}", "--ca-file", ca_file,
                          "--on-close", "end", "--rotate", "256K", "--keep", "1M", folder / "j")
    sizes = [path.stat().st_size for path in (folder / "j").glob("journal-*.tmj")]
    expect(max(sizes) <= (256 << 10) + 4096, sizes)  # the seal comes on top
    expect(sum(sizes) <= (1 << 20) + 2 * (256 << 10), sizes)
    expect(done["removed_segments"] > 0, done)
    found = records(folder / "j")
    expect_equal(found[-1]["seq"] + 1, done["next_seq"], "the newest are there")


def connects(journal):
    if not any(journal.glob("journal-*")):
        return 0
    return sum(row["kind"] == "connect" for row in records(journal))


@test
def a_venue_that_dies_and_comes_back_is_recorded_as_two_streams(folder):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    job = None
    try:
        for life in range(2):
            with venue(folder, "--port", port, "--no-plain", "--rate", 1000) as (url, ca_file):
                if life == 0:
                    job = start("--connect", f"{url}/stream?streams={STREAMS}", "--ca-file",
                                ca_file, "--sync", "each", folder / "j")
                wait_for(lambda n=life + 1: n <= connects(folder / "j"), "a connect", 20)
                time.sleep(0.3)
        job.send_signal(signal.SIGINT)
        done = harness.finish(job)
        job = None
    finally:
        if job:
            job.kill()
    expect_equal(done.code, 0, f"exit status: {done.stderr}")
    kinds = [row["kind"] for row in records(folder / "j") if row["kind"] in
             ("connect", "disconnect")]
    expect_equal(kinds[:3], ["connect", "disconnect", "connect"], "events in their order")
    expect(done.summary["reconnects"] >= 1, done.stdout)
    verified(folder / "j")


@test
def a_full_disk_holds_the_feed_and_what_is_acknowledged_stays(folder):
    with mounted(folder / "small", "size=4m") as place:
        with venue(folder, "--rate", 0) as (url, ca_file):
            job = start("--connect", f"{url}/stream?streams={STREAMS}", "--ca-file", ca_file,
                        "--rotate", "1M", "--buffer", "1M", place / "j")
            (place / "filler").write_bytes(bytes(1 << 20))
            wait_for(lambda: sum(path.stat().st_blocks for path in (place / "j").glob("*")) * 512 >
                     2_800_000, "the disk to fill", 20)
            time.sleep(0.5)
            expect_equal(job.poll(), None, "the capture waits for room")
            (place / "filler").unlink()
            time.sleep(0.5)
            expect_equal(job.poll(), None, "the capture goes on")
            job.send_signal(signal.SIGINT)
            done = harness.finish(job)
        expect("pace" in done.stderr, done.stderr)
        expect_equal(done.code, 1, "exit status: records in memory found no room")
        found = records(place / "j")
        expect_equal([row["seq"] for row in found], list(range(len(found))), "sequences")
        expect(len(found) >= done.summary["next_seq"], "nothing acknowledged is missing")


@test
def a_recording_on_a_read_only_disk_is_read_and_not_written(folder):
    source = folder / "capture.txt"
    synthetic.write(source, seed=3, seconds=5, rate=50)
    with mounted(folder / "disk", "size=8m") as place:
        expect_equal(run(TIDEMARK, "journal", "import", source, place / "j").code, 0, "import")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        lines = replay("--speed", "max", place / "j").stdout
        expect_equal(lines.encode(), source.read_bytes(), "lines")
        verified(place / "j")
        done = run(TIDEMARK, "journal", "import", source, place / "j")
        expect_equal(done.code, 1, "exit status of a second import")
        expect(str(place / "j") in done.stderr and "ead-only" in done.stderr, done.stderr)


# ---- replay --------------------------------------------------------------------------------------

def shared(name):
    path = SHARED / "captures" / name
    if not path.exists():
        raise Skip(f"{path} is not there")
    return path


@test
def replay_chooses_by_time_and_stream_alike_from_a_capture_and_its_journal(folder):
    source = shared("spot_btcusdt_20240808.gz")
    expect_equal(run(TIDEMARK, "journal", "import", source, folder / "j").code, 0, "import")
    lines = gzip.open(source, "rt").read().splitlines()
    stamps = [int(line.split()[0]) for line in lines]
    first, last = stamps[len(lines) // 3], stamps[len(lines) // 2]
    begin = next(i for i, stamp in enumerate(stamps) if stamp >= first)
    end = next(i for i in range(begin, len(stamps)) if stamps[i] >= last)
    for patterns, wanted in ((["btcusdt@trade"], "btcusdt@trade"), (["*@bookTicker"], "bookTicker"),
                             (["btcusdt@trade", "*@bookTicker"], "@trade|@bookTicker")):
        chosen = [line for line in lines[begin:end]
                  if re.search(rf'"stream":"[^"]*({wanted})"', line)]
        words = [word for pattern in patterns for word in ("--stream", pattern)]
        for recording in (source, folder / "j"):
            done = replay("--speed", "max", "--from", first, "--to", last, *words, recording)
            expect(done.stdout.splitlines() == chosen, f"{patterns} of {recording.name}")


@test
def recordings_side_by_side_come_out_merged_by_time(folder):
    sources = [shared("spot_btcusdt_20240808.gz"), shared("spot_ethusdt_20240808.gz")]
    lines = [line for source in sources for line in gzip.open(source, "rt").read().splitlines()]
    found = replay("--speed", "max", *sources).stdout.splitlines()
    expect(sorted(found) == sorted(lines), "all lines of both")
    stamps = [int(line[:19]) for line in found]
    expect(stamps == sorted(stamps), "in order of receipt")


@test
def logs_of_cryptofeed_and_tardis_are_replayed_message_by_message(folder):
    import lzma
    for name in ("BYBIT.ws.25.0.xz", "OKX.ws.1.0.xz", "COINBASE.ws.28.0.xz", "KRAKEN.ws.50.0.xz"):
        source = shared(name)
        wanted = [line.split(": ", 1)[1] for line in lzma.open(source, "rt").read().splitlines()
                  if re.match(r"\d+(\.\d+)?: ", line)]
        raw = replay("--speed", "max", "--format", "raw", source).stdout.splitlines()
        expect(wanted and raw == wanted, name)
        tardis = folder / f"{name}.tardis.gz"
        replay("--speed", "max", "--format", "tardis", "--out", tardis, source)
        raw = replay("--speed", "max", "--format", "raw", tardis).stdout.splitlines()
        expect(raw == wanted, f"{name} by way of tardis")


@test
def a_paced_replay_keeps_to_the_schedule_whatever_its_reader_does(folder):
    path = folder / "schedule.txt"
    path.write_text("".join(f"{1_700_000_000_000_000_000 + i * 10_000_000} {{}}\n"
                            for i in range(101)))
    for speed, seconds in (("1x", 1.0), ("4x", 0.25)):
        since = time.monotonic()
        expect_equal(len(replay("--speed", speed, path).stdout.splitlines()), 101, "lines")
        took = time.monotonic() - since
        expect(seconds <= took < seconds + 1, f"{speed} took {took} s")
    # A reader that stops for most of the second makes lines late; the schedule still ends in time.
    with open(folder / "big.txt", "w", encoding="utf-8") as out:
        out.writelines(f"{1_700_000_000_000_000_000 + i * 1_000_000} {'x' * 2000}\n"
                       for i in range(1001))
    since = time.monotonic()
    job = subprocess.Popen([str(TIDEMARK), "replay", folder / "big.txt"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)
    stdout, stderr = job.communicate(timeout=20)
    took = time.monotonic() - since
    expect_equal(len(stdout.splitlines()), 1001, "lines")
    expect(1.0 <= took < 1.7, f"took {took} s")
    late_us = float(re.search(r"max ([\d.]+) us", stderr).group(1))
    expect(late_us > 300_000, f"lateness is told: {stderr}")


@test
def mistakes_on_the_command_line_end_with_status_2_and_a_remedy(folder):
    for verb, words in (("capture", []), ("capture", [folder]), ("capture", ["--connect", "wss://x"]),
                        ("capture", ["--connect", "ftp://x", folder / "j"]),
                        ("capture", ["--keep", "much", folder]), ("replay", []),
                        ("replay", ["--speed", "0", "x"]), ("replay", ["--from", "noon", "x"])):
        done = run(TIDEMARK, verb, *words)
        expect_equal(done.code, 2, f"exit status of {verb} {words}; {done.stderr}")
        expect(done.stderr.startswith(f"tidemark {verb}: "), done.stderr)
    done = run(TIDEMARK, "replay", folder / "nosuch")
    expect_equal(done.code, 1, "exit status of a recording that is not there")
    expect(str(folder / "nosuch") in done.stderr, done.stderr)
    for verb in ("capture", "replay"):
        done = run(TIDEMARK, verb, "--help")
        expect_equal(done.code, 0, f"{verb} --help")
        expect(all(len(line) <= 105 for line in done.stdout.splitlines()), f"{verb} --help fits")


if __name__ == "__main__":
    harness.main()
