#include "base/error.h"
#include "net/simulated/venue_client_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t stream_find(const tm_venue_client_t *c, const char *name, size_t sz)
{
    uint32_t i = 0;
    while (i < c->stream_cnt &&
           (c->streams[i]->sz != sz || memcmp(c->streams[i]->name, name, sz) != 0))
        i++;
    return i;
}

/* What the exchange does not know is taken all the same and stays silent, as there. */
static bool subscribe(tm_venue_client_t *c, const char *name, size_t sz)
{
    if (stream_find(c, name, sz) < c->stream_cnt) return true;
    if (c->stream_cnt == TM_VENUE_SUBSCRIPTION_MAX) return false;
    tm_venue_stream_t *s = tm_venue_streams_add(c->shared->streams, name, sz, c->owner.slot);
    if (!s) return false;
    c->streams[c->stream_cnt++] = s;
    return true;
}

static void unsubscribe(tm_venue_client_t *c, const char *name, size_t sz)
{
    uint32_t i = stream_find(c, name, sz);
    if (i == c->stream_cnt) return;
    tm_venue_streams_drop(c->shared->streams, c->streams[i], c->owner.slot);
    memmove(&c->streams[i], &c->streams[i + 1], (--c->stream_cnt - i) * sizeof c->streams[0]);
}

void tm_venue_client_streams_drop(tm_venue_client_t *c)
{
    while (c->stream_cnt > 0)
        tm_venue_streams_drop(c->shared->streams, c->streams[--c->stream_cnt], c->owner.slot);
}

static int hex(char ch)
{
    if (ch >= '0' && ch <= '9') return ch - '0';
    ch |= 32;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* "a/b/c", percent escapes undone. Returns 0 or an HTTP status. */
static int names_take(tm_venue_client_t *c, const char *p, const char *end)
{
    while (p < end) {
        char name[TM_VENUE_STREAM_SZ_MAX];
        size_t sz = 0;
        for (; p < end && *p != '/'; p++) {
            char ch = *p;
            if (ch == '%' && end - p > 2 && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
                ch = (char)(hex(p[1]) << 4 | hex(p[2]));
                p += 2;
            }
            if (sz == sizeof name || (unsigned char)ch < ' ' || ch == '"' || ch == '\\') return 400;
            name[sz++] = ch;
        }
        if (p < end) p++;
        if (sz > 0 && !subscribe(c, name, sz)) return 400;
    }
    return 0;
}

int tm_venue_client_target(tm_venue_client_t *c, const char *target, size_t sz)
{
    static const char streams_key[] = "streams=";
    const char *end = target + sz;
    const char *query = memchr(target, '?', sz);
    size_t path_sz = query ? (size_t)(query - target) : sz;
    if (path_sz >= 3 && memcmp(target, "/ws", 3) == 0 && (path_sz == 3 || target[3] == '/'))
        return path_sz > 4 ? names_take(c, target + 4, target + path_sz) : 0;
    if (path_sz != 7 || memcmp(target, "/stream", 7) != 0) return 404;
    c->combined = true;
    while (query && query < end) {
        const char *p = query + 1, *next = memchr(p, '&', (size_t)(end - p));
        query = next;
        if (!next) next = end;
        size_t key_sz = sizeof streams_key - 1;
        if ((size_t)(next - p) < key_sz || memcmp(p, streams_key, key_sz) != 0) continue;
        int status = names_take(c, p + key_sz, next);
        if (status) return status;
    }
    return 0;
}

static bool wrong(tm_venue_request_t *r, int code, const char *msg)
{
    r->code = code;
    snprintf(r->msg, sizeof r->msg, "%s", msg);
    return false;
}

static bool streams_change(tm_venue_client_t *c, tm_venue_request_t *r)
{
    for (uint32_t i = 0; i < r->param_cnt; i++) {
        const tm_venue_param_t *p = &r->params[i];
        if (p->kind != TM_VENUE_PARAM_STRING || p->sz == 0 || p->sz > TM_VENUE_STREAM_SZ_MAX)
            return wrong(r, 2, "Invalid request: params must be an array of stream names");
        if (r->method == TM_VENUE_UNSUBSCRIBE)
            unsubscribe(c, p->s, p->sz);
        else if (!subscribe(c, p->s, p->sz))
            return wrong(r, 2, "Invalid request: too many streams on this connection");
    }
    return true;
}

/* The one property there is: whether messages come with the wrapper. */
static bool property_do(tm_venue_client_t *c, tm_venue_request_t *r)
{
    bool set = r->method == TM_VENUE_SET_PROPERTY;
    if (r->param_cnt > (set ? 2 : 1)) return wrong(r, 2, "Invalid request: too many parameters");
    if (r->param_cnt < (set ? 2 : 1)) return wrong(r, 2, "Invalid request: too few parameters");
    const tm_venue_param_t *p = r->params;
    if (p->kind != TM_VENUE_PARAM_STRING)
        return wrong(r, 2, "Invalid request: property name must be a string");
    if (p->sz != 8 || memcmp(p->s, "combined", 8) != 0) return wrong(r, 0, "Unknown property");
    if (!set) return true;
    if (p[1].kind != TM_VENUE_PARAM_TRUE && p[1].kind != TM_VENUE_PARAM_FALSE)
        return wrong(r, 1, "Invalid value type: expected Boolean");
    c->combined = p[1].kind == TM_VENUE_PARAM_TRUE;
    return true;
}

static int list_reply(tm_venue_client_t *c, const tm_venue_request_t *r)
{
    size_t sz = 64 + TM_VENUE_ID_SZ_MAX;
    for (uint32_t i = 0; i < c->stream_cnt; i++) sz += c->streams[i]->sz + 3;
    char *text = malloc(sz);
    if (!text) return tm_error_set(-ENOMEM, "no memory for a list of streams");
    size_t n = (size_t)snprintf(text, sz, "{\"result\":[");
    for (uint32_t i = 0; i < c->stream_cnt; i++)
        n += (size_t)snprintf(text + n, sz - n, "%s\"%s\"", i ? "," : "", c->streams[i]->name);
    n += (size_t)snprintf(text + n, sz - n, "],\"id\":%s}", r->id);
    int rc = tm_venue_client_reply(c, text, n);
    free(text);
    return rc;
}

int tm_venue_client_request(tm_venue_client_t *c, const char *text, size_t sz)
{
    tm_venue_request_t *r = &c->shared->request;
    char reply[TM_VENUE_ERROR_SZ_MAX + TM_VENUE_ID_SZ_MAX + 64];
    const char *result = "null";
    bool fine = tm_venue_request_parse(r, text, sz);
    tm_counter_add(c->shared->requests, 1);
    if (fine) {
        if (r->method == TM_VENUE_LIST_SUBSCRIPTIONS) return list_reply(c, r);
        if (r->method == TM_VENUE_SUBSCRIBE || r->method == TM_VENUE_UNSUBSCRIBE)
            fine = streams_change(c, r);
        else
            fine = property_do(c, r);
        if (r->method == TM_VENUE_GET_PROPERTY) result = c->combined ? "true" : "false";
    }
    size_t n;
    if (fine)
        n = (size_t)snprintf(reply, sizeof reply, "{\"result\":%s,\"id\":%s}", result, r->id);
    else
        n = tm_venue_request_error(r, reply, sizeof reply);
    return tm_venue_client_reply(c, reply, n);
}
