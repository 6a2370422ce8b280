/* The kernels against published vectors, against long division bit by bit, and against each other.
   */
#include "state/crc32c.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

/* Division of the message polynomial by P, one bit at a time: the definition. */
static uint32_t slow(uint32_t crc, const uint8_t *p, size_t sz)
{
    crc = ~crc;
    for (size_t i = 0; i < sz; i++) {
        crc ^= p[i];
        for (int b = 0; b < 8; b++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static uint64_t rng = 0x9e3779b97f4a7c15u;
static uint8_t random_byte(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint8_t)(rng >> 32);
}

static void each_kernel(void (*fn)(tm_crc32c_fn_t kernel))
{
    for (int isa = TM_CRC32C_SCALAR; isa <= TM_CRC32C_AVX512; isa++) {
        tm_crc32c_fn_t kernel = tm_crc32c_kernel_of((tm_crc32c_isa_t)isa);
        if (kernel) fn(kernel);
    }
}

static void vectors_hold(tm_crc32c_fn_t kernel)
{
    uint8_t up[32], down[32], zero[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    tm_assert_eq(kernel(0, "123456789", 9), 0xe3069283u);
    tm_assert_eq(kernel(0, zero, 32), 0x8a9136aau); /* RFC 3720, B.4 */
    tm_assert_eq(kernel(0, ones, 32), 0x62a8ab43u);
    tm_assert_eq(kernel(0, up, 32), 0x46dd794eu);
    tm_assert_eq(kernel(0, down, 32), 0x113fdb5cu);
}

Test(crc32c, gives_the_published_sums_of_rfc_3720)
{
    each_kernel(vectors_hold);
}

static void lengths_hold(tm_crc32c_fn_t kernel)
{
    static uint8_t buf[6000];
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = random_byte();
    for (size_t sz = 0; sz < 2100; sz++) {
        const uint8_t *p = buf + sz % 17;
        tm_assert_eq(kernel((uint32_t)sz * 77u, p, sz), slow((uint32_t)sz * 77u, p, sz));
    }
    tm_assert_eq(kernel(5, buf, sizeof buf), slow(5, buf, sizeof buf));
}

Test(crc32c, agrees_with_long_division_at_every_length_and_alignment)
{
    each_kernel(lengths_hold);
}

static void joins_hold(tm_crc32c_fn_t kernel)
{
    static uint8_t buf[4096];
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = random_byte();
    const uint32_t whole = kernel(0, buf, sizeof buf);
    for (size_t cut = 0; cut <= sizeof buf; cut += 61)
        tm_assert_eq(kernel(kernel(0, buf, cut), buf + cut, sizeof buf - cut), whole);
}

Test(crc32c, continues_over_a_cut_at_any_place)
{
    each_kernel(joins_hold);
}
