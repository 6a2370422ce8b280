/* Books that only a checksum proves: a message that is missing is noticed, and told once. The
   checksum is made here from a plain model of the book with zlib's CRC-32, after Kraken's guide. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/runtime/source/book_check.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PRICES = 60, DEPTH = 25, MID = 30, STEPS = 3000, ROW_MAX = 2 * PRICES + 1 };

static int64_t model[PRICES]; /* quantity at price 1000 + i; bids below MID */
static uint64_t random_state;
static tm_market_row_t rows[ROW_MAX];
static uint32_t symbol, other;

static uint32_t chance(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static void seed_take(void)
{
    const char *text = getenv("TM_SEED");
    random_state = text ? strtoull(text, NULL, 10) : (uint64_t)tm_clock_real_ns();
    printf("# TM_SEED=%llu\n", (unsigned long long)random_state);
}

/* Ten best asks, then ten best bids: digits of price and quantity. Prices have two digits behind
   the point here, quantities three. */
static uint32_t model_checksum(void)
{
    char text[2048];
    int n = 0, cnt = 0;
    for (int i = MID; i < PRICES && cnt < 10; i++)
        if (model[i]) {
            n += snprintf(text + n, sizeof text - (size_t)n, "%d%lld", (1000 + i) * 100,
                          (long long)model[i]);
            cnt++;
        }
    cnt = 0;
    for (int i = MID - 1; i >= 0 && cnt < 10; i--)
        if (model[i]) {
            n += snprintf(text + n, sizeof text - (size_t)n, "%d%lld", (1000 + i) * 100,
                          (long long)model[i]);
            cnt++;
        }
    return (uint32_t)crc32(0, (const Bytef *)text, (uInt)n);
}

static void head_make(bool snapshot, int32_t level_cnt)
{
    rows[0] = (tm_market_row_t){
        .depth = {.row = {.symbol = symbol, .schema_id = TM_SCHEMA_ID_DEPTH},
                  .checksum = model_checksum(),
                  .level_cnt = level_cnt,
                  .snapshot = snapshot,
                  .price_digits = 2,
                  .qty_digits = 3}};
}

static void level_make(int32_t at, int price)
{
    rows[1 + at] = (tm_market_row_t){
        .level = {.row = {.symbol = symbol, .schema_id = TM_SCHEMA_ID_LEVEL},
                  .price_e8 = (1000 + price) * INT64_C(100000000),
                  .qty_e8 = model[price] * 100000,
                  .side = price < MID ? TM_SIDE_BUY : TM_SIDE_SELL}};
}

static void snapshot_make(void)
{
    int32_t cnt = 0;
    for (int i = 0; i < PRICES; i++)
        if (model[i]) level_make(cnt++, i);
    head_make(true, cnt);
}

/* Changes a level; every side keeps ten at least, and no more than the depth. */
static void change_make(int price)
{
    int side_cnt = 0;
    for (int i = price < MID ? 0 : MID; i < (price < MID ? MID : PRICES); i++)
        side_cnt += model[i] != 0;
    bool may_go = model[price] != 0 && side_cnt > 12, may_come = side_cnt < DEPTH;
    if (model[price] || may_come)
        model[price] = may_go && chance(2) ? 0 : 1 + (int64_t)chance(99999);
    level_make(0, price);
    head_make(false, 1);
}

static tm_book_check_cfg_t check_cfg(tm_counter_set_t *counters, tm_symbols_t *symbols)
{
    static const char *const streams[] = {"trade:XBT/USD,book.10:ETH/USD", "book.25:XBT/USD"};
    return (tm_book_check_cfg_t){.checksum = TM_BOOK_CHECKSUM_KRAKEN,
                                 .counters = counters,
                                 .symbols = symbols,
                                 .streams = streams,
                                 .stream_cnt = TM_ARRAY_CNT(streams)};
}

static tm_book_check_t *check_new(tm_counter_set_t *counters, tm_symbols_t *symbols)
{
    const tm_book_check_cfg_t cfg = check_cfg(counters, symbols);
    tm_book_check_t *check;
    symbol = tm_symbols_intern(symbols, "XBT/USD", 7);
    other = tm_symbols_intern(symbols, "ETH/USD", 7);
    tm_assert_eq(tm_book_check_open(&check, &cfg), 0);
    memset(model, 0, sizeof model);
    for (int i = MID - 20; i < MID + 20; i++) model[i] = 1 + (int64_t)chance(99999);
    return check;
}

Test(book_check, a_whole_book_is_never_doubted_and_a_missing_message_is_told_once)
{
    tm_counter_set_t *counters = tm_counter_set_new("check");
    tm_symbols_t *symbols;
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    seed_take();
    tm_book_check_t *check = check_new(counters, symbols);
    for (uint32_t conn = 0; conn < 2; conn++) {
        snapshot_make();
        tm_assert(tm_book_check_take(check, conn, rows));
    }
    for (int i = 0; i < STEPS; i++) {
        change_make((int)chance(PRICES));
        tm_assert(tm_book_check_take(check, 0, rows));
        tm_assert(tm_book_check_take(check, 1, rows));
    }
    /* One of the best levels changes, and the first connection does not hear of it. */
    int best = MID;
    while (!model[best]) best++;
    model[best] += 1;
    level_make(0, best);
    head_make(false, 1);
    tm_assert(tm_book_check_take(check, 1, rows));
    uint32_t told = 0;
    for (int i = 0; i < 20; i++) {
        change_make((int)chance(MID)); /* among the bids: the ask stays wrong */
        told += !tm_book_check_take(check, 0, rows);
        tm_assert(tm_book_check_take(check, 1, rows));
    }
    tm_assert_eq(told, 1u);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "book_mismatches")), 1u);
    snapshot_make();
    tm_assert(tm_book_check_take(check, 0, rows));
    change_make((int)chance(PRICES));
    tm_assert(tm_book_check_take(check, 0, rows));
    tm_book_check_close(check);
    tm_symbols_close(symbols);
    tm_counter_set_free(counters);
}

