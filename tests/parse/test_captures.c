/* Recorded feeds of five venues: every message gives what it should, and books built from them hold
   what the venues say of them elsewhere: best bid and offer, checksums, sequence numbers. */
#include "base/counter.h"
#include "parse/book.h"
#include "parse/parser.h"
#include "parse/venues/venues.h"
#include "tests/parse/venue_tape.h"
#include "tests/tm_test.h"

enum { BOOK_MAX = 32 };

typedef struct bed {
    tm_symbols_t *symbols;
    tm_counter_set_t *counters;
    tm_parser_t *parser;
    tm_market_row_t *rows;
    tm_book_cfg_t book_cfg;
    tm_book_t *books[BOOK_MAX]; /* by symbol */
} bed_t;

static bed_t bed;

static void bed_open(const tm_venue_t *venue, tm_book_cfg_t book_cfg)
{
    bed = (bed_t){.counters = tm_counter_set_new("capture"), .book_cfg = book_cfg};
    bed.rows = aligned_alloc(TM_CACHE_LINE, TM_PARSER_ROW_MAX * sizeof bed.rows[0]);
    tm_assert(bed.rows && tm_symbols_open(&bed.symbols) == 0);
    tm_parser_cfg_t cfg = {.symbols = bed.symbols, .counters = bed.counters, .venue = venue};
    tm_assert(tm_parser_open(&bed.parser, &cfg) == 0);
}

static void bed_close(void)
{
    for (uint32_t i = 0; i < BOOK_MAX; i++) free(bed.books[i]);
    tm_parser_close(bed.parser);
    tm_counter_set_free(bed.counters);
    tm_symbols_close(bed.symbols);
    free(bed.rows);
}

static uint64_t count(const char *name)
{
    return tm_counter_read(tm_counter_get(bed.counters, name));
}

static tm_book_t *book_of(uint32_t symbol)
{
    tm_assert(symbol < BOOK_MAX);
    if (!bed.books[symbol]) {
        size_t sz = tm_align_up(tm_book_footprint(&bed.book_cfg), TM_CACHE_LINE);
        void *mem = aligned_alloc(TM_CACHE_LINE, sz);
        tm_assert(mem != NULL);
        bed.books[symbol] = tm_book_init(mem, &bed.book_cfg);
    }
    return bed.books[symbol];
}

static uint64_t results(tm_book_result_t result)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < BOOK_MAX; i++)
        if (bed.books[i]) sum += bed.books[i]->results[result];
    return sum;
}

/* Rows of a message: calls for each of them, with the rows that follow it. */
typedef void row_fn(const tm_market_row_t *row);

static void feed(const tm_frame_t *frame, row_fn *on_row)
{
    uint32_t n = tm_parser_frame(bed.parser, frame, bed.rows, TM_PARSER_ROW_MAX);
    for (uint32_t i = 0; i < n; i += tm_market_lines(bed.rows[i].row.schema_id))
        on_row(&bed.rows[i]);
}

static bool play(const char *name, row_fn *on_row)
{
    tape_t r;
    tm_frame_t frame;
    if (!tape_open(&r, name)) {
        tape_close(&r);
        fprintf(stderr, "# %s is not there: skipped\n", name);
        return false;
    }
    while (tape_next(&r, &frame)) feed(&frame, on_row);
    tape_close(&r);
    return true;
}

/* ---- Binance: books against best bids and offers --------------------------------------------- */

enum { QUOTE_MAX = 1 << 17 };

static tm_quote_t *quotes; /* of the file, by rising update id */
static uint32_t quote_cnt, quote_at, compared, equal;
static uint64_t last_trade_id, trade_gaps;

static void quote_keep(const tm_market_row_t *row)
{
    if (row->row.schema_id == TM_SCHEMA_ID_QUOTE) {
        tm_assert(quote_cnt < QUOTE_MAX);
        quotes[quote_cnt++] = row->quote;
    }
    if (row->row.schema_id == TM_SCHEMA_ID_TRADE) {
        trade_gaps += last_trade_id && row->trade.trade_id != last_trade_id + 1;
        last_trade_id = row->trade.trade_id;
    }
}

static void book_compare_one(const tm_market_row_t *row)
{
    tm_book_t *b = book_of(0);
    tm_book_result_t result = tm_book_apply(b, row);
    if (result != TM_BOOK_APPLIED || row->depth.snapshot) return;
    while (quote_at < quote_cnt && quotes[quote_at].update_id <= b->id) quote_at++;
    if (quote_at == 0) return;
    const tm_quote_t *q = &quotes[quote_at - 1];
    tm_quote_t mine;
    tm_book_quote(b, 0, &mine);
    compared++;
    equal += mine.bid_px_e8 == q->bid_px_e8 && mine.bid_qty_e8 == q->bid_qty_e8 &&
             mine.ask_px_e8 == q->ask_px_e8 && mine.ask_qty_e8 == q->ask_qty_e8;
}

/* The snapshot is an answer to a request and names no symbol: the file is of one. What came before
   it waits here and not in the book, so that each batch is compared. */
