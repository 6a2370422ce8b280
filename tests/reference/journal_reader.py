#!/usr/bin/env python3
"""A second reader of the journal, written from docs/journal.md alone (Python standard library,
and libzstd through ctypes for cold segments). It is slow and simple on purpose.

usage: journal_reader.py FOLDER

Prints, in order:
  record <seq> <offset> <kind> <flags> <conn> <stream> <recv_ns> <size> <zlib crc32 of the payload>
  lost <file> <offset> <size>          bytes of a segment that hold no good record
  damage <file> <what>                 anything else that is wrong
"""
import ctypes
import ctypes.util
import os
import re
import struct
import sys
import zlib

MAGIC = b"TMJ1\r\n\x1a\n"
TRAILER = b"TMJSEAL\n"
BLOCK = b"TMJBLK\n\0"
INDEX = b"TMJIDX\n\0"
HEADER_SZ = 4096
PAYLOAD_MAX = 1 << 28
RECORD = struct.Struct("<IIqIHBBII")

TABLE = []
for i in range(256):
    c = i
    for _ in range(8):
        c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
    TABLE.append(c)


def crc(previous, data):
    c = previous ^ 0xFFFFFFFF
    table = TABLE
    for b in data:
        c = table[(c ^ b) & 0xFF] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


assert crc(0, b"123456789") == 0xE3069283


def pad8(n):
    return (n + 7) // 8 * 8


def unzstd(packed, raw_sz):
    lib = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    lib.ZSTD_decompress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(raw_sz + 1)
    n = lib.ZSTD_decompress(out, ctypes.c_size_t(raw_sz), packed, ctypes.c_size_t(len(packed)))
    return out.raw[:raw_sz] if n == raw_sz else None


class Header:
    def __init__(self, page):
        self.bad = []
        self.good = None
        for at in (0, 2048):
            copy = page[at:at + 2048]
            if len(copy) < 2048 or copy[:8] != MAGIC or crc(0, copy[:2044]) != \
                    struct.unpack_from("<I", copy, 2044)[0]:
                self.bad.append(at)
                continue
            if self.good is None:
                self.good = copy
        if self.good is None:
            return
        (version, header_sz) = struct.unpack_from("<II", self.good, 8)
        if version != 1 or header_sz != HEADER_SZ:
            raise SystemExit("unknown version %d" % version)
        self.id = self.good[16:32]
        (self.epoch, self.first_seq) = struct.unpack_from("<QQ", self.good, 32)
        (self.flags, self.block_sz, self.raw_sz) = struct.unpack_from("<IIQ", self.good, 72)


