#include "engine/operators/watermark_op.h"

#include "base/error.h"

#include <string.h>

typedef struct partition {
    tm_watermark_bounded_t bounded;
    int64_t punctuated_ns; /* the last watermark a row carried */
    int64_t seen_ns; /* wall clock of its last row, without blocked time; 0 = not looked yet */
    bool rows;       /* since the last look at the clock */
    bool reaches;    /* its rows come here */
    bool held;
} partition_t;

typedef struct watermark_op {
    tm_operator_t op;
    tm_watermark_op_cfg_t cfg;
    tm_operator_env_t env;
    tm_valve_t *valve;           /* over the partitions */
    tm_alignment_slot_t **slots; /* by partition; NULL where not aligned */
    const uint8_t *was;          /* partitions of the checkpoint; NULL = the same */
    int64_t out_ns;
    uint32_t partition_cnt, idle_cnt;
    tm_counter_t *wm, *holder, *idle, *held, *event_max;
    partition_t partitions[];
} watermark_op_t;

static uint32_t cnt_of(const tm_watermark_op_cfg_t *cfg)
{
    return cfg->env->partition_cnt ? cfg->env->partition_cnt : 1;
}

static size_t head_sz(const tm_watermark_op_cfg_t *cfg)
{
    return tm_align_up(sizeof(watermark_op_t) + cnt_of(cfg) * sizeof(partition_t), TM_CACHE_LINE);
}

size_t tm_watermark_op_footprint(const tm_watermark_op_cfg_t *cfg)
{
    if (cfg->bound_ns < 0 || cfg->idle_ns < 0) {
        tm_error_set(TM_E_CONFIG, "watermarks: bound and idle timeout must not be negative");
        return 0;
    }
    size_t valve_sz = tm_valve_footprint(cnt_of(cfg));
    return valve_sz ? head_sz(cfg) + valve_sz + cnt_of(cfg) * sizeof(tm_alignment_slot_t *) : 0;
}

static int64_t partition_now(const watermark_op_t *w, const partition_t *p)
{
    return w->cfg.punctuate ? p->punctuated_ns : tm_watermark_bounded_now(&p->bounded);
}

static void gauges(watermark_op_t *w)
{
    int64_t now = tm_valve_now(w->valve);
    uint32_t holder = tm_valve_holder(w->valve);
    tm_counter_put(w->wm, now > 0 ? (uint64_t)now : 0);
    tm_counter_put(w->holder, holder < w->partition_cnt ? holder : w->partition_cnt);
}

/* Hands on what the valve lets through. */
static uint32_t apply(watermark_op_t *w, uint32_t what)
{
    uint32_t done = 0;
    if ((what & TM_VALVE_ACTIVE) && w->env.idle) w->env.idle(w->env.idle_ctx, false);
    if (tm_valve_now(w->valve) > w->out_ns) {
        w->out_ns = tm_valve_now(w->valve);
        gauges(w);
        tm_emit_watermark(&w->env.outs[0], w->out_ns);
        done = 1;
    }
    if ((what & TM_VALVE_IDLE) && w->env.idle) w->env.idle(w->env.idle_ctx, true);
    return done;
}

static void slot_put(watermark_op_t *w, uint32_t i)
{
    if (!w->slots || !w->slots[i]) return;
    tm_alignment_put(w->slots[i],
                     tm_valve_is_active(w->valve, i) ? tm_valve_input(w->valve, i) : INT64_MAX);
}

static uint32_t partition_raise(watermark_op_t *w, uint32_t i)
{
    int64_t wm = partition_now(w, &w->partitions[i]);
    if (wm == TM_TIME_NONE || wm == INT64_MAX) return 0; /* only the end of input is the end */
    uint32_t done = apply(w, tm_valve_watermark(w->valve, i, wm));
    slot_put(w, i);
    return done;
}

static void partition_wake(watermark_op_t *w, uint32_t i)
{
    if (tm_valve_is_active(w->valve, i)) return;
    apply(w, tm_valve_active(w->valve, i));
    if (w->idle_cnt > 0) w->idle_cnt--;
    tm_counter_put(w->idle, w->idle_cnt);
}

/* Rows up to each watermark, then the watermark. */
static void punctuated_rows(watermark_op_t *w, uint32_t i, const uint8_t *rows, uint32_t cnt,
                            uint32_t stride)
{
    partition_t *p = &w->partitions[i];
    uint32_t sent = 0;
    for (uint32_t k = 0; k < cnt; k++) {
        int64_t wm = w->cfg.punctuate(w->cfg.ctx, rows + (size_t)k * stride);
        if (wm == TM_TIME_NONE || wm <= p->punctuated_ns) continue;
        p->punctuated_ns = wm;
        tm_emit_rows(&w->env.outs[0], rows + (size_t)sent * stride, k + 1 - sent, stride);
        sent = k + 1;
        partition_raise(w, i);
    }
    tm_emit_rows(&w->env.outs[0], rows + (size_t)sent * stride, cnt - sent, stride);
}

