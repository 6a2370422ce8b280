/* engine/operators/watermark.h - how event time moves: from rows to watermarks, from many inputs
   to one.
   Flow     ingest: rows -> [bounded] -> watermark rows; worker: one ring an input -> [valve] ->
            operators
   Units    *_ns: event time; the arithmetic holds for any unit, "1" is one unit of it
   Memory   bounded: a struct of the caller; valve: tm_valve_footprint bytes, allocates nothing
   Threads  one owner each
   Limits   TM_VALVE_INPUT_MAX inputs.  Tests tests/engine/test_watermark.c */
#ifndef TM_ENGINE_WATERMARK_H
#define TM_ENGINE_WATERMARK_H

#include "base/row.h"

enum { TM_VALVE_INPUT_MAX = 4096 };

/* Bounded out-of-orderness: the watermark trails the largest event time by the bound and one unit,
   because a row at exactly max - bound may still come. */
typedef struct tm_watermark_bounded {
    int64_t max_ns; /* TM_TIME_NONE before the first row */
    int64_t bound_ns;
} tm_watermark_bounded_t;

/* Returns 0, or -EINVAL where the bound is negative. */
int tm_watermark_bounded_init(tm_watermark_bounded_t *gen, int64_t bound_ns) TM_MUST_CHECK;

/* Rows without an event time do not count. */
static inline void tm_watermark_bounded_see(tm_watermark_bounded_t *gen, int64_t event_ns)
{
    if (event_ns > gen->max_ns) gen->max_ns = event_ns;
}

void tm_watermark_bounded_rows(tm_watermark_bounded_t *gen, const void *rows, uint32_t cnt,
                               uint32_t stride);

/* max - bound - 1, saturating; TM_TIME_NONE before the first row. Never falls. */
int64_t tm_watermark_bounded_now(const tm_watermark_bounded_t *gen);

/* The valve: watermark and idleness of many inputs as those of one.
   - inputs start active with the watermark TM_TIME_NONE
   - out = the minimum over active, aligned inputs, when that is above the last output
   - a watermark at or below the input's last one, or on an idle input, is ignored
   - an input that turns active again is aligned once its watermark reaches the last output
   - when the last active input turns idle, the maximum over all inputs is put out, then "idle" */
typedef struct tm_valve tm_valve_t;

/* What a call changed at the output, to be handed on in this order. */
enum {
    TM_VALVE_WATERMARK = 1, /* tm_valve_now() rose */
    TM_VALVE_IDLE = 2,      /* all inputs are idle */
    TM_VALVE_ACTIVE = 4,    /* the first input is active again */
};

/* 0 where input_cnt is 0 or above TM_VALVE_INPUT_MAX. Memory must be 64-aligned. */
size_t tm_valve_footprint(uint32_t input_cnt);
tm_valve_t *tm_valve_init(void *mem, uint32_t input_cnt);

/* Each returns TM_VALVE_* bits; 0 = nothing to hand on. The watermark INT64_MAX ends an input: it
   no longer counts, and when all have ended the output is INT64_MAX. */
uint32_t tm_valve_watermark(tm_valve_t *valve, uint32_t input_idx, int64_t wm_ns);
uint32_t tm_valve_idle(tm_valve_t *valve, uint32_t input_idx);
uint32_t tm_valve_active(tm_valve_t *valve, uint32_t input_idx);

/* The last watermark put out; TM_TIME_NONE before the first. */
int64_t tm_valve_now(const tm_valve_t *valve);

/* The input that holds the output back: the active one with the lowest watermark (the first of
   several); UINT32_MAX where none is active. For metrics. */
uint32_t tm_valve_holder(const tm_valve_t *valve);

/* The last watermark of an input, and whether it takes part: active and not ended. */
int64_t tm_valve_input(const tm_valve_t *valve, uint32_t input_idx);
bool tm_valve_is_active(const tm_valve_t *valve, uint32_t input_idx);

/* All that the valve knows, for a checkpoint: the bytes it needs, written where `max` has room for
   them. restore: false where they are of a valve with another number of inputs. */
size_t tm_valve_save(const tm_valve_t *valve, void *bytes, size_t max);
bool tm_valve_restore(tm_valve_t *valve, const void *bytes, size_t sz) TM_MUST_CHECK;

/* Where inputs have become others, as the producers of an exchange that run on other threads now: a
   new valve takes in what saved ones knew of theirs, input by input, any number of times. The
   result promises what all of them did: an input has ended where all have, is idle where none is
   active, and has the lowest watermark of those that count; the output is the lowest there was.
   take: false where the bytes are not of a valve, or their input does not exist. */
bool tm_valve_take(tm_valve_t *valve, uint32_t input_idx, const void *bytes, size_t sz,
                   uint32_t was_idx) TM_MUST_CHECK;

#endif
