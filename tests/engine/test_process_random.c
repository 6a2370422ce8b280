/* Random operations on state and timers of a few dozen keys, each compared at once with a model
   made of plain arrays. Keys of one field and of three, time to live in no, in event and in
   processing time, arenas with room and without. */
#include "base/error.h"
#include "engine/operators/process.h"
#include "state/checkpoint_store.h"
#include "state/page_track.h"
#include "tests/state/pages_bed.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 40, LIST_MAX = 400, MAP_MAX = 24, TIMER_MAX = 4000, TTL = 5000, BLOB_MAX = 3000 };
enum { VALUE, BLOB, LIST, MAP, SUM, MEAN, STATES };

typedef struct blob {
    bool on;
    int64_t stamp;
    uint32_t sz;
    uint64_t seed; /* of the bytes */
} blob_t;

typedef struct model_key {
    blob_t value, blob;
    blob_t list[LIST_MAX];
    uint32_t list_cnt;
    blob_t map[MAP_MAX];
    uint64_t map_order[MAP_MAX]; /* when the entry was added */
    int64_t sum, mean_sum, mean_cnt;
    blob_t sum_is, mean_is;
} model_key_t;

typedef struct rig {
    const tm_process_cfg_t *cfg;
    const tm_operator_env_t *env;
    tm_page_arena_t *arena;
    void *mem, *page_mem;
    uint32_t pages;
    bool moves; /* now and then all of it moves into other memory, through a checkpoint */
    tm_checkpoint_store_t *store;
    uint64_t checkpoint_id, moved;
    void *track_mem;
    tm_process_t *process;
    tm_operator_t *op;
    uint64_t seed, added;
    int64_t ttl_ns;
    tm_time_domain_t domain;
    tm_ttl_update_t update;
    model_key_t keys[KEYS];
    tm_timer_t timers[2][TIMER_MAX];
    uint32_t timer_cnt[2];
    uint32_t key; /* under way */
    int64_t clock[2], row_ns;
    int64_t handed_ns; /* the last watermark handed on */
    uint64_t fired, refused, emitted, ops;
} rig_t;

static void blob_fill(const blob_t *b, uint8_t *bytes)
{
    uint64_t seed = b->seed;
    for (uint32_t i = 0; i < b->sz; i += 8) {
        uint64_t word = pages_bed_random(&seed);
        memcpy(bytes + i, &word, b->sz - i < 8 ? b->sz - i : 8);
    }
}

static bool blob_is(const blob_t *b, const void *bytes, size_t sz)
{
    uint8_t want[BLOB_MAX + 8];
    blob_fill(b, want);
    return sz == b->sz && memcmp(want, bytes, sz) == 0;
}

/* The rules of time to live, as tidemark.h states them. */
static bool is_gone(const rig_t *r, const blob_t *b)
{
    return !b->on || (r->ttl_ns > 0 && b->stamp + r->ttl_ns <= r->clock[r->domain]);
}

static int64_t stamp_now(const rig_t *r)
{
    int64_t now = r->clock[r->domain];
    return r->domain == TM_EVENT_TIME && r->row_ns > now ? r->row_ns : now;
}

static void is_read(rig_t *r, blob_t *b)
{
    if (r->update == TM_TTL_ON_READ_AND_WRITE) b->stamp = stamp_now(r);
}

static blob_t blob_make(rig_t *r, uint32_t sz)
{
    return (blob_t){
        .on = true, .stamp = stamp_now(r), .sz = sz, .seed = pages_bed_random(&r->seed)};
}

static bool done(rig_t *r, int err)
{
    tm_assert(err == 0 || err == TM_E_LIMIT);
    r->refused += err != 0;
    return err == 0;
}

static void on_single(rig_t *r, tm_process_t *p, uint32_t state, blob_t *b, uint32_t sz)
{
    uint8_t bytes[BLOB_MAX + 8];
    uint64_t what = pages_bed_random(&r->seed) % 8;
    if (what < 4) {
        blob_t fresh = blob_make(r, sz);
        blob_fill(&fresh, bytes);
        if (done(r, tm_value_set(p, state, bytes, sz))) *b = fresh;
    } else if (what == 4) {
        tm_state_clear(p, state);
        b->on = false;
    } else {
        size_t got_sz;
        const void *got = tm_value_get(p, state, &got_sz);
        tm_assert_eq(got == NULL, is_gone(r, b));
        if (got) tm_assert(blob_is(b, got, got_sz));
        if (got) is_read(r, b);
    }
}

