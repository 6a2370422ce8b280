/* engine/runtime/checkpoint/graph_match.h - a checkpoint's state on a job that has changed since:
   operator by operator, found by id.
   Flow     schema of the checkpoint, schema of the job -> [graph match] -> restore: which old node
            is which now, which states are handed over
   Rules    an operator that is new begins empty. One whose state is described as it was gets it,
            whatever has become of the graph around it. One that is gone, and a state of a process
            function that is gone, are refused by name unless dropping is allowed. One that has
            changed is refused with the difference, except process functions: their states are
            found by name, and fields of a value by name and type where the job declared them
   Memory   what is handed over is on the heap until free
   Threads  the control thread
   Errors   TM_E_CONFIG, or TM_E_UNSUPPORTED where another build laid it out in another version;
            the text names operator, state and field
   Tests    tests/engine/test_state_schema.c, tests/e2e/evolve.py */
#ifndef TM_ENGINE_GRAPH_MATCH_H
#define TM_ENGINE_GRAPH_MATCH_H

#include "engine/operators/state_move.h"
#include "engine/runtime/checkpoint/state_schema.h"

typedef struct tm_graph_match {
    bool changed; /* the job is not the one that it was */
    bool moves;   /* its state has to be handed over, entry by entry */
    bool allow_dropped;
    int16_t nodes[TM_JOB_NODE_MAX];           /* of an old node: its node now; -1 = gone */
    tm_state_move_t *states[TM_JOB_NODE_MAX]; /* of an old node: by state; NULL = as they are */
    const tm_schema_operator_t *dropped[TM_JOB_NODE_MAX]; /* operators with state that are gone */
    uint32_t dropped_cnt;
} tm_graph_match_t;

/* A job that is what it was. */
void tm_graph_match_same(tm_graph_match_t *match);

/* `was` has to live as long as the match. */
int tm_graph_match(tm_graph_match_t *match, const tm_state_schema_t *was,
                   const tm_state_schema_t *is, bool allow_dropped) TM_MUST_CHECK;
void tm_graph_match_free(tm_graph_match_t *match);

#endif
