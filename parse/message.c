#include "parse/message.h"

static const tm_members_t no_members;

static const tm_dialect_t *dialect_of(const tm_message_t *m)
{
    return m->ctx.dialect;
}

static bool is_envelope(const tm_message_t *m)
{
    uint64_t both = dialect_of(m)->envelope;
    return (m->outer.present & both) == both;
}

const tm_members_t *tm_message_outer(const tm_message_t *message)
{
    return is_envelope(message) ? &message->outer : NULL;
}

const tm_members_t *tm_message_only(const tm_message_t *message)
{
    return is_envelope(message) ? &message->event : &message->outer;
}

static tm_reason_t fail_at(tm_message_t *m, tm_reason_t reason, uint32_t off)
{
    if (reason) m->walk.bad_off = off;
    return reason;
}

/* ---- one event ------------------------------------------------------------------------------- */

/* An event and what stands around it. */
typedef struct source {
    const tm_kind_t *kind;
    const tm_members_t *outer, *event;
} source_t;

static tm_reason_t fill_head(tm_message_t *m, tm_event_fill_t *f, const source_t *s)
{
    uint32_t lines = s->kind->line_cnt;
    if (m->out.cap - m->out.line_cnt < lines) return TM_REASON_LIMIT;
    tm_event_fill_start(f, &m->ctx, s->kind, m->frame, &m->out.rows[m->out.line_cnt]);
    tm_reason_t reason = TM_REASON_NONE;
    if (s->kind->scoped_cnt[TM_SCOPE_OUTER])
        reason = tm_event_fill_scope(f, TM_SCOPE_OUTER, s->outer);
    return reason ? reason : tm_event_fill_scope(f, TM_SCOPE_EVENT, s->event);
}

/* A row of the event's own fields. */
static tm_reason_t row_single(tm_message_t *m, const source_t *s)
{
    tm_event_fill_t f;
    tm_reason_t reason = fill_head(m, &f, s);
    if (!reason) reason = tm_event_fill_symbol(&f);
    m->out.line_cnt += s->kind->line_cnt;
    return fail_at(m, reason, f.bad_off);
}

/* A row for each object of the event's part, with the event's own fields in each. */
static tm_reason_t rows_parts(tm_message_t *m, const source_t *s)
{
    tm_walk_t *w = &m->walk;
    tm_event_fill_t f;
    const tm_value_t part = s->event->at[s->kind->part_key];
    bool present = s->event->present >> s->kind->part_key & 1;
    if (!present) return fail_at(m, TM_REASON_MISSING, 0);
    bool array = part.type == TM_VALUE_ARRAY;
    if (!array && part.type != TM_VALUE_OBJECT) return fail_at(m, TM_REASON_TYPE, part.from);
    tm_walk_seek(w, part.from);
    w->pos += array;
    for (uint8_t c = tm_walk_peek(w); c != ']'; c = tm_walk_peek(w)) {
        if (c != '{') return fail_at(m, TM_REASON_TYPE, w->pos);
        tm_reason_t reason = tm_walk_object(w, &m->part, NULL);
        if (reason) return reason;
        reason = fill_head(m, &f, s);
        if (!reason) reason = tm_event_fill_scope(&f, TM_SCOPE_PART, &m->part);
        if (!reason) reason = tm_event_fill_symbol(&f);
        if (reason) return fail_at(m, reason, f.bad_off);
        m->out.line_cnt += s->kind->line_cnt;
        if (!array) break;
        if (tm_walk_peek(w) == ',') w->pos++;
    }
    return TM_REASON_NONE;
}

/* A head and a row for each level. */
static tm_reason_t rows_levels(tm_message_t *m, const source_t *s)
{
    const tm_venue_kind_t *decl = s->kind->decl;
    tm_event_fill_t f;
    tm_reason_t reason = fill_head(m, &f, s);
    if (!reason) reason = tm_event_fill_symbol(&f);
    if (reason) return fail_at(m, reason, f.bad_off);
    tm_depth_t *head = &m->out.rows[m->out.line_cnt++].depth;
    tm_levels_t l = {.ctx = &m->ctx,
                     .kind = s->kind,
                     .walk = &m->walk,
                     .rows = &m->out.rows[m->out.line_cnt],
                     .cap = m->out.cap - m->out.line_cnt};
    tm_levels_blank(&l.blank, head);
    uint32_t arrays = 0;
    for (uint32_t i = 0; i < decl->level_cnt; i++) {
        if (!(s->event->present >> s->kind->level_key[i] & 1)) continue;
        const tm_value_t array = s->event->at[s->kind->level_key[i]];
        reason = tm_levels_read(&l, &decl->levels[i], &array, &m->part);
        if (reason) return fail_at(m, reason, l.bad_off);
        arrays++;
    }
    if (arrays == 0) return fail_at(m, TM_REASON_MISSING, 0);
    m->out.line_cnt += l.cnt;
    if (decl->digits) {
        head->price_digits = l.price_digits;
        head->qty_digits = l.qty_digits;
    }
    tm_levels_end(head, l.rows, l.cnt);
    return TM_REASON_NONE;
}