static void on_list(rig_t *r, tm_process_t *p, model_key_t *k)
{
    uint8_t bytes[BLOB_MAX + 8];
    uint64_t what = pages_bed_random(&r->seed) % 16;
    if (what < 10 && k->list_cnt < LIST_MAX) {
        blob_t fresh = blob_make(r,
                                 (uint32_t)(pages_bed_random(&r->seed) % (what ? 60 : BLOB_MAX)));
        blob_fill(&fresh, bytes);
        if (done(r, tm_list_add(p, LIST, bytes, fresh.sz))) k->list[k->list_cnt++] = fresh;
    } else if (what < 11 || k->list_cnt == LIST_MAX) {
        tm_state_clear(p, LIST);
        k->list_cnt = 0;
    } else {
        tm_state_iter_t at = {.state = LIST};
        const void *got;
        size_t sz;
        for (uint32_t i = 0; i < k->list_cnt; i++) {
            if (is_gone(r, &k->list[i])) continue;
            tm_assert(tm_list_next(p, &at, &got, &sz));
            tm_assert(blob_is(&k->list[i], got, sz));
            is_read(r, &k->list[i]);
        }
        tm_assert(!tm_list_next(p, &at, &got, &sz));
    }
}

static void on_map_walk(rig_t *r, tm_process_t *p, model_key_t *k)
{
    tm_state_iter_t at = {.state = MAP};
    tm_map_entry_t got;
    uint64_t last = 0;
    uint32_t cnt = 0, want = 0;
    for (uint32_t i = 0; i < MAP_MAX; i++) want += !is_gone(r, &k->map[i]);
    for (; tm_map_next(p, &at, &got); cnt++) {
        char text[64];
        tm_assert(got.key_sz < sizeof text);
        memcpy(text, got.key, got.key_sz);
        text[got.key_sz] = 0;
        uint32_t i = (uint32_t)atoi(text + 1);
        tm_assert(i < MAP_MAX && !is_gone(r, &k->map[i]));
        tm_assert(blob_is(&k->map[i], got.value, got.value_sz));
        tm_assert(k->map_order[i] > last);
        last = k->map_order[i];
        is_read(r, &k->map[i]);
        if (pages_bed_random(&r->seed) % 16 == 0) {
            tm_assert(tm_map_remove(p, MAP, text, strlen(text)));
            k->map[i].on = false;
        }
    }
    tm_assert_eq(cnt, want);
}

static void on_map(rig_t *r, tm_process_t *p, model_key_t *k)
{
    uint8_t bytes[BLOB_MAX + 8];
    char key[64];
    uint64_t what = pages_bed_random(&r->seed) % 16;
    uint32_t i = (uint32_t)(pages_bed_random(&r->seed) % MAP_MAX);
    blob_t *b = &k->map[i];
    size_t sz, key_sz = (size_t)snprintf(key, sizeof key, "k%u-%.*s", i, (int)i,
                                         "abcdefghijklmnopqrstuvwxyz");
    if (what < 8) {
        blob_t fresh = blob_make(r,
                                 (uint32_t)(pages_bed_random(&r->seed) % (what ? 100 : BLOB_MAX)));
        blob_fill(&fresh, bytes);
        if (!done(r, tm_map_put(p, MAP, &(tm_map_entry_t){key, key_sz, bytes, fresh.sz}))) {
            /* What had expired may be gone by now; nothing else. */
            return;
        }
        if (is_gone(r, b)) k->map_order[i] = ++r->added;
        *b = fresh;
    } else if (what < 10) {
        tm_assert_eq((bool)tm_map_remove(p, MAP, key, key_sz), !is_gone(r, b));
        b->on = false;
    } else if (what < 13) {
        const void *got = tm_map_get(p, MAP, key, key_sz, &sz);
        tm_assert_eq(got == NULL, is_gone(r, b));
        if (got) tm_assert(blob_is(b, got, sz));
        if (got) is_read(r, b);
    } else if (what == 13 && i == 0) {
        tm_state_clear(p, MAP);
        for (uint32_t n = 0; n < MAP_MAX; n++) k->map[n].on = false;
    } else {
        on_map_walk(r, p, k);
    }
}

