/* The way in of journal_text.h: what a line of a capture says. */
#include "base/error.h"
#include "base/stamp.h"
#include "engine/cli/journal_text.h"
#include "net/replay/capture_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *what)
{
    return tm_error_set(TM_E_SYNTAX, "expected %s", what);
}

static void payload_set(tm_journal_said_t *said, const char *p, const char *end)
{
    said->payload = (const uint8_t *)p;
    said->payload_sz = (size_t)(end - p);
}

static int take_capture(tm_journal_said_t *said, tm_capture_form_t form, const char *p, size_t sz)
{
    tm_capture_line_t line;
    TM_TRY(tm_capture_line_take(&line, form, p, sz));
    if (line.kind == TM_CAPTURE_CONNECT) said->kind = TM_JOURNAL_CONNECT;
    if (line.kind == TM_CAPTURE_SENT) said->flags = TM_JOURNAL_SENT;
    said->recv_ns = line.recv_ns;
    said->payload = line.payload;
    said->payload_sz = line.payload_sz;
    return 0;
}

/* ---- json ---------------------------------------------------------------------------------------
   */

static int room(tm_journal_line_t *l, size_t sz)
{
    if (sz <= l->cap) return 0;
    char *text = realloc(l->text, sz);
    if (!text) return tm_error_set(-ENOMEM, "no memory for a line of %zu bytes", sz);
    l->text = text;
    l->cap = sz;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const int d = hex_digit(p[i]);
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

static char *utf8_put(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* "\uXXXX" or a surrogate pair at p (behind the u). Returns the bytes read, 0 where it is bad. */
static size_t unicode(const char *p, const char *end, char **to)
{
    const int32_t hi = hex4(p, end);
    if (hi < 0) return 0;
    if (hi < 0xd800 || hi > 0xdfff) {
        *to = utf8_put(*to, (uint32_t)hi);
        return 4;
    }
    const int32_t lo = end - p >= 10 && p[4] == '\\' && p[5] == 'u' ? hex4(p + 6, end) : -1;
    if (hi > 0xdbff || lo < 0xdc00 || lo > 0xdfff) return 0;
    *to = utf8_put(*to, 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00));
    return 10;
}

/* Copies the string at p (behind its quote) to `to`. Returns behind the closing quote, NULL where
   bad. */
static const char *string_take(const char *p, const char *end, char *to, size_t *sz)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char *const start = to;
    if (!p || !to) return NULL; /* the member is not there */
    for (; p < end; p++) {
        if (*p == '"') {
            *sz = (size_t)(to - start);
            return p + 1;
        }
        if (*p != '\\') {
            *to++ = *p;
            continue;
        }
        if (++p == end) return NULL;
        const char *which = memchr(from, *p, sizeof from - 1);
        if (which) {
            *to++ = into[which - from];
        } else {
            const size_t n = *p == 'u' ? unicode(p + 1, end, &to) : 0;
            if (n == 0) return NULL;
            p += n;
        }
    }
    return NULL;
}

static bool kind_find(const char *name, size_t sz, uint8_t *kind)
{
    for (uint32_t k = 1; name && k < TM_JOURNAL_SEAL; k++) {
        const char *known = tm_journal_kind_name((uint8_t)k);
        if (strlen(known) != sz || memcmp(known, name, sz) != 0) continue;
        *kind = (uint8_t)k;
        return true;
    }
    return false;
}

/* "3031" -> "01", in place. */
static bool unhex(char *text, size_t *sz)
{
    if (!text || *sz % 2) return false;
    for (size_t i = 0; i < *sz; i += 2) {
        const int hi = hex_digit(text[i]), lo = hex_digit(text[i + 1]);
        if (hi < 0 || lo < 0) return false;
        text[i / 2] = (char)(hi << 4 | lo);
    }
    *sz /= 2;
    return true;
}

static bool is_key(const char *key, size_t sz, const char *name)
{
    return strlen(name) == sz && memcmp(key, name, sz) == 0;
}

