#include "net/simulated/fault_plan.h"

#include "base/error.h"
#include "net/simulated/fault_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind a fault's name. */
typedef enum arg_kind {
    ARG_NONE,
    ARG_COUNT,
    ARG_BYTES,
    ARG_TIME,
    ARG_STATUS, /* a code, perhaps with "retry-after N" */
    ARG_CODE,
    ARG_FRAME,
    ARG_JSON,
    ARG_CERT,
} arg_kind_t;

enum {
    AT_ACCEPT = 1 << TM_FAULT_ACCEPT,
    AT_UPGRADE = 1 << TM_FAULT_UPGRADE,
    AT_BYTE = 1 << TM_FAULT_BYTE,
    AT_STREAM = 1 << TM_FAULT_MESSAGE | 1 << TM_FAULT_EVERY | 1 << TM_FAULT_SOME |
                1 << TM_FAULT_AFTER,
};

static const struct {
    const char *name, *counter;
    uint32_t places;
    arg_kind_t arg;
    int64_t arg_default; /* -1 = must be given */
    int64_t arg_max;
} faults[TM_FAULT_WHAT_CNT] = {
    [TM_FAULT_REFUSE] = {"refuse", "fault_refuse", AT_ACCEPT, ARG_NONE, 0, 0},
    [TM_FAULT_ALERT] = {"alert", "fault_alert", AT_ACCEPT, ARG_NONE, 0, 0},
    [TM_FAULT_BAD_CERT] = {"bad-cert", "fault_bad_cert", AT_ACCEPT, ARG_CERT, 0, 0},
    [TM_FAULT_SILENT] = {"silent", "fault_silent", AT_ACCEPT | AT_UPGRADE, ARG_NONE, 0, 0},
    [TM_FAULT_GARBAGE] = {"garbage", "fault_garbage", AT_ACCEPT | AT_UPGRADE, ARG_NONE, 0, 0},
    [TM_FAULT_STATUS] = {"status", "fault_status", AT_UPGRADE, ARG_STATUS, -1, 599},
    [TM_FAULT_BAD_ACCEPT] = {"bad-accept", "fault_bad_accept", AT_UPGRADE, ARG_NONE, 0, 0},
    [TM_FAULT_CUT] = {"cut", "fault_cut", AT_STREAM | AT_BYTE, ARG_NONE, 0, 0},
    [TM_FAULT_RST] = {"rst", "fault_rst", AT_STREAM | AT_BYTE, ARG_NONE, 0, 0},
    [TM_FAULT_STALL] = {"stall", "fault_stall", AT_STREAM | AT_BYTE, ARG_TIME, TM_NS_PER_S, 0},
    [TM_FAULT_DRIP] = {"drip", "fault_drip", AT_STREAM | AT_BYTE, ARG_BYTES, 1000, 1 << 30},
    [TM_FAULT_HALF_OPEN] = {"half-open", "fault_half_open", AT_STREAM | AT_BYTE, ARG_NONE, 0, 0},
    [TM_FAULT_CORRUPT] = {"corrupt", "fault_corrupt", AT_STREAM | AT_BYTE, ARG_NONE, 0, 0},
    [TM_FAULT_CLOSE] = {"close", "fault_close", AT_STREAM, ARG_CODE, 1001, 4999},
    [TM_FAULT_FRAME] = {"frame", "fault_frame", AT_STREAM, ARG_FRAME, -1, 0},
    [TM_FAULT_BOMB] = {"bomb", "fault_bomb", AT_STREAM, ARG_BYTES, 64 << 20, 1 << 30},
    [TM_FAULT_PING_FLOOD] = {"ping-flood", "fault_ping_flood", AT_STREAM, ARG_COUNT, 1000, 1000000},
    [TM_FAULT_DUPLICATE] = {"duplicate", "fault_duplicate", AT_STREAM, ARG_COUNT, 1, 100},
    [TM_FAULT_GAP] = {"gap", "fault_gap", AT_STREAM, ARG_COUNT, 1, 1000000},
    [TM_FAULT_REORDER] = {"reorder", "fault_reorder", AT_STREAM, ARG_COUNT, 1, 1000000},
    [TM_FAULT_STALE] = {"stale", "fault_stale", AT_STREAM, ARG_COUNT, 50, 1000000},
    [TM_FAULT_JSON] = {"json", "fault_json", AT_STREAM, ARG_JSON, 0, 0},
    [TM_FAULT_SHUTDOWN] = {"server-shutdown", "fault_server_shutdown", AT_STREAM, ARG_NONE, 0, 0},
    [TM_FAULT_JUMP] = {"jump", "fault_jump", AT_STREAM, ARG_TIME, -1, 0},
    [TM_FAULT_OUTAGE] = {"outage", "fault_outage", AT_STREAM, ARG_TIME, TM_NS_PER_S, 0},
};