static void on_rows(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                    uint32_t stride)
{
    (void)input; /* there is one */
    watermark_op_t *w = (watermark_op_t *)op;
    uint32_t i = w->env.partition_idx ? *w->env.partition_idx : 0;
    partition_t *p = &w->partitions[i];
    p->rows = true;
    if (TM_UNLIKELY(!tm_valve_is_active(w->valve, i))) partition_wake(w, i);
    if (w->cfg.punctuate) {
        punctuated_rows(w, i, rows, cnt, stride);
        return;
    }
    tm_watermark_bounded_rows(&p->bounded, rows, cnt, stride);
    tm_emit_rows(&w->env.outs[0], rows, cnt, stride);
}

static void end_all(watermark_op_t *w)
{
    for (uint32_t i = 0; i < w->partition_cnt; i++) tm_watermark_op_partition_end(&w->op, i);
}

static void on_watermark(tm_operator_t *op, int64_t wm_ns)
{
    if (wm_ns == INT64_MAX) end_all((watermark_op_t *)op);
}

static uint32_t work(tm_operator_t *op)
{
    watermark_op_t *w = (watermark_op_t *)op;
    uint32_t done = 0;
    if (w->cfg.punctuate) return 0;
    for (uint32_t i = 0; i < w->partition_cnt; i++)
        if (tm_valve_is_active(w->valve, i)) done += partition_raise(w, i);
    for (uint32_t i = 0; i < w->partition_cnt; i++)
        if (w->partitions[i].bounded.max_ns > 0)
            tm_counter_max(w->event_max, (uint64_t)w->partitions[i].bounded.max_ns);
    return done;
}

static void on_time(tm_operator_t *op, int64_t now_ns)
{
    watermark_op_t *w = (watermark_op_t *)op;
    if (w->cfg.idle_ns == 0) return;
    int64_t clock_ns = now_ns - (w->env.blocked_ns ? *w->env.blocked_ns : 0);
    for (uint32_t i = 0; i < w->partition_cnt; i++) {
        partition_t *p = &w->partitions[i];
        if (!p->reaches || !tm_valve_is_active(w->valve, i)) continue;
        if (p->rows || p->held || p->seen_ns == 0) {
            p->seen_ns = clock_ns;
            p->rows = false;
        } else if (clock_ns - p->seen_ns >= w->cfg.idle_ns) {
            partition_raise(w, i); /* what it has promised still counts */
            apply(w, tm_valve_idle(w->valve, i));
            p->seen_ns = 0;
            w->idle_cnt++;
            tm_counter_put(w->idle, w->idle_cnt);
            gauges(w);
            slot_put(w, i);
        }
    }
}

static void on_end(tm_operator_t *op)
{
    end_all((watermark_op_t *)op);
}

static void fini(tm_operator_t *op)
{
    (void)op; /* owns nothing */
}

/* Kept at a barrier, then one partition_mark_t a partition and the valve. */
typedef struct watermark_mark {
    int64_t out_ns;
    uint32_t partition_cnt, idle_cnt;
} watermark_mark_t;

typedef struct partition_mark {
    int64_t max_ns, punctuated_ns;
} partition_mark_t;

static size_t save(const tm_operator_t *op, void *bytes, size_t max)
{
    const watermark_op_t *w = (const watermark_op_t *)op;
    const watermark_mark_t mark = {w->out_ns, w->partition_cnt, w->idle_cnt};
    size_t valve_at = sizeof mark + w->partition_cnt * sizeof(partition_mark_t);
    size_t sz = valve_at + tm_valve_save(w->valve, NULL, 0);
    if (sz > max) return sz;
    uint8_t *at = bytes;
    memcpy(at, &mark, sizeof mark), at += sizeof mark;
    for (uint32_t i = 0; i < w->partition_cnt; i++, at += sizeof(partition_mark_t)) {
        const partition_t *p = &w->partitions[i];
        memcpy(at, &(partition_mark_t){p->bounded.max_ns, p->punctuated_ns},
               sizeof(partition_mark_t));
    }
    tm_valve_save(w->valve, at, max - valve_at);
    return sz;
}

/* What a partition goes on from. */
static void partition_take(watermark_op_t *w, uint32_t idx, const uint8_t *marks, uint32_t was)
{
    partition_mark_t p;
    memcpy(&p, marks + was * sizeof p, sizeof p);
    w->partitions[idx].bounded.max_ns = p.max_ns;
    w->partitions[idx].punctuated_ns = p.punctuated_ns;
    slot_put(w, idx);
}

/* The job has other partitions than it had. */
static int partitions_take(watermark_op_t *w, const uint8_t *marks, uint32_t was_cnt)
{
    for (uint32_t i = 0; i < w->partition_cnt; i++) {
        const uint32_t was = w->was[i];
        if (was == TM_PARTITION_NEW || !w->partitions[i].reaches) continue;
        if (was >= was_cnt) return tm_error_set(TM_E_CORRUPT, "watermarks: input %u", was);
        partition_take(w, i, marks, was);
        const int64_t now_ns = partition_now(w, &w->partitions[i]);
        if (now_ns != TM_TIME_NONE) (void)tm_valve_watermark(w->valve, i, now_ns);
    }
    return 0;
}

