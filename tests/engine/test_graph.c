#include "engine/job/graph.h"
#include "engine/runtime/checkpoint/rescale.h"
#include "engine/runtime/route.h"
#include "engine/runtime/topology.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

static tm_job_t job;
static tm_options_t opts;

static tm_stream_t *keyed_trades(void)
{
    memset(&opts, 0, sizeof opts);
    opts.out_dir = "out";
    opts.watermark_bound_ns = -1;
    opts.ring_depth = 1024;
    tm_job_fini(&job);
    tm_job_init(&job, &opts);
    tm_stream_t *s = tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    s = tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    return tm_key_by(s, "symbol");
}

static const tm_agg_spec_t count_only[] = {{.as = "n", .fn = TM_AGG_COUNT}};

/* The job is refused and the text names what is wrong. */
static void assert_refused(const char *part)
{
    tm_assert_eq(tm_job_validate(&job), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), part) != NULL);
}

Test(graph, a_bars_like_job_is_valid_and_its_rows_have_key_window_and_aggregates)
{
    const tm_window_spec_t w = tm_tumbling(TM_SECOND);
    tm_stream_t *bars = tm_window_aggregate(keyed_trades(), "bars", &w, count_only, 1);
    tm_sink_parts(bars, &(tm_parts_spec_t){.bucket_field = "window_start"});
    tm_assert_eq(tm_job_validate(&job), 0);
    tm_assert_eq(bars->schema.field_cnt, 4);
    tm_assert_str(bars->schema.fields[0].name, "symbol");
    tm_assert_str(bars->schema.fields[1].name, "window_start");
    tm_assert_str(bars->schema.fields[2].name, "window_end");
    tm_assert_str(bars->schema.fields[3].name, "n");
}

Test(graph, the_first_mistake_is_the_one_reported)
{
    const tm_window_spec_t w = tm_tumbling(-1);
    tm_stream_t *s = tm_window_aggregate(keyed_trades(), "bars", &w, count_only, 1);
    s = tm_key_by(s, "no_such_field");
    tm_sink_parts(s, NULL);
    assert_refused("window bars");
}

Test(graph, unknown_fields_are_named)
{
    tm_stream_t *s = keyed_trades();
    (void)tm_key_by(tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_QUOTE}), "prise");
    assert_refused("prise");
    (void)s;

    const tm_window_spec_t w = tm_tumbling(TM_SECOND);
    const tm_agg_spec_t bad[] = {{.as = "x", .fn = TM_AGG_SUM, .field = "quantity"}};
    (void)tm_window_aggregate(keyed_trades(), "bars", &w, bad, 1);
    assert_refused("quantity");

    tm_sink_parts(keyed_trades(), &(tm_parts_spec_t){.bucket_field = "price"});
    assert_refused("price");
}

Test(graph, paths_must_end_in_a_sink_and_windows_need_watermarks_and_keys)
{
    (void)keyed_trades();
    assert_refused("nothing reads its output");

    const tm_window_spec_t w = tm_tumbling(TM_SECOND);
    (void)keyed_trades();
    tm_job_fini(&job);
    tm_job_init(&job, &opts);
    tm_stream_t *s = tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    tm_sink_parts(tm_window_aggregate(s, "bars", &w, count_only, 1), NULL);
    assert_refused("put key_by before it");

    tm_job_fini(&job);
    tm_job_init(&job, &opts);
    s = tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    tm_sink_parts(tm_window_aggregate(tm_key_by(s, "symbol"), "bars", &w, count_only, 1), NULL);
    assert_refused("watermarks");
}

Test(route, every_worker_owns_a_fair_share_of_keys_and_groups_never_split)
{
    for (uint32_t workers = 1; workers <= 8; workers++) {
        uint32_t keys[8] = {0};
        uint32_t owner[TM_KEY_GROUP_CNT];
        memset(owner, 0xff, sizeof owner);
        for (uint32_t key = 0; key < 100000; key++) {
            uint32_t hash = tm_route_hash(key);
            uint32_t w = tm_route_owner(hash, workers), g = tm_route_key_group(hash);
            tm_assert(w < workers);
            tm_assert(owner[g] == UINT32_MAX || owner[g] == w);
            owner[g] = w;
            keys[w]++;
        }
        for (uint32_t w = 0; w < workers; w++) tm_assert(keys[w] > 100000 / workers * 9 / 10);
    }
}

Test(topology, threads_spin_only_on_cores_of_their_own)
{
    tm_sink_parts(keyed_trades(), NULL);
    job.opts.ingest_core_cnt = 1;
    job.opts.ingest_cores[0] = 0;
    job.opts.worker_core_cnt = 2;
    job.opts.worker_cores[0] = 0;
    job.opts.worker_cores[1] = 1;
    tm_topology_t topo;
    tm_assert_eq(tm_topology_plan(&topo, &job), 0);
    tm_assert(topo.ingests[0].idle == TM_IDLE_PARK);
    tm_assert(topo.workers[0].idle == TM_IDLE_PARK);
    tm_assert(topo.workers[1].idle == TM_IDLE_SPIN);
    tm_assert_eq(topo.sink_strides[0], 64u);
}

