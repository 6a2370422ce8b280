#include "parse/paths/layout.h"

static inline bool checks_hold(const tm_layout_t *l, uint32_t from, uint32_t to,
                               const uint8_t *bytes, const uint16_t *at)
{
    uint64_t differ = 0;
    for (const tm_layout_check_t *c = l->checks + from; c < l->checks + to; c++)
        differ |= (tm_swar_load(bytes + at[c->quote] + c->distance) ^ c->text) & c->mask;
    return differ == 0;
}

/* The checks are counted from quotes, so this says that nothing follows the last of them. */
static inline bool tail_holds(const tm_layout_t *l, const uint16_t *at)
{
    return l->tail == 0 || l->tail == at[l->quote_cnt + 1] - at[l->quote_cnt];
}

/* The checks hold, so the bytes before and behind each hole are known; but two of them may overlap
   where a hole is empty, hence the test of the sizes. */
static bool holes_find(const tm_layout_t *l, const uint16_t *at, tm_layout_match_t *match)
{
    tm_numerals_t *n = &match->numerals;
    uint64_t sizes[2] = {0};
    uint32_t wrong = 0;
    n->cnt = l->numeral_cnt;
    n->integers = l->integers;
    n->quoted = l->quoted;
    memset(n->from, 0, sizeof n->from); /* kernels also read places they do not use */
    for (uint32_t i = 0; i < l->numeral_cnt; i++) {
        const tm_layout_hole_t *h = &l->numerals[i];
        uint32_t from = (uint32_t)(at[h->from_quote] + h->from_distance);
        uint32_t sz = (uint32_t)(at[h->to_quote] + h->to_distance) - from;
        wrong |= sz - 1 >= TM_LAYOUT_NUMERAL_SZ_MAX;
        sizes[i / 8] |= (uint64_t)sz << (8 * (i % 8));
        n->from[i] = from;
    }
    memcpy(n->sz, sizes, sizeof sizes);
    return !wrong;
}

static bool flags_read(const tm_layout_t *l, const uint8_t *bytes, const uint16_t *at,
                       tm_layout_match_t *match)
{
    bool fine = true;
    match->flags = 0;
    for (uint32_t i = 0; i < l->flag_cnt; i++) {
        const tm_layout_hole_t *h = &l->flags[i];
        uint32_t from = (uint32_t)(at[h->from_quote] + h->from_distance);
        uint32_t sz = (uint32_t)(at[h->to_quote] + h->to_distance) - from;
        uint64_t text = tm_swar_load(bytes + from) & tm_swar_low(5);
        bool is_true = sz == 4 && (uint32_t)text == 0x65757274u; /* "true" */
        bool is_false = sz == 5 && text == 0x65736c6166ull;      /* "false" */
        fine &= is_true | is_false;
        match->flags |= (uint32_t)is_true << i;
    }
    return fine;
}

static tm_value_t hole_value(const tm_layout_hole_t *h, const uint16_t *at, tm_value_type_t type)
{
    return (tm_value_t){.from = (uint32_t)(at[h->from_quote] + h->from_distance),
                        .to = (uint32_t)(at[h->to_quote] + h->to_distance),
                        .type = type};
}

/* The texts of the terms and of the symbol. One that is empty may count as absent, which the
   any-order path knows. */
static bool terms_find(const tm_layout_t *l, const uint16_t *at, tm_layout_match_t *match)
{
    bool fine = true;
    for (uint32_t i = 0; i < l->term_cnt; i++) {
        tm_value_t *v = &match->terms[i];
        *v = hole_value(&l->terms[i].hole, at,
                        l->terms[i].quoted ? TM_VALUE_STRING : TM_VALUE_NUMBER);
        fine &= v->to - v->from - 1 < TM_LAYOUT_TERM_SZ_MAX;
    }
    if (l->has_seq) match->seq = hole_value(&l->seq, at, TM_VALUE_NUMBER);
    if (l->symbol_quote) {
        match->symbol.from = at[l->symbol_quote] + 1u;
        match->symbol.to = at[l->symbol_quote + 1];
    }
    return fine;
}

/* Where the text holds, the places of the values. */
static inline bool values_find(const tm_layout_t *l, const uint8_t *bytes, const uint16_t *at,
                               tm_layout_match_t *match)
{
    return holes_find(l, at, match) && flags_read(l, bytes, at, match) && terms_find(l, at, match);
}

