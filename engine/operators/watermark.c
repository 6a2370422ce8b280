#include "engine/operators/watermark.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

int tm_watermark_bounded_init(tm_watermark_bounded_t *gen, int64_t bound_ns)
{
    if (bound_ns < 0)
        return tm_error_set(-EINVAL, "watermark bound %lld: expected 0 or more",
                            (long long)bound_ns);
    *gen = (tm_watermark_bounded_t){.max_ns = TM_TIME_NONE, .bound_ns = bound_ns};
    return 0;
}

void tm_watermark_bounded_rows(tm_watermark_bounded_t *gen, const void *rows, uint32_t cnt,
                               uint32_t stride)
{
    const uint8_t *at = rows;
    int64_t max = gen->max_ns;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        int64_t t = ((const tm_row_t *)(const void *)at)->event_ns;
        max = t > max ? t : max;
    }
    gen->max_ns = max;
}

int64_t tm_watermark_bounded_now(const tm_watermark_bounded_t *gen)
{
    int64_t wm;
    if (gen->max_ns == TM_TIME_NONE || __builtin_sub_overflow(gen->max_ns, gen->bound_ns, &wm) ||
        __builtin_sub_overflow(wm, 1, &wm))
        return TM_TIME_NONE;
    return wm;
}

typedef struct input {
    int64_t wm_ns;
    bool active;
    bool aligned; /* takes part in the minimum */
    bool ended;
    bool taken; /* from a saved valve */
} input_t;

struct tm_valve {
    int64_t out_ns;
    bool out_active;
    uint32_t input_cnt;
    uint32_t active_cnt; /* not ended */
    uint32_t open_cnt;   /* not ended */
    bool taken;          /* any of its inputs was */
    input_t inputs[];
};

size_t tm_valve_footprint(uint32_t input_cnt)
{
    if (input_cnt == 0 || input_cnt > TM_VALVE_INPUT_MAX) {
        tm_error_set(TM_E_CONFIG, "watermarks of %u inputs: expected 1..%d", input_cnt,
                     TM_VALVE_INPUT_MAX);
        return 0;
    }
    return tm_align_up(sizeof(tm_valve_t) + input_cnt * sizeof(input_t), TM_CACHE_LINE);
}

tm_valve_t *tm_valve_init(void *mem, uint32_t input_cnt)
{
    TM_CHECK(tm_valve_footprint(input_cnt) != 0, "%u inputs", input_cnt);
    tm_valve_t *valve = mem;
    *valve = (tm_valve_t){.out_ns = TM_TIME_NONE,
                          .out_active = true,
                          .input_cnt = input_cnt,
                          .active_cnt = input_cnt,
                          .open_cnt = input_cnt};
    for (uint32_t i = 0; i < input_cnt; i++)
        valve->inputs[i] = (input_t){.wm_ns = TM_TIME_NONE, .active = true, .aligned = true};
    return valve;
}

/* Puts out the minimum over aligned inputs where it rose. */
static uint32_t raise_to_min(tm_valve_t *valve)
{
    int64_t min = INT64_MAX;
    bool any = false;
    for (uint32_t i = 0; i < valve->input_cnt; i++) {
        const input_t *in = &valve->inputs[i];
        if (!in->aligned) continue;
        any = true;
        if (in->wm_ns < min) min = in->wm_ns;
    }
    if (!any || min <= valve->out_ns) return 0;
    valve->out_ns = min;
    return TM_VALVE_WATERMARK;
}

/* What idle inputs had already promised holds when nobody else can say more. */
static uint32_t raise_to_max(tm_valve_t *valve)
{
    int64_t max = TM_TIME_NONE;
    for (uint32_t i = 0; i < valve->input_cnt; i++)
        if (valve->inputs[i].wm_ns > max) max = valve->inputs[i].wm_ns;
    if (max <= valve->out_ns) return 0;
    valve->out_ns = max;
    return TM_VALVE_WATERMARK;
}

static input_t *input_at(tm_valve_t *valve, uint32_t input_idx)
{
    TM_CHECK(input_idx < valve->input_cnt, "input %u of %u", input_idx, valve->input_cnt);
    return &valve->inputs[input_idx];
}

/* Nothing comes from the input any more: the others decide. Its last promise stays a true one, but
   with INT64_MAX it must not take part: the others may be idle, and idle is not ended. */
static uint32_t input_end(tm_valve_t *valve, input_t *in)
{
    in->ended = true;
    if (--valve->open_cnt == 0) {
        valve->out_ns = INT64_MAX;
        uint32_t what = TM_VALVE_WATERMARK | (valve->out_active ? 0u : TM_VALVE_ACTIVE);
        valve->out_active = true;
        return what;
    }
    bool was_active = in->active;
    in->active = in->aligned = false;
    if (!was_active) return 0;
    if (--valve->active_cnt > 0) return raise_to_min(valve);
    valve->out_active = false;
    return raise_to_max(valve) | TM_VALVE_IDLE;
}