/* Through a checkpoint. */
static tm_book_check_t *check_move(tm_book_check_t *check, const tm_book_check_cfg_t *cfg,
                                   tm_buffer_t *blob)
{
    tm_book_check_t *fresh;
    tm_buffer_clear(blob);
    tm_assert_eq(tm_book_check_save(check, blob), 0);
    tm_book_check_close(check);
    tm_assert_eq(tm_book_check_open(&fresh, cfg), 0);
    tm_assert_eq(tm_book_check_restore(fresh, blob->data, blob->sz), 0);
    return fresh;
}

Test(book_check, books_go_through_checkpoints_and_what_is_cut_is_refused)
{
    tm_counter_set_t *counters = tm_counter_set_new("check");
    tm_symbols_t *symbols;
    tm_buffer_t blob = {0};
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    seed_take();
    tm_book_check_t *check = check_new(counters, symbols);
    const tm_book_check_cfg_t cfg = check_cfg(counters, symbols);
    snapshot_make();
    tm_assert(tm_book_check_take(check, 0, rows) && tm_book_check_take(check, 3, rows));
    for (int i = 0; i < STEPS; i++) {
        if (i % 50 == 0) check = check_move(check, &cfg, &blob);
        change_make((int)chance(PRICES));
        tm_assert(tm_book_check_take(check, 0, rows) && tm_book_check_take(check, 3, rows));
    }
    for (size_t sz = 0; sz < blob.sz; sz++) {
        tm_book_check_t *torn;
        tm_assert_eq(tm_book_check_open(&torn, &cfg), 0);
        tm_assert_eq(tm_book_check_restore(torn, blob.data, sz), TM_E_CORRUPT);
        tm_book_check_close(torn);
    }
    int best = MID;
    while (!model[best]) best++;
    model[best] += 1; /* nobody hears of it */
    change_make((int)chance(MID));
    tm_assert(!tm_book_check_take(check, 0, rows));
    check = check_move(check, &cfg, &blob);
    tm_assert(tm_book_check_take(check, 0, rows)); /* told before the checkpoint */
    tm_assert(!tm_book_check_take(check, 3, rows));
    tm_book_check_close(check);
    tm_buffer_free(&blob);
    tm_symbols_close(symbols);
    tm_counter_set_free(counters);
}

/* Best bid, best ask, second bid, second ask and so on, 25 of each: price:quantity as decimals. */
static uint32_t okx_checksum(void)
{
    char text[4096] = "";
    size_t n = 0;
    int bid = MID - 1, ask = MID;
    for (int rank = 0; rank < 25; rank++, bid--, ask++) {
        const int at[] = {bid, ask};
        for (int side = 0; side < 2; side++)
            if (at[side] >= 0 && at[side] < PRICES && model[at[side]])
                n += (size_t)snprintf(text + n, sizeof text - n, "%s%d:%lld", n ? ":" : "",
                                      1000 + at[side], (long long)model[at[side]]);
    }
    return (uint32_t)crc32(0, (const Bytef *)text, (uInt)n);
}

