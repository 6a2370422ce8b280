/* engine/operators/state_move.h - how one state of a process function comes from a checkpoint into
   the job as it is now, where the job's descriptors have changed since.
   Flow     graph_match.h -> [state move] -> process_move.c
   Units    from, to, sz: bytes within a value
   Limits   TM_STATE_COPY_MAX fields of a value */
#ifndef TM_ENGINE_STATE_MOVE_H
#define TM_ENGINE_STATE_MOVE_H

#include "base/schema.h"

#include <string.h>

enum { TM_STATE_COPY_MAX = TM_SCHEMA_FIELD_MAX };

/* A field that both sides have. */
typedef struct tm_state_copy {
    uint32_t from, to, sz;
} tm_state_copy_t;

typedef struct tm_state_move {
    int32_t to;        /* the state's place now; -1 = it is gone */
    bool converts;     /* values are made anew of their fields; else they stay as they are */
    uint32_t value_sz; /* of a value that was made anew */
    uint32_t copy_cnt;
    tm_state_copy_t copies[TM_STATE_COPY_MAX];
} tm_state_move_t;

/* A value as it is now: `value` itself, or what was made of it in `room`. *sz is its size. */
static inline const void *tm_state_move_value(const tm_state_move_t *move, const void *value,
                                              size_t *sz, uint8_t *room)
{
    if (!move || !move->converts) return value;
    memset(room, 0, move->value_sz);
    for (uint32_t i = 0; i < move->copy_cnt; i++) {
        const tm_state_copy_t *c = &move->copies[i];
        memcpy(room + c->to, (const uint8_t *)value + c->from, c->sz);
    }
    *sz = move->value_sz;
    return room;
}

#endif
