#include "parse/book.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 64 };

/* A batch in the making. */
typedef struct batch {
    tm_market_row_t rows[BATCH_MAX];
} batch_t;

static batch_t batch;

static const tm_market_row_t *head(uint64_t first, uint64_t last, uint64_t prev, tm_chain_t chain)
{
    batch.rows[0].depth = (tm_depth_t){.row = {.schema_id = TM_SCHEMA_ID_DEPTH},
                                       .first_id = first,
                                       .last_id = last,
                                       .prev_id = prev,
                                       .chain = (uint8_t)chain,
                                       .price_digits = TM_DIGITS_NONE,
                                       .qty_digits = TM_DIGITS_NONE};
    return batch.rows;
}

static const tm_market_row_t *whole(uint64_t last)
{
    head(0, last, 0, TM_CHAIN_NONE);
    batch.rows[0].depth.snapshot = 1;
    return batch.rows;
}

static const tm_market_row_t *with(tm_side_t side, int64_t price, int64_t qty)
{
    int32_t i = ++batch.rows[0].depth.level_cnt;
    batch.rows[i].level = (tm_level_t){.row = {.schema_id = TM_SCHEMA_ID_LEVEL},
                                       .price_e8 = price,
                                       .qty_e8 = qty,
                                       .side = (uint8_t)side};
    return batch.rows;
}

static tm_book_t *book_new(tm_book_cfg_t cfg)
{
    size_t sz = tm_book_footprint(&cfg);
    tm_assert(sz > 0);
    return tm_book_init(aligned_alloc(TM_CACHE_LINE, tm_align_up(sz, TM_CACHE_LINE)), &cfg);
}

static int apply(tm_book_t *b, const tm_market_row_t *rows)
{
    return (int)tm_book_apply(b, rows);
}

Test(book, bad_configurations_have_no_footprint)
{
    tm_assert_eq(tm_book_footprint(&(tm_book_cfg_t){.level_max = 0}), 0u);
    tm_assert_eq(tm_book_footprint(&(tm_book_cfg_t){.level_max = TM_BOOK_LEVEL_MAX + 1}), 0u);
    tm_assert_eq(tm_book_footprint(&(tm_book_cfg_t){.level_max = 1, .wait_max = UINT32_MAX}), 0u);
}

/* A slow book: quantity by price. */
enum { PRICE_CNT = 200 };
static int64_t model[2][PRICE_CNT];

static void book_is_the_model(const tm_book_t *b)
{
    uint32_t bids = 0, asks = 0;
    for (int64_t p = PRICE_CNT - 1; p >= 0; p--) {
        if (!model[0][p]) continue;
        tm_assert(bids < b->bids.cnt);
        tm_assert_eq(tm_book_price(&b->bids, bids), p - 50);
        tm_assert_eq(tm_book_qty(&b->bids, bids++), model[0][p]);
    }
    for (int64_t p = 0; p < PRICE_CNT; p++) {
        if (!model[1][p]) continue;
        tm_assert(asks < b->asks.cnt);
        tm_assert_eq(tm_book_price(&b->asks, asks), p - 50);
        tm_assert_eq(tm_book_qty(&b->asks, asks++), model[1][p]);
    }
    tm_assert_eq(bids, b->bids.cnt);
    tm_assert_eq(asks, b->asks.cnt);
}

Test(book, random_changes_leave_what_a_slow_model_has)
{
    const char *given = getenv("TM_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20240808;
    fprintf(stderr, "# seed %llu\n", seed + 0ull);
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = PRICE_CNT});
    memset(model, 0, sizeof model);
    for (uint32_t round = 0; round < 20000; round++) {
        bool fresh = round % 1000 == 0;
        if (fresh) memset(model, 0, sizeof model);
        if (fresh)
            whole(round);
        else
            head(0, 0, 0, TM_CHAIN_NONE);
        for (uint32_t i = 0; i < 1 + round % 5; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            uint32_t side = seed >> 40 & 1, price = (uint32_t)(seed >> 41) % PRICE_CNT;
            int64_t qty = (int64_t)(seed >> 60); /* zero every now and then: also negative prices */
            model[side][price] = qty;
            with(side ? TM_SIDE_SELL : TM_SIDE_BUY, (int64_t)price - 50, qty);
        }
        int result = apply(b, batch.rows);
        tm_assert(result == TM_BOOK_APPLIED || result == TM_BOOK_CROSSED);
        tm_assert_eq(result == TM_BOOK_CROSSED, tm_book_is_crossed(b));
        if (round % 16 == 0) book_is_the_model(b);
    }
    free(b);
}

Test(book, binance_spot_updates_are_chained_by_their_range)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 8});
    head(1, 5, 0, TM_CHAIN_RANGE);
    tm_assert_eq(apply(b, with(TM_SIDE_BUY, 10, 1)), TM_BOOK_WAIT);
    whole(100);
    tm_assert_eq(apply(b, with(TM_SIDE_BUY, 10, 1)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(90, 100, 0, TM_CHAIN_RANGE)), TM_BOOK_OLD);
    tm_assert_eq(apply(b, head(95, 105, 0, TM_CHAIN_RANGE)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(106, 110, 0, TM_CHAIN_RANGE)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(112, 115, 0, TM_CHAIN_RANGE)), TM_BOOK_GAP);
    tm_assert_eq(b->bids.cnt, 0u);
    tm_assert_eq(apply(b, head(116, 117, 0, TM_CHAIN_RANGE)), TM_BOOK_WAIT);
    free(b);
}

