#include "net/simulated/venue_line.h"

#include "net/json_member.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUFFIX_MAX = 6 };

/* Event of a raw message and the streams that carry it (Binance spot and futures documentation). */
static const struct {
    const char *event, *suffixes[SUFFIX_MAX];
} events[] = {
    {"trade", {"@trade"}},
    {"aggTrade", {"@aggTrade"}},
    {"bookTicker", {"@bookTicker"}},
    {"depthUpdate", {"@depth", "@depth@100ms", "@depth@0ms", "@depth@250ms", "@depth@500ms"}},
    {"24hrTicker", {"@ticker"}},
    {"24hrMiniTicker", {"@miniTicker"}},
    {"markPriceUpdate", {"@markPrice", "@markPrice@1s"}},
    {"avgPrice", {"@avgPrice"}},
};
static const char *const book_ticker[] = {"@bookTicker", NULL}; /* on spot it names no event */

void tm_venue_line_init(tm_venue_line_t *l)
{
    memset(l, 0, sizeof *l);
}

void tm_venue_line_fini(tm_venue_line_t *l)
{
    free(l->wrapped);
}

/* A line that names its stream. The usual form is told by its first bytes, any other by its
   members. */
static bool combined(tm_venue_message_t *m, const char *text, uint32_t sz)
{
    static const char head[] = "{\"stream\":\"", middle[] = "\",\"data\":";
    enum { HEAD_SZ = sizeof head - 1, MIDDLE_SZ = sizeof middle - 1 };
    if (sz > HEAD_SZ + MIDDLE_SZ + 1 && memcmp(text, head, HEAD_SZ) == 0 && text[sz - 1] == '}') {
        const char *name = text + HEAD_SZ, *last = text + sz - 1 - MIDDLE_SZ;
        const char *end = memchr(name, '"', sz - HEAD_SZ);
        if (end && end < last && memcmp(end, middle, MIDDLE_SZ) == 0) {
            m->stream = name;
            m->stream_sz = (uint32_t)(end - name);
            m->data = end + MIDDLE_SZ;
            m->data_sz = (uint32_t)(text + sz - 1 - m->data);
            return true;
        }
    }
    tm_json_member_t stream, data;
    if (!tm_json_object_find(text, sz, "stream", &stream) || stream.value_sz < 2 ||
        stream.value[0] != '"' || !tm_json_object_find(text, sz, "data", &data))
        return false;
    m->stream = stream.value + 1;
    m->stream_sz = (uint32_t)(stream.value_sz - 2);
    m->data = data.value;
    m->data_sz = (uint32_t)data.value_sz;
    return true;
}

static bool is_text(const tm_json_member_t *m)
{
    return m->value_sz > 2 && m->value[0] == '"';
}

/* What the members of a raw message tell about its stream. */
typedef struct traits {
    tm_json_member_t event, symbol;
    bool has_event, has_symbol;
    uint32_t quote_keys; /* of u, b, B, a, A */
} traits_t;

static traits_t traits_of(const char *text, uint32_t sz)
{
    traits_t t = {0};
    tm_json_member_t m;
    const char *pos = text, *end = text + sz;
    if (!tm_json_object_begin(&pos, end)) return t;
    while (tm_json_object_next(&pos, end, &m)) {
        if (m.key_sz != 1) continue;
        if (*m.key == 'e' && is_text(&m)) {
            t.event = m;
            t.has_event = true;
        } else if (*m.key == 's' && is_text(&m)) {
            t.symbol = m;
            t.has_symbol = true;
        } else if (strchr("ubBaA", *m.key)) {
            t.quote_keys++;
        }
    }
    return t;
}

/* Finds the streams of a raw line. false where it has none. */
static bool raw(tm_venue_line_t *l, const char *text, uint32_t sz)
{
    traits_t t = traits_of(text, sz);
    if (!t.has_symbol || t.symbol.value_sz - 2 > sizeof l->name / 2) return false;
    l->suffixes = !t.has_event && t.quote_keys == 5 ? book_ticker : NULL;
    for (size_t i = 0; t.has_event && i < TM_ARRAY_CNT(events); i++)
        if (strlen(events[i].event) == t.event.value_sz - 2 &&
            memcmp(events[i].event, t.event.value + 1, t.event.value_sz - 2) == 0)
            l->suffixes = events[i].suffixes;
    if (!l->suffixes) return false;
    l->symbol_sz = t.symbol.value_sz - 2;
    for (size_t i = 0; i < l->symbol_sz; i++)
        l->name[i] = (char)tolower((unsigned char)t.symbol.value[1 + i]);
    l->text = text;
    l->sz = sz;
    return true;
}

/* Wraps the raw line for the next of its streams. */
static bool wrap(tm_venue_line_t *l, tm_venue_message_t *m)
{
    size_t need = l->sz + sizeof l->name + 64;
    if (need > l->wrapped_cap) {
        char *wrapped = realloc(l->wrapped, 2 * need);
        if (!wrapped) return false;
        l->wrapped = wrapped;
        l->wrapped_cap = 2 * need;
    }
    snprintf(l->name + l->symbol_sz, sizeof l->name - l->symbol_sz, "%s", *l->suffixes++);
    int head_sz = snprintf(l->wrapped, l->wrapped_cap, "{\"stream\":\"%s\",\"data\":", l->name);
    memcpy(l->wrapped + head_sz, l->text, l->sz);
    l->wrapped[(size_t)head_sz + l->sz] = '}';
    *m = (tm_venue_message_t){.text = l->wrapped,
                              .sz = (uint32_t)head_sz + l->sz + 1,
                              .stream = l->name,
                              .stream_sz = (uint32_t)strlen(l->name),
                              .data = l->text,
                              .data_sz = l->sz};
    return true;
}

void tm_venue_line_set(tm_venue_line_t *l, const char *text, uint32_t sz, tm_venue_message_t *m)
{
    l->suffixes = NULL;
    *m = (tm_venue_message_t){.text = text, .sz = sz, .data = text, .data_sz = sz};
    if (combined(m, text, sz)) {
        if (m->stream_sz > TM_VENUE_STREAM_SZ_MAX) { /* longer than anybody can ask for */
            m->stream = NULL;
            m->stream_sz = 0;
        }
        return;
    }
    if (!raw(l, text, sz)) return;
    if (!wrap(l, m)) l->suffixes = NULL;
}

bool tm_venue_line_next(tm_venue_line_t *l, tm_venue_message_t *m)
{
    if (!l->suffixes || !*l->suffixes || !wrap(l, m)) return false;
    m->again = true;
    return true;
}
