/* Kernels against a reference that moves one bit at a time. */
#include "state/parquet/bit_pack.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <string.h>

static void pack_slow(uint8_t *out, const uint64_t *in, uint32_t cnt, uint32_t width)
{
    memset(out, 0, (size_t)cnt * width / 8);
    for (uint32_t i = 0; i < cnt; i++)
        for (uint32_t b = 0; b < width; b++) {
            uint64_t bit = (uint64_t)i * width + b;
            out[bit / 8] |= (uint8_t)((in[i] >> b & 1) << (bit % 8));
        }
}

static uint64_t mask(uint32_t width)
{
    return width == 64 ? UINT64_MAX : (1ull << width) - 1;
}

Test(bit_pack, every_width_gives_the_bytes_of_the_slow_reference)
{
    tm_fixture_rng_t rng = {1};
    for (uint32_t width = 0; width <= 64; width++)
        for (int round = 0; round < 20; round++) {
            uint64_t in[32];
            uint8_t want[256] = {0}, got[256 + TM_BIT_PACK_SLACK] = {0};
            for (int i = 0; i < 32; i++) in[i] = tm_fixture_rand(&rng) & mask(width);
            if (round == 0)
                for (int i = 0; i < 32; i++) in[i] = mask(width);
            pack_slow(want, in, 32, width);
            tm_bit_pack_kernel(tm_cpu_isa())->pack(got, in, width);
            tm_assert(memcmp(want, got, (size_t)width * 4) == 0);
            for (uint32_t i = 0; i < 32; i++)
                tm_assert_eq(tm_bit_unpack(got, (size_t)width * 4, i, width), in[i]);
        }
}

Test(bit_pack, indexes_of_every_width_give_the_bytes_of_the_slow_reference)
{
    tm_fixture_rng_t rng = {2};
    for (uint32_t width = 0; width <= 32; width++)
        for (uint32_t cnt = 8; cnt <= 64; cnt += 8) {
            uint32_t in[64];
            uint64_t wide[64];
            uint8_t want[256] = {0}, got[256 + TM_BIT_PACK_SLACK] = {0};
            for (uint32_t i = 0; i < cnt; i++)
                wide[i] = in[i] = (uint32_t)(tm_fixture_rand(&rng) & mask(width));
            pack_slow(want, wide, cnt, width);
            uint8_t *end = tm_bit_pack_idx(got, in, cnt, width);
            tm_assert_eq(end - got, (long)(cnt * width / 8));
            tm_assert(memcmp(want, got, (size_t)cnt * width / 8) == 0);
        }
}

Test(bit_pack, difference_kernels_agree_with_the_scalar_one)
{
    tm_fixture_rng_t rng = {3};
    const tm_bit_pack_kernel_t *scalar = tm_bit_pack_kernel(TM_ISA_SCALAR);
    for (tm_isa_t isa = TM_ISA_SCALAR; isa <= tm_cpu_isa(); isa++)
        for (int round = 0; round < 200; round++) {
            int64_t in[TM_DELTA_BLOCK_CNT + 1];
            uint64_t a[TM_DELTA_BLOCK_CNT], b[TM_DELTA_BLOCK_CNT], a_or[4], b_or[4];
            uint32_t bits = (uint32_t)tm_fixture_below(&rng, 65);
            for (size_t i = 0; i < TM_ARRAY_CNT(in); i++)
                in[i] = (int64_t)(tm_fixture_rand(&rng) & mask(bits));
            int64_t a_min = scalar->delta(in + 1, a, a_or);
            int64_t b_min = tm_bit_pack_kernel(isa)->delta(in + 1, b, b_or);
            tm_assert_eq(a_min, b_min);
            tm_assert(memcmp(a, b, sizeof a) == 0);
            tm_assert(memcmp(a_or, b_or, sizeof a_or) == 0);
        }
}

Test(bit_pack, the_scalar_difference_kernel_holds_its_definition)
{
    int64_t in[TM_DELTA_BLOCK_CNT + 1];
    uint64_t out[TM_DELTA_BLOCK_CNT], mini_or[4];
    for (int i = 0; i <= TM_DELTA_BLOCK_CNT; i++) in[i] = (int64_t)i * i; /* differences 2i - 1 */
    tm_assert_eq(tm_bit_pack_kernel(TM_ISA_SCALAR)->delta(in + 1, out, mini_or), 1);
    for (int i = 0; i < TM_DELTA_BLOCK_CNT; i++) tm_assert_eq(out[i], 2ull * (unsigned)i);
    tm_assert_eq(mini_or[0], 62u);
    tm_assert_eq(mini_or[3], 254u);
}

Test(bit_pack, ranges_of_every_kernel_hold_the_definition_in_both_orders)
{
    tm_fixture_rng_t rng = {7};
    for (tm_isa_t isa = TM_ISA_SCALAR; isa <= tm_cpu_isa(); isa++)
        for (uint32_t cnt = 1; cnt < 100; cnt++) {
            int64_t in[100], min, max, want_min, want_max;
            uint64_t low = UINT64_MAX, high = 0;
            for (uint32_t i = 0; i < cnt; i++) in[i] = (int64_t)tm_fixture_rand(&rng);
            want_min = want_max = in[0];
            for (uint32_t i = 0; i < cnt; i++) {
                if (in[i] < want_min) want_min = in[i];
                if (in[i] > want_max) want_max = in[i];
                if ((uint64_t)in[i] < low) low = (uint64_t)in[i];
                if ((uint64_t)in[i] > high) high = (uint64_t)in[i];
            }
            tm_bit_pack_kernel(isa)->range(in, cnt, 0, &min, &max);
            tm_assert_eq(min, want_min);
            tm_assert_eq(max, want_max);
            tm_bit_pack_kernel(isa)->range(in, cnt, 1ull << 63, &min, &max);
            tm_assert_eq((uint64_t)min, low);
            tm_assert_eq((uint64_t)max, high);
        }
}
