#include "parse/parser.h"

#include "base/check.h"
#include "base/error.h"
#include "parse/message.h"
#include "parse/paths/layout.h"
#include "parse/paths/shape.h"
#include "parse/paths/stencil.h"
#include "parse/venues/venues.h"

#include <errno.h>
#include <stdlib.h>

/* Connections whose sequence numbers are watched. */
enum { SEQ_CONN_MAX = 64 };

struct tm_parser {
    const tm_kernels_t *kernels;
    tm_dialect_t dialect;
    tm_layouts_t layouts;
    tm_stencils_t stencils;
    tm_shapes_t shapes;
    tm_symbol_cache_t symbols;
    tm_dead_letters_t *letters;
    tm_dead_letter_fn *on_dead_letter;
    void *on_dead_letter_ctx;
    bool any_order_only, stencils_on, shapes_on;
    tm_counter_t *shape, *fast, *any_order, *dead, *reasons[TM_REASON_CNT], *kinds[TM_KIND_CNT_MAX];
    tm_message_t message;
    const tm_kind_t
        *only_kind; /* of the one event of the last message that took any order, or NULL */
    tm_counter_t *seq_gaps;
    uint64_t seqs[SEQ_CONN_MAX]; /* the next sequence number of each connection, 0 = unknown */
    bool one_event;              /* the last message that took any order was but one event */
    uint8_t lesson[TM_LAYOUT_SZ_MAX + TM_FRAME_PAD];
    alignas(TM_CACHE_LINE) uint16_t at[TM_SCAN_QUOTE_MAX]; /* [0] = 0, then the quotes */
};

static void counters_open(tm_parser_t *p, tm_counter_set_t *set)
{
    p->shape = tm_counter_get(set, "parse_shape");
    p->fast = tm_counter_get(set, "parse_fast");
    p->any_order = tm_counter_get(set, "parse_any_order");
    p->dead = tm_counter_get(set, "dead_letters");
    p->seq_gaps = tm_counter_get(set, "sequence_gaps");
    for (tm_reason_t r = TM_REASON_NONE + 1; r < TM_REASON_CNT; r++)
        p->reasons[r] = tm_counter_get(set, tm_reason_counter(r));
    for (uint32_t k = 0; k < p->dialect.kind_cnt; k++)
        p->kinds[k] = tm_counter_get(set, p->dialect.kinds[k].decl->counter);
}

int tm_parser_open(tm_parser_t **out, const tm_parser_cfg_t *cfg)
{
    tm_parser_t *p = aligned_alloc(TM_CACHE_LINE, tm_align_up(sizeof *p, TM_CACHE_LINE));
    if (!p) return tm_error_set(-ENOMEM, "parser: out of memory");
    memset(p, 0, sizeof *p);
    p->kernels = cfg->kernels ? cfg->kernels : tm_kernels_get(tm_cpu_isa());
    p->any_order_only = cfg->any_order_only;
    p->stencils_on = p->kernels->take && !p->any_order_only;
    p->on_dead_letter = cfg->on_dead_letter;
    p->on_dead_letter_ctx = cfg->on_dead_letter_ctx;
    tm_symbol_cache_init(&p->symbols, cfg->symbols);
    int err = tm_dead_letters_open(&p->letters, cfg->dead_letter_max ? cfg->dead_letter_max : 256);
    if (!err) err = tm_shapes_open(&p->shapes, sizeof(tm_market_row_t));
    if (err) {
        tm_parser_close(p);
        return tm_error_context(err, "parser");
    }
    tm_dialect_init(&p->dialect, cfg->venue ? cfg->venue : tm_venue_binance(), cfg->no_books);
    /* Where the topic tells the kind, a message of the same shape may be of another one. */
    p->shapes_on = !p->any_order_only && !cfg->no_shapes &&
                   p->dialect.decl->topic == TM_TOPIC_PLAIN;
    p->message.ctx = (tm_event_ctx_t){p->kernels, &p->dialect, &p->symbols};
    counters_open(p, cfg->counters);
    *out = p;
    return 0;
}

