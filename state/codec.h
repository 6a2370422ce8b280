/* state/codec.h - page compression: zstd, LZ4 blocks, or none.
   Flow     parquet_chunk -> [codec] -> file; file -> [codec] -> parquet_decode
   Units    *_sz: bytes; level: zstd's
   Memory   one context a thread, made at open; nothing is allocated per page
   Threads  one owner a context
   Errors   decompress: TM_E_CORRUPT; unknown codecs TM_E_UNSUPPORTED, with a text
   Limits   sizes up to TM_PARQUET_PAGE_SZ_MAX
   Tests    tests/state/test_codec.c */
#ifndef TM_STATE_CODEC_H
#define TM_STATE_CODEC_H

#include "base/types.h"
#include "state/parquet/parquet_format.h"

typedef struct tm_codec {
    void *zstd_in, *zstd_out; /* ZSTD_CCtx, ZSTD_DCtx */
    void *zstd_bytes;         /* ZSTD_CCtx that does not search */
    int level;
    bool wide; /* pages of 16-byte records: at level 1 see state/zstd_records.h */
    bool
        bytes; /* zstd looks for no repetitions, only codes frequent bytes in fewer bits: a third of
                   the time, and all that there is to gain where values are packed already */
} tm_codec_t;

int tm_codec_open(tm_codec_t *codec, int level) TM_MUST_CHECK;
void tm_codec_close(tm_codec_t *codec);

/* Bytes that compressing sz bytes can take at most. */
size_t tm_codec_bound(tm_parquet_codec_t kind, size_t sz);

/* Compresses into at least tm_codec_bound() bytes; returns the size. */
size_t tm_codec_compress(tm_codec_t *codec, tm_parquet_codec_t kind, void *dst, const void *src,
                         size_t src_sz);

/* Inflates to exactly dst_sz bytes. */
int tm_codec_decompress(tm_codec_t *codec, tm_parquet_codec_t kind, void *dst, size_t dst_sz,
                        const void *src, size_t src_sz) TM_MUST_CHECK;

#endif
