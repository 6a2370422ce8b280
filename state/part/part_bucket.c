#include "state/part/part_bucket.h"

#include "base/error.h"
#include "base/row.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { UNDATED = 1 << 8, PROBE_S = 981173106 }; /* 2001-02-03 04:05:06 */

#define ABSENT "__HIVE_DEFAULT_PARTITION__"

/* A pattern may mean the empty text, which strftime cannot tell from one that does not fit: so a
   letter is put behind it. Returns false where it does not fit. */
static bool format_at(const char *pattern, int64_t time_s, char out[TM_PART_BUCKET_NAME_MAX])
{
    const time_t t = (time_t)time_s;
    char ended[2 * TM_PART_BUCKET_NAME_MAX];
    struct tm utc;
    if ((size_t)snprintf(ended, sizeof ended, "%s$", pattern) >= sizeof ended) return false;
    if (!gmtime_r(&t, &utc)) return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the pattern is the user's, on purpose */
    const size_t sz = strftime(out, TM_PART_BUCKET_NAME_MAX, ended, &utc);
#pragma GCC diagnostic pop
    if (sz > 0) out[sz - 1] = '\0';
    return sz > 0;
}

/* The longest span that never crosses a change of the name: the pattern is asked at two instants of
   one day that differ in a single unit. Twelve hours cover patterns with am and pm. */
static int64_t probe_span(const char *pattern)
{
    static const struct {
        int64_t apart_s, span_s;
    } units[] = {{1, 1}, {60, 60}, {3600, 3600}, {43200, 3600}};
    char a[TM_PART_BUCKET_NAME_MAX], b[TM_PART_BUCKET_NAME_MAX];
    if (!format_at(pattern, PROBE_S, a)) return TM_NS_PER_S;
    for (size_t i = 0; i < TM_ARRAY_CNT(units); i++)
        if (!format_at(pattern, PROBE_S + units[i].apart_s, b) || strcmp(a, b) != 0)
            return units[i].span_s * TM_NS_PER_S;
    return 86400 * TM_NS_PER_S;
}

/* Names go into the log of part files, one a line with spaces between fields; readers skip what
   begins with a dot. */
static bool is_folder(const char *name)
{
    if (*name == '\0') return true;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f) return false;
    return name[0] != '/' && name[0] != '.' && !strstr(name, "/.") && !strstr(name, "//") &&
           name[strlen(name) - 1] != '/';
}

static int check_field(tm_part_bucketer_t *b, const char *name, size_t sz)
{
    char text[TM_SCHEMA_NAME_MAX];
    if (sz >= sizeof text) sz = sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", (int)sz, name);
    const int idx = tm_schema_find(b->schema, text);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "schema %s has no field %s to name buckets by",
                            b->schema->name, text);
    const tm_type_t type = b->schema->fields[idx].type;
    if (type == TM_TYPE_F64 || type == TM_TYPE_DECIMAL64 || type == TM_TYPE_DECIMAL128 ||
        type == TM_TYPE_TIME_NS)
        return tm_error_set(TM_E_CONFIG,
                            "field %s: {field} in a bucket pattern takes symbols, sides, booleans "
                            "and integers; a time goes by bucket_field",
                            text);
    if (b->field_cnt == TM_PART_BUCKET_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "bucket pattern %s has more than %d fields",
                            b->cfg.pattern, TM_PART_BUCKET_FIELD_MAX);
    b->fields[b->field_cnt++] = &b->schema->fields[idx];
    return 0;
}

/* Fields are taken out of the pattern; a byte 1 marks the place of each. */
static int read_pattern(tm_part_bucketer_t *b)
{
    const char *at = b->cfg.pattern;
    size_t sz = 0;
    while (*at) {
        if (sz + 1 >= sizeof b->pattern)
            return tm_error_set(TM_E_CONFIG, "bucket pattern %s is too long", b->cfg.pattern);
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (!end) {
            b->pattern[sz++] = *at++;
            continue;
        }
        TM_TRY(check_field(b, at + 1, (size_t)(end - at - 1)));
        b->pattern[sz++] = '\1';
        at = end + 1;
    }
    b->pattern[sz] = '\0';
    return 0;
}

