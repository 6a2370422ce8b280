#include "parse/json/json.h"

#include "base/error.h"
#include "base/frame.h"
#include "parse/scan/rfc3339.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_SZ_DEFAULT = 64 << 10 };

static_assert((int)TM_JSON_DEPTH_MAX == (int)TM_WALK_DEPTH_MAX, "one limit of nesting");
static_assert((int)TM_JSON_PAD == (int)TM_FRAME_PAD, "one promise of readable bytes");

/* ---- open ------------------------------------------------------------------------------------ */

static int open_parts(tm_json_t *j, const tm_json_spec_t *spec)
{
    uint32_t text_sz = spec->text_sz_max ? spec->text_sz_max : TEXT_SZ_DEFAULT;
    uint32_t copy_sz = spec->copy_sz_max ? spec->copy_sz_max : TEXT_SZ_DEFAULT;
    TM_TRY(tm_json_paths_init(&j->paths, spec));
    if (text_sz > TM_JSON_MESSAGE_SZ_MAX || copy_sz > TM_JSON_MESSAGE_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "room for more than %d bytes asked for",
                            TM_JSON_MESSAGE_SZ_MAX);
    TM_TRY(tm_shapes_open(&j->shapes, spec->field_cnt * (uint32_t)sizeof(tm_json_value_t)));
    j->reading.texts.bytes = malloc(text_sz);
    j->reading.texts.sz_max = text_sz;
    j->copy = malloc((size_t)copy_sz + TM_JSON_PAD);
    j->copy_sz_max = copy_sz;
    if (!j->reading.texts.bytes || !j->copy) return tm_error_set(-ENOMEM, "no memory for texts");
    return 0;
}

tm_json_t *tm_json_open(const tm_json_spec_t *spec)
{
    tm_json_t *j = aligned_alloc(TM_CACHE_LINE, tm_align_up(sizeof *j, TM_CACHE_LINE));
    if (!j) {
        (void)tm_error_set(-ENOMEM, "json: out of memory");
        return NULL;
    }
    memset(j, 0, sizeof *j);
    j->kernels = tm_kernels_get(tm_cpu_isa());
    j->lazy = spec->lazy;
    j->refuse_twice = spec->refuse_twice;
    j->each = spec->each;
    j->each_ctx = spec->each_ctx;
    j->fault = (tm_json_fault_t){.kind = tm_reason_name(TM_REASON_NONE), .field = -1};
    int err = open_parts(j, spec);
    if (err == 0) return j;
    tm_json_close(j);
    (void)tm_error_context(err, "json");
    return NULL;
}

const char *tm_json_open_error(void)
{
    return tm_error_text();
}

void tm_json_close(tm_json_t *json)
{
    if (!json) return;
    tm_shapes_close(&json->shapes);
    free(json->reading.texts.bytes);
    free(json->copy);
    free(json);
}

void tm_json_restrict(tm_json_t *json, const tm_kernels_t *kernels, bool no_shapes)
{
    json->kernels = kernels;
    json->no_shapes = no_shapes;
}

/* ---- full mode ------------------------------------------------------------------------------- */

static tm_reason_t node_read(tm_json_t *j, uint32_t node);

/* Takes back all that a value has given: of a key that comes again, or of the element before. */
static void forget(tm_json_t *j, uint32_t node)
{
    const tm_json_node_t *n = &j->paths.nodes[node];
    tm_json_reading_t *r = &j->reading;
    for (uint64_t left = n->fields; left; left &= left - 1) {
        tm_json_forget_value(j, (uint32_t)__builtin_ctzll(left));
    }
    for (uint32_t i = 0; i < TM_ARRAY_CNT(r->seen); i++) r->seen[i] &= ~n->below[i];
}

/* A member of a declared key. */
static inline void child_meet(tm_json_t *j, uint32_t child, uint32_t off)
{
    if (!tm_json_meet(&j->reading, child)) return;
    forget(j, child);
    tm_json_refuse_twice(j, child, off);
}

