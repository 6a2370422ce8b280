#include "parse/paths/layout.h"

/* Bytes a check may reach past the quote it counts from: the padding of a frame. */
enum { REACH_MAX = TM_FRAME_PAD };

/* A layout in the making: the place up to which it is covered, and the quote it is told from. */
typedef struct learner {
    const tm_layout_lesson_t *lesson;
    tm_layout_t *layout;
    const uint8_t *bytes;
    const uint16_t *at;
    uint32_t pos;
    uint32_t quote;              /* its ordinal; may lie behind pos, where a bare value has ended */
    uint32_t field_cnt;          /* declared values met */
    uint32_t told_from, told_to; /* the text that tells the kind */
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

/* ---- values ---------------------------------------------------------------------------------- */

static const tm_members_t *scope_of(const tm_layout_lesson_t *lesson, tm_scope_t scope)
{
    if (scope == TM_SCOPE_OUTER) return lesson->outer;
    return scope == TM_SCOPE_EVENT ? lesson->event : lesson->part;
}

/* The value of a field, or NULL where the message has none. */
static const tm_value_t *field_value(const tm_layout_lesson_t *lesson, uint32_t idx)
{
    const tm_members_t *members = scope_of(lesson, lesson->kind->decl->fields[idx].scope);
    uint32_t key = lesson->kind->field_key[idx];
    return members && (members->present >> key & 1) ? &members->at[key] : NULL;
}

/* Whether the value counts as absent where it may be: such a one stays text. */
static bool is_nothing(const tm_value_t *v)
{
    return v->type == TM_VALUE_NULL || (v->type == TM_VALUE_STRING && v->from == v->to);
}

/* The field whose value this is, or TM_EVENT_FIELD_NONE. */
static uint8_t field_of(const tm_layout_lesson_t *lesson, const tm_value_t *v)
{
    for (uint8_t i = 0; i < lesson->kind->decl->field_cnt; i++) {
        const tm_value_t *value = field_value(lesson, i);
        if (value && value->from == v->from) return i;
    }
    return TM_EVENT_FIELD_NONE;
}

/* Values are stored by rising rank: those of the envelope first, then the event's, then its part's,
   each in the order of the fields; undeclared ones, which are only checked, last. */
static uint32_t rank(const tm_kind_t *kind, uint8_t field_idx)
{
    static const uint32_t scopes[] = {
        [TM_SCOPE_OUTER] = 0, [TM_SCOPE_EVENT] = 256, [TM_SCOPE_PART] = 512};
    if (field_idx == TM_EVENT_FIELD_NONE) return UINT32_MAX;
    return field_idx + scopes[kind->decl->fields[field_idx].scope];
}

static bool learn_number(tm_layout_t *l, uint8_t field_idx, const tm_layout_hole_t *hole,
                         bool integer, bool quoted)
{
    uint32_t i = l->numeral_cnt;
    if (i == TM_NUMERAL_CNT_MAX) return false;
    for (; i > 0 && rank(l->kind, l->fields[i - 1]) > rank(l->kind, field_idx); i--) {
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

static bool learn_term(tm_layout_t *l, uint8_t field_idx, const tm_layout_hole_t *hole, bool quoted)
{
    uint32_t i = l->term_cnt;
    if (i == TM_LAYOUT_TERM_MAX) return false;
    for (; i > 0 && rank(l->kind, l->terms[i - 1].field) > rank(l->kind, field_idx); i--)
        l->terms[i] = l->terms[i - 1];
    l->terms[i] = (tm_layout_term_t){*hole, field_idx, quoted};
    l->term_cnt++;
    return true;
}

/* A declared value whose text tells the kind, too, is found by its own quotes. */
static bool learn_told(learner_t *t, const tm_value_t *v, uint8_t field_idx)
{
    tm_layout_hole_t hole = {.from_distance = 1};
    tm_value_t rest = *v;
    rest.from = t->told_to;
    if (!learn_text(t, t->told_to)) return false;
    if (rest.from < rest.to) {
        tm_layout_hole_t unused;
        if (!learn_hole(t, &rest, &unused)) return false;
    }
    if (field_idx == TM_EVENT_FIELD_NONE) return true;
    while (hole.from_quote <= t->layout->quote_cnt && t->at[hole.from_quote] + 1u < v->from)
        hole.from_quote++;
    hole.to_quote = (uint8_t)(hole.from_quote + 1);
    t->field_cnt++;
    return learn_term(t->layout, field_idx, &hole, true);
}

/* Whether this is the number of the message in its connection. */
static bool is_seq(const tm_layout_lesson_t *lesson, const tm_value_t *v)
{
    uint32_t key = lesson->walk->dialect->seq_key;
    return key != TM_KEY_NONE && lesson->outer && (lesson->outer->present >> key & 1) &&
           lesson->outer->at[key].from == v->from;
}

static bool learn_value(learner_t *t, const tm_value_t *v)
{
    tm_layout_t *l = t->layout;
    const tm_kind_t *kind = l->kind;
    uint8_t idx = field_of(t->lesson, v);
    const tm_venue_field_t *field = idx == TM_EVENT_FIELD_NONE ? NULL : &kind->decl->fields[idx];
    tm_layout_hole_t hole;
    if (v->type == TM_VALUE_NULL || (field && is_nothing(v))) return true;
    if (v->from == t->told_from) return learn_told(t, v, idx);
    if (!learn_hole(t, v, &hole)) return false;
    if (is_seq(t->lesson, v)) {
        l->has_seq = true;
        l->seq = hole;
    }
    t->field_cnt += field != NULL;
    bool quoted = v->type == TM_VALUE_STRING;
    if (field && (field->form == TM_FORM_SYMBOL ? !kind->plain : field->form > TM_FORM_BUYER_MAKER))
        return v->type != TM_VALUE_TRUE && v->type != TM_VALUE_FALSE &&
               learn_term(l, idx, &hole, quoted);
    if (v->type == TM_VALUE_TRUE || v->type == TM_VALUE_FALSE) {
        if (l->flag_cnt == TM_LAYOUT_FLAG_MAX) return false;
        l->flag_fields[l->flag_cnt] = idx;
        l->flags[l->flag_cnt++] = hole;
        return true;
    }
    if (!field && quoted) return true; /* any string */
    if (field && field->form == TM_FORM_SYMBOL) {
        l->symbol_quote = (uint8_t)(hole.to_quote - 1);
        return quoted;
    }
    bool integer = field ? field->form != TM_FORM_DECIMAL
                         : !memchr(t->bytes + v->from, '.', v->to - v->from);
    return learn_number(l, idx, &hole, integer, quoted);
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* The declared array of levels that begins first behind `pos`; its index, or -1. */
static int32_t levels_behind(const tm_layout_lesson_t *lesson, uint32_t pos, tm_value_t *array)
{
    int32_t found = -1;
    for (uint32_t i = 0; i < lesson->kind->decl->level_cnt; i++) {
        uint32_t key = lesson->kind->level_key[i];
        const tm_value_t *v = &lesson->event->at[key];
        if (!(lesson->event->present >> key & 1) || v->from <= pos) continue;
        if (found >= 0 && v->from >= array->from) continue;
        *array = *v;
        found = (int32_t)i;
    }
    return found;
}

/* Leaves a hole between the brackets of each array of levels before `pos`. */
static bool learn_levels(learner_t *t, uint32_t pos)
{
    tm_layout_t *l = t->layout;
    tm_value_t array;
    int32_t idx;
    while ((idx = levels_behind(t->lesson, t->pos, &array)) >= 0 && array.from < pos) {
        if (array.type != TM_VALUE_ARRAY || array.to != array.from + 2) return false;
        array.from++;
        array.to--;
        tm_layout_levels_t *levels = &l->levels[l->levels_cnt++];
        levels->idx = (uint8_t)idx;
        if (!learn_hole(t, &array, &levels->hole)) return false;
        if (l->levels_cnt == 1) l->head_check_cnt = l->check_cnt;
    }
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What text tells the kind: the event's tag, or the envelope's topic up to where it ends. */
static void told_find(learner_t *t)
{
    const tm_dialect_t *d = t->lesson->walk->dialect;
    const tm_members_t *members = t->lesson->event;
    uint32_t key = d->tag_key;
    char end = '\0';
    if (t->lesson->outer && d->decl->topic != TM_TOPIC_PLAIN) {
        members = t->lesson->outer;
        key = d->decl->topic == TM_TOPIC_ARG ? d->topic_tag_key : d->topic_key;
        end = d->decl->topic_end;
    }
    t->told_from = UINT32_MAX;
    if (key == TM_KEY_NONE || !(members->present >> key & 1)) return;
    const tm_value_t *v = &members->at[key];
    const uint8_t *stop = end ? memchr(t->bytes + v->from, end, v->to - v->from) : NULL;
    t->told_from = v->from;
    t->told_to = stop ? (uint32_t)(stop - t->bytes) + 1 : v->to;
}

/* Numbers are stored before terms; where an event's number and an envelope's term share a place,
   that is the wrong order. */
static bool order_holds(const tm_layout_t *l)
{
    const tm_venue_field_t *fields = l->kind->decl->fields;
    for (uint32_t i = 0; i < l->term_cnt; i++)
        for (uint32_t k = 0; k < l->numeral_cnt; k++)
            if (l->fields[k] != TM_EVENT_FIELD_NONE &&
                fields[l->terms[i].field].off == fields[l->fields[k]].off)
                return false;
    return true;
}

static bool learn(tm_layout_t *l, const tm_layout_lesson_t *lesson)
{
    const tm_walk_t *w = lesson->walk;
    learner_t t = {.lesson = lesson, .layout = l, .bytes = w->bytes, .at = lesson->at};
    uint32_t wanted = 0;
    *l = (tm_layout_t){.kind = lesson->kind, .quote_cnt = (uint8_t)w->at_cnt};
    told_find(&t);
    for (uint32_t i = 0; i < w->scalar_cnt; i++)
        if (!learn_levels(&t, w->scalars[i].from) || !learn_value(&t, &w->scalars[i])) return false;
    if (!learn_levels(&t, w->sz)) return false;
    if (t.quote <= w->at_cnt) l->tail = (int16_t)(w->sz - t.at[w->at_cnt]);
    if (!learn_text(&t, w->sz)) return false;
    /* A value that is no scalar has been passed by, and an empty one that must be there, too. */
    for (uint32_t i = 0; i < lesson->kind->decl->field_cnt; i++) {
        const tm_value_t *v = field_value(lesson, i);
        wanted += v && (!is_nothing(v) || lesson->kind->decl->fields[i].required);
    }
    return t.field_cnt == wanted && order_holds(l);
}

bool tm_layout_suits(const tm_kind_t *kind)
{
    const tm_venue_kind_t *decl = kind->decl;
    if (kind->plain) return true;
    if ((decl->part && kind->schema_id == 0) || decl->digits || decl->positional || decl->also_next)
        return false;
    for (uint32_t i = 0; i < decl->level_cnt; i++)
        if (!tm_level_run_suits(&decl->levels[i], 2 * TM_LEVEL_RUN_STRING_MAX)) return false;
    return kind->line_cnt == 1 && kind->null_off == 0;
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

int32_t tm_layouts_learn(tm_layouts_t *layouts, const tm_layout_lesson_t *lesson)
{
    const tm_walk_t *w = lesson->walk;
    tm_layout_t made;
    if (w->scalar_cnt > TM_LAYOUT_SCALAR_MAX || w->at_cnt > TM_LAYOUT_QUOTE_MAX) return -1;
    if (!learn(&made, lesson)) return -1;
    if (made.levels_cnt > 0) {
        layouts->books[layouts->book_cnt++ % TM_LAYOUT_BOOK_MAX] = made;
        return -1;
    }
    uint32_t idx = slot_take(layouts, w->at_cnt);
    layouts->layouts[idx] = made;
    return (int32_t)idx;
}