static int restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    watermark_op_t *w = (watermark_op_t *)op;
    watermark_mark_t mark = {0};
    const uint8_t *marks = (const uint8_t *)bytes + sizeof mark;
    if (sz >= sizeof mark) memcpy(&mark, bytes, sizeof mark);
    const size_t valve_at = sizeof mark + mark.partition_cnt * sizeof(partition_mark_t);
    if (sz < sizeof mark || mark.partition_cnt > TM_VALVE_INPUT_MAX || sz < valve_at)
        return tm_error_set(TM_E_CORRUPT, "watermarks: %zu bytes", sz);
    w->out_ns = mark.out_ns;
    if (w->was) return partitions_take(w, marks, mark.partition_cnt);
    if (mark.partition_cnt != w->partition_cnt ||
        !tm_valve_restore(w->valve, (const uint8_t *)bytes + valve_at, sz - valve_at))
        return tm_error_set(TM_E_CONFIG, "watermarks: made of %u inputs before and of %u now",
                            mark.partition_cnt, w->partition_cnt);
    w->idle_cnt = mark.idle_cnt;
    for (uint32_t i = 0; i < w->partition_cnt; i++) partition_take(w, i, marks, i);
    return 0;
}

void tm_watermark_op_partitions_were(tm_operator_t *op, const uint8_t *was)
{
    ((watermark_op_t *)op)->was = was;
}

static const tm_operator_ops_t watermark_ops = {
    .kind = "watermarks",
    .on_rows = on_rows,
    .on_watermark = on_watermark,
    .on_time = on_time,
    .work = work,
    .on_end = on_end,
    .fini = fini,
    .save = save,
    .restore = restore,
};

void tm_watermark_op_partition_end(tm_operator_t *op, uint32_t partition_idx)
{
    watermark_op_t *w = (watermark_op_t *)op;
    if (tm_valve_is_active(w->valve, partition_idx)) partition_raise(w, partition_idx);
    apply(w, tm_valve_watermark(w->valve, partition_idx, INT64_MAX));
    slot_put(w, partition_idx);
}

bool tm_watermark_op_is_held(tm_operator_t *op, uint32_t partition_idx)
{
    watermark_op_t *w = (watermark_op_t *)op;
    partition_t *p = &w->partitions[partition_idx];
    if (!w->slots || !w->slots[partition_idx] || !tm_valve_is_active(w->valve, partition_idx))
        return false;
    int64_t limit, min = tm_alignment_min(w->env.alignment, w->cfg.align_group);
    if (__builtin_add_overflow(min, w->cfg.align_drift_ns, &limit)) limit = INT64_MAX;
    bool held = tm_valve_input(w->valve, partition_idx) > limit;
    if (held && !p->held) tm_counter_add(w->held, 1);
    p->held = held;
    return held;
}

tm_operator_t *tm_watermark_op_init(void *mem, const tm_watermark_op_cfg_t *cfg)
{
    watermark_op_t *w = mem;
    uint32_t cnt = cnt_of(cfg);
    *w = (watermark_op_t){.op.ops = &watermark_ops,
                          .cfg = *cfg,
                          .env = *cfg->env,
                          .out_ns = TM_TIME_NONE,
                          .partition_cnt = cnt};
    w->cfg.env = NULL;
    w->valve = tm_valve_init((uint8_t *)mem + head_sz(cfg), cnt);
    tm_counter_set_t *set = cfg->env->counters;
    w->wm = tm_counter_get(set, "watermark_ns");
    w->holder = tm_counter_get(set, "watermark_holder");
    w->idle = tm_counter_get(set, "partitions_idle");
    w->held = tm_counter_get(set, "partitions_held");
    w->event_max = tm_counter_get(set, "event_ns_max");
    if (cfg->align_group && cfg->env->alignment)
        w->slots = (void *)((uint8_t *)mem + head_sz(cfg) + tm_valve_footprint(cnt));
    for (uint32_t i = 0; i < cnt; i++) {
        partition_t *p = &w->partitions[i];
        bool reaches = cfg->env->partition_cnt == 0 || (cfg->env->partitions >> i & 1);
        *p = (partition_t){.bounded = {TM_TIME_NONE, cfg->bound_ns},
                           .punctuated_ns = TM_TIME_NONE,
                           .reaches = reaches};
        if (w->slots)
            w->slots[i] = reaches ? tm_alignment_join(cfg->env->alignment, cfg->align_group) : NULL;
        /* What never sends anything must hold nobody. */
        if (!reaches) (void)tm_valve_watermark(w->valve, i, INT64_MAX);
    }
    return &w->op;
}
