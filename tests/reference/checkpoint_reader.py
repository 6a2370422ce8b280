#!/usr/bin/env python3
"""Reads a checkpoint folder from docs/checkpoints.md, sharing no code with the engine.

checkpoint_reader.py DIR prints the newest complete checkpoint: its id, its blobs, and of each
worker every page with the CRC-32C of its content. --expect-formula checks the pages of
tests/golden/checkpoint instead: 64-bit word i of page p of worker w is
w * 1000 + p * 10 + k + i // 64, where k is the checkpoint that wrote it. --schema prints what the
newest checkpoint, or a schema in a file of its own, keeps of each operator, as JSON.
"""

import argparse
import json
import re
import struct
import sys
from pathlib import Path

PAGE_SZ = 16384


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc_table()


def crc(previous, data):
    value = previous ^ 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def need(condition, what):
    if not condition:
        raise ValueError(what)


def lz4_block(data, size):
    out, at = bytearray(), 0
    while True:
        token = data[at]
        at += 1
        count = token >> 4
        if count == 15:
            while data[at] == 255:
                count += 255
                at += 1
            count += data[at]
            at += 1
        out += data[at:at + count]
        at += count
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        count = token & 15
        if count == 15:
            while data[at] == 255:
                count += 255
                at += 1
            count += data[at]
            at += 1
        for _ in range(count + 4):
            out.append(out[-offset])
    need(len(out) == size, "a page of another size")
    return bytes(out)


def page_file(path, entry):
    """Yields (page, content)."""
    data = path.read_bytes()
    need(len(data) == entry["size"], f"{path}: size")
    magic, version, header_sz, ident, worker, page_sz, page_cnt, _flags = struct.unpack_from(
        "<8sIIQIIII", data)
    need(magic == b"TMP1\r\n\x1a\n" and (version, header_sz, page_sz) == (1, 64, PAGE_SZ),
         f"{path}: header")
    seed = struct.unpack_from("<I", data, 60)[0]
    need(seed == crc(0, data[:60]) == entry["crc"], f"{path}: header")
    need((ident, worker) == (entry["id"], entry["worker"]), f"{path}: header")
    at, records = 64, 0
    while data[at:at + 8] != b"TMPE\r\n\x1a\n":
        page, stored_sz, codec, check = struct.unpack_from("<IIII", data, at)
        stored = data[at + 16:at + 16 + stored_sz]
        need(page < page_cnt, f"{path}: record at {at}")
        need(check == crc(crc(seed, data[at:at + 12]), stored), f"{path}: record at {at}")
        need(codec in (0, 7), f"{path}: this reader knows plain pages and LZ4 only")
        yield page, stored if codec == 0 else lz4_block(stored, PAGE_SZ)
        at += 16 + (stored_sz + 7) // 8 * 8
        records += 1
    count, _, body_sz, _, check = struct.unpack_from("<IIQII", data, at + 8)
    need(check == crc(seed, data[at:at + 28]), f"{path}: trailer")
    need((count, body_sz, len(data)) == (records, at, at + 32), f"{path}: trailer")


def manifest(path):
    data = path.read_bytes()
    magic, version, header_sz, ident, created, body_sz, count, body_crc = struct.unpack_from(
        "<8sIIQqQII", data)
    need(magic == b"TMC1\r\n\x1a\n" and version == 1 and header_sz == 64, f"{path}: header")
    need(struct.unpack_from("<I", data, 60)[0] == crc(0, data[:60]), f"{path}: header")
    body = data[64:]
    need(len(body) == body_sz and crc(0, body) == body_crc, f"{path}: entries")
    files, blobs, at = [], {}, 0
    for _ in range(count):
        kind, name_sz, data_sz, file_id, worker, check = struct.unpack_from("<IIQQII", body, at)
        name = body[at + 32:at + 32 + name_sz].decode()
        end = at + 32 + name_sz
        if kind == 1:
            files.append({"name": name, "size": data_sz, "id": file_id, "worker": worker,
                          "crc": check})
        else:
            need(kind == 2, f"{path}: kind {kind}")
            blobs[name] = body[end:end + data_sz]
            end += data_sz
        at = (end + 7) // 8 * 8
    need(at == len(body), f"{path}: entries")
    return {"id": ident, "created_ns": created, "files": files, "blobs": blobs}


