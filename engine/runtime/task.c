#include "base/check.h"
#include "base/clock.h"
#include "engine/job/nodes.h"
#include "engine/runtime/task_state.h"

enum { BURST_MAX = 256 }; /* rows of one ring in a turn: no input starves the others */

/* ---- rows ------------------------------------------------------------------------------------ */

static void instance_rows(const task_reader_t *reader, const void *rows, uint32_t cnt,
                          uint32_t stride)
{
    task_instance_t *to = reader->to;
    if (TM_LIKELY(to->op != NULL))
        tm_operator_input(to->op, reader->input, rows, cnt, stride);
    else
        tm_task_sink_rows(to->task, to->sink_idx, rows, cnt, stride);
}

void tm_task_out_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    const task_fanout_t *f = ctx;
    for (uint32_t i = 0; i < f->cnt; i++) {
        const task_reader_t *reader = &f->readers[i];
        if (reader->to)
            instance_rows(reader, rows, cnt, stride);
        else
            tm_task_port_rows(reader->port, rows, cnt, stride);
    }
}

/* ---- event time ------------------------------------------------------------------------------ */

static void watermark_publish(tm_task_t *task)
{
    int64_t min = INT64_MAX;
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        const task_instance_t *inst = &task->instances[i];
        if (inst->node && inst->sink_idx != UINT32_MAX && inst->wm_ns < min) min = inst->wm_ns;
    }
    atomic_store_explicit(&task->watermark_ns, min, memory_order_relaxed); /* statistics only */
}

static void instance_watermark(task_instance_t *inst, int64_t wm_ns)
{
    tm_task_t *task = inst->task;
    inst->wm_ns = wm_ns;
    if (inst == task->widest) tm_counter_put(task->holder, tm_valve_holder(inst->valve));
    if (inst->op) {
        tm_operator_watermark(inst->op, wm_ns);
        return;
    }
    if (task->sink_timed[inst->sink_idx])
        tm_task_sink_control(task, inst->sink_idx, TM_ROW_WATERMARK, wm_ns);
    watermark_publish(task);
}

/* What a valve lets through, in the order in which it has to go on. */
static void valve_apply(task_instance_t *inst, uint32_t what)
{
    if ((what & TM_VALVE_ACTIVE) && !inst->makes_time) {
        inst->idle = false;
        if (inst->idle_told) tm_task_out_idle(inst, false);
    }
    if (what & TM_VALVE_WATERMARK) instance_watermark(inst, tm_valve_now(inst->valve));
    if ((what & TM_VALVE_IDLE) && !inst->makes_time) inst->idle = true;
}

static void reader_control(const task_reader_t *r, uint32_t producer, tm_row_kind_t kind,
                           int64_t event_ns)
{
    if (!r->to) {
        tm_task_port_control(r->port, kind, event_ns);
        return;
    }
    task_instance_t *to = r->to;
    uint32_t idx = r->valve_idx + producer;
    if (kind == TM_ROW_WATERMARK)
        valve_apply(to, tm_valve_watermark(to->valve, idx, event_ns));
    else if (kind == TM_ROW_IDLE)
        valve_apply(to, tm_valve_idle(to->valve, idx));
    else if (kind == TM_ROW_ACTIVE)
        valve_apply(to, tm_valve_active(to->valve, idx));
}

static void outs_control(task_instance_t *inst, tm_row_kind_t kind, int64_t event_ns)
{
    for (uint32_t o = 0; o < inst->out_cnt; o++)
        for (uint32_t i = 0; i < inst->outs[o].cnt; i++)
            reader_control(&inst->outs[o].readers[i], 0, kind, event_ns);
}

void tm_task_out_watermark(void *ctx, int64_t wm_ns)
{
    outs_control(((task_fanout_t *)ctx)->owner, TM_ROW_WATERMARK, wm_ns);
}

void tm_task_out_idle(void *ctx, bool idle)
{
    task_instance_t *inst = ctx;
    inst->idle_told = idle;
    outs_control(inst, idle ? TM_ROW_IDLE : TM_ROW_ACTIVE, TM_TIME_NONE);
}

