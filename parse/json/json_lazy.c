#include "parse/json/json.h"
#include "parse/scan/quoted.h"

#define NO_MARK UINT32_MAX

/* What is left of the message, by its marks: quotes, and brackets, colons, commas between them. */
typedef struct lazy {
    tm_json_t *json;
    const uint8_t *bytes;
    uint32_t sz;
    uint32_t pos; /* behind the last thing that was read */
    uint32_t at_cnt, at_idx, base, end;
    tm_scan_t scan;
    bool odd;
    uint32_t bad_off;
} lazy_t;

static bool refill(lazy_t *l)
{
    while (l->end < l->sz) {
        uint32_t left = l->sz - l->end;
        uint32_t window = left < TM_SCAN_WINDOW ? left : TM_SCAN_WINDOW;
        l->base = l->end;
        l->at_idx = 0;
        l->at_cnt = l->json->kernels->marks(l->bytes + l->base, window, &l->scan, l->json->at);
        l->end += window;
        l->odd |= l->scan.odd;
        if (l->at_cnt > 0) return true;
    }
    return false;
}

/* The next mark, without taking it. */
static inline uint32_t mark_peek(lazy_t *l)
{
    if (TM_UNLIKELY(l->at_idx == l->at_cnt) && !refill(l)) return NO_MARK;
    return l->base + l->json->at[l->at_idx];
}

static inline uint32_t mark_next(lazy_t *l)
{
    uint32_t mark = mark_peek(l);
    l->at_idx += mark != NO_MARK;
    return mark;
}

static tm_reason_t fail(lazy_t *l, uint32_t mark)
{
    l->bad_off = mark == NO_MARK ? l->sz : mark;
    return mark == NO_MARK ? TM_REASON_TRUNCATED : TM_REASON_SYNTAX;
}

/* Takes the next mark, which must be this one. */
static inline tm_reason_t expect(lazy_t *l, uint8_t c)
{
    uint32_t mark = mark_next(l);
    if (TM_UNLIKELY(mark == NO_MARK || l->bytes[mark] != c)) return fail(l, mark);
    l->pos = mark + 1;
    return TM_REASON_NONE;
}

static inline bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The string whose opening quote is the next mark. */
static tm_reason_t string(lazy_t *l, tm_value_t *v)
{
    tm_reason_t reason = expect(l, '"');
    if (reason) return reason;
    v->from = l->pos;
    reason = expect(l, '"');
    v->to = l->pos - 1;
    v->type = TM_VALUE_STRING;
    if (l->odd && !reason && memchr(l->bytes + v->from, '\\', v->to - v->from))
        v->type = TM_VALUE_ESCAPED;
    return reason;
}

/* The same, of which every byte counts. */
static tm_reason_t string_checked(lazy_t *l, tm_value_t *v)
{
    uint32_t off = 0;
    tm_reason_t reason = string(l, v);
    if (reason || !l->odd) return reason;
    reason = tm_quoted_check(l->bytes + v->from, v->to - v->from, &off);
    if (reason) l->bad_off = v->from + off;
    return reason;
}

/* The bare value at pos: what stands before the next mark. */
static tm_reason_t bare(lazy_t *l, tm_value_t *v)
{
    static const struct {
        const char *text;
        tm_value_type_t type;
    } words[] = {{"true", TM_VALUE_TRUE}, {"false", TM_VALUE_FALSE}, {"null", TM_VALUE_NULL}};
    uint32_t mark = mark_peek(l);
    v->from = l->pos;
    v->to = mark == NO_MARK ? l->sz : mark;
    l->pos = v->to;
    while (v->to > v->from && is_space(l->bytes[v->to - 1])) v->to--;
    uint32_t sz = v->to - v->from;
    v->type = TM_VALUE_NUMBER;
    if (sz == 0) return fail(l, mark);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(words); i++)
        if (strlen(words[i].text) == sz && memcmp(l->bytes + v->from, words[i].text, sz) == 0)
            v->type = words[i].type;
    uint8_t c = l->bytes[v->from];
    bool number = c == '-' || (uint8_t)(c - '0') <= 9;
    if (v->type != TM_VALUE_NUMBER || number) return TM_REASON_NONE;
    return fail(l, v->from);
}

