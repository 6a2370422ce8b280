/* evolve_job - a job as it is changed over its life: $TM_CHANGE holds words, each a change of the
   job that runs without any. Running totals of each symbol's trades in tally/, bars in bars/. */
#include <tidemark.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int is(const char *word)
{
    const char *change = getenv("TM_CHANGE");
    return change && strstr(change, word) != NULL;
}

/* ---- Totals, as they are kept before and after ----------------------------------------------- */

typedef struct total {
    int64_t count, volume_e8;
} total_t;

static const tm_struct_field_t total_fields[] = {
    TM_MEMBER(total_t, count, "count", TM_TYPE_I64),
    TM_DECIMAL(total_t, volume_e8, "volume", 8),
};
static const tm_struct_t total_type = TM_STRUCT(total_t, "total", total_fields);

/* One field more, and the others at other places. */
typedef struct wide_total {
    int64_t volume_e8, since, count;
} wide_total_t;

static const tm_struct_field_t wide_fields[] = {
    TM_DECIMAL(wide_total_t, volume_e8, "volume", 8),
    TM_MEMBER(wide_total_t, since, "since", TM_TYPE_I64),
    TM_MEMBER(wide_total_t, count, "count", TM_TYPE_I64),
};
static const tm_struct_t wide_type = TM_STRUCT(wide_total_t, "total", wide_fields);

/* The count was a number, and is a price. */
static const tm_struct_field_t odd_fields[] = {
    TM_DECIMAL(total_t, count, "count", 2),
    TM_DECIMAL(total_t, volume_e8, "volume", 8),
};
static const tm_struct_t odd_type = TM_STRUCT(total_t, "total", odd_fields);

typedef struct tally {
    tm_row_t row;
    uint64_t trade_id;
    int64_t count, volume_e8, since, later;
    int64_t largest_e8;
} tally_t;

static const tm_struct_field_t tally_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_MEMBER(tally_t, trade_id, "trade_id", TM_TYPE_U64),
    TM_MEMBER(tally_t, count, "count", TM_TYPE_I64),
    TM_DECIMAL(tally_t, volume_e8, "volume", 8),
    TM_MEMBER(tally_t, since, "since", TM_TYPE_I64),
    TM_MEMBER(tally_t, later, "later", TM_TYPE_I64),
    TM_DECIMAL(tally_t, largest_e8, "largest", 8),
};
static const tm_struct_t tally_type = TM_STRUCT(tally_t, "tally", tally_fields);

/* States by what they hold, not by their places, which the changes move. */
enum { AT_TOTAL, AT_LARGEST, AT_LATER, KINDS };
static uint32_t places[KINDS];

static void total_add(tm_process_t *p, const tm_trade_t *t, tally_t *out)
{
    const void *known = tm_value_get(p, places[AT_TOTAL], NULL);
    if (is("field")) {
        wide_total_t total = {0};
        if (known) memcpy(&total, known, sizeof total);
        total.count++, total.since++, total.volume_e8 += t->qty_e8;
        tm_value_set(p, places[AT_TOTAL], &total, sizeof total);
        out->count = total.count, out->volume_e8 = total.volume_e8, out->since = total.since;
    } else {
        total_t total = {0};
        if (known) memcpy(&total, known, sizeof total);
        total.count++, total.volume_e8 += t->qty_e8;
        tm_value_set(p, places[AT_TOTAL], &total, sizeof total);
        out->count = total.count, out->volume_e8 = total.volume_e8;
    }
}

static void on_row(tm_process_t *p, const void *row)
{
    const tm_trade_t *t = row;
    tally_t *out = tm_process_emit(p);
    out->trade_id = t->trade_id;
    total_add(p, t, out);
    if (!is("dropped")) {
        const int64_t *known = tm_value_get(p, places[AT_LARGEST], NULL);
        out->largest_e8 = known && *known > t->qty_e8 ? *known : t->qty_e8;
        tm_value_set(p, places[AT_LARGEST], &out->largest_e8, sizeof out->largest_e8);
    }
    if (is("state")) {
        const int64_t *known = tm_value_get(p, places[AT_LATER], NULL);
        out->later = known ? *known + 1 : 1;
        tm_value_set(p, places[AT_LATER], &out->later, sizeof out->later);
    }
}

