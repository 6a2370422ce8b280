/* A parser of exactly what a request may be: one object with method, params and id, in any order
   and with any other keys between. Positions count from line 1, column 1, as the exchange's texts
   do. */
#include "net/simulated/venue_request.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16, INVALID_REQUEST = 2, INVALID_JSON = 3 };

typedef struct text {
    const char *begin, *p, *end;
} text_t;

static const char *const methods[TM_VENUE_METHOD_CNT] = {
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"};

static void blanks(text_t *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t' || *t->p == '\n' || *t->p == '\r'))
        t->p++;
}

/* Takes a byte that must come next, blanks before it skipped. */
static bool take(text_t *t, char c)
{
    blanks(t);
    if (t->p == t->end || *t->p != c) return false;
    t->p++;
    return true;
}

static bool word(text_t *t, const char *w)
{
    size_t sz = strlen(w);
    if ((size_t)(t->end - t->p) < sz || memcmp(t->p, w, sz) != 0) return false;
    t->p += sz;
    return true;
}

static bool string(text_t *t, const char **s, size_t *sz)
{
    if (!take(t, '"')) return false;
    *s = t->p;
    for (; t->p < t->end && *t->p != '"'; t->p++) {
        if ((unsigned char)*t->p < ' ') return false;
        if (*t->p == '\\' && ++t->p == t->end) return false;
    }
    if (t->p == t->end) return false;
    *sz = (size_t)(t->p++ - *s);
    return true;
}

static bool number(text_t *t)
{
    const char *begin = t->p;
    while (t->p < t->end && *t->p && strchr("+-.0123456789eE", *t->p)) t->p++;
    return t->p > begin;
}

static bool value(text_t *t, int depth);

/* What stands between the brackets of an array or object, commas and keys included. */
static bool members(text_t *t, bool object, int depth)
{
    char close = object ? '}' : ']';
    if (take(t, close)) return true;
    do {
        const char *s;
        size_t sz;
        if (object && (!string(t, &s, &sz) || !take(t, ':'))) return false;
        if (!value(t, depth + 1)) return false;
    } while (take(t, ','));
    return take(t, close);
}

/* Steps over any value. */
static bool value(text_t *t, int depth)
{
    const char *s;
    size_t sz;
    if (depth > DEPTH_MAX) return false;
    blanks(t);
    if (t->p == t->end) return false;
    if (*t->p == '"') return string(t, &s, &sz);
    if (take(t, '{')) return members(t, true, depth);
    if (take(t, '[')) return members(t, false, depth);
    return word(t, "true") || word(t, "false") || word(t, "null") || number(t);
}

static bool wrong(tm_venue_request_t *r, int code, const char *msg)
{
    r->code = code;
    snprintf(r->msg, sizeof r->msg, "%s", msg);
    return false;
}

static bool not_json(tm_venue_request_t *r, const text_t *t)
{
    uint32_t line = 1, column = 1;
    for (const char *p = t->begin; p < t->p; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    r->code = INVALID_JSON;
    snprintf(r->msg, sizeof r->msg, "Invalid JSON: expected value at line %u column %u", line,
             column);
    return false;
}

/* An integer, a string of up to 36 letters and digits, or null. */
static bool id_take(tm_venue_request_t *r, text_t *t)
{
    blanks(t);
    const char *begin = t->p;
    if (!value(t, 0)) return not_json(r, t);
    size_t sz = (size_t)(t->p - begin);
    bool fine = sz < sizeof r->id;
    if (*begin == '"') {
        fine = fine && sz <= 36 + 2;
        for (const char *p = begin + 1; fine && p < t->p - 1; p++)
            fine = (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') || *p == '-';
    } else if (*begin != 'n') {
        fine = fine && sz <= 20;
        for (const char *p = begin; fine && p < t->p; p++)
            fine = (*p >= '0' && *p <= '9') || (p == begin && *p == '-' && sz > 1);
    }
    if (!fine)
        return wrong(r, INVALID_REQUEST, "Invalid request: request ID must be an unsigned integer");
    memcpy(r->id, begin, sz);
    r->id[sz] = '\0';
    return true;
}

static bool params_take(tm_venue_request_t *r, text_t *t)
{
    if (!take(t, '[')) return wrong(r, INVALID_REQUEST, "Invalid request: params must be an array");
    if (take(t, ']')) return true;
    do {
        tm_venue_param_t param = {.kind = TM_VENUE_PARAM_OTHER};
        blanks(t);
        if (t->p < t->end && *t->p == '"') {
            param.kind = TM_VENUE_PARAM_STRING;
            if (!string(t, &param.s, &param.sz)) return not_json(r, t);
        } else if (word(t, "true")) {
            param.kind = TM_VENUE_PARAM_TRUE;
        } else if (word(t, "false")) {
            param.kind = TM_VENUE_PARAM_FALSE;
        } else if (!value(t, 1)) {
            return not_json(r, t);
        }
        if (r->param_cnt == TM_VENUE_PARAM_MAX)
            return wrong(r, INVALID_REQUEST, "Invalid request: too many parameters");
        r->params[r->param_cnt++] = param;
    } while (take(t, ','));
    return take(t, ']') || not_json(r, t);
}

static bool method_take(tm_venue_request_t *r, text_t *t)
{
    const char *s;
    size_t sz;
    blanks(t);
    if (t->p == t->end || *t->p != '"')
        return wrong(r, INVALID_REQUEST, "Invalid request: method must be a string");
    if (!string(t, &s, &sz)) return not_json(r, t);
    for (int i = 0; i < TM_VENUE_METHOD_CNT; i++) {
        if (strlen(methods[i]) != sz || memcmp(methods[i], s, sz) != 0) continue;
        r->method = (tm_venue_method_t)i;
        return true;
    }
    r->code = INVALID_REQUEST;
    char shown[41];
    snprintf(shown, sizeof shown, "%.*s", sz < 40 ? (int)sz : 40, s);
    for (char *p = shown; *p; p++)
        if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\' || (unsigned char)*p > '~') *p = '?';
    snprintf(r->msg, sizeof r->msg,
             "Invalid request: unknown variant `%s`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
             "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
             shown);
    return false;
}

/* All keys of the object. The id is wanted in the reply to a wrong request too, so the first thing
   that is wrong is kept and reading goes on as long as it is JSON. */
static bool keys_take(tm_venue_request_t *r, text_t *t, bool *has_method)
{
    if (take(t, '}')) return true;
    do {
        const char *key;
        size_t sz;
        if (!string(t, &key, &sz) || !take(t, ':')) return not_json(r, t);
        text_t at = *t;
        int code = r->code;
        bool fine = true;
        if (sz == 6 && memcmp(key, "method", 6) == 0) {
            *has_method = true;
            fine = code >= 0 || method_take(r, &at);
        } else if (sz == 6 && memcmp(key, "params", 6) == 0) {
            fine = code >= 0 || params_take(r, &at);
        } else if (sz == 2 && memcmp(key, "id", 2) == 0) {
            fine = id_take(r, &at);
        }
        if (!fine && r->code == INVALID_JSON) return false;
        if (!value(t, 1)) return not_json(r, t);
    } while (take(t, ','));
    return take(t, '}') || not_json(r, t);
}

bool tm_venue_request_parse(tm_venue_request_t *r, const char *text, size_t sz)
{
    text_t t = {text, text, text + sz};
    bool has_method = false;
    r->method = TM_VENUE_METHOD_CNT;
    r->param_cnt = 0;
    r->code = -1;
    snprintf(r->id, sizeof r->id, "null");
    if (!take(&t, '{')) return not_json(r, &t);
    if (!keys_take(r, &t, &has_method)) return false;
    blanks(&t);
    if (t.p != t.end) return not_json(r, &t);
    if (r->code >= 0) return false;
    if (!has_method) return wrong(r, INVALID_REQUEST, "Invalid request: missing field `method`");
    return true;
}

size_t tm_venue_request_error(const tm_venue_request_t *r, char *out, size_t out_sz)
{
    int n = snprintf(out, out_sz, "{\"error\":{\"code\":%d,\"msg\":\"%s\"},\"id\":%s}", r->code,
                     r->msg, r->id);
    return n < 0 ? 0 : (size_t)n < out_sz ? (size_t)n : out_sz - 1;
}