void tm_parser_close(tm_parser_t *parser)
{
    if (!parser) return;
    tm_shapes_close(&parser->shapes);
    tm_dead_letters_close(parser->letters);
    free(parser);
}

/* Copies a message without its levels, of which it may have any number. */
static uint32_t levels_leave_out(const tm_kind_t *kind, const tm_members_t *members,
                                 const tm_frame_t *frame, uint8_t *to)
{
    uint32_t pos = 0, sz = 0;
    for (;;) {
        uint32_t from = frame->sz, until = frame->sz;
        for (uint32_t i = 0; i < kind->decl->level_cnt; i++) {
            const tm_value_t *v = &members->at[kind->level_key[i]];
            bool array = (members->present >> kind->level_key[i] & 1) && v->type == TM_VALUE_ARRAY;
            if (!array || v->from < pos || v->from >= from) continue;
            from = v->from + 1;
            until = v->to - 1;
        }
        memcpy(to + sz, frame->data + pos, from - pos);
        sz += from - pos;
        pos = until;
        if (from == frame->sz) return sz;
    }
}

/* Reads the message once more, without its levels and noting all its scalars, and makes a layout of
   it. */
static void learn(tm_parser_t *p, const tm_frame_t *frame, const tm_kind_t *kind)
{
    tm_walk_t *w = &p->message.walk;
    tm_market_row_t row;
    if (!tm_layouts_may_learn(&p->layouts)) return;
    tm_frame_t copy = *frame;
    copy.data = p->lesson;
    copy.sz = levels_leave_out(kind, tm_message_only(&p->message), frame, p->lesson);
    memset(p->lesson + copy.sz, 0, TM_FRAME_PAD);
    tm_scan_t scan = {0};
    uint32_t cnt = p->kernels->quotes(copy.data, copy.sz, &scan, p->at + 1);
    p->at[cnt + 1] = (uint16_t)copy.sz;
    tm_walk_start(w, p->kernels, &p->dialect, copy.data, copy.sz, p->at + 1);
    tm_walk_scanned(w, cnt, scan.odd);
    w->noting = true;
    p->message.out.rows = &row;
    p->message.out.cap = 1;
    if (tm_message_read(&p->message, &copy) || p->message.out.kind != kind) return;
    /* An event with several parts gives as many rows, and the next one will have more or less. */
    if (p->message.out.line_cnt > 1) return;
    const tm_layout_lesson_t lesson = {.walk = w,
                                       .at = p->at,
                                       .kind = kind,
                                       .outer = tm_message_outer(&p->message),
                                       .event = tm_message_only(&p->message),
                                       .part = kind->decl->part ? &p->message.part : NULL};
    int32_t idx = tm_layouts_learn(&p->layouts, &lesson);
    if (idx >= 0) tm_stencils_update(&p->stencils, &p->layouts, (uint32_t)idx);
}

/* What the value of a declared field does in a shape. False for what shapes do not know. */
static bool field_part(tm_shape_part_t *part, const uint8_t *bytes, const tm_venue_field_t *field)
{
    uint8_t first = bytes[part->value.from];
    part->off = field->off;
    part->factor = 1;
    part->use = TM_SHAPE_NUMBER;
    switch ((int)field->form) {
    case TM_FORM_DECIMAL:
        part->scale = TM_NUMERAL_SCALE;
        return true;
    case TM_FORM_TIME:
        /* Of 14 digits and less it is in ms; so its size tells the unit, where it has no leading
           zero. */
        part->factor = part->value.to - part->value.from <= 14 ? TM_NS_PER_MS : TM_NS_PER_US;
        return first >= '1' && first <= '9' && part->value.type == TM_VALUE_NUMBER;
    case TM_FORM_ID:
        return first != '-';
    case TM_FORM_SYMBOL:
        part->use = TM_SHAPE_TEXT;
        return true;
    case TM_FORM_BUYER_MAKER:
        part->use = TM_SHAPE_FIXED;
        return true;
    default:
        return false;
    }
}