static const char *const whens[TM_FAULT_WHEN_CNT] = {"accept", "upgrade", "message", "every",
                                                     "some",   "after",   "byte"};

static const char *const jsons[TM_FAULT_JSON_CNT] = {"any",   "truncated", "garbage",
                                                     "empty", "number",    "deep"};

static const struct {
    const char *name;
    int64_t ns;
} time_units[] = {{"ns", 1},
                  {"us", 1000},
                  {"ms", TM_NS_PER_MS},
                  {"s", TM_NS_PER_S},
                  {"m", 60 * TM_NS_PER_S},
                  {"h", 3600 * TM_NS_PER_S}};

static const int64_t time_max_ns = 366 * 24 * 3600 * TM_NS_PER_S; /* a clock may be a year off */

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct reader {
    const char *name;
    uint32_t line;
    const char *at, *end; /* of the line */
} reader_t;

typedef struct word {
    const char *s;
    size_t sz; /* 0 = the line has no more */
} word_t;

static word_t next_word(reader_t *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')) r->at++;
    word_t w = {r->at, 0};
    if (r->at < r->end && *r->at == '#') r->at = r->end;
    while (r->at < r->end && !strchr(" \t\r", *r->at)) r->at++;
    w.sz = w.s < r->end && *w.s == '#' ? 0 : (size_t)(r->at - w.s);
    return w;
}

static bool word_is(word_t w, const char *name)
{
    return strlen(name) == w.sz && memcmp(name, w.s, w.sz) == 0;
}

static int wrong(const reader_t *r, word_t w, const char *expected)
{
    if (w.sz == 0)
        return tm_error_set(TM_E_SYNTAX, "%s:%u: the line ends; expected %s", r->name, r->line,
                            expected);
    return tm_error_set(TM_E_SYNTAX, "%s:%u: '%.*s': expected %s", r->name, r->line,
                        (int)(w.sz < 40 ? w.sz : 40), w.s, expected);
}

/* Takes digits off the front; false where there is none or too many. */
static bool take_number(word_t *w, uint64_t *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < w->sz && n < 18 && w->s[n] >= '0' && w->s[n] <= '9'; n++)
        *out = *out * 10 + (uint64_t)(w->s[n] - '0');
    w->s += n;
    w->sz -= n;
    return n > 0 && (w->sz == 0 || w->s[0] < '0' || w->s[0] > '9');
}

static int parse_count(const reader_t *r, word_t w, uint64_t max, uint64_t *out)
{
    word_t left = w;
    if (!take_number(&left, out)) return wrong(r, w, "a number");
    uint64_t unit = 1;
    if (word_is(left, "k") || word_is(left, "K")) unit = 1 << 10;
    if (word_is(left, "M")) unit = 1 << 20;
    if (left.sz > 0 && unit == 1) return wrong(r, w, "a number, perhaps with k or M behind it");
    if (*out < 1 || *out > max / unit) {
        char expected[64];
        snprintf(expected, sizeof expected, "1 to %" PRIu64, max);
        return wrong(r, w, expected);
    }
    *out *= unit;
    return 0;
}

