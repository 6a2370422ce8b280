#include "base/clock.h"
#include "base/error.h"
#include "engine/runtime/source/arbiter_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS  (2 * TM_NS_PER_S)
#define RESTART_SPAN (UINT64_C(1) << 20) /* ids: no connection lags behind another one by as many */

int tm_arbiter_open(tm_arbiter_t **out, const tm_arbiter_cfg_t *cfg)
{
    tm_arbiter_t *a = calloc(1, sizeof *a);
    *out = a;
    if (!a) return tm_error_set(-ENOMEM, "arbiter: out of memory");
    a->cfg = *cfg;
    if (a->cfg.patience_ns <= 0) a->cfg.patience_ns = PATIENCE_NS;
    a->pending = TM_ARBITER_NO_TRACK;
    a->copies = tm_counter_get(cfg->counters, "copies_dropped");
    a->stale = tm_counter_get(cfg->counters, "stale_ids");
    a->gaps = tm_counter_get(cfg->counters, "gaps");
    a->missing = tm_counter_get(cfg->counters, "gap_messages");
    a->filled = tm_counter_get(cfg->counters, "gap_filled");
    a->held = tm_counter_get(cfg->counters, "held_back");
    a->restarts = tm_counter_get(cfg->counters, "id_restarts");
    a->full = tm_counter_get(cfg->counters, "arbiter_full");
    a->repeats = tm_counter_get(cfg->counters, "id_repeats");
    a->unsure = tm_counter_get(cfg->counters, "ids_unsure");
    return 0;
}

void tm_arbiter_close(tm_arbiter_t *arbiter)
{
    free(arbiter);
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static void gap_tell(tm_arbiter_t *a, const track_t *t, uint64_t from, uint64_t to)
{
    const tm_gap_t gap = {.row = {.kind = TM_ROW_GAP,
                                  .symbol = t->symbol,
                                  .event_ns = TM_TIME_NONE,
                                  .recv_ns = a->now_ns},
                          .from_id = from,
                          .to_id = to,
                          .conn_idx = a->conn_idx,
                          .of_schema = t->schema,
                          .group = t->group};
    tm_counter_add(a->gaps, 1);
    tm_counter_add(a->missing, to - from + 1);
    a->cfg.gap(a->cfg.ctx, &gap);
}

/* True where every live connection has brought ids beyond `to`: none will bring it any more. */
static bool is_passed(const tm_arbiter_t *a, const track_t *t, uint64_t to)
{
    for (uint32_t live = a->groups[t->group].live; live; live &= live - 1)
        if (t->lane_last[__builtin_ctz(live)] < to) return false;
    return true;
}

/* Since when something waits: a clock that was set back lets it wait anew, but not for ever. */
static int64_t since(int64_t *since_ns, int64_t now_ns)
{
    if (now_ns < *since_ns) *since_ns = now_ns;
    return *since_ns;
}

void tm_arbiter_watch(tm_arbiter_t *a, track_t *t)
{
    if (t->set.untold_cnt == 0 || t->pending) return;
    t->pending = true;
    t->next_pending = a->pending;
    a->pending = (uint32_t)(t - a->tracks);
}

/* Tells what nobody can bring any more, or has not brought for too long: by INT64_MAX all. */
static void holes_judge(tm_arbiter_t *a, track_t *t, int64_t now_ns)
{
    for (uint32_t i = 0; t->set.untold_cnt > 0 && i < t->set.hole_cnt; i++) {
        tm_id_hole_t *hole = &t->set.holes[i];
        if (hole->told) continue;
        if (now_ns - since(&hole->since_ns, now_ns) < a->cfg.patience_ns &&
            !is_passed(a, t, hole->to))
            continue;
        hole->told = true;
        t->set.untold_cnt--;
        gap_tell(a, t, hole->from, hole->to);
    }
    tm_arbiter_watch(a, t);
}

void tm_arbiter_tick(tm_arbiter_t *a, int64_t now_ns)
{
    a->now_ns = now_ns;
    uint32_t *at = &a->pending;
    while (*at != TM_ARBITER_NO_TRACK) {
        track_t *t = &a->tracks[*at];
        holes_judge(a, t, now_ns);
        if (t->set.untold_cnt > 0) {
            at = &t->next_pending;
            continue;
        }
        t->pending = false;
        *at = t->next_pending;
    }
}

/* ---- tracks ---------------------------------------------------------------------------------- */

static uint32_t hash(uint32_t symbol, uint32_t group, uint32_t schema)
{
    uint64_t h = ((uint64_t)group << 48 | (uint64_t)schema << 32 | symbol) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 40);
}

