#include "parse/book.h"

#include "base/decimal.h"

#include <string.h>
#include <zlib.h>

enum { KRAKEN_LEVELS = 10, NEAR_TOUCH = 8 };

static size_t waits_off(const tm_book_cfg_t *cfg)
{
    size_t sz = sizeof(tm_book_t) + 2 * (size_t)cfg->level_max * sizeof(tm_book_level_t);
    return tm_align_up(sz, TM_CACHE_LINE);
}

size_t tm_book_footprint(const tm_book_cfg_t *cfg)
{
    if (cfg->level_max == 0 || cfg->level_max > TM_BOOK_LEVEL_MAX) return 0;
    if (cfg->wait_max > TM_BOOK_LEVEL_MAX) return 0;
    return waits_off(cfg) + cfg->wait_max * sizeof(tm_market_row_t);
}

tm_book_t *tm_book_init(void *mem, const tm_book_cfg_t *cfg)
{
    tm_book_t *b = mem;
    memset(b, 0, sizeof *b);
    b->cfg = *cfg;
    b->bids.levels = (tm_book_level_t *)(b + 1);
    b->asks.levels = b->bids.levels + cfg->level_max;
    b->asks.flip = -1;
    b->waits = (tm_market_row_t *)((uint8_t *)mem + waits_off(cfg));
    tm_book_reset(b);
    return b;
}

void tm_book_reset(tm_book_t *book)
{
    book->ready = false;
    book->id = 0;
    book->bids.cnt = book->asks.cnt = 0;
}

/* ---- one side -------------------------------------------------------------------------------- */

/* Index of the first level whose key is not below `key`. Near the touch it is found by looking at
   one level after another. */