class Segment:
    """One file, read by the rules of the page's section "Reading"."""

    def __init__(self, path, journal_id, last):
        self.name = os.path.basename(path)
        self.last = last
        self.out = []
        with open(path, "rb") as f:
            self.data = f.read()
        head = Header(self.data[:HEADER_SZ])
        for at in head.bad:
            self.damage("header copy at %d" % at)
        self.first_seq = int(self.name[8:28])
        self.cold = path.endswith(".tmz")
        self.raw_sz = None
        if head.good is not None:
            self.first_seq = head.first_seq
            journal_id = head.id
            self.cold = bool(head.flags & 1)
            self.raw_sz = head.raw_sz
        self.readable = journal_id is not None
        self.next = self.first_seq
        if not self.readable:
            return
        self.seed = crc(0, journal_id + struct.pack("<Q", self.first_seq))
        self.gaps = []
        if self.cold:
            self.unpack()
        self.read()

    def damage(self, what):
        self.out.append("damage %s %s" % (self.name, what))

    def lost(self, off, end):
        self.out.append("lost %s %d %d" % (self.name, off, end - off))

    def sum_ok(self, data, want):
        return crc(self.seed, data) == want

    def unpack(self):
        """Joins the raw bytes of the blocks; what a bad block held stays zero, noted in gaps."""
        d = self.data
        raw = bytearray(self.raw_sz or 0)
        index_raw_sz = None
        seen = HEADER_SZ
        off = HEADER_SZ
        index_seen = False
        while off + 48 <= len(d):
            h = d[off:off + 48]
            (packed_sz, raw_sz, raw_off) = struct.unpack_from("<IIQ", h, 0)
            (body_crc, head_crc) = struct.unpack_from("<II", h, 40)
            if h[32:40] not in (BLOCK, INDEX) or not self.sum_ok(h[:44], head_crc) or \
                    off + 48 + pad8(packed_sz) > len(d):
                off += 8
                continue
            body = d[off + 48:off + 48 + pad8(packed_sz)]
            good = self.sum_ok(body, body_crc)
            if h[32:40] == INDEX:
                index_seen = good
                index_raw_sz = raw_off if good else None
            else:
                part = unzstd(body[:packed_sz], raw_sz) if good else None
                if raw_off > seen:
                    self.gaps.append((seen, raw_off))
                if part is None:
                    self.gaps.append((raw_off, raw_off + raw_sz))
                else:
                    if len(raw) < raw_off + raw_sz:
                        raw.extend(bytes(raw_off + raw_sz - len(raw)))
                    raw[raw_off:raw_off + raw_sz] = part
                seen = raw_off + raw_sz
            off += 48 + pad8(packed_sz)
        if self.raw_sz is None:
            self.raw_sz = index_raw_sz or seen
        raw.extend(bytes(max(0, self.raw_sz - len(raw))))
        if seen < self.raw_sz:
            self.gaps.append((seen, self.raw_sz))
        if self.gaps:
            self.damage("block")
        if not index_seen:
            self.damage("index")
        if self.trailer_at(max(0, len(d) - 32)) is None:
            self.damage("trailer")
        self.data = bytes(raw)

    def in_gap(self, off):
        for (a, b) in self.gaps:
            if a <= off < b:
                return b
        return None

    def trailer_at(self, off):
        t = self.data[off:off + 32]
        if len(t) < 32 or t[16:24] != TRAILER:
            return None
        if not self.sum_ok(t[:28], struct.unpack_from("<I", t, 28)[0]):
            return None
        return struct.unpack_from("<QQ", t, 0)

    def valid(self, off, end, expect, good_off):
        """The header's fields where a record is valid at off."""
        if off + 32 > end:
            return None
        h = self.data[off:off + 32]
        (sz, idx, recv_ns, conn, stream, kind, flags, body_crc, head_crc) = RECORD.unpack(h)
        if kind == 0 or sz > PAYLOAD_MAX or off + 32 + pad8(sz) > end or idx == 0xffffffff:
            return None
        if idx < expect or idx - expect > (off - good_off) // 32:
            return None
        if not self.sum_ok(h[:28], head_crc):
            return None
        return (sz, idx, recv_ns, conn, stream, kind, flags, body_crc)

    def read(self):
        d = self.data
        end = len(d)
        sealed = False
        t = self.trailer_at(end - 32) if end >= HEADER_SZ + 64 else None
        if t and t[1] == end and t[0] % 8 == 0 and HEADER_SZ <= t[0] <= end - 32:
            end = t[0]
            sealed = True
        off = good = HEADER_SZ
        expect = 0
        while off < end:
            gap = self.in_gap(off)
            if gap is not None:
                off = min(gap, end)
                continue
            h = self.valid(off, end, expect, good)
            if h is None:
                (off, stop) = self.find(off, end, expect, good, sealed)
                if stop:
                    break
                continue
            (sz, idx, recv_ns, conn, stream, kind, flags, body_crc) = h
            body = d[off + 32:off + 32 + pad8(sz)]
            if kind == 255:
                self.met_seal(off, idx, self.sum_ok(body, body_crc), pad8(sz))
                self.next = self.first_seq + idx
                return
            if self.sum_ok(body, body_crc):
                self.out.append("record %d %d %d %d %d %d %d %d %d" % (
                    self.first_seq + idx, off, kind, flags, conn, stream, recv_ns, sz,
                    zlib.crc32(body[:sz])))
            else:
                self.lost(off, off + 32 + pad8(sz))
            expect = idx + 1
            off = good = off + 32 + pad8(sz)
        self.next = self.first_seq + expect
        if sealed:
            self.check_seal(end, expect)
        elif not self.last:
            self.damage("no seal")

    def find(self, off, end, expect, good, sealed):
        """Where the next valid record is; (end, True) where there is none."""
        d = self.data
        if not sealed and not d[off:end].strip(b"\0"):
            return (end, True)
        q = off + 8
        while q < end:
            if self.in_gap(q) is None and self.valid(q, end, expect, good) is not None:
                self.lost(off, q)
                return (q, False)
            q += 8
        if sealed:
            self.lost(off, end)
        else:
            self.lost(off, off + len(d[off:end].rstrip(b"\0")))
        return (end, True)

    def check_seal(self, off, expect):
        h = self.data[off:off + 32]
        (sz, idx, _, _, _, kind, _, body_crc, head_crc) = RECORD.unpack(h)
        body = self.data[off + 32:off + 32 + pad8(sz)]
        if self.in_gap(off) is not None:
            return
        if kind != 255 or not self.sum_ok(h[:28], head_crc) or not self.sum_ok(body, body_crc):
            self.damage("seal")
            return
        if idx != struct.unpack_from("<Q", body, 0)[0]:
            self.damage("seal")
        if idx < expect:
            self.damage("seal")
        else:
            self.next = self.first_seq + idx

    def met_seal(self, off, idx, good, body_sz):
        end = off + 32 + body_sz
        t = self.trailer_at(end)
        whole = t is not None and t[0] == off and t[1] == end + 32
        if good and whole and self.last and not self.data[end + 32:].strip(b"\0"):
            return
        if not good and not whole and self.last:
            self.lost(off, off + len(self.data[off:].rstrip(b"\0")))
            return
        self.damage("seal or trailer")


def main():
    folder = sys.argv[1]
    names = {}
    for name in sorted(os.listdir(folder)):
        m = re.fullmatch(r"journal-(\d{20})\.(tmj|tmz)", name)
        if m and (m.group(2) == "tmj" or m.group(1) not in names):
            names[m.group(1)] = name
    order = [names[k] for k in sorted(names)]
    journal_id = None
    for name in order:
        with open(os.path.join(folder, name), "rb") as f:
            head = Header(f.read(HEADER_SZ))
        if head.good is not None:
            journal_id = head.id
    expect = None
    for i, name in enumerate(order):
        s = Segment(os.path.join(folder, name), journal_id, i + 1 == len(order))
        if expect is not None and s.readable and s.first_seq > expect:
            print("damage %s missing before it: %d" % (name, s.first_seq - expect))
        for line in s.out:
            print(line)
        if s.readable:
            expect = s.next


main()
