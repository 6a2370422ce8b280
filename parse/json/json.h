/* parse/json/json.h - a reader of declared JSON values, as its parts see each other.
   Flow     json.c (full mode, shapes), json_tuple.c (arrays of numbers) and json_lazy.c follow
            json_path.h and call json_value.h
   Public   parse/tidemark_json.h
   Threads  one */
#ifndef TM_PARSE_JSON_H
#define TM_PARSE_JSON_H

#include "parse/json/json_path.h"
#include "parse/json/json_value.h"
#include "parse/paths/shape.h"
#include "parse/scan/kernels.h"

/* What one message gives. */
typedef struct tm_json_reading {
    const uint8_t *message;
    uint32_t sz;
    uint32_t found_cnt;        /* fields that were met */
    uint32_t twice_cnt;        /* keys of declared paths that were met again */
    uint32_t fault_cnt;        /* values at fault; they may have been replaced */
    uint32_t element_cnt;      /* elements of arrays on paths with "-" */
    tm_reason_t element_fault; /* of the first element that has one */
    uint32_t element_off, element_field;
    uint32_t twice_off, twice_field; /* the first key that came again, if that is refused */
    bool twice_refused;
    uint8_t faults[TM_JSON_FIELD_MAX]; /* tm_reason_t: what is wrong with a value */
    uint64_t seen[TM_JSON_NODE_MAX / 64];
    tm_json_texts_t texts;
    tm_value_t found[TM_JSON_FIELD_MAX]; /* places of values that are present */
    alignas(64) tm_json_value_t values[TM_JSON_FIELD_MAX];
} tm_json_reading_t;

struct tm_json {
    const tm_kernels_t *kernels;
    bool lazy, refuse_twice, no_shapes;
    tm_json_each_fn *each;
    void *each_ctx;
    uint8_t *copy;
    uint32_t copy_sz_max;
    tm_json_fault_t fault;
    tm_json_paths_t paths;
    tm_shapes_t shapes;
    tm_walk_t walk;
    tm_json_reading_t reading;
    uint16_t at[TM_SCAN_QUOTE_MAX];
};

/* For tests and measurements: one instruction set, and without shapes where asked. */
void tm_json_restrict(tm_json_t *json, const tm_kernels_t *kernels, bool no_shapes);

/* Reads the message of json->reading in lazy mode. *bad_off: where a fault of form is. */
tm_reason_t tm_json_lazy_read(tm_json_t *json, uint32_t *bad_off) TM_MUST_CHECK;

/* A number of a common form. False for all else, right or wrong. */
static inline bool tm_json_take_plain(tm_json_t *json, uint32_t field, const tm_value_t *v)
{
    tm_json_reading_t *r = &json->reading;
    const uint8_t scale = json->paths.scales[field];
    const uint64_t sign = json->paths.fields[field].type == TM_JSON_U64 ? 0 : 1ull << 63;
    tm_numeral_t n;
    bool quoted = v->type == TM_VALUE_STRING;
    if (scale == TM_JSON_SCALE_NONE || (v->type != TM_VALUE_NUMBER && !quoted)) return false;
    if (!tm_numeral_plain(r->message + v->from, v->to - v->from, scale, !quoted, &n)) return false;
    /* Beyond 63 bits, and below zero where there is no sign, the other path decides. */
    if (n.magnitude & sign || (n.negative && !sign)) return false;
    r->values[field].u64 = n.negative ? 0 - n.magnitude : n.magnitude;
    r->values[field].state = TM_JSON_PRESENT;
    r->found[field] = *v;
    r->found_cnt++;
    return true;
}

/* Behind an element of an array, which began at `from` when so many values were at fault: tells it,
   or keeps what is wrong with it. */
void tm_json_element_end(tm_json_t *json, const tm_json_node_t *each, uint32_t from,
                         uint32_t fault_cnt);

/* Takes and tells the elements from pos on, where they are tuples of numbers (json_tuple.c). False
   where the first one is not. Their values are left in place. */
bool tm_json_tuples(tm_json_t *json, const tm_json_node_t *each);

/* Takes back what a value has given. */
static inline void tm_json_forget_value(tm_json_t *json, uint32_t field)
{
    json->reading.values[field] = (tm_json_value_t){.state = TM_JSON_ABSENT};
    json->reading.faults[field] = TM_REASON_NONE;
}

/* Takes the value of a field, which has none. */
static inline void tm_json_take(tm_json_t *json, uint32_t field, const tm_value_t *v)
{
    if (tm_json_take_plain(json, field, v)) return;
    tm_json_reading_t *r = &json->reading;
    tm_reason_t reason = tm_json_value_read(&json->paths.fields[field], r->message, v, &r->texts,
                                            &r->values[field]);
    r->found[field] = *v;
    r->found_cnt++;
    r->faults[field] = (uint8_t)reason;
    r->fault_cnt += reason != TM_REASON_NONE;
}

/* A key of a declared path has come again, at `off`. */
static inline void tm_json_refuse_twice(tm_json_t *json, uint32_t node, uint32_t off)
{
    tm_json_reading_t *r = &json->reading;
    /* Elements that have been told cannot be taken back. */
    bool refuse = json->refuse_twice || json->paths.nodes[node].holds_each;
    if (!refuse || r->twice_refused) return;
    r->twice_refused = true;
    r->twice_off = off;
    r->twice_field = json->paths.nodes[node].field;
}

/* Marks a node as met; true where it was met before. */
static inline bool tm_json_meet(tm_json_reading_t *r, uint32_t node)
{
    uint64_t bit = 1ull << (node % 64), *word = &r->seen[node / 64];
    bool before = (*word & bit) != 0;
    *word |= bit;
    r->twice_cnt += before;
    return before;
}

/* The text of a key, in `room` where it has escapes; NULL where no declared key can be it. */
static inline const uint8_t *tm_json_key_text(const uint8_t *message, const tm_value_t *key,
                                              uint8_t room[TM_JSON_KEY_SZ_MAX], uint32_t *sz)
{
    return tm_walk_text(message, key, room, TM_JSON_KEY_SZ_MAX, sz);
}

#endif