Test(book, binance_futures_updates_are_chained_by_their_predecessor)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 8});
    tm_assert_eq(apply(b, whole(100)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(80, 99, 70, TM_CHAIN_PREV)), TM_BOOK_OLD);
    tm_assert_eq(apply(b, head(95, 120, 90, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(130, 140, 120, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(141, 150, 139, TM_CHAIN_PREV)), TM_BOOK_GAP);
    tm_assert_eq(apply(b, whole(200)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(201, 220, 199, TM_CHAIN_PREV)), TM_BOOK_GAP);
    free(b);
}

Test(book, okx_keeps_alive_and_may_step_back_and_bybit_steps_by_one)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 8});
    tm_assert_eq(apply(b, whole(10)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 15, 10, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 15, 15, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 3, 15, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 5, 3, TM_CHAIN_PREV)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 9, 7, TM_CHAIN_PREV)), TM_BOOK_GAP);
    tm_assert_eq(apply(b, whole(1)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 2, 0, TM_CHAIN_STEP)), TM_BOOK_APPLIED);
    tm_assert_eq(apply(b, head(0, 2, 0, TM_CHAIN_STEP)), TM_BOOK_OLD);
    tm_assert_eq(apply(b, head(0, 4, 0, TM_CHAIN_STEP)), TM_BOOK_GAP);
    free(b);
}

Test(book, batches_wait_for_a_snapshot_that_comes_by_another_way)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 8, .wait_max = 5});
    for (uint64_t i = 0; i < 6; i++) {
        head(10 * i + 1, 10 * i + 10, 0, TM_CHAIN_RANGE);
        tm_assert_eq(apply(b, with(TM_SIDE_BUY, (int64_t)i, 7)), TM_BOOK_WAIT);
    }
    /* Two of them have room; 41..50 and 51..60 are the youngest. */
    whole(45);
    tm_assert_eq(apply(b, with(TM_SIDE_BUY, 100, 1)), TM_BOOK_APPLIED);
    tm_assert_eq(b->id, 60u);
    tm_assert_eq(b->bids.cnt, 3u);
    tm_assert_eq(tm_book_price(&b->bids, 1), 5);
    /* The batch that shows a gap waits for the next snapshot. */
    head(70, 80, 0, TM_CHAIN_RANGE);
    tm_assert_eq(apply(b, with(TM_SIDE_BUY, 9, 9)), TM_BOOK_GAP);
    tm_assert_eq(apply(b, whole(75)), TM_BOOK_APPLIED);
    tm_assert_eq(b->id, 80u);
    tm_assert_eq(b->bids.cnt, 1u);
    /* A snapshot that is too old for what waits leaves no book. */
    tm_assert_eq(apply(b, head(90, 99, 0, TM_CHAIN_RANGE)), TM_BOOK_GAP);
    tm_assert_eq(apply(b, whole(82)), TM_BOOK_GAP);
    tm_assert(!b->ready);
    free(b);
}

Test(book, the_worst_levels_are_let_go_where_there_is_no_room)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 3});
    whole(1);
    for (int64_t p = 5; p > 0; p--) with(TM_SIDE_BUY, p, p);
    for (int64_t p = 6; p < 8; p++) with(TM_SIDE_SELL, p, p);
    tm_assert_eq(apply(b, batch.rows), TM_BOOK_APPLIED);
    tm_assert_eq(b->bids.cnt, 3u);
    tm_assert_eq(tm_book_price(&b->bids, 2), 3);
    tm_assert_eq(b->let_go_cnt, 2u);
    tm_quote_t q;
    tm_book_quote(b, 9, &q);
    tm_assert_eq(q.bid_px_e8, 5);
    tm_assert_eq(q.ask_px_e8, 6);
    tm_assert_eq(q.row.symbol, 9u);
    head(0, 0, 0, TM_CHAIN_NONE);
    tm_assert_eq(apply(b, with(TM_SIDE_BUY, 6, 1)), TM_BOOK_CROSSED);
    tm_assert_eq(tm_book_price(&b->bids, 2), 4);
    free(b);
}

/* The example of Kraken's documentation: five-digit prices, eight-digit quantities. */
Test(book, krakens_checksum_equals_its_documentation)
{
    tm_book_t *b = book_new((tm_book_cfg_t){
        .level_max = 10, .checksum = TM_BOOK_CHECKSUM_KRAKEN, .price_digits = 5, .qty_digits = 8});
    whole(1);
    batch.rows[0].depth.checksum = 974947235;
    for (int64_t i = 0; i < 10; i++) {
        with(TM_SIDE_SELL, 5005000 + 5000 * i, 500);
        with(TM_SIDE_BUY, 5000000 - 5000 * (i + (i > 2)), 500); /* 0.04985 is not there */
    }
    tm_assert_eq(apply(b, batch.rows), TM_BOOK_APPLIED);
    batch.rows[0].depth.checksum = 974947236;
    tm_assert_eq(apply(b, batch.rows), TM_BOOK_MISMATCH);
    tm_assert(!b->ready);
    free(b);
}

/* The example of OKX's documentation. */
Test(book, okxs_checksum_equals_its_documentation)
{
    tm_book_t *b = book_new((tm_book_cfg_t){.level_max = 30, .checksum = TM_BOOK_CHECKSUM_OKX});
    whole(1);
    with(TM_SIDE_BUY, 336610000000, 700000000);
    with(TM_SIDE_BUY, 336600000000, 600000000);
    with(TM_SIDE_SELL, 336680000000, 900000000);
    with(TM_SIDE_SELL, 336800000000, 800000000);
    tm_assert_eq(apply(b, batch.rows), TM_BOOK_APPLIED);
    /* "3366.1:7:3366.8:9:3366:6:3368:8" */
    tm_assert_eq(tm_book_checksum_now(b), 2413953002u);
    free(b);
}
