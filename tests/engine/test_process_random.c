/* Random operations on state and timers, each compared with a model (process_model.h). Keys of one
   field and of three, time to live in no, in event and in processing time, arenas with room and
   without, undisturbed and restored from checkpoints again and again. */
#include "base/error.h"
#include "state/table/page_track.h"
#include "tests/engine/process_model.h"
#include "tests/state/pages_bed.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Runs ------------------------------------------------------------------------------------ */

static void out_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)rows;
    (void)stride;
    ((rig_t *)ctx)->emitted += cnt;
}

/* A watermark is handed on when nothing is left that was due by it. */
static void out_watermark(void *ctx, int64_t wm_ns)
{
    rig_t *r = ctx;
    tm_assert_eq(wm_ns, r->clock[TM_EVENT_TIME]);
    r->handed_ns = wm_ns;
    for (uint32_t i = 0; i < r->timer_cnt[TM_EVENT_TIME]; i++)
        tm_assert(r->timers[TM_EVENT_TIME][i].time_ns > wm_ns);
}

static void settle(rig_t *r)
{
    while (tm_operator_work(r->op) > 0) {
    }
    for (uint32_t d = 0; d < 2; d++)
        for (uint32_t i = 0; d == TM_PROCESSING_TIME && i < r->timer_cnt[d]; i++)
            tm_assert(r->timers[d][i].time_ns > r->clock[d]);
}

/* A fresh arena of the same size, tracked. */
static void pages_start(rig_t *r)
{
    if (!r->moves) return;
    size_t sz = tm_align_up(tm_page_track_footprint(r->arena, 1024), TM_FALSE_SHARE);
    r->track_mem = aligned_alloc(TM_FALSE_SHARE, sz);
    tm_page_track_init(r->track_mem, r->arena, 1024);
}

/* The barrier: pages that changed and roots go into the store. */
static void checkpoint(rig_t *r)
{
    static uint8_t roots[1 << 16], copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    uint32_t page, cnt;
    int code;
    size_t sz = r->op->ops->save(r->op, roots, sizeof roots);
    tm_assert(sz <= sizeof roots);
    tm_page_roots_t arena_roots = tm_page_arena_save(r->arena);
    tm_assert_eq(tm_page_track_flip(r->arena->track), 0);
    tm_assert(tm_page_snap_begin(r->arena->track, &cnt));
    tm_assert_eq(tm_checkpoint_begin(r->store, ++r->checkpoint_id), 0);
    while ((code = tm_page_snap_next(r->arena->track, copy, &page)) == 1)
        tm_assert_eq(tm_checkpoint_put(r->store, 0, tm_page_arena_total(r->arena), page, copy), 0);
    tm_assert_eq(code, 0);
    tm_assert_eq(tm_checkpoint_blob(r->store, "op", roots, sz), 0);
    tm_assert_eq(tm_checkpoint_blob(r->store, "arena", &arena_roots, sizeof arena_roots), 0);
    tm_assert_eq(tm_checkpoint_commit(r->store, 0), 0);
    tm_page_snap_end(r->arena->track, true);
    while (tm_page_track_work(r->arena->track) > 0) {
    }
    tm_assert(tm_checkpoint_compact(r->store) >= 0);
}

/* As after a crash: the newest checkpoint in memory that knows nothing. */
static void move(rig_t *r)
{
    tm_manifest_entry_t op, arena;
    const tm_manifest_t *m = tm_checkpoint_manifest(r->store);
    tm_assert(tm_manifest_find(m, TM_CHECKPOINT_BLOB, "op", &op));
    tm_assert(tm_manifest_find(m, TM_CHECKPOINT_BLOB, "arena", &arena));
    size_t op_sz = tm_align_up(tm_process_footprint(r->cfg), TM_CACHE_LINE);
    memset(r->page_mem, 0xee, tm_page_arena_footprint(r->pages));
    memset(r->mem, 0xee, op_sz);
    free(r->page_mem);
    free(r->mem);
    free(r->track_mem);
    r->page_mem = pages_bed_open(r->arena, r->pages);
    memset(r->arena->base, 0, (size_t)tm_page_arena_total(r->arena) << TM_PAGE_SHIFT);
    tm_assert_eq(tm_checkpoint_load(r->store, 0, r->arena->base, tm_page_arena_total(r->arena)), 0);
    tm_page_roots_t roots;
    memcpy(&roots, arena.data, sizeof roots);
    tm_assert(tm_page_arena_restore(r->arena, &roots));
    pages_start(r);
    r->mem = aligned_alloc(TM_CACHE_LINE, op_sz);
    r->op = tm_process_init(r->mem, r->cfg, r->env);
    int err = r->op->ops->restore(r->op, op.data, op.head.data_sz);
    if (err < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
    r->moved++;
}

static void drive(rig_t *r, uint32_t rounds)
{
    tm_trade_t rows[16];
    int64_t event = 0, now = 1000;
    r->clock[TM_PROCESSING_TIME] = now;
    tm_operator_time(r->op, now);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < TM_ARRAY_CNT(rows); i++) {
            uint64_t rnd = pages_bed_random(&r->seed);
            uint32_t key = (uint32_t)(rnd % KEYS);
            rows[i] = (tm_trade_t){
                .row = {.symbol = key, .event_ns = event - (int64_t)(rnd >> 40) % 300},
                .trade_id = key * UINT64_C(0x9e3779b97f4a7c15),
                .price_e8 = (int64_t)key % 3};
        }
        tm_operator_rows(r->op, rows, TM_ARRAY_CNT(rows), sizeof rows[0]);
        event += (int64_t)(pages_bed_random(&r->seed) % 200);
        if (round % 50 == 20) late_flip(&r->late);
        if (round % 50 == 40) late_check(&r->late);
        if (r->moves && round % 50 == 7) checkpoint(r);
        if (r->moves && round % 100 == 7) move(r);
        if (round % 3 == 0) {
            r->clock[TM_EVENT_TIME] = event - 150;
            tm_operator_watermark(r->op, event - 150);
            settle(r);
        }
        if (round % 4 == 1) {
            now += (int64_t)(pages_bed_random(&r->seed) % 400);
            r->clock[TM_PROCESSING_TIME] = now;
            tm_operator_time(r->op, now);
            settle(r);
        }
    }
}

