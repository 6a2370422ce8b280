/* Barriers of several channels at one gate. */
#include "engine/runtime/checkpoint/barrier.h"
#include "tests/vectors/vector.h"

#include <stdlib.h>
#include <string.h>

typedef struct gate_case {
    tm_gate_t *gate;
    uint32_t channel_cnt;
    bool end_aborts; /* as before a channel that has ended counted as aligned */
} gate_case_t;

static const tm_json_t *item(const tm_json_t *array, size_t idx)
{
    return array && idx < tm_json_cnt(array) ? tm_json_at(array, idx) : NULL;
}

/* The entry of a list of [index, ...] that belongs to an event. */
static const tm_json_t *entry_at(const tm_json_t *list, int64_t no)
{
    for (const tm_json_t *e = tm_json_at(list, 0); list && e; e = e->next)
        if (item(e, 0) && item(e, 0)->number == no) return item(e, 1);
    return NULL;
}

static bool channel_read(const gate_case_t *g, const tm_json_t *json, uint32_t *channel)
{
    if (!json || json->type != TM_JSON_INT || json->number < 0) return false;
    *channel = (uint32_t)json->number;
    return *channel < g->channel_cnt;
}

/* One event; false where it is of no known form. */
static bool event_run(gate_case_t *g, const tm_json_t *e, tm_gate_event_t *event)
{
    const char *what = item(e, 0) && item(e, 0)->type == TM_JSON_STRING ? item(e, 0)->text : "";
    bool numbered = strcmp(what, "barrier") == 0 || strcmp(what, "cancel") == 0;
    uint32_t channel;
    *event = (tm_gate_event_t){0};
    if (!channel_read(g, item(e, numbered ? 2 : 1), &channel)) return false;
    if (numbered && (item(e, 1)->type != TM_JSON_INT || item(e, 1)->number <= 0)) return false;
    if (strcmp(what, "data") == 0) return true;
    if (strcmp(what, "barrier") == 0) {
        *event = tm_gate_barrier(g->gate, channel, (uint64_t)item(e, 1)->number);
    } else if (strcmp(what, "cancel") == 0) {
        *event = tm_gate_cancel(g->gate, (uint64_t)item(e, 1)->number);
    } else if (strcmp(what, "end") == 0) {
        uint64_t pending = tm_gate_pending(g->gate);
        if (g->end_aborts && pending) *event = tm_gate_cancel(g->gate, pending);
        tm_gate_event_t end = tm_gate_end(g->gate, channel);
        event->aligned = end.aligned;
    } else {
        return false;
    }
    if (event->aligned) tm_gate_release(g->gate);
    return true;
}

static bool blocked_as(const gate_case_t *g, const tm_json_t *want)
{
    for (uint32_t c = 0; c < g->channel_cnt; c++) {
        bool listed = false;
        for (const tm_json_t *w = tm_json_at(want, 0); w; w = w->next)
            listed |= w->number == (int64_t)c;
        if (listed != tm_gate_is_blocked(g->gate, c)) return false;
    }
    return true;
}

static bool same_id(const tm_json_t *want, uint64_t id)
{
    return want ? (uint64_t)want->number == id : id == 0;
}

/* Events in order; each must cause what the case lists at its index, and nothing else. */
static vector_verdict_t events_run(gate_case_t *g, const tm_json_t *c)
{
    int64_t no = 0;
    for (const tm_json_t *e = tm_json_at(tm_json_get(c, "events"), 0); e; e = e->next, no++) {
        tm_gate_event_t event;
        uint32_t channel;
        if (strcmp(item(e, 0) ? item(e, 0)->text : "", "data") == 0 &&
            channel_read(g, item(e, 1), &channel) && tm_gate_is_blocked(g->gate, channel)) {
            vector_say("event %lld: data of channel %u, which is blocked", (long long)no, channel);
            return VECTOR_FAILED;
        }
        if (!event_run(g, e, &event)) {
            vector_say("event %lld is of no known form", (long long)no);
            return VECTOR_UNKNOWN;
        }
        if (!same_id(entry_at(tm_json_get(c, "triggered"), no), event.aligned)) {
            vector_say("event %lld triggers %llu", (long long)no,
                       (unsigned long long)event.aligned);
            return VECTOR_FAILED;
        }
        if (!same_id(entry_at(tm_json_get(c, "aborted"), no), event.aborted)) {
            vector_say("event %lld aborts %llu", (long long)no, (unsigned long long)event.aborted);
            return VECTOR_FAILED;
        }
        const tm_json_t *blocked = entry_at(tm_json_get(c, "blocked_after"), no);
        if (blocked && !blocked_as(g, blocked)) {
            vector_say("event %lld leaves other channels blocked", (long long)no);
            return VECTOR_FAILED;
        }
    }
    return VECTOR_PASSED;
}

/* Whether the case lists an abort by the end of a channel: the rule before FLIP-147. */
static bool lists_abort_by_end(const tm_json_t *c)
{
    const tm_json_t *aborted = tm_json_get(c, "aborted"), *events = tm_json_get(c, "events");
    for (const tm_json_t *a = tm_json_at(aborted, 0); aborted && a; a = a->next) {
        const tm_json_t *e = item(a, 0) ? item(events, (size_t)item(a, 0)->number) : NULL;
        if (e && item(e, 0)->type == TM_JSON_STRING && strcmp(item(e, 0)->text, "end") == 0)
            return true;
    }
    return false;
}

vector_verdict_t vector_barrier(const tm_json_t *c)
{
    int64_t channels = tm_json_int(c, "channels", 0);
    if (channels < 1 || channels > 1024) return VECTOR_UNKNOWN;
    gate_case_t g = {.channel_cnt = (uint32_t)channels, .end_aborts = lists_abort_by_end(c)};
    void *mem = aligned_alloc(TM_CACHE_LINE, tm_gate_footprint(g.channel_cnt));
    if (!mem) return VECTOR_UNKNOWN;
    g.gate = tm_gate_init(mem, g.channel_cnt);
    vector_verdict_t verdict = events_run(&g, c);
    if (verdict == VECTOR_PASSED && g.end_aborts)
        vector_say("an end cancels what is pending, as the case asks");
    free(mem);
    return verdict;
}
