/* engine/harness/harness_graph.h - a part of a job on one thread: operators between one source and
   one stream, driven by calls.
   Flow     harness.c -> rows, watermarks, the clock -> [graph] -> operators -> harness.c
   Rules    operators call those that read them directly; one that reads several gets the lowest of
            their watermarks. Keys, exchanges and unions are no more than wires here
   Memory   of the heap; operators' state in one page arena
   Threads  one
   Errors   open: negative with a text, as tm_main would report it
   Tests    tests/engine/test_harness.c */
#ifndef TM_ENGINE_HARNESS_GRAPH_H
#define TM_ENGINE_HARNESS_GRAPH_H

#include "engine/operators/operator.h"
#include "engine/tidemark.h"

typedef struct tm_harness_graph tm_harness_graph_t;

typedef struct tm_harness_graph_cfg {
    const tm_struct_t *rows;
    tm_harness_build_fn *build;
    void *ctx;
    tm_emitter_t out;  /* of the stream that build returned */
    tm_emitter_t late; /* of its operator's side output of that name */
    tm_page_arena_t *pages;
    tm_counter_set_t *counters;
} tm_harness_graph_cfg_t;

int tm_harness_graph_open(tm_harness_graph_t **graph,
                          const tm_harness_graph_cfg_t *cfg) TM_MUST_CHECK;
void tm_harness_graph_close(tm_harness_graph_t *graph);

/* A restart: operators give what they know outside of their pages; they end; they begin anew, with
   pages as they were, and take it back. */
int tm_harness_graph_save(tm_harness_graph_t *graph) TM_MUST_CHECK;
void tm_harness_graph_end(tm_harness_graph_t *graph);
int tm_harness_graph_begin(tm_harness_graph_t *graph, tm_counter_set_t *counters) TM_MUST_CHECK;

/* Of what goes in and what comes out. */
const tm_schema_t *tm_harness_graph_in(const tm_harness_graph_t *graph);
const tm_schema_t *tm_harness_graph_out(const tm_harness_graph_t *graph);

/* Each does all that it sets due. */
void tm_harness_graph_rows(tm_harness_graph_t *graph, const void *rows, uint32_t cnt,
                           uint32_t stride);
void tm_harness_graph_watermark(tm_harness_graph_t *graph, int64_t wm_ns);
void tm_harness_graph_clock(tm_harness_graph_t *graph, int64_t now_ns);

#endif
