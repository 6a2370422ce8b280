/* The codec by itself, against the examples of RFC 7692 (section 7.2.3) and zlib driven by hand. */
#define ZLIB_CONST
#include "base/error.h"
#include "net/ws/deflate.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const tm_deflate_terms_t usual = {.on = true,
                                         .in_takeover = true,
                                         .out_takeover = true,
                                         .in_window_bits = 15,
                                         .out_window_bits = 15,
                                         .level = 6};

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Inflates a message given in pieces of step bytes, taking out_sz bytes at a time. Returns its size
   or the error. */
static int inflate_in_steps(tm_inflater_t *z, const uint8_t *in, size_t in_sz, size_t step,
                            size_t out_sz, uint8_t *out)
{
    size_t made = 0, at = 0;
    tm_inflater_begin(z);
    do {
        size_t piece = step && in_sz - at > step ? step : in_sz - at;
        tm_inflater_give(z, in + at, piece, at + piece == in_sz);
        at += piece;
        int n;
        do {
            n = tm_inflater_take(z, out + made, out_sz);
            if (n < 0) return n;
            made += (size_t)n;
        } while (tm_inflater_is_busy(z));
    } while (at < in_sz);
    return (int)made;
}

static void check_reads(tm_inflater_t *z, const char *bytes, size_t sz, const char *want)
{
    uint8_t out[64] = {0};
    int n = inflate_in_steps(z, (const uint8_t *)bytes, sz, 0, sizeof out, out);
    tm_assert_eq(n, (int)strlen(want));
    tm_assert(memcmp(out, want, strlen(want)) == 0);
}

#define READS(z, bytes, want) check_reads(z, bytes, sizeof(bytes) - 1, want)