static bool number_set(tm_journal_said_t *said, const char *key, size_t key_sz, int64_t v)
{
    if (is_key(key, key_sz, "recv_ns")) {
        said->recv_ns = v;
    } else if (is_key(key, key_sz, "conn")) {
        said->conn_idx = (uint32_t)v;
        return v >= 0 && v <= UINT32_MAX;
    } else if (is_key(key, key_sz, "stream")) {
        said->stream = (uint16_t)v;
        return v >= 0 && v <= UINT16_MAX;
    } else if (is_key(key, key_sz, "flags")) {
        said->flags = (uint8_t)v;
        return v >= 0 && v <= UINT8_MAX;
    }
    return true; /* seq and what events carry also stand in the payload */
}

/* A flat object with the keys that put_json writes, in any order. */
static int take_json(tm_journal_said_t *said, const char *p, size_t sz, tm_journal_line_t *scratch)
{
    static const char want[] = "an object as \"tidemark journal export --format json\" writes it";
    const char *end = p + sz;
    bool have_kind = false;
    TM_TRY(room(scratch, sz + 8));
    if (p == end || *p++ != '{') return bad(want);
    while (p < end && *p == '"') {
        const char *key = ++p;
        const char *key_end = memchr(p, '"', (size_t)(end - p));
        if (!key_end || end - key_end < 3 || key_end[1] != ':') return bad(want);
        const size_t key_sz = (size_t)(key_end - key);
        p = key_end + 2;
        if (*p == '"') {
            const bool data = is_key(key, key_sz, "data"), hex = is_key(key, key_sz, "hex");
            char *to = scratch->text;
            char other[64];
            size_t n = 0;
            if (!data && !hex) {
                const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
                if (!close || (size_t)(close - p) >= sizeof other) return bad(want);
                to = other;
            }
            p = string_take(p + 1, end, to, &n);
            if (!p || (hex && !unhex(to, &n))) return bad(want);
            if (data || hex) payload_set(said, to, to + n);
            if (is_key(key, key_sz, "kind")) have_kind = kind_find(to, n, &said->kind);
        } else {
            const bool minus = *p == '-';
            p += minus;
            const size_t n = tm_stamp_digit_cnt(p, (size_t)(end - p));
            if (n == 0 || n > 20) return bad(want);
            const int64_t v = n > 19 ? 0 : tm_stamp_digits(p, n);
            if (!number_set(said, key, key_sz, minus ? -v : v)) return bad(want);
            p += n;
        }
        if (p < end && *p == ',') p++;
    }
    if (end - p != 1 || *p != '}' || !have_kind || !said->payload) return bad(want);
    return 0;
}

tm_journal_form_t tm_journal_form_guess(const char *line, size_t sz)
{
    tm_journal_said_t said;
    tm_journal_line_t scratch = {0};
    tm_journal_form_t form = TM_JOURNAL_FORM_LINES;
    for (; form <= TM_JOURNAL_FORM_JSON; form++)
        if (tm_journal_text_take(&said, form, line, sz, &scratch) == 0) break;
    free(scratch.text);
    return form <= TM_JOURNAL_FORM_JSON ? form : TM_JOURNAL_FORM_AUTO;
}

int tm_journal_text_take(tm_journal_said_t *said, tm_journal_form_t form, const char *line,
                         size_t sz, tm_journal_line_t *scratch)
{
    *said = (tm_journal_said_t){.kind = TM_JOURNAL_TEXT};
    switch (form) {
    case TM_JOURNAL_FORM_LINES:
        return take_capture(said, TM_CAPTURE_LINES, line, sz);
    case TM_JOURNAL_FORM_CRYPTOFEED:
        return take_capture(said, TM_CAPTURE_CRYPTOFEED, line, sz);
    case TM_JOURNAL_FORM_TARDIS:
        return take_capture(said, TM_CAPTURE_TARDIS, line, sz);
    case TM_JOURNAL_FORM_JSON:
        return take_json(said, line, sz, scratch);
    case TM_JOURNAL_FORM_AUTO:
    case TM_JOURNAL_FORM_RAW:
    case TM_JOURNAL_FORM_PARQUET:
        break;
    }
    return bad("a form with receive times");
}