static int parse_time(const reader_t *r, word_t w, int64_t *out)
{
    word_t left = w;
    uint64_t v;
    bool back = w.sz > 0 && w.s[0] == '-';
    left.s += back;
    left.sz -= back;
    if (take_number(&left, &v)) {
        for (size_t i = 0; i < TM_ARRAY_CNT(time_units); i++) {
            if (!word_is(left, time_units[i].name)) continue;
            if (v > (uint64_t)(time_max_ns / time_units[i].ns)) break;
            *out = (int64_t)v * time_units[i].ns * (back ? -1 : 1);
            return 0;
        }
    }
    return wrong(r, w, "a time such as 500ms, 2s or 1h, at most a year");
}

/* any | odd | even | N | N- | N-M */
static int parse_connection(const reader_t *r, word_t w, tm_fault_rule_t *rule)
{
    static const char expected[] = "any, odd, even, a connection's number, N- or N-M";
    uint64_t first = 1, last = UINT32_MAX;
    rule->conn_step = word_is(w, "odd") || word_is(w, "even") ? 2 : 1;
    if (word_is(w, "even")) {
        first = 2;
    } else if (!word_is(w, "any") && !word_is(w, "odd")) {
        word_t left = w;
        if (!take_number(&left, &first)) return wrong(r, w, expected);
        last = first;
        if (left.sz > 0 && left.s[0] == '-') {
            left.s++;
            left.sz--;
            last = UINT32_MAX;
            if (left.sz > 0 && !take_number(&left, &last)) return wrong(r, w, expected);
        }
        if (left.sz > 0 || first < 1 || last < first || last > UINT32_MAX)
            return wrong(r, w, expected);
    }
    rule->conn_first = (uint32_t)first;
    rule->conn_last = (uint32_t)last;
    return 0;
}

static int parse_when(reader_t *r, tm_fault_rule_t *rule)
{
    word_t w = next_word(r);
    int when = 0;
    while (when < TM_FAULT_WHEN_CNT && !word_is(w, whens[when])) when++;
    if (when == TM_FAULT_WHEN_CNT)
        return wrong(r, w, "accept, upgrade, message N, every N, some N, after TIME or byte N");
    rule->when = (tm_fault_when_t)when;
    rule->at = 0;
    if (rule->when == TM_FAULT_ACCEPT || rule->when == TM_FAULT_UPGRADE) return 0;
    w = next_word(r);
    if (rule->when != TM_FAULT_AFTER) return parse_count(r, w, UINT64_C(1) << 40, &rule->at);
    int64_t time_ns;
    TM_TRY(parse_time(r, w, &time_ns));
    rule->at = time_ns < 0 ? 0 : (uint64_t)time_ns;
    return 0;
}

static int parse_retry_after(reader_t *r, tm_fault_rule_t *rule)
{
    uint64_t v;
    word_t w = next_word(r);
    if (w.sz == 0) return 0;
    if (!word_is(w, "retry-after")) return wrong(r, w, "retry-after SECONDS, or the line's end");
    TM_TRY(parse_count(r, next_word(r), 86400, &v));
    rule->after = (uint32_t)v;
    return 0;
}

static int parse_kind(const reader_t *r, word_t w, arg_kind_t kind, tm_fault_rule_t *rule)
{
    static const char *const certs[] = {"name", "expired", "authority"};
    if (kind == ARG_FRAME) {
        rule->arg = word_is(w, "any") ? -1 : tm_fault_frame_find(w.s, w.sz);
        if (rule->arg < 0 && !word_is(w, "any"))
            return wrong(r, w, "a kind of frame (docs/faults.md lists them), or any");
        return 0;
    }
    const char *const *names = kind == ARG_JSON ? jsons : certs;
    int cnt = kind == ARG_JSON ? TM_FAULT_JSON_CNT : (int)TM_ARRAY_CNT(certs);
    for (int i = 0; i < cnt; i++) {
        if (!word_is(w, names[i])) continue;
        rule->arg = i;
        return 0;
    }
    return wrong(r, w,
                 kind == ARG_JSON ? "any, truncated, garbage, empty, number or deep"
                                  : "name, expired or authority");
}