static int check_pattern(const tm_part_bucketer_t *b)
{
    char name[TM_PART_BUCKET_NAME_MAX];
    if (!format_at(b->pattern, PROBE_S, name))
        return tm_error_set(TM_E_CONFIG, "bucket pattern %s gives too long a name", b->cfg.pattern);
    for (char *c = name; *c; c++)
        if (*c == '\1') *c = 'x';
    if (is_folder(name)) return 0;
    return tm_error_set(TM_E_CONFIG,
                        "bucket pattern %s gives \"%s\": spaces, control characters, hidden and "
                        "empty folder names are not taken",
                        b->cfg.pattern, name);
}

/* Two digits; -1 where they are something else. */
static int64_t two_digits(const char *at)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9') return -1;
    return (at[0] - '0') * 10 + (at[1] - '0');
}

/* "UTC", "Z", or an offset from it: "+08:00". */
static int read_zone(tm_part_bucketer_t *b)
{
    const char *zone = b->cfg.zone;
    if (!zone || !*zone || strcmp(zone, "UTC") == 0 || strcmp(zone, "Z") == 0) return 0;
    const bool whole = strlen(zone) == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':';
    const int64_t hours = whole ? two_digits(zone + 1) : -1;
    const int64_t minutes = whole ? two_digits(zone + 4) : -1;
    if (hours < 0 || hours > 18 || minutes < 0 || minutes > 59)
        return tm_error_set(TM_E_CONFIG, "bucket zone '%s': write UTC or an offset such as +08:00",
                            zone);
    b->zone_ns = (hours * 60 + minutes) * 60 * TM_NS_PER_S * (zone[0] == '-' ? -1 : 1);
    return 0;
}

int tm_part_bucketer_open(tm_part_bucketer_t *b, const tm_schema_t *schema,
                          const tm_symbols_t *symbols, const tm_part_bucket_cfg_t *cfg)
{
    *b = (tm_part_bucketer_t){.cfg = *cfg,
                              .schema = schema,
                              .symbols = symbols,
                              .time_off = offsetof(tm_row_t, event_ns)};
    if (cfg->folder) return 0;
    if (!b->cfg.pattern) b->cfg.pattern = "%Y-%m-%d--%H";
    TM_TRY(read_zone(b));
    TM_TRY(read_pattern(b));
    TM_TRY(check_pattern(b));
    if (strchr(b->pattern, '%') || b->field_cnt == 0)
        b->span_ns = *b->pattern ? probe_span(b->pattern) : 0;
    if (!cfg->field) return 0;
    int idx = tm_schema_find(schema, cfg->field);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "schema %s has no field %s to name buckets by",
                            schema->name, cfg->field);
    if (schema->fields[idx].type != TM_TYPE_TIME_NS)
        return tm_error_set(TM_E_CONFIG, "field %s is not a time: it cannot name buckets",
                            cfg->field);
    b->time_off = schema->fields[idx].off;
    return 0;
}

static void find_span(tm_part_bucketer_t *b, int64_t t, tm_part_bucket_key_t *key)
{
    int64_t local_ns;
    if (t == TM_TIME_NONE || __builtin_add_overflow(t, b->zone_ns, &local_ns)) {
        key->flags |= UNDATED;
        return;
    }
    if (local_ns < b->from_ns || local_ns >= b->to_ns) {
        b->span = local_ns / b->span_ns - (local_ns % b->span_ns < 0);
        /* The first and the last span that an int64_t can hold are cut short: no wrap. */
        if (__builtin_mul_overflow(b->span, b->span_ns, &b->from_ns)) b->from_ns = INT64_MIN + 1;
        if (__builtin_add_overflow(b->from_ns, b->span_ns, &b->to_ns)) b->to_ns = INT64_MAX;
    }
    key->span = b->span;
}

static void read_value(const tm_part_bucketer_t *b, uint32_t i, const uint8_t *row,
                       tm_part_bucket_key_t *key)
{
    const tm_field_t *f = b->fields[i];
    uint64_t nulls = 0;
    int32_t narrow;
    memcpy(&key->values[i], row + f->off, tm_type_sz(f->type)); /* little endian */
    if (f->type == TM_TYPE_I32) {
        memcpy(&narrow, row + f->off, sizeof narrow);
        key->values[i] = (uint64_t)(int64_t)narrow;
    }
    if (f->nullable) memcpy(&nulls, row + b->schema->null_off, sizeof nulls);
    if ((f->nullable && (nulls >> f->null_bit & 1)) ||
        (f->type == TM_TYPE_SYMBOL && key->values[i] >= TM_SYMBOL_CNT_MAX))
        key->flags |= 1u << i;
}

