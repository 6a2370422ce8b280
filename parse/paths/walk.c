#include "parse/paths/walk.h"

#include "parse/paths/level_run.h"
#include "parse/scan/quoted.h"

#define NO_QUOTE UINT32_MAX

void tm_walk_start(tm_walk_t *walk, const tm_kernels_t *kernels, const tm_dialect_t *dialect,
                   const uint8_t *bytes, uint32_t sz, uint16_t *at)
{
    walk->kernels = kernels;
    walk->dialect = dialect;
    walk->bytes = bytes;
    walk->sz = sz;
    walk->at = at;
    walk->bad_off = 0;
    walk->depth = 0;
    walk->scalar_cnt = walk->pairs_cnt = 0;
    walk->odd = false;
    walk->noting = false;
    walk->base = walk->end = 0;
    walk->at_cnt = 0;
    tm_walk_seek(walk, 0);
}

void tm_walk_scanned(tm_walk_t *walk, uint32_t cnt, bool odd)
{
    walk->at_cnt = cnt;
    walk->end = walk->sz;
    walk->odd = odd;
}

/* A place of the window in hand keeps its list of quotes; any other one starts a window. */
void tm_walk_seek(tm_walk_t *walk, uint32_t pos)
{
    walk->pos = pos;
    if (pos >= walk->base && pos < walk->end) {
        uint32_t low = 0, high = walk->at_cnt;
        while (low < high) {
            uint32_t mid = (low + high) / 2;
            if (walk->base + walk->at[mid] < pos)
                low = mid + 1;
            else
                high = mid;
        }
        walk->at_idx = low;
        return;
    }
    walk->base = walk->end = pos;
    walk->at_cnt = walk->at_idx = 0;
    walk->scan = (tm_scan_t){0};
}

/* Lists the quotes of the next window that has any. */
static uint32_t quote_refill(tm_walk_t *w)
{
    while (w->end < w->sz) {
        uint32_t left = w->sz - w->end;
        uint32_t window = left < TM_SCAN_WINDOW ? left : TM_SCAN_WINDOW;
        w->base = w->end;
        w->at_cnt = w->kernels->quotes(w->bytes + w->base, window, &w->scan, w->at);
        w->at_idx = 0;
        w->end += window;
        w->odd |= w->scan.odd;
        if (w->at_cnt > 0) return w->base + w->at[w->at_idx++];
    }
    return NO_QUOTE;
}

static inline uint32_t quote_next(tm_walk_t *w)
{
    if (TM_LIKELY(w->at_idx < w->at_cnt)) return w->base + w->at[w->at_idx++];
    return quote_refill(w);
}

static tm_reason_t fail_at(tm_walk_t *w, tm_reason_t reason, uint32_t off)
{
    w->bad_off = off;
    return reason;
}

tm_reason_t tm_walk_unexpected(tm_walk_t *walk)
{
    return fail_at(walk, walk->pos >= walk->sz ? TM_REASON_TRUNCATED : TM_REASON_SYNTAX, walk->pos);
}

static inline bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline uint8_t peek(tm_walk_t *w)
{
    for (; w->pos < w->sz; w->pos++) {
        uint8_t c = w->bytes[w->pos];
        if (TM_LIKELY(!is_space(c))) return c;
    }
    return 0;
}

uint8_t tm_walk_peek(tm_walk_t *walk)
{
    return peek(walk);
}

static inline void note(tm_walk_t *w, const tm_value_t *v)
{
    if (!w->noting) return;
    if (w->scalar_cnt < TM_WALK_SCALAR_MAX) w->scalars[w->scalar_cnt] = *v;
    w->scalar_cnt++;
}

/* Looks at the bytes of a string that stands in an odd window. */
static tm_reason_t string_check(tm_walk_t *w, tm_value_t *v)
{
    uint32_t off = 0;
    tm_reason_t reason = tm_quoted_check(w->bytes + v->from, v->to - v->from, &off);
    if (reason) return fail_at(w, reason, v->from + off);
    if (memchr(w->bytes + v->from, '\\', v->to - v->from)) v->type = TM_VALUE_ESCAPED;
    return TM_REASON_NONE;
}

