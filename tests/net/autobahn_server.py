#!/usr/bin/env python3
"""Plays the cases of the Autobahn test suite to an echo client, as its fuzzing server does.

    autobahn_server.py --client PROGRAM    starts the program with our address, judges every case,
                                           prints TAP
    autobahn_server.py --port N            waits there for a client, prints what failed

The cases are rebuilt from their descriptions in the suite's own table ($TM_SHARED or ../shared,
suites/autobahn/cases.tsv); without it this is skipped. Frames, masks and handshake are
made here bit by bit and deflate is Python's zlib, so nothing of ours is judged by itself.

The compressed cases (12, 13) send fewer messages than the table says where these are long; --full
sends all 1000.
"""

import argparse
import ast
import base64
import csv
import functools
import hashlib
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("TM_SHARED", ROOT.parent / "shared"))
TABLE = SHARED / "suites/autobahn/cases.tsv"
SKIP = 77

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1 = 0x80, 0x40
PROTOCOL, BAD_PAYLOAD, NORMAL = 1002, 1007, 1000

TIMEOUT_S = 30
FAST_S = 5  # within this a client that fails fast has answered
PAUSE_S = 0.05
CASE_BYTES = 1 << 20  # of the compressed cases, unless --full
CASE_MESSAGES_MIN = 8
SEED = 7692


class Failed(Exception):
    """The client did something else than the case expects."""


# ---- A WebSocket, by hand ------------------------------------------------------------------------

def xor(data, key):
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
    return mixed.to_bytes(size, "little")


def frame(first, payload):
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload


class Deflate:
    """Both directions of permessage-deflate, seen from the server."""

    def __init__(self, client_takeover, client_bits):
        self.client_takeover, self.client_bits = client_takeover, client_bits
        self.out = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.into = None

    def compress(self, payload):
        data = self.out.compress(payload) + self.out.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(b"\0\0\xff\xff")

    def decompress(self, payload):
        if self.into is None or not self.client_takeover:
            self.into = zlib.decompressobj(-self.client_bits)
        return self.into.decompress(payload + b"\0\0\xff\xff")


def extensions_of(head):
    """The client's offers of permessage-deflate, each a dictionary of its parameters."""
    offers = []
    for value in re.findall(r"(?mi)^sec-websocket-extensions:(.*)$", head):
        for offer in value.split(","):
            name, *params = [part.strip() for part in offer.split(";")]
            if name == "permessage-deflate":
                pairs = (param.partition("=") for param in params)
                offers.append({key.strip(): value.strip() for key, _, value in pairs})
    return offers


def choose(offers, wishes):
    """The first wish (client without takeover, client's window bits) that an offer allows."""
    for no_takeover, bits in wishes:
        for offer in offers:
            if bits and "client_max_window_bits" not in offer:
                continue
            answer = "permessage-deflate"
            if no_takeover:
                answer += "; client_no_context_takeover"
            if bits:
                answer += f"; client_max_window_bits={bits}"
            return answer, Deflate(not no_takeover, bits or 15)
    return None, None


