#include "state/codec.h"

#include "base/check.h"
#include "base/error.h"
#include "state/parquet/parquet_meta.h"
#include "state/zstd_records.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for the mode of literals */
#include <zstd.h>

/* A search that skips 4096 bytes after every place where it found nothing ends at once; zstd then
   codes what is left, once told to, as it does by itself where it searches. A library that does not
   know the option any more still writes what any reader takes. */
static void plan_bytes(void *zstd)
{
    enum { SKIP_SZ = 4096, MATCH_SZ = 7, CODE_LITERALS = 1 };
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_targetLength, SKIP_SZ);
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, MATCH_SZ);
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_literalCompressionMode, CODE_LITERALS);
}

int tm_codec_open(tm_codec_t *codec, int level)
{
    *codec = (tm_codec_t){.level = level};
    codec->zstd_in = ZSTD_createCCtx();
    codec->zstd_out = ZSTD_createDCtx();
    codec->zstd_bytes = ZSTD_createCCtx();
    if (codec->zstd_in && codec->zstd_out && codec->zstd_bytes) {
        plan_bytes(codec->zstd_bytes);
        return 0;
    }
    tm_codec_close(codec);
    return tm_error_set(-ENOMEM, "out of memory for a zstd context");
}

void tm_codec_close(tm_codec_t *codec)
{
    ZSTD_freeCCtx(codec->zstd_in);
    ZSTD_freeCCtx(codec->zstd_bytes);
    ZSTD_freeDCtx(codec->zstd_out);
    *codec = (tm_codec_t){0};
}

size_t tm_codec_bound(tm_parquet_codec_t kind, size_t sz)
{
    if (kind == TM_PARQUET_CODEC_ZSTD) return ZSTD_compressBound(sz);
    if (kind == TM_PARQUET_CODEC_LZ4_RAW) return (size_t)LZ4_compressBound((int)sz);
    return sz;
}

static size_t compress_zstd(tm_codec_t *codec, void *dst, const void *src, size_t src_sz)
{
    const size_t cap_sz = ZSTD_compressBound(src_sz);
    size_t sz = codec->wide && codec->level == 1 ? tm_zstd_records(dst, src, src_sz) : 0;
    if (sz > 0) return sz;
    if (codec->bytes)
        sz = ZSTD_compress2(codec->zstd_bytes, dst, cap_sz, src, src_sz);
    else
        sz = ZSTD_compressCCtx(codec->zstd_in, dst, cap_sz, src, src_sz, codec->level);
    TM_CHECK(!ZSTD_isError(sz), "zstd: %s", ZSTD_getErrorName(sz));
    return sz;
}

size_t tm_codec_compress(tm_codec_t *codec, tm_parquet_codec_t kind, void *dst, const void *src,
                         size_t src_sz)
{
    if (kind == TM_PARQUET_CODEC_ZSTD) return compress_zstd(codec, dst, src, src_sz);
    if (kind == TM_PARQUET_CODEC_LZ4_RAW) {
        const int cap_sz = LZ4_compressBound((int)src_sz);
        int sz = LZ4_compress_default(src, dst, (int)src_sz, cap_sz);
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
