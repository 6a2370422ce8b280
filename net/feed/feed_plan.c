/* Which connections a configuration asks for. An address is a group, its endpoints are lines. The
   streams of the first group are spread over as many parts as the venue's limits and paths ask for;
   a part is a group of its own, with all endpoints of the address. */
#include "net/feed/feed_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One address of the configuration, taken apart. */
typedef struct entry {
    tm_url_t endpoints[TM_FEED_ENDPOINT_MAX];
    uint32_t endpoint_cnt;
    const tm_feed_venue_t *exchange;
    uint32_t idx;
} entry_t;

/* Where the next address of "URL,URL" begins, or the end. Commas may stand in addresses, too. */
static const char *endpoint_end(const char *p)
{
    for (; *p; p++)
        if (*p == ',' && (strncmp(p, ",ws://", 6) == 0 || strncmp(p, ",wss://", 7) == 0)) break;
    return p;
}

static int endpoints_parse(entry_t *e, const char *text)
{
    for (const char *p = text; *p;) {
        char url[TM_URL_TARGET_MAX + TM_URL_HOST_MAX + 16];
        const char *end = endpoint_end(p);
        if (e->endpoint_cnt == TM_FEED_ENDPOINT_MAX)
            return tm_error_set(TM_E_CONFIG, "%.100s: more than %d addresses of one feed", text,
                                TM_FEED_ENDPOINT_MAX);
        if ((size_t)(end - p) >= sizeof url)
            return tm_error_set(TM_E_LIMIT, "%.100s: an address of more than %zu bytes", text,
                                sizeof url - 1);
        snprintf(url, sizeof url, "%.*s", (int)(end - p), p);
        TM_TRY(tm_url_parse(&e->endpoints[e->endpoint_cnt++], url));
        p = *end ? end + 1 : end;
    }
    if (e->endpoint_cnt == 0) return tm_error_set(TM_E_SYNTAX, "an empty address");
    return 0;
}

static int exchange_find(const tm_feed_t *f, entry_t *e)
{
    e->exchange = f->cfg.venue ? tm_feed_venue_find(f->cfg.venue)
                               : tm_feed_venue_of_host(e->endpoints[0].host);
    if (e->exchange) return 0;
    return tm_error_set(TM_E_CONFIG, "venue '%s' is none of %s", f->cfg.venue,
                        tm_feed_venue_names());
}

const char *tm_feed_target_streams(const char *target)
{
    static const char key[] = "streams=";
    const char *query = strchr(target, '?');
    if (strncmp(target, "/ws/", 4) == 0) return target + 4;
    const char *names = query ? strstr(query, key) : NULL;
    return names ? names + sizeof key - 1 : "";
}

static uint32_t target_stream_cnt(const char *target)
{
    uint32_t cnt = 0;
    for (const char *p = tm_feed_target_streams(target); *p && *p != '&'; cnt++) {
        p += strcspn(p, "/&");
        p += *p == '/';
    }
    return cnt;
}

/* Where the streams of a part are served. */
static const char *part_target(const tm_feed_venue_t *x, const char *const *streams, uint32_t cnt)
{
    return cnt > 0 && x->target_of ? x->target_of(streams[0]) : x->target;
}

static void slot_init(tm_feed_t *f, uint32_t idx)
{
    const tm_retry_cfg_t retry = {.max = f->cfg.retry_max,
                                  .first_ns = f->cfg.retry_first_ns,
                                  .cap_ns = f->cfg.retry_cap_ns,
                                  .seed = f->cfg.seed + idx};
    tm_retry_init(&f->slots[idx].retry, &retry);
}

