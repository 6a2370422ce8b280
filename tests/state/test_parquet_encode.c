#include "base/error.h"
#include "state/parquet/bloom.h"
#include "state/parquet/parquet_decode.h"
#include "state/parquet/parquet_encode.h"
#include "state/parquet/value_dict.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <stdlib.h>

/* The example of the Parquet specification: 1, 2, 3, 4, 5 has differences of 1, so the block is a
   minimum of 1 and four widths of 0 without a byte of miniblocks. */
Test(delta, the_specifications_first_example_holds)
{
    static const int64_t values[] = {1, 2, 3, 4, 5};
    static const uint8_t want[] = {0x80, 0x01, 4, 5, 2, 2, 0, 0, 0, 0};
    tm_buffer_t out = {0};
    tm_assert_eq(tm_parquet_encode_delta(&out, values, 5, (tm_parquet_delta_form_t){0}), 0);
    tm_assert_eq(out.sz, sizeof want);
    tm_assert(memcmp(out.data, want, sizeof want) == 0);
    tm_buffer_free(&out);
}

/* The second example: 7, 5, 3, 1, 2, 3, 4, 5 has differences -2 -2 -2 1 1 1 1, less the minimum -2
   they are 0 0 0 3 3 3 3 in two bits each, and the miniblock is padded to 32 values. */
Test(delta, the_specifications_second_example_holds)
{
    static const int64_t values[] = {7, 5, 3, 1, 2, 3, 4, 5};
    static const uint8_t want[] = {0x80, 0x01, 4,    8, 14, 3, 2, 0, 0,
                                   0,    0xc0, 0x3f, 0, 0,  0, 0, 0, 0};
    tm_buffer_t out = {0};
    tm_assert_eq(tm_parquet_encode_delta(&out, values, 8, (tm_parquet_delta_form_t){0}), 0);
    tm_assert_eq(out.sz, sizeof want);
    tm_assert(memcmp(out.data, want, sizeof want) == 0);
    tm_buffer_free(&out);
}

Test(delta, any_values_of_any_count_come_back)
{
    tm_fixture_rng_t rng = {4};
    for (int round = 0; round < 400; round++) {
        int64_t in[700], back[700];
        const uint32_t cnt = (uint32_t)tm_fixture_below(&rng, 700);
        const uint32_t bits = (uint32_t)tm_fixture_below(&rng, 64);
        const bool int32 = round % 4 == 0;
        tm_buffer_t out = {0};
        for (uint32_t i = 0; i < cnt; i++) {
            in[i] = (int64_t)(tm_fixture_rand(&rng) >> bits);
            if (int32) in[i] = (int32_t)(uint32_t)in[i];
        }
        tm_assert_eq(tm_parquet_encode_delta(
                         &out, in, cnt,
                         (tm_parquet_delta_form_t){.int32 = int32, .whole_bytes = round % 3 == 0}),
                     0);
        tm_assert_eq(tm_parquet_decode_delta(back, cnt, int32, out.data, out.sz), 0);
        tm_assert(memcmp(in, back, cnt * sizeof in[0]) == 0);
        tm_buffer_free(&out);
    }
}

/* Physical width matters: a reader of INT32 rejects miniblocks wider than 32 bits. */
Test(delta, int32_extremes_take_no_more_than_32_bits_each)
{
    int64_t in[129];
    tm_buffer_t out = {0};
    for (int i = 0; i < 129; i++) in[i] = i % 2 ? INT32_MAX : INT32_MIN;
    tm_assert_eq(tm_parquet_encode_delta(&out, in, 129, (tm_parquet_delta_form_t){.int32 = true}),
                 0);
    tm_assert(out.sz < 129 * 4 + 32);
    tm_buffer_free(&out);
}

Test(rle, a_long_run_is_three_bytes)
{
    static const uint8_t want[] = {0xd0, 0x0f, 5}; /* 1000 << 1 as a varint, the value */
    uint32_t values[1000];
    tm_buffer_t out = {0};
    for (int i = 0; i < 1000; i++) values[i] = 5;
    tm_assert_eq(tm_parquet_encode_rle(&out, values, 1000, 3), 0);
    tm_assert_eq(out.sz, sizeof want);
    tm_assert(memcmp(out.data, want, sizeof want) == 0);
    tm_buffer_free(&out);
}

/* The example of the specification: 0 to 7 in three bits each. */
Test(rle, bit_packed_groups_have_the_bytes_of_the_specification)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t want[] = {0x03, 0x88, 0xc6, 0xfa};
    tm_buffer_t out = {0};
    tm_assert_eq(tm_parquet_encode_rle(&out, values, 8, 3), 0);
    tm_assert_eq(out.sz, sizeof want);
    tm_assert(memcmp(out.data, want, sizeof want) == 0);
    tm_buffer_free(&out);
}

Test(rle, any_mixture_of_runs_comes_back)
{
    tm_fixture_rng_t rng = {5};
    for (int round = 0; round < 400; round++) {
        uint32_t in[900], back[900], cnt = 0;
        const uint32_t width = (uint32_t)tm_fixture_below(&rng, 33);
        const uint32_t limit = 1 + (uint32_t)tm_fixture_below(&rng, 900);
        const uint64_t mask = (1ull << width) - 1;
        tm_buffer_t out = {0};
        while (cnt < limit) {
            uint32_t run = 1 + (uint32_t)tm_fixture_below(&rng, round % 2 ? 3 : 30);
            uint32_t v = (uint32_t)(tm_fixture_rand(&rng) & mask);
            while (run-- > 0 && cnt < limit) in[cnt++] = v;
        }
        tm_assert_eq(tm_parquet_encode_rle(&out, in, cnt, width), 0);
        tm_assert_eq(tm_parquet_decode_rle(back, cnt, width, out.data, out.sz), 0);
        tm_assert(memcmp(in, back, cnt * sizeof in[0]) == 0);
        tm_buffer_free(&out);
    }
}