static uint32_t side_find(const tm_book_side_t *s, int64_t key)
{
    uint32_t low = 0, high = s->cnt;
    while (high > 0 && s->cnt - high < NEAR_TOUCH) {
        if (s->levels[high - 1].key < key) return high;
        high--;
    }
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (s->levels[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void side_remove(tm_book_side_t *s, uint32_t i)
{
    memmove(&s->levels[i], &s->levels[i + 1], (s->cnt - i - 1) * sizeof s->levels[0]);
    s->cnt--;
}

/* Sets the quantity at a price. Returns how many levels had to go for it. */
static uint32_t side_set(tm_book_side_t *s, int64_t key, int64_t qty_e8, uint32_t level_max)
{
    uint32_t i = side_find(s, key), let_go = 0;
    if (i < s->cnt && s->levels[i].key == key) {
        if (qty_e8 == 0)
            side_remove(s, i); /* a level that is not there needs no removing */
        else
            s->levels[i].qty_e8 = qty_e8;
        return 0;
    }
    if (qty_e8 == 0) return 0;
    if (s->cnt == level_max) {
        if (i == 0) return 1;
        side_remove(s, 0);
        i--;
        let_go = 1;
    }
    memmove(&s->levels[i + 1], &s->levels[i], (s->cnt - i) * sizeof s->levels[0]);
    s->levels[i] = (tm_book_level_t){key, qty_e8};
    s->cnt++;
    return let_go;
}

/* ---- a whole book ---------------------------------------------------------------------------- */

static tm_book_side_t *side_of(tm_book_t *b, const tm_level_t *level)
{
    return level->side == TM_SIDE_BUY ? &b->bids : &b->asks;
}

/* Takes the levels of a snapshot as they come, best first as venues send them: into a run that
   falls and is turned round at the end. False where they do not come so, or are too many. */
static bool load_sorted(tm_book_t *b, const tm_level_t *levels, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        tm_book_side_t *s = side_of(b, &levels[i]);
        int64_t key = levels[i].price_e8 ^ s->flip;
        if (levels[i].qty_e8 == 0) continue;
        if (s->cnt == b->cfg.level_max || (s->cnt > 0 && s->levels[s->cnt - 1].key <= key))
            return false;
        s->levels[s->cnt++] = (tm_book_level_t){key, levels[i].qty_e8};
    }
    for (uint32_t side = 0; side < 2; side++) {
        tm_book_side_t *s = side ? &b->asks : &b->bids;
        for (uint32_t i = 0, k = s->cnt; i + 1 < k; i++) {
            tm_book_level_t swap = s->levels[i];
            s->levels[i] = s->levels[--k];
            s->levels[k] = swap;
        }
    }
    return true;
}

static void levels_set(tm_book_t *b, const tm_level_t *levels, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        tm_book_side_t *s = side_of(b, &levels[i]);
        b->let_go_cnt += side_set(s, levels[i].price_e8 ^ s->flip, levels[i].qty_e8,
                                  b->cfg.level_max);
    }
}

static void snapshot_load(tm_book_t *b, const tm_level_t *levels, uint32_t cnt)
{
    tm_book_reset(b);
    if (!load_sorted(b, levels, cnt)) {
        b->bids.cnt = b->asks.cnt = 0;
        levels_set(b, levels, cnt);
    }
    b->ready = b->bridge = true;
}

/* ---- chains ---------------------------------------------------------------------------------- */

static tm_book_result_t chain_prev(const tm_book_t *b, const tm_depth_t *head)
{
    if (head->last_id == 0 && head->prev_id == 0) return TM_BOOK_APPLIED; /* nothing is told */
    if (head->prev_id == b->id) return TM_BOOK_APPLIED;
    if (!b->bridge || head->first_id == 0) return TM_BOOK_GAP;
    /* The snapshot came by another way and stands somewhere between the batches. */
    if (head->last_id < b->id) return TM_BOOK_OLD;
    return head->first_id <= b->id ? TM_BOOK_APPLIED : TM_BOOK_GAP;
}

/* Whether a batch of changes continues the book. */
static tm_book_result_t chain_check(const tm_book_t *b, const tm_depth_t *head)
{
    if (!b->ready) return TM_BOOK_WAIT;
    switch (head->chain) {
    case TM_CHAIN_RANGE:
        if (head->last_id <= b->id) return TM_BOOK_OLD;
        return head->first_id > b->id + 1 ? TM_BOOK_GAP : TM_BOOK_APPLIED;
    case TM_CHAIN_PREV:
        return chain_prev(b, head);
    case TM_CHAIN_STEP:
        if (head->last_id <= b->id) return TM_BOOK_OLD;
        return head->last_id == b->id + 1 ? TM_BOOK_APPLIED : TM_BOOK_GAP;
    default:
        return TM_BOOK_APPLIED;
    }
}

/* ---- checksums ------------------------------------------------------------------------------- */

static uint32_t crc_add(uint32_t crc, const char *text, size_t sz)
{
    return (uint32_t)crc32(crc, (const Bytef *)text, (uInt)sz);
}

/* The digits of a value as it is written with so many behind the point, without the point. */
static uint32_t crc_digits(uint32_t crc, int64_t value_e8, uint32_t digits)
{
    char text[TM_DECIMAL_TEXT_MAX];
    tm_i128_t v = value_e8;
    for (; digits < 8; digits++) v /= 10;
    for (; digits > 8; digits--) v *= 10;
    return crc_add(crc, text, tm_decimal_format(text, v, 0));
}

static uint32_t crc_kraken(const tm_book_t *b)
{
    uint32_t crc = 0;
    uint32_t price = b->cfg.price_digits ? b->cfg.price_digits : b->price_digits;
    uint32_t qty = b->cfg.qty_digits ? b->cfg.qty_digits : b->qty_digits;
    for (uint32_t side = 0; side < 2; side++) {
        const tm_book_side_t *s = side ? &b->bids : &b->asks;
        for (uint32_t i = 0; i < KRAKEN_LEVELS && i < s->cnt; i++) {
            crc = crc_digits(crc, tm_book_price(s, i), price);
            crc = crc_digits(crc, tm_book_qty(s, i), qty);
        }
    }
    return crc;
}

/* The shortest decimal of a value and a colon. */
static uint32_t crc_decimal(uint32_t crc, int64_t value_e8, bool first)
{
    char text[TM_DECIMAL_TEXT_MAX];
    size_t sz = tm_decimal_format(text, value_e8, 8);
    while (text[sz - 1] == '0') sz--;
    if (text[sz - 1] == '.') sz--;
    if (!first) crc = crc_add(crc, ":", 1);
    return crc_add(crc, text, sz);
}

static uint32_t crc_okx(const tm_book_t *b)
{
    uint32_t crc = 0;
    bool first = true;
    for (uint32_t i = 0; i < TM_BOOK_CHECKSUM_LEVELS; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            const tm_book_side_t *s = side ? &b->asks : &b->bids;
            if (i >= s->cnt) continue;
            crc = crc_decimal(crc, tm_book_price(s, i), first);
            crc = crc_decimal(crc, tm_book_qty(s, i), false);
            first = false;
        }
    }
    return crc;
}

