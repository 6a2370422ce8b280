#include "base/error.h"
#include "engine/runtime/ring_copy.h"
#include "tests/tm_test.h"

#include <stdlib.h>

static tm_ring_t *ring_new(uint32_t depth, uint32_t stride)
{
    tm_ring_cfg_t cfg = {.depth = depth, .stride = stride};
    size_t sz = tm_ring_footprint(&cfg);
    tm_assert(sz > 0);
    void *mem = aligned_alloc(TM_FALSE_SHARE, sz);
    tm_assert(mem != NULL);
    return tm_ring_init(mem, &cfg);
}

static tm_trade_t trade(uint64_t id)
{
    return (tm_trade_t){.row = {.kind = TM_ROW_INSERT,
                                .schema_id = TM_SCHEMA_ID_TRADE,
                                .symbol = (uint32_t)id * 7,
                                .event_ns = (int64_t)id},
                        .trade_id = id,
                        .price_e8 = -(int64_t)id,
                        .side = TM_SIDE_SELL};
}

static bool same(const tm_trade_t *got, uint64_t id)
{
    tm_trade_t want = trade(id);
    return memcmp((const uint8_t *)got + 1, (const uint8_t *)&want + 1, sizeof want - 1) == 0;
}

Test(ring, footprint_refuses_what_init_could_not_hold)
{
    const tm_ring_cfg_t bad[] = {{32, 64},  {100, 64}, {0, 64},       {1u << 21, 64},
                                 {64, 0},   {64, 32},  {64, 96},      {64, TM_ROW_SZ_MAX + 64},
                                 {64, 65u}, {65, 64},  {1u << 31, 64}};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_error_clear();
        tm_assert_eq(tm_ring_footprint(&bad[i]), 0u);
        tm_assert(tm_error_text()[0] != '\0');
    }
}

Test(ring, holds_exactly_depth_rows_and_then_says_full)
{
    tm_ring_t *ring = ring_new(64, 64);
    for (uint64_t i = 0; i < 64; i++) {
        tm_trade_t t = trade(i);
        tm_assert(tm_ring_push(ring, &t));
    }
    tm_trade_t more = trade(64);
    tm_assert(!tm_ring_push(ring, &more));
    tm_assert(tm_ring_claim(ring) == NULL);
    tm_assert_eq(tm_ring_push_burst(ring, &more, 1), 0u);
    tm_assert_eq(tm_ring_lag(ring), 64u);

    const void *rows;
    tm_assert_eq(tm_ring_peek(ring, &rows, 1000), 64u);
    tm_ring_release(ring, 1);
    tm_assert(tm_ring_push(ring, &more));
    tm_assert(!tm_ring_push(ring, &more));
    free(ring);
}

Test(ring, rows_come_out_whole_and_in_order_over_many_laps)
{
    static const uint32_t strides[] = {64, 128, 192, TM_ROW_SZ_MAX};
    for (size_t s = 0; s < TM_ARRAY_CNT(strides); s++) {
        tm_ring_t *ring = ring_new(64, strides[s]);
        uint8_t *row = calloc(1, strides[s]);
        uint64_t in = 0, out = 0;
        while (out < 64 * 7) {
            /* 13 in, up to 11 out: every position meets every fill level and the wrap. */
            for (int i = 0; i < 13; i++) {
                tm_trade_t t = trade(in);
                memcpy(row, &t, sizeof t);
                row[strides[s] - 1] = (uint8_t)in;
                if (!tm_ring_push(ring, row)) break;
                in++;
            }
            const void *at;
            uint32_t n = tm_ring_peek(ring, &at, 11);
            for (uint32_t i = 0; i < n; i++) {
                const uint8_t *got = (const uint8_t *)at + (size_t)i * strides[s];
                if (strides[s] == 64)
                    tm_assert_eq(got[63], (uint8_t)out);
                else
                    tm_assert(same((const tm_trade_t *)(const void *)got, out));
                tm_assert_eq(got[strides[s] - 1], (uint8_t)out);
                out++;
            }
            tm_ring_release(ring, n);
        }
        free(row);
        free(ring);
    }
}

