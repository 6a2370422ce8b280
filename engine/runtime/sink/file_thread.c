#include "engine/runtime/sink/file_thread.h"

#include "base/clock.h"
#include "engine/job/nodes.h"
#include "engine/runtime/idle.h"
#include "engine/runtime/sink/callback_sink.h"
#include "engine/runtime/sink/user_sink.h"
#include "state/part/part_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_NS = 100 * TM_NS_PER_MS, BURST_MAX = 4096 };

/* The lowest watermark of a sink's subtasks, for those who asked for it. */
static void watermark_take(tm_file_thread_t *f, const tm_sink_port_t *port, int64_t wm_ns)
{
    tm_valve_t *valve = f->valves[port->sink_idx];
    if (!valve || !(tm_valve_watermark(valve, port->worker_idx, wm_ns) & TM_VALVE_WATERMARK))
        return;
    const tm_callback_node_spec_t *spec = f->topo->sinks[port->sink_idx]->spec;
    spec->callback.watermark(spec->callback.ctx, tm_valve_now(valve));
}

static int port_prepare(tm_sink_port_t *port, uint64_t id)
{
    if (port->origin) tm_part_origin_epoch(port->origin, id);
    return port->sink->ops->prepare(port->sink, id);
}

static int control_take(tm_file_thread_t *f, tm_sink_port_t *port, const tm_row_t *control)
{
    if (control->kind == TM_ROW_BARRIER) {
        port->barrier_id = (uint64_t)control->event_ns;
        return port_prepare(port, port->barrier_id);
    }
    port->ended |= control->kind == TM_ROW_END;
    watermark_take(f, port, control->kind == TM_ROW_WATERMARK ? control->event_ns : INT64_MAX);
    return 0;
}

/* Moves one run of rows from a ring into its sink. Returns rows taken, or a negative code. */
static int64_t port_drain(tm_file_thread_t *f, tm_sink_port_t *port)
{
    const void *rows;
    uint32_t cnt = tm_ring_peek(port->ring, &rows, BURST_MAX), done = 0;
    uint32_t stride = tm_ring_stride(port->ring);
    const uint8_t *base = rows;
    while (done < cnt) {
        uint32_t end = done;
        while (end < cnt && !tm_row_is_control((const tm_row_t *)(base + (size_t)end * stride)))
            end++;
        if (end > done) {
            TM_TRY(port->sink->ops->write(port->sink, base + (size_t)done * stride, end - done));
            tm_counter_add(f->rows_out, end - done);
        }
        if (end < cnt) {
            const tm_row_t *control = (const tm_row_t *)(base + (size_t)end++ * stride);
            TM_TRY(control_take(f, port, control));
        }
        done = end;
    }
    if (cnt > 0) tm_ring_release(port->ring, cnt);
    return cnt;
}

static int tick_all(tm_file_thread_t *f)
{
    int64_t now_ns = tm_clock_real_ns();
    for (uint32_t i = 0; i < f->port_cnt; i++)
        TM_TRY(f->ports[i].sink->ops->tick(f->ports[i].sink, now_ns));
    return 0;
}

/* Writes and fsyncs what the ingest threads have recorded since. Returns work done, or an error. */
static int64_t journals_flush(tm_file_thread_t *f)
{
    int64_t work = 0;
    for (uint32_t i = 0; i < f->journal_cnt; i++) {
        int n = tm_journal_flush_work(f->journals[i]);
        if (n < 0) return n;
        work += n;
    }
    return work;
}

/* The journal ends before the results that stand on it are made visible. */
static int journals_close(tm_file_thread_t *f)
{
    int err = 0;
    while (f->journal_cnt > 0) {
        int rc = tm_journal_writer_close(f->journals[--f->journal_cnt]);
        if (err == 0) err = rc;
    }
    return err;
}