static int parse_arg(reader_t *r, tm_fault_rule_t *rule)
{
    arg_kind_t kind = faults[rule->what].arg;
    rule->arg = faults[rule->what].arg_default;
    rule->after = UINT32_MAX;
    if (kind == ARG_NONE) return 0;
    word_t w = next_word(r);
    if (w.sz == 0 && faults[rule->what].arg_default >= 0) return 0;
    if (kind == ARG_FRAME || kind == ARG_JSON || kind == ARG_CERT)
        return parse_kind(r, w, kind, rule);
    if (kind == ARG_TIME) return parse_time(r, w, &rule->arg);
    uint64_t v;
    TM_TRY(parse_count(r, w, (uint64_t)faults[rule->what].arg_max, &v));
    rule->arg = (int64_t)v;
    if (kind == ARG_STATUS && v < 200) return wrong(r, w, "an HTTP status from 200");
    if (kind == ARG_CODE && v < 1000) return wrong(r, w, "a close code from 1000");
    return kind == ARG_STATUS ? parse_retry_after(r, rule) : 0;
}

/* Returns 1 and a rule, 0 for an empty line. */
static int parse_line(reader_t *r, tm_fault_rule_t *rule)
{
    word_t w = next_word(r);
    if (w.sz == 0) return 0;
    TM_TRY(parse_connection(r, w, rule));
    TM_TRY(parse_when(r, rule));
    w = next_word(r);
    int what = 0;
    while (what < TM_FAULT_WHAT_CNT && !word_is(w, faults[what].name)) what++;
    if (what == TM_FAULT_WHAT_CNT) return wrong(r, w, "a fault; docs/faults.md lists them");
    rule->what = (tm_fault_what_t)what;
    if (!(faults[what].places & 1u << rule->when))
        return tm_error_set(TM_E_SYNTAX, "%s:%u: %s cannot happen at '%s'", r->name, r->line,
                            faults[what].name, whens[rule->when]);
    TM_TRY(parse_arg(r, rule));
    w = next_word(r);
    return w.sz > 0 ? wrong(r, w, "the line's end") : 1;
}

