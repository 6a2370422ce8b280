/* engine/runtime/checkpoint/state_schema.h - what a checkpoint holds of each operator, as text: so
   that a person can read it, and a job that has changed since can tell what fits.
   Flow     plan -> write -> blob "schema" -> [state schema] -> graph_match.h, tidemark checkpoint
   Form     lines, docs/checkpoints.md. Each operator has a line with kind, version of its layout,
            place, node and id, and behind it lines that say what it keeps
   Units    sizes and offsets: bytes; *_ns: nanoseconds
   Memory   a copy of the text on the heap; ids, names and lines point into it
   Threads  the control thread; write: the coordinator's too
   Errors   parse: TM_E_CORRUPT, or TM_E_UNSUPPORTED for another version, with the line
   Limits   TM_JOB_NODE_MAX operators, SCHEMA_LINE_MAX lines
   Tests    tests/engine/test_state_schema.c, tests/reference/checkpoint_reader.py */
#ifndef TM_ENGINE_STATE_SCHEMA_H
#define TM_ENGINE_STATE_SCHEMA_H

#include "engine/runtime/topology.h"

enum { TM_STATE_SCHEMA_VERSION = 1, TM_STATE_SCHEMA_WORD = 32 };

typedef struct tm_schema_operator {
    char kind[TM_STATE_SCHEMA_WORD];
    char place[TM_STATE_SCHEMA_WORD]; /* "source", "worker" */
    uint32_t layout;                  /* 0 = it keeps nothing */
    uint32_t node_idx;                /* that its bytes in the checkpoint are marked with */
    const char *id;
    const char **lines; /* what it keeps */
    uint32_t line_cnt;
} tm_schema_operator_t;

typedef struct tm_state_schema {
    char *text;
    const char **lines;
    const char *machine;
    uint32_t pages_layout, threads_layout, ingest_cnt;
    tm_schema_operator_t ops[TM_JOB_NODE_MAX];
    uint32_t op_cnt;
} tm_state_schema_t;

/* The schema of a job, to be freed; NULL = out of memory. */
char *tm_state_schema_text(const tm_topology_t *topo);

int tm_state_schema_parse(tm_state_schema_t *schema, const char *text, size_t sz) TM_MUST_CHECK;
void tm_state_schema_free(tm_state_schema_t *schema);

/* The operator of an id; NULL where there is none. */
const tm_schema_operator_t *tm_state_schema_find(const tm_state_schema_t *schema, const char *id);

/* ---- States of process functions ------------------------------------------------------------- */

typedef struct tm_schema_state {
    char kind[TM_STATE_SCHEMA_WORD], time[TM_STATE_SCHEMA_WORD];
    uint32_t value_sz, key_sz;
    int64_t ttl_ns;
    const char *name;
    const char **fields; /* lines; of the value, where the job declared them */
    uint32_t field_cnt;
} tm_schema_state_t;

typedef struct tm_schema_field {
    char type[TM_STATE_SCHEMA_WORD];
    uint32_t off, sz;
    const char *name;
} tm_schema_field_t;

/* The next state behind *line_idx, which starts at 0. False at the end. */
bool tm_schema_state_next(const tm_schema_operator_t *op, uint32_t *line_idx,
                          tm_schema_state_t *out);
bool tm_schema_field_read(const char *line, tm_schema_field_t *out);

#endif