/* Rows of a message of OKX: quantities are whole, and ids name the message before. */
static void okx_make(bool snapshot, int price, uint64_t id, bool sums)
{
    int32_t cnt = 0;
    for (int i = 0; i < PRICES; i++)
        if (model[i] && (snapshot || i == price)) level_make(cnt++, i);
    for (int32_t i = 0; i < cnt; i++) rows[1 + i].level.qty_e8 *= 1000;
    head_make(snapshot, cnt);
    rows[0].depth.chain = TM_CHAIN_PREV;
    rows[0].depth.last_id = id;
    rows[0].depth.prev_id = snapshot ? 0 : id - 1;
    rows[0].depth.checksum = sums ? (int32_t)okx_checksum() : 0;
}

Test(book_check, a_book_of_okx_is_compared_where_it_has_a_checksum_and_left_alone_where_it_has_none)
{
    tm_counter_set_t *counters = tm_counter_set_new("check");
    tm_symbols_t *symbols;
    tm_book_check_t *check;
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    seed_take();
    symbol = tm_symbols_intern(symbols, "BTC-USDT", 8);
    const tm_book_check_cfg_t cfg = {
        .checksum = TM_BOOK_CHECKSUM_OKX, .counters = counters, .symbols = symbols};
    tm_assert_eq(tm_book_check_open(&check, &cfg), 0);
    for (uint32_t conn = 0; conn < 2; conn++) {
        bool sums = conn == 0; /* the second one is of today, when the field is always 0 */
        uint64_t id = 1, told = 0;
        for (int i = 0; i < PRICES; i++) model[i] = 1 + (int64_t)chance(9999);
        okx_make(true, 0, id++, sums);
        tm_assert(tm_book_check_take(check, conn, rows));
        for (int i = 0; i < STEPS; i++) {
            int price = (int)chance(PRICES);
            model[price] = 1 + (int64_t)chance(9999);
            okx_make(false, price, id++, sums);
            tm_assert(tm_book_check_take(check, conn, rows));
        }
        /* One of the best levels is another one than was said; the ids show nothing. */
        model[MID] += 1;
        for (int i = 0; i < 5; i++) {
            model[3] = 1 + i;
            okx_make(false, 3, id++, sums);
            told += !tm_book_check_take(check, conn, rows);
        }
        tm_assert_eq(told, sums ? 1u : 0u);
        okx_make(true, 0, id++, sums);
        tm_assert(tm_book_check_take(check, conn, rows));
        /* A message that the ids show to be missing is the arbiter's to tell. */
        id++;
        model[MID] += 1;
        okx_make(false, 3, id++, sums);
        tm_assert(tm_book_check_take(check, conn, rows));
    }
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "book_mismatches")), 1u);
    tm_book_check_close(check);
    tm_symbols_close(symbols);
    tm_counter_set_free(counters);
}

Test(book_check, levels_beyond_the_depth_that_was_subscribed_to_are_forgotten)
{
    tm_counter_set_t *counters = tm_counter_set_new("check");
    tm_symbols_t *symbols;
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    seed_take();
    tm_book_check_t *check = check_new(counters, symbols);
    /* Of ETH/USD ten levels a side were asked for. When a better bid comes, the tenth leaves
       without a word; once the better one is gone, the venue sends what is tenth then. */
    symbol = other;
    memset(model, 0, sizeof model);
    for (int i = MID - 10; i < MID + 10; i++)
        if (i != MID - 1) model[i] = 1 + (int64_t)chance(99999);
    model[MID - 11] = 7;
    snapshot_make();
    tm_assert(tm_book_check_take(check, 0, rows));
    model[MID - 1] = 5;
    model[MID - 11] = 0;
    level_make(0, MID - 1);
    head_make(false, 1);
    tm_assert(tm_book_check_take(check, 0, rows));
    model[MID - 1] = 0;
    model[MID - 12] = 9; /* the old one was taken back meanwhile */
    level_make(0, MID - 1);
    level_make(1, MID - 12);
    head_make(false, 2);
    tm_assert(tm_book_check_take(check, 0, rows));
    tm_book_check_close(check);
    tm_symbols_close(symbols);
    tm_counter_set_free(counters);
}
