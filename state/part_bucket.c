#include "state/part_bucket.h"

#include "base/error.h"
#include "base/row.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Returns the length, 0 where it does not fit or is empty. */
static size_t format_at(const char *format, int64_t time_s, char out[TM_PART_BUCKET_NAME_MAX])
{
    const time_t t = (time_t)time_s;
    struct tm utc;
    if (!gmtime_r(&t, &utc)) return 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the format is the user's, on purpose */
    return strftime(out, TM_PART_BUCKET_NAME_MAX, format, &utc);
#pragma GCC diagnostic pop
}

/* The longest span that never crosses a change of the name: the format is asked at two instants of
   one day that differ in a single unit. Twelve hours cover formats with am and pm. */
static int64_t probe_span(const char *format)
{
    static const struct {
        int64_t apart_s, span_s;
    } units[] = {{1, 1}, {60, 60}, {3600, 3600}, {43200, 3600}};
    const int64_t base_s = 981173106; /* 2001-02-03 04:05:06 */
    char a[TM_PART_BUCKET_NAME_MAX], b[TM_PART_BUCKET_NAME_MAX];
    format_at(format, base_s, a);
    for (size_t i = 0; i < TM_ARRAY_CNT(units); i++) {
        format_at(format, base_s + units[i].apart_s, b);
        if (strcmp(a, b) != 0) return units[i].span_s * TM_NS_PER_S;
    }
    return 86400 * TM_NS_PER_S;
}

/* Names go into the log of part files, one a line with spaces between fields. */
static bool is_plain(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name <= ' ' || *name == 0x7f) return false;
    return true;
}

int tm_part_bucketer_open(tm_part_bucketer_t *bucketer, const tm_schema_t *schema,
                          const char *field, const char *format)
{
    char name[TM_PART_BUCKET_NAME_MAX];
    *bucketer = (tm_part_bucketer_t){.time_off = offsetof(tm_row_t, event_ns)};
    if (!format) format = "%Y-%m-%d--%H";
    if (strlen(format) >= sizeof bucketer->format)
        return tm_error_set(TM_E_CONFIG, "bucket format %s is too long", format);
    memcpy(bucketer->format, format, strlen(format) + 1);
    if (*format) {
        if (format_at(format, 981173106, name) == 0)
            return tm_error_set(TM_E_CONFIG, "bucket format %s gives no name, or too long a one",
                                format);
        if (!is_plain(name) || name[0] == '/' || name[0] == '.' || strstr(name, "/.") ||
            strstr(name, "//") || name[strlen(name) - 1] == '/')
            return tm_error_set(
                TM_E_CONFIG,
                "bucket format %s gives \"%s\": spaces, control characters, hidden and "
                "empty folder names are not taken",
                format, name);
        bucketer->span_ns = probe_span(format);
    }
    if (!field) return 0;
    int idx = tm_schema_find(schema, field);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "schema %s has no field %s to name buckets by",
                            schema->name, field);
    if (schema->fields[idx].type != TM_TYPE_TIME_NS)
        return tm_error_set(TM_E_CONFIG, "field %s is not a time: it cannot name buckets", field);
    bucketer->time_off = schema->fields[idx].off;
    return 0;
}

int64_t tm_part_bucketer_key(tm_part_bucketer_t *b, const void *row)
{
    if (b->span_ns == 0) return 0;
    int64_t t;
    memcpy(&t, (const uint8_t *)row + b->time_off, sizeof t);
    if (t >= b->from_ns && t < b->to_ns) return b->key;
    if (t == TM_TIME_NONE) return TM_PART_BUCKET_UNDATED;
    b->key = t / b->span_ns - (t % b->span_ns < 0);
    /* The first and the last span that an int64_t can hold are cut short: no wrap. */
    if (__builtin_mul_overflow(b->key, b->span_ns, &b->from_ns)) b->from_ns = INT64_MIN + 1;
    if (__builtin_add_overflow(b->from_ns, b->span_ns, &b->to_ns)) b->to_ns = INT64_MAX;
    return b->key;
}

void tm_part_bucketer_name(const tm_part_bucketer_t *b, int64_t key,
                           char out[TM_PART_BUCKET_NAME_MAX])
{
    out[0] = '\0';
    if (b->span_ns == 0) return;
    if (key != TM_PART_BUCKET_UNDATED &&
        format_at(b->format, key * (b->span_ns / TM_NS_PER_S), out) > 0)
        return;
    snprintf(out, TM_PART_BUCKET_NAME_MAX, "undated");
}