int tm_fault_plan_parse(tm_fault_plan_t **out, const char *text, size_t sz, const char *name,
                        uint64_t seed)
{
    *out = NULL;
    tm_fault_plan_t *plan = calloc(1, sizeof *plan);
    if (!plan) return tm_error_set(-ENOMEM, "%s: no memory", name);
    plan->seed = seed;
    reader_t r = {.name = name, .at = text};
    const char *end = text + sz;
    int rc = 0;
    while (rc >= 0 && r.at < end) {
        const char *stop = memchr(r.at, '\n', (size_t)(end - r.at));
        tm_fault_rule_t rule;
        r.end = stop ? stop : end;
        r.line++;
        rc = parse_line(&r, &rule);
        if (rc > 0 && plan->rule_cnt == TM_FAULT_RULE_MAX)
            rc = tm_error_set(TM_E_SYNTAX, "%s:%u: more than %d rules", name, r.line,
                              TM_FAULT_RULE_MAX);
        if (rc > 0) plan->rules[plan->rule_cnt++] = rule;
        r.at = r.end + 1;
    }
    if (rc < 0) {
        free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}

int tm_fault_plan_load(tm_fault_plan_t **out, const char *path, uint64_t seed)
{
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (!file) return tm_error_set(-errno, "%s: %s", path, strerror(errno));
    char *text = malloc(TM_FAULT_TEXT_MAX);
    size_t sz = text ? fread(text, 1, TM_FAULT_TEXT_MAX, file) : 0;
    int rc;
    if (!text)
        rc = tm_error_set(-ENOMEM, "%s: no memory", path);
    else if (ferror(file))
        rc = tm_error_set(-EIO, "%s: cannot be read", path);
    else if (sz == TM_FAULT_TEXT_MAX)
        rc = tm_error_set(TM_E_LIMIT, "%s: a script has less than %d bytes", path,
                          TM_FAULT_TEXT_MAX);
    else
        rc = tm_fault_plan_parse(out, text, sz, path, seed);
    fclose(file);
    free(text);
    return rc;
}

/* ---- Showing --------------------------------------------------------------------------------- */

static size_t show_time(char *out, size_t sz, int64_t ns)
{
    size_t unit = TM_ARRAY_CNT(time_units) - 1;
    while (unit > 0 && (ns % time_units[unit].ns != 0 || ns == 0)) unit--;
    return (size_t)snprintf(out, sz, " %" PRId64 "%s", ns / time_units[unit].ns,
                            time_units[unit].name);
}

static size_t show_connection(const tm_fault_rule_t *rule, char *out, size_t sz)
{
    if (rule->conn_step == 2)
        return (size_t)snprintf(out, sz, "%s", rule->conn_first == 1 ? "odd" : "even");
    if (rule->conn_first == 1 && rule->conn_last == UINT32_MAX)
        return (size_t)snprintf(out, sz, "any");
    if (rule->conn_last == UINT32_MAX) return (size_t)snprintf(out, sz, "%u-", rule->conn_first);
    if (rule->conn_last == rule->conn_first)
        return (size_t)snprintf(out, sz, "%u", rule->conn_first);
    return (size_t)snprintf(out, sz, "%u-%u", rule->conn_first, rule->conn_last);
}

static void show_arg(const tm_fault_rule_t *rule, char *out, size_t sz)
{
    static const char *const certs[] = {"name", "expired", "authority"};
    switch (faults[rule->what].arg) {
    case ARG_NONE:
        return;
    case ARG_COUNT:
    case ARG_BYTES:
    case ARG_CODE:
        snprintf(out, sz, " %" PRId64, rule->arg);
        return;
    case ARG_STATUS:
        if (rule->after == UINT32_MAX)
            snprintf(out, sz, " %" PRId64, rule->arg);
        else
            snprintf(out, sz, " %" PRId64 " retry-after %u", rule->arg, rule->after);
        return;
    case ARG_TIME:
        show_time(out, sz, rule->arg);
        return;
    case ARG_FRAME:
        snprintf(out, sz, " %s", rule->arg < 0 ? "any" : tm_fault_frame_name((uint32_t)rule->arg));
        return;
    case ARG_JSON:
        snprintf(out, sz, " %s", jsons[rule->arg]);
        return;
    case ARG_CERT:
        snprintf(out, sz, " %s", certs[rule->arg]);
        return;
    }
}

const char *tm_fault_rule_show(const tm_fault_rule_t *rule, char out[TM_FAULT_LINE_MAX])
{
    size_t n = show_connection(rule, out, TM_FAULT_LINE_MAX);
    n += (size_t)snprintf(out + n, TM_FAULT_LINE_MAX - n, " %s", whens[rule->when]);
    if (rule->when == TM_FAULT_AFTER)
        n += show_time(out + n, TM_FAULT_LINE_MAX - n, (int64_t)rule->at);
    else if (rule->when != TM_FAULT_ACCEPT && rule->when != TM_FAULT_UPGRADE)
        n += (size_t)snprintf(out + n, TM_FAULT_LINE_MAX - n, " %" PRIu64, rule->at);
    n += (size_t)snprintf(out + n, TM_FAULT_LINE_MAX - n, " %s", faults[rule->what].name);
    show_arg(rule, out + n, TM_FAULT_LINE_MAX - n);
    return out;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

bool tm_fault_rule_meets(const tm_fault_rule_t *rule, uint32_t conn_nr)
{
    return conn_nr >= rule->conn_first && conn_nr <= rule->conn_last &&
           (conn_nr - rule->conn_first) % rule->conn_step == 0;
}

const tm_fault_rule_t *tm_fault_plan_find(const tm_fault_plan_t *plan, uint32_t conn_nr,
                                          tm_fault_when_t when)
{
    for (uint32_t i = 0; plan && i < plan->rule_cnt; i++)
        if (plan->rules[i].when == when && tm_fault_rule_meets(&plan->rules[i], conn_nr))
            return &plan->rules[i];
    return NULL;
}

const char *tm_fault_what_name(tm_fault_what_t what)
{
    return faults[what].name;
}

const char *tm_fault_what_counter(tm_fault_what_t what)
{
    return faults[what].counter;
}
