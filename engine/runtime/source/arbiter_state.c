/* What a checkpoint keeps of an arbiter: connections, feeds, and one entry a track with its holes,
   recent ids or place in a chain. Counters are not part of it: they tell of this process. */
#include "base/error.h"
#include "engine/runtime/source/arbiter_private.h"

#include <string.h>

enum { VERSION = 1 };

typedef struct head_mark {
    uint32_t version, track_cnt;
    struct conn_mark {
        uint16_t group;
        uint8_t known, lane;
    } conns[TM_ARBITER_CONN_MAX];
    struct group_mark {
        uint32_t live;
        uint8_t up_cnt, trade_rule, quote_rule, unused;
    } groups[TM_ARBITER_GROUP_MAX];
} head_mark_t;

typedef struct track_mark {
    uint32_t symbol;
    uint16_t group, schema;
    uint32_t rule, cnt; /* holes, or recent ids, that follow */
    uint64_t lane_last[TM_ARBITER_LANE_MAX];
    uint64_t last;
    uint64_t from,
        before; /* dense: base, forgotten; chains: where the run begins, and ends before */
    int64_t since_ns;
    uint32_t next; /* sparse: where the next recent id goes */
    uint8_t started, waits, unused[2];
} track_mark_t;

typedef struct hole_mark {
    uint64_t from, to;
    int64_t since_ns;
    uint64_t told;
} hole_mark_t;

static_assert(sizeof(head_mark_t) == 8 + 4 * TM_ARBITER_CONN_MAX + 8 * TM_ARBITER_GROUP_MAX, "");
static_assert(sizeof(track_mark_t) == 120 && sizeof(hole_mark_t) == 32, "no padding");
static_assert(sizeof(track_mark_t) + TM_ID_HOLE_MAX * sizeof(hole_mark_t) <=
                  TM_ARBITER_TRACK_SZ_MAX,
              "the limit that the header names");

/* ---- save ------------------------------------------------------------------------------------ */

static int dense_save(const tm_id_set_t *set, track_mark_t *mark, tm_buffer_t *out)
{
    mark->cnt = set->hole_cnt;
    mark->started = set->started;
    mark->last = set->last;
    mark->from = set->base;
    mark->before = set->forgotten;
    TM_TRY(tm_buffer_append(out, mark, sizeof *mark));
    for (uint32_t i = 0; i < set->hole_cnt; i++) {
        const tm_id_hole_t *h = &set->holes[i];
        const hole_mark_t hole = {h->from, h->to, h->since_ns, h->told};
        TM_TRY(tm_buffer_append(out, &hole, sizeof hole));
    }
    return 0;
}

static int track_save(const track_t *t, tm_buffer_t *out)
{
    track_mark_t mark = {
        .symbol = t->symbol, .group = t->group, .schema = t->schema, .rule = t->rule};
    memcpy(mark.lane_last, t->lane_last, sizeof mark.lane_last);
    if (t->rule == TM_ID_DENSE) return dense_save(&t->set, &mark, out);
    if (t->rule == TM_ID_SPARSE) {
        mark.cnt = t->recent.cnt;
        mark.next = t->recent.next;
        mark.last = t->recent.last;
        TM_TRY(tm_buffer_append(out, &mark, sizeof mark));
        return tm_buffer_append(out, t->recent.ids, mark.cnt * sizeof t->recent.ids[0]);
    }
    mark.last = t->chain.last;
    mark.from = t->chain.run_first;
    mark.before = t->chain.run_prev;
    mark.since_ns = t->chain.since_ns;
    mark.started = t->chain.started;
    mark.waits = t->chain.waits;
    return tm_buffer_append(out, &mark, sizeof mark);
}

int tm_arbiter_save(const tm_arbiter_t *a, tm_buffer_t *out)
{
    head_mark_t head = {.version = VERSION, .track_cnt = a->track_cnt};
    for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++)
        head.conns[i] = (struct conn_mark){
            .group = a->conns[i].group, .known = a->conns[i].known, .lane = a->conns[i].lane};
    for (uint32_t i = 0; i < TM_ARBITER_GROUP_MAX; i++)
        head.groups[i] = (struct group_mark){.live = a->groups[i].live,
                                             .up_cnt = (uint8_t)a->groups[i].up_cnt,
                                             .trade_rule = a->groups[i].trade_rule,
                                             .quote_rule = a->groups[i].quote_rule};
    TM_TRY(tm_buffer_append(out, &head, sizeof head));
    for (uint32_t i = 0; i < a->track_cnt; i++) TM_TRY(track_save(&a->tracks[i], out));
    return 0;
}

