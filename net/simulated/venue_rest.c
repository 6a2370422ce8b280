#include "net/simulated/venue_rest.h"

#include "net/ws/http_upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT = 50, REFUSED_MAX = 10, LIMIT_DEFAULT = 100 };

#define MINUTE_NS (60 * TM_NS_PER_S)

static const struct {
    const char *path;
    bool futures, pair;
} paths[] = {
    {"/api/v3/depth", false, false},
    {"/fapi/v1/depth", true, false},
    {"/dapi/v1/depth", true, true},
};

static size_t path_sz(tm_http_slice_t target)
{
    const char *query = memchr(target.s, '?', target.sz);
    return query ? (size_t)(query - target.s) : target.sz;
}

bool tm_venue_rest_is(tm_http_slice_t target)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(paths); i++)
        if (path_sz(target) == strlen(paths[i].path) &&
            memcmp(target.s, paths[i].path, path_sz(target)) == 0)
            return true;
    return false;
}

/* The value of "key=value" in the query; its bytes, cut to what out holds. */
static void query_get(tm_http_slice_t target, const char *key, char *out, size_t out_sz)
{
    const char *end = target.s + target.sz, *p = target.s + path_sz(target);
    size_t key_sz = strlen(key);
    out[0] = '\0';
    while (p < end) {
        p++;
        const char *next = memchr(p, '&', (size_t)(end - p));
        size_t sz = (size_t)((next ? next : end) - p);
        if (sz > key_sz && memcmp(p, key, key_sz) == 0 && p[key_sz] == '=')
            snprintf(out, out_sz, "%.*s", (int)(sz - key_sz - 1), p + key_sz + 1);
        p += sz;
    }
}

static size_t respond(int status, const char *fields, const char *body, size_t body_sz,
                      char out[TM_VENUE_REST_SZ_MAX])
{
    int n = snprintf(out, TM_VENUE_REST_SZ_MAX,
                     "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                     "%sConnection: close\r\n\r\n",
                     status, tm_http_reason(status), body_sz, fields);
    memcpy(out + n, body, body_sz);
    return (size_t)n + body_sz;
}

static size_t complain(int status, const char *fields, int code, const char *msg,
                       char out[TM_VENUE_REST_SZ_MAX])
{
    char body[128];
    int n = snprintf(body, sizeof body, "{\"code\":%d,\"msg\":\"%s\"}", code, msg);
    return respond(status, fields, body, (size_t)n, out);
}

/* Weighs a request. Returns 0, or the status that refuses it. */
static int weigh(tm_venue_rest_t *r, int64_t now_ns)
{
    if (now_ns - r->minute_ns >= MINUTE_NS || r->minute_ns == 0) {
        r->minute_ns = now_ns;
        r->weight = r->refused_cnt = 0;
    }
    r->weight += WEIGHT;
    if (r->weight <= TM_VENUE_WEIGHT_MAX) return 0;
    return ++r->refused_cnt > REFUSED_MAX ? 418 : 429;
}

size_t tm_venue_rest_answer(tm_venue_rest_t *r, tm_http_slice_t target, int64_t now_ns, int *status,
                            char out[TM_VENUE_REST_SZ_MAX])
{
    char fields[96], symbol[TM_VENUE_BOOK_SYMBOL_SZ_MAX], limit_text[12];
    char body[TM_VENUE_BOOK_ALL_SZ];
    size_t at = 0;
    *status = weigh(r, now_ns);
    if (*status) {
        long long left_s = (r->minute_ns + MINUTE_NS - now_ns) / TM_NS_PER_S + 1;
        snprintf(fields, sizeof fields, "Retry-After: %lld\r\n", left_s);
        return complain(*status, fields, -1003, "Too much request weight used.", out);
    }
    snprintf(fields, sizeof fields, "X-MBX-USED-WEIGHT-1M: %u\r\n", r->weight);
    while (strlen(paths[at].path) != path_sz(target) ||
           memcmp(paths[at].path, target.s, path_sz(target)) != 0)
        at++;
    query_get(target, "symbol", symbol, sizeof symbol);
    query_get(target, "limit", limit_text, sizeof limit_text);
    unsigned long limit = limit_text[0] ? strtoul(limit_text, NULL, 10) : LIMIT_DEFAULT;
    const tm_venue_book_t *book = r->generator ? tm_venue_generator_book(r->generator, symbol)
                                               : NULL;
    if (!book) {
        *status = 400;
        return complain(400, fields, -1121, "Invalid symbol.", out);
    }
    size_t sz = tm_venue_book_show(book, limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit,
                                   paths[at].futures, paths[at].pair ? symbol : NULL, body);
    *status = 200;
    return respond(200, fields, body, sz, out);
}