static void book_compare(const tm_market_row_t *row)
{
    static tm_market_row_t waits[1 << 15];
    static uint32_t wait_cnt;
    if (row->row.schema_id != TM_SCHEMA_ID_DEPTH) return;
    uint32_t cnt = 1 + (uint32_t)row->depth.level_cnt;
    if (!row->depth.snapshot && !book_of(0)->ready) {
        tm_assert(wait_cnt + cnt <= TM_ARRAY_CNT(waits));
        memcpy(waits + wait_cnt, row, cnt * sizeof waits[0]);
        wait_cnt += cnt;
        return;
    }
    book_compare_one(row);
    for (uint32_t i = 0; i < wait_cnt; i += 1 + (uint32_t)waits[i].depth.level_cnt)
        book_compare_one(&waits[i]);
    wait_cnt = 0;
}

static bool play_binance(const char *name, row_fn *on_row)
{
    char dir[512], path[600];
    capture_t c;
    tm_frame_t frame;
    if (!capture_dir(dir, sizeof dir)) {
        fprintf(stderr, "# no captures: skipped\n");
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    tm_assert(capture_open(&c, path));
    while (capture_next(&c, &frame)) feed(&frame, on_row);
    capture_close(&c);
    return true;
}

static void binance_book(const char *name, const uint64_t want[5], uint32_t pairs)
{
    bed_open(tm_venue_binance(), (tm_book_cfg_t){.level_max = 1 << 15});
    quotes = malloc(QUOTE_MAX * sizeof quotes[0]);
    quote_cnt = quote_at = compared = equal = 0;
    last_trade_id = trade_gaps = 0;
    if (play_binance(name, quote_keep)) {
        tm_assert_eq(count("parsed_trade"), want[0]);
        tm_assert_eq(count("parsed_quote"), want[1]);
        tm_assert_eq(count("parsed_depth"), want[2]);
        tm_assert_eq(count("parsed_mark"), want[3]);
        tm_assert_eq(count("parsed_depth_snapshot"), want[4]);
        tm_assert_eq(trade_gaps, 0u);
        if (want[4]) play_binance(name, book_compare);
        fprintf(stderr, "# %s: %u of %u books equal their best bid and offer\n", name, equal,
                compared);
        tm_assert_eq(results(TM_BOOK_GAP), 0u);
        if (pairs) tm_assert_eq(results(TM_BOOK_CROSSED), 0u);
        if (pairs) tm_assert_eq(compared, pairs);
        if (pairs) tm_assert_eq(equal, pairs);
        /* Identifiers of the two streams do not align on USD-M. */
        tm_assert(want[4] == 0 || equal * 100 >= compared * 95);
        tm_assert_eq(count("dead_letters"), 0u);
    }
    free(quotes);
    bed_close();
}

Test(captures, binance_spot_btc_is_whole_and_its_books_equal_the_best_bid_and_offer)
{
    binance_book("spot_btcusdt_20240808.gz", (uint64_t[]){9757, 28040, 3451, 0, 1}, 3449);
}

Test(captures, binance_spot_eth_is_whole_and_its_books_equal_the_best_bid_and_offer)
{
    binance_book("spot_ethusdt_20240808.gz", (uint64_t[]){6106, 24077, 3434, 0, 1}, 3432);
}

Test(captures, binance_coinm_is_whole_and_its_books_equal_the_best_bid_and_offer)
{
    binance_book("cm_btcusd_perp_20240808.gz", (uint64_t[]){2286, 19136, 26847, 0, 1}, 26824);
}

Test(captures, binance_usdm_is_whole_and_its_book_has_no_gap)
{
    binance_book("usdm_btcusdt_20240808.gz", (uint64_t[]){21313, 66089, 6551, 0, 1}, 0);
}

Test(captures, binance_recordings_of_2023_are_whole)
{
    binance_book("spot_btcusdt_20230405.dat.gz", (uint64_t[]){3144, 8015, 3929, 0, 0}, 0);
    binance_book("usdm_btcusdt_20230405.dat.gz", (uint64_t[]){10738, 37440, 11788, 415, 0}, 0);
}

/* ---- the other venues ------------------------------------------------------------------------ */

static void book_build(const tm_market_row_t *row)
{
    if (row->row.schema_id == TM_SCHEMA_ID_DEPTH) tm_book_apply(book_of(row->row.symbol), row);
}

Test(captures, kraken_books_have_the_checksums_that_are_sent)
{
    bed_open(tm_venue_kraken(),
             (tm_book_cfg_t){.level_max = 1000, .checksum = TM_BOOK_CHECKSUM_KRAKEN});
    if (play("KRAKEN.ws.50.0.xz", book_build)) {
        tm_assert_eq(count("dead_letters"), 0u);
        tm_assert_eq(count("parsed_depth_snapshot"), 10u);
        tm_assert_eq(count("parsed_depth"), 4269u);
        tm_assert_eq(count("parsed_heartbeat"), 31u);
        tm_assert_eq(count("parsed_reply"), 10u);
        tm_assert_eq(count("parsed_status"), 1u);
        tm_assert_eq(results(TM_BOOK_MISMATCH), 0u);
        tm_assert_eq(results(TM_BOOK_APPLIED), 4279u);
        tm_assert_eq(results(TM_BOOK_CROSSED), 0u);
    }
    bed_close();
}

Test(captures, okx_books_have_the_checksums_that_are_sent)
{
    bed_open(tm_venue_okx(), (tm_book_cfg_t){.level_max = 400, .checksum = TM_BOOK_CHECKSUM_OKX});
    if (play("OKX.ws.1.0.xz", book_build)) {
        tm_assert_eq(count("dead_letters"), 0u);
        tm_assert_eq(count("parsed_depth"), 290u);
        tm_assert_eq(count("parsed_trade"), 74u);
        tm_assert_eq(count("parsed_ticker"), 28u);
        tm_assert_eq(count("parsed_quote"), 28u);
        tm_assert_eq(count("parsed_reply"), 18u);
        tm_assert_eq(results(TM_BOOK_MISMATCH), 0u);
        tm_assert_eq(results(TM_BOOK_APPLIED), 290u);
        tm_assert_eq(results(TM_BOOK_CROSSED), 0u);
    }
    bed_close();
}

static uint64_t seqs[BOOK_MAX], unknown_levels, seq_steps_back;

/* Removals and updates of a level that is not there would show that something was missed. */
static void book_watch(const tm_market_row_t *row)
{
    if (row->row.schema_id != TM_SCHEMA_ID_DEPTH) return;
    tm_book_t *b = book_of(row->row.symbol);
    seq_steps_back += row->depth.last_id != 0 && row->depth.last_id < seqs[row->row.symbol];
    seqs[row->row.symbol] = row->depth.last_id;
    for (int32_t i = 1; !row->depth.snapshot && i <= row->depth.level_cnt; i++) {
        const tm_level_t *l = &row[i].level;
        const tm_book_side_t *s = l->side == TM_SIDE_BUY ? &b->bids : &b->asks;
        bool known = l->qty_e8 != 0;
        for (uint32_t k = 0; !known && k < s->cnt; k++) known = tm_book_price(s, k) == l->price_e8;
        unknown_levels += !known;
    }
    tm_book_apply(b, row);
}

Test(captures, bybit_books_go_on_without_a_break)
{
    bed_open(tm_venue_bybit(), (tm_book_cfg_t){.level_max = 1000});
    memset(seqs, 0, sizeof seqs);
    unknown_levels = seq_steps_back = 0;
    if (play("BYBIT.ws.25.0.xz", book_watch)) {
        tm_assert_eq(count("dead_letters"), 0u);
        tm_assert_eq(count("parsed_depth"), 3260u);
        tm_assert_eq(count("parsed_trade"), 101u); /* in 66 messages */
        tm_assert_eq(count("parsed_reply"), 16u);
        tm_assert_eq(seq_steps_back, 0u);
        tm_assert_eq(unknown_levels, 0u);
        tm_assert_eq(results(TM_BOOK_APPLIED), 3260u);
        tm_assert_eq(results(TM_BOOK_CROSSED), 0u);
    }
    bed_close();
}

static uint32_t tickers, tickers_equal;

static void coinbase_watch(const tm_market_row_t *row)
{
    book_watch(row);
    if (row->row.schema_id != TM_SCHEMA_ID_TICKER) return;
    tm_book_t *b = book_of(row->row.symbol);
    const tm_ticker_t *t = (const tm_ticker_t *)row;
    if (!b->ready) return;
    tickers++;
    tickers_equal += b->bids.cnt && b->asks.cnt && tm_book_price(&b->bids, 0) == t->bid_px_e8 &&
                     tm_book_price(&b->asks, 0) == t->ask_px_e8;
}

Test(captures, coinbase_books_go_on_without_a_break)
{
    bed_open(tm_venue_coinbase(), (tm_book_cfg_t){.level_max = 1 << 16});
    memset(seqs, 0, sizeof seqs);
    unknown_levels = seq_steps_back = tickers = tickers_equal = 0;
    if (play("COINBASE.ws.28.0.xz", coinbase_watch)) {
        tm_assert_eq(count("dead_letters"), 0u);
        tm_assert_eq(count("parsed_depth"), 9719u);
        tm_assert_eq(count("parsed_depth_snapshot"), 10u);
        tm_assert_eq(count("parsed_ticker"), 107u);
        tm_assert_eq(count("parsed_trade"), 97u);
        tm_assert_eq(count("parsed_last_trade"), 10u);
        tm_assert_eq(count("parsed_reply"), 3u);
        fprintf(stderr, "# %u of %u tickers have the book's best prices, %llu unknown levels\n",
                tickers_equal, tickers, unknown_levels + 0ull);
        tm_assert_eq(unknown_levels, 0u);
        tm_assert_eq(results(TM_BOOK_CROSSED), 0u);
        tm_assert_eq(results(TM_BOOK_APPLIED), 9729u);
    }
    bed_close();
}