static int line_add(tm_feed_t *f, const entry_t *e, uint32_t endpoint, const tm_line_t *like)
{
    if (f->line_cnt == TM_FEED_LINE_MAX)
        return tm_error_set(TM_E_LIMIT, "more than %d connections", TM_FEED_LINE_MAX);
    tm_line_t *l = &f->lines[f->line_cnt];
    *l = *like;
    l->url = e->endpoints[endpoint];
    l->exchange = e->exchange;
    l->entry = e->idx;
    l->endpoint = endpoint;
    l->endpoint_cnt = e->endpoint_cnt;
    l->main = f->line_cnt;
    l->rotate_ns = l->overlap_ns = INT64_MAX;
    l->idle_ns = f->cfg.idle_ns == TM_FEED_IDLE_VENUE ? e->exchange->idle_ns : f->cfg.idle_ns;
    /* What an address names itself is asked for once: by the first part. */
    bool own_target = strcmp(l->url.target, "/") != 0;
    if (!own_target || (like->group > 0 && target_stream_cnt(l->url.target) > 0 && like->streams))
        snprintf(l->url.target, sizeof l->url.target, "%s",
                 part_target(e->exchange, l->streams, l->stream_cnt));
    f->line_cnt++;
    return 0;
}

static int part_add(tm_feed_t *f, const entry_t *e, const char *const *streams, uint32_t cnt)
{
    const tm_line_t like = {.streams = streams, .stream_cnt = cnt, .group = f->group_cnt};
    for (uint32_t i = 0; i < e->endpoint_cnt; i++) TM_TRY(line_add(f, e, i, &like));
    f->group_cnt++;
    return 0;
}

/* How many of the first streams make a part: up to the limit, all of one path. */
static uint32_t part_cnt(const entry_t *e, const char *const *streams, uint32_t cnt, bool first)
{
    const tm_feed_venue_t *x = e->exchange;
    uint32_t max = x->stream_max;
    uint32_t own = first ? target_stream_cnt(e->endpoints[0].target) : 0;
    max = own < max ? max - own : 0;
    if (cnt < max) max = cnt;
    bool paths = x->target_of && strcmp(e->endpoints[0].target, "/") == 0;
    for (uint32_t i = 1; paths && i < max; i++)
        if (strcmp(x->target_of(streams[i]), x->target_of(streams[0])) != 0) return i;
    return max;
}

/* Streams of one path stand together; within a path they keep their order. */
static void streams_sort(tm_feed_t *f, const entry_t *e)
{
    if (!e->exchange->target_of) return;
    for (uint32_t i = 1; i < f->stream_cnt; i++) {
        char *s = f->streams[i];
        uint32_t k = i;
        for (; k > 0 &&
               strcmp(e->exchange->target_of(f->streams[k - 1]), e->exchange->target_of(s)) > 0;
             k--)
            f->streams[k] = f->streams[k - 1];
        f->streams[k] = s;
    }
}

static int entry_add(tm_feed_t *f, const entry_t *e, bool with_streams)
{
    if (!with_streams || f->stream_cnt == 0) return part_add(f, e, NULL, 0);
    streams_sort(f, e);
    const char *const *streams = (const char *const *)f->streams;
    bool first = true; /* it may have to leave all streams to the next one */
    for (uint32_t at = 0; at < f->stream_cnt; first = false) {
        uint32_t cnt = part_cnt(e, streams + at, f->stream_cnt - at, first);
        TM_TRY(part_add(f, e, streams + at, cnt));
        at += cnt;
    }
    return 0;
}

static int streams_split(tm_feed_t *f)
{
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < f->cfg.stream_cnt; i++)
        for (const char *p = f->cfg.streams[i]; p; p = strchr(p + 1, ',')) cnt++;
    if (cnt > TM_FEED_STREAM_MAX)
        return tm_error_set(TM_E_LIMIT, "%u streams: at most %d", cnt, TM_FEED_STREAM_MAX);
    f->streams = calloc(cnt + 1, sizeof *f->streams);
    f->resyncs = calloc((cnt + 1) * TM_FEED_ENDPOINT_MAX, sizeof *f->resyncs);
    if (!f->streams || !f->resyncs) return tm_error_set(-ENOMEM, "no memory for a feed");
    for (uint32_t i = 0; i < f->cfg.stream_cnt; i++) {
        for (const char *p = f->cfg.streams[i]; p && *p;) {
            size_t sz = strcspn(p, ",");
            char *name = sz > 0 ? strndup(p, sz) : NULL;
            if (sz > 0 && !name) return tm_error_set(-ENOMEM, "no memory for a feed");
            if (name) f->streams[f->stream_cnt++] = name;
            p += sz + (p[sz] == ',');
        }
    }
    return 0;
}

