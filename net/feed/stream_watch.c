#include "net/feed/stream_watch.h"

#include "base/error.h"
#include "net/feed/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct name {
    bool heard;
    uint8_t sz;
    char text[TM_SESSION_STREAM_SZ_MAX + 1];
} name_t;

struct tm_stream_watch {
    uint32_t cnt, cnt_max, silent_cnt;
    uint32_t mask;   /* of the table, a power of two of at least twice cnt_max, minus one */
    uint32_t *table; /* 1 + index of a name, 0 = free */
    name_t names[];
};

static_assert(TM_SESSION_STREAM_SZ_MAX <= UINT8_MAX, "a name's size is a byte");

int tm_stream_watch_open(tm_stream_watch_t **out, uint32_t cnt_max)
{
    *out = NULL;
    tm_stream_watch_t *w = calloc(1, sizeof *w + cnt_max * sizeof w->names[0]);
    if (!w) return tm_error_set(-ENOMEM, "no memory for a watch of %u streams", cnt_max);
    uint32_t table_cnt = 2;
    while (table_cnt < 2 * cnt_max) table_cnt *= 2;
    w->cnt_max = cnt_max;
    w->mask = table_cnt - 1;
    w->table = calloc(table_cnt, sizeof w->table[0]);
    if (!w->table) {
        free(w);
        return tm_error_set(-ENOMEM, "no memory for a watch of %u streams", cnt_max);
    }
    *out = w;
    return 0;
}

void tm_stream_watch_close(tm_stream_watch_t *w)
{
    if (!w) return;
    free(w->table);
    free(w);
}

/* FNV-1a: names are short and this is off the path once all have spoken. */
static uint32_t hash(const char *name, size_t sz)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < sz; i++) h = (h ^ (uint8_t)name[i]) * 16777619u;
    return h;
}

/* The name's place in the table: its own, or the free one where it belongs. */
static uint32_t *place(const tm_stream_watch_t *w, const char *name, size_t sz)
{
    uint32_t at = hash(name, sz) & w->mask;
    for (;; at = (at + 1) & w->mask) {
        if (w->table[at] == 0) return &w->table[at];
        const name_t *n = &w->names[w->table[at] - 1];
        if (n->sz == sz && memcmp(n->text, name, sz) == 0) return &w->table[at];
    }
}

void tm_stream_watch_add(tm_stream_watch_t *w, const char *name, size_t sz)
{
    char text[TM_SESSION_STREAM_SZ_MAX];
    if (w->cnt == w->cnt_max || sz == 0) return;
    if (sz > sizeof text) sz = sizeof text;
    const char *colon = memchr(name, ':', sz);
    const char *dot = colon ? memchr(name, '.', (size_t)(colon - name)) : NULL;
    size_t head_sz = dot ? (size_t)(dot - name) : sz;
    memcpy(text, name, head_sz);
    if (dot) memcpy(text + head_sz, colon, sz - (size_t)(colon - name));
    sz = dot ? head_sz + sz - (size_t)(colon - name) : sz;
    uint32_t *at = place(w, text, sz);
    if (*at) return;
    name_t *n = &w->names[w->cnt];
    n->sz = (uint8_t)sz;
    memcpy(n->text, text, sz);
    *at = ++w->cnt;
    w->silent_cnt++;
}

void tm_stream_watch_hear(tm_stream_watch_t *w, const char *name, size_t sz)
{
    uint32_t at = *place(w, name, sz);
    if (at == 0 || w->names[at - 1].heard) return;
    w->names[at - 1].heard = true;
    w->silent_cnt--;
}

void tm_stream_watch_hear_only(tm_stream_watch_t *w)
{
    if (w->cnt == 1 && w->silent_cnt == 1)
        tm_stream_watch_hear(w, w->names[0].text, w->names[0].sz);
}

uint32_t tm_stream_watch_cnt(const tm_stream_watch_t *w)
{
    return w->cnt;
}

uint32_t tm_stream_watch_silent_cnt(const tm_stream_watch_t *w)
{
    return w->silent_cnt;
}

const char *tm_stream_watch_silent(const tm_stream_watch_t *w, uint32_t *pos)
{
    while (*pos < w->cnt) {
        const name_t *n = &w->names[(*pos)++];
        if (!n->heard) return n->text;
    }
    return NULL;
}
