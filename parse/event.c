#include "parse/event.h"

#include "parse/paths/levels.h"
#include "parse/scan/rfc3339.h"
#include "parse/term.h"

static bool tag_is(const tm_kind_t *kind, const uint64_t text[TM_KEY_WORD_CNT], uint32_t sz)
{
    if (!kind->tag_open) return kind->tag_sz == sz && tm_key_equal(kind->tag, text);
    if (sz < kind->tag_sz) return false;
    uint64_t start[TM_KEY_WORD_CNT];
    tm_key_load((const uint8_t *)text, kind->tag_sz, start);
    return tm_key_equal(kind->tag, start);
}

const tm_kind_t *tm_event_kind_tagged(const tm_dialect_t *dialect, const uint8_t *bytes,
                                      const tm_value_t *tag, char end, bool positional)
{
    enum { TAG_SZ_MAX = 64 }; /* topics are longer than the kind that they begin with */
    uint8_t room[TAG_SZ_MAX + TM_KEY_SZ_MAX] = {0};
    uint32_t sz;
    if (tag->type != TM_VALUE_STRING && tag->type != TM_VALUE_ESCAPED) return NULL;
    const uint8_t *text = tm_walk_text(bytes, tag, room, TAG_SZ_MAX, &sz);
    if (!text || sz == 0) return NULL;
    const uint8_t *stop = end ? memchr(text, end, sz) : NULL;
    if (stop) sz = (uint32_t)(stop - text);
    if (sz > TM_KEY_SZ_MAX) return NULL;
    uint64_t words[TM_KEY_WORD_CNT];
    tm_key_load(text, sz, words);
    for (uint32_t i = 0; i < dialect->kind_cnt; i++)
        if (dialect->kinds[i].tag_sz && dialect->kinds[i].decl->positional == positional &&
            tag_is(&dialect->kinds[i], words, sz))
            return &dialect->kinds[i];
    return NULL;
}

const tm_kind_t *tm_event_kind(const tm_dialect_t *dialect, const uint8_t *bytes,
                               const tm_members_t *members)
{
    const tm_kind_t *kinds = dialect->kinds;
    if (dialect->tag_key != TM_KEY_NONE && (members->present >> dialect->tag_key & 1))
        return tm_event_kind_tagged(dialect, bytes, &members->at[dialect->tag_key], '\0', false);
    for (uint32_t i = 0; i < dialect->kind_cnt; i++)
        if (kinds[i].keys && !kinds[i].tag_sz &&
            (members->present & kinds[i].keys) == kinds[i].keys)
            return &kinds[i];
    return NULL;
}

/* The size of the run that ends with an id, behind the id that begins it. */
static tm_reason_t store_run(uint8_t *at, uint64_t last)
{
    uint64_t first;
    memcpy(&first, at - sizeof first, sizeof first);
    uint64_t cnt = last - first + 1;
    if (last < first || cnt > INT32_MAX) return TM_REASON_RANGE;
    int32_t v = (int32_t)cnt;
    memcpy(at, &v, sizeof v);
    return TM_REASON_NONE;
}

