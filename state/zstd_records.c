#include "state/zstd_records.h"

#include <string.h>

/* Records are looked at RUN_CNT at a time; runs alike are joined up to a block. Shorter ones are
   not worth their headers. A match is three bytes and more, and leaves a byte of the record, so
   that literals lie between any two matches. */
enum {
    REC_SZ = TM_ZSTD_RECORD_SZ,
    RUN_CNT = 512,
    RUN_CNT_MIN = 8,
    MATCH_SZ_MIN = 3,
    MATCH_SZ_MAX = REC_SZ - 1,
    BLOCK_SZ_MAX = 1 << 17,
    BLOCK_CNT_MAX = BLOCK_SZ_MAX / REC_SZ,
    FRAME_SZ_MIN = 64 * REC_SZ, /* smaller ones are left to zstd */
};

typedef enum block_type { BLOCK_RAW = 0, BLOCK_COMPRESSED = 2 } block_type_t;

/* A stretch of records, each of which starts with match_sz bytes of the one before it. */
typedef struct run {
    uint32_t cnt, match_sz;
    bool equal; /* they are alike altogether */
} run_t;

typedef struct frame {
    const uint8_t *at, *end; /* what is not yet written */
    uint8_t *out;
} frame_t;

static uint8_t *put_le(uint8_t *out, uint64_t v, uint32_t sz)
{
    memcpy(out, &v, sz); /* little endian hosts only, as everywhere in state/ */
    return out + sz;
}

static void put_block_header(uint8_t *at, block_type_t type, size_t sz, bool last)
{
    put_le(at, (uint64_t)sz << 3 | (uint64_t)type << 1 | last, 3);
}

/* Everything up to `to` as it stands. */
static void put_raw(frame_t *f, const uint8_t *to)
{
    while (f->at < to) {
        const size_t left = (size_t)(to - f->at);
        const size_t sz = left < BLOCK_SZ_MAX ? left : BLOCK_SZ_MAX;
        put_block_header(f->out, BLOCK_RAW, sz, f->at + sz == f->end);
        memcpy(f->out + 3, f->at, sz);
        f->out += 3 + sz;
        f->at += sz;
    }
}

/* Sequences that differ in nothing: cnt of them, their codes, and no bits but `bits`. */
static uint8_t *put_sequences(uint8_t *out, uint32_t cnt, const uint8_t codes[3], uint8_t bits)
{
    enum { ALL_RLE = 1 << 6 | 1 << 4 | 1 << 2 };
    if (cnt >= 128) *out++ = (uint8_t)((cnt >> 8) + 128);
    *out++ = (uint8_t)cnt;
    *out++ = ALL_RLE;
    memcpy(out, codes, 3); /* literals, offset, match */
    out[3] = bits;
    return out + 4;
}

/* One literal, then a match one record back. Its offset is written out: from here on it is the
   repeated one. */
static void put_first(frame_t *f, uint32_t match_sz)
{
    /* Offset 16 is value 19: code 4 and four bits 0011, in front of them the end mark. */
    const uint8_t codes[3] = {1, 4, (uint8_t)(match_sz - MATCH_SZ_MIN)};
    uint8_t *body = f->out + 3, *out = body;
    *out++ = 1 << 3; /* one raw literal */
    *out++ = *f->at;
    out = put_sequences(out, 1, codes, 1 << 4 | 3);
    put_block_header(f->out, BLOCK_COMPRESSED, (size_t)(out - body), false);
    f->out = out;
    f->at += 1 + match_sz;
}

/* The rest of a record, then a match for the next one, cnt times. */
static void put_more(frame_t *f, uint32_t cnt, const run_t *run)
{
    const uint32_t rest_sz = REC_SZ - run->match_sz;
    const uint8_t codes[3] = {(uint8_t)rest_sz, 0, (uint8_t)(run->match_sz - MATCH_SZ_MIN)};
    const size_t literal_sz = (size_t)cnt * rest_sz;
    uint8_t *body = f->out + 3;
    const uint32_t kind = run->equal; /* 0 = raw, 1 = one byte that is repeated */
    uint8_t *out = put_le(body, (uint64_t)literal_sz << 4 | 3 << 2 | kind, 3);
    if (run->equal) {
        *out++ = *f->at;
    } else {
        /* Sixteen bytes are copied where fewer count: those behind are overwritten by the next. */
        for (uint32_t i = 0; i < cnt; i++, out += rest_sz)
            memcpy(out, f->at + (size_t)i * REC_SZ, REC_SZ);
    }
    out = put_sequences(out, cnt, codes, 1);
    put_block_header(f->out, BLOCK_COMPRESSED, (size_t)(out - body), false);
    f->out = out;
    f->at += (size_t)cnt * REC_SZ;
}

/* Compares up to cnt records with those before them. */
static run_t look(const uint8_t *rec, uint32_t cnt)
{
    uint64_t differ[2] = {0};
    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t cur[2], prev[2];
        memcpy(cur, rec + (size_t)i * REC_SZ, REC_SZ);
        memcpy(prev, rec + (size_t)i * REC_SZ - REC_SZ, REC_SZ);
        differ[0] |= cur[0] ^ prev[0];
        differ[1] |= cur[1] ^ prev[1];
    }
    run_t run = {.cnt = cnt, .match_sz = MATCH_SZ_MAX};
    run.equal = differ[0] == 0 && differ[1] == 0;
    if (differ[0] != 0)
        run.match_sz = (uint32_t)__builtin_ctzll(differ[0]) / 8;
    else if (differ[1] != 0)
        run.match_sz = 8 + (uint32_t)__builtin_ctzll(differ[1]) / 8;
    if (run.match_sz < MATCH_SZ_MIN || cnt < RUN_CNT_MIN) run.match_sz = 0;
    return run;
}

/* The longest run at a record, up to a block. */
static run_t find_run(const uint8_t *rec, const uint8_t *end)
{
    run_t run = {0};
    while (rec < end) {
        const size_t left = (size_t)(end - rec) / REC_SZ;
        const run_t next = look(rec, left < RUN_CNT ? (uint32_t)left : RUN_CNT);
        const bool joins = next.match_sz == run.match_sz && next.equal == run.equal;
        if (run.cnt > 0 && (!joins || run.cnt + next.cnt > BLOCK_CNT_MAX)) break;
        run = (run_t){run.cnt + next.cnt, next.match_sz, next.equal};
        rec += (size_t)next.cnt * REC_SZ;
    }
    return run;
}

size_t tm_zstd_records(void *dst, const void *src, size_t src_sz)
{
    enum { SINGLE_SEGMENT_SZ4 = 2 << 6 | 1 << 5 };
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (src_sz < FRAME_SZ_MIN || src_sz > UINT32_MAX) return 0;
    frame_t f = {.at = src, .end = (const uint8_t *)src + src_sz, .out = dst};
    memcpy(f.out, magic, sizeof magic);
    f.out += sizeof magic;
    *f.out++ = SINGLE_SEGMENT_SZ4;
    f.out = put_le(f.out, src_sz, 4);
    const uint8_t *rec = f.at + src_sz % REC_SZ + REC_SZ; /* the first has none before it */
    while (rec < f.end) {
        const run_t run = find_run(rec, f.end);
        if (run.match_sz > 0) {
            put_raw(&f, rec - 1);
            put_first(&f, run.match_sz);
            put_more(&f, run.cnt - 1, &run);
        }
        rec += (size_t)run.cnt * REC_SZ;
    }
    put_raw(&f, f.end);
    const size_t sz = (size_t)(f.out - (uint8_t *)dst);
    return sz <= src_sz - src_sz / 4 ? sz : 0;
}
