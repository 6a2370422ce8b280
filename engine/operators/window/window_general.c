/* Rows in, time, life. A row finds its key's windows, adds itself to each that it belongs to and
   asks the trigger; time takes from the queues what has come due. */
#include "base/check.h"
#include "base/clock.h"
#include "engine/operators/window/window_general_state.h"

#include <string.h>

enum { DUE_ITEMS = 64, TIMER_COST = 4 /* of one that fires, in items that only move */ };

/* ---- time ------------------------------------------------------------------------------------ */

static void obey(tm_window_general_t *g, tm_ref_t ref, tm_trigger_result_t result)
{
    if ((result & TM_TRIGGER_FIRE) != 0) tm_window_fire(g, ref);
    bool purge = (result & TM_TRIGGER_PURGE) != 0 ||
                 ((result & TM_TRIGGER_FIRE) != 0 && g->what.trigger.purge);
    if (purge) tm_window_purge(g, tm_window_edit(g, ref));
}

/* Does what is due for a window in a domain until so much was done in this step; what is left goes
   back into the queue. */
static void serve(tm_window_general_t *g, tm_ref_t ref, tm_time_domain_t domain, uint32_t most)
{
    window_record_t *w = tm_window_edit(g, ref);
    tm_trigger_call_t call = {g, ref};
    int64_t at;
    w->queued[domain] = TM_TIME_NONE;
    while (tm_window_due(g, w, domain, &at)) {
        if (at > g->clock[domain] || g->served >= most) {
            tm_window_enqueue(g, ref, domain, at);
            return;
        }
        g->served += TIMER_COST;
        tm_trigger_timer_delete(&call, domain, at);
        if (g->ops->on_timer) obey(g, ref, g->ops->on_timer(&call, g->ops_ctx, domain, at));
        if (w->cleanup && domain == tm_window_domain(g) &&
            at == tm_window_cleanup(g, tm_window_max(g, w))) {
            tm_window_drop(g, ref);
            return;
        }
    }
}

/* Asks for what firing and forgetting windows will read, a step for all of them before the next:
   the records, the index of their keys, the entries. */
static void due_fetch(const tm_window_general_t *g, const tm_radix_item_t *items, uint32_t cnt)
{
    uint32_t tags[DUE_ITEMS];
    const tm_keyed_bucket_t *homes[DUE_ITEMS];
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *w = (const void *)tm_window_record(g, items[i].ref);
        for (uint32_t off = 0; off < g->records.object_sz; off += TM_CACHE_LINE)
            __builtin_prefetch(w + off, 1);
    }
    tm_keyed_fetch_erase(&g->keys, cnt);
    if (g->keys.cnt == 0) return;
    for (uint32_t i = 0; i < cnt; i++) {
        tags[i] = tm_keyed_tag(tm_window_record(g, items[i].ref)->key);
        homes[i] = tm_keyed_home(&g->keys, tags[i]);
        __builtin_prefetch(homes[i], 1);
    }
    for (uint32_t i = 0; i < cnt; i++)
        __builtin_prefetch(tm_keyed_guess(&g->keys, homes[i], tags[i]), 1);
}

/* Takes some of what is due from the queue. Returns how much it did, in items looked at. */
static uint32_t serve_some(tm_window_general_t *g, tm_time_domain_t domain, uint32_t max)
{
    tm_radix_item_t items[DUE_ITEMS];
    uint32_t n, look = (max + TIMER_COST - 1) / TIMER_COST;
    if (look > DUE_ITEMS) look = DUE_ITEMS;
    uint32_t seen = tm_radix_heap_take(&g->queues[domain], g->clock[domain], look, items, &n);
    due_fetch(g, items, n);
    g->served = 0;
    for (uint32_t i = 0; i < n; i++) {
        const window_record_t *w = tm_window_record(g, items[i].ref);
        if (w->live && w->queued[domain] == items[i].time) serve(g, items[i].ref, domain, max);
    }
    if (seen == 0) g->firing[domain] = false;
    return seen > g->served ? seen : g->served;
}