static tm_reason_t store(const tm_venue_field_t *field, const tm_numeral_t *n, tm_market_row_t *row)
{
    int64_t v = (int64_t)n->magnitude;
    tm_reason_t reason = TM_REASON_NONE;
    if (field->form == TM_FORM_TIME)
        reason = tm_numeral_time_ns(n, &v);
    else if (field->form == TM_FORM_DECIMAL)
        reason = tm_numeral_decimal(n, &v);
    else if (n->negative)
        reason = TM_REASON_RANGE;
    else if (field->form == TM_FORM_LAST_ID)
        return store_run((uint8_t *)row + field->off, n->magnitude);
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

/* The numbers once more, one by one, to name the one that is wrong. */
static void find_bad(tm_event_fill_t *f)
{
    const tm_venue_field_t *fields = f->kind->decl->fields;
    for (uint32_t i = 0; i < f->numerals.cnt; i++) {
        tm_market_row_t scratch[TM_MARKET_LINE_MAX] = {0};
        uint32_t sz = tm_numerals_sz(&f->numerals, i);
        f->bad_off = f->numerals.from[i];
        if (store_exact(&fields[f->fields[i]], f->bytes + f->numerals.from[i], sz,
                        f->numerals.quoted >> i & 1, scratch))
            return;
    }
}

/* Converts and stores what was gathered so far. */
static tm_reason_t flush(tm_event_fill_t *f)
{
    tm_reason_t reason = tm_event_numbers(f->ctx->kernels, f->kind->decl, f->bytes, &f->numerals,
                                          f->fields, f->row);
    if (reason) find_bad(f);
    f->numerals = (tm_numerals_t){0};
    return reason;
}

static tm_reason_t number(tm_event_fill_t *f, uint32_t idx, const tm_value_t *v)
{
    const tm_venue_field_t *field = &f->kind->decl->fields[idx];
    uint32_t sz = v->to - v->from;
    bool quoted = v->type != TM_VALUE_NUMBER;
    if (quoted && v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return TM_REASON_TYPE;
    if (TM_UNLIKELY(v->type == TM_VALUE_ESCAPED || sz >= TM_NUMERAL_SZ_MAX)) {
        /* Numbers are stored in the order of their fields, so those before it go first. */
        tm_reason_t reason = flush(f);
        uint8_t room[TM_NUMERAL_SZ_MAX];
        const uint8_t *text = f->bytes + v->from;
        if (v->type == TM_VALUE_ESCAPED) text = tm_walk_text(f->bytes, v, room, sizeof room, &sz);
        if (!reason) f->bad_off = v->from;
        return reason ? reason
               : text ? store_exact(field, text, sz, quoted, f->row)
                      : TM_REASON_NUMBER;
    }
    if (f->numerals.cnt == TM_NUMERAL_CNT_MAX) {
        tm_reason_t reason = flush(f);
        if (reason) return reason;
    }
    uint32_t i = f->numerals.cnt;
    f->numerals.from[i] = v->from;
    f->numerals.sz[i / 8] |= (uint64_t)sz << (8 * (i % 8));
    f->numerals.integers |= (uint16_t)((field->form != TM_FORM_DECIMAL) << i);
    f->numerals.quoted |= (uint16_t)(quoted << i);
    f->fields[i] = (uint8_t)idx;
    f->numerals.cnt++;
    return TM_REASON_NONE;
}

/* Numbers of the forms that kernels do not know. */
static tm_reason_t rare_number(tm_form_t form, const uint8_t *text, uint32_t sz, bool json,
                               uint8_t *at)
{
    tm_numeral_t n;
    tm_i128_t wide;
    int64_t v = 0;
    tm_reason_t reason;
    if (form == TM_FORM_WIDE) {
        reason = tm_term_wide(text, sz, json, &wide);
        memcpy(at, &wide, sizeof wide);
        return reason;
    }
    reason = tm_numeral_read(text, sz, form == TM_FORM_TIME_S ? 9 : 0, json, &n);
    if (reason == TM_REASON_NUMBER && (form == TM_FORM_SIGNED || form == TM_FORM_LABEL))
        n = (tm_numeral_t){0};
    else if (reason)
        return reason;
    if (form == TM_FORM_SEQ || form == TM_FORM_LABEL) {
        v = n.negative ? 0 : (int64_t)n.magnitude;
    } else {
        reason = tm_numeral_signed(&n, &v);
        if (reason) return reason;
    }
    if (form == TM_FORM_CRC) {
        if (v < INT32_MIN || v > UINT32_MAX) return TM_REASON_RANGE;
        v = (int64_t)(uint32_t)v;
    }
    memcpy(at, &v, sizeof v);
    return TM_REASON_NONE;
}

/* Values that are neither plain numbers nor booleans. */
static tm_reason_t rare(const tm_venue_field_t *field, const uint8_t *text, uint32_t sz, bool json,
                        uint8_t *at)
{
    int64_t v = 0;
    uint64_t id = 0;
    uint8_t side;
    tm_reason_t reason;
    switch ((int)field->form) {
    case TM_FORM_TIME_TEXT:
        reason = json ? TM_REASON_TYPE : tm_rfc3339_read(text, sz, &v);
        memcpy(at, &v, sizeof v);
        return reason;
    case TM_FORM_TRADE_ID:
        reason = tm_term_trade_id(text, sz, &id);
        memcpy(at, &id, sizeof id);
        return reason;
    case TM_FORM_INTERVAL:
        if (!tm_term_interval(text, sz, &v)) v = 0;
        memcpy(at, &v, sizeof v);
        return TM_REASON_NONE;
    case TM_FORM_SIDE:
    case TM_FORM_MAKER:
        side = tm_term_side(text, sz);
        if (field->form == TM_FORM_MAKER && side != TM_SIDE_UNKNOWN)
            side = side == TM_SIDE_BUY ? TM_SIDE_SELL : TM_SIDE_BUY;
        *at = side;
        return TM_REASON_NONE;
    case TM_FORM_SNAPSHOT:
        *at = sz == 8 && memcmp(text, "snapshot", 8) == 0;
        return TM_REASON_NONE;
    case TM_FORM_PARTIAL:
        if (tm_term_stream_is_partial(text, sz)) *at = 1;
        return TM_REASON_NONE;
    default:
        return rare_number(field->form, text, sz, json, at);
    }
}

tm_reason_t tm_event_fill_value(tm_event_fill_t *f, uint32_t field_idx, const tm_value_t *v)
{
    const tm_venue_field_t *field = &f->kind->decl->fields[field_idx];
    uint8_t *at = (uint8_t *)f->row + field->off;
    if (field->form == TM_FORM_SYMBOL || field->form == TM_FORM_STREAM ||
        field->form == TM_FORM_TAIL) {
        f->symbol = *v;
        f->symbol_form = field->form;
        f->has_symbol = true;
        return TM_REASON_NONE;
    }
    if (field->form == TM_FORM_BUYER_MAKER || field->form == TM_FORM_FLAG) {
        if (v->type != TM_VALUE_TRUE && v->type != TM_VALUE_FALSE) return TM_REASON_TYPE;
        bool yes = v->type == TM_VALUE_TRUE;
        *at = field->form == TM_FORM_FLAG ? yes : yes ? TM_SIDE_SELL : TM_SIDE_BUY;
        return TM_REASON_NONE;
    }
    if (field->form == TM_FORM_TOP) {
        int64_t top[2];
        if (v->type != TM_VALUE_ARRAY) return TM_REASON_TYPE;
        tm_reason_t reason = tm_levels_top(f->bytes, v, top);
        memcpy(at, top, sizeof top);
        return reason;
    }
    uint8_t room[TM_NUMERAL_SZ_MAX + TM_KEY_SZ_MAX];
    uint32_t sz = v->to - v->from;
    const uint8_t *text = f->bytes + v->from;
    if (v->type == TM_VALUE_ESCAPED) memset(room, 0, sizeof room);
    if (v->type == TM_VALUE_ESCAPED)
        text = tm_walk_text(f->bytes, v, room, TM_NUMERAL_SZ_MAX, &sz);
    else if (v->type != TM_VALUE_STRING && v->type != TM_VALUE_NUMBER)
        return TM_REASON_TYPE;
    return text ? rare(field, text, sz, v->type == TM_VALUE_NUMBER, at) : TM_REASON_TYPE;
}

void tm_event_fill_start(tm_event_fill_t *fill, const tm_event_ctx_t *ctx, const tm_kind_t *kind,
                         const tm_frame_t *frame, tm_market_row_t *row)
{
    fill->ctx = ctx;
    fill->kind = kind;
    fill->bytes = frame->data;
    fill->row = row;
    fill->has_symbol = false;
    fill->bad_off = 0;
    tm_event_start(kind, frame->recv_ns, row);
    for (uint32_t i = 1; i < kind->line_cnt; i++) row[i] = kind->blank[i];
}

tm_reason_t tm_event_fill_scope(tm_event_fill_t *fill, tm_scope_t scope,
                                const tm_members_t *members)
{
    const tm_kind_t *kind = fill->kind;
    uint32_t others = 0;
    uint64_t nulls = 0;
    tm_reason_t reason = TM_REASON_NONE;
    fill->numerals = (tm_numerals_t){0};
    for (uint32_t i = 0; i < kind->scoped_cnt[scope]; i++) {
        uint32_t idx = kind->scoped[scope][i], key = kind->field_key[idx];
        const tm_venue_field_t *field = &kind->decl->fields[idx];
        const tm_value_t *v = &members->at[key];
        bool present = members->present >> key & 1;
        bool empty = present && v->type == TM_VALUE_STRING && v->from == v->to;
        if (!present || v->type == TM_VALUE_NULL || (empty && !field->required)) {
            fill->bad_off = present ? v->from : 0;
            if (field->required) return TM_REASON_MISSING;
            continue;
        }
        nulls |= kind->null_mask[idx];
        if (field->form > TM_FORM_LAST_ID) {
            others |= 1u << i;
            continue;
        }
        fill->bad_off = v->from;
        reason = number(fill, idx, v);
        if (reason) return reason;
    }
    reason = flush(fill);
    for (; others && !reason; others &= others - 1) {
        uint32_t idx = kind->scoped[scope][__builtin_ctz(others)];
        const tm_value_t *v = &members->at[kind->field_key[idx]];
        fill->bad_off = v->from;
        reason = tm_event_fill_value(fill, idx, v);
    }
    if (kind->null_off) {
        uint8_t *at = (uint8_t *)fill->row + kind->null_off;
        uint64_t bits;
        memcpy(&bits, at, sizeof bits);
        bits &= ~nulls;
        memcpy(at, &bits, sizeof bits);
    }
    return reason;
}

tm_reason_t tm_event_fill_symbol(tm_event_fill_t *fill)
{
    const tm_value_t *v = &fill->symbol;
    uint8_t room[TM_SYMBOL_SZ_MAX + 1 + 16], upper[TM_SYMBOL_SZ_MAX + 1 + 16];
    uint32_t sz;
    if (!fill->has_symbol) return TM_REASON_NONE;
    fill->bad_off = v->from;
    if (v->type != TM_VALUE_STRING && v->type != TM_VALUE_ESCAPED) return TM_REASON_TYPE;
    if (v->type == TM_VALUE_ESCAPED) memset(room, 0, sizeof room);
    const uint8_t *text = tm_walk_text(fill->bytes, v, room, TM_SYMBOL_SZ_MAX + 1, &sz);
    if (!text) return TM_REASON_SYMBOL;
    if (fill->symbol_form == TM_FORM_STREAM) {
        memset(upper, 0, sizeof upper);
        sz = tm_term_stream_symbol(text, sz, upper, TM_SYMBOL_SZ_MAX);
        text = upper;
        if (sz == 0) return TM_REASON_NONE; /* a stream of all symbols, "!ticker@arr" */
    } else if (fill->symbol_form == TM_FORM_TAIL) {
        uint32_t from = tm_term_tail(text, sz);
        text += from;
        sz -= from;
    }
    fill->row->row.symbol = tm_symbol_cache_get(fill->ctx->symbols, text, sz);
    return fill->row->row.symbol == TM_SYMBOL_NONE ? TM_REASON_SYMBOL : TM_REASON_NONE;
}

/* The places of the numbers, where all of them are present as they usually are. */
static bool numbers_plain(tm_event_fill_t *f, const tm_members_t *members)
{
    const tm_kind_t *kind = f->kind;
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
        f->numerals.from[cnt] = v->from;
        f->fields[cnt] = (uint8_t)idx;
        sizes |= (uint64_t)(uint8_t)sz << (8 * cnt);
        integers |= (uint32_t)(kind->decl->fields[idx].form != TM_FORM_DECIMAL) << cnt;
        quoted |= (uint32_t)string << cnt;
        cnt++;
    }
    /* Kernels convert four at a time: what is behind the last one must be a place, too. */
    for (uint32_t i = cnt; i % 4 != 0; i++) f->numerals.from[i] = 0;
    f->numerals.cnt = cnt;
    f->numerals.sz[0] = sizes;
    f->numerals.integers = (uint16_t)integers;
    f->numerals.quoted = (uint16_t)quoted;
    return !odd;
}

/* The whole row, where its values are of the common types. */
static bool row_plain(tm_event_fill_t *f, const tm_members_t *members)
{
    const tm_kind_t *kind = f->kind;
    const tm_venue_field_t *fields = kind->decl->fields;
    if (!numbers_plain(f, members)) return false;
    if (kind->flag_key != TM_KEY_NONE && (members->present >> kind->flag_key & 1)) {
        tm_value_type_t type = members->at[kind->flag_key].type;
        if (type != TM_VALUE_TRUE && type != TM_VALUE_FALSE) return false;
        *((uint8_t *)f->row + fields[kind->flag].off) = type == TM_VALUE_TRUE ? TM_SIDE_SELL
                                                                              : TM_SIDE_BUY;
    }
    const tm_value_t *symbol = &members->at[kind->symbol_key];
    if (kind->symbol_key == TM_KEY_NONE || symbol->type != TM_VALUE_STRING) return false;
    if (tm_event_numbers(f->ctx->kernels, kind->decl, f->bytes, &f->numerals, f->fields, f->row))
        return false;
    f->row->row.symbol = tm_symbol_cache_get(f->ctx->symbols, f->bytes + symbol->from,
                                             symbol->to - symbol->from);
    return f->row->row.symbol != TM_SYMBOL_NONE;
}

tm_reason_t tm_event_row(const tm_event_ctx_t *ctx, const tm_kind_t *kind, const tm_frame_t *frame,
                         const tm_members_t *members, tm_market_row_t *row, uint32_t *bad_off)
{
    tm_event_fill_t f; /* not cleared: row_plain fills what it uses */
    tm_event_fill_start(&f, ctx, kind, frame, row);
    if (row_plain(&f, members)) return TM_REASON_NONE;
    tm_event_fill_start(&f, ctx, kind, frame, row);
    tm_reason_t reason = tm_event_fill_scope(&f, TM_SCOPE_EVENT, members);
    if (!reason) reason = tm_event_fill_symbol(&f);
    *bad_off = f.bad_off;
    return reason;
}