/* pos is at the opening quote. */
static inline tm_reason_t string(tm_walk_t *w, tm_value_t *v)
{
    uint32_t open = quote_next(w);
    if (TM_UNLIKELY(open != w->pos)) return fail_at(w, TM_REASON_SYNTAX, w->pos);
    uint32_t close = quote_next(w);
    if (TM_UNLIKELY(close == NO_QUOTE)) return fail_at(w, TM_REASON_TRUNCATED, w->sz);
    v->from = open + 1;
    v->to = close;
    v->type = TM_VALUE_STRING;
    w->pos = close + 1;
    return TM_UNLIKELY(w->odd) ? string_check(w, v) : TM_REASON_NONE;
}

/* End of the digits from pos on, at most sz. */
static inline uint32_t digits_end(const tm_walk_t *w, uint32_t pos)
{
    while (pos < w->sz) {
        uint64_t stop = tm_swar_not_digit(tm_swar_load(w->bytes + pos));
        if (stop) {
            pos += (uint32_t)__builtin_ctzll(stop) >> 3;
            break;
        }
        pos += 8;
    }
    return pos < w->sz ? pos : w->sz;
}

/* One or more digits at pos. */
static inline bool digits(tm_walk_t *w)
{
    uint32_t from = w->pos;
    w->pos = digits_end(w, from);
    return w->pos > from;
}

static tm_reason_t number_tail(tm_walk_t *w)
{
    uint8_t c = w->bytes[w->pos];
    if (c == '.') {
        w->pos++;
        if (!digits(w)) return tm_walk_unexpected(w);
    }
    if (w->pos < w->sz && (w->bytes[w->pos] | 0x20) == 'e') {
        w->pos++;
        if (w->pos < w->sz && (w->bytes[w->pos] == '+' || w->bytes[w->pos] == '-')) w->pos++;
        if (!digits(w)) return tm_walk_unexpected(w);
    }
    return TM_REASON_NONE;
}

static inline tm_reason_t number(tm_walk_t *w, tm_value_t *v)
{
    v->type = TM_VALUE_NUMBER;
    v->from = w->pos;
    if (w->bytes[w->pos] == '-') w->pos++;
    uint32_t first = w->pos;
    if (!digits(w)) return tm_walk_unexpected(w);
    if (w->bytes[first] == '0' && w->pos - first > 1)
        return fail_at(w, TM_REASON_SYNTAX, first + 1);
    uint8_t c = w->pos < w->sz ? w->bytes[w->pos] : 0;
    tm_reason_t reason = TM_REASON_NONE;
    if (TM_UNLIKELY(c == '.' || (c | 0x20) == 'e')) reason = number_tail(w);
    v->to = w->pos;
    note(w, v);
    return reason;
}

/* true, false or null; `word` has `cnt` bytes. */
static tm_reason_t word(tm_walk_t *w, tm_value_t *v, const char *text, uint32_t cnt)
{
    v->from = w->pos;
    for (uint32_t i = 0; i < cnt; i++, w->pos++) {
        if (w->pos >= w->sz || w->bytes[w->pos] != (uint8_t)text[i]) return tm_walk_unexpected(w);
    }
    v->to = w->pos;
    note(w, v);
    return TM_REASON_NONE;
}

static inline tm_reason_t scalar(tm_walk_t *w, tm_value_t *v, uint8_t c)
{
    switch (c) {
    case '"': {
        tm_reason_t reason = string(w, v);
        note(w, v);
        return reason;
    }
    case 't':
        v->type = TM_VALUE_TRUE;
        return word(w, v, "true", 4);
    case 'f':
        v->type = TM_VALUE_FALSE;
        return word(w, v, "false", 5);
    case 'n':
        v->type = TM_VALUE_NULL;
        return word(w, v, "null", 4);
    default:
        if (c == '-' || (uint8_t)(c - '0') <= 9) return number(w, v);
        return tm_walk_unexpected(w);
    }
}

/* Skips pairs of strings in an array, `["1.0","2.0"],["1.1","0"]`: nearly all the bytes of book
   messages. pos is at the '[' of a value and goes behind the last value of this form. Returns
   whether there was one. */
