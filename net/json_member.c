#include "net/json_member.h"

static void blanks(const char **pos, const char *end)
{
    while (*pos < end && (**pos == ' ' || **pos == '\t' || **pos == '\n' || **pos == '\r')) ++*pos;
}

/* Steps over a string whose opening quote is at *pos. */
static bool string_skip(const char **pos, const char *end)
{
    const char *p = *pos + 1;
    while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    if (p >= end) return false;
    *pos = p + 1;
    return true;
}

/* Steps over a value: to the comma or bracket behind it, at its own depth. */
static bool value_skip(const char **pos, const char *end)
{
    const char *p = *pos;
    int depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            if (!string_skip(&p, end)) return false;
            p--;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth-- == 0) break;
        } else if (*p == ',' && depth == 0) {
            break;
        }
    }
    if (p == end || p == *pos) return false;
    *pos = p;
    return true;
}

bool tm_json_object_begin(const char **pos, const char *end)
{
    blanks(pos, end);
    if (*pos == end || **pos != '{') return false;
    ++*pos;
    return true;
}

bool tm_json_object_next(const char **pos, const char *end, tm_json_member_t *m)
{
    blanks(pos, end);
    if (*pos < end && **pos == ',') ++*pos;
    blanks(pos, end);
    if (*pos == end || **pos != '"') return false;
    m->key = *pos + 1;
    if (!string_skip(pos, end)) return false;
    m->key_sz = (size_t)(*pos - 1 - m->key);
    blanks(pos, end);
    if (*pos == end || **pos != ':') return false;
    ++*pos;
    blanks(pos, end);
    m->value = *pos;
    if (!value_skip(pos, end)) return false;
    const char *last = *pos;
    while (last > m->value && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\n')) last--;
    m->value_sz = (size_t)(last - m->value);
    return true;
}

bool tm_json_object_find(const char *text, size_t sz, const char *key, tm_json_member_t *m)
{
    const char *end = text + sz;
    if (!tm_json_object_begin(&text, end)) return false;
    while (tm_json_object_next(&text, end, m))
        if (tm_json_member_is(m, key)) return true;
    return false;
}