Test(topology, there_are_no_more_ingest_threads_than_inputs)
{
    tm_sink_parts(keyed_trades(), NULL);
    job.opts.ingest_core_cnt = 2;
    job.opts.replay_cnt = 1;
    tm_topology_t topo;
    tm_assert_eq(tm_topology_plan(&topo, &job), 0);
    tm_assert_eq(topo.ingest_cnt, 1u);
}

Test(graph, watermarks_are_made_once)
{
    tm_stream_t *keyed = keyed_trades();
    const tm_watermark_spec_t other = {.bound_ns = TM_MINUTE};
    (void)tm_watermarks(&job.nodes[1], &other);
    tm_sink_parts(keyed, NULL);
    assert_refused("watermarks");
}

Test(graph, a_url_that_does_not_fit_is_refused_and_not_cut)
{
    static char url[1024];
    (void)keyed_trades();
    memset(url, 'x', sizeof url - 1);
    tm_job_fini(&job);
    tm_job_init(&job, &opts);
    (void)tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE, .url = url});
    assert_refused("url");
}

Test(graph, sinks_have_folders_of_their_own_below_the_output)
{
    tm_stream_t *keyed = keyed_trades();
    tm_sink_parts(keyed, NULL);
    tm_sink_parts(keyed, NULL);
    assert_refused("same folder");
    tm_sink_parts(keyed_trades(), &(tm_parts_spec_t){.name = ".."});
    assert_refused("'..'");
}

/* ---- every builder's mistakes, by operator, field and type ----------------------------------- */

typedef struct point {
    tm_row_t row;
    int64_t key;
    int64_t value;
} point_t;

static const tm_struct_field_t point_fields[] = {TM_MEMBER(point_t, key, "key", TM_TYPE_I64),
                                                 TM_DECIMAL(point_t, value, "value", 8)};
static const tm_struct_t point = TM_STRUCT(point_t, "point", point_fields);

static tm_stream_t *points(void)
{
    static const point_t rows[1];
    (void)keyed_trades();
    tm_job_fini(&job);
    tm_job_init(&job, &opts);
    return tm_source_array(&job, &(tm_array_spec_t){.type = &point, .rows = rows, .row_cnt = 1});
}

static bool any_row(void *ctx, const void *row)
{
    (void)ctx;
    (void)row;
    return true;
}

static void no_rows(void *ctx, const void *in, tm_out_t *out)
{
    (void)ctx;
    (void)in;
    (void)out;
}

static int32_t none_left(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    (void)ctx;
    (void)partition;
    (void)rows;
    (void)max;
    return TM_SOURCE_END;
}

Test(graph, a_struct_that_is_no_schema_is_refused_by_field_and_type)
{
    const struct {
        tm_struct_field_t field;
        const char *words[2];
    } bad[] = {
        {{"key", TM_TYPE_I32, 24, 8, 0, 0}, {"'key'", "int32"}},
        {{"key", TM_TYPE_I64, 36, 8, 0, 0}, {"'key'", "outside"}},
        {{"", TM_TYPE_I64, 24, 8, 0, 0}, {"name", "point"}},
        {{"key", TM_TYPE_DECIMAL128, 24, 8, 0, 0}, {"'key'", "decimal128"}},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        const tm_struct_t type = {"point", sizeof(point_t), &bad[i].field, 1};
        (void)points();
        (void)tm_source_generator(
            &job, &(tm_generator_spec_t){.name = "gen", .type = &type, .next = none_left});
        assert_refused(bad[i].words[0]);
        assert_refused(bad[i].words[1]);
        assert_refused("gen");
    }
    const tm_struct_t small = {"tiny", 16, point_fields, 2};
    (void)points();
    (void)tm_source_generator(&job, &(tm_generator_spec_t){.type = &small, .next = none_left});
    assert_refused("tiny");
}

Test(graph, sources_and_transforms_say_what_they_miss)
{
    (void)points();
    (void)tm_source_generator(&job, &(tm_generator_spec_t){.name = "gen", .type = &point});
    assert_refused("next()");
    (void)tm_filter(points(), "sieve", NULL, NULL);
    assert_refused("filter sieve");
    (void)tm_map(points(), "turn", &point, NULL, NULL);
    assert_refused("map turn");
    (void)tm_flat_map(points(), &(tm_flat_map_spec_t){.name = "many", .out = &point});
    assert_refused("flat_map many");
    (void)tm_flat_map(points(), &(tm_flat_map_spec_t){.name = "many", .fn = no_rows});
    assert_refused("struct");
    tm_sink_callback(points(), &(tm_callback_spec_t){.name = "cb"});
    assert_refused("sink_callback cb");
    (void)tm_process(points(), &(tm_process_spec_t){.name = "p", .out = &point});
    assert_refused("key_by");
}