static tm_reason_t rows_of(tm_message_t *m, const source_t *s)
{
    if (s->kind->schema_id == 0) return TM_REASON_NONE;
    if (s->kind->decl->level_cnt) return rows_levels(m, s);
    if (s->kind->part_key != TM_KEY_NONE) return rows_parts(m, s);
    if (!s->kind->plain) return row_single(m, s);
    if (m->out.line_cnt == m->out.cap) return TM_REASON_LIMIT;
    return tm_event_row(&m->ctx, s->kind, m->frame, s->event, &m->out.rows[m->out.line_cnt++],
                        &m->walk.bad_off);
}

/* Kinds of one tag follow one another; the first whose keys are there is it. */
static const tm_kind_t *narrow(const tm_message_t *m, const tm_kind_t *kind,
                               const tm_members_t *members)
{
    const tm_kind_t *end = dialect_of(m)->kinds + dialect_of(m)->kind_cnt;
    const tm_kind_t *k = kind;
    while (k->tag_sz && k->keys && (members->present & k->keys) != k->keys) {
        k++;
        bool same = k < end && k->tag_sz == kind->tag_sz && tm_key_equal(k->tag, kind->tag);
        if (!same) return NULL;
    }
    return k;
}

/* One object that is an event; kind: where the envelope tells it, or NULL. */
static tm_reason_t event(tm_message_t *m, const tm_kind_t *kind, const tm_members_t *members)
{
    source_t s = {.outer = is_envelope(m) || (kind && kind->decl->positional) ? &m->outer
                                                                              : &no_members,
                  .event = members};
    m->walk.bad_off = 0;
    s.kind = kind ? kind : tm_event_kind(dialect_of(m), m->frame->data, members);
    if (s.kind) s.kind = narrow(m, s.kind, members);
    if (!s.kind) return TM_REASON_UNKNOWN;
    m->out.event_cnt++;
    for (;; s.kind++) {
        m->out.kind = s.kind;
        m->out.kind_cnts[s.kind->idx]++;
        tm_reason_t reason = rows_of(m, &s);
        if (reason || !s.kind->decl->also_next) return reason;
    }
}

/* ---- forms of messages ----------------------------------------------------------------------- */

/* Nothing but white space may follow. */
static tm_reason_t finish(tm_walk_t *w)
{
    tm_walk_peek(w);
    if (w->pos == w->sz) return TM_REASON_NONE;
    w->bad_off = w->pos;
    return TM_REASON_SYNTAX;
}

/* The events of the array at `from`, which has been walked already. */
static tm_reason_t event_array(tm_message_t *m, const tm_kind_t *kind, uint32_t from)
{
    tm_walk_t *w = &m->walk;
    tm_walk_seek(w, from);
    w->pos++;
    uint8_t c = tm_walk_peek(w);
    if (c == ']') {
        if (!kind) return fail_at(m, TM_REASON_UNKNOWN, from);
        m->out.kind = kind;
        m->out.kind_cnts[kind->idx]++;
        return TM_REASON_NONE;
    }
    for (; c != ']'; c = tm_walk_peek(w)) {
        if (c != '{') return fail_at(m, TM_REASON_UNKNOWN, w->pos);
        tm_reason_t reason = tm_walk_object(w, &m->event, NULL);
        uint32_t next = w->pos;
        if (!reason) reason = event(m, kind, &m->event);
        if (reason) return reason;
        tm_walk_seek(w, next);
        if (tm_walk_peek(w) == ',') w->pos++;
    }
    return TM_REASON_NONE;
}

/* Adds the members of the object at `from` to those there are. */
static tm_reason_t members_join(tm_message_t *m, tm_members_t *to, uint32_t from)
{
    tm_walk_seek(&m->walk, from);
    tm_reason_t reason = tm_walk_object(&m->walk, &m->part, NULL);
    if (reason) return reason;
    for (uint64_t left = m->part.present; left; left &= left - 1) {
        uint32_t id = (uint32_t)__builtin_ctzll(left);
        to->at[id] = m->part.at[id];
    }
    to->present |= m->part.present;
    return TM_REASON_NONE;
}

/* The kind that the envelope's topic tells. False where it should tell one and does not. */
static bool topic_kind(tm_message_t *m, const tm_kind_t **kind)
{
    const tm_dialect_t *d = dialect_of(m);
    *kind = NULL;
    if (d->decl->topic == TM_TOPIC_PLAIN) return true;
    const tm_value_t topic = m->outer.at[d->topic_key];
    const tm_value_t *tag = &m->outer.at[d->topic_key];
    if (d->decl->topic == TM_TOPIC_ARG) {
        if (topic.type != TM_VALUE_OBJECT) return false;
        if (members_join(m, &m->outer, topic.from)) return false;
        if (!(m->outer.present >> d->topic_tag_key & 1)) return false;
        tag = &m->outer.at[d->topic_tag_key];
    }
    *kind = tm_event_kind_tagged(d, m->frame->data, tag, d->decl->topic_end, false);
    return *kind != NULL;
}

