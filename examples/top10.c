/* top10 - the ten symbols with the most traded value in every ten seconds, best first.

   Two stages. The first adds up each symbol's value, on the worker that owns the symbol. The second
   is keyed by the window's end: all sums of a window meet on one worker, whichever came from where,
   wait there until the watermark says that none is missing, and are ranked.

       top10 --connect wss://stream.binance.com:9443/ws --stream btcusdt@trade ... --out top10
       top10 --replay capture.gz --out top10 --worker-cores 0,1 */
#include <tidemark.h>

#include <string.h>

enum { RANK_MAX = 10, SUMS = 0 };

/* A symbol's value in a window: what travels between the stages. */
typedef struct total {
    tm_row_t row;
    int64_t window_end_ns;
    int64_t unused;
    tm_i128_t value; /* scaled by 10^16 */
} total_t;

static const tm_struct_field_t total_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_MEMBER(total_t, window_end_ns, "window_end", TM_TYPE_TIME_NS),
    TM_DECIMAL(total_t, value, "value", 16),
};
static const tm_struct_t total_type = TM_STRUCT(total_t, "total", total_fields);

typedef struct ranked {
    tm_row_t row;
    int64_t window_end_ns;
    int64_t rank;
    tm_i128_t value;
} ranked_t;

static const tm_struct_field_t ranked_fields[] = {
    TM_MEMBER(ranked_t, window_end_ns, "window_end", TM_TYPE_TIME_NS),
    TM_MEMBER(ranked_t, rank, "rank", TM_TYPE_I64),
    TM_HEADER_SYMBOL("symbol"),
    TM_DECIMAL(ranked_t, value, "value", 16),
};
static const tm_struct_t ranked_type = TM_STRUCT(ranked_t, "ranked", ranked_fields);

/* Where a result of the window has its fields. */
static struct {
    uint16_t window_end, value;
} at;

static void total_of(void *ctx, const void *in, void *out)
{
    total_t *to = out;
    (void)ctx;
    memcpy(&to->window_end_ns, (const char *)in + at.window_end, sizeof to->window_end_ns);
    memcpy(&to->value, (const char *)in + at.value, sizeof to->value);
}

/* What is kept of a window until it is complete. */
typedef struct sum {
    uint32_t symbol;
    uint32_t unused[3];
    tm_i128_t value;
} sum_t;

static const tm_state_spec_t states[] = {
    [SUMS] = {.name = "sums", .kind = TM_STATE_LIST, .value_sz = sizeof(sum_t)},
};

static void on_total(tm_process_t *p, const void *row)
{
    const total_t *total = row;
    const sum_t sum = {.symbol = total->row.symbol, .value = total->value};
    if (tm_list_add(p, SUMS, &sum, sizeof sum) == 0)
        tm_timer_set(p, TM_EVENT_TIME, total->row.event_ns, 0);
}

/* The watermark has passed the window's end: all of its sums are here. */
static void on_complete(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    sum_t best[RANK_MAX];
    int cnt = 0;
    const void *value;
    tm_state_iter_t walk = {.state = SUMS};
    (void)domain;
    (void)name;
    while (tm_list_next(p, &walk, &value, NULL)) {
        sum_t sum;
        memcpy(&sum, value, sizeof sum);
        int place = cnt < RANK_MAX ? cnt++ : RANK_MAX;
        for (; place > 0 && best[place - 1].value < sum.value; place--)
            if (place < RANK_MAX) best[place] = best[place - 1];
        if (place < RANK_MAX) best[place] = sum;
    }
    for (int i = 0; i < cnt; i++) {
        ranked_t *out = tm_process_emit(p);
        out->row.symbol = best[i].symbol;
        out->window_end_ns = time_ns + 1;
        out->rank = i + 1;
        out->value = best[i].value;
    }
    tm_state_clear(p, SUMS);
}

static int build(tm_job_t *job)
{
    static const tm_agg_spec_t value[] = {
        {.as = "value", .fn = TM_AGG_SUM_MUL, .field = "price", .by = "qty"}};
    const tm_window_spec_t ten_seconds = tm_tumbling(10 * TM_SECOND);

    tm_stream_t *trades = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    tm_stream_t *timed = tm_watermarks(trades, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *sums = tm_window_aggregate(tm_key_by(timed, "symbol"), "sums", &ten_seconds, value,
                                            1);
    at.window_end = tm_field_off(sums, "window_end", TM_TYPE_TIME_NS);
    at.value = tm_field_off(sums, "value", TM_TYPE_DECIMAL128);

    tm_stream_t *totals = tm_map(sums, "totals", &total_type, total_of, NULL);
    tm_stream_t *ranks = tm_process(tm_key_by(totals, "window_end"),
                                    &(tm_process_spec_t){
                                        .name = "rank",
                                        .out = &ranked_type,
                                        .fns = {.on_row = on_total, .on_timer = on_complete},
                                        .states = states,
                                        .state_cnt = 1,
                                    });
    tm_sink_parts(ranks, &(tm_parts_spec_t){.bucket_field = "window_end"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