static inline void child_scalar(tm_json_t *j, uint32_t child, uint32_t off, const tm_value_t *v)
{
    const uint32_t field = j->paths.nodes[child].field;
    child_meet(j, child, off);
    if (field != TM_JSON_FIELD_NONE) tm_json_take(j, field, v);
}

static tm_reason_t member_read(tm_json_t *j, uint32_t node)
{
    tm_walk_t *w = &j->walk;
    tm_value_t key, v;
    uint8_t room[TM_JSON_KEY_SZ_MAX];
    uint32_t sz;
    tm_reason_t reason = tm_walk_key(w, &key);
    if (reason) return reason;
    const uint8_t *text = tm_json_key_text(w->bytes, &key, room, &sz);
    uint32_t child = text ? tm_json_child(&j->paths, node, text, sz) : TM_JSON_NODE_NONE;
    if (child == TM_JSON_NODE_NONE) return tm_walk_value(w, &v);
    child_meet(j, child, key.from);
    return node_read(j, child);
}

static tm_reason_t element_read(tm_json_t *j, uint32_t node, uint32_t idx)
{
    tm_value_t v;
    uint32_t child = tm_json_child_at(&j->paths, node, idx);
    if (child == TM_JSON_NODE_NONE) return tm_walk_value(&j->walk, &v);
    (void)tm_json_meet(&j->reading, child);
    return node_read(j, child);
}

/* The first of some fields whose faulty value stands first in the message; field_cnt where none is
   at fault. */
static uint32_t first_fault(const tm_json_t *j, uint64_t fields)
{
    const tm_json_reading_t *r = &j->reading;
    uint32_t first = j->paths.field_cnt;
    for (; fields; fields &= fields - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(fields);
        if (r->faults[i] == TM_REASON_NONE) continue;
        if (first == j->paths.field_cnt || r->found[i].from < r->found[first].from) first = i;
    }
    return first;
}

/* The first required one of some fields that has no value; field_cnt where all have. */
static uint32_t missing(const tm_json_t *j, uint64_t fields)
{
    uint64_t required = j->paths.required & fields;
    for (; required; required &= required - 1) {
        uint32_t field = (uint32_t)__builtin_ctzll(required);
        if (j->reading.values[field].state != TM_JSON_PRESENT) return field;
    }
    return j->paths.field_cnt;
}

void tm_json_element_end(tm_json_t *j, const tm_json_node_t *each, uint32_t from,
                         uint32_t fault_cnt)
{
    tm_json_reading_t *r = &j->reading;
    uint32_t none = j->paths.field_cnt, field = none;
    r->element_cnt++;
    if (r->element_fault) return;
    if (r->fault_cnt > fault_cnt) field = first_fault(j, each->fields);
    if (field < none) {
        r->element_fault = r->faults[field];
        from = r->found[field].from;
    } else {
        field = missing(j, each->fields);
        if (field < none) r->element_fault = TM_REASON_MISSING;
    }
    r->element_off = from;
    r->element_field = field;
    if (field == none) j->each(j->each_ctx, each->each_idx, r->values);
}

/* The array at pos, each of whose elements is the node's. */
static tm_reason_t each_read(tm_json_t *j, uint32_t node)
{
    tm_walk_t *w = &j->walk;
    const tm_json_node_t *each = &j->paths.nodes[node];
    w->pos++;
    uint8_t c = tm_walk_peek(w);
    if (c == ']') {
        w->pos++;
        return TM_REASON_NONE;
    }
    w->depth++;
    do {
        (void)tm_walk_peek(w);
        uint32_t from = w->pos, fault_cnt = j->reading.fault_cnt;
        if (!tm_json_tuples(j, each)) {
            tm_reason_t reason = node_read(j, node);
            if (reason) return reason;
            tm_json_element_end(j, each, from, fault_cnt);
        }
        forget(j, node);
        c = tm_walk_peek(w);
        if (c != ',' && c != ']') return tm_walk_unexpected(w);
        w->pos++;
    } while (c == ',');
    w->depth--;
    return TM_REASON_NONE;
}