/* Notes the connection's sequence number, where the envelope has one. */
static tm_reason_t sequence(tm_message_t *m)
{
    uint32_t key = dialect_of(m)->seq_key;
    const tm_value_t *v = &m->outer.at[key];
    if (key == TM_KEY_NONE || !(m->outer.present >> key & 1)) return TM_REASON_NONE;
    tm_numeral_t n;
    if (v->type != TM_VALUE_NUMBER) return fail_at(m, TM_REASON_TYPE, v->from);
    tm_reason_t reason = tm_numeral_read(m->frame->data + v->from, v->to - v->from, 0, true, &n);
    if (!reason && n.negative) reason = TM_REASON_RANGE;
    m->out.has_seq = true;
    m->out.seq = n.magnitude;
    return fail_at(m, reason, v->from);
}

static tm_reason_t top_object(tm_message_t *m)
{
    tm_walk_t *w = &m->walk;
    tm_reason_t reason = tm_walk_object(w, &m->outer, &m->event);
    if (!reason) reason = finish(w);
    w->noting = false; /* parts of the message are gone through again */
    if (reason) return reason;
    if (!is_envelope(m)) return event(m, NULL, &m->outer);
    const tm_value_t inner = m->outer.at[dialect_of(m)->payload_key];
    const tm_kind_t *kind;
    reason = sequence(m);
    if (reason) return reason;
    if (!topic_kind(m, &kind)) return fail_at(m, TM_REASON_UNKNOWN, 0);
    if (kind && kind->schema_id == 0) {
        m->out.kind = kind;
        m->out.kind_cnts[kind->idx]++;
        m->out.event_cnt++;
        if (inner.type != TM_VALUE_OBJECT) m->event.present = 0;
        return TM_REASON_NONE;
    }
    if (inner.type == TM_VALUE_OBJECT) return event(m, kind, &m->event);
    if (inner.type != TM_VALUE_ARRAY) return fail_at(m, TM_REASON_UNKNOWN, 0);
    return event_array(m, kind, inner.from);
}

/* An array [.., {event}, .., "kind", "symbol"]: all its objects are the event. */
static tm_reason_t positional(tm_message_t *m)
{
    const tm_dialect_t *d = dialect_of(m);
    tm_walk_t *w = &m->walk;
    tm_value_t last[2] = {0};
    m->event.present = m->outer.present = 0;
    tm_walk_seek(w, 0);
    tm_walk_peek(w);
    w->pos++;
    for (uint8_t c = tm_walk_peek(w); c != ']'; c = tm_walk_peek(w)) {
        tm_reason_t reason;
        if (c == '{') {
            reason = members_join(m, &m->event, w->pos);
        } else {
            last[0] = last[1];
            reason = tm_walk_value(w, &last[1]);
        }
        if (reason) return reason;
        if (tm_walk_peek(w) == ',') w->pos++;
    }
    const tm_kind_t *kind = tm_event_kind_tagged(d, m->frame->data, &last[0], '\0', true);
    if (!kind) return fail_at(m, TM_REASON_UNKNOWN, 0);
    m->outer.present = 1ull << d->position_key;
    m->outer.at[d->position_key] = last[1];
    return event(m, kind, &m->event);
}

/* A bare word where a venue answers so. */
static bool is_pong(const tm_message_t *m)
{
    const tm_dialect_t *d = dialect_of(m);
    return d->pong && m->frame->sz == d->pong->tag_sz &&
           memcmp(m->frame->data, d->decl->pong, m->frame->sz) == 0;
}

static tm_reason_t top_other(tm_message_t *m, uint8_t c)
{
    tm_walk_t *w = &m->walk;
    tm_value_t v;
    m->outer.present = 0;
    if (is_pong(m)) {
        m->event.present = 0;
        return event(m, dialect_of(m)->pong, &m->event);
    }
    tm_reason_t reason = tm_walk_value(w, &v);
    if (!reason) reason = finish(w);
    if (reason) return reason;
    if (c != '[') return fail_at(m, TM_REASON_UNKNOWN, 0);
    return dialect_of(m)->position_key ? positional(m) : event_array(m, NULL, v.from);
}

tm_reason_t tm_message_read(tm_message_t *message, const tm_frame_t *frame)
{
    tm_message_out_t *out = &message->out;
    message->frame = frame;
    out->line_cnt = out->event_cnt = 0;
    out->kind = NULL;
    out->has_seq = false;
    memset(out->kind_cnts, 0, sizeof out->kind_cnts);
    uint8_t c = tm_walk_peek(&message->walk);
    return c == '{' ? top_object(message) : top_other(message, c);
}