Test(deflate, the_examples_of_the_rfc_are_inflated)
{
    tm_inflater_t *z;
    tm_assert_eq(tm_inflater_open(&z, &usual), 0);
    READS(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello");
    READS(z, "\xf2\x00\x11\x00\x00", "Hello");                                 /* from the window */
    READS(z, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello");         /* stored */
    READS(z, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello");                     /* marked as final */
    READS(z, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"); /* two blocks */
    READS(z, "\x00", "");
    READS(z, "\x02\x00", "");
    READS(z, "", ""); /* what zlib flushes when nothing was written since the last flush */
    READS(z, "\xf2\x00\x11\x00\x00", "Hello");
    tm_inflater_free(z);
}

Test(deflate, without_takeover_a_message_cannot_refer_to_the_one_before)
{
    tm_deflate_terms_t terms = usual;
    terms.in_takeover = false;
    tm_inflater_t *z;
    uint8_t out[64];
    tm_assert_eq(tm_inflater_open(&z, &terms), 0);
    READS(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello");
    READS(z, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello");
    READS(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello");
    tm_assert_eq(inflate_in_steps(z, (const uint8_t *)"\xf2\x00\x11\x00\x00", 5, 0, 64, out),
                 (int)TM_E_PROTOCOL);
    tm_assert(strstr(tm_error_text(), "is not DEFLATE: invalid distance too far back"));
    tm_inflater_free(z);
}

Test(deflate, a_window_lives_on_behind_a_final_block)
{
    tm_inflater_t *z;
    tm_assert_eq(tm_inflater_open(&z, &usual), 0);
    READS(z, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello");
    READS(z, "\xf2\x00\x11\x00\x00", "Hello");
    READS(z, "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"); /* nothing behind it at all */
    READS(z, "\xf2\x00\x11\x00\x00", "Hello");
    /* Two final blocks in one message, the second from the window of the first. */
    READS(z, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x00\x11\x00\x00", "HelloHello");
    tm_inflater_free(z);
}

Test(deflate, a_message_that_is_cut_or_no_deflate_is_refused)
{
    static const struct {
        const char *bytes;
        size_t sz;
        const char *why;
    } bad[] = {
        {"\xf2\x48\xcd\xc9\xc9", 5, "ends inside a block"},
        {"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", 11, "ends inside a block"}, /* the tail */
        {"\xf3\x48\xcd\xc9\xc9", 5, "ends inside a block"},
        {"\x00\x50\x00\xaf\xff\x48", 6, "ends inside a block"},
        {"\x07", 1, "invalid block type"},
        {"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", 11, "invalid stored block lengths"},
        {"\xff\xff\xff\xff\xff", 5, "is not DEFLATE"},
    };
    uint8_t out[256];
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        for (size_t step = 0; step < 3; step++) {
            tm_inflater_t *z;
            tm_assert_eq(tm_inflater_open(&z, &usual), 0);
            int n = inflate_in_steps(z, (const uint8_t *)bad[i].bytes, bad[i].sz, step, 64, out);
            tm_assert_eq(n, (int)TM_E_PROTOCOL);
            if (!strstr(tm_error_text(), bad[i].why)) printf("# %zu: %s\n", i, tm_error_text());
            tm_assert(strstr(tm_error_text(), bad[i].why));
            tm_inflater_free(z);
        }
    }
}

/* What zlib makes of it by itself, with the tail cut off. */
static size_t deflate_by_hand(z_stream *strm, const uint8_t *in, size_t in_sz, uint8_t *out,
                              size_t out_sz)
{
    strm->next_in = in;
    strm->avail_in = (uInt)in_sz;
    strm->next_out = out;
    strm->avail_out = (uInt)out_sz;
    tm_assert_eq(deflate(strm, Z_SYNC_FLUSH), Z_OK);
    return out_sz - strm->avail_out - 4;
}

static void fill(uint8_t *text, size_t sz, uint64_t *seed)
{
    static const char json[] = "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"p\":\"55133.98000000\"}";
    for (size_t i = 0; i < sz; i++) {
        uint64_t r = random_next(seed);
        text[i] = r % 8 ? (uint8_t)json[i % (sizeof json - 1)] : (uint8_t)(r >> 32);
    }
}

enum { TEXT_MAX = 100000 };

Test(deflate, what_zlib_compresses_by_hand_comes_out_in_any_pieces)
{
    static uint8_t text[TEXT_MAX], wire[2 * TEXT_MAX], out[2 * TEXT_MAX];
    static const size_t steps[] = {0, 1, 7, 1024, 1025};
    uint64_t seed = 20240808;
    printf("# seed %llu\n", (unsigned long long)seed);
    for (int bits = 9; bits <= 15; bits += 2) {
        tm_deflate_terms_t terms = usual;
        terms.in_window_bits = (uint8_t)bits;
        z_stream strm = {0};
        tm_inflater_t *z;
        tm_assert_eq(deflateInit2(&strm, bits % 5, Z_DEFLATED, -bits, 5, Z_DEFAULT_STRATEGY), Z_OK);
        tm_assert_eq(tm_inflater_open(&z, &terms), 0);
        for (size_t i = 0; i < 60; i++) {
            size_t sz = 1 + random_next(&seed) % (i % 3 ? 300 : TEXT_MAX);
            size_t out_sz = i % 2 ? 1 + random_next(&seed) % 500 : sizeof out - TEXT_MAX;
            fill(text, sz, &seed);
            size_t wire_sz = deflate_by_hand(&strm, text, sz, wire, sizeof wire);
            int n = inflate_in_steps(z, wire, wire_sz, steps[i % TM_ARRAY_CNT(steps)], out_sz, out);
            if (n < 0) printf("# bits %d, message %zu: %s\n", bits, i, tm_error_text());
            tm_assert_eq(n, (int)sz);
            tm_assert(memcmp(out, text, sz) == 0);
        }
        tm_inflater_free(z);
        deflateEnd(&strm);
    }
}

Test(deflate, messages_of_ours_are_inflated_by_zlib_by_hand_for_all_terms)
{
    static uint8_t text[TEXT_MAX], wire[2 * TEXT_MAX], out[TEXT_MAX + 1];
    uint64_t seed = 20240809;
    printf("# seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 7 * 9 * 2; i++) {
        tm_deflate_terms_t terms = {.on = true,
                                    .in_window_bits = 15,
                                    .out_window_bits = (uint8_t)(9 + i % 7),
                                    .level = (uint8_t)(1 + i % 9),
                                    .mem_level = (uint8_t)(1 + i % 8),
                                    .out_takeover = i % 2};
        tm_deflater_t *z;
        z_stream strm = {0};
        tm_assert_eq(tm_deflater_open(&z, &terms), 0);
        tm_assert_eq(inflateInit2(&strm, -terms.out_window_bits), Z_OK);
        for (int k = 0; k < 10; k++) {
            size_t sz = 1 + random_next(&seed) % (k % 3 ? 300 : TEXT_MAX);
            fill(text, sz, &seed);
            if (k % 5 == 4) { /* nothing to save */
                for (size_t b = 0; b < sz; b++) text[b] = (uint8_t)random_next(&seed);
            }
            size_t wire_sz = tm_deflater_message(z, text, sz, wire);
            tm_assert(wire_sz <= tm_deflater_bound(sz));
            memcpy(wire + wire_sz, "\x00\x00\xff\xff", 4);
            if (!terms.out_takeover) inflateReset(&strm);
            strm.next_in = wire;
            strm.avail_in = (uInt)wire_sz + 4;
            strm.next_out = out;
            strm.avail_out = sizeof out;
            tm_assert_eq(inflate(&strm, Z_SYNC_FLUSH), Z_OK);
            tm_assert_eq(sizeof out - strm.avail_out, sz);
            tm_assert(memcmp(out, text, sz) == 0);
        }
        inflateEnd(&strm);
        tm_deflater_free(z);
    }
}

Test(deflate, terms_out_of_range_open_nothing)
{
    tm_inflater_t *in;
    tm_deflater_t *out;
    for (int i = 0; i < 6; i++) {
        tm_deflate_terms_t terms = usual;
        if (i == 0) terms.in_window_bits = terms.out_window_bits = 16;
        if (i == 1) terms.in_window_bits = terms.out_window_bits = 7;
        if (i == 2) terms.out_window_bits = 8;
        if (i == 3) terms.level = 10;
        if (i == 4) terms.level = 0;
        if (i == 5) terms.mem_level = 10;
        tm_assert_eq(tm_deflater_open(&out, &terms), -EINVAL);
        tm_assert(!out);
        if (i >= 2) continue;
        tm_assert_eq(tm_inflater_open(&in, &terms), -EINVAL);
        tm_assert(!in);
    }
}
