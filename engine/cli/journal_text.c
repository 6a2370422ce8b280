#include "engine/cli/journal_text.h"

#include "base/error.h"
#include "base/stamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const form_names[] = {"auto", "lines", "cryptofeed", "tardis",
                                         "json", "raw",   "parquet"};

int tm_journal_form_parse(const char *name, tm_journal_form_t *form)
{
    for (uint32_t i = TM_JOURNAL_FORM_LINES; i < TM_ARRAY_CNT(form_names); i++) {
        if (strcmp(name, form_names[i]) != 0) continue;
        *form = (tm_journal_form_t)i;
        return 0;
    }
    return tm_error_set(
        TM_E_CONFIG, "--format '%s': write lines, cryptofeed, tardis, json, raw or parquet", name);
}

const char *tm_journal_form_name(tm_journal_form_t form)
{
    return form_names[form];
}

static int room(tm_journal_line_t *l, size_t more)
{
    if (more <= l->cap - l->sz) return 0;
    size_t cap = l->cap ? l->cap * 2 : 4096;
    while (cap - l->sz < more) cap *= 2;
    char *text = realloc(l->text, cap);
    if (!text) return tm_error_set(-ENOMEM, "no memory for a line of %zu bytes", cap);
    l->text = text;
    l->cap = cap;
    return 0;
}

static int TM_PRINTF(2, 3) add(tm_journal_line_t *l, const char *fmt, ...)
{
    va_list ap;
    TM_TRY(room(l, 512));
    va_start(ap, fmt);
    const int n = vsnprintf(l->text + l->sz, 512, fmt, ap);
    va_end(ap);
    l->sz += n > 0 && n < 512 ? (size_t)n : 0;
    return 0;
}

/* The message on one line: a line break in JSON is white space, so a blank says the same. */
static int add_flat(tm_journal_line_t *l, const uint8_t *p, size_t sz)
{
    TM_TRY(room(l, sz + 1));
    char *to = l->text + l->sz;
    memcpy(to, p, sz);
    for (char *nl = to; (nl = memchr(nl, '\n', sz - (size_t)(nl - to))) != NULL;) *nl++ = ' ';
    to[sz] = '\n';
    l->sz += sz + 1;
    return 0;
}

