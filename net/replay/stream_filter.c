#include "net/replay/stream_filter.h"

#include <fnmatch.h>
#include <string.h>

void tm_stream_filter_init(tm_stream_filter_t *f, const char *const *names, uint32_t name_cnt)
{
    f->names = names;
    f->name_cnt = name_cnt;
    tm_venue_line_init(&f->line);
}

void tm_stream_filter_fini(tm_stream_filter_t *f)
{
    tm_venue_line_fini(&f->line);
}

static bool named(const tm_stream_filter_t *f, const tm_venue_message_t *m)
{
    char name[TM_VENUE_STREAM_SZ_MAX];
    if (m->stream_sz == 0 || m->stream_sz >= sizeof name) return false;
    memcpy(name, m->stream, m->stream_sz);
    name[m->stream_sz] = '\0';
    for (uint32_t i = 0; i < f->name_cnt; i++)
        if (fnmatch(f->names[i], name, 0) == 0) return true;
    return false;
}

bool tm_stream_filter_takes(tm_stream_filter_t *f, const uint8_t *message, uint32_t sz)
{
    tm_venue_message_t m;
    if (f->name_cnt == 0) return true;
    tm_venue_line_set(&f->line, (const char *)message, sz, &m);
    do
        if (named(f, &m)) return true;
    while (tm_venue_line_next(&f->line, &m));
    return false;
}
