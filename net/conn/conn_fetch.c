/* A connection that asks for one document instead of a WebSocket: GET, an answer, and the end. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn/conn_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_SZ_FIRST = 64 << 10 };

static int ask(tm_conn_t *c)
{
    char text[TM_URL_TARGET_MAX + 1024];
    int sz = snprintf(text, sizeof text,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
                      "Connection: close\r\nUser-Agent: tidemark/" TM_VERSION "\r\n\r\n",
                      c->url.target, c->url.authority);
    tm_http_head_init(&c->head, TM_HTTP_RESPONSE);
    c->fetch.asked = true;
    int n = tm_link_write(c->link, (const uint8_t *)text, (size_t)sz);
    return n < 0 ? n : tm_link_flush(c->link);
}

/* Goes on until the head is whole: 1. */
static int head_read(tm_conn_t *c)
{
    int rc = 0;
    while (rc == 0) {
        size_t used_sz = 0;
        tm_conn_release(c);
        rc = tm_conn_chunk(c);
        if (rc == TM_E_CLOSED)
            return tm_error_set(rc, "the server ended the connection instead of answering");
        if (rc <= 0) return rc;
        rc = tm_http_head_feed(&c->head, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos,
                               &used_sz);
        c->chunk_pos += used_sz;
    }
    if (rc < 0) return rc;
    c->fetch.headed = true;
    if (c->head.status == 200) {
        TM_TRY(tm_http_body_init(&c->fetch.body, &c->head));
        return 1;
    }
    char reason[64];
    c->http_status = c->head.status;
    c->retry_after_s = tm_http_head_number(&c->head, "Retry-After");
    return tm_error_set(TM_E_HTTP, "the server answered %d %s", c->head.status,
                        tm_http_slice_show(c->head.reason, reason, sizeof reason));
}

static int run_keep(tm_fetch_t *f, const uint8_t *run, size_t run_sz, size_t max_sz)
{
    if (run_sz > max_sz - f->sz)
        return tm_error_set(TM_E_LIMIT, "an answer of more than %zu bytes", max_sz);
    if (f->sz + run_sz > f->cap) {
        size_t cap = f->cap ? 2 * f->cap : BODY_SZ_FIRST;
        while (cap < f->sz + run_sz) cap *= 2;
        uint8_t *bytes = realloc(f->bytes, cap);
        if (!bytes) return tm_error_set(-ENOMEM, "no memory for an answer");
        f->bytes = bytes;
        f->cap = cap;
    }
    memcpy(f->bytes + f->sz, run, run_sz);
    f->sz += run_sz;
    return 0;
}

/* Reads on until the body is whole: 1. */
static int body_read(tm_conn_t *c)
{
    size_t max_sz = c->cfg.frame_sz_max ? c->cfg.frame_sz_max : TM_FRAME_SZ_MAX_DEFAULT;
    while (!tm_http_body_is_whole(&c->fetch.body)) {
        if (c->chunk_pos == c->chunk.sz) tm_conn_release(c);
        int rc = tm_conn_chunk(c);
        if (rc == TM_E_CLOSED && tm_http_body_ends_here(&c->fetch.body)) return 1;
        if (rc == TM_E_CLOSED)
            return tm_error_set(rc, "the server ended the connection within its answer");
        if (rc <= 0) return rc;
        size_t used_sz = 0, run_sz = 0;
        const uint8_t *run;
        rc = tm_http_body_feed(&c->fetch.body, c->chunk.data + c->chunk_pos,
                               c->chunk.sz - c->chunk_pos, &used_sz, &run, &run_sz);
        c->chunk_pos += used_sz;
        if (rc < 0) return rc;
        if (run_sz > 0) TM_TRY(run_keep(&c->fetch, run, run_sz, max_sz));
    }
    return 1;
}

int tm_conn_fetch_step(tm_conn_t *c)
{
    tm_fetch_t *f = &c->fetch;
    if (f->whole) return 0;
    if (!f->asked) TM_TRY(ask(c));
    int rc = f->headed ? 1 : head_read(c);
    if (rc > 0) rc = body_read(c);
    if (rc <= 0) return rc;
    f->whole = true;
    f->mono_ns = tm_clock_mono_ns();
    return 0;
}

bool tm_conn_fetched(const tm_conn_t *c, tm_conn_answer_t *answer)
{
    *answer = (tm_conn_answer_t){c->fetch.bytes, c->fetch.sz, c->fetch.mono_ns};
    return c->fetch.whole;
}
