/* engine/job/graph.h - the job as its builder described it: operators, their schemas, their inputs.
   Flow     tidemark.h builders -> [graph] -> plan (places, stages, exchanges) -> topology
   Nodes    real ones run: sources, operators, sinks. The others only say how rows travel: key_by,
            broadcast, union, side output. What a kind of node is made of stands in its table of
            functions (tm_node_ops_t): the engine knows no kind by name
   Memory   fixed tables inside the job; what a kind needs of its own comes from tm_job_alloc and
            lives as long as the job; strings are copied
   Threads  built and read on the main thread; immutable once the runtime starts
   Errors   the first mistake is kept (code and text); later builder calls do nothing
   Limits   TM_JOB_NODE_MAX operators, TM_OPERATOR_INPUT_MAX inputs, TM_SIDE_MAX side outputs */
#ifndef TM_ENGINE_GRAPH_H
#define TM_ENGINE_GRAPH_H

#include "base/error.h"
#include "base/schema.h"
#include "engine/job/options.h"
#include "engine/operators/key.h"
#include "engine/operators/operator.h"
#include "engine/tidemark.h"

#include <stdio.h>

enum { TM_NODE_NAME_MAX = 48, TM_OPERATOR_ID_MAX = 96 };

typedef enum tm_node_role {
    TM_ROLE_SOURCE,
    TM_ROLE_OPERATOR,
    TM_ROLE_SINK,
    TM_ROLE_KEY_BY, /* from here on nothing runs: the node is a property of the edge */
    TM_ROLE_BROADCAST,
    TM_ROLE_UNION,
    TM_ROLE_SIDE,
} tm_node_role_t;

typedef struct tm_node_ops {
    const char *kind; /* the builder's name, without tm_: "window_aggregate" */
    tm_node_role_t role;
    bool at_source; /* stateless: runs on the ingest thread where its inputs do */
    bool single;    /* not keyed: all rows go to one worker */
    bool moves;     /* operators: their state may go to another number of workers */

    /* Operators only. Bytes of an instance; 0 where the configuration is bad (with a text). */
    size_t (*footprint)(const struct tm_stream *node, const tm_operator_env_t *env);
    tm_operator_t *(*init)(void *mem, const struct tm_stream *node, const tm_operator_env_t *env);

    /* The end of the node's line in --explain; may be NULL. */
    void (*print)(const struct tm_stream *node, FILE *out);

    /* What checkpoints keep of it: the version of its layout, 0 = nothing; and lines that describe
       it (docs/checkpoints.md), NULL where there is nothing to tell. */
    uint32_t layout;
    void (*schema)(const struct tm_stream *node, FILE *out);
} tm_node_ops_t;

typedef struct tm_node_side {
    char name[TM_NODE_NAME_MAX];
    tm_schema_t schema;
} tm_node_side_t;

/* A node and the stream that it puts out are one thing: tm_stream_t is the public name. */
struct tm_stream {
    tm_job_t *job;
    const tm_node_ops_t *ops;
    uint32_t node_idx;
    uint32_t in_cnt;
    uint16_t ins[TM_OPERATOR_INPUT_MAX]; /* the nodes it reads: all older than itself */
    char name[TM_NODE_NAME_MAX];
    char id[TM_OPERATOR_ID_MAX]; /* given, or derived by tm_job_ids */
    tm_schema_t schema;          /* of the rows it puts out; of those it takes, for a sink */

    const char *key_fields[TM_KEY_FIELD_MAX + 1]; /* key_by: up to the first NULL */
    uint32_t side_idx;                            /* side output: which of its input, from 1 */
    tm_node_side_t *sides;                        /* of an operator; 1 is sides[0] */
    uint32_t side_cnt;

    void *spec; /* what the kind keeps, from tm_job_alloc */
};

typedef struct tm_job_block {
    struct tm_job_block *next;
    alignas(16) uint8_t bytes[];
} tm_job_block_t;

struct tm_job {
    tm_options_t opts;
    int err; /* first mistake, 0 = none */
    char err_text[TM_ERROR_TEXT_MAX];
    uint32_t node_cnt;
    struct tm_stream nodes[TM_JOB_NODE_MAX];
    struct tm_stream broken; /* what builders return once err is set */
    tm_job_block_t *blocks;
};

void tm_job_init(tm_job_t *job, const tm_options_t *opts);
void tm_job_fini(tm_job_t *job);

/* ---- For builders ---------------------------------------------------------------------------- */

/* Keeps the mistake where it is the first; returns the stream that builders then return. */
tm_stream_t *tm_job_fail(tm_job_t *job, const char *fmt, ...) TM_PRINTF(2, 3);

/* A new node, with the schema of its first input, or NULL where the job is already broken or full
   or an input is a sink. name NULL = the kind. */
struct tm_stream *tm_job_add(tm_job_t *job, const tm_node_ops_t *ops, const char *name,
                             tm_stream_t *const *ins, uint32_t in_cnt);

/* Zeroed memory of the job; NULL breaks the job. */
void *tm_job_alloc(tm_job_t *job, size_t sz);
const char *tm_job_text(tm_job_t *job, const char *text); /* NULL stays NULL */

/* The id of the schema of a node's main output (0) or side output. */
uint16_t tm_node_schema_id(const struct tm_stream *node, uint32_t output);

/* A schema from a user's struct; breaks the job (with node and field) and returns false where it
   makes no sense. */
bool tm_job_struct(tm_job_t *job, const struct tm_stream *node, const tm_struct_t *type,
                   uint16_t id, tm_schema_t *out);

/* Declares the next side output; false where the job broke. */
bool tm_job_side_add(struct tm_stream *node, const char *name, const tm_schema_t *schema);

/* The key of an operator's first input, a line a field, for its schema; up to the first NULL. */
void tm_node_key_print(const tm_schema_t *in, const char *const *fields, FILE *out);

/* The fields by which the stream is keyed, NULL where it is not: key_by is what it comes from
   directly. */
const char *const *tm_stream_key(const struct tm_stream *s);

/* False where both are keyed and rows of one key would go to different workers, because the fields
   differ in number or type. Operators of two keyed inputs ask. */
bool tm_stream_keys_match(const struct tm_stream *a, const struct tm_stream *b);

/* ---- For planning ---------------------------------------------------------------------------- */

/* Whole-graph rules, after build() has returned: there is a source and a sink, every path ends in a
   sink, each operator has an id of its own. Returns 0 or TM_E_CONFIG with a text. */
int tm_job_validate(tm_job_t *job) TM_MUST_CHECK;

/* Gives each node that runs an id where the job gave none: its kind and name, or, without a name of
   its own, its kind and the ids of the nearest operators with state that it reads. What else is in
   the graph does not matter. Breaks the job where two were given the same, or two with state have
   the same and checkpoints are taken. */
void tm_job_ids(tm_job_t *job);

/* The nearest node of the kind at or above `node` (by first inputs), NULL where there is none. */
const struct tm_stream *tm_job_upstream(const tm_job_t *job, const struct tm_stream *node,
                                        const tm_node_ops_t *ops);

#endif
