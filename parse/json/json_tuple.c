/* Arrays of tuples of numbers in strings, ["1.0","2.0"],["1.1","0"]: nearly all the bytes of books.
   Their strings are told by the list of quotes alone, and converted a batch at a time. */
#include "parse/json/json.h"

enum { ELEMENT_MAX = TM_NUMERAL_CNT_MAX };

/* Elements of one batch. */
typedef struct tuples {
    uint32_t element_cnt;
    uint32_t from[ELEMENT_MAX]; /* their brackets */
    tm_numerals_t numbers;      /* each->tuple_cnt of each element */
} tuples_t;

static void number_add(tm_numerals_t *n, uint32_t from, uint32_t sz, bool integer)
{
    const uint32_t i = n->cnt++;
    n->from[i] = from;
    n->sz[i / 8] |= (uint64_t)sz << (8 * (i % 8));
    n->integers |= (uint16_t)(integer << i);
    n->quoted |= (uint16_t)(1u << i);
}

/* Takes the element at pos where it is an array of strings, the first of them numbers that are
   declared. */
static bool tuple_add(tm_json_t *j, const tm_json_node_t *each, tuples_t *t)
{
    tm_walk_t *w = &j->walk;
    const uint8_t *b = w->bytes + w->base;
    const uint16_t *q = w->at + w->at_idx, *q_end = w->at + w->at_cnt;
    const uint32_t sz = w->sz - w->base;
    uint32_t next = w->pos - w->base + 1;
    for (uint32_t idx = 0;; idx++, q += 2) {
        if (q_end - q < 2 || q[0] != next || q[1] + 1u >= sz) return false;
        uint32_t text_sz = q[1] - q[0] - 1u;
        if (idx < each->tuple_cnt) {
            if (text_sz >= TM_NUMERAL_SZ_MAX) return false;
            const uint8_t scale = j->paths.scales[each->tuple[idx]];
            number_add(&t->numbers, w->base + q[0] + 1, text_sz, scale == 0);
        }
        next = q[1] + 2u;
        if (b[q[1] + 1] == ']' && idx + 1 >= each->tuple_cnt) break;
        if (b[q[1] + 1] != ',') return false;
    }
    t->from[t->element_cnt++] = w->pos;
    w->pos = w->base + next;
    w->at_idx = (uint32_t)(q + 2 - w->at);
    return true;
}

/* A number that the kernel has converted, at the scale that its field has. */
static bool value_put(tm_json_t *j, uint32_t field, uint64_t magnitude)
{
    tm_json_value_t *v = &j->reading.values[field];
    const uint8_t scale = j->paths.scales[field];
    if (scale == 0 || scale == TM_NUMERAL_SCALE) {
        v->u64 = magnitude;
    } else if (scale > TM_NUMERAL_SCALE) {
        int64_t wide;
        if (__builtin_mul_overflow((int64_t)magnitude,
                                   (int64_t)tm_powers_of_ten[scale - TM_NUMERAL_SCALE], &wide))
            return false;
        v->i64 = wide;
    } else {
        const uint64_t unit = tm_powers_of_ten[TM_NUMERAL_SCALE - scale];
        if (magnitude % unit != 0) return false;
        v->u64 = magnitude / unit;
    }
    v->state = TM_JSON_PRESENT;
    return true;
}

static void tuples_tell(tm_json_t *j, const tm_json_node_t *each, const tuples_t *t)
{
    uint64_t magnitudes[TM_NUMERAL_CNT_MAX];
    const tm_numerals_t *n = &t->numbers;
    uint32_t left = j->kernels->numerals(j->reading.message, n, magnitudes), i = 0;
    for (uint32_t e = 0; e < t->element_cnt; e++) {
        const uint32_t fault_cnt = j->reading.fault_cnt;
        for (uint32_t idx = 0; idx < each->tuple_cnt; idx++, i++) {
            const uint32_t field = each->tuple[idx];
            if (TM_LIKELY(!(left >> i & 1)) && value_put(j, field, magnitudes[i])) continue;
            const tm_value_t v = {.from = n->from[i],
                                  .to = n->from[i] + tm_numerals_sz(n, i),
                                  .type = TM_VALUE_STRING};
            tm_json_forget_value(j, field);
            tm_json_take(j, field, &v);
        }
        tm_json_element_end(j, each, t->from[e], fault_cnt);
    }
}

bool tm_json_tuples(tm_json_t *j, const tm_json_node_t *each)
{
    tm_walk_t *w = &j->walk;
    tuples_t t;
    if (each->tuple_cnt == 0 || w->odd || w->bytes[w->pos] != '[') return false;
    /* Kernels read whole groups of numbers: places behind the last one must be readable, too. */
    memset(&t.numbers, 0, sizeof t.numbers);
    t.element_cnt = 0;
    uint32_t behind = w->pos;
    for (;;) {
        const uint32_t cnt = t.numbers.cnt;
        if (!tuple_add(j, each, &t)) {
            t.numbers.cnt = cnt;
            w->pos = behind;
            break;
        }
        behind = w->pos;
        const uint8_t *p = w->bytes + behind;
        bool full = t.numbers.cnt + each->tuple_cnt > TM_NUMERAL_CNT_MAX;
        if (full || behind + 1 >= w->sz || p[0] != ',' || p[1] != '[') break;
        w->pos++; /* where the next element is of another form, the comma is the caller's */
    }
    if (t.element_cnt > 0) tuples_tell(j, each, &t);
    return t.element_cnt > 0;
}