/* What the user's function says gets a key of its own whenever it says something else. */
static int ask_user(tm_part_bucketer_t *b, const void *row, int64_t now_ns,
                    tm_part_bucket_key_t *key)
{
    char name[TM_PART_BUCKET_NAME_MAX] = "";
    int err = b->cfg.folder(b->cfg.ctx, row, now_ns, name, sizeof name);
    if (err < 0) return tm_error_set(err, "the job's function for bucket folders returned %d", err);
    name[sizeof name - 1] = '\0';
    if (b->span == 0 || strcmp(name, b->named) != 0) {
        if (!is_folder(name))
            return tm_error_set(TM_E_CONFIG,
                                "bucket folder \"%s\": spaces, control characters, hidden and "
                                "empty folder names are not taken",
                                name);
        memcpy(b->named, name, sizeof name);
        b->span++;
    }
    key->span = b->span;
    return 0;
}

int tm_part_bucketer_key(tm_part_bucketer_t *b, const void *row, int64_t now_ns,
                         tm_part_bucket_key_t *key)
{
    *key = (tm_part_bucket_key_t){0};
    if (b->cfg.folder) return ask_user(b, row, now_ns, key);
    for (uint32_t i = 0; i < b->field_cnt; i++) read_value(b, i, row, key);
    if (b->span_ns == 0) return 0;
    int64_t t = now_ns;
    if (!b->cfg.by_clock) memcpy(&t, (const uint8_t *)row + b->time_off, sizeof t);
    find_span(b, t, key);
    return 0;
}

/* The text of a value, to stand in a pattern: a percent sign is doubled, as strftime wants it. */
static void add_text(char *out, size_t *sz, const char *text, size_t text_sz)
{
    for (size_t i = 0; i < text_sz && *sz + 5 < 2 * TM_PART_BUCKET_NAME_MAX; i++) {
        const uint8_t c = (uint8_t)text[i];
        if (c <= ' ' || c >= 0x7f || strchr("/%{}\"'*:=?\\#", c) || (c == '.' && i == 0))
            *sz += (size_t)snprintf(out + *sz, 5, "%%%%%02X", c);
        else
            out[(*sz)++] = (char)c;
    }
}

static void add_value(const tm_part_bucketer_t *b, const tm_part_bucket_key_t *key, uint32_t i,
                      char *out, size_t *sz)
{
    static const char *const sides[] = {"unknown", "buy", "sell"};
    const uint64_t v = key->values[i];
    char number[24];
    const char *text = number;
    size_t text_sz;
    if (key->flags >> i & 1) {
        text = ABSENT;
    } else if (b->fields[i]->type == TM_TYPE_SYMBOL) {
        text = tm_symbols_name(b->symbols, (uint32_t)v, &text_sz);
        add_text(out, sz, text, text_sz);
        return;
    } else if (b->fields[i]->type == TM_TYPE_SIDE) {
        text = sides[v <= TM_SIDE_SELL ? v : 0];
    } else if (b->fields[i]->type == TM_TYPE_BOOL) {
        text = v ? "true" : "false";
    } else if (b->fields[i]->type == TM_TYPE_U64) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)v);
    } else {
        snprintf(number, sizeof number, "%lld", (long long)v);
    }
    add_text(out, sz, text, strlen(text));
}

int tm_part_bucketer_name(const tm_part_bucketer_t *b, const tm_part_bucket_key_t *key,
                          char out[TM_PART_BUCKET_NAME_MAX])
{
    char pattern[2 * TM_PART_BUCKET_NAME_MAX + 8];
    uint32_t field = 0;
    size_t sz = 0;
    if (b->cfg.folder) {
        memcpy(out, b->named, sizeof b->named);
        return 0;
    }
    for (const char *at = b->pattern; *at && sz + 5 < sizeof pattern; at++) {
        if (*at == '\1')
            add_value(b, key, field++, pattern, &sz);
        else
            pattern[sz++] = *at;
    }
    pattern[sz] = '\0';
    if (key->flags & UNDATED) {
        snprintf(out, TM_PART_BUCKET_NAME_MAX, "undated");
        return 0;
    }
    if (format_at(pattern, key->span * (b->span_ns / TM_NS_PER_S), out)) return 0;
    return tm_error_set(TM_E_CONFIG, "bucket pattern %s: a folder's name would exceed %d bytes",
                        b->cfg.pattern, TM_PART_BUCKET_NAME_MAX - 1);
}