void tm_feed_plan_free(tm_feed_t *f)
{
    for (uint32_t i = 0; i < f->stream_cnt; i++) free(f->streams[i]);
    free(f->streams);
    free(f->resyncs);
}

/* What a text over all names of a group is made of, one name at a time. */
typedef struct names {
    uint32_t cnt;
    uint64_t hash; /* FNV-1a (Fowler, Noll, Vo): names are compared, nobody is kept out */
    char first[48];
} names_t;

static void name_add(names_t *n, const char *name, size_t sz)
{
    for (size_t i = 0; i < sz; i++) n->hash = (n->hash ^ (uint8_t)name[i]) * 0x100000001b3u;
    n->hash = (n->hash ^ '/') * 0x100000001b3u;
    if (n->cnt++ == 0) snprintf(n->first, sizeof n->first, "%.*s", (int)sz, name);
}

static void group_describe(tm_feed_group_t *group, const tm_line_t *l)
{
    names_t n = {.hash = 0xcbf29ce484222325u};
    for (const char *p = tm_feed_target_streams(l->url.target); *p && *p != '&';) {
        const size_t sz = strcspn(p, "/&");
        if (sz > 0) name_add(&n, p, sz);
        p += sz + (p[sz] == '/');
    }
    for (uint32_t i = 0; i < l->stream_cnt; i++) name_add(&n, l->streams[i], strlen(l->streams[i]));
    group->entry = (uint8_t)l->entry;
    snprintf(group->text, sizeof group->text, "%s: %u streams, %s first (%08x)", l->exchange->name,
             n.cnt, n.first, (uint32_t)(n.hash ^ n.hash >> 32));
}

int tm_feed_groups(const tm_feed_cfg_t *cfg, tm_feed_group_t groups[TM_FEED_LINE_MAX])
{
    tm_feed_t *f = calloc(1, sizeof *f);
    if (!f) return tm_error_set(-ENOMEM, "no memory for a feed");
    f->cfg = *cfg;
    int err = tm_feed_plan(f);
    for (uint32_t i = 0; err == 0 && i < f->line_cnt; i++)
        if (f->lines[i].endpoint == 0) group_describe(&groups[f->lines[i].group], &f->lines[i]);
    int cnt = err < 0 ? err : (int)f->group_cnt;
    tm_feed_plan_free(f);
    free(f);
    return cnt;
}

int tm_feed_plan(tm_feed_t *f)
{
    TM_TRY(streams_split(f));
    entry_t *e = malloc(sizeof *e);
    if (!e) return tm_error_set(-ENOMEM, "no memory for a feed");
    int err = 0;
    for (uint32_t i = 0; i < f->cfg.url_cnt && err == 0; i++) {
        memset(e, 0, sizeof *e);
        e->idx = i;
        err = endpoints_parse(e, f->cfg.urls[i]);
        if (err == 0) err = exchange_find(f, e);
        if (err == 0) err = entry_add(f, e, i == 0);
    }
    free(e);
    if (err < 0) return err;
    f->slot_cnt = 2 * f->line_cnt;
    for (uint32_t i = 0; i < f->slot_cnt; i++) slot_init(f, i);
    for (uint32_t i = 0; i < f->line_cnt; i++) f->slots[i].state = TM_SLOT_WAITS;
    return 0;
}
