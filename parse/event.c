#include "parse/event.h"

static bool tag_is(const tm_kind_t *kind, const uint64_t text[2], uint32_t sz)
{
    return kind->tag_sz == sz && kind->tag[0] == text[0] && kind->tag[1] == text[1];
}

const tm_kind_t *tm_event_kind(const tm_dialect_t *dialect, const uint8_t *bytes,
                               const tm_members_t *members)
{
    const tm_kind_t *kinds = dialect->kinds;
    if (!(members->present >> dialect->tag_key & 1)) {
        for (uint32_t i = 0; i < dialect->kind_cnt; i++)
            if (kinds[i].keys && (members->present & kinds[i].keys) == kinds[i].keys)
                return &kinds[i];
        return NULL;
    }
    const tm_value_t *v = &members->at[dialect->tag_key];
    uint8_t room[32] = {0};
    uint32_t sz;
    if (v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return NULL;
    const uint8_t *text = tm_walk_text(bytes, v, room, 16, &sz);
    if (!text || sz == 0 || sz > 16) return NULL;
    uint64_t tag[2];
    tm_key_load(text, sz, tag);
    for (uint32_t i = 0; i < dialect->kind_cnt; i++)
        if (tag_is(&kinds[i], tag, sz)) return &kinds[i];
    return NULL;
}

static tm_reason_t store(const tm_venue_field_t *field, const tm_numeral_t *n, tm_market_row_t *row)
{
    int64_t v = (int64_t)n->magnitude;
    tm_reason_t reason = TM_REASON_NONE;
    if (field->form == TM_FORM_TIME)
        reason = tm_numeral_time_ns(n, &v);
    else if (field->form == TM_FORM_DECIMAL)
        reason = tm_numeral_signed(n, &v);
    else if (n->negative)
        reason = TM_REASON_RANGE;
    memcpy((uint8_t *)row + field->off, &v, sizeof v);
    return reason;
}

/* Reads a number that the kernel left. */
static tm_reason_t store_exact(const tm_venue_field_t *field, const uint8_t *text, uint32_t sz,
                               bool quoted, tm_market_row_t *row)
{
    tm_numeral_t n;
    uint32_t scale = field && field->form == TM_FORM_DECIMAL ? TM_NUMERAL_SCALE : 0;
    tm_reason_t reason = tm_numeral_read(text, sz, scale, !quoted, &n);
    if (!field) return reason == TM_REASON_RANGE ? TM_REASON_NONE : reason;
    return reason ? reason : store(field, &n, row);
}

tm_reason_t tm_event_numbers(const tm_kernels_t *kernels, const tm_venue_kind_t *decl,
                             const uint8_t *bytes, const tm_numerals_t *numerals,
                             const uint8_t *fields, tm_market_row_t *row)
{
    uint64_t magnitudes[TM_NUMERAL_CNT_MAX];
    uint32_t left = kernels->numerals(bytes, numerals, magnitudes);
    for (uint32_t i = 0; i < numerals->cnt; i++) {
        const tm_venue_field_t *field = fields[i] == TM_EVENT_FIELD_NONE ? NULL
                                                                         : &decl->fields[fields[i]];
        tm_reason_t reason = TM_REASON_NONE;
        if (TM_UNLIKELY(left >> i & 1)) {
            uint32_t sz = tm_numerals_sz(numerals, i);
            reason = store_exact(field, bytes + numerals->from[i], sz, numerals->quoted >> i & 1,
                                 row);
        } else if (field) {
            tm_numeral_t n = {magnitudes[i], false};
            reason = store(field, &n, row);
        }
        if (TM_UNLIKELY(reason)) return reason;
    }
    return TM_REASON_NONE;
}

/* What a walk over the declared fields collects. */
typedef struct gather {
    const tm_event_ctx_t *ctx;
    const uint8_t *bytes;
    tm_market_row_t *row;
    tm_numerals_t numerals;
    uint8_t fields[TM_NUMERAL_CNT_MAX];
    const tm_value_t *symbol;
    uint32_t *bad_off;
} gather_t;

/* The numbers once more, one by one, to name the one that is wrong. */
static void find_bad(const gather_t *g, const tm_venue_kind_t *decl)
{
    for (uint32_t i = 0; i < g->numerals.cnt; i++) {
        tm_market_row_t scratch;
        uint32_t sz = tm_numerals_sz(&g->numerals, i);
        *g->bad_off = g->numerals.from[i];
        if (store_exact(&decl->fields[g->fields[i]], g->bytes + g->numerals.from[i], sz,
                        g->numerals.quoted >> i & 1, &scratch))
            return;
    }
}

/* Converts and stores what was gathered so far. */
static tm_reason_t gather_flush(gather_t *g, const tm_venue_kind_t *decl)
{
    tm_reason_t reason = tm_event_numbers(g->ctx->kernels, decl, g->bytes, &g->numerals, g->fields,
                                          g->row);
    if (reason) find_bad(g, decl);
    g->numerals = (tm_numerals_t){0};
    return reason;
}

static tm_reason_t gather_number(gather_t *g, const tm_venue_kind_t *decl, uint32_t idx,
                                 const tm_value_t *v)
{
    const tm_venue_field_t *field = &decl->fields[idx];
    uint32_t sz = v->to - v->from, i = g->numerals.cnt;
    bool quoted = v->type != TM_VALUE_NUMBER;
    if (quoted && v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return TM_REASON_TYPE;
    if (TM_UNLIKELY(v->type == TM_VALUE_ESCAPED || sz >= TM_NUMERAL_SZ_MAX)) {
        /* Numbers are stored in the order of their fields, so those before it go first. */
        tm_reason_t reason = gather_flush(g, decl);
        uint8_t room[TM_NUMERAL_SZ_MAX];
        const uint8_t *text = g->bytes + v->from;
        if (v->type == TM_VALUE_ESCAPED) text = tm_walk_text(g->bytes, v, room, sizeof room, &sz);
        if (!reason) *g->bad_off = v->from;
        return reason ? reason
               : text ? store_exact(field, text, sz, quoted, g->row)
                      : TM_REASON_NUMBER;
    }
    g->numerals.from[i] = v->from;
    g->numerals.sz[i / 8] |= (uint64_t)sz << (8 * (i % 8));
    g->numerals.integers |= (uint16_t)((field->form != TM_FORM_DECIMAL) << i);
    g->numerals.quoted |= (uint16_t)(quoted << i);
    g->fields[i] = (uint8_t)idx;
    g->numerals.cnt++;
    return TM_REASON_NONE;
}

/* Comes last, so that a message with a fault leaves nothing in the symbol table. */
static tm_reason_t gather_symbol(gather_t *g, const tm_value_t *v)
{
    *g->bad_off = v->from;
    uint8_t room[TM_SYMBOL_SZ_MAX + 1 + 16] = {0};
    uint32_t sz;
    if (v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return TM_REASON_TYPE;
    const uint8_t *text = tm_walk_text(g->bytes, v, room, TM_SYMBOL_SZ_MAX + 1, &sz);
    if (!text) return TM_REASON_SYMBOL;
    g->row->row.symbol = tm_symbol_cache_get(g->ctx->symbols, text, sz);
    return g->row->row.symbol == TM_SYMBOL_NONE ? TM_REASON_SYMBOL : TM_REASON_NONE;
}

static tm_reason_t gather_field(gather_t *g, const tm_kind_t *kind, uint32_t idx,
                                const tm_value_t *v)
{
    const tm_venue_field_t *field = &kind->decl->fields[idx];
    switch (field->form) {
    case TM_FORM_SYMBOL:
        g->symbol = v;
        return TM_REASON_NONE;
    case TM_FORM_BUYER_MAKER:
        if (v->type != TM_VALUE_TRUE && v->type != TM_VALUE_FALSE) return TM_REASON_TYPE;
        *((uint8_t *)g->row + field->off) = v->type == TM_VALUE_TRUE ? TM_SIDE_SELL : TM_SIDE_BUY;
        return TM_REASON_NONE;
    case TM_FORM_TIME:
    case TM_FORM_ID:
    case TM_FORM_DECIMAL:
        break;
    }
    return gather_number(g, kind->decl, idx, v);
}

/* The places of the numbers, where all of them are present as they usually are. */
static bool gather_plain(gather_t *g, const tm_kind_t *kind, const tm_members_t *members)
{
    uint64_t sizes = 0;
    uint32_t cnt = 0, integers = 0, quoted = 0, odd = 0;
    if ((members->present & kind->required) != kind->required) return false;
    for (uint32_t i = 0; i < kind->number_cnt; i++) {
        uint32_t idx = kind->numbers[i], key = kind->field_key[idx];
        if (!(members->present >> key & 1)) continue;
        const tm_value_t *v = &members->at[key];
        uint32_t sz = v->to - v->from;
        bool string = v->type == TM_VALUE_STRING;
        odd |= (uint32_t)(!string & (v->type != TM_VALUE_NUMBER)) | (sz >= TM_NUMERAL_SZ_MAX);
        g->numerals.from[cnt] = v->from;
        g->fields[cnt] = (uint8_t)idx;
        sizes |= (uint64_t)(uint8_t)sz << (8 * cnt);
        integers |= (uint32_t)(kind->decl->fields[idx].form != TM_FORM_DECIMAL) << cnt;
        quoted |= (uint32_t)string << cnt;
        cnt++;
    }
    /* Kernels convert four at a time: what is behind the last one must be a place, too. */
    for (uint32_t i = cnt; i % 4 != 0; i++) g->numerals.from[i] = 0;
    g->numerals.cnt = cnt;
    g->numerals.sz[0] = sizes;
    g->numerals.integers = (uint16_t)integers;
    g->numerals.quoted = (uint16_t)quoted;
    return !odd;
}

/* Every field, of any form. */
static tm_reason_t gather(gather_t *g, const tm_kind_t *kind, const tm_members_t *members)
{
    g->numerals = (tm_numerals_t){0};
    for (uint32_t i = 0; i < kind->field_cnt; i++) {
        uint32_t key = kind->field_key[i];
        const tm_value_t *v = &members->at[key];
        bool present = members->present >> key & 1;
        if (!present || v->type == TM_VALUE_NULL) {
            *g->bad_off = present ? v->from : 0;
            if (kind->decl->fields[i].required) return TM_REASON_MISSING;
            continue;
        }
        *g->bad_off = v->from;
        tm_reason_t reason = gather_field(g, kind, i, v);
        if (reason) return reason;
    }
    tm_reason_t reason = gather_flush(g, kind->decl);
    return reason || !g->symbol ? reason : gather_symbol(g, g->symbol);
}

/* The whole row, where its values are of the common types. False leaves it to gather(). */
static bool row_plain(gather_t *g, const tm_kind_t *kind, const tm_members_t *members)
{
    const tm_venue_field_t *fields = kind->decl->fields;
    if (!gather_plain(g, kind, members)) return false;
    if (kind->flag_key != TM_KEY_NONE && (members->present >> kind->flag_key & 1)) {
        tm_value_type_t type = members->at[kind->flag_key].type;
        if (type != TM_VALUE_TRUE && type != TM_VALUE_FALSE) return false;
        *((uint8_t *)g->row + fields[kind->flag].off) = type == TM_VALUE_TRUE ? TM_SIDE_SELL
                                                                              : TM_SIDE_BUY;
    }
    const tm_value_t *symbol = &members->at[kind->symbol_key];
    if (kind->symbol_key == TM_KEY_NONE || symbol->type != TM_VALUE_STRING) return false;
    if (tm_event_numbers(g->ctx->kernels, kind->decl, g->bytes, &g->numerals, g->fields, g->row))
        return false;
    g->row->row.symbol = tm_symbol_cache_get(g->ctx->symbols, g->bytes + symbol->from,
                                             symbol->to - symbol->from);
    return g->row->row.symbol != TM_SYMBOL_NONE;
}

tm_reason_t tm_event_row(const tm_event_ctx_t *ctx, const tm_kind_t *kind, const tm_frame_t *frame,
                         const tm_members_t *members, tm_market_row_t *row, uint32_t *bad_off)
{
    gather_t g; /* not cleared: row_plain fills what it uses */
    g.ctx = ctx;
    g.bytes = frame->data;
    g.row = row;
    g.bad_off = bad_off;
    g.symbol = NULL;
    tm_event_start(kind, frame->recv_ns, row);
    if (row_plain(&g, kind, members)) return TM_REASON_NONE;
    tm_event_start(kind, frame->recv_ns, row);
    return gather(&g, kind, members);
}
