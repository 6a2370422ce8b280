/* Schemas of state against each other: each change of a job that fits and each that does not, in
   the words that the user reads. The job that was is tests/golden/checkpoint/schema/v1.txt. */
#include "base/error.h"
#include "engine/job/graph.h"
#include "engine/runtime/checkpoint/graph_match.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8192 };

static const char *golden(void)
{
    static char text[TEXT_MAX];
    char path[512];
    const char *root = getenv("TM_SOURCE_ROOT");
    if (!root) return NULL;
    snprintf(path, sizeof path, "%s/tests/golden/checkpoint/schema/v1.txt", root);
    FILE *in = fopen(path, "r");
    tm_assert(in != NULL);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

/* The text with the first `from` in it replaced. */
static void changed(char *out, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    tm_assert(at != NULL);
    snprintf(out, TEXT_MAX, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

typedef struct pair {
    tm_state_schema_t was, is;
    tm_graph_match_t match;
    int err;
} pair_t;

static void pair_open(pair_t *p, const char *was, const char *is, bool allow)
{
    *p = (pair_t){0};
    tm_assert_eq(tm_state_schema_parse(&p->was, was, strlen(was)), 0);
    tm_assert_eq(tm_state_schema_parse(&p->is, is, strlen(is)), 0);
    p->err = tm_graph_match(&p->match, &p->was, &p->is, allow);
}

static void pair_close(pair_t *p)
{
    tm_graph_match_free(&p->match);
    tm_state_schema_free(&p->was);
    tm_state_schema_free(&p->is);
}

Test(state_schema, version_1_is_read_for_ever)
{
    tm_state_schema_t s;
    const char *text = golden();
    if (!text) tm_skip("TM_SOURCE_ROOT is not set");
    tm_assert_eq(tm_state_schema_parse(&s, text, strlen(text)), 0);
    tm_assert_eq(s.op_cnt, 6u);
    tm_assert_eq(s.pages_layout, 1u);
    tm_assert_eq(s.threads_layout, 2u);
    tm_assert_eq(s.ingest_cnt, 2u);
    const tm_schema_operator_t *op = tm_state_schema_find(&s, "process/tally");
    tm_assert(op != NULL && op->node_idx == 4 && op->layout == 1);
    tm_schema_state_t state;
    tm_schema_field_t field;
    uint32_t line = 0;
    tm_assert(tm_schema_state_next(op, &line, &state));
    tm_assert(strcmp(state.name, "total") == 0 && state.value_sz == 16 && state.field_cnt == 2);
    tm_assert(tm_schema_field_read(state.fields[1], &field));
    tm_assert(strcmp(field.type, "decimal64(8)") == 0 && field.off == 8 && field.sz == 8);
    tm_assert(tm_schema_state_next(op, &line, &state));
    tm_assert(strcmp(state.name, "by venue") == 0 && state.key_sz == 4);
    tm_assert_eq(state.ttl_ns, INT64_C(60000000000));
    tm_assert(tm_schema_state_next(op, &line, &state) && strcmp(state.kind, "list") == 0);
    tm_assert(!tm_schema_state_next(op, &line, &state));
    tm_state_schema_free(&s);
}

Test(state_schema, what_does_not_fit_is_refused_with_the_difference)
{
    static const struct {
        const char *from, *to, *said;
    } cases[] = {
        {"size_ns 1000000000", "size_ns 2000000000",
         "bars: 'size_ns 2000000000' was 'size_ns 1000000000'"},
        {"  aggregate count as trades\n", "", "bars: 'aggregate count as trades' is gone from it"},
        {"  accumulator", "  aggregate max int64 id as last\n  accumulator",
         "bars: 'aggregate max int64 id as last' is new in it"},
        {"operator window", "operator process", "bars: it was a window, is a process"},
        {"window layout 3", "window layout 4",
         "bars: laid out in version 3, and this build has version 4"},
        {"pages 1", "pages 2", "pages of state: laid out in version 1"},
        {"threads 2", "threads 3", "state of threads: laid out in version 2"},
        {"machine little-endian", "machine big-endian",
         "written on a little-endian 64-bit machine"},
        {"ingest 2", "ingest 1", "it had 2 ingest threads, now there are 1"},
        {"watermarks layout 1 at source", "watermarks layout 1 at worker",
         "it ran on the source threads"},
        {"  key symbol symbol", "  key uint64 symbol",
         "process/tally: 'key uint64 symbol' was 'key symbol symbol'"},
        {"field int64 of 8 at 0 count", "field decimal64(2) of 8 at 0 count",
         "process/tally: state 'total': field 'count' was int64, is decimal64(2)"},
        {"state list", "state value", "state 'notes' was a list, is a value"},
        {"key 4 ttl", "key 8 ttl", "state 'by venue': keys had 4 bytes, have 8"},
        {"value 8 key 4", "value 9 key 4", "state 'by venue': values had 8 bytes, have 9"},
        {"60000000000 event-time", "0 never",
         "state 'by venue': values expired by 'event-time', now by 'never'"},
        {"never notes", "never letters", "process/tally: state 'notes' is gone"},
        {"id bars", "id beams", "bars: it has state there"},
    };
    const char *text = golden();
    if (!text) tm_skip("TM_SOURCE_ROOT is not set");
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        char is[TEXT_MAX];
        pair_t p;
        changed(is, text, cases[i].from, cases[i].to);
        pair_open(&p, text, is, false);
        if (p.err == 0 || !strstr(tm_error_text(), cases[i].said))
            printf("# '%s' to '%s': %s\n", cases[i].from, cases[i].to, tm_error_text());
        tm_assert(p.err < 0);
        tm_assert(strstr(tm_error_text(), cases[i].said) != NULL);
        pair_close(&p);
    }
}

Test(state_schema, what_is_gone_may_be_left_behind)
{
    const char *text = golden();
    char is[TEXT_MAX], both[TEXT_MAX];
    pair_t p;
    if (!text) tm_skip("TM_SOURCE_ROOT is not set");
    changed(is, text, "id bars", "id beams");
    changed(both, is, "  state list value 0 key 0 ttl 0 never notes\n", "");
    pair_open(&p, text, both, true);
    tm_assert_eq(p.err, 0);
    tm_assert(p.match.moves);
    tm_assert_eq(p.match.dropped_cnt, 1u);
    tm_assert(strcmp(p.match.dropped[0]->id, "bars") == 0);
    tm_assert_eq(p.match.nodes[6], -1);
    tm_assert_eq(p.match.states[4][2].to, -1);
    tm_assert_eq(p.match.states[4][1].to, 1);
    pair_close(&p);
}

Test(state_schema, a_graph_that_changed_around_its_operators_fits_without_moving_state)
{
    const char *text = golden();
    char fewer[TEXT_MAX], more[TEXT_MAX], renamed[TEXT_MAX], is[TEXT_MAX];
    pair_t p;
    if (!text) tm_skip("TM_SOURCE_ROOT is not set");
    changed(fewer, text, "operator filter layout 0 at source node 1 id filter/most\n", "");
    changed(more, fewer, "node 6 id bars", "node 9 id bars");
    changed(renamed, more, "  key symbol symbol", "  key symbol instrument");
    changed(is, renamed, "60000000000 event-time", "90000000000 event-time");
    pair_open(&p, text, is, false);
    tm_assert_eq(p.err, 0);
    tm_assert(p.match.changed && !p.match.moves);
    tm_assert_eq(p.match.nodes[1], -1);
    tm_assert_eq(p.match.nodes[4], 4);
    tm_assert_eq(p.match.nodes[6], 9);
    pair_close(&p);
}

Test(state_schema, fields_are_found_by_name_and_new_ones_are_zero)
{
    const char *text = golden();
    char is[TEXT_MAX];
    const int64_t was[2] = {7, 8};
    int64_t now[3];
    size_t sz = sizeof was;
    pair_t p;
    if (!text) tm_skip("TM_SOURCE_ROOT is not set");
    changed(is, text,
            "  state value value 16 key 0 ttl 0 never total\n    field int64 of 8 at 0 count\n"
            "    field decimal64(8) of 8 at 8 volume\n",
            "  state value value 8 key 0 ttl 0 never fresh\n"
            "  state value value 24 key 0 ttl 0 never total\n"
            "    field decimal64(8) of 8 at 0 volume\n    field int64 of 8 at 8 since\n"
            "    field int64 of 8 at 16 count\n");
    pair_open(&p, text, is, false);
    tm_assert_eq(p.err, 0);
    tm_assert(p.match.moves);
    const tm_state_move_t *moves = p.match.states[4];
    tm_assert(moves[0].to == 1 && moves[0].converts);
    tm_assert(moves[1].to == 2 && !moves[1].converts);
    const int64_t *made = tm_state_move_value(&moves[0], was, &sz, (uint8_t *)now);
    tm_assert_eq(sz, sizeof now);
    tm_assert(made[0] == 8 && made[1] == 0 && made[2] == 7);
    tm_assert(tm_state_move_value(&moves[1], was, &sz, (uint8_t *)now) == was);
    pair_close(&p);
}

Test(state_schema, texts_that_are_none_are_refused)
{
    static const char *const texts[] = {
        "",
        "x\n",
        "tidemark schema 2\nmachine m\nlayout pages 1 threads 1\ningest 1\n",
        "tidemark schema 1\n",
        "tidemark schema 1\nmachine m\nlayout pages\ningest 1\n",
        "tidemark schema 1\nmachine m\nlayout pages 1 threads 1\n",
        "tidemark schema 1\nmachine m\nlayout pages 1 threads 1\ningest 1\n  key symbol x\n",
        "tidemark schema 1\nmachine m\nlayout pages 1 threads 1\ningest 1\noperator x\n",
        "tidemark schema 1\nmachine m\nlayout pages 1 threads 1\ningest 1\noperator x at\n",
        "tidemark schema 1\nmachine m\nlayout pages 1 threads 1\ningest 1", /* cut short */
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(texts); i++) {
        tm_state_schema_t s;
        if (tm_state_schema_parse(&s, texts[i], strlen(texts[i])) == 0)
            printf("# %s\n", texts[i]);
        else
            tm_state_schema_free(&s);
        tm_assert(s.text == NULL);
    }
}

/* ---- ids ------------------------------------------------------------------------------------- */

static bool all(void *ctx, const void *row)
{
    (void)ctx, (void)row;
    return true;
}

static const tm_agg_spec_t count[] = {{.as = "n", .fn = TM_AGG_COUNT}};

/* Two windows of these names behind a filter or none; given: the id of the second, if any. */
static void windows_build(tm_job_t *job, bool filter, const char *second, const char *given)
{
    static tm_options_t opts = {.checkpoint = {.dir = "kept"}};
    const tm_window_spec_t w = tm_tumbling(TM_SECOND);
    opts.watermark_bound_ns = -1;
    tm_job_init(job, &opts);
    tm_stream_t *in = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    if (filter) in = tm_filter(in, NULL, all, NULL);
    in = tm_key_by(tm_watermarks(in, &(tm_watermark_spec_t){0}), "symbol");
    tm_stream_t *a = tm_window_aggregate(in, "first", &w, count, 1);
    tm_stream_t *b = tm_window_aggregate(in, second, &w, count, 1);
    if (given) tm_operator_id(b, given);
    tm_sink_print(a, NULL);
    tm_sink_print(b, NULL);
}

static const char *id_of(const tm_job_t *job, const char *kind, const char *name)
{
    for (uint32_t i = 0; i < job->node_cnt; i++)
        if (strcmp(job->nodes[i].ops->kind, kind) == 0 && strcmp(job->nodes[i].name, name) == 0)
            return job->nodes[i].id;
    return "none";
}

Test(operator_id, what_is_derived_does_not_depend_on_the_rest_of_the_graph)
{
    for (int filter = 0; filter < 2; filter++) {
        tm_job_t job;
        windows_build(&job, filter, "second", NULL);
        tm_assert_eq(tm_job_validate(&job), 0);
        tm_assert(strcmp(id_of(&job, "window", "second"), "window/second") == 0);
        tm_assert(strcmp(id_of(&job, "watermarks", "watermarks"), "watermarks/source_feed/feed") ==
                  0);
        tm_job_fini(&job);
    }
}

Test(operator_id, one_that_is_given_stands_for_the_name)
{
    tm_job_t job;
    windows_build(&job, false, "first", "other");
    tm_assert_eq(tm_job_validate(&job), 0);
    tm_assert(strcmp(id_of(&job, "window", "first"), "window/first") == 0);
    tm_job_fini(&job);
}

Test(operator_id, two_that_are_the_same_break_the_job)
{
    tm_job_t job;
    windows_build(&job, false, "first", NULL);
    tm_assert_eq(tm_job_validate(&job), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "has the id 'window/first'") != NULL);
    tm_job_fini(&job);
    windows_build(&job, false, "second", "window/first");
    tm_assert_eq(tm_job_validate(&job), (int)TM_E_CONFIG);
    tm_job_fini(&job);
    windows_build(&job, false, "second", "two words");
    tm_assert_eq(tm_job_validate(&job), (int)TM_E_CONFIG);
    tm_job_fini(&job);
}