/* Results of one call of work() may be fewer than it looked at, so both count. */
static uint32_t general_work(tm_window_general_t *g)
{
    uint32_t done = 0;
    for (int d = 0; d < 2; d++)
        while (g->firing[d] && done < g->budget)
            done += serve_some(g, (tm_time_domain_t)d, g->budget - done);
    tm_window_out_flush(&g->out);
    if (!g->firing[TM_EVENT_TIME] && g->wm_out != g->clock[TM_EVENT_TIME]) {
        g->wm_out = g->clock[TM_EVENT_TIME];
        tm_emit_watermark(&g->out.to, g->wm_out);
        done++;
    }
    return done;
}

/* Does what is due for a key before a row of it is looked at. Returns its entry, which may be
   gone. */
static window_key_t *settle(tm_window_general_t *g, window_key_t *entry, uint64_t key, uint32_t tag)
{
    if (!entry || !(g->firing[0] | g->firing[1])) return entry;
    bool again = true;
    while (again && entry) {
        again = false;
        for (tm_ref_t ref = entry->windows; ref && !again;) {
            const window_record_t *w = tm_window_record(g, ref);
            for (int d = 0; d < 2 && !again; d++) {
                int64_t at;
                if (!g->firing[d] || !tm_window_due(g, w, (tm_time_domain_t)d, &at)) continue;
                if (at > g->clock[d]) continue;
                g->served = 0;
                serve(g, ref, (tm_time_domain_t)d, UINT32_MAX);
                again = true; /* the list may have changed, the entry may have moved */
            }
            ref = w->next;
        }
        if (again) entry = tm_keyed_find(&g->keys, key, tag);
    }
    return entry;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* A row in the window it belongs to. idx: its place in the batch; -1 where it has several. */
static void take(tm_window_general_t *g, tm_ref_t ref, const void *row, int32_t idx)
{
    window_record_t *w = tm_window_edit(g, ref);
    tm_trigger_call_t call = {g, ref};
    if (!tm_window_add(g, w, row, idx)) return;
    tm_trigger_result_t result = g->ops->on_row(&call, g->ops_ctx, row);
    int64_t max = tm_window_max(g, w), cleanup = tm_window_cleanup(g, max);
    if (result != TM_TRIGGER_CONTINUE) {
        bool again = tm_window_domain(g) == TM_EVENT_TIME && max <= g->clock[TM_EVENT_TIME];
        if ((result & TM_TRIGGER_FIRE) != 0 && again) tm_window_count(&g->counters.refired, 1);
        obey(g, ref, result);
    }
    if (!w->cleanup && cleanup != INT64_MAX) {
        w->cleanup = true;
        tm_window_enqueue(g, ref, tm_window_domain(g), cleanup);
    }
}

static void late_row(tm_window_general_t *g, const void *row)
{
    tm_window_count(&g->counters.late, 1);
    tm_emit_rows(&g->late, row, 1, g->row_sz);
}

/* A row of no window, or of a point of time that is over: it is late by its own time, too. */
static void skipped_row(tm_window_general_t *g, const void *row, int64_t t)
{
    if (tm_window_is_late(g, t))
        late_row(g, row);
    else
        tm_window_count(&g->counters.gap, 1);
}

static window_key_t *entry_get(tm_window_general_t *g, window_key_t *entry, uint64_t key,
                               uint32_t tag)
{
    bool added;
    if (entry) return entry;
    entry = tm_keyed_get(&g->keys, key, tag, &added);
    if (!entry)
        tm_window_count(&g->counters.full, 1);
    else if (added)
        entry->windows = 0;
    return entry;
}

static void entry_trim(tm_window_general_t *g, window_key_t *entry)
{
    if (entry && !entry->windows) tm_keyed_erase(&g->keys, entry);
}

static void row_global(tm_window_general_t *g, window_key_t *entry, uint64_t key, const void *row,
                       int32_t idx)
{
    entry = entry_get(g, entry, key, tm_keyed_tag(key));
    if (!entry) return;
    tm_ref_t ref = entry->windows;
    if (!ref) ref = tm_window_make(g, &entry->windows, key, (tm_range_t){INT64_MIN, INT64_MAX});
    if (ref)
        take(g, ref, row, idx);
    else
        entry_trim(g, entry);
}

static void row_session(tm_window_general_t *g, window_key_t *entry, uint64_t key, int64_t t,
                        const void *row, int32_t idx)
{
    int64_t gap = g->what.window.gap_ns;
    tm_range_t range = {.start = t};
    bool late;
    if (g->gap_off) memcpy(&gap, (const uint8_t *)row + g->gap_off, sizeof gap);
    if (gap < 0) {
        tm_window_count(&g->counters.bad_gap, 1);
        return;
    }
    if (__builtin_add_overflow(t, gap, &range.end)) {
        tm_window_count(&g->counters.time_range, 1);
        return;
    }
    tm_ref_t ref = tm_window_session(g, &entry, key, range, &late);
    if (ref) take(g, ref, row, idx);
    if (late) skipped_row(g, row, t);
}

/* The window of a range in the list of a key, from *link on; made where it is new. */
static tm_ref_t window_at(tm_window_general_t *g, tm_ref_t **link, uint64_t key, tm_range_t range)
{
    while (**link) {
        const window_record_t *w = tm_window_record(g, **link);
        if (w->start == range.start && w->end == range.end) return **link;
        if (w->start < range.start || (w->start == range.start && w->end < range.end)) break;
        *link = &tm_window_record(g, **link)->next;
    }
    return tm_window_make(g, *link, key, range);
}

/* Tumbling, sliding and cumulative windows. Both they and the key's list go from late to early. */
static void row_grid(tm_window_general_t *g, window_key_t *entry, uint64_t key, int64_t t,
                     const void *row, int32_t idx)
{
    const tm_window_spec_t *spec = &g->what.window;
    tm_range_t slice, first, last;
    bool gap, kept = false;
    if (!tm_window_slice(spec, t, &slice, &gap) ||
        (!gap && !tm_window_span(spec, slice, &first, &last))) {
        tm_window_count(&g->counters.time_range, 1);
        return;
    }
    if (gap) {
        skipped_row(g, row, t);
        return;
    }
    bool single = first.start == last.start && first.end == last.end;
    tm_ref_t *link = NULL;
    for (tm_range_t at = last;; tm_window_back(spec, &at)) {
        if (tm_window_is_late(g, at.end - 1)) break; /* and so are all that end before */
        kept = true;
        if (!link) {
            entry = entry_get(g, entry, key, tm_keyed_tag(key));
            if (!entry) return;
            link = &entry->windows;
        }
        tm_ref_t ref = window_at(g, &link, key, at);
        if (ref) take(g, ref, row, single ? idx : -1);
        if (!ref || (at.start == first.start && at.end == first.end)) break;
    }
    if (link) entry_trim(g, entry);
    if (!kept) late_row(g, row);
}

/* The first row of staggered windows says where they start on this worker. */
static void stagger(tm_window_general_t *g)
{
    tm_window_spec_t *w = &g->what.window;
    int64_t now = g->clock[TM_PROCESSING_TIME], start, shift = 0;
    if (w->stagger == TM_STAGGER_RANDOM)
        shift = (int64_t)((uint64_t)tm_clock_mono_ns() * UINT64_C(0x9e3779b97f4a7c15) >> 1) %
                w->size_ns;
    else if (tm_window_floor(now, 0, w->size_ns, &start))
        shift = now - start;
    w->offset_ns = (int64_t)(((tm_i128_t)w->offset_ns + shift) % w->size_ns);
    g->staggered = true;
}

static void row_in(tm_window_general_t *g, window_key_t *entry, uint64_t key, const tm_row_t *row,
                   int32_t idx)
{
    bool event = tm_window_domain(g) == TM_EVENT_TIME;
    int64_t t = event ? row->event_ns : g->clock[TM_PROCESSING_TIME];
    g->batch_accs[idx] = g->trash; /* unless it turns out to count */
    entry = settle(g, entry, key, tm_keyed_tag(key));
    if (g->what.window.kind == TM_WINDOW_GLOBAL) {
        row_global(g, entry, key, row, idx);
    } else if (t == TM_TIME_NONE) {
        tm_window_count(&g->counters.no_time, 1);
    } else if (g->what.window.kind == TM_WINDOW_SESSION) {
        row_session(g, entry, key, t, row, idx);
    } else {
        row_grid(g, entry, key, t, row, idx);
    }
}

/* Up to TM_AGG_BATCH_MAX rows in passes: what a pass will read, the one before has asked for. */
static void batch(tm_window_general_t *g, const uint8_t *rows, uint32_t cnt, uint32_t stride)
{
    uint64_t keys[TM_AGG_BATCH_MAX];
    uint32_t tags[TM_AGG_BATCH_MAX];
    bool fits[TM_AGG_BATCH_MAX];
    const tm_keyed_bucket_t *homes[TM_AGG_BATCH_MAX];
    const uint8_t *at = rows;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        fits[i] = tm_key_load(&g->key, at, &keys[i]);
        tags[i] = tm_keyed_tag(keys[i]);
        homes[i] = g->keys.buckets ? tm_keyed_home(&g->keys, tags[i]) : NULL;
        __builtin_prefetch(homes[i]);
    }
    window_key_t *guesses[TM_AGG_BATCH_MAX];
    for (uint32_t i = 0; i < cnt; i++) {
        guesses[i] = homes[i] ? tm_keyed_guess(&g->keys, homes[i], tags[i]) : NULL;
        __builtin_prefetch(guesses[i]);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        if (!guesses[i] || !guesses[i]->windows) continue;
        const uint8_t *w = (const void *)tm_window_record(g, guesses[i]->windows);
        for (uint32_t off = 0; off < g->records.object_sz; off += TM_CACHE_LINE)
            __builtin_prefetch(w + off, 1);
    }
    g->batch = rows;
    g->batch_stride = stride;
    g->batch_from = g->batch_end = 0;
    at = rows;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        g->recv_ns = ((const tm_row_t *)(const void *)at)->recv_ns;
        if (!fits[i]) {
            tm_window_count(&g->counters.full, 1);
            g->batch_accs[i] = g->trash;
        } else {
            /* The index moves as keys come and go, so the guess of before is only a guess. */
            window_key_t *entry = tm_keyed_find(&g->keys, keys[i], tags[i]);
            row_in(g, entry, keys[i], (const void *)at, (int32_t)i);
        }
        if (g->defers) g->batch_end = i + 1;
    }
    tm_window_batch_flush(g);
}

