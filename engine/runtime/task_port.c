/* What leaves a thread. The order of rows from this thread to one worker is kept; what waits for
   room lets later stages run meanwhile. */
#include "base/clock.h"
#include "engine/runtime/route.h"
#include "engine/runtime/task_state.h"

#include <string.h>

static bool is_aborted(const tm_task_t *task)
{
    return atomic_load_explicit(task->cfg.abort, memory_order_acquire); /* A1 */
}

/* A way out: a ring, and what to do where it is full. */
typedef struct lane {
    tm_task_t *task;
    tm_ring_t *ring;
    tm_counter_t *full;
    uint32_t stage; /* that the ring leads into */
    uint32_t row_sz;
} lane_t;

/* Behind its last checkpoint nobody empties rings any more, and what is in them comes again. */
static bool is_halted(const tm_task_t *task)
{
    return task->cfg.coordinator && tm_coordinator_halted(task->cfg.coordinator);
}

/* Until the ring has room. False where the run was aborted or halted: what is under way is
   dropped. */
static bool room_wait(const lane_t *lane)
{
    if (TM_LIKELY(tm_ring_claim(lane->ring) != NULL)) return true;
    tm_task_t *task = lane->task;
    int64_t since_ns = tm_clock_mono_ns();
    int64_t before_ns = task->blocked_ns; /* what is waited for inside is part of this wait */
    tm_idle_t idle = {.kind = task->cfg.idle};
    bool room = false;
    tm_counter_add(lane->full, 1);
    while (!(room = tm_ring_claim(lane->ring) != NULL)) {
        if (is_aborted(task) || is_halted(task)) break;
        tm_idle_round(&idle, tm_task_drain(task, lane->stage));
    }
    task->blocked_ns = before_ns + tm_clock_mono_ns() - since_ns;
    return room;
}

/* One row of fewer bytes than a slot has. */
static void row_put(tm_ring_t *ring, const void *row, uint32_t row_sz)
{
    const tm_row_t *head = row;
    uint8_t *slot = tm_ring_claim(ring);
    memcpy(slot + 8, (const uint8_t *)row + 8, row_sz - 8);
    tm_ring_publish(ring, (tm_row_kind_t)head->kind, head->schema_id, head->symbol);
}

static void rows_put(const lane_t *lane, const uint8_t *rows, uint32_t cnt, uint32_t stride)
{
    if (TM_LIKELY(stride == tm_ring_stride(lane->ring))) {
        for (;;) {
            uint32_t n = tm_ring_push_burst(lane->ring, rows, cnt);
            rows += (size_t)n * stride;
            cnt -= n;
            if (cnt == 0 || !room_wait(lane)) return;
        }
    }
    for (uint32_t i = 0; i < cnt; i++, rows += stride) {
        if (!room_wait(lane)) return;
        row_put(lane->ring, rows, lane->row_sz);
    }
}

static void control_put(const lane_t *lane, tm_row_kind_t kind, int64_t event_ns)
{
    const tm_row_t control = {
        .kind = (uint8_t)kind, .symbol = TM_SYMBOL_NONE, .event_ns = event_ns};
    if (room_wait(lane)) row_put(lane->ring, &control, sizeof control);
}

static lane_t port_lane(const task_port_t *port, uint32_t worker)
{
    return (lane_t){.task = port->task,
                    .ring = port->rings[worker],
                    .full = port->task->ring_full,
                    .stage = port->x->stage,
                    .row_sz = port->x->row_sz};
}

/* Rows to one worker, behind word of when they came in where that has changed. */
static void port_run(task_port_t *port, uint32_t worker, const uint8_t *rows, uint32_t cnt,
                     uint32_t stride)
{
    const lane_t lane = port_lane(port, worker);
    if (port->marks_ns[worker] != port->task->ingress_ns) {
        port->marks_ns[worker] = port->task->ingress_ns;
        control_put(&lane, TM_ROW_MARK, port->task->ingress_ns);
    }
    rows_put(&lane, rows, cnt, stride);
}

/* Runs of rows for one worker go as one burst. */
static void keyed_rows(task_port_t *port, const uint8_t *rows, uint32_t cnt, uint32_t stride)
{
    const tm_key_t *key = &port->x->key;
    uint32_t workers = port->task->worker_cnt, first = 0, owner = UINT32_MAX;
    if (workers == 1) {
        port_run(port, 0, rows, cnt, stride);
        return;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t to = tm_route_owner(tm_key_hash(key, rows + (size_t)i * stride), workers);
        if (to == owner) continue;
        if (i > first) port_run(port, owner, rows + (size_t)first * stride, i - first, stride);
        first = i;
        owner = to;
    }
    port_run(port, owner, rows + (size_t)first * stride, cnt - first, stride);
}

void tm_task_port_rows(task_port_t *port, const void *rows, uint32_t cnt, uint32_t stride)
{
    switch ((tm_route_t)port->x->route) {
    case TM_ROUTE_KEY:
        keyed_rows(port, rows, cnt, stride);
        break;
    case TM_ROUTE_BROADCAST:
        for (uint32_t w = 0; w < port->task->worker_cnt; w++) port_run(port, w, rows, cnt, stride);
        break;
    case TM_ROUTE_ONE:
        port_run(port, 0, rows, cnt, stride);
        break;
    case TM_ROUTE_FORWARD:
        port->next = port->next + 1 < port->task->worker_cnt ? port->next + 1 : 0;
        port_run(port, port->next, rows, cnt, stride);
        break;
    }
}

void tm_task_port_control(task_port_t *port, tm_row_kind_t kind, int64_t event_ns)
{
    for (uint32_t w = 0; w < port->task->worker_cnt; w++) {
        const lane_t lane = port_lane(port, w);
        control_put(&lane, kind, event_ns);
    }
}

void tm_task_port_feed_row(task_port_t *port, const tm_row_t *row)
{
    for (uint32_t w = 0; w < port->task->worker_cnt; w++) {
        const lane_t lane = port_lane(port, w);
        if (room_wait(&lane)) row_put(lane.ring, row, TM_CACHE_LINE);
    }
}

/* The file thread waits for nobody, so there is nothing to go on with meanwhile. */
static lane_t sink_lane(tm_task_t *task, uint32_t sink_idx, uint32_t row_sz)
{
    return (lane_t){.task = task,
                    .ring = task->sink_rings[sink_idx],
                    .full = task->sink_ring_full,
                    .stage = UINT32_MAX,
                    .row_sz = row_sz};
}

void tm_task_sink_rows(tm_task_t *task, uint32_t sink_idx, const void *rows, uint32_t cnt,
                       uint32_t stride)
{
    const lane_t lane = sink_lane(task, sink_idx, task->cfg.topo->sinks[sink_idx]->schema.row_sz);
    rows_put(&lane, rows, cnt, stride);
}

void tm_task_sink_control(tm_task_t *task, uint32_t sink_idx, tm_row_kind_t kind, int64_t event_ns)
{
    const lane_t lane = sink_lane(task, sink_idx, sizeof(tm_row_t));
    control_put(&lane, kind, event_ns);
}
