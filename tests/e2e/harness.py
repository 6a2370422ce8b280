"""What the end-to-end tests share: TAP, the programs under test, a folder of part files as rows.

A test is a function named in a sentence; it fails by raising, and skips by raising Skip. Programs
are taken from $TM_BUILD_ROOT (default build/), captures from $TM_SHARED (default ../shared).
"""

import atexit
import csv
import functools
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))

BUILD = Path(os.environ.get("TM_BUILD_ROOT", ROOT / "build"))
BARS = BUILD / "examples/bars"
TIDEMARK = BUILD / "tidemark"
SHARED = Path(os.environ.get("TM_SHARED", ROOT.parent / "shared"))

RUN_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
LISTEN_TIMEOUT_S = 15


class Skip(Exception):
    """Ends a test that cannot run here; the text says why."""


# ---- Tests ---------------------------------------------------------------------------------------

TESTS = []


def test(function):
    """Registers a test; its name with spaces for underscores is what TAP shows."""
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def add_test(name, function):
    TESTS.append((name, function))


@functools.cache
def scratch():
    """A folder for what several tests of a program share; removed at its end."""
    folder = tempfile.mkdtemp(prefix="tidemark-e2e-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def main():
    """Runs the registered tests and exits; each gets a folder of its own, removed afterwards."""
    print(f"1..{len(TESTS)}", flush=True)
    failed = 0
    for number, (name, function) in enumerate(TESTS, 1):
        folder = Path(tempfile.mkdtemp(prefix="tidemark-e2e-"))
        since, verdict, note = time.monotonic(), "ok", ""
        try:
            function(folder)
        except Skip as reason:
            note = f" # SKIP {reason}"
        except Exception as error:  # whatever happens in a test is that test's failure
            verdict, failed = "not ok", failed + 1
            for line in "".join(traceback.format_exception(error)).splitlines():
                print(f"# {line}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        took = f" ({time.monotonic() - since:.2f} s)" if not note else ""
        print(f"{verdict} {number} - {name}{took}{note}", flush=True)
    sys.exit(1 if failed else 0)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def expect_equal(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def cores(count):
    """A --worker-cores list of this many workers on the cores that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return ",".join(str(usable[idx % len(usable)]) for idx in range(count))


# ---- The job -------------------------------------------------------------------------------------

@dataclass
class Run:
    code: int
    stdout: str
    stderr: str

    @property
    def summary(self):
        """The JSON object on the last line of standard output."""
        lines = self.stdout.strip().splitlines()
        if not lines:
            raise AssertionError(f"no summary on standard output; standard error: {self.stderr}")
        return json.loads(lines[-1])

    def counter(self, name):
        """A counter summed over the threads that have it; None where none has."""
        values = [value for key, value in self.summary["counters"].items()
                  if key.split(".")[-1] == name]
        return sum(values) if values else None


def run(*words, timeout=RUN_TIMEOUT_S):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def bars(*options, timeout=RUN_TIMEOUT_S):
    return run(BARS, *options, "--json", timeout=timeout)


def bars_ok(*options, timeout=RUN_TIMEOUT_S):
    """Runs the job and expects it to end well."""
    done = bars(*options, timeout=timeout)
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    return done


def start_bars(*options):
    """Starts the job without waiting for it."""
    return subprocess.Popen([str(BARS), *(str(option) for option in options), "--json"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process, timeout=STOP_TIMEOUT_S):
    """Waits for a started job; one that hangs is killed and fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        _, stderr = process.communicate()
        raise AssertionError(f"the job did not end in {timeout} s; standard error: {stderr}") \
            from None
    return Run(process.returncode, stdout, stderr)


def wait_for(condition, what, timeout=RUN_TIMEOUT_S):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout} s in vain for {what}")


# ---- Part files ----------------------------------------------------------------------------------

def parts(folder):
    """The finished part files below a folder: what any reader would see."""
    return sorted(path for path in Path(folder).rglob("*.parquet")
                  if not any(piece.startswith(".") for piece in path.relative_to(folder).parts))


def hidden(folder):
    """Files of unfinished parts."""
    return sorted(path for path in Path(folder).rglob(".part-*") if path.is_file())


def milliseconds(text):
    """A time as milliseconds, from a number or from ISO 8601 in UTC."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    time_utc = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    since = time_utc - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


DECIMALS = {"open": 8, "high": 8, "low": 8, "close": 8, "volume": 8, "notional": 16}


def row_of(record):
    """One CSV record of a bar in the reference's form; decimals must show their full scale."""
    row = dict(record)
    for name in ("window_start", "window_end"):
        row[name] = milliseconds(row[name])
    for name, scale in DECIMALS.items():
        value = Decimal(row[name])
        if -value.as_tuple().exponent != scale:
            raise AssertionError(f"{name} {row[name]} has not {scale} digits after the point")
        row[name] = format(value, "f")
    row["trades"] = int(row["trades"])
    return row


def read_bars(files):
    """The rows of part files, sorted by symbol and window."""
    files = list(files)
    if not files:
        return []
    done = run(TIDEMARK, "inspect", "--csv", *files)
    expect_equal(done.code, 0, f"tidemark inspect --csv: {done.stderr}")
    rows = [row_of(record) for record in csv.DictReader(io.StringIO(done.stdout))]
    return sorted(rows, key=lambda row: (row["symbol"], row["window_start"]))


def expect_bars(found, wanted):
    """Both as lists of rows; shows the first few differences."""
    found, wanted = list(found), list(wanted)
    key = lambda row: (row["symbol"], row["window_start"])  # noqa: E731
    found_by, wanted_by = {key(row): row for row in found}, {key(row): row for row in wanted}
    wrong = []
    if len(found_by) != len(found):
        wrong.append(f"{len(found) - len(found_by)} bars are there twice")
    wrong += [f"missing {wanted_by[k]}" for k in sorted(wanted_by.keys() - found_by.keys())]
    wrong += [f"nobody asked for {found_by[k]}" for k in sorted(found_by.keys() - wanted_by.keys())]
    wrong += [f"{k}: found {found_by[k]}, wanted {wanted_by[k]}"
              for k in sorted(found_by.keys() & wanted_by.keys()) if found_by[k] != wanted_by[k]]
    if wrong:
        raise AssertionError(f"{len(wrong)} differences, first: " + "; ".join(wrong[:5]))


# ---- Disks --------------------------------------------------------------------------------------

@contextmanager
def mounted(place, options):
    """A small tmpfs, where the machine permits mounts."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Skip(f"mount: {error}") from None
    if done.returncode != 0:
        raise Skip(f"no mount is permitted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


# ---- The simulated exchange ----------------------------------------------------------------------

def free_port():
    """Below the range that the kernel gives to connecting sockets: while the venue is down, another
    test's connection, or the job's own attempt, would otherwise now and then sit on the port."""
    for port in random.sample(range(10000, 30000), 1000):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("there is no free port")


@contextmanager
def venue(folder, *options):
    """A simulated exchange on a free port with a CA of its own; yields (base URL, CA file)."""
    log = Path(folder) / "venue.log"
    tls = Path(folder) / "tls"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [str(TIDEMARK), "venue", "--port", "0", "--plain-port", "0", "--tls-dir", str(tls),
             *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def listening():
        if process.poll() is not None:
            raise AssertionError(f"the venue ended with {process.returncode}: {log.read_text()}")
        return re.search(r"wss://localhost:\d+", log.read_text())

    try:
        url = wait_for(listening, "the venue to listen", LISTEN_TIMEOUT_S).group(0)
        yield url, tls / "ca.pem"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
