#include "engine/job/graph.h"
#include "engine/runtime/route.h"
#include "engine/runtime/topology.h"
#include "tests/tm_test.h"

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