static void sum_reduce(void *value, const void *input)
{
    *(int64_t *)value += *(const int64_t *)input;
}

typedef struct mean {
    int64_t sum, cnt;
} mean_t;

static void mean_init(void *acc)
{
    *(mean_t *)acc = (mean_t){1000, 0}; /* a start that zeros would not give */
}

static void mean_add(void *acc, const void *input)
{
    ((mean_t *)acc)->sum += *(const int64_t *)input;
    ((mean_t *)acc)->cnt++;
}

static void mean_result(const void *acc, void *out)
{
    *(double *)out = (double)((const mean_t *)acc)->sum / (double)((const mean_t *)acc)->cnt;
}

static void on_sums(rig_t *r, tm_process_t *p, model_key_t *k)
{
    int64_t add = (int64_t)(pages_bed_random(&r->seed) % 1000);
    if (add % 3 == 0) {
        const int64_t *got = tm_value_get(p, SUM, NULL);
        tm_assert_eq(got == NULL, is_gone(r, &k->sum_is));
        if (got) tm_assert_eq(*got, k->sum);
        if (got) is_read(r, &k->sum_is);
        double mean = -1, want = (double)k->mean_sum / (double)k->mean_cnt;
        tm_assert_eq((bool)tm_value_result(p, MEAN, &mean), !is_gone(r, &k->mean_is));
        if (!is_gone(r, &k->mean_is)) tm_assert(mean == want);
        if (!is_gone(r, &k->mean_is)) is_read(r, &k->mean_is);
        return;
    }
    bool fresh = is_gone(r, &k->sum_is);
    if (done(r, tm_value_add(p, SUM, &add))) {
        k->sum = fresh ? add : k->sum + add;
        k->sum_is = (blob_t){.on = true, .stamp = stamp_now(r)};
    }
    fresh = is_gone(r, &k->mean_is);
    if (done(r, tm_value_add(p, MEAN, &add))) {
        k->mean_sum = fresh ? 1000 + add : k->mean_sum + add;
        k->mean_cnt = fresh ? 1 : k->mean_cnt + 1;
        k->mean_is = (blob_t){.on = true, .stamp = stamp_now(r)};
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

/* The number of a key in the order of timers is not the model's for wide keys: only time counts. */
static uint32_t timer_find(const rig_t *r, uint32_t domain, int64_t time_ns, uint32_t name)
{
    uint32_t i = 0;
    while (i < r->timer_cnt[domain] &&
           (r->timers[domain][i].time_ns != time_ns || r->timers[domain][i].key != r->key ||
            r->timers[domain][i].name != name))
        i++;
    return i;
}

static void on_timers(rig_t *r, tm_process_t *p)
{
    uint64_t rnd = pages_bed_random(&r->seed);
    uint32_t domain = rnd >> 20 & 1, name = rnd >> 21 & 1;
    int64_t time_ns = r->clock[domain] + (int64_t)(rnd >> 32) % 3000 - 200;
    time_ns -= time_ns % 50;
    if (r->clock[domain] == INT64_MIN) time_ns = 0;
    if (r->clock[domain] == INT64_MAX) return; /* the end: nothing fires after it */
    uint32_t at = timer_find(r, domain, time_ns, name);
    bool there = at < r->timer_cnt[domain];
    if (rnd % 4 < 3) {
        if (r->timer_cnt[domain] == TIMER_MAX) return;
        if (!done(r, tm_timer_set(p, domain, time_ns, name)) || there) return;
        r->timers[domain][r->timer_cnt[domain]++] = (tm_timer_t){
            .time_ns = time_ns, .key = r->key, .name = name};
    } else {
        if (!there && r->timer_cnt[domain] > 0) {
            /* One that is there, if this key has any. */
            for (at = 0; at < r->timer_cnt[domain]; at++)
                if (r->timers[domain][at].key == r->key) break;
            there = at < r->timer_cnt[domain];
            if (there) time_ns = r->timers[domain][at].time_ns, name = r->timers[domain][at].name;
        }
        tm_assert_eq((bool)tm_timer_delete(p, domain, time_ns, name), there);
        if (there) r->timers[domain][at] = r->timers[domain][--r->timer_cnt[domain]];
    }
}

static void step(rig_t *r, tm_process_t *p)
{
    model_key_t *k = &r->keys[r->key];
    r->process = p;
    uint32_t no;
    memcpy(&no, tm_process_key(p, 0, NULL), sizeof no);
    tm_assert_eq(no, r->key);
    for (uint32_t n = 0; n < 4; n++, r->ops++) switch (pages_bed_random(&r->seed) % 8) {
        case 0:
            on_single(r, p, VALUE, &k->value, 24);
            break;
        case 1:
            on_single(r, p, BLOB, &k->blob,
                      (uint32_t)(pages_bed_random(&r->seed) >> 40) % (r->ops % 9 ? 120 : BLOB_MAX));
            break;
        case 2:
        case 3:
            on_list(r, p, k);
            break;
        case 4:
        case 5:
            on_map(r, p, k);
            break;
        case 6:
            on_sums(r, p, k);
            break;
        default:
            on_timers(r, p);
        }
    ((tm_trade_t *)tm_process_emit(p))->trade_id = r->key;
}

static void on_row(tm_process_t *p, const void *row)
{
    rig_t *r = tm_process_user(p);
    r->key = ((const tm_row_t *)row)->symbol;
    r->row_ns = ((const tm_row_t *)row)->event_ns;
    step(r, p);
}

static void on_timer(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    rig_t *r = tm_process_user(p);
    uint32_t no;
    memcpy(&no, tm_process_key(p, 0, NULL), sizeof no);
    r->key = no;
    uint32_t at = timer_find(r, domain, time_ns, name);
    tm_assert(at < r->timer_cnt[domain] && time_ns <= r->clock[domain]);
    for (uint32_t i = 0; i < r->timer_cnt[domain]; i++)
        tm_assert(r->timers[domain][i].time_ns >= time_ns);
    r->timers[domain][at] = r->timers[domain][--r->timer_cnt[domain]];
    int64_t before = r->clock[TM_EVENT_TIME];
    if (domain == TM_EVENT_TIME)
        r->clock[TM_EVENT_TIME] = time_ns > r->handed_ns ? time_ns : r->handed_ns;
    r->row_ns = domain == TM_EVENT_TIME ? time_ns : INT64_MIN;
    r->fired++;
    step(r, p);
    if (domain == TM_EVENT_TIME) r->clock[TM_EVENT_TIME] = before;
}

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
    r.ttl_ns = ttl_ns, r.domain = domain;
    r.update = seed % 2 ? TM_TTL_ON_READ_AND_WRITE : TM_TTL_ON_WRITE;
    r.clock[0] = r.clock[1] = r.handed_ns = INT64_MIN;
    printf("# wide %d ttl %lld domain %d pages %u seed %llu\n", wide, (long long)ttl_ns, domain,
           pages, (unsigned long long)seed);
    tm_state_spec_t states[STATES] = {
        [VALUE] = {.name = "value", .kind = TM_STATE_VALUE, .value_sz = 24},
        [BLOB] = {.name = "blob", .kind = TM_STATE_VALUE},
        [LIST] = {.name = "list", .kind = TM_STATE_LIST},
        [MAP] = {.name = "map", .kind = TM_STATE_MAP},
        [SUM] = {.name = "sum", .kind = TM_STATE_REDUCING, .value_sz = 8, .reduce = sum_reduce},
        [MEAN] = {.name = "mean",
                  .kind = TM_STATE_AGGREGATING,
                  .value_sz = sizeof(mean_t),
                  .init = mean_init,
                  .add = mean_add,
                  .result = mean_result},
    };
    for (uint32_t i = 0; i < STATES; i++)
        states[i].ttl_ns = ttl_ns, states[i].ttl_time = domain, states[i].ttl_update = r.update;
    tm_counter_set_t *counters = tm_counter_set_new("test");
    const tm_process_cfg_t cfg = {.name = "random",
                                  .fns = {.on_row = on_row, .on_timer = on_timer},
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