def read(folder):
    """The newest manifest and {worker: {page: (content, id)}}."""
    newest = manifest(max(Path(folder).glob("manifest-*.tmc")))
    pages = {}
    for entry in newest["files"]:
        for page, content in page_file(Path(folder) / entry["name"], entry):
            pages.setdefault(entry["worker"], {})[page] = (content, entry["id"])
    return newest, pages


OPERATOR = re.compile(r"operator (\S+) layout (\d+) at (source|worker) node (\d+) id (\S+)")
STATE = re.compile(r"  state (\S+) value (\d+) key (\d+) ttl (\d+) (never|event-time|clock) (.+)")
FIELD = re.compile(r"    field (\S+) of (\d+) at (\d+) (.+)")


def schema(text):
    """Operators by id: what they are, keys, states with fields, and all other lines."""
    lines = text.split("\n")
    need(lines.pop() == "" and lines[0] == "tidemark schema 1", "schema: version")
    need(lines[1] == "machine little-endian 64-bit", "schema: machine")
    pages, threads = re.fullmatch(r"layout pages (\d+) threads (\d+)", lines[2]).groups()
    out = {"pages": int(pages), "threads": int(threads),
           "ingest": int(re.fullmatch(r"ingest (\d+)", lines[3]).group(1)), "operators": {}}
    for line in lines[4:]:
        found = OPERATOR.fullmatch(line)
        if found:
            kind, layout, place, node, ident = found.groups()
            operator = {"kind": kind, "layout": int(layout), "place": place, "node": int(node),
                        "keys": [], "states": [], "lines": []}
            need(ident not in out["operators"], f"schema: two operators {ident}")
            out["operators"][ident] = operator
            continue
        need(out["operators"] and line.startswith("  "), f"schema: '{line}'")
        state, field = STATE.fullmatch(line), FIELD.fullmatch(line)
        if state:
            kind, value_sz, key_sz, ttl_ns, time, name = state.groups()
            operator["states"].append({"name": name, "kind": kind, "value_sz": int(value_sz),
                                       "key_sz": int(key_sz), "ttl_ns": int(ttl_ns), "time": time,
                                       "fields": []})
        elif field:
            kind, size, off, name = field.groups()
            of = operator["states"][-1]
            need(int(off) + int(size) <= of["value_sz"], f"schema: '{line}' outside of its value")
            of["fields"].append({"name": name, "type": kind, "off": int(off), "sz": int(size)})
        elif line.startswith("  key "):
            kind, name = line[6:].split(" ", 1)
            operator["keys"].append({"name": name, "type": kind})
        else:
            operator["lines"].append(line[2:])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--expect-formula", action="store_true")
    parser.add_argument("--schema", action="store_true")
    args = parser.parse_args()
    if args.schema:
        place = Path(args.folder)
        text = (read(place)[0]["blobs"]["schema"] if place.is_dir() else place.read_bytes())
        print(json.dumps(schema(text.decode()), indent=1))
        return
    newest, pages = read(args.folder)
    if args.expect_formula:
        need(sorted(pages) == [0, 1], "workers")
        need(newest["blobs"] == {"name": b"value", "empty": b""}, "blobs")
        for worker, by_page in pages.items():
            need(sorted(by_page) == [1, 2, 3, 4, 5], "pages")
            for page, (content, _) in by_page.items():
                written = 2 if page % 2 else 1
                words = [worker * 1000 + page * 10 + written + i // 64 for i in range(PAGE_SZ // 8)]
                need(content == struct.pack(f"<{len(words)}Q", *words),
                     f"worker {worker}, page {page}")
        print("all pages hold what the formula says")
        return
    print(f"checkpoint {newest['id']}, taken at {newest['created_ns']} ns")
    for name, data in newest["blobs"].items():
        print(f"blob {name}: {len(data)} bytes")
    for worker, by_page in sorted(pages.items()):
        for page, (content, ident) in sorted(by_page.items()):
            print(f"worker {worker} page {page}: {crc(0, content):08x}, of {ident}")


try:
    main()
except (OSError, ValueError, struct.error) as error:
    sys.exit(f"checkpoint_reader: {error}")