static uint64_t run(bool wide, int64_t ttl_ns, tm_time_domain_t domain, uint32_t pages,
                    uint64_t seed, const char *dir)
{
    static rig_t r;
    tm_page_arena_t arena;
    void *page_mem = pages_bed_open(&arena, pages);
    memset(&r, 0, sizeof r);
    r.seed = seed;
    r.arena = &arena, r.page_mem = page_mem, r.pages = pages, r.moves = dir != NULL;
    const tm_checkpoint_cfg_t store_cfg = {
        .dir = dir, .codec = TM_PARQUET_CODEC_LZ4_RAW, .delta_max = 4};
    if (dir) tm_assert_eq(tm_checkpoint_store_open(&r.store, &store_cfg), 0);
    pages_start(&r);
    late_open(&r.late, &arena);
    r.ttl_ns = ttl_ns, r.domain = domain;
    r.update = seed % 2 ? TM_TTL_ON_READ_AND_WRITE : TM_TTL_ON_WRITE;
    r.clock[0] = r.clock[1] = r.handed_ns = INT64_MIN;
    printf("# wide %d ttl %lld domain %d pages %u seed %llu\n", wide, (long long)ttl_ns, domain,
           pages, (unsigned long long)seed);
    tm_state_spec_t states[STATES];
    model_states(&r, states);
    tm_counter_set_t *counters = tm_counter_set_new("test");
    const tm_process_cfg_t cfg = {.name = "random",
                                  .fns = {.on_row = model_on_row, .on_timer = model_on_timer},
                                  .user = &r,
                                  .states = states,
                                  .state_cnt = STATES,
                                  .in_cnt = 1,
                                  .in = {tm_schema_trade()},
                                  .key_fields = {{"symbol", wide ? "trade_id" : NULL, "price"}},
                                  .out = tm_schema_trade(),
                                  .budget = 7};
    const tm_operator_env_t env = {
        .outs = {{out_rows, out_watermark, &r}}, .pages = &arena, .counters = counters};
    void *mem = aligned_alloc(TM_CACHE_LINE,
                              tm_align_up(tm_process_footprint(&cfg), TM_CACHE_LINE));
    r.op = tm_process_init(mem, &cfg, &env);
    r.cfg = &cfg, r.env = &env, r.mem = mem;
    drive(&r, 2500);
    r.clock[TM_EVENT_TIME] = INT64_MAX;
    tm_operator_watermark(r.op, INT64_MAX);
    settle(&r);
    tm_assert_eq(r.timer_cnt[TM_EVENT_TIME], 0u);
    tm_operator_end(r.op);
    tm_assert_eq(r.emitted, tm_counter_read(tm_counter_get(counters, "process_rows")) + r.fired);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "process_full")), r.refused);
    tm_assert(r.fired > 100);
    tm_operator_fini(r.op);
    tm_assert_eq(arena.used_cnt, 0u);
    tm_counter_set_free(counters);
    tm_assert(!dir || r.moved > 20);
    tm_assert(r.late.pages > 100 && r.late.logged > 100);
    late_close(&r.late);
    tm_checkpoint_store_close(r.store);
    free(r.track_mem);
    free(r.mem);
    free(r.page_mem);
    return r.refused;
}

Test(process_random, agrees_with_a_model_of_plain_arrays)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        tm_assert_eq(run(false, 0, TM_EVENT_TIME, 4000, seed, NULL), 0u);
        tm_assert_eq(run(true, 0, TM_EVENT_TIME, 4000, seed, NULL), 0u);
        tm_assert_eq(run(false, TTL, TM_EVENT_TIME, 4000, seed, NULL), 0u);
        tm_assert_eq(run(true, TTL, TM_EVENT_TIME, 4000, seed, NULL), 0u);
        tm_assert_eq(run(false, TTL, TM_PROCESSING_TIME, 4000, seed, NULL), 0u);
        tm_assert_eq(run(true, TTL, TM_PROCESSING_TIME, 4000, seed, NULL), 0u);
    }
}

Test(process_random, refuses_writes_and_keeps_all_else_when_the_arena_is_full)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        tm_assert(run(false, 0, TM_EVENT_TIME, 30, seed, NULL) > 50);
        tm_assert(run(true, TTL, TM_EVENT_TIME, 30, seed, NULL) > 50);
        tm_assert(run(true, TTL, TM_PROCESSING_TIME, 30, seed, NULL) > 50);
    }
}

static void dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

Test(process_random, goes_on_from_its_checkpoints_as_if_nothing_had_happened)
{
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (int wide = 0; wide < 2; wide++) {
            char dir[] = "/tmp/tm-process-XXXXXX";
            tm_assert(mkdtemp(dir) != NULL);
            tm_assert_eq(run(wide, TTL, TM_EVENT_TIME, 400, seed, dir), 0u);
            dir_remove(dir);
        }
}
