#include "state/journal/journal_cold.h"

#include "base/check.h"
#include "base/error.h"
#include "state/crc32c.h"
#include "state/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { HEAD_SZ = sizeof(tm_journal_block_t), MARK_SZ = sizeof(tm_journal_block_mark_t) };

struct tm_journal_cold {
    tm_journal_cold_cfg_t cfg;
    tm_journal_block_mark_t *marks;
    uint8_t *told; /* per block: its damage was reported */
    uint32_t cnt, cap;
    uint64_t raw_sz; /* by the index; 0 = it is not there */
    uint8_t *packed; /* one block as it is in the file */
    size_t packed_cap_sz;
    ZSTD_DCtx *zstd;
};

static void report(const tm_journal_cold_t *c, tm_journal_damage_kind_t kind, uint64_t off,
                   uint64_t sz, uint64_t seq, uint64_t lost_cnt)
{
    if (!c->cfg.on_damage) return;
    c->cfg.on_damage(c->cfg.on_damage_ctx, &(tm_journal_damage_t){.kind = kind,
                                                                  .path = c->cfg.path,
                                                                  .off = off,
                                                                  .sz = sz,
                                                                  .seq = seq,
                                                                  .lost_cnt = lost_cnt});
}

/* Reads exactly sz bytes. Returns 1, 0 where the file has them not or the device refuses, or an
   error. */
static int read_exact(const tm_journal_cold_t *c, void *dst, size_t sz, uint64_t off)
{
    if (off > c->cfg.file_sz || sz > c->cfg.file_sz - off) return 0;
    const int64_t n = tm_file_read(c->cfg.fd, c->cfg.path, dst, sz, (int64_t)off);
    if (n < 0 && n != -EIO) return (int)n;
    return n == (int64_t)sz;
}

static bool block_ok(const tm_journal_cold_t *c, const tm_journal_block_t *b, uint64_t off)
{
    const bool index = memcmp(b->magic, tm_journal_magic_index, sizeof b->magic) == 0;
    if (!index && memcmp(b->magic, tm_journal_magic_block, sizeof b->magic) != 0) return false;
    if (b->head_crc != tm_journal_block_head_crc(c->cfg.seed, b)) return false;
    if (b->raw_sz > TM_JOURNAL_BLOCK_RAW_MAX || b->raw_sz % 8 != 0 || b->raw_off % 8 != 0)
        return false;
    return off <= c->cfg.file_sz - HEAD_SZ &&
           tm_journal_body_sz(b->packed_sz) <= c->cfg.file_sz - HEAD_SZ - off;
}

static int mark_add(tm_journal_cold_t *c, const tm_journal_block_mark_t *m)
{
    /* Blocks follow each other; one that does not is noise that a hostile file arranged. */
    if (c->cnt > 0) {
        const tm_journal_block_mark_t *before = &c->marks[c->cnt - 1];
        if (m->raw_off < before->raw_off + before->raw_sz || m->idx < before->idx) return 0;
    } else if (m->raw_off < TM_JOURNAL_HEADER_SZ) {
        return 0;
    }
    if (m->raw_off > TM_JOURNAL_SEGMENT_SZ_MAX * 2) return 0;
    if (c->cnt == c->cap) {
        const uint32_t cap = c->cap ? c->cap * 2 : 256;
        tm_journal_block_mark_t *marks = realloc(c->marks, cap * sizeof *marks);
        if (!marks) return tm_error_set(-ENOMEM, "%s: no memory for %u blocks", c->cfg.path, cap);
        c->marks = marks;
        c->cap = cap;
    }
    c->marks[c->cnt++] = *m;
    return 0;
}

/* Makes room for `sz` packed bytes. */
static int packed_room(tm_journal_cold_t *c, size_t sz)
{
    if (sz <= c->packed_cap_sz) return 0;
    free(c->packed);
    c->packed = malloc(sz);
    c->packed_cap_sz = c->packed ? sz : 0;
    return c->packed ? 0 : tm_error_set(-ENOMEM, "%s: no memory for a block", c->cfg.path);
}

/* Returns 1 where trailer and index are sound and taken, 0 where not, or an error. */
static int index_take(tm_journal_cold_t *c)
{
    tm_journal_trailer_t t;
    tm_journal_block_t b;
    const uint64_t end = c->cfg.file_sz;
    if (end < TM_JOURNAL_HEADER_SZ + HEAD_SZ + sizeof t) {
        report(c, TM_JOURNAL_BAD_TRAILER, end, 0, c->cfg.first_seq, 0);
        return 0;
    }
    int got = read_exact(c, &t, sizeof t, end - sizeof t);
    if (got <= 0) return got;
    if (!tm_journal_trailer_ok(&t, c->cfg.seed) || t.file_sz != end) {
        report(c, TM_JOURNAL_BAD_TRAILER, end - sizeof t, sizeof t, c->cfg.first_seq, 0);
        return 0;
    }
    got = read_exact(c, &b, sizeof b, t.seal_off);
    if (got < 0) return got;
    bool ok = got && block_ok(c, &b, t.seal_off) &&
              memcmp(b.magic, tm_journal_magic_index, sizeof b.magic) == 0 &&
              b.raw_sz == b.packed_sz && b.raw_sz == (uint64_t)b.record_cnt * MARK_SZ &&
              t.seal_off + HEAD_SZ + b.raw_sz == end - sizeof t;
    if (ok) {
        TM_TRY(packed_room(c, b.raw_sz + 1));
        got = read_exact(c, c->packed, b.raw_sz, t.seal_off + HEAD_SZ);
        if (got < 0) return got;
        ok = got && tm_crc32c(c->cfg.seed, c->packed, b.raw_sz) == b.body_crc;
    }
    if (!ok) {
        report(c, TM_JOURNAL_BAD_SEAL, t.seal_off, end - sizeof t - t.seal_off, c->cfg.first_seq,
               0);
        return 0;
    }
    for (uint32_t i = 0; i < b.record_cnt; i++) {
        tm_journal_block_mark_t m;
        memcpy(&m, c->packed + (size_t)i * MARK_SZ, sizeof m);
        if (m.raw_sz <= TM_JOURNAL_BLOCK_RAW_MAX) TM_TRY(mark_add(c, &m));
    }
    c->raw_sz = b.raw_off;
    return 1;
}

