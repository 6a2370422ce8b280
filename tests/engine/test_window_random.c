/* Random jobs against a slow model: the model keeps every row of every (key, window), finds windows
   by their definition and sums up anew for each result. It knows nothing of slices, panes or
   tables. */
#include "tests/engine/window_bed.h"
#include "tests/state/late_snapshot.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1500 };

typedef struct result {
    uint64_t key;
    int64_t start, end, trades, open, high, low, close;
    tm_i128_t volume, notional;
} result_t;

typedef struct state {
    uint64_t key;
    int64_t start, end;
    bool fired;
    uint32_t *rows; /* indexes of the job's rows */
    uint32_t cnt;
} state_t;

typedef struct model {
    tm_window_spec_t spec;
    bool purge;
    const tm_trade_t *rows;
    int64_t wm;
    state_t *states;
    size_t state_cnt, state_cap;
    result_t *results;
    size_t result_cnt, result_cap;
    uint64_t late, gap, no_time;
    uint64_t late_ids; /* sum of the ids of late rows */
} model_t;

static void *grown(void *list, size_t cnt, size_t *cap, size_t sz)
{
    if (cnt < *cap) return list;
    *cap = *cap ? 2 * *cap : 64;
    list = realloc(list, *cap * sz);
    tm_assert(list != NULL);
    return list;
}

static void model_fire(model_t *m, state_t *s)
{
    result_t r = {.key = s->key, .start = s->start, .end = s->end, .trades = s->cnt};
    tm_assert(s->cnt > 0);
    const tm_trade_t *first = &m->rows[s->rows[0]], *last = first;
    for (uint32_t i = 0; i < s->cnt; i++) {
        const tm_trade_t *t = &m->rows[s->rows[i]];
        if (t->row.event_ns < first->row.event_ns ||
            (t->row.event_ns == first->row.event_ns && t->trade_id < first->trade_id))
            first = t;
        if (t->row.event_ns > last->row.event_ns ||
            (t->row.event_ns == last->row.event_ns && t->trade_id > last->trade_id))
            last = t;
        if (i == 0 || t->price_e8 > r.high) r.high = t->price_e8;
        if (i == 0 || t->price_e8 < r.low) r.low = t->price_e8;
        r.volume += t->qty_e8;
        r.notional += (tm_i128_t)t->price_e8 * t->qty_e8;
    }
    r.open = first->price_e8;
    r.close = last->price_e8;
    m->results = grown(m->results, m->result_cnt, &m->result_cap, sizeof r);
    m->results[m->result_cnt++] = r;
    s->fired = true;
    if (m->purge) s->cnt = 0;
}

static void model_add(model_t *m, uint32_t idx, uint64_t key, int64_t start, int64_t end)
{
    state_t *s = NULL;
    for (size_t i = 0; i < m->state_cnt && !s; i++)
        if (m->states[i].key == key && m->states[i].start == start && m->states[i].end == end)
            s = &m->states[i];
    if (!s) {
        m->states = grown(m->states, m->state_cnt, &m->state_cap, sizeof *s);
        s = &m->states[m->state_cnt++];
        *s = (state_t){.key = key, .start = start, .end = end};
        s->rows = calloc(ROWS_MAX, sizeof *s->rows);
    }
    s->rows[s->cnt++] = idx;
    if (end - 1 <= m->wm) model_fire(m, s);
}