static bool skip_pairs(tm_walk_t *w)
{
    const uint16_t *q = w->at + w->at_idx;
    uint32_t cnt = tm_level_run_pairs(w->bytes + w->base, q, w->at_cnt - w->at_idx,
                                      w->pos - w->base, w->sz - w->base);
    if (cnt == 0) return false;
    /* Where the next pair is of other form, its '[' is still to be read. */
    if (w->pairs_cnt++ < TM_WALK_PAIRS_MAX)
        w->pairs[w->pairs_cnt - 1] = (tm_walk_pairs_t){w->base, w->at_idx, cnt};
    w->at_idx += 4 * cnt;
    w->pos = w->base + q[4 * cnt - 1] + 2u;
    w->scalar_cnt += TM_WALK_SCALAR_MAX; /* no form for a layout */
    return true;
}

static inline tm_reason_t key_read(tm_walk_t *w, tm_value_t *key)
{
    if (peek(w) != '"') return tm_walk_unexpected(w);
    tm_reason_t reason = string(w, key);
    if (reason) return reason;
    if (peek(w) != ':') return tm_walk_unexpected(w);
    w->pos++;
    return TM_REASON_NONE;
}

tm_reason_t tm_walk_key(tm_walk_t *walk, tm_value_t *key)
{
    return key_read(walk, key);
}

/* A key and its colon inside a skipped object. */
static tm_reason_t skip_key(tm_walk_t *w)
{
    tm_value_t key;
    return key_read(w, &key);
}

/* One bit a level of nesting says whether it is an object. */
typedef struct levels {
    uint32_t depth;
    uint64_t is_object[TM_WALK_DEPTH_MAX / 64];
} levels_t;

static inline bool in_object(const levels_t *l)
{
    return l->is_object[(l->depth - 1) / 64] >> ((l->depth - 1) % 64) & 1;
}

/* Steps into the container at pos, past the key of its first member. *empty: and out again. */
static tm_reason_t skip_open(tm_walk_t *w, levels_t *l, uint8_t open, bool *empty)
{
    if (w->depth + l->depth >= TM_WALK_DEPTH_MAX) return fail_at(w, TM_REASON_NESTING, w->pos);
    uint64_t bit = 1ull << (l->depth % 64), *level = &l->is_object[l->depth / 64];
    *level = open == '{' ? *level | bit : *level & ~bit;
    w->pos++;
    *empty = peek(w) == (open == '{' ? '}' : ']');
    if (*empty) {
        w->pos++;
        return TM_REASON_NONE;
    }
    l->depth++;
    return open == '{' ? skip_key(w) : TM_REASON_NONE;
}

/* Behind a value: leaves levels until a comma leads to the next value. */
static tm_reason_t skip_close(tm_walk_t *w, levels_t *l)
{
    while (l->depth > 0) {
        bool object = in_object(l);
        uint8_t c = peek(w);
        if (c != ',' && c != (object ? '}' : ']')) return tm_walk_unexpected(w);
        w->pos++;
        if (c == ',') return object ? skip_key(w) : TM_REASON_NONE;
        l->depth--;
    }
    return TM_REASON_NONE;
}

/* Checks the object or array at pos, without recursion. */
static tm_reason_t skip_nested(tm_walk_t *w)
{
    levels_t l = {0};
    do {
        tm_value_t v;
        tm_reason_t reason;
        bool whole = true;
        uint8_t c = peek(w);
        bool in_array = l.depth > 0 && !in_object(&l);
        if (c == '[' && in_array && !w->odd && skip_pairs(w))
            reason = TM_REASON_NONE;
        else if (c == '{' || c == '[')
            reason = skip_open(w, &l, c, &whole);
        else
            reason = scalar(w, &v, c);
        if (!reason && whole) reason = skip_close(w, &l);
        if (reason) return reason;
    } while (l.depth > 0);
    return TM_REASON_NONE;
}

tm_reason_t tm_walk_value(tm_walk_t *walk, tm_value_t *value)
{
    uint8_t c = peek(walk);
    if (c != '{' && c != '[') return scalar(walk, value, c);
    value->type = c == '{' ? TM_VALUE_OBJECT : TM_VALUE_ARRAY;
    value->from = walk->pos;
    tm_reason_t reason = skip_nested(walk);
    value->to = walk->pos;
    return reason;
}