/* Reads members of the common form, for as long as they come: no white space, no escape; a string,
   an integer or a boolean. Ends in front of the first one of another form. True where the object
   ended. */
static bool members_plain(tm_json_t *j, uint32_t node)
{
    tm_walk_t *w = &j->walk;
    const uint8_t *b = w->bytes;
    const uint16_t *q = w->at + w->at_idx, *q_end = w->at + w->at_cnt;
    uint32_t pos = w->pos;
    bool ended = false;
    while (!ended && q_end - q >= 2 && q[0] == pos && b[q[1] + 1] == ':') {
        tm_value_t v = {.from = q[1] + 2u};
        const uint16_t *next = q + 2;
        uint32_t end;
        if (b[v.from] == '"') {
            if (q_end - q < 4) break;
            v = (tm_value_t){.from = v.from + 1, .to = q[3], .type = TM_VALUE_STRING};
            end = v.to + 1;
            next = q + 4;
        } else {
            end = tm_walk_bare_end(b, v.from, q_end > next ? *next - 1u : v.from, &v.type);
            if (end == 0) break;
            v.to = end;
        }
        const bool goes_on = b[end] == ',' && next < q_end && *next == end + 1;
        ended = !goes_on && b[end] == '}' && end < w->sz;
        if (!goes_on && !ended) break;
        uint32_t child = tm_json_child(&j->paths, node, b + q[0] + 1, q[1] - q[0] - 1u);
        if (child != TM_JSON_NODE_NONE) child_scalar(j, child, q[0] + 1u, &v);
        q = next;
        pos = end + 1;
    }
    w->at_idx = (uint32_t)(q - w->at);
    w->pos = pos;
    return ended;
}

/* The object or array at pos, some of whose members are declared. */
static tm_reason_t container_read(tm_json_t *j, uint32_t node, bool object)
{
    tm_walk_t *w = &j->walk;
    uint8_t close = object ? '}' : ']';
    w->pos++;
    if (tm_walk_peek(w) == close) {
        w->pos++;
        return TM_REASON_NONE;
    }
    w->depth++;
    for (uint32_t idx = 0;; idx++) {
        if (object && !w->odd && w->base == 0 && members_plain(j, node)) break;
        tm_reason_t reason = object ? member_read(j, node) : element_read(j, node, idx);
        if (reason) return reason;
        uint8_t c = tm_walk_peek(w);
        if (c != ',' && c != close) return tm_walk_unexpected(w);
        w->pos++;
        if (c == close) break;
    }
    w->depth--;
    return TM_REASON_NONE;
}

/* The value at pos, which is the node's. */
static tm_reason_t node_read(tm_json_t *j, uint32_t node)
{
    const tm_json_node_t *n = &j->paths.nodes[node];
    tm_value_t v;
    if (n->child != TM_JSON_NODE_NONE) {
        uint8_t c = tm_walk_peek(&j->walk);
        bool each = j->paths.nodes[n->child].each;
        if (c == '[' && each) return each_read(j, n->child);
        if (!each && (c == '{' || c == '[')) return container_read(j, node, c == '{');
    }
    tm_reason_t reason = tm_walk_value(&j->walk, &v);
    if (reason || n->field == TM_JSON_FIELD_NONE) return reason;
    bool led_through = n->child != TM_JSON_NODE_NONE && v.type >= TM_VALUE_OBJECT;
    if (!led_through) tm_json_take(j, n->field, &v);
    return reason;
}

