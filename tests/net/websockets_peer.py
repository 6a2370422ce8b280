#!/usr/bin/env python3
"""Python's websockets package as the other end: it plays a fuzzing server to autobahn_client.

    websockets_peer.py --client PROGRAM

One server for each set of terms of permessage-deflate; what comes back must be what was sent, and
the terms in use must be those meant. Prints TAP; skipped where the package is not installed.
"""

import argparse
import asyncio
import importlib.util
import random
import sys

SEED = 7692
TIMEOUT_S = 60

# server and client without takeover, server's and client's window bits, level, memory level
TERMS = [
    (False, False, None, None, 6, 8),
    (True, False, None, None, 1, 5),
    (False, True, None, None, 9, 9),
    (True, True, None, None, 6, 8),
    (False, False, 9, None, 6, 8),
    (False, False, None, 9, 6, 8),
    (False, False, 12, 12, 6, 5),
    (True, True, 9, 9, 6, 1),
    (False, False, 15, 15, 6, 8),
]


def messages(rng, number):
    """What a case sends; a list is one message in fragments."""
    trade = '{{"e":"trade","s":"BTCUSDT","p":"{}","q":"{}","T":{}}}'
    if number == 1:
        return [trade.format(rng.random() * 9e4, rng.random(), rng.randrange(1 << 40))
                for _ in range(300)]
    if number == 2:
        return ["", b"", "a", "", "", b"", "Grün ὕδωρ 水 \U0001f4a7" * 50000, rng.randbytes(300000)]
    pieces = ["水" * rng.randrange(200) for _ in range(100)]
    return [pieces, [b"", b""], [bytes(100000)] * 10, [rng.randbytes(size) for size in range(300)]]


async def exchange(ws, message):
    """Sends one message, and a ping among others, and judges the echo."""
    if isinstance(message, list):
        async def fragments():
            for piece in message:
                yield piece
        await ws.send(fragments())
        message = type(message[0])().join(message)
    else:
        await ws.send(message)
    pong = await ws.ping(b"between")
    echo = await asyncio.wait_for(ws.recv(), TIMEOUT_S)
    await asyncio.wait_for(pong, TIMEOUT_S)
    if echo != message:
        raise AssertionError(f"{message[:40]!r} of {len(message)} came back as {echo[:40]!r}")


def terms_in_use(ws):
    deflate, = ws.extensions
    return (deflate.local_no_context_takeover, deflate.remote_no_context_takeover,
            deflate.local_max_window_bits, deflate.remote_max_window_bits)


async def play(server, factory, terms, program):
    """Returns what went wrong, a list of texts."""
    wrong, ran = [], 0
    want = (terms[0], terms[1], terms[2] or 15, terms[3] or 15)

    async def handle(ws):
        nonlocal ran
        if ws.path == "/getCaseCount":
            await ws.send("3")
        elif ws.path.startswith("/runCase"):
            number = int(ws.path.partition("case=")[2].partition("&")[0])
            try:
                if terms_in_use(ws) != want:
                    raise AssertionError(f"terms {terms_in_use(ws)} instead of {want}")
                for message in messages(random.Random(SEED + number), number):
                    await exchange(ws, message)
                ran += 1
            except Exception as why:  # a broken connection too is a finding
                wrong.append(f"case {number}: {why!r}")

    extension = factory(
        server_no_context_takeover=terms[0], client_no_context_takeover=terms[1],
        server_max_window_bits=terms[2], client_max_window_bits=terms[3],
        compress_settings={"level": terms[4], "memLevel": terms[5]})
    async with server.serve(handle, "127.0.0.1", 0, compression=None, extensions=[extension],
                            max_size=1 << 24) as listener:
        port = listener.sockets[0].getsockname()[1]
        client = await asyncio.create_subprocess_exec(
            program, f"ws://127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(client.communicate(), TIMEOUT_S)
    if client.returncode != 0 or ran != 3:
        wrong += [f"status {client.returncode}, {ran} of 3 cases", *out.decode().splitlines()]
    return wrong


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--client", metavar="PROGRAM", required=True)
    program = options.parse_args().client
    if not importlib.util.find_spec("websockets"):
        print("1..0 # SKIP the Python package websockets is not installed")
        return 0
    server = importlib.import_module("websockets.server")
    deflate = importlib.import_module("websockets.extensions.permessage_deflate")
    print(f"# websockets {importlib.import_module('websockets').__version__}, seed {SEED}")
    print(f"1..{len(TERMS)}")
    failed = 0
    for terms in TERMS:
        wrong = asyncio.run(play(server, deflate.ServerPerMessageDeflateFactory, terms, program))
        failed += bool(wrong)
        for line in wrong:
            print(f"# {line}")
        names = ("server fresh", "client fresh", "server bits", "client bits", "level", "memory")
        said = ", ".join(f"{name} {value}" for name, value in zip(names, terms))
        print(f"{'not ok' if wrong else 'ok'} - {said}", flush=True)
    return 1 if failed else 0


sys.exit(main())
