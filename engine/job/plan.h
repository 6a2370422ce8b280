/* engine/job/plan.h - where each operator runs and how rows get there: the graph cut into places,
   stages, chains and exchanges.
   Flow     graph -> [plan] -> topology (threads, rings), task (operators of a thread)
   Places   at the source: an operator without state whose rows come straight from sources runs on
            the ingest threads, one instance each. Everything else runs on the workers, one instance
            each
   Chains   operators that follow each other in one place without an exchange call each other
            directly
   Exchange rows that change the thread: to the worker of their key, to every worker, to worker 0,
            or to the workers in turn. Readers of one key_by share one exchange: rows travel once
   Stages   0 is the source; an exchange leads into the stage after that of its producer; an
            operator is in the latest stage that its rows come from. A thread that waits for room
            in an exchange of stage s goes on with what arrives for stages s and above, so the one
            that waits for the highest stage always gets room: exchanges cannot deadlock. What runs
            meanwhile has a higher stage than anything that waits, so no operator meets itself
   Threads  built on the main thread, immutable afterwards
   Errors   TM_E_CONFIG with a text
   Limits   TM_PLAN_EDGE_MAX edges, TM_PLAN_EXCHANGE_MAX exchanges */
#ifndef TM_ENGINE_PLAN_H
#define TM_ENGINE_PLAN_H

#include "engine/job/graph.h"

enum { TM_PLAN_EDGE_MAX = 256, TM_PLAN_EXCHANGE_MAX = 32 };

typedef enum tm_place { TM_AT_SOURCE, TM_AT_WORKER } tm_place_t;

typedef enum tm_route {
    TM_ROUTE_FORWARD,   /* same place: a call; source to worker: in turn, a batch each */
    TM_ROUTE_KEY,       /* to the worker of the key */
    TM_ROUTE_BROADCAST, /* to every worker */
    TM_ROUTE_ONE,       /* to worker 0 */
} tm_route_t;

/* From an output of a node that runs to an input of one. */
typedef struct tm_plan_edge {
    uint16_t from, to;
    uint8_t output, input;
    int16_t exchange_idx; /* -1: a call */
} tm_plan_edge_t;

typedef struct tm_exchange {
    uint16_t from;
    uint8_t output;
    uint8_t route;  /* tm_route_t */
    uint16_t stage; /* that it leads into */
    tm_key_t key;   /* TM_ROUTE_KEY */
    const struct tm_stream *key_by;
    uint32_t row_sz; /* of its rows */
    uint32_t stride; /* of its rings */
} tm_exchange_t;

typedef struct tm_plan_node {
    bool runs;
    uint8_t place; /* tm_place_t */
    uint16_t stage;
} tm_plan_node_t;

typedef struct tm_plan {
    const tm_job_t *job;
    tm_plan_node_t nodes[TM_JOB_NODE_MAX];
    tm_plan_edge_t edges[TM_PLAN_EDGE_MAX]; /* by consumer, in the order of the graph */
    uint32_t edge_cnt;
    tm_exchange_t exchanges[TM_PLAN_EXCHANGE_MAX];
    uint32_t exchange_cnt;
} tm_plan_t;

int tm_plan_build(tm_plan_t *plan, const tm_job_t *job) TM_MUST_CHECK;

/* The rows that a node puts out there. */
const tm_schema_t *tm_node_output(const struct tm_stream *node, uint32_t output);

/* Edges into a node. */
uint32_t tm_plan_inputs(const tm_plan_t *plan, uint32_t node_idx);

const char *tm_route_name(tm_route_t route);

/* The graph as a page of text: operators with place, stage and inputs, then exchanges. */
void tm_plan_print(const tm_plan_t *plan, FILE *out);

#endif
