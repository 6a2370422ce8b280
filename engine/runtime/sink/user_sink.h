/* engine/runtime/sink/user_sink.h - a two-phase sink of the user's own, with errors that name it.
   Flow     worker -> ring -> file thread -> [user sink] -> the user's functions
   Memory   one small heap block a subtask; what open() made belongs to the user's close()
   Threads  the file thread: calls of one sink never overlap
   Errors   the user's negative code, with a text that names sink and function; TM_E_CONFIG where a
            function is missing
   Tests    tests/engine/test_user_sink.c */
#ifndef TM_ENGINE_USER_SINK_H
#define TM_ENGINE_USER_SINK_H

#include "base/symbol.h"
#include "engine/job/nodes.h"

typedef struct tm_user_sink_at {
    uint32_t subtask_idx, subtask_cnt;
    const tm_schema_t *schema; /* of the rows as they lie in the ring; not owned */
    const tm_symbols_t *symbols;
} tm_user_sink_at_t;

int tm_user_sink_open(tm_sink_t **out, const struct tm_stream *node,
                      const tm_user_sink_at_t *at) TM_MUST_CHECK;

#endif