static void model_row(model_t *m, uint32_t idx, uint64_t key)
{
    const tm_window_spec_t *spec = &m->spec;
    int64_t t = m->rows[idx].row.event_ns, lateness = spec->lateness_ns;
    if (t == TM_TIME_NONE) {
        m->no_time++;
        return;
    }
    bool any = false, kept = false;
    int64_t grid = spec->kind == TM_WINDOW_SLIDING ? spec->slide_ns : spec->size_ns;
    int64_t step = spec->kind == TM_WINDOW_CUMULATIVE ? spec->slide_ns : spec->size_ns;
    /* Every window start near t, by definition offset + k * grid. */
    for (int64_t k = (t - spec->size_ns) / grid - 3; k <= t / grid + 3; k++) {
        int64_t start = spec->offset_ns + k * grid;
        for (int64_t end = start + step; end <= start + spec->size_ns; end += step) {
            if (t < start || t >= end) continue;
            any = true;
            if (end - 1 + lateness <= m->wm) continue;
            kept = true;
            model_add(m, idx, key, start, end);
        }
    }
    if (kept) return;
    if (t + lateness <= m->wm) {
        m->late++;
        m->late_ids += m->rows[idx].trade_id;
    } else {
        tm_assert(!any);
        m->gap++;
    }
}

static void model_watermark(model_t *m, int64_t wm)
{
    if (wm <= m->wm) return;
    m->wm = wm;
    /* From the end: a state that is over gives its place to the last, which has had its turn. */
    for (size_t i = m->state_cnt; i-- > 0;) {
        state_t *s = &m->states[i];
        if (!s->fired && s->end - 1 <= wm) model_fire(m, s);
        if (wm != INT64_MAX && s->end - 1 + m->spec.lateness_ns > wm) continue;
        free(s->rows);
        *s = m->states[--m->state_cnt];
    }
}

static int by_all(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(result_t));
}

/* The engine's results in the model's form. */
static result_t *results_of(const bed_t *bed, const char *key_field)
{
    result_t *list = calloc(bed->row_cnt + 1, sizeof *list);
    for (size_t i = 0; i < bed->row_cnt; i++) {
        list[i] = (result_t){.key = (uint64_t)bed_int(bed, i, key_field),
                             .start = bed_int(bed, i, "window_start"),
                             .end = bed_int(bed, i, "window_end"),
                             .trades = bed_int(bed, i, "trades"),
                             .open = bed_int(bed, i, "open"),
                             .high = bed_int(bed, i, "high"),
                             .low = bed_int(bed, i, "low"),
                             .close = bed_int(bed, i, "close"),
                             .volume = bed_wide(bed, i, "volume"),
                             .notional = bed_wide(bed, i, "notional")};
        const tm_row_t *row = (const void *)(bed->rows + i * bed->schema.row_sz);
        tm_assert_eq(row->event_ns, list[i].end - 1);
        tm_assert_eq((int)row->kind, (int)TM_ROW_INSERT);
        tm_assert_eq(row->phase, 0);
    }
    return list;
}

static bool same_results(const bed_t *bed, model_t *m, const char *key_field)
{
    result_t *got = results_of(bed, key_field);
    bool same = bed->row_cnt == m->result_cnt;
    qsort(got, bed->row_cnt, sizeof *got, by_all);
    if (m->result_cnt) qsort(m->results, m->result_cnt, sizeof *m->results, by_all);
    for (size_t i = 0; same && i < m->result_cnt; i++)
        same = memcmp(&got[i], &m->results[i], sizeof *got) == 0;
    if (!same) printf("# %zu results, expected %zu\n", bed->row_cnt, m->result_cnt);
    free(got);
    return same;
}

static const tm_agg_spec_t bar_aggs[] = {
    {"open", TM_AGG_FIRST, "price", "trade_id"}, {"high", TM_AGG_MAX, "price", NULL},
    {"low", TM_AGG_MIN, "price", NULL},          {"close", TM_AGG_LAST, "price", "trade_id"},
    {"volume", TM_AGG_SUM, "qty", NULL},         {"notional", TM_AGG_SUM_MUL, "price", "qty"},
    {"trades", TM_AGG_COUNT, NULL, NULL},
};

typedef struct job {
    tm_window_cfg_t cfg;
    tm_trade_t rows[ROWS_MAX];
    uint32_t row_cnt;
    bool drain; /* compare at every watermark, else only at the end */
    int64_t disorder;
} job_t;