/* Skips a value: strings to their end, containers by counting brackets. */
static tm_reason_t skip(lazy_t *l)
{
    tm_value_t v;
    uint32_t mark = mark_peek(l), depth = 0;
    uint8_t c = mark == NO_MARK ? 0 : l->bytes[mark];
    if (c == '"') return string(l, &v);
    if (c != '{' && c != '[') return TM_REASON_NONE; /* bare: it ends here */
    do {
        mark = mark_next(l);
        if (mark == NO_MARK) return fail(l, mark);
        c = l->bytes[mark];
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
    } while (depth > 0);
    l->pos = mark + 1;
    return TM_REASON_NONE;
}

static bool all_found(const lazy_t *l)
{
    return l->json->reading.found_cnt >= l->json->paths.field_cnt;
}

static tm_reason_t node_read(lazy_t *l, uint32_t node);

/* The value of a child that is declared; skipped where it was met before. */
static tm_reason_t child_read(lazy_t *l, uint32_t child)
{
    tm_json_reading_t *r = &l->json->reading;
    if (!tm_json_meet(r, child)) return node_read(l, child);
    tm_json_refuse_twice(l->json, child, l->pos);
    return skip(l);
}

static tm_reason_t member_read(lazy_t *l, uint32_t node)
{
    const tm_json_paths_t *paths = &l->json->paths;
    tm_value_t key;
    uint8_t room[TM_JSON_KEY_SZ_MAX];
    uint32_t sz, child = TM_JSON_NODE_NONE;
    tm_reason_t reason = string(l, &key);
    if (!reason) reason = expect(l, ':');
    if (reason) return reason;
    /* Undeclared keys are not checked, so escapes are looked at only where they are some. */
    uint32_t off;
    bool sound = key.type == TM_VALUE_STRING ||
                 !tm_quoted_check(l->bytes + key.from, key.to - key.from, &off);
    const uint8_t *text = sound ? tm_json_key_text(l->bytes, &key, room, &sz) : NULL;
    if (text) child = tm_json_child(paths, node, text, sz);
    if (child == TM_JSON_NODE_NONE) return skip(l);
    return child_read(l, child);
}

static tm_reason_t element_read(lazy_t *l, uint32_t node, uint32_t idx)
{
    uint32_t child = tm_json_child_at(&l->json->paths, node, idx);
    return child == TM_JSON_NODE_NONE ? skip(l) : child_read(l, child);
}

/* The container whose bracket is the next mark, some of whose members are declared. */
static tm_reason_t container_read(lazy_t *l, uint32_t node, bool object)
{
    uint8_t close = object ? '}' : ']';
    tm_reason_t reason = expect(l, object ? '{' : '[');
    if (reason) return reason;
    uint32_t mark = mark_peek(l);
    if (mark != NO_MARK && l->bytes[mark] == close) {
        uint32_t i = l->pos;
        while (i < mark && is_space(l->bytes[i])) i++;
        if (i == mark) return expect(l, close);
    }
    for (uint32_t idx = 0;; idx++) {
        reason = object ? member_read(l, node) : element_read(l, node, idx);
        if (reason || all_found(l)) return reason;
        mark = mark_next(l);
        if (mark == NO_MARK || (l->bytes[mark] != ',' && l->bytes[mark] != close))
            return fail(l, mark);
        l->pos = mark + 1;
        if (l->bytes[mark] == close) return TM_REASON_NONE;
    }
}

/* The value behind pos, which is the node's. */
static tm_reason_t node_read(lazy_t *l, uint32_t node)
{
    const tm_json_node_t *n = &l->json->paths.nodes[node];
    tm_value_t v;
    while (l->pos < l->sz && is_space(l->bytes[l->pos])) l->pos++;
    if (l->pos == l->sz) return fail(l, NO_MARK);
    uint8_t c = l->bytes[l->pos];
    bool container = c == '{' || c == '[';
    if (container && n->child) return container_read(l, node, c == '{');
    if (n->field == TM_JSON_FIELD_NONE) return skip(l);
    v.from = l->pos;
    v.type = c == '{' ? TM_VALUE_OBJECT : TM_VALUE_ARRAY;
    tm_reason_t reason = container ? skip(l) : c == '"' ? string_checked(l, &v) : bare(l, &v);
    if (container) v.to = l->pos;
    if (!reason) tm_json_take(l->json, n->field, &v);
    return reason;
}

tm_reason_t tm_json_lazy_read(tm_json_t *json, uint32_t *bad_off)
{
    lazy_t l = {.json = json, .bytes = json->reading.message, .sz = json->reading.sz};
    tm_reason_t reason = node_read(&l, 0);
    *bad_off = l.bad_off;
    return reason;
}
