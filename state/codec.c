#include "state/codec.h"

#include "base/check.h"
#include "base/error.h"
#include "state/parquet/parquet_meta.h"

#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_compressSequences */
#include <zstd.h>

/* Shorter matches cost more than the bytes that they spare. Larger pages than WIDE_PAGE_SZ_MAX are
   searched by zstd. */
enum {
    WIDE_MATCH_MIN = 4,
    WIDE_BACK_SZ = 4 * TM_CODEC_WIDE_SZ,
    WIDE_PAGE_SZ_MAX = 1 << 20,
    WIDE_BLOCK_SZ = ZSTD_BLOCKSIZE_MAX,
    WIDE_MATCH_MAX = (WIDE_PAGE_SZ_MAX / TM_CODEC_WIDE_SZ + WIDE_PAGE_SZ_MAX / WIDE_BLOCK_SZ),
};

int tm_codec_open(tm_codec_t *codec, int level)
{
    *codec = (tm_codec_t){.level = level};
    codec->zstd_in = ZSTD_createCCtx();
    codec->zstd_out = ZSTD_createDCtx();
    codec->matches = malloc(WIDE_MATCH_MAX * sizeof(ZSTD_Sequence));
    if (codec->zstd_in && codec->zstd_out && codec->matches) return 0;
    tm_codec_close(codec);
    return tm_error_set(-ENOMEM, "out of memory for a zstd context");
}

void tm_codec_close(tm_codec_t *codec)
{
    ZSTD_freeCCtx(codec->zstd_in);
    ZSTD_freeDCtx(codec->zstd_out);
    free(codec->matches);
    *codec = (tm_codec_t){0};
}

size_t tm_codec_bound(tm_parquet_codec_t kind, size_t sz)
{
    if (kind == TM_PARQUET_CODEC_ZSTD) return ZSTD_compressBound(sz);
    if (kind == TM_PARQUET_CODEC_LZ4_RAW) return (size_t)LZ4_compressBound((int)sz);
    return sz;
}

/* Leading bytes that two records have in common. */
static uint32_t shared_sz(const uint8_t *a, const uint8_t *b)
{
    uint64_t a8[2], b8[2];
    memcpy(a8, a, sizeof a8);
    memcpy(b8, b, sizeof b8);
    if (a8[0] != b8[0]) return (uint32_t)__builtin_ctzll(a8[0] ^ b8[0]) / 8;
    if (a8[1] != b8[1]) return 8 + (uint32_t)__builtin_ctzll(a8[1] ^ b8[1]) / 8;
    return TM_CODEC_WIDE_SZ;
}

/* The match of the record at `at` with one of the few before it; false where it is like none. Most
   are like the last one, numbers of either sign like one a little further back. */
static bool match_record(ZSTD_Sequence *out, const uint8_t *src, size_t at)
{
    uint32_t offset = TM_CODEC_WIDE_SZ;
    for (; offset <= WIDE_BACK_SZ && offset <= at; offset += TM_CODEC_WIDE_SZ) {
        const uint32_t sz = shared_sz(src + at, src + at - offset);
        if (sz < WIDE_MATCH_MIN) continue;
        *out = (ZSTD_Sequence){.offset = offset, .matchLength = sz};
        return true;
    }
    return false;
}

/* Says what zstd would have to search for: each record starts like one before it. Records end with
   the page, so what stands in front of the first is literal. A block ends with a match of no
   bytes that states the literals left over. */
static size_t match_records(ZSTD_Sequence *out, const uint8_t *src, size_t src_sz)
{
    size_t cnt = 0, at = src_sz % TM_CODEC_WIDE_SZ, block_end = 0, literal_at = 0;
    if (at < src_sz) at += TM_CODEC_WIDE_SZ;
    while (block_end < src_sz) {
        block_end = src_sz - block_end < WIDE_BLOCK_SZ ? src_sz : block_end + WIDE_BLOCK_SZ;
        for (; at + TM_CODEC_WIDE_SZ <= block_end; at += TM_CODEC_WIDE_SZ) {
            if (!match_record(&out[cnt], src, at)) continue;
            out[cnt].litLength = (uint32_t)(at - literal_at);
            literal_at = at + out[cnt++].matchLength;
        }
        out[cnt++] = (ZSTD_Sequence){.litLength = (uint32_t)(block_end - literal_at)};
        literal_at = block_end;
        /* A record that lies across the end of its block is literal in both. */
        if (at < block_end) at += TM_CODEC_WIDE_SZ;
    }
    return cnt;
}