static uint64_t below(uint64_t *rng, uint64_t n)
{
    return bed_random(rng) % n;
}

static void job_make(job_t *job, uint64_t *rng)
{
    tm_window_spec_t s = {.kind = (tm_window_kind_t)(TM_WINDOW_TUMBLING + below(rng, 3))};
    int64_t unit = below(rng, 2) ? 1 : 1000003;
    s.slide_ns = (int64_t)(1 + below(rng, 12)) * unit;
    s.size_ns = (int64_t)(1 + below(rng, 40)) * unit;
    if (s.kind == TM_WINDOW_CUMULATIVE) s.size_ns = s.slide_ns * (int64_t)(1 + below(rng, 8));
    int64_t grid = s.kind == TM_WINDOW_SLIDING ? s.slide_ns : s.size_ns;
    if (below(rng, 2)) s.offset_ns = (int64_t)below(rng, (uint64_t)(2 * grid - 1)) - (grid - 1);
    if (below(rng, 2)) s.lateness_ns = (int64_t)below(rng, 60) * unit;
    job->cfg = (tm_window_cfg_t){.what.window = s,
                                 .what.trigger.purge = below(rng, 4) == 0,
                                 .unsliced = below(rng, 2) == 0,
                                 .in = tm_schema_trade(),
                                 .key_fields = {below(rng, 2) ? "symbol" : "publish_time"},
                                 .what.aggs = bar_aggs,
                                 .what.agg_cnt = TM_ARRAY_CNT(bar_aggs),
                                 .out_name = "bars",
                                 .out_id = TM_SCHEMA_ID_USER,
                                 .budget = below(rng, 2) ? 0 : 1 + (uint32_t)below(rng, 9)};
    if (strcmp(job->cfg.key_fields[0], "publish_time") == 0) job->cfg.key_fields[0] = "id_key";
    job->drain = below(rng, 2);
    job->disorder = (int64_t)below(rng, 50) * unit;

    uint64_t keys = 1 + below(rng, 30);
    int64_t now = ((int64_t)below(rng, 400) - 200) * unit, pace = (int64_t)below(rng, 3) * unit;
    job->row_cnt = 1 + (uint32_t)below(rng, ROWS_MAX);
    for (uint32_t i = 0; i < job->row_cnt; i++) {
        if (below(rng, 40) == 0) now += (int64_t)below(rng, 100) * unit;
        now += (int64_t)below(rng, (uint64_t)pace + 1);
        int64_t t = now - (int64_t)below(rng, (uint64_t)job->disorder + 1);
        if (below(rng, 200) == 0) t = TM_TIME_NONE;
        uint64_t key = below(rng, keys);
        job->rows[i] = (tm_trade_t){.row = {.symbol = (uint32_t)key, .event_ns = t, .recv_ns = i},
                                    .trade_id = i * 2654435761u % 1000,
                                    .price_e8 = (int64_t)below(rng, 2000) - 500,
                                    .qty_e8 = (int64_t)bed_random(rng),
                                    .publish_ns = (int64_t)(key * UINT64_C(0x123456789abcdef1))};
        /* Equal (time, id) must mean the same trade, or open and close are not defined. */
        job->rows[i].trade_id = job->rows[i].trade_id * ROWS_MAX + i;
    }
}

/* The market schema has no 64-bit key: the job's own names the publish time as one. */
static const tm_schema_t *keyed_schema(void)
{
    static tm_schema_t s;
    s = *tm_schema_trade();
    tm_field_t *f = &s.fields[tm_schema_find(&s, "publish_time")];
    snprintf(f->name, sizeof f->name, "id_key");
    f->type = TM_TYPE_U64;
    return &s;
}