Test(graph, streams_of_different_rows_do_not_unite_and_unlike_keys_do_not_meet)
{
    tm_stream_t *a = points(), *b = tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    (void)tm_union((tm_stream_t *const[]){a, b}, 2);
    assert_refused("trade");

    a = points();
    b = tm_filter(a, "half", any_row, NULL);
    const tm_connect_spec_t both = {
        .name = "meet", .out = &point, .on_a = no_rows, .on_b = no_rows};
    (void)tm_connect(tm_key_by(a, "key"), tm_key_by(b, "value"), &both);
    assert_refused("connect meet");
}

Test(graph, side_outputs_and_fields_that_are_not_there_are_named)
{
    (void)tm_side_output(points(), "left");
    assert_refused("'left'");
    (void)tm_field_off(points(), "colour", TM_TYPE_I64);
    assert_refused("'colour'");
    (void)tm_field_off(points(), "value", TM_TYPE_I64);
    assert_refused("decimal64");
    const tm_side_spec_t twice[] = {{"left", &point}, {"left", &point}};
    (void)tm_flat_map(
        points(), &(tm_flat_map_spec_t){
                      .name = "many", .out = &point, .fn = no_rows, .sides = twice, .side_cnt = 2});
    assert_refused("two side outputs 'left'");
}

Test(graph, watermarks_say_what_is_wrong_with_them)
{
    (void)tm_watermarks(points(), &(tm_watermark_spec_t){.bound_ns = -1});
    assert_refused("bound_ns");
    (void)tm_watermarks(points(), &(tm_watermark_spec_t){.idle_ns = -1});
    assert_refused("idle_ns");
    (void)tm_watermarks(points(), &(tm_watermark_spec_t){.align_group = "pair"});
    assert_refused("'pair'");
    (void)tm_watermarks(tm_key_by(points(), "key"), &(tm_watermark_spec_t){0});
    assert_refused("before key_by");
}

Test(plan, operators_without_state_stay_with_their_source_and_readers_of_a_key_share_an_exchange)
{
    tm_stream_t *s = tm_filter(points(), "half", any_row, NULL);
    tm_stream_t *keyed = tm_key_by(s, "key");
    tm_stream_t *x = tm_filter(keyed, "x", any_row, NULL),
                *y = tm_filter(keyed, "y", any_row, NULL);
    tm_stream_t *z = tm_filter(tm_key_by(x, "value"), "z", any_row, NULL);
    tm_sink_callback(tm_union((tm_stream_t *const[]){y, z}, 2),
                     &(tm_callback_spec_t){.name = "cb"});
    tm_plan_t *plan = malloc(sizeof *plan);
    tm_assert_eq(tm_plan_build(plan, &job), 0);
    tm_assert_eq((int)plan->nodes[s->node_idx].place, (int)TM_AT_SOURCE);
    tm_assert_eq((int)plan->nodes[x->node_idx].place, (int)TM_AT_WORKER);
    tm_assert_eq(plan->exchange_cnt, 2u);
    tm_assert_eq(plan->nodes[y->node_idx].stage, 1);
    tm_assert_eq(plan->nodes[z->node_idx].stage, 2);
    tm_assert_eq(plan->nodes[job.node_cnt - 1].stage, 2); /* the sink: its latest input's */
    free(plan);
}

static bool every_row(void *ctx, const void *row)
{
    (void)ctx, (void)row;
    return true;
}

Test(graph, an_operator_that_cannot_go_to_another_number_of_workers_is_named)
{
    const tm_window_spec_t w = tm_tumbling(TM_SECOND);
    static tm_topology_t topo;
    tm_sink_parts(tm_window_aggregate(keyed_trades(), "bars", &w, count_only, 1), NULL);
    tm_assert_eq(tm_job_validate(&job), 0);
    tm_assert_eq(tm_topology_plan(&topo, &job), 0);
    tm_assert_eq(tm_rescale_check(&topo, "2 workers of 1 MiB"), 0);

    /* Event time that is made behind a key_by is made on workers, out of what each has seen. */
    tm_sink_parts(keyed_trades(), NULL);
    tm_stream_t *s = tm_source_feed(&job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    s = tm_filter(tm_key_by(s, "symbol"), "all", every_row, NULL);
    tm_sink_parts(tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = 1}),
                  &(tm_parts_spec_t){.name = "all"});
    tm_assert_eq(tm_job_validate(&job), 0);
    tm_assert_eq(tm_topology_plan(&topo, &job), 0);
    tm_error_clear();
    tm_assert_eq(tm_rescale_check(&topo, "2 workers of 1 MiB"), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "watermarks watermarks cannot hand its state over") != NULL);
    tm_assert(strstr(tm_error_text(), "taken with 2 workers of 1 MiB") != NULL);
}