uint32_t tm_arbiter_place(const tm_arbiter_t *a, uint32_t symbol, uint16_t group, uint16_t schema)
{
    uint32_t at = hash(symbol, group, schema) & (TM_ARBITER_TABLE_CNT - 1);
    for (; a->table[at]; at = (at + 1) & (TM_ARBITER_TABLE_CNT - 1)) {
        const track_t *t = &a->tracks[a->table[at] - 1];
        if (t->symbol == symbol && t->group == group && t->schema == schema) break;
    }
    return at;
}

track_t *tm_arbiter_track_add(tm_arbiter_t *a, uint32_t at, uint32_t symbol, uint16_t group,
                              uint16_t schema)
{
    track_t *t = &a->tracks[a->track_cnt++];
    a->table[at] = a->track_cnt;
    t->symbol = symbol;
    t->group = group;
    t->schema = schema;
    return t;
}

/* NULL where there is no room for another one, or where TM_ID_NONE makes none. */
static track_t *track_find(tm_arbiter_t *a, const tm_row_t *row, uint16_t group, tm_id_rule_t rule)
{
    const uint32_t at = tm_arbiter_place(a, row->symbol, group, row->schema_id);
    if (a->table[at]) return &a->tracks[a->table[at] - 1];
    if (a->track_cnt == TM_ARBITER_TRACK_MAX || rule == TM_ID_NONE) return NULL;
    track_t *t = tm_arbiter_track_add(a, at, row->symbol, group, row->schema_id);
    t->rule = rule;
    return t;
}

/* True where a lower id is a venue's new beginning: the first word of the only connection. */
static bool is_restart(const tm_arbiter_t *a, const track_t *t, uint32_t lane)
{
    return t->lane_last[lane] == 0 && a->groups[t->group].live == 1u << lane;
}

/* ---- the rules ------------------------------------------------------------------------------- */

/* What becomes of a row that looks like one that had come: nobody else can have brought it where
   the feed has had one connection only. Returns whether it goes on. */
static bool copy_take(tm_arbiter_t *a, const track_t *t, tm_counter_t *why)
{
    bool alone = a->groups[t->group].up_cnt < 2;
    tm_counter_add(alone ? a->repeats : why, 1);
    return alone;
}

static bool dense_take(tm_arbiter_t *a, track_t *t, uint32_t lane, uint64_t id, int64_t now_ns)
{
    tm_id_set_t *set = &t->set;
    tm_id_hole_t lost;
    if (TM_UNLIKELY(set->started && id < set->base)) {
        if (is_restart(a, t, lane)) {
            tm_counter_add(a->restarts, 1);
            holes_judge(a, t, INT64_MAX);
            tm_id_set_clear(set);
        } else if (set->base - id > RESTART_SPAN) {
            return copy_take(a, t, a->stale);
        }
    }
    tm_id_verdict_t verdict = tm_id_set_add(set, id, now_ns, &lost);
    if (id > t->lane_last[lane]) t->lane_last[lane] = id;
    if (TM_UNLIKELY(lost.from > 0)) gap_tell(a, t, lost.from, lost.to);
    if (TM_UNLIKELY(set->untold_cnt > 0)) holes_judge(a, t, now_ns);
    if (verdict == TM_ID_LATE) tm_counter_add(a->filled, 1);
    if (verdict == TM_ID_UNSURE) tm_counter_add(a->unsure, 1);
    return verdict != TM_ID_SEEN || copy_take(a, t, a->copies);
}

/* True where the id is among the recent ones; *oldest is the lowest of them. */
static bool recent_has(const recent_t *r, uint64_t id, uint64_t *oldest)
{
    *oldest = UINT64_MAX;
    for (uint32_t i = 0; i < r->cnt; i++) {
        if (r->ids[i] == id) return true;
        if (r->ids[i] < *oldest) *oldest = r->ids[i];
    }
    return false;
}

static bool sparse_take(tm_arbiter_t *a, track_t *t, uint32_t lane, uint64_t id)
{
    recent_t *r = &t->recent;
    uint64_t oldest;
    if (r->cnt > 0 && id <= r->last) {
        if (r->last - id > RESTART_SPAN) {
            if (!is_restart(a, t, lane)) return copy_take(a, t, a->stale);
            tm_counter_add(a->restarts, 1);
            r->cnt = r->next = 0;
            r->last = 0;
        } else if (recent_has(r, id, &oldest) || (r->cnt == TM_ARBITER_RECENT && id < oldest)) {
            if (id > t->lane_last[lane]) t->lane_last[lane] = id;
            return copy_take(a, t, a->copies);
        }
    }
    if (id > t->lane_last[lane]) t->lane_last[lane] = id;
    if (id > r->last) r->last = id;
    r->ids[r->next] = id;
    r->next = (r->next + 1) % TM_ARBITER_RECENT;
    if (r->cnt < TM_ARBITER_RECENT) r->cnt++;
    return true;
}