uint32_t tm_valve_watermark(tm_valve_t *valve, uint32_t input_idx, int64_t wm_ns)
{
    input_t *in = input_at(valve, input_idx);
    if (in->ended) return 0;
    if (wm_ns == INT64_MAX) return input_end(valve, in);
    if (!in->active || wm_ns <= in->wm_ns) return 0;
    in->wm_ns = wm_ns;
    if (!in->aligned && wm_ns >= valve->out_ns) in->aligned = true;
    return in->aligned ? raise_to_min(valve) : 0;
}

uint32_t tm_valve_idle(tm_valve_t *valve, uint32_t input_idx)
{
    input_t *in = input_at(valve, input_idx);
    if (!in->active) return 0;
    in->active = in->aligned = false;
    if (--valve->active_cnt == 0) {
        valve->out_active = false;
        return raise_to_max(valve) | TM_VALVE_IDLE;
    }
    return raise_to_min(valve);
}

uint32_t tm_valve_active(tm_valve_t *valve, uint32_t input_idx)
{
    input_t *in = input_at(valve, input_idx);
    if (in->active || in->ended) return 0;
    in->active = true;
    in->aligned = in->wm_ns >= valve->out_ns;
    valve->active_cnt++;
    if (valve->out_active) return 0;
    valve->out_active = true;
    return TM_VALVE_ACTIVE;
}

int64_t tm_valve_now(const tm_valve_t *valve)
{
    return valve->out_ns;
}

uint32_t tm_valve_holder(const tm_valve_t *valve)
{
    uint32_t holder = UINT32_MAX;
    for (uint32_t i = 0; i < valve->input_cnt; i++) {
        const input_t *in = &valve->inputs[i];
        if (in->active && (holder == UINT32_MAX || in->wm_ns < valve->inputs[holder].wm_ns))
            holder = i;
    }
    return holder;
}

int64_t tm_valve_input(const tm_valve_t *valve, uint32_t input_idx)
{
    return valve->inputs[input_idx].wm_ns;
}

bool tm_valve_is_active(const tm_valve_t *valve, uint32_t input_idx)
{
    return valve->inputs[input_idx].active && !valve->inputs[input_idx].ended;
}

size_t tm_valve_save(const tm_valve_t *valve, void *bytes, size_t max)
{
    size_t sz = sizeof *valve + valve->input_cnt * sizeof(input_t);
    if (sz <= max) memcpy(bytes, valve, sz);
    return sz;
}

bool tm_valve_restore(tm_valve_t *valve, const void *bytes, size_t sz)
{
    const size_t is = sizeof *valve + valve->input_cnt * sizeof(input_t);
    uint32_t was_cnt;
    if (sz != is) return false;
    memcpy(&was_cnt, (const uint8_t *)bytes + offsetof(tm_valve_t, input_cnt), sizeof was_cnt);
    if (was_cnt != valve->input_cnt) return false;
    memcpy(valve, bytes, sz);
    return true;
}

/* How much an input says: an active one counts, an idle one may again, an ended one cannot. */
static uint32_t rank_of(const input_t *in)
{
    return in->ended ? 0 : in->active ? 2 : 1;
}

/* What follows from the inputs. */
static void valve_settle(tm_valve_t *valve)
{
    valve->active_cnt = valve->open_cnt = 0;
    for (uint32_t i = 0; i < valve->input_cnt; i++) {
        input_t *in = &valve->inputs[i];
        in->aligned = in->active && !in->ended && in->wm_ns >= valve->out_ns;
        valve->active_cnt += in->active && !in->ended;
        valve->open_cnt += !in->ended;
    }
    valve->out_active = valve->active_cnt > 0 || valve->open_cnt == 0;
}

bool tm_valve_take(tm_valve_t *valve, uint32_t input_idx, const void *bytes, size_t sz,
                   uint32_t was_idx)
{
    tm_valve_t was;
    input_t from, *in = input_at(valve, input_idx);
    if (sz < sizeof was) return false;
    memcpy(&was, bytes, sizeof was);
    if (was_idx >= was.input_cnt || sz != sizeof was + was.input_cnt * sizeof from) return false;
    memcpy(&from, (const uint8_t *)bytes + sizeof was + was_idx * sizeof from, sizeof from);
    if (!in->taken || rank_of(&from) > rank_of(in) ||
        (rank_of(&from) == rank_of(in) && from.wm_ns < in->wm_ns))
        *in = from;
    in->taken = true;
    if (!valve->taken || was.out_ns < valve->out_ns) valve->out_ns = was.out_ns;
    valve->taken = true;
    valve_settle(valve);
    return true;
}
