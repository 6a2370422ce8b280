#include "base/check.h"
#include "engine/operators/window/window_plan.h"
#include "engine/operators/window/window_state.h"

#include <string.h>

/* Whole cache lines where that costs little: an entry then touches as few as it can. */
static uint32_t entry_sz_of(uint32_t sz)
{
    uint32_t lines = (uint32_t)tm_align_up(sz, TM_CACHE_LINE);
    return lines - sz <= sz / 4 ? lines : (uint32_t)tm_align_up(sz, 16);
}

size_t tm_window_sliced_footprint(const tm_window_plan_t *plan)
{
    size_t sz = tm_align_up(sizeof(tm_window_t), TM_CACHE_LINE);
    sz += sizeof(tm_slice_t *) * TM_WINDOW_SLICE_MAX;
    sz += tm_window_out_footprint(plan);
    sz += 2 * tm_align_up(plan->agg.acc_sz, TM_CACHE_LINE);
    return sz;
}

/* Sizes of entries and slots. */
static void layout(tm_window_t *w)
{
    w->entry_sz = entry_sz_of(sizeof(uint64_t) + w->agg.acc_sz);
    w->slot_sz = sizeof(window_slot_t) + w->agg.acc_sz;
    w->chunk_slots = TM_SLAB_SZ_MAX / 2 / w->slot_sz;
    if (w->chunk_slots > WINDOW_CHUNK_SLOTS) w->chunk_slots = WINDOW_CHUNK_SLOTS;
}

/* False where a new key finds no room. */
static bool key_load(tm_window_t *w, const void *row, uint64_t *key)
{
    if (TM_LIKELY(tm_key_load(&w->key, row, key))) return true;
    tm_window_count(&w->counters.full, 1);
    return false;
}

/* The slice of a row that is not of the hot one; NULL where the row needs no more. */
static tm_slice_t *slice_slow(tm_window_t *w, const tm_row_t *row, uint32_t stride)
{
    bool closed;
    uint64_t key;
    tm_slice_t *slice = tm_window_slice_of(w, row, stride, &closed);
    if (!slice || !closed) return slice;
    if (key_load(w, row, &key)) tm_window_add_late(w, slice, key, row, stride);
    return NULL;
}

/* Up to TM_AGG_BATCH_MAX rows in passes: what a pass will read, the one before has asked for, so
   that the cache misses of a batch overlap instead of adding up. */
static void batch(tm_window_t *w, const uint8_t *rows, uint32_t cnt, uint32_t stride)
{
    tm_slice_t *slices[TM_AGG_BATCH_MAX];
    uint64_t keys[TM_AGG_BATCH_MAX];
    uint32_t tags[TM_AGG_BATCH_MAX];
    const tm_keyed_bucket_t *homes[TM_AGG_BATCH_MAX];
    uint8_t *entries[TM_AGG_BATCH_MAX];
    void *accs[TM_AGG_BATCH_MAX];

    const uint8_t *at = rows;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        const tm_row_t *row = (const void *)at;
        uint64_t t = (uint64_t)row->event_ns;
        bool hot_0 = t - (uint64_t)w->hot_start[0] < w->hot_len[0];
        bool hot_1 = t - (uint64_t)w->hot_start[1] < w->hot_len[1];
        slices[i] = w->hot[hot_1]; /* a load, not a branch: which of the two is a coin's throw */
        if (TM_UNLIKELY(!(hot_0 | hot_1))) slices[i] = slice_slow(w, row, stride);
        if (slices[i] && TM_UNLIKELY(!key_load(w, row, &keys[i]))) slices[i] = NULL;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        homes[i] = NULL;
        if (!slices[i] || !slices[i]->table.buckets) continue;
        tags[i] = tm_keyed_tag(keys[i]);
        homes[i] = tm_keyed_home(&slices[i]->table, tags[i]);
        __builtin_prefetch(homes[i]);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        entries[i] = homes[i] ? tm_keyed_guess(&slices[i]->table, homes[i], tags[i]) : NULL;
        if (!entries[i]) continue;
        for (uint32_t off = 0; off < w->entry_sz; off += TM_CACHE_LINE)
            __builtin_prefetch(entries[i] + off, 1);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t *entry = entries[i];
        if (!slices[i])
            entry = NULL;
        else if (!entry || tm_keyed_key(entry) != keys[i])
            entry = tm_window_entry(w, slices[i], keys[i]);
        if (entry) tm_span_touch(w->pages, entry, w->entry_sz);
        accs[i] = entry ? tm_window_entry_acc(entry) : w->trash;
    }
    tm_agg_add(&w->agg, accs, rows, cnt, stride);
}