const uint8_t *tm_walk_text(const uint8_t *bytes, const tm_value_t *value, uint8_t *room,
                            uint32_t room_sz, uint32_t *sz)
{
    *sz = value->to - value->from;
    if (value->type == TM_VALUE_STRING) return bytes + value->from;
    int32_t n = tm_quoted_decode(bytes + value->from, *sz, room, room_sz);
    if (n < 0) return NULL;
    *sz = (uint32_t)n;
    return room;
}

static inline uint32_t key_id(const tm_walk_t *w, const tm_value_t *key)
{
    uint8_t room[2 * TM_KEY_SZ_MAX] = {0};
    uint32_t sz = key->to - key->from;
    const uint8_t *text = w->bytes + key->from;
    if (TM_UNLIKELY(key->type == TM_VALUE_ESCAPED)) {
        text = tm_walk_text(w->bytes, key, room, TM_KEY_SZ_MAX, &sz);
        if (!text) return TM_KEY_NONE; /* too long for a declared key, or no text at all */
    }
    return tm_key_find(&w->dialect->keys, text, sz);
}

/* Reads members of the common form, for as long as they come: no white space, no escape; a string,
   an integer or a boolean. A bare value ends where the next key begins, so that no byte has to be
   looked for. Returns whether the object ended. Stops at the first member of other form, at its
   key, and leaves it to member(). pos is at a key. */
static bool members_plain(tm_walk_t *w, tm_members_t *members)
{
    const uint8_t *b = w->bytes;
    const uint16_t *q = w->at + w->at_idx, *q_end = w->at + w->at_cnt;
    uint32_t pos = w->pos;
    bool ended = false;
    if (q == q_end || q[0] != pos) return false;
    while (q_end - q >= 2 && b[q[1] + 1] == ':') {
        tm_value_t v = {.from = q[1] + 2u};
        uint32_t id = tm_key_find(&w->dialect->keys, b + q[0] + 1, q[1] - q[0] - 1u);
        const uint16_t *next = q + 2;
        uint32_t end;
        if (b[v.from] == '"') {
            if (q_end - q < 4) break;
            v.from++;
            v.to = q[3];
            v.type = TM_VALUE_STRING;
            end = v.to + 1;
            next = q + 4;
        } else {
            end = tm_walk_bare_end(b, v.from, q_end > next ? *next - 1u : v.from, &v.type);
            if (end == 0) break;
            v.to = end;
        }
        /* Behind a comma the next key must follow at once, and its quote be listed. */
        bool goes_on = b[end] == ',' && next < q_end && *next == end + 1;
        ended = !goes_on && b[end] == '}' && end < w->sz;
        if (!goes_on && !ended) break;
        members->present |= 1ull << id;
        members->at[id] = v;
        q = next;
        pos = end + 1;
        if (ended) break;
    }
    w->at_idx = (uint32_t)(q - w->at);
    w->pos = pos;
    return ended;
}

/* Reads one member of any form. pos is at its key. */
static tm_reason_t member(tm_walk_t *w, tm_members_t *members, tm_members_t *payload)
{
    tm_value_t key;
    tm_reason_t reason = key_read(w, &key);
    if (reason) return reason;
    uint32_t id = key_id(w, &key);
    tm_value_t *v = &members->at[id];
    members->present |= 1ull << id;
    uint8_t c = peek(w);
    if (c == '{' && payload && id == w->dialect->payload_key) {
        v->from = w->pos;
        reason = tm_walk_object(w, payload, NULL);
        v->type = TM_VALUE_OBJECT;
        v->to = w->pos;
        return reason;
    }
    return c == '{' || c == '[' ? tm_walk_value(w, v) : scalar(w, v, c);
}

tm_reason_t tm_walk_object(tm_walk_t *walk, tm_members_t *members, tm_members_t *payload)
{
    members->present = 0;
    walk->pos++;
    if (peek(walk) == '}') {
        walk->pos++;
        return TM_REASON_NONE;
    }
    for (;;) {
        bool plain = !walk->odd && !walk->noting && walk->base == 0;
        if (plain && members_plain(walk, members)) return TM_REASON_NONE;
        tm_reason_t reason = member(walk, members, payload);
        if (reason) return reason;
        uint8_t c = peek(walk);
        if (c != ',' && c != '}') return tm_walk_unexpected(walk);
        walk->pos++;
        if (c == '}') return TM_REASON_NONE;
    }
}