/* The last id before a message, as it says itself. */
static uint64_t before(const tm_arbiter_ids_t *ids, tm_id_rule_t rule)
{
    return rule == TM_ID_CHAIN ? ids->prev : ids->first - 1;
}

/* True where another live connection may still bring what lies before the message. */
static bool may_come(const tm_arbiter_t *a, const track_t *t, uint32_t lane, uint64_t to)
{
    uint32_t others = a->groups[t->group].live & ~(1u << lane);
    for (; others; others &= others - 1)
        if (t->lane_last[__builtin_ctz(others)] < to) return true;
    return false;
}

/* True where a message below what has come begins anew: the first word of the only connection, or a
   whole book in the middle of a stream, as after a restart of the venue's service. */
static bool chain_restarts(tm_arbiter_t *a, const track_t *t, uint32_t lane,
                           const tm_arbiter_ids_t *ids)
{
    const chain_t *c = &t->chain;
    if (!c->started || ids->last >= c->last) return false;
    bool far = c->last - ids->last > RESTART_SPAN;
    bool restarts = (far || ids->snapshot) && is_restart(a, t, lane);
    restarts = restarts || (ids->snapshot && t->lane_last[lane] != 0);
    if (restarts) tm_counter_add(a->restarts, 1);
    return restarts;
}

static bool chain_take(tm_arbiter_t *a, track_t *t, uint32_t lane, const tm_arbiter_ids_t *ids,
                       int64_t now_ns)
{
    chain_t *c = &t->chain;
    uint64_t to = before(ids, t->rule);
    if (chain_restarts(a, t, lane, ids)) {
        c->started = false;
        for (uint32_t i = 0; i < TM_ARBITER_LANE_MAX; i++) t->lane_last[i] = 0;
    }
    if (ids->last > t->lane_last[lane]) t->lane_last[lane] = ids->last;
    if (c->started && ids->last <= c->last)
        return copy_take(a, t, c->last - ids->last > RESTART_SPAN ? a->stale : a->copies);
    bool begins = !c->started;
    bool follows = begins || ids->snapshot || to == c->last || ids->first <= c->last + 1;
    if (!follows) {
        if (!c->waits) c->since_ns = now_ns;
        c->waits = true;
        if (now_ns - since(&c->since_ns, now_ns) < a->cfg.patience_ns && may_come(a, t, lane, to)) {
            tm_counter_add(a->held, 1);
            return false;
        }
        gap_tell(a, t, c->last + 1, to > c->last ? to : c->last + 1);
        begins = true;
    }
    if (begins || ids->snapshot) {
        c->run_first = ids->first;
        c->run_prev = to;
    }
    c->started = true;
    c->waits = false;
    c->last = ids->last;
    return true;
}

/* ---- the door -------------------------------------------------------------------------------- */

void tm_arbiter_feed(tm_arbiter_t *a, const tm_feed_row_t *row, int64_t now_ns)
{
    if (row->conn_idx >= TM_ARBITER_CONN_MAX || row->group >= TM_ARBITER_GROUP_MAX ||
        row->lane >= TM_ARBITER_LANE_MAX)
        return;
    group_t *g = &a->groups[row->group];
    a->now_ns = now_ns;
    if (row->what == TM_FEED_UP) {
        a->conns[row->conn_idx] = (conn_t){true, row->group, row->lane};
        g->live |= 1u << row->lane;
        g->up_cnt += g->up_cnt < 2;
        if (row->endpoint_cnt > 1) g->up_cnt = 2; /* the others are on their way */
        g->trade_rule = row->trade_rule;
        g->quote_rule = row->quote_rule;
        for (uint32_t i = 0; i < a->track_cnt; i++)
            if (a->tracks[i].group == row->group) a->tracks[i].lane_last[row->lane] = 0;
    } else if (row->what == TM_FEED_DOWN && a->conns[row->conn_idx].known) {
        /* As it came up: the end of a recorded one names the connection alone. */
        const conn_t *conn = &a->conns[row->conn_idx];
        a->groups[conn->group].live &= ~(1u << conn->lane);
        tm_arbiter_tick(a, now_ns);
    }
}

bool tm_arbiter_streams(const tm_arbiter_t *a, uint32_t conn_idx)
{
    const conn_t *conn = &a->conns[conn_idx];
    return conn->known && a->groups[conn->group].live >> conn->lane & 1;
}

void tm_arbiter_cut(tm_arbiter_t *a, int64_t now_ns)
{
    for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++) {
        if (!tm_arbiter_streams(a, i)) continue;
        const tm_feed_row_t down = {.conn_idx = i, .what = TM_FEED_DOWN};
        tm_arbiter_feed(a, &down, now_ns);
    }
}

