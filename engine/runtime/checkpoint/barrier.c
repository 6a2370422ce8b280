#include "engine/runtime/checkpoint/barrier.h"

#include "base/check.h"

typedef enum lane { LANE_OPEN, LANE_BLOCKED, LANE_ENDED } lane_t;

struct tm_gate {
    uint64_t id; /* the newest that was seen */
    bool pending;
    uint32_t channel_cnt;
    uint32_t open_cnt; /* neither ended nor blocked */
    uint8_t lanes[];   /* lane_t */
};

size_t tm_gate_footprint(uint32_t channel_cnt)
{
    if (channel_cnt > TM_GATE_CHANNEL_MAX) return 0;
    return tm_align_up(sizeof(tm_gate_t) + channel_cnt, TM_CACHE_LINE);
}

tm_gate_t *tm_gate_init(void *mem, uint32_t channel_cnt)
{
    TM_CHECK(tm_gate_footprint(channel_cnt) != 0, "%u channels", channel_cnt);
    tm_gate_t *gate = mem;
    *gate = (tm_gate_t){.channel_cnt = channel_cnt, .open_cnt = channel_cnt};
    for (uint32_t i = 0; i < channel_cnt; i++) gate->lanes[i] = LANE_OPEN;
    return gate;
}

static void unblock(tm_gate_t *gate)
{
    gate->pending = false;
    for (uint32_t i = 0; i < gate->channel_cnt; i++) {
        if (gate->lanes[i] != LANE_BLOCKED) continue;
        gate->lanes[i] = LANE_OPEN;
        gate->open_cnt++;
    }
}

/* Nobody is read any more: the checkpoint may be taken. */
static void align(const tm_gate_t *gate, tm_gate_event_t *event)
{
    if (gate->pending && gate->open_cnt == 0) event->aligned = gate->id;
}

tm_gate_event_t tm_gate_barrier(tm_gate_t *gate, uint32_t channel, uint64_t id)
{
    TM_CHECK(channel < gate->channel_cnt, "channel %u of %u", channel, gate->channel_cnt);
    tm_gate_event_t event = {0};
    if (id < gate->id || (id == gate->id && !gate->pending)) return event;
    if (id > gate->id) {
        if (gate->pending) event.aborted = gate->id;
        unblock(gate);
        gate->id = id;
        gate->pending = true;
    }
    if (gate->lanes[channel] == LANE_OPEN) {
        gate->lanes[channel] = LANE_BLOCKED;
        gate->open_cnt--;
    }
    align(gate, &event);
    return event;
}

tm_gate_event_t tm_gate_end(tm_gate_t *gate, uint32_t channel)
{
    TM_CHECK(channel < gate->channel_cnt, "channel %u of %u", channel, gate->channel_cnt);
    tm_gate_event_t event = {0};
    gate->open_cnt -= gate->lanes[channel] == LANE_OPEN;
    gate->lanes[channel] = LANE_ENDED;
    align(gate, &event);
    return event;
}

tm_gate_event_t tm_gate_cancel(tm_gate_t *gate, uint64_t id)
{
    tm_gate_event_t event = {0};
    if (id < gate->id || (id == gate->id && !gate->pending)) return event;
    event.aborted = id;
    gate->id = id;
    unblock(gate);
    return event;
}

void tm_gate_release(tm_gate_t *gate)
{
    unblock(gate);
}

uint64_t tm_gate_pending(const tm_gate_t *gate)
{
    return gate->pending ? gate->id : 0;
}

bool tm_gate_is_blocked(const tm_gate_t *gate, uint32_t channel)
{
    return gate->lanes[channel] == LANE_BLOCKED;
}

bool tm_gate_is_aligned_from(const tm_gate_t *gate, uint32_t first)
{
    if (!gate->pending) return false;
    for (uint32_t i = first; i < gate->channel_cnt; i++)
        if (gate->lanes[i] == LANE_OPEN) return false;
    return true;
}
