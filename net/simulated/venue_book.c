#include "net/simulated/venue_book.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LEVELS = TM_VENUE_BOOK_LEVELS,
    MARGIN = LEVELS / 4, /* the middle stays so far from both ends */
    CHANGE_MAX = 8,
    REACH = 16,   /* levels on each side of the middle that change */
    ID_JUMP = 16, /* ids between two messages of a future's book, at most */
    ENTRY_SZ = 64,
};

static const int64_t one_e8 = 100000000;

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(tm_venue_book_t *b, uint32_t n)
{
    return (uint32_t)((splitmix(&b->random) & 0xffffffffu) * n >> 32);
}

static int64_t quantity(tm_venue_book_t *b)
{
    return b->lot_e8 * (int64_t)(1 + below(b, 9999));
}

void tm_venue_book_init(tm_venue_book_t *b, uint64_t seed, int64_t price_e8, int64_t tick_e8,
                        int64_t lot_e8)
{
    *b = (tm_venue_book_t){.tick_e8 = tick_e8, .lot_e8 = lot_e8, .mid = LEVELS / 2, .random = seed};
    b->low_ticks = price_e8 / tick_e8 - LEVELS / 2;
    b->last_id = 20000000000 + splitmix(&b->random) % 10000000000;
    for (uint32_t i = 0; i < LEVELS; i++)
        if (below(b, 4) > 0) b->qty_e8[i] = quantity(b);
}

/* A text that grows; what does not fit is cut, which its size makes impossible. */
typedef struct text {
    char *out;
    size_t sz, cap;
} text_t;

__attribute__((format(printf, 2, 3))) static void put(text_t *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->out + t->sz, t->cap - t->sz, fmt, args);
    va_end(args);
    t->sz += (size_t)n < t->cap - t->sz ? (size_t)n : t->cap - t->sz - 1;
}

static void level_put(text_t *t, const tm_venue_book_t *b, uint32_t level)
{
    int64_t price = (b->low_ticks + level) * b->tick_e8, qty = b->qty_e8[level];
    const char *comma = t->out[t->sz - 1] == '[' ? "" : ",";
    put(t, "%s[\"%lld.%08lld\",\"%lld.%08lld\"]", comma, (long long)(price / one_e8),
        (long long)(price % one_e8), (long long)(qty / one_e8), (long long)(qty % one_e8));
}

/* The middle goes a tick up or down, or stays. Returns the level it has cleared, LEVELS = none. */
static uint32_t mid_walk(tm_venue_book_t *b)
{
    uint32_t step = below(b, 6), cleared = LEVELS;
    if (step == 0 && b->mid < LEVELS - MARGIN) cleared = b->mid++;
    if (step == 1 && b->mid > MARGIN) cleared = --b->mid;
    if (cleared < LEVELS) b->qty_e8[cleared] = 0;
    return cleared;
}

/* NOLINTBEGIN(readability-non-const-parameter): texts are written through text_t */
size_t tm_venue_book_change(tm_venue_book_t *b, const char *symbol, int64_t event_ms, bool futures,
                            char out[TM_VENUE_BOOK_CHANGE_SZ])
{
    uint32_t mid_before = b->mid, cleared = mid_walk(b), cnt = 1 + below(b, CHANGE_MAX);
    bool changed[LEVELS] = {false};
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t level = b->mid - REACH + below(b, 2 * REACH);
        b->qty_e8[level] = below(b, 4) > 0 ? quantity(b) : 0;
        changed[level] = true;
    }
    uint64_t first = b->last_id + 1 + (futures ? below(b, ID_JUMP) : 0);
    b->prev_id = b->last_id;
    b->last_id = first + cnt;
    b->event_ms = event_ms;
    text_t t = {.out = out, .cap = TM_VENUE_BOOK_CHANGE_SZ};
    put(&t, "{\"e\":\"depthUpdate\",\"E\":%lld,", (long long)event_ms);
    if (futures) put(&t, "\"T\":%lld,", (long long)event_ms);
    put(&t, "\"s\":\"%s\",\"U\":%llu,\"u\":%llu,", symbol, (unsigned long long)first,
        (unsigned long long)b->last_id);
    if (futures) put(&t, "\"pu\":%llu,", (unsigned long long)b->prev_id);
    /* What the middle has passed is gone from the side that it was on, whatever it is now. */
    const int64_t now = cleared < LEVELS ? b->qty_e8[cleared] : 0;
    for (uint32_t side = 0; side < 2; side++) {
        put(&t, side ? "],\"a\":[" : "\"b\":[");
        if (cleared < LEVELS && (cleared < mid_before) == (side == 0)) {
            b->qty_e8[cleared] = 0;
            level_put(&t, b, cleared);
            b->qty_e8[cleared] = now;
        }
        for (uint32_t i = 0; i < LEVELS; i++)
            if (changed[i] && (i < b->mid) == (side == 0)) level_put(&t, b, i);
    }
    put(&t, "]}");
    return t.sz;
}

static void side_put(text_t *t, const tm_venue_book_t *b, bool bids, uint32_t limit)
{
    for (uint32_t i = 0; limit > 0 && i < (bids ? b->mid : LEVELS - b->mid); i++) {
        uint32_t level = bids ? b->mid - 1 - i : b->mid + i;
        if (b->qty_e8[level] == 0) continue;
        level_put(t, b, level);
        limit--;
    }
}

size_t tm_venue_book_show(const tm_venue_book_t *b, uint32_t limit, bool futures,
                          const char *symbol, char out[TM_VENUE_BOOK_ALL_SZ])
{
    text_t t = {.out = out, .cap = TM_VENUE_BOOK_ALL_SZ};
    put(&t, "{\"lastUpdateId\":%llu,", (unsigned long long)b->last_id);
    if (symbol)
        put(&t, "\"symbol\":\"%s\",\"pair\":\"%.*s\",", symbol, (int)strcspn(symbol, "_"), symbol);
    if (futures) put(&t, "\"E\":%lld,\"T\":%lld,", (long long)b->event_ms, (long long)b->event_ms);
    put(&t, "\"bids\":[");
    side_put(&t, b, true, limit);
    put(&t, "],\"asks\":[");
    side_put(&t, b, false, limit);
    put(&t, "]}");
    return t.sz;
}
/* NOLINTEND(readability-non-const-parameter) */
