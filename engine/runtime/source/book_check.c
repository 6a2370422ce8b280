#include "engine/runtime/source/book_check.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_CNT = 2 * TM_BOOK_CHECK_MAX, DEPTH_MAX = 1000, VERSION = 1 };

typedef struct kept {
    uint32_t conn_idx, symbol;
    bool broken;
    tm_book_t *book;
} kept_t;

struct tm_book_check {
    tm_book_check_cfg_t cfg;
    tm_counter_t *mismatches, *unchecked;
    uint32_t cnt;
    uint32_t table[TABLE_CNT]; /* 1 + place in `kept`, 0 = free */
    kept_t kept[TM_BOOK_CHECK_MAX];
};

int tm_book_check_open(tm_book_check_t **out, const tm_book_check_cfg_t *cfg)
{
    tm_book_check_t *c = calloc(1, sizeof *c);
    *out = c;
    if (!c) return tm_error_set(-ENOMEM, "no memory for books");
    c->cfg = *cfg;
    c->mismatches = tm_counter_get(cfg->counters, "book_mismatches");
    c->unchecked = tm_counter_get(cfg->counters, "books_unchecked");
    return 0;
}

void tm_book_check_close(tm_book_check_t *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->cnt; i++) free(c->kept[i].book);
    free(c);
}

/* The depth of one name, "book.25:BTC/USD", where it is the symbol's; else 0. */
static uint32_t depth_in(const char *stream, size_t sz, const char *symbol)
{
    const char *colon = memchr(stream, ':', sz);
    if (strncmp(stream, "book", 4) != 0 || !colon) return 0;
    size_t symbol_sz = (size_t)(stream + sz - colon) - 1;
    if (symbol_sz != strlen(symbol) || memcmp(colon + 1, symbol, symbol_sz) != 0) return 0;
    if (stream[4] != '.') return TM_BOOK_CHECK_DEPTH;
    unsigned long depth = strtoul(stream + 5, NULL, 10);
    return depth > 0 && depth <= DEPTH_MAX ? (uint32_t)depth : 0;
}

static uint32_t depth_of(const tm_book_check_t *c, uint32_t symbol)
{
    if (c->cfg.checksum == TM_BOOK_CHECKSUM_OKX) return TM_BOOK_CHECK_DEPTH_OKX;
    const char *name = tm_symbols_name(c->cfg.symbols, symbol, NULL);
    for (uint32_t i = 0; i < c->cfg.stream_cnt; i++) {
        for (const char *p = c->cfg.streams[i]; *p;) {
            size_t sz = strcspn(p, ",");
            uint32_t depth = depth_in(p, sz, name);
            if (depth > 0) return depth;
            p += sz + (p[sz] == ',');
        }
    }
    return TM_BOOK_CHECK_DEPTH;
}

static tm_book_t *book_new(const tm_book_check_t *c, uint32_t symbol)
{
    const tm_book_cfg_t cfg = {.level_max = depth_of(c, symbol), .checksum = c->cfg.checksum};
    size_t sz = tm_align_up(tm_book_footprint(&cfg), TM_CACHE_LINE);
    void *mem = aligned_alloc(TM_CACHE_LINE, sz);
    return mem ? tm_book_init(mem, &cfg) : NULL;
}

/* NULL where there is no room for another one. */
static kept_t *kept_find(tm_book_check_t *c, uint32_t conn_idx, uint32_t symbol)
{
    uint64_t hash = ((uint64_t)conn_idx << 32 | symbol) * 0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(hash >> 40) % TABLE_CNT;
    for (; c->table[at]; at = (at + 1) % TABLE_CNT) {
        kept_t *k = &c->kept[c->table[at] - 1];
        if (k->conn_idx == conn_idx && k->symbol == symbol) return k;
    }
    tm_book_t *book = c->cnt < TM_BOOK_CHECK_MAX ? book_new(c, symbol) : NULL;
    if (!book) return NULL;
    kept_t *k = &c->kept[c->cnt++];
    c->table[at] = c->cnt;
    *k = (kept_t){.conn_idx = conn_idx, .symbol = symbol, .book = book};
    return k;
}

