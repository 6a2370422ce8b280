#include "parse/paths/levels.h"

#include "parse/paths/level_run.h"
#include "parse/term.h"

static tm_reason_t decimal(const uint8_t *text, uint32_t sz, bool json, int64_t *out)
{
    tm_numeral_t n;
    tm_reason_t reason = tm_numeral_read(text, sz, TM_NUMERAL_SCALE, json, &n);
    return reason ? reason : tm_numeral_decimal(&n, out);
}

/* ---- value by value -------------------------------------------------------------------------- */

static void digits_count(tm_levels_t *l, const uint8_t *text, uint32_t sz, uint8_t *most)
{
    if (!l->kind->decl->digits) return;
    uint32_t n = tm_term_fraction_digits(text, sz);
    if (n > *most) *most = (uint8_t)(n < TM_DIGITS_NONE ? n : TM_DIGITS_NONE - 1);
}

/* Stores one value of a level that is an array. */
static tm_reason_t place(tm_levels_t *l, const tm_venue_levels_t *decl, uint32_t idx,
                         const tm_value_t *v)
{
    tm_level_t *row = &l->rows[l->cnt].level;
    bool is_price = idx == decl->price_at, is_qty = idx == decl->price_at + 1u;
    bool is_order = decl->order_at && idx == decl->order_at;
    bool is_time = decl->time_at && idx == decl->time_at;
    bool is_side = decl->side == TM_SIDE_UNKNOWN && idx == 0;
    if (!is_price && !is_qty && !is_order && !is_time && !is_side) return TM_REASON_NONE;
    uint8_t room[TM_NUMERAL_SZ_MAX];
    uint32_t sz;
    bool json = v->type == TM_VALUE_NUMBER;
    if (!json && v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return TM_REASON_TYPE;
    const uint8_t *text = l->walk->bytes + v->from;
    sz = v->to - v->from;
    if (v->type == TM_VALUE_ESCAPED) text = tm_walk_text(l->walk->bytes, v, room, sizeof room, &sz);
    if (!text) return TM_REASON_NUMBER;
    if (is_side) {
        row->side = tm_term_side(text, sz);
        return TM_REASON_NONE;
    }
    if (is_price || is_qty) {
        digits_count(l, text, sz, is_price ? &l->price_digits : &l->qty_digits);
        return decimal(text, sz, json, is_price ? &row->price_e8 : &row->qty_e8);
    }
    tm_numeral_t n;
    tm_reason_t reason = tm_numeral_read(text, sz, is_time ? 9 : 0, json, &n);
    if (reason) return reason;
    if (is_time) return tm_numeral_signed(&n, &row->row.event_ns);
    if (n.negative || n.magnitude > INT32_MAX) return TM_REASON_RANGE;
    row->order_cnt = (int32_t)n.magnitude;
    return TM_REASON_NONE;
}

/* A level that is an array; the walk is at its '['. */
static tm_reason_t level_array(tm_levels_t *l, const tm_venue_levels_t *decl)
{
    tm_walk_t *w = l->walk;
    uint32_t idx = 0;
    w->pos++;
    for (uint8_t c = tm_walk_peek(w); c != ']'; idx++) {
        tm_value_t v;
        tm_reason_t reason = tm_walk_value(w, &v);
        if (reason) return reason;
        l->bad_off = v.from;
        reason = place(l, decl, idx, &v);
        if (reason) return reason;
        c = tm_walk_peek(w);
        if (c == ',') w->pos++;
    }
    w->pos++;
    return idx > decl->price_at + 1u ? TM_REASON_NONE : TM_REASON_MISSING;
}

/* A level that is an object. */
static tm_reason_t level_object(tm_levels_t *l, tm_members_t *room)
{
    tm_event_fill_t fill = {
        .ctx = l->ctx, .kind = l->kind, .bytes = l->walk->bytes, .row = &l->rows[l->cnt]};
    tm_reason_t reason = tm_walk_object(l->walk, room, NULL);
    if (!reason) reason = tm_event_fill_scope(&fill, TM_SCOPE_PART, room);
    l->bad_off = fill.bad_off;
    for (uint32_t i = 0; l->kind->decl->digits && i < l->kind->scoped_cnt[TM_SCOPE_PART]; i++) {
        uint32_t idx = l->kind->scoped[TM_SCOPE_PART][i];
        const tm_value_t *v = &room->at[l->kind->field_key[idx]];
        bool is_price = l->kind->decl->fields[idx].off == offsetof(tm_level_t, price_e8);
        bool is_qty = l->kind->decl->fields[idx].off == offsetof(tm_level_t, qty_e8);
        if (reason || (!is_price && !is_qty)) continue;
        digits_count(l, fill.bytes + v->from, v->to - v->from,
                     is_price ? &l->price_digits : &l->qty_digits);
    }
    return reason;
}

/* ---- runs of levels of strings --------------------------------------------------------------- */

/* The run that begins at the walk's place, a '['. Pairs have been found before, when the message
   was walked. */
static tm_level_run_t run_find(const tm_walk_t *w)
{
    tm_level_run_t r = {.bytes = w->bytes + w->base, .at = w->at + w->at_idx, .stride = 4};
    /* An array without strings lies at the same place in the list as the one behind it. */
    if (w->at_idx == w->at_cnt || r.at[0] != w->pos - w->base + 1) return r;
    for (uint32_t i = 0; i < w->pairs_cnt && i < TM_WALK_PAIRS_MAX; i++) {
        if (w->pairs[i].base != w->base || w->pairs[i].at_idx != w->at_idx) continue;
        r.cnt = w->pairs[i].cnt;
        return r;
    }
    tm_level_run_find(r.bytes, r.at, w->at_cnt - w->at_idx, w->pos - w->base, w->sz - w->base, &r);
    return r;
}

/* Reads the run at the walk's place. *taken: whether there was one. */
static tm_reason_t run_read(tm_levels_t *l, const tm_venue_levels_t *decl, bool *taken)
{
    tm_walk_t *w = l->walk;
    *taken = false;
    if (w->odd || l->kind->decl->digits) return TM_REASON_NONE;
    tm_level_run_t r = run_find(w);
    if (r.cnt > l->cap - l->cnt) r.cnt = l->cap - l->cnt;
    *taken = r.cnt > 0 && tm_level_run_suits(decl, r.stride);
    if (!*taken) return TM_REASON_NONE;
    tm_level_rows_t out = {.blank = &l->blank, .rows = l->rows + l->cnt};
    tm_reason_t reason = tm_level_run_read(l->ctx->kernels, decl, &r, &out);
    l->bad_off = w->base + out.bad_off;
    l->cnt += r.cnt;
    w->at_idx += r.cnt * r.stride;
    w->pos = w->base + tm_level_run_end(&r);
    return reason;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static tm_reason_t level_read(tm_levels_t *l, const tm_venue_levels_t *decl, uint8_t c,
                              tm_members_t *room)
{
    bool taken = false;
    tm_reason_t reason = TM_REASON_NONE;
    l->bad_off = l->walk->pos;
    if (l->cnt == l->cap) return TM_REASON_LIMIT;
    if (c == '[') reason = run_read(l, decl, &taken);
    if (reason || taken) return reason;
    tm_market_row_t *row = &l->rows[l->cnt];
    *row = l->blank;
    if (c != '[' && c != '{') return TM_REASON_TYPE;
    reason = c == '[' ? level_array(l, decl) : level_object(l, room);
    if (reason) return reason;
    if (row->level.side == TM_SIDE_UNKNOWN) return TM_REASON_TYPE;
    if (decl->remove) row->level.qty_e8 = 0;
    l->cnt++;
    return TM_REASON_NONE;
}

tm_reason_t tm_levels_read(tm_levels_t *levels, const tm_venue_levels_t *decl,
                           const tm_value_t *array, tm_members_t *room)
{
    tm_walk_t *w = levels->walk;
    levels->bad_off = array->from;
    if (array->type == TM_VALUE_NULL) return TM_REASON_NONE;
    if (array->type != TM_VALUE_ARRAY) return TM_REASON_TYPE;
    levels->blank.level.side = decl->side;
    tm_walk_seek(w, array->from);
    w->pos++;
    for (uint8_t c = tm_walk_peek(w); c != ']'; c = tm_walk_peek(w)) {
        tm_reason_t reason = level_read(levels, decl, c, room);
        if (reason) return reason;
        if (tm_walk_peek(w) == ',') w->pos++;
    }
    w->pos++;
    return TM_REASON_NONE;
}

/* ---- heads ----------------------------------------------------------------------------------- */

void tm_levels_blank(tm_market_row_t *blank, const tm_depth_t *head)
{
    *blank = (tm_market_row_t){0};
    blank->row = head->row;
    blank->row.schema_id = TM_SCHEMA_ID_LEVEL;
    blank->level.first_id = head->first_id;
    blank->level.last_id = head->last_id;
    blank->level.snapshot = head->snapshot;
}

void tm_levels_end(tm_depth_t *head, tm_market_row_t *rows, uint32_t cnt)
{
    head->level_cnt = (int32_t)cnt;
    /* A batch that names the one before it is chained by that. */
    if (head->chain == TM_CHAIN_RANGE && head->prev_id) head->chain = TM_CHAIN_PREV;
    if (cnt > 0) rows[cnt - 1].level.last = 1;
}

/* ---- the first level ------------------------------------------------------------------------- */

static const uint8_t *skip_space(const uint8_t *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

tm_reason_t tm_levels_top(const uint8_t *bytes, const tm_value_t *array, int64_t top[2])
{
    /* Well-formed and ended by a ']', so nothing here runs away. */
    const uint8_t *p = skip_space(bytes + array->from + 1);
    top[0] = top[1] = 0;
    if (*p == ']') return TM_REASON_NONE;
    if (*p++ != '[') return TM_REASON_TYPE;
    for (uint32_t i = 0; i < 2; i++) {
        p = skip_space(p);
        bool quoted = *p == '"';
        p += quoted;
        const uint8_t *end = p;
        while (quoted ? *end != '"' : !strchr(",] \t\r\n", *end)) end++;
        tm_reason_t reason = decimal(p, (uint32_t)(end - p), !quoted, &top[i]);
        if (reason) return reason;
        p = skip_space(end + quoted);
        if (i == 0 && *p++ != ',') return TM_REASON_MISSING;
    }
    return TM_REASON_NONE;
}