static tm_reason_t full_read(tm_json_t *j, uint32_t *bad_off)
{
    tm_walk_t *w = &j->walk;
    tm_walk_start(w, j->kernels, NULL, j->reading.message, j->reading.sz, j->at);
    tm_reason_t reason = node_read(j, 0);
    *bad_off = w->bad_off;
    if (reason) return reason;
    (void)tm_walk_peek(w);
    *bad_off = w->pos;
    return w->pos == w->sz ? TM_REASON_NONE : TM_REASON_SYNTAX;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

/* What the value of a declared field does in a shape. False for what shapes do not know. */
static bool field_part(tm_shape_part_t *part, const uint8_t *bytes, const tm_json_field_t *field)
{
    const tm_value_t *v = &part->value;
    if (v->type == TM_VALUE_NULL || field->type == TM_JSON_BOOL) return true; /* the same text */
    part->scale = field->scale;
    part->factor = 1;
    part->use = field->type == TM_JSON_TEXT ? TM_SHAPE_TEXT : TM_SHAPE_NUMBER;
    if (field->type == TM_JSON_U64) return bytes[v->from] != '-';
    if (field->type != TM_JSON_TIME) return true;
    if (v->type != TM_VALUE_NUMBER) {
        part->use = TM_SHAPE_TEXT;
        return v->type == TM_VALUE_STRING && v->to - v->from > 4 && bytes[v->from + 4] == '-';
    }
    /* As many digits behind the point as there are; the rest of the unit is a factor. */
    const uint8_t *point = memchr(bytes + v->from, '.', v->to - v->from);
    uint32_t fraction_sz = point ? (uint32_t)(bytes + v->to - point) - 1 : 0;
    part->factor = field->unit_ns;
    for (; part->scale < fraction_sz && part->factor > 1; part->scale++) part->factor /= 10;
    return true;
}

/* Makes a shape of the message that has just been read without a fault. */
static void learn(tm_json_t *j)
{
    const tm_json_reading_t *r = &j->reading;
    tm_walk_t *w = &j->walk;
    tm_shape_part_t parts[TM_WALK_SCALAR_MAX];
    tm_value_t v;
    tm_walk_start(w, j->kernels, NULL, r->message, r->sz, j->at);
    w->noting = true;
    if (r->twice_cnt || tm_walk_value(w, &v) || w->scalar_cnt > TM_WALK_SCALAR_MAX) return;
    if (tm_walk_peek(w) != 0 || w->pos != w->sz) return;
    for (uint32_t i = 0; i < w->scalar_cnt; i++)
        parts[i] = (tm_shape_part_t){.value = w->scalars[i], .use = TM_SHAPE_FREE};
    for (uint32_t f = 0; f < j->paths.field_cnt; f++) {
        uint32_t i = 0;
        if (r->values[f].state == TM_JSON_ABSENT) continue;
        while (i < w->scalar_cnt && w->scalars[i].from != r->found[f].from) i++;
        if (i == w->scalar_cnt) return;
        parts[i].use = TM_SHAPE_FIXED;
        parts[i].off = (uint16_t)(f * sizeof(tm_json_value_t));
        parts[i].field = (uint8_t)f;
        if (!field_part(&parts[i], r->message, &j->paths.fields[f])) return;
    }
    const tm_shape_message_t message = {.key = j->kernels->shape_key(r->message, r->sz),
                                        .bytes = r->message,
                                        .sz = r->sz,
                                        .part_cnt = w->scalar_cnt,
                                        .parts = parts,
                                        .image = r->values};
    (void)tm_shapes_learn(&j->shapes, &message);
}

/* False where the message has no shape, or a fault that the slower path has to name. */
static bool shape_read(tm_json_t *j)
{
    tm_json_reading_t *r = &j->reading;
    const tm_shape_t *s = j->kernels->shape_take(&j->shapes, r->message, r->sz, r->values);
    if (!s) return false;
    j->shapes.found_cnt++;
    for (uint32_t i = 0; i < s->text_cnt; i++) {
        const tm_shape_text_t *t = &s->texts[i];
        tm_json_value_t *v = &r->values[t->field];
        if (j->paths.fields[t->field].type == TM_JSON_TEXT) {
            v->text = (const char *)r->message + t->from;
            v->text_sz = t->sz;
        } else if (tm_rfc3339_read(r->message + t->from, t->sz, &v->i64)) {
            return false;
        }
    }
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const tm_json_value_t *fail(tm_json_t *j, tm_reason_t reason, size_t off, int32_t field)
{
    j->fault = (tm_json_fault_t){.kind = tm_reason_name(reason), .off = off, .field = field};
    return NULL;
}

/* What is wrong with the values: of those at fault the one that stands first, else the first one
   that is missing. False where all is well. */
static bool values_fault(tm_json_t *j)
{
    const tm_json_reading_t *r = &j->reading;
    const uint32_t none = j->paths.field_cnt;
    const uint64_t once = ~j->paths.eaches;
    uint32_t field = r->fault_cnt > 0 ? first_fault(j, once & tm_json_fields(&j->paths)) : none;
    bool element = r->element_fault != TM_REASON_NONE &&
                   (field == none || r->element_off < r->found[field].from);
    if (element) {
        (void)fail(j, r->element_fault, r->element_off, (int32_t)r->element_field);
    } else if (field < none) {
        (void)fail(j, r->faults[field], r->found[field].from, (int32_t)field);
    } else {
        field = missing(j, once);
        if (field == none) return false;
        (void)fail(j, TM_REASON_MISSING, 0, (int32_t)field);
    }
    return true;
}

static const tm_json_value_t *read_slowly(tm_json_t *j, bool learning)
{
    tm_json_reading_t *r = &j->reading;
    uint32_t bad_off = 0;
    r->found_cnt = r->twice_cnt = r->fault_cnt = r->element_cnt = 0;
    r->twice_refused = false;
    r->element_fault = TM_REASON_NONE;
    r->texts.used_sz = 0;
    memset(r->seen, 0, sizeof r->seen);
    memset(r->values, 0, j->paths.field_cnt * sizeof r->values[0]);
    memset(r->faults, 0, j->paths.field_cnt);
    tm_reason_t reason = j->lazy ? tm_json_lazy_read(j, &bad_off) : full_read(j, &bad_off);
    if (reason) return fail(j, reason, bad_off, -1);
    if (r->twice_refused) {
        int32_t field = r->twice_field == TM_JSON_FIELD_NONE ? -1 : (int32_t)r->twice_field;
        return fail(j, TM_REASON_TWICE, r->twice_off, field);
    }
    if (values_fault(j)) return NULL;
    if (learning && r->element_cnt == 0 && tm_shapes_may_learn(&j->shapes)) learn(j);
    (void)fail(j, TM_REASON_NONE, 0, -1);
    return r->values;
}

const tm_json_value_t *tm_json_read(tm_json_t *json, const void *message, size_t sz)
{
    tm_json_reading_t *r = &json->reading;
    if (sz > TM_JSON_MESSAGE_SZ_MAX) return fail(json, TM_REASON_LIMIT, TM_JSON_MESSAGE_SZ_MAX, -1);
    r->message = message;
    r->sz = (uint32_t)sz;
    bool shapes = !json->no_shapes && tm_shapes_wanted(&json->shapes, r->sz);
    if (TM_LIKELY(shapes && shape_read(json))) {
        json->fault.kind = tm_reason_name(TM_REASON_NONE);
        return r->values;
    }
    return read_slowly(json, shapes);
}

const tm_json_value_t *tm_json_read_copy(tm_json_t *json, const void *message, size_t sz)
{
    if (sz > json->copy_sz_max) return fail(json, TM_REASON_LIMIT, json->copy_sz_max, -1);
    if (sz > 0) memcpy(json->copy, message, sz);
    memset(json->copy + sz, 0, TM_JSON_PAD);
    return tm_json_read(json, json->copy, sz);
}

const tm_json_fault_t *tm_json_fault(const tm_json_t *json)
{
    return &json->fault;
}
