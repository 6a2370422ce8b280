#!/usr/bin/env python3
"""tidemark journal as a person uses it: captures in, captures out, byte for byte; damage named."""

import gzip
import json
import lzma

import harness
import synthetic
from harness import SHARED, TIDEMARK, Skip, expect, expect_equal, run, test


def journal(*words):
    return run(TIDEMARK, "journal", *words)


def journal_ok(*words):
    done = journal(*words)
    expect_equal(done.code, 0, f"exit status of {words}; standard error: {done.stderr}")
    return done.stdout


def capture(folder):
    path = folder / "capture.txt"
    synthetic.write(path, seed=5, seconds=20, rate=200)
    return path


def shared(name):
    path = SHARED / "captures" / name
    if not path.exists():
        raise Skip(f"{path} is not there")
    return path


def back(folder, form, source):
    """Imports, exports in that form, and returns what came out."""
    out = folder / f"out-{form}"
    journal_ok("import", "--format", form, source, folder / f"j-{form}")
    journal_ok("export", "--format", form, "--out", out, folder / f"j-{form}")
    return out.read_bytes()


@test
def lines_tardis_and_json_come_back_byte_for_byte(folder):
    source = capture(folder)
    lines = source.read_bytes()
    expect_equal(back(folder, "lines", source), lines, "lines")
    for form in ("tardis", "json"):
        text = folder / f"{form}.gz"
        journal_ok("export", "--format", form, "--out", text, folder / "j-lines")
        journal_ok("import", text, folder / f"by-{form}")
        expect_equal(journal_ok("export", folder / f"by-{form}").encode(), lines, form)


@test
def real_captures_of_five_venues_come_back_byte_for_byte(folder):
    source = shared("spot_btcusdt_20240808.gz")
    expect_equal(back(folder, "lines", source), gzip.open(source).read(), source.name)
    for name in ("BYBIT.ws.25.0.xz", "OKX.ws.1.0.xz", "COINBASE.ws.28.0.xz", "KRAKEN.ws.50.0.xz"):
        source, place = shared(name), folder / name
        place.mkdir()
        wanted = lzma.open(source).read().replace(b"\n\n", b"\n").lstrip(b"\n")
        expect_equal(back(place, "cryptofeed", source).rstrip(b"\n"), wanted.rstrip(b"\n"), name)


@test
def packing_keeps_every_record_and_unpacking_every_byte(folder):
    journal_ok("import", "--segment", "1", capture(folder), folder / "j")
    before = {path.name: path.read_bytes() for path in (folder / "j").iterdir()}
    lines = journal_ok("export", folder / "j")
    journal_ok("pack", folder / "j")
    expect(all(path.suffix == ".tmz" for path in (folder / "j").iterdir()), "all are packed")
    expect_equal(journal_ok("export", folder / "j"), lines, "records of the packed journal")
    journal_ok("verify", folder / "j")
    journal_ok("unpack", folder / "j")
    after = {path.name: path.read_bytes() for path in (folder / "j").iterdir()}
    expect(after == before, "the files are the same again")


@test
def cat_chooses_by_time_and_ls_tells_what_there_is(folder):
    source = capture(folder)
    stamps = [int(line.split()[0]) for line in source.read_text().splitlines()]
    journal_ok("import", "--label", "a label", source, folder / "j")
    first, last = stamps[len(stamps) // 3], stamps[len(stamps) // 2]
    rows = [json.loads(line) for line in
            journal_ok("cat", "--from", str(first), "--to", str(last), folder / "j").splitlines()]
    start = next(i for i, stamp in enumerate(stamps) if stamp >= first)
    end = next(i for i in range(start, len(stamps)) if stamps[i] >= last)
    expect_equal([row["recv_ns"] for row in rows], stamps[start:end], "receive times")
    expect_equal(rows[0]["seq"], start, "first sequence")
    listing = journal_ok("ls", "--streams", folder / "j")
    expect("a label" in listing and "sealed" in listing and f" {len(stamps)} " in listing, listing)


@test
def verify_names_file_and_offset_of_a_damage(folder):
    journal_ok("import", capture(folder), folder / "j")
    journal_ok("verify", folder / "j")
    path = next((folder / "j").iterdir())
    content = bytearray(path.read_bytes())
    content[4096 + 40] ^= 1
    path.write_bytes(content)
    done = journal("verify", folder / "j")
    expect_equal(done.code, 1, "exit status")
    expect(f"{path}: offset 4096: bad payload" in done.stdout and "sequence 0 lost" in done.stdout,
           done.stdout)
    done = journal("cat", "--strict", "--out", "/dev/null", folder / "j")
    expect_equal(done.code, 1, "exit status of cat --strict")
    expect("offset 4096" in done.stderr, done.stderr)


@test
def a_bad_line_is_named_by_file_and_number_and_nothing_before_it_is_lost(folder):
    text = folder / "bad.txt"
    text.write_text("1700000000000000000 {\"a\":1}\n1700000000000000001 {\"a\":2}\nnoise\n")
    done = journal("import", text, folder / "j")
    expect_equal(done.code, 1, "exit status")
    expect(f"{text}:3" in done.stderr and "2 records" in done.stderr, done.stderr)
    expect_equal(len(journal_ok("export", folder / "j").splitlines()), 2, "records kept")
    done = journal("import", "--skip-bad", text, folder / "j2")
    expect_equal(done.code, 0, "exit status with --skip-bad")
    expect("1 lines left out" in done.stdout, done.stdout)


@test
def mistakes_on_the_command_line_end_with_status_2_and_a_remedy(folder):
    for words in (["ls"], ["cat"], ["verify"], ["import", "x"], ["export", "--format", "pdf", "x"],
                  ["cat", "--from", "yesterday", "x"], ["nosuch"], ["ls", "--nosuch"]):
        done = journal(*words)
        expect_equal(done.code, 2, f"exit status of {words}; standard error: {done.stderr}")
    done = journal("ls", folder)
    expect_equal(done.code, 1, "exit status of an empty folder")
    expect(str(folder) in done.stderr, done.stderr)
    for verb in ("ls", "verify", "cat", "export", "import", "pack", "unpack"):
        done = journal(verb, "--help")
        expect_equal(done.code, 0, f"{verb} --help")
        expect(all(len(line) <= 100 for line in done.stdout.splitlines()), f"{verb} --help fits")


if __name__ == "__main__":
    harness.main()
