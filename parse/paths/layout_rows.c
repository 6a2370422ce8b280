#include "parse/paths/layout.h"
#include "parse/paths/levels.h"

/* What a match tells of the row. */
static bool numbers_store(const tm_event_ctx_t *ctx, const tm_layout_t *l,
                          const tm_layout_match_t *m, const uint8_t *bytes, tm_market_row_t *row)
{
    const tm_venue_kind_t *decl = l->kind->decl;
    if (tm_event_numbers(ctx->kernels, decl, bytes, &m->numerals, l->fields, row)) return false;
    for (uint32_t i = 0; i < l->flag_cnt; i++) {
        if (l->flag_fields[i] == TM_EVENT_FIELD_NONE) continue;
        *((uint8_t *)row + decl->fields[l->flag_fields[i]].off) = m->flags >> i & 1 ? TM_SIDE_SELL
                                                                                    : TM_SIDE_BUY;
    }
    return true;
}

/* The symbol comes last, so that a message with a fault leaves nothing in the symbol table. */
static bool plain_row(const tm_event_ctx_t *ctx, const tm_layout_t *l, const tm_layout_match_t *m,
                      const tm_frame_t *frame, tm_market_row_t *row)
{
    tm_event_start(l->kind, frame->recv_ns, row);
    if (!numbers_store(ctx, l, m, frame->data, row)) return false;
    if (!l->symbol_quote) return true;
    row->row.symbol = tm_symbol_cache_get(ctx->symbols, frame->data + m->symbol.from,
                                          m->symbol.to - m->symbol.from);
    return row->row.symbol != TM_SYMBOL_NONE;
}

/* Whether a bare value is a number as JSON has them; what reads it may also take other text. */
static bool is_number(const uint8_t *text, uint32_t sz)
{
    tm_numeral_t n;
    return tm_numeral_read(text, sz, 0, true, &n) != TM_REASON_NUMBER;
}

static bool row_with_terms(const tm_event_ctx_t *ctx, const tm_layout_t *l,
                           const tm_layout_match_t *m, const tm_frame_t *frame,
                           tm_market_row_t *row)
{
    tm_event_fill_t fill;
    tm_event_fill_start(&fill, ctx, l->kind, frame, row);
    if (!numbers_store(ctx, l, m, frame->data, row)) return false;
    for (uint32_t i = 0; i < l->term_cnt; i++) {
        const tm_value_t *v = &m->terms[i];
        if (!l->terms[i].quoted && !is_number(frame->data + v->from, v->to - v->from)) return false;
        if (tm_event_fill_value(&fill, l->terms[i].field, v)) return false;
    }
    return !tm_event_fill_symbol(&fill);
}

/* Rows of the levels behind that of the head, by the order of the declaration. */
static bool level_rows(const tm_event_ctx_t *ctx, const tm_layout_t *l, const tm_layout_match_t *m,
                       tm_market_row_t *rows)
{
    const tm_venue_kind_t *decl = l->kind->decl;
    tm_market_row_t blank;
    uint32_t cnt = 0;
    tm_levels_blank(&blank, &rows->depth);
    for (uint32_t i = 0; i < decl->level_cnt; i++) {
        for (uint32_t k = 0; k < l->levels_cnt; k++) {
            if (l->levels[k].idx != i || m->runs[k].cnt == 0) continue;
            tm_level_rows_t out = {.blank = &blank, .rows = rows + 1 + cnt};
            blank.level.side = decl->levels[i].side;
            if (tm_level_run_read(ctx->kernels, &decl->levels[i], &m->runs[k], &out)) return false;
            cnt += m->runs[k].cnt;
        }
    }
    tm_levels_end(&rows->depth, rows + 1, cnt);
    return true;
}

int32_t tm_layout_rows(const tm_event_ctx_t *ctx, const tm_layout_t *layout,
                       const tm_layout_match_t *match, const tm_frame_t *frame,
                       tm_market_row_t *rows, uint32_t cap)
{
    bool fine = layout->term_cnt ? row_with_terms(ctx, layout, match, frame, rows)
                                 : plain_row(ctx, layout, match, frame, rows);
    if (!fine) return -1;
    if (layout->kind->schema_id == 0) return 0;
    if (layout->levels_cnt == 0) return 1;
    if (match->level_cnt >= cap || !level_rows(ctx, layout, match, rows)) return -1;
    return 1 + (int32_t)match->level_cnt;
}