static tm_stream_t *tally_of(tm_stream_t *keyed)
{
    tm_state_spec_t states[KINDS];
    uint32_t cnt = 0;
    if (is("state")) {
        places[AT_LATER] = cnt;
        states[cnt++] = (tm_state_spec_t){.name = "later", .kind = TM_STATE_VALUE, .value_sz = 8};
    }
    if (!is("dropped")) {
        places[AT_LARGEST] = cnt;
        states[cnt++] = (tm_state_spec_t){
            .name = "largest", .kind = is("kind") ? TM_STATE_LIST : TM_STATE_VALUE, .value_sz = 8};
    }
    places[AT_TOTAL] = cnt;
    states[cnt++] = (tm_state_spec_t){
        .name = "total",
        .kind = TM_STATE_VALUE,
        .value_sz = is("field") ? sizeof(wide_total_t) : sizeof(total_t),
        .type = is("field")  ? &wide_type
                : is("type") ? &odd_type
                             : &total_type,
    };
    return tm_process(keyed, &(tm_process_spec_t){.name = is("renamed") ? "sums" : "tally",
                                                  .out = &tally_type,
                                                  .fns = {.on_row = on_row},
                                                  .states = states,
                                                  .state_cnt = cnt});
}

/* ---- The graph ------------------------------------------------------------------------------- */

static bool is_kept(void *ctx, const void *row)
{
    (void)ctx;
    return ((const tm_trade_t *)row)->trade_id % 10 != 0;
}

static const tm_agg_spec_t bar[] = {
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "trades", .fn = TM_AGG_COUNT},
    {.as = "largest", .fn = TM_AGG_MAX, .field = "qty"},
};

/* A source of its own in front of all others, with event time and a window behind it. */
static void extra_add(tm_job_t *job)
{
    static tally_t rows[100];
    const tm_window_spec_t ten = tm_tumbling(10 * TM_SECOND);
    for (int i = 0; i < 100; i++) rows[i].row.event_ns = i * TM_SECOND;
    tm_stream_t *in = tm_source_array(
        job,
        &(tm_array_spec_t){.name = "extra", .type = &tally_type, .rows = rows, .row_cnt = 100});
    in = tm_key_by(tm_watermarks(in, &(tm_watermark_spec_t){0}), "trade_id");
    tm_sink_parts(tm_window_aggregate(in, "extra", &ten, &bar[1], 1),
                  &(tm_parts_spec_t){.name = "extra"});
}

static int build(tm_job_t *job)
{
    const tm_window_spec_t second = tm_tumbling(is("longer") ? 2 * TM_SECOND : TM_SECOND);
    const tm_window_spec_t ten = tm_tumbling(10 * TM_SECOND);
    if (is("extra")) extra_add(job);
    tm_stream_t *in = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    if (is("filter")) in = tm_filter(in, "most", is_kept, NULL);
    tm_stream_t *timed = tm_watermarks(in, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *keyed = tm_key_by(timed, is("rekeyed") ? "side" : "symbol");
    tm_stream_t *tally = tally_of(keyed);
    if (is("renamed")) tm_operator_id(tally, "process/tally");
    tm_sink_parts(tally, &(tm_parts_spec_t){.name = "tally"});
    if (is("ten")) {
        tm_stream_t *tens = tm_window_aggregate(keyed, "tens", &ten, bar, 2);
        tm_sink_parts(tens, &(tm_parts_spec_t){.name = "tens"});
    }
    if (is("gone")) return 0;
    tm_stream_t *bars = tm_window_aggregate(keyed, "bars", &second, bar, is("aggregate") ? 3 : 2);
    tm_sink_parts(bars, &(tm_parts_spec_t){.name = "bars"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