Test(ring, a_run_ends_at_the_end_of_the_ring_and_goes_on_at_its_start)
{
    tm_ring_t *ring = ring_new(64, 64);
    const void *rows;
    tm_trade_t batch[60];
    for (uint64_t i = 0; i < 60; i++) batch[i] = trade(i);
    tm_assert_eq(tm_ring_push_burst(ring, batch, 60), 60u);
    tm_assert_eq(tm_ring_peek(ring, &rows, 60), 60u);
    tm_ring_release(ring, 60);
    tm_assert_eq(tm_ring_push_burst(ring, batch, 10), 10u);
    tm_assert_eq(tm_ring_peek(ring, &rows, 60), 4u);
    tm_assert(same(rows, 0));
    tm_ring_release(ring, 4);
    tm_assert_eq(tm_ring_peek(ring, &rows, 60), 6u);
    tm_assert(same(rows, 4));
    tm_ring_release(ring, 6);
    tm_assert_eq(tm_ring_peek(ring, &rows, 60), 0u);
    free(ring);
}

Test(ring, burst_moves_what_fits)
{
    tm_ring_t *ring = ring_new(64, 64);
    tm_trade_t batch[100];
    for (uint64_t i = 0; i < 100; i++) batch[i] = trade(i);
    tm_assert_eq(tm_ring_push_burst(ring, batch, 100), 64u);
    const void *rows;
    tm_assert_eq(tm_ring_peek(ring, &rows, 5), 5u);
    tm_ring_release(ring, 5);
    tm_assert_eq(tm_ring_push_burst(ring, batch + 64, 36), 5u);
    free(ring);
}

Test(ring, a_claimed_slot_is_invisible_until_published)
{
    tm_ring_t *ring = ring_new(64, 64);
    const void *rows;
    for (uint64_t i = 0; i < 200; i++) {
        tm_trade_t want = trade(i);
        tm_trade_t *slot = tm_ring_claim(ring);
        tm_assert(slot != NULL);
        tm_assert(tm_ring_claim(ring) == (void *)slot);
        memcpy((uint8_t *)slot + 8, (const uint8_t *)&want + 8, sizeof want - 8);
        tm_assert_eq(tm_ring_peek(ring, &rows, 1), 0u);
        tm_ring_publish(ring, TM_ROW_INSERT, TM_SCHEMA_ID_TRADE, want.row.symbol);
        tm_assert_eq(tm_ring_peek(ring, &rows, 1), 1u);
        tm_assert(rows == (void *)slot);
        tm_assert(same(rows, i));
        tm_ring_release(ring, 1);
    }
    free(ring);
}

Test(ring, whatever_the_row_brings_in_its_phase_byte_is_overwritten)
{
    tm_ring_t *ring = ring_new(64, 64);
    const void *rows;
    for (uint64_t i = 0; i < 64 * 3; i++) {
        tm_trade_t t = trade(i);
        t.row.phase = (uint8_t)(i * 37);
        tm_assert(tm_ring_push(ring, &t));
        tm_assert_eq(tm_ring_peek(ring, &rows, 2), 1u);
        tm_ring_release(ring, 1);
        tm_assert_eq(tm_ring_peek(ring, &rows, 2), 0u);
    }
    free(ring);
}

Test(ring, every_copy_kernel_writes_rows_whole_with_the_phase_and_nothing_else)
{
    enum { CNT = 5, STRIDE_MAX = 256 };
    static uint8_t rows[CNT * STRIDE_MAX + 1];
    static alignas(64) uint8_t slots[(CNT + 1) * STRIDE_MAX];
    for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)(i * 31 + 7);
    for (tm_isa_t isa = TM_ISA_SCALAR; isa <= tm_cpu_isa(); isa++) {
        for (uint32_t stride = 64; stride <= STRIDE_MAX; stride += 64) {
            memset(slots, 0xcc, sizeof slots);
            /* Rows of the caller may lie anywhere. */
            tm_ring_copy_pick(isa)(slots, rows + 1, CNT, stride, 0xab);
            for (uint32_t i = 0; i < CNT * stride; i++)
                tm_assert_eq(slots[i], i % stride ? rows[1 + i] : 0xab);
            for (size_t i = CNT * stride; i < sizeof slots; i++) tm_assert_eq(slots[i], 0xcc);
        }
    }
}

Test(ring, a_burst_over_the_end_of_the_ring_changes_phase_within)
{
    tm_ring_t *ring = ring_new(64, 64);
    const void *rows;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 50; round++) {
        tm_trade_t batch[63];
        for (uint64_t i = 0; i < 63; i++) batch[i] = trade(in + i);
        in += tm_ring_push_burst(ring, batch, (uint32_t)(1 + round % 63));
        for (uint32_t n; (n = tm_ring_peek(ring, &rows, 64)) > 0; tm_ring_release(ring, n))
            for (uint32_t i = 0; i < n; i++) tm_assert(same((const tm_trade_t *)rows + i, out++));
        tm_assert_eq(in, out);
    }
    free(ring);
}
