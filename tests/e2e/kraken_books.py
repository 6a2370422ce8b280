#!/usr/bin/env python3
"""A live job on a venue that proves its books by checksums: a message that never came is noticed,
told, and the book is asked for anew. The venue is a few lines of Python: sockets, the book as a
dictionary, and zlib's CRC-32 over it as the venue's guide says."""

import base64
import hashlib
import json
import os
import random
import socket
import struct
import threading
import zlib

from harness import BUILD, cores, expect, expect_equal, main, run, test

SEED = int(os.environ.get("TM_SEED", random.SystemRandom().randrange(1 << 30)))
DEPTH = 25


class Book:
    """Prices in cents, quantities in millionths."""

    def __init__(self, rng, mid):
        self.rng, self.mid = rng, mid
        self.sides = {"bids": {mid - 1 - i: rng.randrange(1, 10**9) for i in range(DEPTH - 5)},
                      "asks": {mid + i: rng.randrange(1, 10**9) for i in range(DEPTH - 5)}}

    def best(self, side):
        return sorted(self.sides[side], reverse=side == "bids")[:10]

    def checksum(self):
        text = "".join(f"{price}{self.sides[side][price]}" for side in ("asks", "bids")
                       for price in self.best(side))
        return zlib.crc32(text.encode())

    def message(self, kind, symbol, levels):
        text = {side: ",".join(f'{{"price":{price // 100}.{price % 100:02d},"qty":{qty // 10**6}.'
                               f'{qty % 10**6:06d}}}' for price, qty in levels.get(side, []))
                for side in ("bids", "asks")}
        when = "" if kind == "snapshot" else ',"timestamp":"2024-08-08T10:00:00.123456Z"'
        return (f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":'
                f'[{text["bids"]}],"asks":[{text["asks"]}],"checksum":{self.checksum()}{when}}}]}}')

    def snapshot(self, symbol):
        return self.message("snapshot", symbol,
                            {side: list(levels.items()) for side, levels in self.sides.items()})

    def change(self, symbol, side=None):
        """Another quantity of one of the best levels."""
        side = side or self.rng.choice(("bids", "asks"))
        price = self.rng.choice(self.best(side))
        self.sides[side][price] = self.rng.randrange(1, 10**9)
        return self.message("update", symbol, {side: [(price, self.sides[side][price])]})


class Peer:
    """One WebSocket as a server."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")
        key = ""
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(":")
            if name.lower() == "sec-websocket-key":
                key = value.strip()
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                     + base64.b64encode(accept) + b"\r\n\r\n")

    def send(self, text, op=0x81):
        data = text if isinstance(text, bytes) else text.encode()
        head = (bytes([op, len(data)]) if len(data) < 126
                else bytes([op, 126]) + struct.pack(">H", len(data)))
        self.sock.sendall(head + data)

    def request(self):
        """The next text, as JSON."""
        head = self.file.read(2)
        size = head[1] & 127
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        mask, data = self.file.read(4), self.file.read(size)
        return json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))


class Venue:
    """Loses one message of BTC/USD, and goes on until it is asked for the book anew."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.asked, self.levels, self.error = [], 0, None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            self.talk(Peer(self.server.accept()[0]))
        except Exception as error:  # the test's own thread shows it
            self.error = error

    def acknowledge(self, peer, method):
        asked = peer.request()
        expect_equal(asked["method"], method, "method")
        self.asked.append(asked)
        for symbol in asked["params"]["symbol"]:
            peer.send(json.dumps({"method": method, "result": {"symbol": symbol},
                                  "success": True, "req_id": asked["req_id"]}))
        return asked["params"]["symbol"]

    def put(self, peer, text):
        self.levels += text.count('"qty"')
        peer.send(text)

    def talk(self, peer):
        rng = random.Random(SEED)
        books = {"BTC/USD": Book(rng, 6123400), "ETH/USD": Book(rng, 251200)}
        expect_equal(sorted(self.acknowledge(peer, "subscribe")), sorted(books), "symbols")
        for symbol, book in books.items():
            self.put(peer, book.snapshot(symbol))
        for _ in range(200):
            for symbol, book in books.items():
                self.put(peer, book.change(symbol))
        books["BTC/USD"].change("BTC/USD", "asks")  # and nobody hears of it
        for _ in range(20):
            for symbol, book in books.items():
                self.put(peer, book.change(symbol, "bids"))
        expect_equal(self.acknowledge(peer, "unsubscribe"), ["BTC/USD"], "left")
        expect_equal(self.acknowledge(peer, "subscribe"), ["BTC/USD"], "asked for anew")
        self.put(peer, books["BTC/USD"].snapshot("BTC/USD"))
        for _ in range(200):
            for symbol, book in books.items():
                self.put(peer, book.change(symbol))
        peer.send(struct.pack(">H", 1000), 0x88)
        peer.file.read()


@test
def a_message_that_never_came_is_noticed_by_the_checksum_and_the_book_comes_anew(folder):
    print(f"# TM_SEED={SEED}")
    venue = Venue()
    os.environ["TM_ROWS"] = "level"
    done = run(BUILD / "tests/e2e/rows_job", "--connect", f"ws://127.0.0.1:{venue.port}",
               "--venue", "kraken", "--stream", f"book.{DEPTH}:BTC/USD,book.{DEPTH}:ETH/USD",
               "--out", folder / "out", "--worker-cores", cores(2), "--json")
    venue.thread.join(10)
    expect(venue.error is None, f"the venue: {venue.error!r}; standard error: {done.stderr}")
    expect_equal(done.code, 0, f"exit status; standard error: {done.stderr}")
    expect_equal(done.counter("book_mismatches"), 1, f"mismatches; {done.stderr}")
    expect_equal(done.counter("resyncs"), 1, "resyncs")
    expect_equal(done.counter("dead_letters"), 0, "dead letters")
    expect_equal(done.counter("venue_errors"), 0, "complaints")
    expect("BTC/USD: the book differs from its checksum" in done.stderr, done.stderr)
    expect_equal(done.summary["rows_in"], venue.levels, "levels")
    expect_equal([asked["params"].get("depth") for asked in venue.asked], [DEPTH] * 3, "depths")


main()