bool tm_book_check_take(tm_book_check_t *c, uint32_t conn_idx, const tm_market_row_t *rows)
{
    if (rows[0].depth.checksum == 0) return true; /* a part of a book, or nothing to compare with */
    kept_t *k = kept_find(c, conn_idx, rows[0].row.symbol);
    if (!k) {
        tm_counter_add(c->unchecked, 1);
        return true;
    }
    if (rows[0].depth.snapshot) k->broken = false;
    if (k->broken) return true;
    tm_book_result_t result = tm_book_apply(k->book, rows);
    bool differs = result == TM_BOOK_MISMATCH;
    k->broken = differs || result == TM_BOOK_GAP;
    tm_counter_add(c->mismatches, differs);
    return !differs;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

typedef struct books_mark {
    uint32_t version, cnt;
} books_mark_t;

/* A book; its bids and asks follow. */
typedef struct book_mark {
    uint32_t conn_idx, symbol;
    uint64_t id;
    int64_t event_ns;
    uint32_t bid_cnt, ask_cnt;
    uint8_t broken, ready, bridge, price_digits, qty_digits, unused[3];
} book_mark_t;

static_assert(sizeof(book_mark_t) == 40 && sizeof(tm_book_level_t) == 16, "no padding");

int tm_book_check_save(const tm_book_check_t *c, tm_buffer_t *out)
{
    const books_mark_t head = {VERSION, c->cnt};
    TM_TRY(tm_buffer_append(out, &head, sizeof head));
    for (uint32_t i = 0; i < c->cnt; i++) {
        const tm_book_t *b = c->kept[i].book;
        const book_mark_t mark = {.conn_idx = c->kept[i].conn_idx,
                                  .symbol = c->kept[i].symbol,
                                  .id = b->id,
                                  .event_ns = b->event_ns,
                                  .bid_cnt = b->bids.cnt,
                                  .ask_cnt = b->asks.cnt,
                                  .broken = c->kept[i].broken,
                                  .ready = b->ready,
                                  .bridge = b->bridge,
                                  .price_digits = b->price_digits,
                                  .qty_digits = b->qty_digits};
        TM_TRY(tm_buffer_append(out, &mark, sizeof mark));
        TM_TRY(tm_buffer_append(out, b->bids.levels, b->bids.cnt * sizeof b->bids.levels[0]));
        TM_TRY(tm_buffer_append(out, b->asks.levels, b->asks.cnt * sizeof b->asks.levels[0]));
    }
    return 0;
}

/* Returns the bytes of the book, or 0 where it is none. */
static size_t book_take(tm_book_check_t *c, const uint8_t *at, size_t sz)
{
    book_mark_t m;
    if (sz < sizeof m) return 0;
    memcpy(&m, at, sizeof m);
    const size_t level_cnt = (size_t)m.bid_cnt + m.ask_cnt;
    if (level_cnt > (sz - sizeof m) / sizeof(tm_book_level_t)) return 0;
    const uint8_t *levels = at + sizeof m;
    const size_t used_sz = sizeof m + level_cnt * sizeof(tm_book_level_t);
    if (m.symbol >= tm_symbols_cnt(c->cfg.symbols)) return 0;
    kept_t *k = kept_find(c, m.conn_idx, m.symbol);
    if (!k) return used_sz; /* as one that there was no room for when it came */
    tm_book_t *b = k->book;
    k->broken = true;
    if (m.bid_cnt > b->cfg.level_max || m.ask_cnt > b->cfg.level_max) return used_sz;
    k->broken = m.broken != 0;
    b->ready = m.ready != 0;
    b->bridge = m.bridge != 0;
    b->id = m.id;
    b->event_ns = m.event_ns;
    b->price_digits = m.price_digits;
    b->qty_digits = m.qty_digits;
    b->bids.cnt = m.bid_cnt;
    b->asks.cnt = m.ask_cnt;
    memcpy(b->bids.levels, levels, m.bid_cnt * sizeof b->bids.levels[0]);
    memcpy(b->asks.levels, levels + m.bid_cnt * sizeof b->bids.levels[0],
           m.ask_cnt * sizeof b->asks.levels[0]);
    return used_sz;
}

int tm_book_check_restore(tm_book_check_t *c, const void *bytes, size_t sz)
{
    books_mark_t head = {0};
    size_t at = sizeof head, used_sz = 1;
    if (sz >= sizeof head) memcpy(&head, bytes, sizeof head);
    if (sz >= sizeof head && head.version != VERSION)
        return tm_error_set(TM_E_CONFIG,
                            "the checkpoint has books in version %u, this build reads %d",
                            head.version, VERSION);
    for (uint32_t i = 0; at <= sz && i < head.cnt && used_sz > 0; i++, at += used_sz)
        used_sz = book_take(c, (const uint8_t *)bytes + at, sz - at);
    if (at == sz && used_sz > 0) return 0;
    return tm_error_set(TM_E_CORRUPT, "books of a feed: not to be read at byte %zu of %zu", at, sz);
}
