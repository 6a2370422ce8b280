#include "parse/paths/stencil.h"

/* A stencil in the making. */
typedef struct builder {
    const tm_layout_t *layout;
    tm_stencil_t *stencil;
    uint32_t lane_cnt, byte_cnt;
} builder_t;

static bool add_byte(builder_t *b, uint8_t quote, int32_t distance, uint8_t byte)
{
    uint32_t i = b->byte_cnt++;
    if (i >= 64 * TM_STENCIL_TEXT_MAX) return false;
    tm_stencil_text_t *t = &b->stencil->text[i / 64];
    t->quote[i % 64] = quote;
    t->distance[i % 64] = (uint8_t)distance;
    t->bytes[i % 64] = byte;
    return true;
}

static bool add_text(builder_t *b)
{
    const tm_layout_t *l = b->layout;
    for (uint32_t i = 0; i < l->check_cnt; i++) {
        const tm_layout_check_t *c = &l->checks[i];
        for (int32_t k = 0; k < 8 && c->mask >> (8 * k) & 0xff; k++)
            if (!add_byte(b, c->quote, c->distance + k, (uint8_t)(c->text >> (8 * k))))
                return false;
    }
    b->stencil->text_cnt = (uint8_t)((b->byte_cnt + 63) / 64);
    /* Fill the last vector with a byte that is compared anyway. */
    uint8_t quote = b->stencil->text[0].quote[0], byte = b->stencil->text[0].bytes[0];
    int32_t distance = b->stencil->text[0].distance[0];
    while (b->byte_cnt % 64 != 0)
        if (!add_byte(b, quote, distance, byte)) return false;
    return true;
}

typedef enum lane_form { LANE_INTEGER, LANE_DECIMAL, LANE_TEXT } lane_form_t;

static void put_lane(builder_t *b, uint32_t lane, const tm_layout_hole_t *hole, lane_form_t form)
{
    tm_stencil_group_t *g = &b->stencil->groups[lane / 4];
    uint32_t first = 16 * (lane % 4);
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t k = first + i;
        g->from_quote[k] = hole->from_quote;
        g->from_distance[k] = (uint8_t)(hole->from_distance + (int32_t)i);
        g->to_quote[k] = hole->to_quote;
        g->sz_distance[k] = (uint8_t)(hole->to_distance - hole->from_distance);
        g->shift[k] = (uint8_t)(form == LANE_DECIMAL ? (i < 8 ? i - 7 : i - 6) : i - 15);
        g->whole_max[k] = form == LANE_DECIMAL ? 6 : 15;
        g->numbers[k] = form == LANE_TEXT ? 0 : 0xff;
    }
    if (form == LANE_DECIMAL) g->decimals |= 0xffffull << first;
    if (b->stencil->group_cnt < lane / 4 + 1) b->stencil->group_cnt = (uint8_t)(lane / 4 + 1);
}

/* Returns the lane's index, or TM_STENCIL_LANE_NONE where there is no room. */
static uint8_t add_lane(builder_t *b, const tm_layout_hole_t *hole, lane_form_t form)
{
    if (b->lane_cnt == TM_STENCIL_SYMBOL_LANE && b->stencil->has_symbol) b->lane_cnt++;
    if (b->lane_cnt >= 4 * TM_STENCIL_GROUP_MAX) return TM_STENCIL_LANE_NONE;
    uint32_t lane = b->lane_cnt++;
    put_lane(b, lane, hole, form);
    return (uint8_t)lane;
}

/* Numbers in the first lanes, times before all others, so that they share the first group. */
static bool add_numbers(builder_t *b, bool declared)
{
    const tm_layout_t *l = b->layout;
    tm_stencil_t *s = b->stencil;
    uint8_t winner[8] = {0};
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < l->numeral_cnt; i++) {
            bool is_declared = l->fields[i] != TM_EVENT_FIELD_NONE;
            if (is_declared != declared) continue;
            const tm_venue_field_t *f = is_declared ? &l->kind->decl->fields[l->fields[i]] : NULL;
            bool is_time = f && f->form == TM_FORM_TIME;
            if (f && f->form == TM_FORM_LAST_ID) return false;
            if (is_time != (pass == 0)) continue;
            bool integer = l->integers >> i & 1;
            uint32_t lane = add_lane(b, &l->numerals[i], integer ? LANE_INTEGER : LANE_DECIMAL);
            if (lane == TM_STENCIL_LANE_NONE) return false;
            if (f && (f->off % 8 != 0 || lane >= 8)) return false;
            if (is_time && lane >= 4) return false;
            if (!f) continue;
            if (is_time) s->times |= (uint8_t)(1u << (2 * lane));
            /* Where two fields have one place, the one declared later wins. */
            uint32_t word = f->off / 8;
            if ((s->row_mask >> word & 1) && winner[word] > l->fields[i]) continue;
            winner[word] = l->fields[i];
            s->row_mask |= (uint8_t)(1u << word);
            s->row_words[word] = 2 * lane;
        }
    }
    return true;
}

static void add_symbol(builder_t *b)
{
    uint8_t q = b->layout->symbol_quote;
    tm_layout_hole_t hole = {.from_quote = q, .from_distance = 1, .to_quote = (uint8_t)(q + 1)};
    b->stencil->has_symbol = q != 0;
    if (q) put_lane(b, TM_STENCIL_SYMBOL_LANE, &hole, LANE_TEXT);
}

static bool add_flags(builder_t *b)
{
    const tm_layout_t *l = b->layout;
    tm_stencil_t *s = b->stencil;
    for (uint32_t i = 0; i < l->flag_cnt; i++) {
        uint32_t lane = add_lane(b, &l->flags[i], LANE_TEXT);
        uint8_t field = l->flag_fields[i];
        if (lane == TM_STENCIL_LANE_NONE) return false;
        s->flags[lane / 4] |= (uint8_t)(1u << (2 * (lane % 4)));
        if (field == TM_EVENT_FIELD_NONE) continue;
        if (s->flag_off) return false; /* the kernel knows of one side */
        s->flag_off = (uint8_t)l->kind->decl->fields[field].off;
        s->flag_bit = (uint8_t)(2 * lane);
    }
    return true;
}

static bool build(tm_stencil_t *s, const tm_layout_t *l)
{
    builder_t b = {.layout = l, .stencil = s};
    memset(s, 0, sizeof *s);
    if (l->quote_cnt > TM_STENCIL_QUOTE_MAX || l->term_cnt > 0) return false;
    s->kind = l->kind;
    s->quote_cnt = l->quote_cnt;
    memcpy(&s->blank, l->kind->blank, sizeof s->blank);
    s->tail[l->quote_cnt] = (uint8_t)l->tail;
    s->tail_mask[l->quote_cnt] = l->tail ? 0xff : 0;
    add_symbol(&b);
    return add_text(&b) && add_numbers(&b, true) && add_flags(&b) && add_numbers(&b, false);
}

void tm_stencils_update(tm_stencils_t *stencils, const tm_layouts_t *layouts, uint32_t idx)
{
    if (!build(&stencils->stencils[idx], &layouts->layouts[idx]))
        stencils->stencils[idx].kind = NULL;
    for (uint32_t cnt = 0; cnt <= TM_STENCIL_QUOTE_MAX; cnt++) {
        uint8_t *ways = stencils->ways[cnt];
        memset(ways, 0, TM_LAYOUT_WAYS);
        for (uint32_t i = 0; i < TM_LAYOUT_WAYS; i++) {
            uint8_t way = layouts->ways[cnt][i];
            if (way && stencils->stencils[way - 1].kind) *ways++ = way;
        }
    }
}
