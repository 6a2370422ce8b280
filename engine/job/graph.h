/* engine/job/graph.h - the job as its builder described it: operators, their schemas, their inputs.
   Flow     tidemark.h builders -> [graph] -> topology (threads, rings) -> runtime
   Memory   fixed tables inside the job; strings are copied
   Threads  built and read on the main thread; immutable once the runtime starts
   Errors   the first mistake is kept (code and text); later builder calls do nothing
   Limits   TM_JOB_NODE_MAX operators */
#ifndef TM_ENGINE_GRAPH_H
#define TM_ENGINE_GRAPH_H

#include "base/error.h"
#include "base/schema.h"
#include "engine/job/options.h"
#include "engine/tidemark.h"

enum { TM_NODE_NAME_MAX = 48 };

typedef enum tm_node_kind {
    TM_NODE_FEED,
    TM_NODE_WATERMARKS,
    TM_NODE_KEY_BY,
    TM_NODE_WINDOW,
    TM_NODE_PARTS,
} tm_node_kind_t;

/* A node and the stream that it puts out are one thing: tm_stream_t is the public name. */
struct tm_stream {
    tm_job_t *job;
    uint32_t node_idx;
    tm_node_kind_t kind;
    int32_t in_idx; /* the node it reads, -1 for a source */
    char name[TM_NODE_NAME_MAX];
    tm_schema_t schema; /* of the rows it puts out; of those it takes, for a sink */

    union {
        struct {
            tm_rows_t rows;
            char url[512];
        } feed;
        struct {
            int64_t bound_ns;
        } watermarks;
        struct {
            uint16_t field_idx;
        } key_by;
        struct {
            tm_window_spec_t spec;
            tm_agg_spec_t aggs[TM_JOB_AGG_MAX]; /* names point into agg_text */
            uint32_t agg_cnt;
            char agg_text[TM_JOB_AGG_MAX][3][TM_SCHEMA_NAME_MAX];
        } window;
        struct {
            char folder[TM_NODE_NAME_MAX];
            char bucket_field[TM_SCHEMA_NAME_MAX];
            char bucket_format[64];
            int64_t roll_interval_ns;
        } parts;
    };
};

struct tm_job {
    tm_options_t opts;
    int err; /* first mistake, 0 = none */
    char err_text[TM_ERROR_TEXT_MAX];
    uint32_t node_cnt;
    struct tm_stream nodes[TM_JOB_NODE_MAX];
    struct tm_stream broken; /* what builders return once err is set */
};

void tm_job_init(tm_job_t *job, const tm_options_t *opts);

/* Whole-graph rules, after build() has returned: one feed, every path ends in a sink, windows stand
   behind watermarks and a key. Returns 0 or TM_E_CONFIG with a text. */
int tm_job_validate(tm_job_t *job) TM_MUST_CHECK;

/* The nearest node of the kind at or above `node`, NULL where there is none. */
const struct tm_stream *tm_job_upstream(const tm_job_t *job, const struct tm_stream *node,
                                        tm_node_kind_t kind);

/* First node of the kind, NULL where there is none. */
const struct tm_stream *tm_job_find(const tm_job_t *job, tm_node_kind_t kind);

const char *tm_node_kind_name(tm_node_kind_t kind);

#endif