uint32_t tm_book_checksum_now(const tm_book_t *book)
{
    switch (book->cfg.checksum) {
    case TM_BOOK_CHECKSUM_KRAKEN:
        return crc_kraken(book);
    case TM_BOOK_CHECKSUM_OKX:
        return crc_okx(book);
    case TM_BOOK_CHECKSUM_NONE:
        break;
    }
    return 0;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void digits_see(tm_book_t *b, const tm_depth_t *head)
{
    if (head->price_digits == TM_DIGITS_NONE) return;
    if (head->price_digits > b->price_digits) b->price_digits = head->price_digits;
    if (head->qty_digits > b->qty_digits) b->qty_digits = head->qty_digits;
}

static uint32_t rows_of(const tm_market_row_t *head)
{
    return 1 + (uint32_t)head->depth.level_cnt;
}

/* Keeps a batch until a snapshot comes. Only one that says where it begins can be matched with a
   snapshot that came by another way. */
static void wait_add(tm_book_t *b, const tm_market_row_t *rows)
{
    uint32_t cnt = rows_of(rows), out = 0;
    if (rows->depth.first_id == 0 || cnt > b->cfg.wait_max) return;
    while (b->cfg.wait_max - (b->wait_cnt - out) < cnt) out += rows_of(&b->waits[out]);
    b->wait_cnt -= out;
    memmove(b->waits, b->waits + out, b->wait_cnt * sizeof b->waits[0]);
    memcpy(b->waits + b->wait_cnt, rows, cnt * sizeof rows[0]);
    b->wait_cnt += cnt;
}

static tm_book_result_t apply(tm_book_t *b, const tm_market_row_t *rows)
{
    const tm_depth_t *head = &rows->depth;
    const tm_level_t *levels = &rows[1].level;
    tm_book_result_t result = head->snapshot ? TM_BOOK_APPLIED : chain_check(b, head);
    if (result != TM_BOOK_APPLIED) return result;
    digits_see(b, head);
    if (head->snapshot) {
        snapshot_load(b, levels, (uint32_t)head->level_cnt);
    } else {
        levels_set(b, levels, (uint32_t)head->level_cnt);
        b->bridge = false;
    }
    b->id = head->last_id;
    b->event_ns = head->row.event_ns;
    bool checked = b->cfg.checksum != TM_BOOK_CHECKSUM_NONE && head->checksum != 0;
    if (checked && tm_book_checksum_now(b) != (uint32_t)head->checksum) return TM_BOOK_MISMATCH;
    return tm_book_is_crossed(b) ? TM_BOOK_CROSSED : TM_BOOK_APPLIED;
}

static tm_book_result_t apply_one(tm_book_t *b, const tm_market_row_t *rows)
{
    tm_book_result_t result = apply(b, rows);
    b->results[result]++;
    if (result == TM_BOOK_GAP || result == TM_BOOK_MISMATCH) tm_book_reset(b);
    return result;
}

tm_book_result_t tm_book_apply(tm_book_t *book, const tm_market_row_t *rows)
{
    tm_book_result_t result = apply_one(book, rows);
    if (result == TM_BOOK_GAP || result == TM_BOOK_WAIT) wait_add(book, rows);
    if (!rows->depth.snapshot) return result;
    for (uint32_t i = 0; i < book->wait_cnt && book->ready; i += rows_of(&book->waits[i])) {
        tm_book_result_t waited = apply_one(book, &book->waits[i]);
        if (waited != TM_BOOK_OLD) result = waited;
    }
    book->wait_cnt = 0;
    return result;
}

void tm_book_quote(const tm_book_t *book, uint32_t symbol, tm_quote_t *out)
{
    const tm_book_side_t *bids = &book->bids, *asks = &book->asks;
    *out = (tm_quote_t){
        .row = {.kind = TM_ROW_INSERT,
                .schema_id = TM_SCHEMA_ID_QUOTE,
                .symbol = symbol,
                .event_ns = book->event_ns,
                .recv_ns = book->event_ns},
        .update_id = book->id,
        .bid_px_e8 = bids->cnt ? tm_book_price(bids, 0) : 0,
        .bid_qty_e8 = bids->cnt ? tm_book_qty(bids, 0) : 0,
        .ask_px_e8 = asks->cnt ? tm_book_price(asks, 0) : 0,
        .ask_qty_e8 = asks->cnt ? tm_book_qty(asks, 0) : 0,
    };
}