/* All scalars of the walked message, those of declared fields last and in the order of the fields,
   as the other paths store them. Returns how many; 0 where it does not suit. */
static uint32_t shape_parts(const tm_parser_t *p, const tm_kind_t *kind, const tm_market_row_t *row,
                            tm_shape_part_t parts[TM_WALK_SCALAR_MAX])
{
    const tm_walk_t *w = &p->message.walk;
    const tm_members_t *members = tm_message_only(&p->message);
    const tm_value_t *tag = &members->at[p->dialect.tag_key];
    bool tagged = members->present >> p->dialect.tag_key & 1;
    /* A symbol that is no field of the event was told by other text around it. */
    bool told = kind->symbol_key == TM_KEY_NONE && row->row.symbol != TM_SYMBOL_NONE;
    uint64_t declared = 0; /* scalars that are fields */
    uint32_t cnt = 0, tail = w->scalar_cnt;
    if (w->scalar_cnt > TM_WALK_SCALAR_MAX) return 0;
    for (uint32_t f = kind->decl->field_cnt; f-- > 0;) {
        uint32_t key = kind->field_key[f], i = 0;
        if (!(members->present >> key & 1) || members->at[key].type == TM_VALUE_NULL) continue;
        while (i < w->scalar_cnt && w->scalars[i].from != members->at[key].from) i++;
        if (i == w->scalar_cnt || (declared >> i & 1)) return 0;
        declared |= 1ull << i;
        parts[--tail] = (tm_shape_part_t){.value = w->scalars[i]};
        if (!field_part(&parts[tail], w->bytes, &kind->decl->fields[f])) return 0;
    }
    for (uint32_t i = 0; i < w->scalar_cnt; i++) {
        if (declared >> i & 1) continue;
        bool fixed = told || (tagged && w->scalars[i].from == tag->from);
        parts[cnt++] = (tm_shape_part_t){.value = w->scalars[i],
                                         .use = fixed ? TM_SHAPE_FIXED : TM_SHAPE_FREE};
    }
    return w->scalar_cnt;
}

/* Makes a shape of a message that has given `row`, its one event being of `kind`. */
static void learn_shape(tm_parser_t *p, const tm_frame_t *frame, const tm_kind_t *kind,
                        const tm_market_row_t *row)
{
    tm_walk_t *w = &p->message.walk;
    tm_shape_part_t parts[TM_WALK_SCALAR_MAX];
    tm_walk_start(w, p->kernels, &p->dialect, frame->data, frame->sz, p->at + 1);
    w->noting = true;
    if (tm_walk_peek(w) != '{' || tm_walk_object(w, &p->message.outer, &p->message.event)) return;
    uint32_t cnt = shape_parts(p, kind, row, parts);
    if (cnt == 0) return;
    const tm_shape_message_t message = {.key = p->kernels->shape_key(frame->data, frame->sz),
                                        .bytes = frame->data,
                                        .sz = frame->sz,
                                        .part_cnt = cnt,
                                        .parts = parts,
                                        .image = row};
    tm_shape_t *s = tm_shapes_learn(&p->shapes, &message);
    if (!s) return;
    s->owner = kind;
    s->note = 1;
    for (uint32_t i = 0; i < cnt; i++)
        if (parts[i].use == TM_SHAPE_NUMBER && parts[i].off == offsetof(tm_row_t, event_ns))
            s->note = 0;
}

/* Follows the sequence numbers of a connection. One that starts anew begins at 0. */
static void sequence_see(tm_parser_t *p, uint32_t conn_idx, uint64_t seq)
{
    uint64_t *next = &p->seqs[conn_idx % SEQ_CONN_MAX];
    if (*next != 0 && seq != 0 && seq != *next) tm_counter_add(p->seq_gaps, 1);
    *next = seq + 1;
}