/* ---- the operator ---------------------------------------------------------------------------- */

static void on_rows(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                    uint32_t stride)
{
    (void)input; /* there is one */
    tm_window_general_t *g = (tm_window_general_t *)op;
    if (cnt == 0) return;
    tm_window_count(&g->counters.rows, cnt);
    if (g->clock[TM_PROCESSING_TIME] == TM_TIME_NONE)
        g->clock[TM_PROCESSING_TIME] = ((const tm_row_t *)rows)->recv_ns;
    if (!g->staggered) stagger(g);
    for (uint32_t done = 0; done < cnt;) {
        uint32_t n = cnt - done < TM_AGG_BATCH_MAX ? cnt - done : TM_AGG_BATCH_MAX;
        batch(g, (const uint8_t *)rows + (size_t)done * stride, n, stride);
        done += n;
    }
    tm_window_out_flush(&g->out);
}

static void clock_set(tm_window_general_t *g, tm_time_domain_t domain, int64_t now)
{
    if (now <= g->clock[domain]) return;
    g->clock[domain] = now;
    g->firing[domain] = true;
    general_work(g);
}

static void on_watermark(tm_operator_t *op, int64_t wm_ns)
{
    clock_set((tm_window_general_t *)op, TM_EVENT_TIME, wm_ns);
}