static void on_rows(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                    uint32_t stride)
{
    (void)input; /* there is one */
    tm_window_t *w = (tm_window_t *)op;
    const uint8_t *at = rows;
    if (cnt == 0) return;
    tm_window_count(&w->counters.rows, cnt);
    w->recv_ns = ((const tm_row_t *)(const void *)(at + (size_t)(cnt - 1) * stride))->recv_ns;
    for (uint32_t done = 0; done < cnt;) {
        uint32_t n = cnt - done < TM_AGG_BATCH_MAX ? cnt - done : TM_AGG_BATCH_MAX;
        batch(w, at + (size_t)done * stride, n, stride);
        done += n;
    }
    if (w->out.cnt) tm_window_out_flush(&w->out);
}

static void on_watermark(tm_operator_t *op, int64_t wm_ns)
{
    tm_window_t *w = (tm_window_t *)op;
    if (wm_ns <= w->wm) return;
    w->wm = wm_ns;
    w->hot_len[0] = w->hot_len[1] = 0;
    tm_window_work(w);
}

static uint32_t work(tm_operator_t *op)
{
    return tm_window_work((tm_window_t *)op);
}

static void on_end(tm_operator_t *op)
{
    tm_window_drain((tm_window_t *)op);
}

static void fini(tm_operator_t *op)
{
    tm_window_t *w = (tm_window_t *)op;
    for (uint32_t i = 0; i < w->slice_cnt; i++) tm_keyed_clear(&w->slices[i]->table);
    tm_keyed_clear(&w->panes);
    tm_slab_clear(&w->slab);
    tm_pool_clear(&w->held.rows);
    tm_key_clear(&w->key);
    tm_page_list_free(w->pages, &w->slice_pages);
    w->slice_cnt = w->closed = 0;
}

static const tm_operator_ops_t window_ops = {
    .kind = "window",
    .on_rows = on_rows,
    .on_watermark = on_watermark,
    .work = work,
    .on_end = on_end,
    .fini = fini,
    .save = tm_window_sliced_save,
    .restore = tm_window_sliced_restore,
    .move = tm_window_sliced_move,
};

tm_operator_t *tm_window_sliced_init(void *mem, const tm_window_cfg_t *cfg,
                                     const tm_window_plan_t *plan)
{
    tm_window_t *w = mem;
    *w = (tm_window_t){.op.ops = &window_ops,
                       .spec = plan->what.window,
                       .purge = plan->what.trigger.purge,
                       .panes_used = plan->what.window.kind != TM_WINDOW_TUMBLING,
                       .keeps_folded = plan->what.window.lateness_ns > 0,
                       .budget = cfg->budget ? cfg->budget : WINDOW_BUDGET,
                       .wm = TM_TIME_NONE,
                       .wm_out = TM_TIME_NONE,
                       .pages = cfg->pages,
                       .key = plan->key,
                       .agg = plan->agg,
                       .late = cfg->late};
    layout(w);
    tm_key_attach(&w->key, w->pages);
    tm_window_counters_open(&w->counters, cfg->counters);
    tm_window_mark(&w->mark, plan, 0);
    tm_keyed_init(&w->panes, w->pages, entry_sz_of(sizeof(window_pane_t) + w->agg.acc_sz));
    tm_slab_init(&w->slab, w->pages);

    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *w, TM_CACHE_LINE);
    w->slices = (tm_slice_t **)(void *)at;
    at += sizeof(tm_slice_t *) * TM_WINDOW_SLICE_MAX;
    tm_window_out_init(&w->out, at, plan, &w->key);
    tm_window_held_init(&w->held, w->pages, w->out.stride);
    w->out.to = cfg->out;
    at += tm_window_out_footprint(plan);
    w->trash = at;
    tm_agg_init(&w->agg, w->trash);
    w->scratch = at + tm_align_up(w->agg.acc_sz, TM_CACHE_LINE);
    return &w->op;
}