static uint32_t any_order(tm_parser_t *p, const tm_frame_t *frame, tm_market_row_t *rows,
                          uint32_t cap)
{
    tm_message_out_t *o = &p->message.out;
    o->rows = rows;
    o->cap = cap < TM_PARSER_ROW_MAX ? cap : TM_PARSER_ROW_MAX;
    tm_reason_t reason = tm_message_read(&p->message, frame);
    p->only_kind = NULL;
    p->one_event = false;
    tm_counter_add(p->any_order, 1);
    if (reason) {
        tm_counter_add(p->dead, 1);
        tm_counter_add(p->reasons[reason], 1);
        uint32_t bad_off = p->message.walk.bad_off;
        const tm_dead_letter_t letter = {frame, reason, bad_off};
        tm_dead_letters_add(p->letters, frame, reason, bad_off);
        if (p->on_dead_letter) p->on_dead_letter(p->on_dead_letter_ctx, &letter);
        return 0;
    }
    if (o->has_seq) sequence_see(p, frame->conn_idx, o->seq);
    uint32_t event_cnt = 0;
    for (uint32_t k = 0; k < p->dialect.kind_cnt; k++) {
        event_cnt += o->kind_cnts[k];
        if (o->kind_cnts[k]) tm_counter_add(p->kinds[k], o->kind_cnts[k]);
    }
    p->one_event = event_cnt == 1 && o->event_cnt == 1;
    if (p->one_event && o->kind->plain) p->only_kind = o->kind;
    return o->line_cnt;
}

static inline uint32_t taken(tm_parser_t *p, const tm_kind_t *kind, tm_counter_t *path)
{
    tm_counter_add(path, 1);
    tm_counter_add(p->kinds[kind->idx], 1);
    return kind->schema_id != 0;
}

/* The fast path in one kernel. NULL where the message has to take another one. */
static inline const tm_kind_t *take_stencil(tm_parser_t *p, const tm_frame_t *frame,
                                            tm_market_row_t *row)
{
    tm_stencil_taken_t got = {.row = row};
    const tm_stencil_t *s = p->kernels->take(&p->stencils, frame->data, frame->sz, frame->recv_ns,
                                             &got);
    if (TM_UNLIKELY(!s)) return NULL;
    if (got.symbol_sz == 0) return s->kind;
    row->row.symbol = tm_symbol_cache_find(&p->symbols, got.symbol[0], got.symbol[1],
                                           (const uint8_t *)got.symbol, got.symbol_sz);
    return row->row.symbol == TM_SYMBOL_NONE ? NULL : s->kind;
}

/* The fast path of messages of any size, levels and all. -1 where the message has to take another
   one. p->at lists its quotes. */
static int32_t take_layout(tm_parser_t *p, const tm_frame_t *frame, uint32_t quote_cnt,
                           tm_market_row_t *rows, uint32_t cap)
{
    tm_layout_match_t match;
    const tm_layout_t *l = tm_layouts_match(&p->layouts, frame->data, p->at, quote_cnt, &match);
    if (!l) l = tm_layouts_match_book(&p->layouts, frame->data, p->at, quote_cnt, &match);
    tm_numeral_t seq = {0};
    if (!l) return -1;
    if (l->has_seq && (tm_numeral_read(frame->data + match.seq.from, match.seq.to - match.seq.from,
                                       0, true, &seq) ||
                       seq.negative))
        return -1;
    int32_t cnt = tm_layout_rows(&p->message.ctx, l, &match, frame, rows, cap);
    if (cnt < 0) return cnt;
    if (l->has_seq) sequence_see(p, frame->conn_idx, seq.magnitude);
    tm_counter_add(p->fast, 1);
    tm_counter_add(p->kinds[l->kind->idx], 1);
    p->only_kind = l->kind->plain && l->term_cnt == 0 ? l->kind : NULL;
    return cnt;
}