/* Without an index: from header to header, or over what is none to the next one. */
static int blocks_find(tm_journal_cold_t *c)
{
    const uint64_t end = c->cfg.file_sz;
    uint8_t chunk[4096 + HEAD_SZ];
    for (uint64_t off = TM_JOURNAL_HEADER_SZ; off + HEAD_SZ <= end;) {
        const uint64_t left = end - off;
        const size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        const int got = read_exact(c, chunk, n, off);
        if (got < 0) return got;
        uint64_t next = off + (n - HEAD_SZ + 8) / 8 * 8;
        for (size_t i = 0; got && i + HEAD_SZ <= n; i += 8) {
            tm_journal_block_t b;
            memcpy(&b, chunk + i, sizeof b);
            if (!block_ok(c, &b, off + i)) continue;
            next = off + i + HEAD_SZ + tm_journal_body_sz(b.packed_sz);
            if (memcmp(b.magic, tm_journal_magic_block, sizeof b.magic) == 0) {
                tm_journal_block_mark_t m = {.off = off + i};
                memcpy(&m.packed_sz, &b, MARK_SZ - sizeof m.off);
                TM_TRY(mark_add(c, &m));
            }
            break;
        }
        off = next;
    }
    return 0;
}

int tm_journal_cold_open(tm_journal_cold_t **out, const tm_journal_cold_cfg_t *cfg)
{
    tm_journal_cold_t *c = calloc(1, sizeof *c);
    if (!c) return tm_error_set(-ENOMEM, "%s: no memory", cfg->path);
    c->cfg = *cfg;
    c->zstd = ZSTD_createDCtx();
    int code = c->zstd ? index_take(c) : tm_error_set(-ENOMEM, "%s: no memory for zstd", cfg->path);
    if (code == 0) code = blocks_find(c);
    if (code >= 0) {
        c->told = calloc(c->cnt + 1, 1);
        if (!c->told) code = tm_error_set(-ENOMEM, "%s: no memory", cfg->path);
    }
    if (code < 0) {
        tm_journal_cold_close(c);
        return code;
    }
    *out = c;
    return 0;
}

void tm_journal_cold_close(tm_journal_cold_t *c)
{
    if (!c) return;
    ZSTD_freeDCtx(c->zstd);
    free(c->marks);
    free(c->told);
    free(c->packed);
    free(c);
}

uint64_t tm_journal_cold_raw_sz(const tm_journal_cold_t *c)
{
    if (c->raw_sz) return c->raw_sz;
    if (c->cnt == 0) return TM_JOURNAL_HEADER_SZ;
    return c->marks[c->cnt - 1].raw_off + c->marks[c->cnt - 1].raw_sz;
}

uint32_t tm_journal_cold_block_cnt(const tm_journal_cold_t *c)
{
    return c->cnt;
}

const tm_journal_block_mark_t *tm_journal_cold_mark(const tm_journal_cold_t *c, uint32_t block_idx)
{
    TM_DCHECK(block_idx < c->cnt, "block %u of %u", block_idx, c->cnt);
    return &c->marks[block_idx];
}

int tm_journal_cold_unpack(tm_journal_cold_t *c, uint32_t block_idx, uint8_t *dst)
{
    const tm_journal_block_mark_t *m = tm_journal_cold_mark(c, block_idx);
    tm_journal_block_t b;
    int got = read_exact(c, &b, sizeof b, m->off);
    if (got < 0) return got;
    bool ok = got && block_ok(c, &b, m->off) &&
              memcmp(&b, &m->packed_sz, MARK_SZ - sizeof m->off) == 0;
    const uint64_t body_sz = tm_journal_body_sz(m->packed_sz);
    if (ok) {
        TM_TRY(packed_room(c, body_sz + 1));
        got = read_exact(c, c->packed, body_sz, m->off + HEAD_SZ);
        if (got < 0) return got;
        ok = got && tm_crc32c(c->cfg.seed, c->packed, body_sz) == b.body_crc &&
             ZSTD_decompressDCtx(c->zstd, dst, m->raw_sz, c->packed, m->packed_sz) == m->raw_sz;
    }
    if (ok) return 0;
    if (!c->told[block_idx])
        report(c, TM_JOURNAL_BAD_BLOCK, m->off, HEAD_SZ + body_sz, c->cfg.first_seq + m->idx,
               m->record_cnt);
    c->told[block_idx] = 1;
    return TM_E_CORRUPT;
}