static void on_time(tm_operator_t *op, int64_t now_ns)
{
    clock_set((tm_window_general_t *)op, TM_PROCESSING_TIME, now_ns);
}

static uint32_t work(tm_operator_t *op)
{
    return general_work((tm_window_general_t *)op);
}

static void on_end(tm_operator_t *op)
{
    while (general_work((tm_window_general_t *)op) > 0) {
    }
}

static void fini(tm_operator_t *op)
{
    tm_window_general_t *g = (tm_window_general_t *)op;
    tm_keyed_clear(&g->keys);
    tm_pool_clear(&g->records);
    tm_pool_clear(&g->rows);
    tm_pool_clear(&g->timers);
    tm_slab_clear(&g->slab);
    tm_radix_heap_clear(&g->queues[0]);
    tm_radix_heap_clear(&g->queues[1]);
    tm_key_clear(&g->key);
}

static const tm_operator_ops_t general_ops = {
    .kind = "window",
    .on_rows = on_rows,
    .on_watermark = on_watermark,
    .on_time = on_time,
    .work = work,
    .on_end = on_end,
    .fini = fini,
    .save = tm_window_general_save,
    .restore = tm_window_general_restore,
    .move = tm_window_general_move,
};

/* Bytes of an accumulator, or of what stands in its place. */
static uint32_t acc_sz_of(const tm_window_plan_t *plan, uint32_t row_sz)
{
    if (plan->mode == TM_WINDOW_AGGREGATES) return plan->agg.acc_sz;
    if (plan->mode == TM_WINDOW_REDUCED) return row_sz;
    return plan->mode == TM_WINDOW_USER ? plan->what.user->acc_sz : 0;
}