/* What the one-kernel path does not take. */
static uint32_t parse(tm_parser_t *p, const tm_frame_t *frame, tm_market_row_t *rows, uint32_t cap)
{
    const uint8_t *bytes = frame->data;
    tm_scan_t scan = {0};
    bool small = frame->sz <= TM_LAYOUT_SZ_MAX && cap > 0;
    uint32_t cnt = 0;
    if (small) {
        cnt = p->kernels->quotes(bytes, frame->sz, &scan, p->at + 1);
        p->at[cnt + 1] = (uint16_t)frame->sz;
        if (!scan.odd && !p->any_order_only) {
            int32_t line_cnt = take_layout(p, frame, cnt, rows, cap);
            if (line_cnt >= 0) return (uint32_t)line_cnt;
        }
    }
    tm_walk_start(&p->message.walk, p->kernels, &p->dialect, bytes, frame->sz, p->at + 1);
    if (small) tm_walk_scanned(&p->message.walk, cnt, scan.odd);
    uint32_t line_cnt = any_order(p, frame, rows, cap);
    const tm_message_out_t *o = &p->message.out;
    bool known = small && bytes[0] == '{' && !scan.odd && !p->any_order_only;
    if (known && p->one_event && tm_layout_suits(o->kind)) learn(p, frame, o->kind);
    return line_cnt;
}

/* The paths that know the message's form. NULL where it has to take another one. */
static inline const tm_kind_t *take_shape(tm_parser_t *p, const tm_frame_t *frame,
                                          tm_market_row_t *row)
{
    const tm_shape_t *s = p->kernels->shape_take(&p->shapes, frame->data, frame->sz, row);
    if (TM_UNLIKELY(!s)) return NULL;
    row->row.recv_ns = frame->recv_ns;
    if (s->note) row->row.event_ns = frame->recv_ns;
    p->shapes.found_cnt++;
    if (s->text_cnt == 0) return s->owner;
    row->row.symbol = tm_symbol_cache_get(&p->symbols, frame->data + s->texts[0].from,
                                          s->texts[0].sz);
    return row->row.symbol == TM_SYMBOL_NONE ? NULL : s->owner;
}

static uint32_t parse_slowly(tm_parser_t *p, const tm_frame_t *frame, tm_market_row_t *rows,
                             uint32_t cap, bool learning)
{
    const tm_kind_t *kind = NULL;
    uint32_t row_cnt;
    p->only_kind = NULL;
    if (p->stencils_on && frame->sz <= TM_STENCIL_SZ_MAX && cap > 0)
        kind = take_stencil(p, frame, rows);
    if (kind) {
        row_cnt = taken(p, kind, p->fast);
    } else {
        row_cnt = parse(p, frame, rows, cap);
        kind = p->only_kind;
    }
    if (learning && kind && row_cnt == (kind->schema_id != 0) && tm_shapes_may_learn(&p->shapes))
        learn_shape(p, frame, kind, rows);
    return row_cnt;
}

uint32_t tm_parser_frame(tm_parser_t *parser, const tm_frame_t *frame, tm_market_row_t *rows,
                         uint32_t cap)
{
    bool shapes = parser->shapes_on && cap > 0 && tm_shapes_wanted(&parser->shapes, frame->sz);
    if (TM_LIKELY(shapes)) {
        const tm_kind_t *kind = take_shape(parser, frame, rows);
        if (TM_LIKELY(kind != NULL)) return taken(parser, kind, parser->shape);
    }
    return parse_slowly(parser, frame, rows, cap, shapes);
}

int tm_parser_dead_letters_write(const tm_parser_t *parser, FILE *out)
{
    return tm_dead_letters_write(parser->letters, out);
}