/* 16-byte decimals of bars: 7.2 B and 16 ns a value, instead of 6.8 B and 33 ns with zstd's search.
   A target length tells zstd to leave literals as they are: to pack them takes 6 ns for 0.5 B. */
static size_t compress_wide(tm_codec_t *codec, void *dst, size_t cap_sz, const void *src,
                            size_t src_sz)
{
    ZSTD_CCtx *zstd = codec->zstd_in;
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_targetLength, 1);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_blockDelimiters, ZSTD_sf_explicitBlockDelimiters);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_searchForExternalRepcodes, ZSTD_ps_enable);
    const size_t cnt = match_records(codec->matches, src, src_sz);
    return ZSTD_compressSequences(zstd, dst, cap_sz, codec->matches, cnt, src, src_sz);
}

size_t tm_codec_compress(tm_codec_t *codec, tm_parquet_codec_t kind, void *dst, const void *src,
                         size_t src_sz)
{
    size_t cap_sz = tm_codec_bound(kind, src_sz);
    if (kind == TM_PARQUET_CODEC_ZSTD) {
        ZSTD_CCtx_reset(codec->zstd_in, ZSTD_reset_session_and_parameters);
        ZSTD_CCtx_setParameter(codec->zstd_in, ZSTD_c_compressionLevel, codec->level);
        const bool wide = codec->wide && codec->level == 1 && src_sz > 0;
        size_t sz = wide && src_sz <= WIDE_PAGE_SZ_MAX
                        ? compress_wide(codec, dst, cap_sz, src, src_sz)
                        : ZSTD_compress2(codec->zstd_in, dst, cap_sz, src, src_sz);
        TM_CHECK(!ZSTD_isError(sz), "zstd: %s", ZSTD_getErrorName(sz));
        return sz;
    }
    if (kind == TM_PARQUET_CODEC_LZ4_RAW) {
        int sz = LZ4_compress_default(src, dst, (int)src_sz, (int)cap_sz);
        TM_CHECK(sz > 0 || src_sz == 0, "lz4 of %zu bytes", src_sz);
        return (size_t)sz;
    }
    if (src_sz != 0) memcpy(dst, src, src_sz);
    return src_sz;
}

int tm_codec_decompress(tm_codec_t *codec, tm_parquet_codec_t kind, void *dst, size_t dst_sz,
                        const void *src, size_t src_sz)
{
    bool fine;
    if (kind == TM_PARQUET_CODEC_ZSTD) {
        fine = ZSTD_decompressDCtx(codec->zstd_out, dst, dst_sz, src, src_sz) == dst_sz;
    } else if (kind == TM_PARQUET_CODEC_LZ4_RAW) {
        fine = LZ4_decompress_safe(src, dst, (int)src_sz, (int)dst_sz) == (int)dst_sz;
    } else if (kind == TM_PARQUET_CODEC_NONE) {
        fine = dst_sz == src_sz;
        if (fine && dst_sz != 0) memcpy(dst, src, dst_sz);
    } else {
        return tm_error_set(TM_E_UNSUPPORTED,
                            "pages compressed with %s cannot be read here (none, zstd and lz4_raw "
                            "can)",
                            tm_parquet_codec_name(kind));
    }
    if (fine) return 0;
    return tm_error_set(TM_E_CORRUPT, "a page of %zu bytes does not inflate to %zu bytes (%s)",
                        src_sz, dst_sz, tm_parquet_codec_name(kind));
}
