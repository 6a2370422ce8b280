#include "parse/layout.h"

/* Bytes a check may reach past the quote it counts from: the padding of a frame. */
enum { REACH_MAX = TM_FRAME_PAD };

static bool checks_hold(const tm_layout_t *l, const uint8_t *bytes, const uint16_t *at)
{
    /* The checks are counted from quotes, so this says that nothing follows the last of them. */
    int32_t tail = at[l->quote_cnt + 1] - at[l->quote_cnt];
    uint64_t differ = l->tail != 0 && l->tail != tail;
    const tm_layout_check_t *end = l->checks + l->check_cnt;
    for (const tm_layout_check_t *c = l->checks; c < end; c++)
        differ |= (tm_swar_load(bytes + at[c->quote] + c->distance) ^ c->text) & c->mask;
    return differ == 0;
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

const tm_layout_t *tm_layouts_match(const tm_layouts_t *layouts, const uint8_t *bytes,
                                    const uint16_t *at, uint32_t cnt, tm_layout_match_t *match)
{
    if (cnt > TM_LAYOUT_QUOTE_MAX) return NULL;
    for (uint32_t way = 0; way < TM_LAYOUT_WAYS; way++) {
        uint32_t idx = layouts->ways[cnt][way];
        if (idx == 0) break;
        const tm_layout_t *l = &layouts->layouts[idx - 1];
        if (!checks_hold(l, bytes, at)) continue;
        if (holes_find(l, at, match) && flags_read(l, bytes, at, match)) return l;
    }
    return NULL;
}

/* A layout in the making: the place up to which it is covered, and the quote it is told from. */
typedef struct learner {
    tm_layout_t *layout;
    const uint8_t *bytes;
    const uint16_t *at;
    uint32_t pos;
    uint32_t quote; /* its ordinal; may lie behind pos, where a bare value has ended */
} learner_t;

static int32_t distance(const learner_t *t, uint32_t pos)
{
    return (int32_t)pos - (int32_t)t->at[t->quote];
}

/* Covers the bytes up to `to` with checks. */
static bool learn_text(learner_t *t, uint32_t to)
{
    tm_layout_t *l = t->layout;
    while (t->pos < to) {
        uint32_t sz = to - t->pos < 8 ? to - t->pos : 8;
        /* A quote that the checks so far have proved to be where it is may take over. */
        if (distance(t, t->pos) > REACH_MAX / 2)
            while (t->quote < l->quote_cnt && t->at[t->quote + 1] < t->pos) t->quote++;
        if (distance(t, t->pos) > REACH_MAX - 8 || l->check_cnt == TM_LAYOUT_CHECK_MAX)
            return false;
        tm_layout_check_t *c = &l->checks[l->check_cnt++];
        c->mask = tm_swar_low(sz);
        c->text = tm_swar_load(t->bytes + t->pos) & c->mask;
        c->quote = (uint8_t)t->quote;
        c->distance = (int16_t)distance(t, t->pos);
        t->pos += sz;
    }
    return true;
}

/* Leaves a hole where a value stands. False where no quotes tell its place. */
static bool learn_hole(learner_t *t, const tm_value_t *v, tm_layout_hole_t *hole)
{
    /* The last bare value has ended before the next quote; so has this one to begin behind it. */
    if (v->from < t->at[t->quote] || !learn_text(t, v->from)) return false;
    if (distance(t, v->from) > REACH_MAX - 8) return false;
    hole->from_quote = (uint8_t)t->quote;
    hole->from_distance = (int16_t)distance(t, v->from);
    while (t->quote <= t->layout->quote_cnt && t->at[t->quote] < v->to) t->quote++;
    t->pos = v->to;
    hole->to_quote = (uint8_t)t->quote;
    hole->to_distance = (int16_t)distance(t, v->to);
    /* Even in a message of nothing but quotes the place then lies inside of it. */
    return -hole->to_distance < (int32_t)t->quote;
}

/* The field whose value this is, or TM_EVENT_FIELD_NONE. */
static uint8_t field_of(const tm_kind_t *kind, const tm_members_t *members, const tm_value_t *v)
{
    for (uint8_t i = 0; i < kind->decl->field_cnt; i++) {
        uint32_t key = kind->field_key[i];
        if ((members->present >> key & 1) && members->at[key].from == v->from) return i;
    }
    return TM_EVENT_FIELD_NONE;
}

static bool learn_number(tm_layout_t *l, uint8_t field_idx, const tm_layout_hole_t *hole,
                         bool integer, bool quoted)
{
    /* In the order of the fields, as the any-order path stores them; undeclared ones last. */
    uint32_t i = l->numeral_cnt;
    if (i == TM_NUMERAL_CNT_MAX) return false;
    for (; i > 0 && l->fields[i - 1] > field_idx; i--) {
        l->fields[i] = l->fields[i - 1];
        l->numerals[i] = l->numerals[i - 1];
    }
    uint32_t below = (1u << i) - 1, bit = 1u << i;
    l->integers = (uint16_t)((l->integers & below) | (integer ? bit : 0) |
                             (l->integers & ~below) << 1);
    l->quoted = (uint16_t)((l->quoted & below) | (quoted ? bit : 0) | (l->quoted & ~below) << 1);
    l->fields[i] = field_idx;
    l->numerals[i] = *hole;
    l->numeral_cnt++;
    return true;
}

static bool learn_value(learner_t *t, const tm_kind_t *kind, const tm_members_t *members,
                        const tm_value_t *v)
{
    tm_layout_t *l = t->layout;
    uint8_t idx = field_of(kind, members, v);
    const tm_venue_field_t *field = idx == TM_EVENT_FIELD_NONE ? NULL : &kind->decl->fields[idx];
    tm_layout_hole_t hole;
    if (v->type == TM_VALUE_NULL) return true; /* stays text */
    if (!learn_hole(t, v, &hole)) return false;
    if (v->type == TM_VALUE_TRUE || v->type == TM_VALUE_FALSE) {
        if (l->flag_cnt == TM_LAYOUT_FLAG_MAX) return false;
        l->flag_fields[l->flag_cnt] = idx;
        l->flags[l->flag_cnt++] = hole;
        return true;
    }
    bool quoted = v->type == TM_VALUE_STRING;
    if (!field && quoted) return true; /* any string */
    if (field && field->form == TM_FORM_SYMBOL) {
        l->symbol_quote = (uint8_t)(hole.to_quote - 1);
        return true;
    }
    bool integer = field ? field->form != TM_FORM_DECIMAL
                         : !memchr(t->bytes + v->from, '.', v->to - v->from);
    return learn_number(l, idx, &hole, integer, quoted);
}

static bool learn(tm_layout_t *l, const tm_walk_t *walk, const uint16_t *at, const tm_kind_t *kind,
                  const tm_members_t *members)
{
    learner_t t = {.layout = l, .bytes = walk->bytes, .at = at};
    uint32_t tag_key = walk->dialect->tag_key;
    bool tagged = members->present >> tag_key & 1;
    *l = (tm_layout_t){.kind = kind, .quote_cnt = (uint8_t)walk->at_cnt};
    for (uint32_t i = 0; i < walk->scalar_cnt; i++) {
        const tm_value_t *v = &walk->scalars[i];
        if (tagged && v->from == members->at[tag_key].from) continue; /* makes the kind: text */
        if (!learn_value(&t, kind, members, v)) return false;
    }
    if (t.quote <= walk->at_cnt) l->tail = (int16_t)(walk->sz - at[walk->at_cnt]);
    return learn_text(&t, walk->sz);
}

/* A slot of the table that is reachable by its number of quotes; its old layout is forgotten. */
static uint32_t slot_take(tm_layouts_t *s, uint32_t quote_cnt)
{
    uint32_t idx = s->cnt++ % TM_LAYOUT_CNT_MAX;
    uint8_t *old = s->ways[s->layouts[idx].quote_cnt], *ways = s->ways[quote_cnt];
    for (uint32_t i = 0; i < TM_LAYOUT_WAYS; i++) {
        if (old[i] != idx + 1) continue;
        /* Ways are filled from the front: the last one closes the gap. */
        uint32_t last = TM_LAYOUT_WAYS - 1;
        while (last > i && old[last] == 0) last--;
        old[i] = old[last];
        old[last] = 0;
    }
    uint32_t way = 0;
    while (way < TM_LAYOUT_WAYS && ways[way] != 0) way++;
    if (way == TM_LAYOUT_WAYS) way = idx % TM_LAYOUT_WAYS;
    ways[way] = (uint8_t)(idx + 1);
    return idx;
}

/* A form that does not suit is asked about again and again, so every question costs. */
bool tm_layouts_may_learn(tm_layouts_t *layouts)
{
    if (layouts->ration > 0) {
        layouts->ration--;
        return false;
    }
    layouts->ration = layouts->asked_cnt++ < TM_LAYOUT_CNT_MAX / 2 ? 0 : TM_LAYOUT_RATION;
    return true;
}

int32_t tm_layouts_learn(tm_layouts_t *layouts, const tm_walk_t *walk, const uint16_t *at,
                         const tm_kind_t *kind, const tm_members_t *members)
{
    if (walk->scalar_cnt > TM_LAYOUT_SCALAR_MAX || walk->at_cnt > TM_LAYOUT_QUOTE_MAX) return -1;
    tm_layout_t made;
    if (!learn(&made, walk, at, kind, members)) return -1;
    uint32_t idx = slot_take(layouts, walk->at_cnt);
    layouts->layouts[idx] = made;
    return (int32_t)idx;
}