/* ---- what happens to a feed ------------------------------------------------------------------ */

/* Shows the row to the readers of an instance, and to those behind them in this thread. */
static void outs_feed_row(const task_instance_t *inst, const tm_row_t *row)
{
    for (uint32_t o = 0; o < inst->out_cnt; o++) {
        for (uint32_t i = 0; i < inst->outs[o].cnt; i++) {
            const task_reader_t *r = &inst->outs[o].readers[i];
            if (!r->to) {
                tm_task_port_feed_row(r->port, row);
                continue;
            }
            if (r->to->op) tm_operator_control(r->to->op, row);
            outs_feed_row(r->to, row);
        }
    }
}

void tm_task_feed_row(tm_task_t *task, uint32_t node_idx, const tm_row_t *row)
{
    outs_feed_row(&task->instances[node_idx], row);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void instance_close(task_instance_t *inst);

static void reader_end(const task_reader_t *r, uint32_t producer)
{
    if (!r->to) {
        tm_task_port_control(r->port, TM_ROW_END, TM_TIME_NONE);
        return;
    }
    task_instance_t *to = r->to;
    valve_apply(to, tm_valve_watermark(to->valve, r->valve_idx + producer, INT64_MAX));
    if (--to->open_cnt == 0) instance_close(to);
}

/* An operator whose inputs have all ended does what is due, then its readers learn of it. */
static void instance_close(task_instance_t *inst)
{
    if (inst->ended) return;
    inst->ended = true;
    inst->task->open_cnt--;
    if (inst->op) tm_operator_end(inst->op);
    if (inst->sink_idx != UINT32_MAX)
        tm_task_sink_control(inst->task, inst->sink_idx, TM_ROW_END, TM_TIME_NONE);
    for (uint32_t o = 0; o < inst->out_cnt; o++)
        for (uint32_t i = 0; i < inst->outs[o].cnt; i++) reader_end(&inst->outs[o].readers[i], 0);
}

void tm_task_end(tm_task_t *task)
{
    /* Nodes are numbered in the order of the flow, so an operator ends after all it reads. */
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++)
        if (task->instances[i].node) instance_close(&task->instances[i]);
}

bool tm_task_is_over(const tm_task_t *task)
{
    return task->open_cnt == 0;
}

/* ---- sources --------------------------------------------------------------------------------- */

void tm_task_rows(tm_task_t *task, uint32_t node_idx, uint32_t partition_idx, const void *rows,
                  uint32_t cnt, uint32_t stride)
{
    task->partition_idx = partition_idx;
    tm_task_out_rows(&task->instances[node_idx].outs[0], rows, cnt, stride);
}

void tm_task_ingress(tm_task_t *task, int64_t ingress_ns)
{
    task->ingress_ns = ingress_ns;
}

void tm_task_partition_end(tm_task_t *task, uint32_t partition_idx)
{
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (inst->makes_time && (inst->env.partitions >> partition_idx & 1))
            tm_watermark_op_partition_end(inst->op, partition_idx);
    }
}

void tm_task_source_end(tm_task_t *task, uint32_t node_idx)
{
    instance_close(&task->instances[node_idx]);
}

bool tm_task_is_held(tm_task_t *task, uint32_t partition_idx)
{
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (inst->makes_time && (inst->env.partitions >> partition_idx & 1) &&
            tm_watermark_op_is_held(inst->op, partition_idx))
            return true;
    }
    return false;
}

/* ---- rings ----------------------------------------------------------------------------------- */