static bool job_holds(job_t *job, uint64_t *rng)
{
    bed_t bed;
    late_t late;
    model_t m = {.spec = job->cfg.what.window,
                 .purge = job->cfg.what.trigger.purge,
                 .rows = job->rows,
                 .wm = TM_TIME_NONE};
    bool by_symbol = strcmp(job->cfg.key_fields[0], "symbol") == 0;
    job->cfg.in = keyed_schema();
    bed_open(&bed, &job->cfg, 3000, true);
    late_open(&late, &bed.pages);

    int64_t max = TM_TIME_NONE, bound = job->disorder * (int64_t)below(rng, 3) / 2;
    bool same = true;
    for (uint32_t i = 0; i < job->row_cnt && same;) {
        uint32_t n = 1 + (uint32_t)below(rng, 150);
        if (n > job->row_cnt - i) n = job->row_cnt - i;
        if (late.flipped)
            late_check(&late);
        else
            late_flip(&late);
        tm_operator_rows(bed.op, &job->rows[i], n, sizeof job->rows[0]);
        for (; n > 0; n--, i++) {
            const tm_trade_t *t = &job->rows[i];
            model_row(&m, i, by_symbol ? t->row.symbol : (uint64_t)t->publish_ns);
            if (t->row.event_ns > max) max = t->row.event_ns;
        }
        if (max != TM_TIME_NONE && below(rng, 2)) {
            tm_operator_watermark(bed.op, max - bound - 1);
            model_watermark(&m, max - bound - 1);
        }
        if (!job->drain) continue;
        bed_drain(&bed);
        same = same_results(&bed, &m, job->cfg.key_fields[0]) && bed.wm == m.wm;
        bed.row_cnt = m.result_cnt = 0;
    }
    tm_operator_watermark(bed.op, INT64_MAX);
    model_watermark(&m, INT64_MAX);
    tm_operator_end(bed.op);
    same = same && same_results(&bed, &m, job->cfg.key_fields[0]) && bed.wm == INT64_MAX;
    same = same && bed_counter(&bed, "window_late") == m.late &&
           bed_counter(&bed, "window_gap") == m.gap &&
           bed_counter(&bed, "window_no_time") == m.no_time &&
           bed_counter(&bed, "window_rows") == job->row_cnt && bed.late_cnt == m.late &&
           bed_counter(&bed, "window_full") == 0;
    uint64_t ids = 0;
    for (size_t i = 0; i < bed.late_cnt; i++)
        ids += ((const tm_trade_t *)(const void *)bed.late)[i].trade_id;
    same = same && ids == m.late_ids;
    if (!same)
        printf("# kind %d size %lld slide %lld offset %lld lateness %lld purge %d "
               "budget %u unsliced %d\n",
               (int)m.spec.kind, (long long)m.spec.size_ns, (long long)m.spec.slide_ns,
               (long long)m.spec.offset_ns, (long long)m.spec.lateness_ns, m.purge, job->cfg.budget,
               job->cfg.unsliced);
    late_close(&late);
    bed_close(&bed);
    for (size_t i = 0; i < m.state_cnt; i++) free(m.states[i].rows);
    free(m.states);
    free(m.results);
    return same;
}

/* TM_SEED starts at another job, TM_RANDOM_JOBS runs more of them. */
Test(window, agrees_with_the_slow_model_on_random_jobs)
{
    const char *seed_env = getenv("TM_SEED"), *jobs_env = getenv("TM_RANDOM_JOBS");
    uint64_t seed = seed_env ? strtoull(seed_env, NULL, 10) : 1;
    uint64_t jobs = jobs_env ? strtoull(jobs_env, NULL, 10) : 400;
    static job_t job;
    for (uint64_t i = 0; i < jobs; i++) {
        uint64_t rng = seed + i;
        job_make(&job, &rng);
        bool holds = job_holds(&job, &rng);
        uint64_t this_seed = seed + i;
        if (!holds) printf("# TM_SEED=%llu\n", (unsigned long long)this_seed);
        tm_assert(holds);
    }
}