/* The last transaction: everything written becomes durable, then visible. */
static int finish_all(tm_file_thread_t *f)
{
    TM_TRY(journals_close(f));
    for (uint32_t i = 0; i < f->port_cnt; i++)
        if (f->ports[i].sink->ops->end) TM_TRY(f->ports[i].sink->ops->end(f->ports[i].sink));
    for (uint32_t i = 0; i < f->port_cnt; i++) TM_TRY(port_prepare(&f->ports[i], 1));
    for (uint32_t i = 0; i < f->port_cnt; i++)
        TM_TRY(f->ports[i].sink->ops->commit(f->ports[i].sink, 1));
    return 0;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static int commit_all(tm_file_thread_t *f, uint64_t id)
{
    for (uint32_t i = 0; i < f->port_cnt; i++)
        TM_TRY(f->ports[i].sink->ops->commit(f->ports[i].sink, id));
    f->committed_id = id;
    tm_coordinator_committed(f->coordinator, id);
    return 0;
}

int tm_file_thread_finish(tm_file_thread_t *f)
{
    for (uint32_t i = 0; i < f->port_cnt; i++) {
        tm_sink_t *sink = f->ports[i].sink;
        if (sink->ops->end) TM_TRY(sink->ops->end(sink));
        TM_TRY(sink->ops->commit(sink, f->committed_id));
    }
    return 0;
}

/* Tells when every sink is prepared for a checkpoint: those whose input has ended belong to it with
   all that they have. Commits what is in force. Returns work done, or an error. */
static int64_t checkpoint_work(tm_file_thread_t *f)
{
    uint64_t id = 0, commit_id = tm_coordinator_commit(f->coordinator);
    if (commit_id > f->committed_id) {
        TM_TRY(commit_all(f, commit_id));
        return 1;
    }
    for (uint32_t i = 0; i < f->port_cnt; i++)
        if (f->ports[i].barrier_id > id) id = f->ports[i].barrier_id;
    if (id <= f->prepared_id) return 0;
    for (uint32_t i = 0; i < f->port_cnt; i++)
        if (!f->ports[i].ended && f->ports[i].barrier_id != id) return 0;
    for (uint32_t i = 0; i < f->port_cnt; i++)
        if (f->ports[i].barrier_id != id) TM_TRY(port_prepare(&f->ports[i], id));
    f->prepared_id = id;
    tm_coordinator_prepared(f->coordinator, id);
    return 1;
}

/* All inputs have ended. 1 = the last checkpoint is committed, 0 = not yet. */
static int finish_work(tm_file_thread_t *f)
{
    uint64_t id = tm_coordinator_final(f->coordinator);
    if (id == 0) return 0;
    if (f->prepared_id != id) {
        TM_TRY(journals_close(f));
        for (uint32_t i = 0; i < f->port_cnt; i++)
            if (f->ports[i].sink->ops->end) TM_TRY(f->ports[i].sink->ops->end(f->ports[i].sink));
        for (uint32_t i = 0; i < f->port_cnt; i++) TM_TRY(port_prepare(&f->ports[i], id));
        f->prepared_id = id;
        tm_coordinator_prepared(f->coordinator, id);
    }
    return f->committed_id == id;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int file_body(void *arg)
{
    tm_file_thread_t *f = arg;
    int64_t tick_at_ns = tm_clock_mono_ns() + TICK_NS;
    TM_TRY(tm_thread_pin(&f->thread));
    tm_thread_is_running(&f->thread);
    for (;;) {
        uint64_t work = 0;
        uint32_t ended = 0;
        for (uint32_t i = 0; i < f->port_cnt; i++) {
            if (!f->ports[i].ended) {
                int64_t n = port_drain(f, &f->ports[i]);
                if (n < 0) return (int)n;
                work += (uint64_t)n;
            }
            ended += f->ports[i].ended;
        }
        if (f->coordinator) {
            int64_t n = checkpoint_work(f);
            if (n < 0) return (int)n;
            work += (uint64_t)n;
            if (tm_coordinator_halted(f->coordinator)) return journals_close(f);
            int over = ended == f->port_cnt ? finish_work(f) : 0;
            if (over != 0) return over < 0 ? over : 0;
        } else if (ended == f->port_cnt) {
            return finish_all(f);
        }
        int64_t recorded = journals_flush(f);
        if (recorded < 0) return (int)recorded;
        work += (uint64_t)recorded;
        int64_t now_ns = tm_clock_mono_ns();
        if (now_ns >= tick_at_ns) {
            TM_TRY(tick_all(f));
            tick_at_ns = now_ns + TICK_NS;
        }
        tm_thread_cycle(&f->thread, now_ns, work == 0);
        if (work == 0 && atomic_load_explicit(f->abort, memory_order_acquire)) /* A1 */
            return tm_error_set(TM_E_CLOSED,
                                "stopped before the end because another thread failed");
        tm_idle_round(&f->idle, work);
    }
}

static int parts_open(tm_file_thread_t *f, tm_sink_port_t *port, const struct tm_stream *node,
                      const tm_symbols_t *symbols)
{
    const tm_parts_node_spec_t *spec = node->spec;
    const tm_parts_spec_t *parts = &spec->parts;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s%s%s", f->topo->job->opts.out_dir, spec->folder[0] ? "/" : "",
             spec->folder);
    port->origin = malloc(sizeof *port->origin);
    if (!port->origin) return tm_error_set(-ENOMEM, "sink %s: out of memory", node->name);
    tm_part_origin_init(port->origin, f->topo, f->coordinator);
    const tm_part_sink_cfg_t cfg = {
        .dir = dir,
        .subtask_idx = port->worker_idx,
        .subtask_cnt = f->topo->worker_cnt,
        .schema = &port->schema,
        .symbols = symbols,
        .format = parts->format,
        .prefix = parts->prefix,
        .suffix = parts->suffix,
        .names_by_id = parts->names_by_id,
        .bucket = {.field = parts->bucket_field,
                   .pattern = parts->bucket_format,
                   .zone = parts->bucket_zone,
                   .by_clock = parts->bucket_by_clock,
                   .folder = parts->folder,
                   .ctx = parts->folder_ctx},
        .bucket_max = parts->bucket_max,
        .compact = parts->compact,
        .roll = parts->roll,
        .compression = spec->compression,
        .byte_ns = parts->byte_ns,
        .book_lists = parts->book_lists,
        .bloom_fields = parts->bloom_fields,
        .counters = f->thread.counters,
        .checkpointed = f->coordinator != NULL,
        .kv = port->origin->kv,
        .kv_cnt = port->origin->kv_cnt,
    };
    int err = tm_part_sink_open(&port->sink, &cfg);
    if (err < 0) free(port->origin);
    return err;
}

static int port_open(tm_file_thread_t *f, uint32_t sink_idx, uint32_t worker_idx, tm_ring_t *ring,
                     const tm_symbols_t *symbols)
{
    const struct tm_stream *node = f->topo->sinks[sink_idx];
    tm_sink_port_t *port = &f->ports[f->port_cnt];
    *port = (tm_sink_port_t){.ring = ring, .sink_idx = sink_idx, .worker_idx = worker_idx};
    /* Rows lie in the ring a stride apart; to the sink that is their size. */
    port->schema = node->schema;
    port->schema.row_sz = (uint16_t)f->topo->sink_strides[sink_idx];
    if (node->ops == &tm_parts_node)
        TM_TRY(parts_open(f, port, node, symbols));
    else if (node->ops == &tm_two_phase_node)
        TM_TRY(tm_user_sink_open(
            &port->sink, node,
            &(tm_user_sink_at_t){worker_idx, f->topo->worker_cnt, &port->schema, symbols}));
    else
        TM_TRY(tm_callback_sink_open(&port->sink, node, worker_idx, &port->schema, symbols));
    f->port_cnt++;
    return 0;
}

static int valve_open(tm_file_thread_t *f, uint32_t sink_idx)
{
    const struct tm_stream *node = f->topo->sinks[sink_idx];
    if (node->ops != &tm_callback_node) return 0;
    const tm_callback_node_spec_t *spec = node->spec;
    if (!spec->callback.watermark) return 0;
    size_t sz = tm_valve_footprint(f->topo->worker_cnt);
    void *mem = aligned_alloc(TM_CACHE_LINE, sz);
    if (!mem) return tm_error_set(-ENOMEM, "sink %s: out of memory", node->name);
    f->valves[sink_idx] = tm_valve_init(mem, f->topo->worker_cnt);
    return 0;
}

/* No sink changes anything before all agree. */
static int recover_all(tm_file_thread_t *f, uint64_t restored_id)
{
    for (uint32_t i = 0; i < f->port_cnt; i++) {
        tm_sink_t *sink = f->ports[i].sink;
        if (sink->ops->admits) TM_TRY(sink->ops->admits(sink, restored_id));
    }
    for (uint32_t i = 0; i < f->port_cnt; i++)
        TM_TRY(f->ports[i].sink->ops->recover(f->ports[i].sink, restored_id));
    return 0;
}

int tm_file_thread_init(tm_file_thread_t *f, const tm_file_thread_cfg_t *cfg)
{
    const tm_topology_t *topo = cfg->topo;
    memset(f, 0, sizeof *f);
    f->topo = topo;
    f->abort = cfg->abort;
    f->coordinator = cfg->coordinator;
    f->committed_id = cfg->restored_id;
    f->idle.kind = topo->file.idle;
    TM_TRY(tm_thread_init(&f->thread, &topo->file, file_body, f));
    f->rows_out = tm_counter_get(f->thread.counters, "rows_out");
    for (uint32_t s = 0; s < topo->sink_cnt; s++) TM_TRY(valve_open(f, s));
    for (uint32_t s = 0; s < topo->sink_cnt; s++)
        for (uint32_t w = 0; w < topo->worker_cnt; w++)
            TM_TRY(port_open(f, s, w, cfg->rings[s * topo->worker_cnt + w], cfg->symbols));
    return f->coordinator ? recover_all(f, cfg->restored_id) : 0;
}

void tm_file_thread_record(tm_file_thread_t *f, tm_journal_writer_t *journal)
{
    f->journals[f->journal_cnt++] = journal;
}

void tm_file_thread_from(tm_file_thread_t *f, uint32_t ingest_idx, uint64_t seq)
{
    for (uint32_t i = 0; i < f->port_cnt; i++)
        if (f->ports[i].origin) tm_part_origin_from(f->ports[i].origin, ingest_idx, seq);
}

void tm_file_thread_fini(tm_file_thread_t *f)
{
    (void)journals_close(f); /* only after a failure that was reported already */
    for (uint32_t i = 0; i < f->port_cnt; i++) {
        f->ports[i].sink->ops->close(f->ports[i].sink);
        free(f->ports[i].origin);
    }
    f->port_cnt = 0;
    for (uint32_t s = 0; s < TM_TOPOLOGY_SINK_MAX; s++) free(f->valves[s]);
    tm_thread_fini(&f->thread);
}