static void control_take(tm_task_t *task, task_channel_t *ch, const tm_row_t *row)
{
    switch ((tm_row_kind_t)row->kind) {
    case TM_ROW_MARK:
        ch->ingress_ns = row->event_ns;
        break;
    case TM_ROW_WATERMARK:
    case TM_ROW_IDLE:
    case TM_ROW_ACTIVE:
        for (uint32_t i = 0; i < ch->reader_cnt; i++)
            reader_control(&ch->readers[i], ch->producer, (tm_row_kind_t)row->kind, row->event_ns);
        break;
    case TM_ROW_END:
        ch->ended = ch->closed = true;
        if (task->gate) tm_task_take_end(task, ch);
        for (uint32_t i = 0; i < ch->reader_cnt; i++) reader_end(&ch->readers[i], ch->producer);
        break;
    case TM_ROW_GAP:
    case TM_ROW_FEED:
        for (uint32_t i = 0; i < ch->reader_cnt; i++)
            if (ch->readers[i].to && ch->readers[i].to->op)
                tm_operator_control(ch->readers[i].to->op, row);
        break;
    case TM_ROW_BARRIER:
        tm_task_take_barrier(task, ch, (uint64_t)row->event_ns);
        break;
    case TM_ROW_INSERT:
    case TM_ROW_UPDATE_BEFORE:
    case TM_ROW_UPDATE_AFTER:
    case TM_ROW_DELETE:
        TM_CHECK(false, "row kind %u where a control row belongs", row->kind);
    }
}

static void data_take(tm_task_t *task, const task_channel_t *ch, const void *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < ch->reader_cnt; i++)
        instance_rows(&ch->readers[i], rows, cnt, tm_ring_stride(ch->ring));
    tm_counter_add(task->rows, cnt);
    if (ch->ingress_ns != 0)
        tm_histogram_record(&task->latency, tm_clock_mono_ns() - ch->ingress_ns, cnt);
}

/* Runs of data rows go to the operators as one batch; control rows stand between them. */
static uint32_t channel_drain(tm_task_t *task, task_channel_t *ch)
{
    const uint32_t stride = tm_ring_stride(ch->ring);
    const void *rows;
    uint32_t cnt = tm_ring_peek(ch->ring, &rows, BURST_MAX);
    const uint8_t *base = rows;
    for (uint32_t i = 0; i < cnt && !ch->closed;) {
        uint32_t end = i;
        while (end < cnt && !tm_row_is_control((const tm_row_t *)(base + (size_t)end * stride)))
            end++;
        if (end > i) data_take(task, ch, base + (size_t)i * stride, end - i);
        if (end < cnt) control_take(task, ch, (const tm_row_t *)(base + (size_t)end++ * stride));
        i = end;
        if (ch->closed) cnt = i; /* what follows a barrier waits in the ring */
    }
    if (cnt > 0) tm_ring_release(ch->ring, cnt);
    return cnt;
}

uint64_t tm_task_drain(tm_task_t *task, uint32_t stage_min)
{
    uint64_t cnt = 0;
    for (uint32_t i = 0; i < task->channel_cnt && task->channels[i].stage >= stage_min; i++)
        if (!task->channels[i].closed) cnt += channel_drain(task, &task->channels[i]);
    return cnt;
}

uint64_t tm_task_poll(tm_task_t *task)
{
    return tm_task_drain(task, 0);
}

/* ---- between batches ------------------------------------------------------------------------- */

static void clock_look(tm_task_t *task, int64_t mono_ns)
{
    task->clock_at_ns = mono_ns + TM_NS_PER_MS;
    int64_t real_ns = tm_clock_real_ns();
    if (real_ns > task->clock_ns) task->clock_ns = real_ns;
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (inst->op && !inst->ended) tm_operator_time(inst->op, task->clock_ns);
    }
}

uint64_t tm_task_work(tm_task_t *task, int64_t mono_ns)
{
    uint64_t done = 0;
    if (task->sent_stage > 0) return 0; /* what they put out now would overtake the barrier */
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (!inst->op || inst->ended) continue;
        uint32_t n = tm_operator_work(inst->op);
        done += n;
        if (n == 0 && inst->idle && !inst->idle_told) tm_task_out_idle(inst, true);
    }
    if (mono_ns >= task->clock_at_ns) clock_look(task, mono_ns);
    return done;
}

const tm_histogram_t *tm_task_latency(const tm_task_t *task)
{
    return &task->latency;
}

int64_t tm_task_watermark(const tm_task_t *task)
{
    return atomic_load_explicit(&task->watermark_ns, memory_order_relaxed); /* statistics only */
}