const tm_layout_t *tm_layouts_match(const tm_layouts_t *layouts, const uint8_t *bytes,
                                    const uint16_t *at, uint32_t cnt, tm_layout_match_t *match)
{
    if (cnt > TM_LAYOUT_QUOTE_MAX) return NULL;
    for (uint32_t way = 0; way < TM_LAYOUT_WAYS; way++) {
        uint32_t idx = layouts->ways[cnt][way];
        if (idx == 0) break;
        const tm_layout_t *l = &layouts->layouts[idx - 1];
        if (!tail_holds(l, at) || !checks_hold(l, 0, l->check_cnt, bytes, at)) continue;
        if (values_find(l, bytes, at, match)) return l;
    }
    return NULL;
}

/* ---- books ----------------------------------------------------------------------------------- */

/* Places copied at a time. */
enum { COPY_CNT = 16 };

/* The list of quotes without those of the levels. */
typedef struct folded {
    uint16_t at[TM_LAYOUT_QUOTE_MAX + 2 + COPY_CNT];
    uint32_t ends[TM_KIND_LEVELS_MAX]; /* behind each run; where there is none, its beginning */
} folded_t;

/* Copies places `from` to `to` - 1 and some behind them, for which there is room on both sides. */
static inline void places_copy(uint16_t *out, const uint16_t *at, uint32_t from, uint32_t to)
{
    for (; from < to; from += COPY_CNT) memcpy(out + from, at + from, COPY_CNT * sizeof *out);
}

/* Finds the runs and leaves their quotes out. at[0..cnt + 1] as for tm_layouts_match. False where
   another number of quotes is left than the layout has. */
static bool fold(const tm_layout_t *l, const uint8_t *bytes, const uint16_t *at, uint32_t cnt,
                 folded_t *folded, tm_layout_match_t *match)
{
    uint32_t sz = at[cnt + 1], left_out = 0, kept = 0;
    match->level_cnt = 0;
    for (uint32_t i = 0; i < l->levels_cnt; i++) {
        const tm_layout_hole_t *h = &l->levels[i].hole;
        /* The last quote before the array; the next one is of its first string, or behind it. */
        uint32_t last = h->to_quote - 1u + left_out;
        if (last > cnt) return false;
        places_copy(folded->at, at + left_out, kept, h->to_quote);
        kept = h->to_quote;
        uint32_t pos = (uint32_t)(at[h->from_quote + left_out] + h->from_distance);
        tm_level_run_t *run = &match->runs[i];
        run->cnt = 0;
        if (bytes[pos] == '[') tm_level_run_find(bytes, at + last + 1, cnt - last, pos, sz, run);
        folded->ends[i] = run->cnt ? tm_level_run_end(run) : pos;
        left_out += run->cnt ? run->cnt * run->stride : 0;
        match->level_cnt += run->cnt;
        const tm_venue_levels_t *decl = &l->kind->decl->levels[l->levels[i].idx];
        if (run->cnt && !tm_level_run_suits(decl, run->stride)) return false;
    }
    if (cnt - left_out != l->quote_cnt) return false;
    places_copy(folded->at, at + left_out, kept, l->quote_cnt + 2u);
    return true;
}

/* Whether each array ends where its run does. */
static bool ends_hold(const tm_layout_t *l, const folded_t *folded)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < l->levels_cnt; i++) {
        const tm_layout_hole_t *h = &l->levels[i].hole;
        wrong |= (uint32_t)(folded->at[h->to_quote] + h->to_distance) ^ folded->ends[i];
    }
    return wrong == 0;
}

static bool book_matches(const tm_layout_t *l, const uint8_t *bytes, const uint16_t *at,
                         uint32_t cnt, tm_layout_match_t *match)
{
    folded_t folded;
    if (cnt < l->quote_cnt || !checks_hold(l, 0, l->head_check_cnt, bytes, at)) return false;
    if (!fold(l, bytes, at, cnt, &folded, match) || !tail_holds(l, folded.at)) return false;
    if (!checks_hold(l, l->head_check_cnt, l->check_cnt, bytes, folded.at)) return false;
    return ends_hold(l, &folded) && values_find(l, bytes, folded.at, match);
}

const tm_layout_t *tm_layouts_match_book(tm_layouts_t *layouts, const uint8_t *bytes,
                                         const uint16_t *at, uint32_t cnt, tm_layout_match_t *match)
{
    uint32_t book_cnt = layouts->book_cnt < TM_LAYOUT_BOOK_MAX ? layouts->book_cnt
                                                               : TM_LAYOUT_BOOK_MAX;
    for (uint32_t i = 0; i < book_cnt; i++) {
        uint32_t idx = (layouts->book_last + i) % book_cnt;
        if (!book_matches(&layouts->books[idx], bytes, at, cnt, match)) continue;
        layouts->book_last = idx;
        return &layouts->books[idx];
    }
    return NULL;
}
