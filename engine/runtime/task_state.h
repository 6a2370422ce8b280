/* engine/runtime/task_state.h - the inside of a task, shared by its parts: task_open.c (wiring),
   task.c (what flows in and through), task_port.c (what leaves). Nobody else includes it.
   Threads  the task's own; watermark_ns and latency are read by any */
#ifndef TM_ENGINE_TASK_STATE_H
#define TM_ENGINE_TASK_STATE_H

#include "base/arena.h"
#include "engine/operators/watermark.h"
#include "engine/runtime/checkpoint/barrier.h"
#include "engine/runtime/checkpoint/graph_match.h"
#include "engine/runtime/idle.h"
#include "engine/runtime/task.h"

typedef struct task_instance task_instance_t;
typedef struct task_port task_port_t;

/* One reader of an output: an operator called directly, or the way to others. */
typedef struct task_reader {
    task_instance_t *to; /* NULL: port */
    task_port_t *port;
    uint32_t valve_idx; /* which input of the operator's valve; of a channel: that of producer 0 */
    uint32_t input;     /* which input of the operator */
} task_reader_t;

typedef struct task_fanout {
    task_instance_t *owner;
    task_reader_t *readers;
    uint32_t cnt;
} task_fanout_t;

/* One node of the graph on this thread. */
struct task_instance {
    tm_task_t *task;
    const struct tm_stream *node;
    tm_operator_t *op; /* NULL: a source or a sink */
    tm_valve_t *valve; /* NULL: a source */
    uint32_t valve_cnt, open_cnt;
    uint32_t sink_idx; /* UINT32_MAX: no sink */
    int64_t wm_ns;     /* that has reached it */
    bool idle, idle_told, ended, makes_time;
    task_fanout_t outs[TM_OPERATOR_OUTPUT_MAX];
    uint32_t out_cnt;
    tm_operator_env_t env;
};

/* A ring of an exchange into this thread. */
typedef struct task_channel {
    tm_ring_t *ring;
    task_reader_t *readers; /* of the exchange, on this thread */
    uint32_t reader_cnt;
    uint32_t producer;
    uint32_t stage;
    int64_t ingress_ns; /* of the rows that follow the last MARK; 0 = unknown */
    bool closed;        /* ended, or waiting behind a barrier */
    bool ended;
} task_channel_t;

/* An exchange out of this thread. */
struct task_port {
    tm_task_t *task;
    const tm_exchange_t *x;
    tm_ring_t *const *rings; /* [worker] */
    uint32_t next;           /* in turn */
    int64_t marks_ns[TM_TOPOLOGY_WORKER_MAX];
};

struct tm_task {
    tm_task_cfg_t cfg;
    uint32_t worker_cnt;
    task_instance_t *instances; /* by node; node NULL = runs elsewhere */
    task_channel_t *channels;   /* later stages first */
    task_port_t *ports;
    task_reader_t *readers; /* all of them */
    uint32_t channel_cnt, port_cnt, reader_cnt;
    uint32_t open_cnt; /* instances that have not ended */
    task_instance_t *widest;
    tm_ring_t *sink_rings[TM_TOPOLOGY_SINK_MAX];
    bool sink_timed[TM_TOPOLOGY_SINK_MAX]; /* it wants watermarks */

    tm_gate_t *gate; /* over the channels; NULL = no checkpoints, or an ingest thread */
    void *track_mem; /* of the page track */
    size_t track_sz;
    uint32_t sent_stage;  /* stages whose operators have sent the pending barrier on */
    uint64_t aligning_id; /* the barrier that `aligning_ns` is the time of */
    int64_t aligning_ns;
    uint64_t deferred_id; /* the last one that found pages still under way */
    tm_counter_t *deferred;

    uint32_t partition_idx; /* of the rows under way */
    int64_t ingress_ns;
    int64_t blocked_ns;
    int64_t clock_at_ns; /* mono: when operators look at the clock again */
    int64_t clock_ns;    /* real, never falls */
    tm_arena_t arena;
    tm_page_arena_t pages;
    tm_counter_t *rows, *ring_full, *sink_ring_full, *holder;
    alignas(TM_FALSE_SHARE) _Atomic int64_t watermark_ns; /* read by the live line */
    alignas(TM_FALSE_SHARE) tm_histogram_t latency;
};

/* ---- Checkpoints: how a task is laid out in its blob -------------------------------------- */

/* Of a task: this, then for each of its operators and sinks a head, the valve and the operator. */
typedef struct task_mark {
    uint32_t version, instance_cnt;
    tm_page_roots_t pages;
} task_mark_t;

typedef struct instance_mark {
    uint32_t node_idx;
    uint8_t idle, idle_told;
    uint16_t unused;
    int64_t wm_ns;
    uint64_t valve_sz, op_sz;
} instance_mark_t;

static inline bool task_instance_is_kept(const task_instance_t *inst)
{
    return inst->node && inst->valve;
}

/* TM_E_CORRUPT, with a text. */
int tm_task_bad_blob(void);

/* task_restore.c. Reads the head of an instance within a blob; whose it is now (NULL = nobody's);
   gives it its event time. */
int tm_task_instance_mark(const uint8_t *at, size_t sz, instance_mark_t *mark) TM_MUST_CHECK;
task_instance_t *tm_task_instance_was(tm_task_t *task, const tm_graph_match_t *match,
                                      const instance_mark_t *mark);
int tm_task_instance_take(task_instance_t *inst, const instance_mark_t *mark, const uint8_t *valve,
                          const tm_graph_match_t *match) TM_MUST_CHECK;

/* task_port.c */
void tm_task_port_rows(task_port_t *port, const void *rows, uint32_t cnt, uint32_t stride);
void tm_task_port_control(task_port_t *port, tm_row_kind_t kind, int64_t event_ns);
void tm_task_port_feed_row(task_port_t *port, const tm_row_t *row);
void tm_task_sink_rows(tm_task_t *task, uint32_t sink_idx, const void *rows, uint32_t cnt,
                       uint32_t stride);
void tm_task_sink_control(tm_task_t *task, uint32_t sink_idx, tm_row_kind_t kind, int64_t event_ns);

/* task_barrier.c: what a channel says of checkpoints; only where there is a gate. */
void tm_task_take_barrier(tm_task_t *task, task_channel_t *ch, uint64_t id);
void tm_task_take_end(tm_task_t *task, const task_channel_t *ch);

/* task.c */
uint64_t tm_task_drain(tm_task_t *task, uint32_t stage_min);
void tm_task_out_rows(void *fanout, const void *rows, uint32_t cnt, uint32_t stride);
void tm_task_out_watermark(void *fanout, int64_t wm_ns); /* of all outputs of its instance */
void tm_task_out_idle(void *instance, bool idle);

#endif
