#!/usr/bin/env python3
"""Journals leave as Parquet and JSON lines and come back with every record; another reader sees the
same messages in the Parquet."""

import json
import shutil
import subprocess

import harness
import synthetic
from harness import ROOT, SHARED, TIDEMARK, Skip, expect, expect_equal, run, test

SKIPPED = 77  # of read_parts.mjs: its packages are not installed
CAPTURES = ("spot_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz", "usdm_btcusdt_20240808.gz",
            "cm_btcusd_perp_20240808.gz", "spot_btcusdt_20230405.dat.gz",
            "usdm_btcusdt_20230405.dat.gz", "BYBIT.ws.25.0.xz", "OKX.ws.1.0.xz",
            "COINBASE.ws.28.0.xz", "KRAKEN.ws.50.0.xz")


def journal(*words):
    done = run(TIDEMARK, "journal", *words)
    expect_equal(done.code, 0, f"exit status of {words}; standard error: {done.stderr}")
    return done.stdout


def records(folder):
    return journal("cat", folder).splitlines()


def comes_back(folder, source, forms):
    """The journal's records after an export and an import in each form are those before."""
    wanted = records(source)
    expect(wanted, f"{source} has records")
    for form in forms:
        out, again = folder / f"{source.name}.{form}", folder / f"{source.name}-{form}"
        journal("export", "--format", form, "--out", out, source)
        journal("import", out, again)
        found = records(again)
        expect_equal(len(found), len(wanted), f"records of {source.name} by {form}")
        for number, (one, other) in enumerate(zip(found, wanted)):
            expect_equal(one, other, f"record {number} of {source.name} by {form}")
        shutil.rmtree(again)
        out.unlink()


@test
def every_shared_capture_comes_back_from_parquet(folder):
    some = [SHARED / "captures" / name for name in CAPTURES]
    some = [path for path in some if path.exists()]
    if not some:
        raise Skip(f"{SHARED / 'captures'} is not there")
    for path in some:
        source = folder / path.name.split(".", maxsplit=1)[0]
        journal("import", path, source)
        comes_back(folder, source, ["parquet"])
        shutil.rmtree(source)


@test
def what_a_capture_recorded_comes_back_with_its_events(folder):
    source = folder / "j"
    with harness.venue(folder, "--rate", 0, "--messages", 4000, "--wait-clients", 1) as (url, ca):
        done = run(TIDEMARK, "capture", "--connect",
                   f"{url}/stream?streams=btcusdt@trade/ethusdt@bookTicker", "--ca-file", ca,
                   "--on-close", "end", "--quiet", source)
    expect_equal(done.code, 0, f"exit status: {done.stderr}")
    kinds = {json.loads(line)["kind"] for line in records(source)}
    expect({"text", "connect", "disconnect", "stream"} <= kinds, f"kinds: {kinds}")
    comes_back(folder, source, ["parquet", "json"])


@test
def another_reader_of_parquet_sees_the_same_messages(folder):
    text, out = folder / "capture.txt", folder / "frames.parquet"
    synthetic.write(text, seed=6, seconds=20, rate=100)
    journal("import", text, folder / "j")
    journal("export", "--format", "parquet", "--out", out, folder / "j")
    node = shutil.which("node")
    if not node:
        raise Skip("node is not installed")
    for reader in ("duckdb", "hyparquet"):
        done = subprocess.run([node, str(ROOT / "tests/readers/read_parts.mjs"), reader, str(out)],
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == SKIPPED:
            raise Skip(done.stderr.strip())
        expect_equal(done.returncode, 0, f"exit status of {reader}: {done.stderr}")
        rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
        lines = text.read_text().splitlines()
        expect_equal([row[6] for row in rows], [line.split(" ", 1)[1] for line in lines],
                     f"messages by {reader}")
        expect_equal([row[0] for row in rows], [str(seq) for seq in range(len(lines))], "sequences")
        unit = 1000 if reader == "duckdb" else 1  # it gives times with a zone in microseconds
        expect_equal([int(row[1]) for row in rows],
                     [int(line.split(" ", 1)[0]) // unit for line in lines], f"times by {reader}")


if __name__ == "__main__":
    harness.main()