static int add_string(tm_journal_line_t *l, const uint8_t *p, size_t sz)
{
    static const char hex[] = "0123456789abcdef";
    TM_TRY(room(l, sz * 6 + 2));
    char *to = l->text + l->sz;
    *to++ = '"';
    for (size_t i = 0; i < sz; i++) {
        const uint8_t c = p[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c == '\n') {
            *to++ = '\\';
            *to++ = 'n';
        } else if (c < 0x20) {
            for (int k = 0; k < 4; k++) to[k] = "\\u00"[k];
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    l->sz = (size_t)(to - l->text);
    return 0;
}

static int add_hex(tm_journal_line_t *l, const uint8_t *p, size_t sz)
{
    static const char hex[] = "0123456789abcdef";
    TM_TRY(room(l, sz * 2 + 2));
    char *to = l->text + l->sz;
    *to++ = '"';
    for (size_t i = 0; i < sz; i++) {
        *to++ = hex[p[i] >> 4];
        *to++ = hex[p[i] & 15];
    }
    *to++ = '"';
    l->sz = (size_t)(to - l->text);
    return 0;
}

/* As Python prints a float of seconds, but exact: at least one digit behind the point. */
static int add_seconds(tm_journal_line_t *l, int64_t ns)
{
    TM_TRY(add(l, "%lld.%09lld", ns / TM_NS_PER_S, ns % TM_NS_PER_S));
    while (l->text[l->sz - 1] == '0' && l->text[l->sz - 2] != '.') l->sz--;
    return 0;
}

/* Text where it is text all through, so that the line can be read back; else hexadecimal digits. */
static bool is_plain(const tm_journal_view_t *v)
{
    if (v->kind == TM_JOURNAL_TEXT) return true;
    return v->kind == TM_JOURNAL_CONNECT || v->kind == TM_JOURNAL_STREAM ||
           v->kind == TM_JOURNAL_NOTE || v->kind == TM_JOURNAL_LANE;
}

static int put_json(tm_journal_line_t *l, const tm_journal_view_t *v)
{
    char when[32];
    tm_journal_event_t ev;
    tm_stamp_text(when, v->frame.recv_ns);
    TM_TRY(add(l,
               "{\"seq\":%" PRIu64 ",\"recv_ns\":%" PRId64
               ",\"time\":\"%s\",\"conn\":%u,\"stream\":%u,"
               "\"kind\":\"%s\",\"flags\":%u,",
               v->seq, v->frame.recv_ns, when, v->frame.conn_idx, v->stream,
               tm_journal_kind_name(v->kind), v->flags));
    if (!tm_journal_is_message(v->kind) && tm_journal_event_take(&ev, v)) {
        if (v->kind == TM_JOURNAL_DISCONNECT) TM_TRY(add(l, "\"code\":%d,", ev.code));
        if (v->kind == TM_JOURNAL_GAP)
            TM_TRY(add(l, "\"lost\":%" PRIu64 ",\"lost_bytes\":%" PRIu64 ",", ev.lost_cnt,
                       ev.lost_sz));
        if (v->kind == TM_JOURNAL_CLOCK_STEP)
            TM_TRY(add(l, "\"step_ns\":%" PRId64 ",", ev.step_ns));
    }
    if (is_plain(v)) {
        TM_TRY(add(l, "\"data\":"));
        TM_TRY(add_string(l, v->frame.data, v->frame.sz));
    } else {
        TM_TRY(add(l, "\"hex\":"));
        TM_TRY(add_hex(l, v->frame.data, v->frame.sz));
    }
    return add(l, "}\n") < 0 ? -ENOMEM : 1;
}

static int put_cryptofeed(tm_journal_line_t *l, const tm_journal_view_t *v, const char *url)
{
    if (v->frame.recv_ns < 0) return 0;
    if (v->kind == TM_JOURNAL_CONNECT) {
        TM_TRY(add_flat(l, v->frame.data, v->frame.sz));
        l->sz--;
        TM_TRY(add(l, " <-> "));
        TM_TRY(add_seconds(l, v->frame.recv_ns));
        return add(l, "\n") < 0 ? -ENOMEM : 1;
    }
    if (v->kind != TM_JOURNAL_TEXT) return 0;
    if (v->flags & TM_JOURNAL_SENT) TM_TRY(add(l, "%.400s <- ", url ? url : "wss://unknown"));
    TM_TRY(add_seconds(l, v->frame.recv_ns));
    TM_TRY(add(l, ": "));
    return add_flat(l, v->frame.data, v->frame.sz) < 0 ? -ENOMEM : 1;
}

int tm_journal_text_put(tm_journal_line_t *l, tm_journal_form_t form, const tm_journal_view_t *v,
                        const char *url)
{
    char when[32];
    l->sz = 0;
    if (form == TM_JOURNAL_FORM_JSON) return put_json(l, v);
    if (form == TM_JOURNAL_FORM_CRYPTOFEED) return put_cryptofeed(l, v, url);
    if (v->kind != TM_JOURNAL_TEXT || v->flags & TM_JOURNAL_SENT) return 0;
    if (form == TM_JOURNAL_FORM_LINES) {
        if (v->frame.recv_ns < 1000000000000000000) return 0; /* not 19 digits */
        TM_TRY(add(l, "%" PRId64 " ", v->frame.recv_ns));
    } else if (form == TM_JOURNAL_FORM_TARDIS) {
        tm_stamp_text(when, v->frame.recv_ns);
        TM_TRY(add(l, "%s ", when));
    }
    return add_flat(l, v->frame.data, v->frame.sz) < 0 ? -ENOMEM : 1;
}