Test(plain, decimals_are_big_endian_twos_complement)
{
    static const tm_i128_t values[] = {1, -1, (tm_i128_t)1 << 120};
    tm_buffer_t out = {0};
    tm_assert_eq(tm_parquet_encode_decimal128(&out, values, 3), 0);
    for (int i = 0; i < 16; i++) {
        tm_assert_eq(out.data[i], i == 15);
        tm_assert_eq(out.data[16 + i], 0xff);
        tm_assert_eq(out.data[32 + i], i == 0);
    }
    tm_buffer_free(&out);
}

Test(plain, booleans_are_bits_from_the_lowest)
{
    static const uint8_t values[] = {1, 0, 0, 1, 0, 0, 0, 0, 1};
    tm_buffer_t out = {0};
    tm_assert_eq(tm_parquet_encode_bool(&out, values, 9), 0);
    tm_assert_eq(out.sz, 2u);
    tm_assert_eq(out.data[0], 0x09);
    tm_assert_eq(out.data[1], 0x01);
    tm_buffer_free(&out);
}

Test(decode, cut_and_impossible_bytes_are_corrupt_never_read_past)
{
    int64_t in[300], back[300];
    tm_buffer_t out = {0};
    tm_fixture_rng_t rng = {6};
    for (int i = 0; i < 300; i++) in[i] = (int64_t)tm_fixture_rand(&rng);
    tm_assert_eq(tm_parquet_encode_delta(&out, in, 300, (tm_parquet_delta_form_t){0}), 0);
    for (size_t sz = 0; sz < out.sz; sz++) {
        uint8_t *copy = malloc(sz ? sz : 1);
        memcpy(copy, out.data, sz);
        tm_assert_eq(tm_parquet_decode_delta(back, 300, false, copy, sz), TM_E_CORRUPT);
        free(copy);
    }
    tm_assert_eq(tm_parquet_decode_delta(back, 299, false, out.data, out.sz), TM_E_CORRUPT);
    uint32_t idx[8];
    static const uint8_t empty_run[] = {0x00, 0x00}, no_value[] = {0x10};
    tm_assert_eq(tm_parquet_decode_rle(idx, 8, 8, empty_run, 2), TM_E_CORRUPT);
    tm_assert_eq(tm_parquet_decode_rle(idx, 8, 8, no_value, 1), TM_E_CORRUPT);
    tm_assert_eq(tm_parquet_decode_rle(idx, 8, 33, no_value, 1), TM_E_CORRUPT);
    tm_buffer_free(&out);
}

Test(value_dict, numbers_stand_for_their_values_in_order_of_first_sight)
{
    tm_fixture_rng_t rng = {8};
    tm_value_dict_t dict;
    static int64_t in[5000];
    static uint32_t idx[5000];
    tm_assert_eq(tm_value_dict_open(&dict), 0);
    for (int round = 0; round < 20; round++) {
        const uint64_t distinct = 1 + tm_fixture_below(&rng, 3000);
        uint32_t seen = 0;
        for (int i = 0; i < 5000; i++)
            in[i] = (int64_t)(tm_fixture_below(&rng, distinct) * 0x100000001ull << round);
        tm_value_dict_clear(&dict);
        tm_assert(tm_value_dict_add(&dict, in, 5000, TM_VALUE_DICT_MAX, idx));
        for (int i = 0; i < 5000; i++) {
            tm_assert_eq(dict.values[idx[i]], in[i]);
            tm_assert(idx[i] <= seen);
            seen += idx[i] == seen;
        }
        tm_assert_eq(dict.cnt, seen);
        tm_value_dict_clear(&dict);
        tm_assert(!tm_value_dict_add(&dict, in, 5000, seen - 1, idx));
    }
    tm_value_dict_close(&dict);
}

/* Values that the hash's own description gives; the last one is longer than a stripe. */
Test(bloom, hashes_are_those_of_xxh64)
{
    static const char text[] = "Nobody inspects the spammish repetition";
    tm_assert_eq(tm_xxh64("", 0), 0xef46db3751d8e999ull);
    tm_assert_eq(tm_xxh64("a", 1), 0xd24ec4f1a98c6e5bull);
    tm_assert_eq(tm_xxh64("abc", 3), 0x44bc2cf5ad770999ull);
    tm_assert_eq(tm_xxh64(text, sizeof text - 1), 0xfbcea83c8a378bf1ull);
}

Test(bloom, filters_hold_what_was_added_and_little_else)
{
    static const uint32_t cnts[] = {1, 20, 3000, 200000};
    for (size_t i = 0; i < TM_ARRAY_CNT(cnts); i++) {
        const uint32_t sz = tm_bloom_sz(cnts[i]);
        uint8_t *filter = calloc(1, sz);
        uint32_t wrong_cnt = 0;
        tm_assert(filter && sz >= cnts[i] * 97ull / 80 && (sz & (sz - 1)) == 0);
        for (uint64_t v = 0; v < cnts[i]; v++) tm_bloom_add(filter, sz, tm_xxh64(&v, 8));
        for (uint64_t v = 0; v < cnts[i]; v++) tm_assert(tm_bloom_has(filter, sz, tm_xxh64(&v, 8)));
        for (uint64_t v = 0; v < 20000; v++) {
            const uint64_t absent = v + (1ull << 40);
            wrong_cnt += tm_bloom_has(filter, sz, tm_xxh64(&absent, 8));
        }
        tm_assert(wrong_cnt < 20000 / 100);
        free(filter);
    }
}
