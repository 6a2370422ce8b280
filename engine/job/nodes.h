/* engine/job/nodes.h - what the built-in kinds of nodes keep, for those who run them: ingest opens
   sources, the file thread opens sinks. Operators need nobody but their table of functions.
   Flow     builders (source_node.c, sink_node.c, watermark_node.c) -> [nodes] -> runtime
   Memory   of the job */
#ifndef TM_ENGINE_NODES_H
#define TM_ENGINE_NODES_H

#include "engine/job/graph.h"
#include "engine/operators/watermark_op.h"

enum {
    TM_FEED_URL_MAX = 512,
    TM_SOURCE_PARTITION_MAX = 64,
    TM_SOURCE_LAYOUT = 1, /* of positions */
    TM_SINK_LAYOUT = 1,   /* of what a checkpoint has to know of a sink */
};

extern const tm_node_ops_t tm_feed_node;
extern const tm_node_ops_t tm_json_node;
extern const tm_node_ops_t tm_generator_node;
extern const tm_node_ops_t tm_watermark_node;
extern const tm_node_ops_t tm_parts_node;
extern const tm_node_ops_t tm_callback_node;
extern const tm_node_ops_t tm_two_phase_node;

/* Of feeds of both kinds: messages of exchanges, and those a job declares. */
typedef struct tm_feed_node_spec {
    tm_rows_t rows;
    char url[TM_FEED_URL_MAX];
    struct tm_json_rows_cfg *json; /* parse/json/json_rows.h; NULL = messages of an exchange */
} tm_feed_node_spec_t;

/* Arrays are generators too. */
typedef struct tm_generator_node_spec {
    tm_generate_fn *next;
    tm_seek_fn *seek;
    void *ctx;
    uint32_t partitions;
    tm_array_spec_t array; /* where next is NULL */
} tm_generator_node_spec_t;

/* Texts of the spec point into `text`, or to the command line. */
typedef struct tm_parts_node_spec {
    tm_parts_spec_t parts;
    tm_compression_t compression;
    char folder[TM_NODE_NAME_MAX];
    char text[6][TM_PART_FOLDER_MAX];
} tm_parts_node_spec_t;

typedef struct tm_sink_node_spec {
    tm_sink_spec_t sink;
} tm_sink_node_spec_t;

typedef struct tm_callback_node_spec {
    tm_callback_spec_t callback; /* rows NULL = print */
} tm_callback_node_spec_t;

typedef struct tm_watermark_node_spec {
    tm_watermark_spec_t spec;
    bool idle_set;        /* false: live connections get a timeout of their own */
    uint32_t align_group; /* 0 = none */
} tm_watermark_node_spec_t;

/* Whether watermarks are made on every path from a source to the stream. */
bool tm_stream_is_timed(const struct tm_stream *s);

static inline bool tm_stream_is_feed(const struct tm_stream *s)
{
    return s->ops == &tm_feed_node || s->ops == &tm_json_node;
}

/* Keeps the address of a feed; breaks the job and returns false where it is too long. */
bool tm_feed_url_take(const struct tm_stream *node, tm_feed_node_spec_t *feed, const char *url);

/* The first feed from node_idx on, of either kind; NULL where there is none. */
const struct tm_stream *tm_job_next_feed(const tm_job_t *job, uint32_t node_idx);

/* The first node of a kind, from node_idx on; NULL where there is none. */
const struct tm_stream *tm_job_next(const tm_job_t *job, const tm_node_ops_t *ops,
                                    uint32_t node_idx);

#endif