/* ---- restore --------------------------------------------------------------------------------- */

typedef struct cursor {
    const uint8_t *at;
    size_t left;
} cursor_t;

static bool take(cursor_t *c, void *out, size_t sz)
{
    if (c->left < sz) return false;
    memcpy(out, c->at, sz);
    c->at += sz;
    c->left -= sz;
    return true;
}

static bool head_take(tm_arbiter_t *a, const head_mark_t *head)
{
    for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++) {
        const struct conn_mark *c = &head->conns[i];
        if (c->group >= TM_ARBITER_GROUP_MAX || c->lane >= TM_ARBITER_LANE_MAX) return false;
        a->conns[i] = (conn_t){c->known != 0, c->group, c->lane};
    }
    for (uint32_t i = 0; i < TM_ARBITER_GROUP_MAX; i++) {
        const struct group_mark *g = &head->groups[i];
        if (g->live >> TM_ARBITER_LANE_MAX || g->up_cnt > 2 || g->trade_rule > TM_ID_CHAIN ||
            g->quote_rule > TM_ID_CHAIN)
            return false;
        a->groups[i] = (group_t){g->live, g->up_cnt, g->trade_rule, g->quote_rule};
    }
    return head->track_cnt <= TM_ARBITER_TRACK_MAX;
}

/* Holes lie between the first and the last id, one behind the other. */
static bool dense_take(tm_id_set_t *set, const track_mark_t *mark, cursor_t *c)
{
    if (mark->cnt > TM_ID_HOLE_MAX || mark->from > mark->last) return false;
    *set = (tm_id_set_t){.base = mark->from,
                         .last = mark->last,
                         .forgotten = mark->before,
                         .hole_cnt = mark->cnt,
                         .started = mark->started != 0};
    uint64_t behind = mark->from;
    for (uint32_t i = 0; i < mark->cnt; i++) {
        hole_mark_t h;
        if (!take(c, &h, sizeof h) || h.from <= behind || h.to < h.from || h.to >= mark->last)
            return false;
        set->holes[i] = (tm_id_hole_t){h.from, h.to, h.since_ns, h.told != 0};
        set->untold_cnt += h.told == 0;
        behind = h.to;
    }
    return true;
}

static bool track_take(tm_arbiter_t *a, cursor_t *c)
{
    track_mark_t m;
    if (!take(c, &m, sizeof m) || m.group >= TM_ARBITER_GROUP_MAX || m.rule == TM_ID_NONE ||
        m.rule > TM_ID_CHAIN)
        return false;
    const uint32_t at = tm_arbiter_place(a, m.symbol, m.group, m.schema);
    if (a->table[at]) return false;
    track_t *t = tm_arbiter_track_add(a, at, m.symbol, m.group, m.schema);
    t->rule = (tm_id_rule_t)m.rule;
    memcpy(t->lane_last, m.lane_last, sizeof t->lane_last);
    if (t->rule == TM_ID_DENSE) {
        if (!dense_take(&t->set, &m, c)) return false;
        tm_arbiter_watch(a, t);
        return true;
    }
    if (t->rule == TM_ID_SPARSE) {
        t->recent = (recent_t){.last = m.last, .cnt = m.cnt, .next = m.next};
        return m.cnt <= TM_ARBITER_RECENT && m.next < TM_ARBITER_RECENT &&
               take(c, t->recent.ids, m.cnt * sizeof t->recent.ids[0]);
    }
    t->chain = (chain_t){.last = m.last,
                         .run_first = m.from,
                         .run_prev = m.before,
                         .started = m.started != 0,
                         .waits = m.waits != 0,
                         .since_ns = m.since_ns};
    return m.cnt == 0;
}

int tm_arbiter_restore(tm_arbiter_t *a, const void *bytes, size_t sz)
{
    cursor_t c = {bytes, sz};
    head_mark_t head;
    if (c.left >= sizeof head.version) memcpy(&head.version, bytes, sizeof head.version);
    if (c.left >= sizeof head.version && head.version != VERSION)
        return tm_error_set(TM_E_CONFIG,
                            "the checkpoint knows what had come in version %u, this build reads %d",
                            head.version, VERSION);
    bool good = take(&c, &head, sizeof head) && head_take(a, &head);
    for (uint32_t i = 0; good && i < head.track_cnt; i++) good = track_take(a, &c);
    if (good && c.left == 0) return 0;
    return tm_error_set(TM_E_CORRUPT, "what had come of a feed: not to be read at byte %zu of %zu",
                        sz - c.left, sz);
}
