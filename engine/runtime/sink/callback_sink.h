/* engine/runtime/sink/callback_sink.h - results for a function of the user's, or as text on
   standard output.
   Flow     worker -> ring -> file thread -> [callback sink] -> user, terminal
   Memory   one small heap block a subtask
   Threads  the file thread: calls of one sink never overlap
   Limits   results are given once, when they arrive; there is nothing to prepare or take back
   Errors   the user's negative code, a failed write: with a text that names the sink */
#ifndef TM_ENGINE_CALLBACK_SINK_H
#define TM_ENGINE_CALLBACK_SINK_H

#include "base/symbol.h"
#include "engine/job/nodes.h"
#include "state/sink.h"

/* `schema`: of the rows as they lie in the ring; not owned. */
int tm_callback_sink_open(tm_sink_t **out, const struct tm_stream *node, uint32_t subtask_idx,
                          const tm_schema_t *schema, const tm_symbols_t *symbols) TM_MUST_CHECK;

#endif