size_t tm_window_general_footprint(const tm_window_plan_t *plan)
{
    return tm_align_up(sizeof(tm_window_general_t), TM_CACHE_LINE) + tm_window_out_footprint(plan) +
           2 * tm_align_up(acc_sz_of(plan, TM_ROW_SZ_MAX), TM_CACHE_LINE);
}

/* State in pages: a record is its head, the trigger's state, and the accumulator where there is
   one. */
void tm_window_general_state_open(tm_window_general_t *g, uint32_t acc_sz)
{
    g->state_off = sizeof(window_record_t);
    g->acc_off = (uint32_t)tm_align_up(g->state_off + g->state_sz, 16);
    uint32_t record_sz = (uint32_t)tm_align_up(g->acc_off + (g->keeps_rows ? 0 : acc_sz), 16);
    tm_keyed_init(&g->keys, g->pages, sizeof(window_key_t));
    tm_pool_init(&g->records, g->pages, record_sz);
    tm_pool_init(&g->rows, g->pages, (uint32_t)tm_align_up(sizeof(window_row_t) + g->row_sz, 16));
    tm_pool_init(&g->timers, g->pages, sizeof(window_timer_t));
    tm_radix_heap_init(&g->queues[0], g->pages);
    tm_radix_heap_init(&g->queues[1], g->pages);
    tm_key_attach(&g->key, g->pages);
    tm_slab_init(&g->slab, g->pages);
    g->agg.slab = &g->slab;
}

tm_operator_t *tm_window_general_init(void *mem, const tm_window_cfg_t *cfg,
                                      const tm_window_plan_t *plan)
{
    tm_window_general_t *g = mem;
    *g = (tm_window_general_t){.op.ops = &general_ops,
                               .what = plan->what,
                               .mode = plan->mode,
                               .keeps_rows = plan->keeps_rows,
                               .defers = plan->mode == TM_WINDOW_AGGREGATES && !plan->keeps_rows &&
                                         !plan->agg.owns_memory,
                               .row_sz = cfg->in->row_sz,
                               .field_at = plan->field_at,
                               .budget = cfg->budget ? cfg->budget : GENERAL_BUDGET,
                               .staggered = plan->what.window.stagger == TM_STAGGER_ALIGNED,
                               .clock = {TM_TIME_NONE, TM_TIME_NONE},
                               .wm_out = TM_TIME_NONE,
                               .pages = cfg->pages,
                               .late = cfg->late,
                               .key = plan->key,
                               .agg = plan->agg};
    const char *gap_field = plan->what.window.gap_field;
    if (plan->what.window.kind == TM_WINDOW_SESSION && gap_field)
        g->gap_off = cfg->in->fields[tm_schema_find(cfg->in, gap_field)].off;
    tm_window_trigger_open(g, cfg->in);
    uint32_t acc_sz = acc_sz_of(plan, g->row_sz);
    tm_window_general_state_open(g, acc_sz);
    tm_window_counters_open(&g->counters, cfg->counters);
    tm_window_mark(&g->mark, plan, cfg->in->row_sz);
    for (size_t i = 0; i < plan->what.field_cnt; i++)
        g->fields[i] = plan->out.fields[plan->field_at + i];

    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *g, TM_CACHE_LINE);
    tm_window_out_init(&g->out, at, plan, &g->key);
    g->out.to = cfg->out;
    at += tm_window_out_footprint(plan);
    g->trash = at;
    g->scratch = at + tm_align_up(acc_sz, TM_CACHE_LINE);
    if (g->mode == TM_WINDOW_AGGREGATES) tm_agg_init(&g->agg, g->trash);
    return &g->op;
}