class Peer:
    """The client at the other end of a connection."""

    def __init__(self, sock):
        sock.settimeout(TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.stream, self.deflate = sock, sock.makefile("rb", 1 << 20), None

    def request(self):
        """The target that the client asks for; its head is kept."""
        lines = []
        while not lines or lines[-1] != b"\r\n":
            lines.append(self.stream.readline(8192))
            if not lines[-1]:
                raise Failed("ended inside its request")
        self.head = b"".join(lines).decode("ascii")
        return self.head.split(" ")[1]

    def accept(self, wishes=None):
        key = re.search(r"(?mi)^sec-websocket-key: *(\S+)", self.head).group(1)
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        answer = ("HTTP/1.1 101 Switching Protocols\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n")
        if wishes:
            extension, self.deflate = choose(extensions_of(self.head), wishes)
            if not extension:
                raise Failed("does not offer permessage-deflate as the case needs it")
            answer += f"Sec-WebSocket-Extensions: {extension}\r\n"
        self.sock.sendall((answer + "\r\n").encode())

    def send(self, data, chop=0):
        if not chop:
            self.sock.sendall(data)
            return
        view = memoryview(data)
        for at in range(0, len(data), chop):
            self.sock.sendall(view[at:at + chop])

    def read(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def receive(self):
        """The next frame: its first byte and its payload, unmasked."""
        first, second = self.read(2)
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack("!H", self.read(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.read(8))
        if not second & 0x80:
            raise Failed("sent a frame that is not masked")
        key = self.read(4)
        return first, xor(self.read(size), key)

    def message(self):
        """The next message or control frame: opcode and payload, put together and inflated."""
        first, payload = self.receive()
        while first in (TEXT, BINARY, RSV1 | TEXT, RSV1 | BINARY):
            more, piece = self.receive()
            if more & 0x7f != CONT:
                raise Failed(f"sent a frame {more:#x} inside a fragmented message")
            first, payload = first | more & FIN, payload + piece
        if first & RSV1:
            if not self.deflate or first & 0x08:
                raise Failed(f"sent a compressed frame {first:#x} where it may not")
            payload = self.deflate.decompress(payload)
        if first & 0xb0 != FIN:
            raise Failed(f"sent a frame {first:#x}")
        return first & 0x0f, payload

    def finish(self):
        """Closes in order: our close frame, the client's, the end of the stream."""
        self.send(frame(FIN | CLOSE, struct.pack("!H", NORMAL)))
        self.expect_close(NORMAL)

    def expect_close(self, code):
        op, payload = self.message()
        want = struct.pack("!H", code) if code else b""
        if op != CLOSE or payload[:2] != want:
            raise Failed(f"sent {show(op, payload)} instead of a close frame with {code}")


def show(op, payload):
    return f"opcode {op}, {len(payload)} bytes, {payload[:24]!r}"


# ---- What a case does ----------------------------------------------------------------------------

@dataclass
class Case:
    """A case of the table: bytes to send, pauses, and what must come back."""
    id: str
    kind: str
    text: str
    ending: str
    steps: list = field(default_factory=list)   # bytes, or seconds to wait
    want: list = field(default_factory=list)    # (opcode, payload) in order
    code: int = None      # of the close frame that the client must send; None: we close
    fails: bool = False   # because we have broken a rule
    fast_at: int = None   # the step before which that close frame must have come
    message: bytearray = field(default_factory=bytearray)
    op: int = TEXT
    over: bool = False

    def number(self, words):
        """The number behind the words: "65536", "4 * 2**20", "64k", "1M"; 0 where there is none."""
        found = re.search(re.escape(words) + r"(\d+)( \* 2\*\*(\d+))?([kM]?)", self.text)
        if not found:
            return 0
        size = int(found[1]) << int(found[3] or 0)
        return size << {"": 0, "k": 10, "M": 20}[found[4] if not found[2] else ""]

    def send(self, first, payload=b""):
        """A frame by the rules: also works out what must come of it."""
        payload = payload if isinstance(payload, bytes) else payload.encode()
        self.steps.append(frame(first, payload))
        op = first & 0x0f
        if self.over:
            return
        if op == PING:
            self.want.append((PONG, payload))
        elif op in (TEXT, BINARY, CONT):
            self.op = op or self.op
            self.message += payload
            if first & FIN:
                self.want.append((self.op, bytes(self.message)))
                self.message.clear()

    def fail(self, code):
        """From here on the client must have given up."""
        if not self.over:
            self.code, self.over, self.fails = code, True, True

    def bad(self, first, payload=b""):
        self.fail(PROTOCOL)
        self.send(first, payload)

    def close(self, payload, code):
        """A close frame of ours that the client must answer with that code (0: an empty frame)."""
        self.steps.append(frame(FIN | CLOSE, payload))
        if payload[:2] != (struct.pack("!H", code) if code else b""):
            self.fail(code)
        elif not self.over:
            self.code, self.over = code, True


def make_lengths(case):
    op = BINARY if "binary" in case.text else TEXT
    size = sum(case.number(words) for words in ("payload of length ", "message with payload ",
                                                "payload size "))
    piece = case.number("in fragments of ") or case.number("FragmentSize = ") or size + 1
    payload = (b"BAsd7&jh23" if op == TEXT else b"\x00\xfe\xff\x80*") * (size // 5 + 1)
    for _ in range(1000 if "Send 1000 " in case.text else 1):
        for at in range(0, max(size, 1), piece):
            first = (FIN if at + piece >= size else 0) | (CONT if at else op)
            case.send(first, payload[at:min(at + piece, size)])


def make_pings(case):
    number = int(case.id.split(".")[1])
    if number == 1:
        case.send(FIN | PING)
    elif number == 2:
        case.send(FIN | PING, "Hello, world!")
    elif number == 3:
        case.send(FIN | PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")
    elif number in (4, 6):
        case.send(FIN | PING, b"\xfe" * 125)
    elif number == 5:
        case.bad(FIN | PING, b"\xfe" * 126)
    elif number in (7, 8, 9):
        case.send(FIN | PONG, "" if number == 7 else "unsolicited pong payload")
        if number == 9:
            case.send(FIN | PING, "ping payload")
    else:
        for idx in range(10):
            case.send(FIN | PING, f"payload-{idx}")


def make_reserved(case):
    rsv, op = case.number("RSV = "), case.number("Opcode = ")
    if op == 0:
        words = {"binary": BINARY, "Send Ping": PING, "Send Close": CLOSE}
        op = next((words[word] for word in words if word in case.text), TEXT)
    if ", then send" in case.text:
        case.send(FIN | TEXT, "Hello, world!")
    case.bad(FIN | rsv << 4 | op, "Hello, world!" if rsv or "non-empty" in case.text else "")
    if "then send Ping" in case.text:
        case.send(FIN | PING)


def make_fragments(case):
    number = int(case.id.split(".")[1])
    if number <= 2:
        case.bad(PING if number == 1 else PONG, "fragment1")
        case.send(FIN | CONT, "fragment2")
    elif number <= 8:
        case.send(TEXT, "fragment1")
        if number >= 6:
            case.send(FIN | PING, "ping payload")
        case.send(FIN | CONT, "fragment2")
    elif number <= 14:
        case.bad((FIN if number <= 11 else 0) | CONT, "non-continuation payload")
        case.send(FIN | TEXT, "Hello, world!")
    elif number == 15:
        case.send(TEXT, "fragment1")
        case.send(FIN | CONT, "fragment2")
        case.bad(CONT, "fragment3")
        case.send(FIN | TEXT, "fragment4")
    elif number <= 17:
        case.bad((FIN if number == 17 else 0) | CONT, "fragment1")
        case.send(TEXT, "fragment2")
        case.send(FIN | CONT, "fragment3")
    elif number == 18:
        case.send(TEXT, "fragment1")
        case.bad(FIN | TEXT, "fragment2")
    else:
        case.send(TEXT, "fragment1")
        case.send(CONT, "fragment2")
        case.send(FIN | PING, "pongme 1!")
        case.steps.append(PAUSE_S)
        case.send(CONT, "fragment3")
        case.send(CONT, "fragment4")
        case.send(FIN | PING, "pongme 2!")
        case.send(FIN | CONT, "fragment5")


def is_text(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def make_utf8(case):
    begin = max(case.text.find("MESSAGE"), case.text.find("Payload: "))
    words = case.text[begin:].split() if begin >= 0 else []
    parts = [bytes.fromhex(word.removeprefix("0x")) for word in words
             if re.fullmatch(r"(0x)?([0-9a-f]{2})+", word)][:4]
    if begin < 0:
        fragments = "3 fragments" in case.text
        case.send(TEXT if fragments else FIN | TEXT)
        if fragments:
            case.send(CONT, "middle frame payload" if "non-empty" in case.text else "")
            case.send(FIN | CONT)
        return
    if not is_text(b"".join(parts)):
        case.fail(BAD_PAYLOAD)
    if "chops of the same message frame" in case.text:
        whole = frame(FIN | TEXT, b"".join(parts))
        first = len(whole) - sum(map(len, parts)) + len(parts[0])
        case.steps = [whole[:first], PAUSE_S, whole[first:first + len(parts[1])],
                      whole[first + len(parts[1]):]]
        case.fast_at = 3
        return
    if "fragments of 1 octet" in case.text:
        parts = [bytes([byte]) for part in parts for byte in part]
    for idx, part in enumerate(parts):
        case.send((FIN if idx + 1 == len(parts) else 0) | (CONT if idx else TEXT), part)
    if case.id.startswith("6.4."):
        case.steps.insert(1, PAUSE_S)
        case.fast_at = 3


def make_close(case):
    _, group, number = map(int, case.id.split("."))
    normal = struct.pack("!H", NORMAL)
    if group == 1:
        if number == 5:
            case.send(TEXT, "fragment1")
        elif number in (1, 6):
            case.send(FIN | TEXT, "Hello World!" if number == 1 else "BAsd7&jh23" * 26000)
        case.close(normal, NORMAL)
        if number == 2:
            case.close(normal, NORMAL)
        elif number in (3, 6):
            case.send(FIN | PING)
        elif number == 4:
            case.send(FIN | TEXT, "Hello World!")
        elif number == 5:
            case.send(FIN | CONT, "fragment2")
    elif group == 3:
        payloads = [b"", b"a", normal, normal + b"Hello World!", normal + b"*" * 123,
                    normal + b"*" * 124]
        codes = [0, PROTOCOL, NORMAL, NORMAL, NORMAL, PROTOCOL]
        case.close(payloads[number - 1], codes[number - 1])
    elif group == 5:
        case.close(normal + b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80", BAD_PAYLOAD)
    else:
        code = case.number("close code ")
        case.close(struct.pack("!H", code), code if group == 7 else PROTOCOL)


MAKERS = {1: make_lengths, 2: make_pings, 3: make_reserved, 4: make_reserved, 5: make_fragments,
          6: make_utf8, 7: make_close, 9: make_lengths, 10: make_lengths}


# ---- Playing a case ------------------------------------------------------------------------------

def agrees_with_table(case):
    """Whether what we expect is what the table says: a failed connection or not."""
    if "undefined by the spec" in case.ending:
        return True
    fails = re.search("failed immediately|protocol error|rejected immediately", case.ending)
    return bool(fails) == case.fails


def expect_all(peer, wanted):
    for op, payload in wanted:
        got = peer.message()
        if got != (op, payload):
            raise Failed(f"sent {show(*got)}; wanted {show(op, payload)}")


def play(peer, case):
    MAKERS[int(case.id.split(".")[0])](case)
    if not agrees_with_table(case):
        raise AssertionError(f"the table expects another end: {case.ending}")
    peer.accept()
    chop = case.number("chops of ") or (1 if "octet-wise chops" in case.text else 0)
    if "Send 1000 " in case.text:
        for step, wanted in zip(case.steps, case.want):
            peer.send(step)
            expect_all(peer, [wanted])
        peer.finish()
        return
    if not any(isinstance(step, float) for step in case.steps) and "frame-wise" not in case.text:
        case.steps = [b"".join(case.steps)]
    for idx, step in enumerate(case.steps):
        if idx == case.fast_at:
            peer.sock.settimeout(FAST_S)
            break
        if isinstance(step, float):
            time.sleep(step)
        else:
            try:
                peer.send(step, chop)
            except (BrokenPipeError, ConnectionResetError):
                break  # it gave up, as it should where it should
    expect_all(peer, case.want)
    if case.code is None:
        peer.finish()
    else:
        peer.expect_close(case.code)


@functools.cache
def test_data(kind):
    """Something of the kind and size that the table names: easy to compress, or not at all."""
    rng = random.Random(SEED)
    size = int(re.search(r"(\d+) bytes", kind)[1])
    if "PDF" in kind:
        return rng.randbytes(size), BINARY
    if "Bitmap" in kind:
        level, data = 128, bytearray()
        for _ in range(size):
            level = (level + rng.randrange(-3, 4)) % 256
            data.append(level)
        return bytes(data), BINARY
    words = ["price", "quantity", "symbol", "BTCUSDT", "trade", "0.00128000", "Gr\u00fcn", "Baum"]
    if "utf8" in kind:
        words = [f'{{"{word}":"{idx * 7919}"}},' for idx, word in enumerate(words[:6])]
    text = " ".join(rng.choice(words) + str(rng.randrange(1000)) for _ in range(size // 4))
    return text.encode("latin-1")[:size], TEXT if "(utf8" in kind else BINARY


def play_compressed(peer, case, full):
    params = re.search(r"\[\(.*\)\]", case.text)
    peer.accept(ast.literal_eval(params[0]) if params else [(False, 0)])
    data, op = test_data(case.kind)
    size, piece = case.number("payload size "), case.number("auto-fragment to ")
    count = 1000 if full else max(CASE_MESSAGES_MIN, min(1000, CASE_BYTES // size))
    for idx in range(count):
        at = idx * size % len(data)
        message = (data[at:] + data * (size // len(data) + 1))[:size]
        wire = peer.deflate.compress(message)
        frames, step = [], piece or len(wire)
        for begin in range(0, len(wire), step):
            last = begin + step >= len(wire)
            frames.append(frame((FIN if last else 0) | (CONT if begin else RSV1 | op),
                                wire[begin:begin + step]))
        peer.send(b"".join(frames))
        expect_all(peer, [(op, message)])
    peer.finish()


def read_table():
    with open(TABLE, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return rows


class Server:
    def __init__(self, port, full):
        self.rows, self.full, self.failed, self.ran = read_table(), full, {}, set()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(TIMEOUT_S)
        self.port = self.listener.getsockname()[1]

    def run_case(self, peer, number):
        _, case_id, kind, sub_kind, text, ending = self.rows[number - 1]
        case = Case(case_id, sub_kind or kind, text, ending)
        try:
            if int(case_id.split(".")[0]) >= 12:
                play_compressed(peer, case, self.full)
            else:
                play(peer, case)
        except EOFError:
            self.failed[case_id] = "ended without a close frame"
        except (Failed, AssertionError, OSError, zlib.error) as why:
            self.failed[case_id] = str(why) or repr(why)
        self.ran.add(case_id)

    def serve_one(self):
        """Serves one connection. False once the client has asked for the reports."""
        sock, _ = self.listener.accept()
        with sock:
            peer = Peer(sock)
            target = peer.request()
            if target.startswith("/runCase?case="):
                self.run_case(peer, int(re.match(r"/runCase\?case=(\d+)&agent=\w", target)[1]))
                return True
            peer.accept()
            if target == "/getCaseCount":
                peer.send(frame(FIN | TEXT, str(len(self.rows)).encode()))
            peer.finish()
            return not target.startswith("/updateReports?agent=")

    def report(self):
        """One TAP line a category."""
        groups = {}
        for row in self.rows:
            groups.setdefault((int(row[1].split(".")[0]), row[2]), []).append(row[1])
        for (number, name), ids in groups.items():
            bad = [case_id for case_id in ids if case_id not in self.ran or case_id in self.failed]
            for case_id in bad:
                print(f"# case {case_id}: {self.failed.get(case_id, 'was not run')}")
            print(f"{'not ok' if bad else 'ok'} - {number}. {name}: {len(ids)} cases")
        return not self.failed and len(self.ran) == len(self.rows)


def run_client(server, program):
    """Runs the client against the server. Returns its exit status."""
    with tempfile.TemporaryFile("w+") as out:
        command = [program, f"ws://127.0.0.1:{server.port}"]
        client = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            while server.serve_one():
                pass
            code = client.wait(TIMEOUT_S)
        except (OSError, EOFError, Failed) as why:
            client.kill()
            code = f"{client.wait()} ({why})"
        out.seek(0)
        lines = out.read().splitlines()
        print(f"# {lines[-1] if lines else 'the client printed nothing'}")
        return code


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--client", metavar="PROGRAM")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--full", action="store_true")
    options = options.parse_args()
    if not TABLE.exists():
        print(f"1..0 # SKIP {TABLE} is not there; set TM_SHARED")
        sys.exit(0 if options.client else SKIP)
    server = Server(options.port, options.full)
    if not options.client:
        print(f"# ws://127.0.0.1:{server.port}", flush=True)
        server.listener.settimeout(None)
        while server.serve_one():
            pass
        sys.exit(0 if server.report() else 1)
    code = run_client(server, options.client)
    good = server.report()
    print(f"{'ok' if code == 0 else 'not ok'} - the client ends with status 0: {code}")
    categories = len({row[1].split(".")[0] for row in server.rows})
    print(f"1..{categories + 1}")
    sys.exit(0 if good and code == 0 else 1)


if __name__ == "__main__":
    main()
