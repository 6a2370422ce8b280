/* Pages of wide records: zstd's own decoder reads them, its own search is the measure of size. */
#include "state/codec.h"
#include "state/parquet/parquet_encode.h"
#include "state/zstd_records.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_SZ_MAX = (1 << 20) + 4096, BLOCK_SZ = 1 << 17 };

typedef enum shape { SHAPE_ZERO, SHAPE_RANDOM, SHAPE_COUNT, SHAPE_SIGNED, SHAPE_MIXED } shape_t;

typedef struct bed {
    tm_codec_t codec;
    uint8_t *page, *packed, *again;
} bed_t;

static void open_bed(bed_t *bed, int level)
{
    tm_assert_eq(tm_codec_open(&bed->codec, level), 0);
    bed->page = malloc(PAGE_SZ_MAX);
    bed->packed = malloc(tm_codec_bound(TM_PARQUET_CODEC_ZSTD, PAGE_SZ_MAX));
    bed->again = malloc(PAGE_SZ_MAX);
    tm_assert(bed->page && bed->packed && bed->again);
}

static void close_bed(bed_t *bed)
{
    tm_codec_close(&bed->codec);
    free(bed->page);
    free(bed->packed);
    free(bed->again);
}

static tm_i128_t draw(tm_fixture_rng_t *rng, shape_t shape, size_t i)
{
    const uint64_t r = tm_fixture_rand(rng);
    if (shape == SHAPE_MIXED) shape = (shape_t)((i / 700) % SHAPE_MIXED);
    switch (shape) {
    case SHAPE_ZERO:
        return 0;
    case SHAPE_RANDOM:
        return (tm_i128_t)((tm_u128_t)r << 64 | tm_fixture_rand(rng));
    case SHAPE_COUNT: /* as volumes and notionals are */
        return (tm_i128_t)(r >> (24 + r % 16)) * 1000;
    case SHAPE_SIGNED:
    case SHAPE_MIXED:
        break;
    }
    return (tm_i128_t)(r >> 30) * (r & 1 ? 1000 : -1000);
}

/* Records behind as many odd bytes as do not make a record. */
static void fill(bed_t *bed, tm_fixture_rng_t *rng, shape_t shape, size_t sz)
{
    size_t at = sz % TM_ZSTD_RECORD_SZ;
    for (size_t i = 0; i < at; i++) bed->page[i] = (uint8_t)tm_fixture_rand(rng);
    for (size_t i = 0; at < sz; i++, at += TM_ZSTD_RECORD_SZ)
        tm_parquet_put_decimal128(bed->page + at, draw(rng, shape, i));
}

static size_t pack(bed_t *bed, bool wide, size_t sz)
{
    bed->codec.wide = wide;
    return tm_codec_compress(&bed->codec, TM_PARQUET_CODEC_ZSTD, bed->packed, bed->page, sz);
}

static void pack_and_compare(bed_t *bed, size_t sz)
{
    const size_t packed_sz = pack(bed, true, sz);
    tm_assert(packed_sz <= tm_codec_bound(TM_PARQUET_CODEC_ZSTD, sz));
    memset(bed->again, 0xa5, sz);
    tm_assert_eq(tm_codec_decompress(&bed->codec, TM_PARQUET_CODEC_ZSTD, bed->again, sz,
                                     bed->packed, packed_sz),
                 0);
    tm_assert(memcmp(bed->again, bed->page, sz) == 0);
}

Test(codec, wide_pages_of_every_size_and_shape_inflate_to_what_they_were)
{
    static const size_t large[] = {
        BLOCK_SZ - 16,    BLOCK_SZ - 1,  BLOCK_SZ,     BLOCK_SZ + 1,  BLOCK_SZ + 15,
        BLOCK_SZ + 16,    BLOCK_SZ + 17, 2 * BLOCK_SZ, 300007,        4 * BLOCK_SZ,
        4 * BLOCK_SZ + 5, (1 << 20) - 3, 1 << 20,      (1 << 20) + 1, PAGE_SZ_MAX,
    };
    bed_t bed;
    tm_fixture_rng_t rng = {20260131};
    open_bed(&bed, 1);
    for (shape_t shape = SHAPE_ZERO; shape <= SHAPE_MIXED; shape++) {
        for (size_t sz = 0; sz < 200; sz++) {
            fill(&bed, &rng, shape, sz);
            pack_and_compare(&bed, sz);
        }
        for (int round = 0; round < 50; round++) {
            const size_t sz = tm_fixture_rand(&rng) % 70000;
            fill(&bed, &rng, shape, sz);
            pack_and_compare(&bed, sz);
        }
        for (size_t i = 0; i < TM_ARRAY_CNT(large); i++) {
            fill(&bed, &rng, shape, large[i]);
            pack_and_compare(&bed, large[i]);
        }
    }
    close_bed(&bed);
}

Test(codec, wide_pages_take_little_more_than_where_zstd_searches)
{
    bed_t bed;
    tm_fixture_rng_t rng = {7};
    open_bed(&bed, 1);
    for (shape_t shape = SHAPE_ZERO; shape <= SHAPE_MIXED; shape++) {
        const size_t sz = 1 << 19;
        fill(&bed, &rng, shape, sz);
        const size_t searched_sz = pack(&bed, false, sz), told_sz = pack(&bed, true, sz);
        fprintf(stderr, "shape %d: %zu bytes told, %zu searched\n", (int)shape, told_sz,
                searched_sz);
        tm_assert(told_sz <= searched_sz + searched_sz / 4 + 256);
    }
    close_bed(&bed);
}

Test(codec, coding_bytes_alone_inflates_too_and_shrinks_what_has_frequent_bytes)
{
    bed_t bed;
    tm_fixture_rng_t rng = {9};
    open_bed(&bed, 1);
    bed.codec.bytes = true;
    for (size_t sz = 0; sz < PAGE_SZ_MAX; sz = sz * 3 + 1) {
        for (size_t i = 0; i < sz; i++) /* 16 of 256 bytes: half of their bits say something */
            bed.page[i] = (uint8_t)(tm_fixture_rand(&rng) % 16 * 13);
        const size_t packed_sz = pack(&bed, false, sz);
        memset(bed.again, 0xa5, sz);
        tm_assert_eq(tm_codec_decompress(&bed.codec, TM_PARQUET_CODEC_ZSTD, bed.again, sz,
                                         bed.packed, packed_sz),
                     0);
        tm_assert(memcmp(bed.again, bed.page, sz) == 0);
        if (sz > 10000) tm_assert(packed_sz < sz * 11 / 20);
    }
    close_bed(&bed);
}

Test(codec, higher_levels_search_wide_pages_too)
{
    bed_t bed;
    tm_fixture_rng_t rng = {8};
    open_bed(&bed, 6);
    fill(&bed, &rng, SHAPE_COUNT, 1 << 17);
    tm_assert_eq(pack(&bed, true, 1 << 17), pack(&bed, false, 1 << 17));
    pack_and_compare(&bed, 1 << 17);
    close_bed(&bed);
}
