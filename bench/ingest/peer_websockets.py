#!/usr/bin/env python3
"""Receives until the server closes: PORT CA_FILE. Prints messages, seconds, nanoseconds of the
process's time a message. The import's and the handshake's time is left out."""
import asyncio
import importlib
import ssl
import sys
import time

websockets = importlib.import_module("websockets")  # Debian's python3-websockets


async def main(port, ca_file):
    trust = ssl.create_default_context(cafile=ca_file)
    url = f"wss://localhost:{port}/ws/btcusdt@trade"
    count, begin, cpu = 0, 0.0, 0
    async with websockets.connect(url, ssl=trust, compression=None, max_queue=4096) as peer:
        try:
            while True:
                await peer.recv()
                if count == 0:
                    begin, cpu = time.monotonic(), time.process_time_ns()
                count += 1
        except websockets.ConnectionClosed:
            pass
    seconds = time.monotonic() - begin
    used_ns = time.process_time_ns() - cpu
    print(count, seconds, used_ns / max(count, 1), websockets.version.version)


asyncio.run(main(sys.argv[1], sys.argv[2]))