void tm_arbiter_frame(tm_arbiter_t *a, uint32_t conn_idx, bool asked)
{
    a->asked = asked;
    a->conn_idx = conn_idx;
    a->memo = NULL;
    a->book_taken = true;
}

bool tm_arbiter_take_ids(tm_arbiter_t *a, const tm_row_t *row, const tm_arbiter_ids_t *ids,
                         tm_id_rule_t rule, int64_t now_ns)
{
    if (a->conn_idx >= TM_ARBITER_CONN_MAX || !a->conns[a->conn_idx].known) return true;
    const conn_t *conn = &a->conns[a->conn_idx];
    a->now_ns = now_ns;
    track_t *t = rule == TM_ID_NONE ? NULL : track_find(a, row, conn->group, rule);
    if (!t) {
        tm_counter_add(a->full, rule != TM_ID_NONE);
        return true;
    }
    if (t->rule == TM_ID_DENSE) return dense_take(a, t, conn->lane, ids->last, now_ns);
    if (t->rule == TM_ID_SPARSE) return sparse_take(a, t, conn->lane, ids->last);
    if (a->memo == t && a->memo_last == ids->last) return a->memo_taken;
    a->memo = t;
    a->memo_last = ids->last;
    a->memo_taken = chain_take(a, t, conn->lane, ids, now_ns);
    return a->memo_taken;
}

/* A whole book that was asked for beside the stream of its changes goes on; but where it ends
   before they begin, nothing leads from it to them. */
static void book_meet(tm_arbiter_t *a, const tm_depth_t *d)
{
    const conn_t *conn = &a->conns[a->conn_idx];
    track_t *t = track_find(a, &d->row, conn->group, TM_ID_NONE);
    if (!t || !t->chain.started) return;
    if (d->last_id < t->chain.run_first && d->last_id != t->chain.run_prev)
        gap_tell(a, t, d->last_id + 1, t->chain.run_first - 1);
}

/* Books say themselves how their messages follow each other. What is a whole book each time, with
   nothing said of the one before, counts apart from changes of the same symbol. */
static bool depth_take(tm_arbiter_t *a, const tm_depth_t *d, int64_t now_ns)
{
    static const tm_id_rule_t rules[] = {[TM_CHAIN_NONE] = TM_ID_SPARSE,
                                         [TM_CHAIN_RANGE] = TM_ID_RANGE,
                                         [TM_CHAIN_PREV] = TM_ID_CHAIN,
                                         [TM_CHAIN_STEP] = TM_ID_RANGE};
    tm_row_t row = d->row;
    tm_arbiter_ids_t ids = {
        .first = d->first_id, .last = d->last_id, .prev = d->prev_id, .snapshot = d->snapshot};
    if (d->last_id == 0 || d->chain >= TM_ARRAY_CNT(rules)) return true;
    if (d->chain == TM_CHAIN_NONE) row.schema_id = TM_SCHEMA_ID_USER;
    if (d->chain == TM_CHAIN_STEP || ids.first == 0) ids.first = ids.last;
    return tm_arbiter_take_ids(a, &row, &ids, rules[d->chain], now_ns);
}

bool tm_arbiter_take(tm_arbiter_t *a, const tm_row_t *row, int64_t now_ns)
{
    if (a->conn_idx >= TM_ARBITER_CONN_MAX || !a->conns[a->conn_idx].known) return true;
    const group_t *g = &a->groups[a->conns[a->conn_idx].group];
    const tm_market_row_t *market = (const tm_market_row_t *)row;
    tm_id_rule_t rule = (tm_id_rule_t)g->trade_rule;
    uint64_t id;
    switch (row->schema_id) {
    case TM_SCHEMA_ID_TRADE:
        id = market->trade.trade_id;
        break;
    case TM_SCHEMA_ID_AGG_TRADE:
        id = market->agg_trade.agg_id;
        break;
    case TM_SCHEMA_ID_QUOTE:
        id = market->quote.update_id;
        rule = (tm_id_rule_t)g->quote_rule;
        break;
    case TM_SCHEMA_ID_DEPTH:
        a->book_taken = depth_take(a, &market->depth, now_ns);
        if (TM_UNLIKELY(a->asked) && a->book_taken) book_meet(a, &market->depth);
        return a->book_taken;
    case TM_SCHEMA_ID_LEVEL: /* goes where the head of its batch went */
        return a->book_taken;
    default:
        return true;
    }
    const tm_arbiter_ids_t ids = {.first = id, .last = id, .prev = id - 1};
    return tm_arbiter_take_ids(a, row, &ids, rule, now_ns);
}
