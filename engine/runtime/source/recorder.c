#include "engine/runtime/source/recorder.h"

#include "base/error.h"
#include "engine/runtime/source/arbiter.h"
#include "engine/runtime/source/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_CNT = 2 * TM_RECORDER_STREAM_MAX };

typedef struct stream {
    uint32_t hash;
    uint32_t off; /* of its name in `text` */
    uint16_t sz;
    uint16_t number; /* 0 = the slot is free */
} stream_t;

struct tm_recorder {
    tm_recorder_cfg_t cfg;
    int err;           /* of an event, for the next frame */
    bool clock_known;  /* one frame came */
    int64_t offset_ns; /* wall clock minus monotonic clock, of the last frame */
    uint16_t stream_cnt;
    uint32_t text_sz;
    uint64_t segment_idx;                     /* where the lanes were said last */
    tm_feed_row_t lanes[TM_ARBITER_CONN_MAX]; /* of connections that stream; what = 0: not this */
    stream_t slots[SLOT_CNT];
    char text[TM_RECORDER_TEXT_SZ];
};

static int entry_put(tm_recorder_t *r, const tm_journal_entry_t *entry)
{
    int64_t seq = tm_journal_append(r->cfg.journal, entry);
    if (TM_LIKELY(seq >= 0)) return 0;
    tm_idle_t idle = {.kind = r->cfg.idle};
    while (seq == -EAGAIN) {
        if (r->cfg.abort && atomic_load_explicit(r->cfg.abort, memory_order_acquire)) /* A1 */
            return tm_error_set(-EINTR, "stopped while the journal's buffer was full");
        tm_idle_round(&idle, 0);
        seq = tm_journal_append(r->cfg.journal, entry);
    }
    return seq < 0 ? (int)seq : 0;
}

static int event_put(tm_recorder_t *r, const tm_journal_event_t *event)
{
    uint8_t buf[TM_JOURNAL_EVENT_SZ_MAX];
    tm_journal_entry_t entry;
    tm_journal_event_put(&entry, buf, event);
    return entry_put(r, &entry);
}

/* ---- streams ---------------------------------------------------------------------------------
 */

/* The stream that a combined message names, in the form in which exchanges send it. Any other form
   may be right JSON as well, but a number is a convenience and not worth a parser here. */
static const char *name_find(const tm_frame_t *frame, uint32_t *sz)
{
    static const char head[] = "{\"stream\":\"";
    enum { HEAD_SZ = sizeof head - 1 };
    if (frame->sz <= HEAD_SZ || memcmp(frame->data, head, HEAD_SZ) != 0) return NULL;
    const char *name = (const char *)frame->data + HEAD_SZ;
    size_t left = frame->sz - HEAD_SZ;
    if (left > TM_RECORDER_STREAM_SZ_MAX) left = TM_RECORDER_STREAM_SZ_MAX;
    const char *end = memchr(name, '"', left);
    if (!end || end == name) return NULL;
    *sz = (uint32_t)(end - name);
    return name;
}

/* Eight bytes at a time; the frame's padding is readable, what lies behind the name is cut off. */
static uint32_t hash_of(const char *name, uint32_t sz)
{
    uint64_t h = sz * 0x9e3779b97f4a7c15u, v;
    for (; sz >= 8; sz -= 8, name += 8) {
        memcpy(&v, name, 8);
        h = (h ^ v) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    memcpy(&v, name, 8);
    h = (h ^ (v & ((UINT64_C(1) << sz * 8) - 1))) * 0x9fb21c651e98df25u;
    return (uint32_t)(h >> 32);
}

static int stream_add(tm_recorder_t *r, stream_t *s, const tm_frame_t *frame, const char *name)
{
    if (r->stream_cnt == TM_RECORDER_STREAM_MAX || r->text_sz + s->sz > TM_RECORDER_TEXT_SZ) {
        s->number = 0;
        return 0;
    }
    s->off = r->text_sz;
    memcpy(r->text + r->text_sz, name, s->sz);
    r->text_sz += s->sz;
    s->number = ++r->stream_cnt;
    return event_put(r, &(tm_journal_event_t){.kind = TM_JOURNAL_STREAM,
                                              .conn_idx = frame->conn_idx,
                                              .stream = s->number,
                                              .recv_ns = frame->recv_ns,
                                              .text = name,
                                              .text_sz = s->sz});
}

/* The number of the frame's stream; names it first where it is new. */
static int stream_of(tm_recorder_t *r, const tm_frame_t *frame, uint16_t *number)
{
    uint32_t sz;
    *number = 0;
    const char *name = name_find(frame, &sz);
    if (!name) return 0;
    const uint32_t hash = hash_of(name, sz);
    stream_t *s = &r->slots[hash % SLOT_CNT];
    while (s->number && (s->hash != hash || s->sz != sz || memcmp(r->text + s->off, name, sz) != 0))
        s = s == &r->slots[SLOT_CNT - 1] ? r->slots : s + 1;
    if (!s->number) {
        s->hash = hash;
        s->sz = (uint16_t)sz;
        TM_TRY(stream_add(r, s, frame, name));
    }
    *number = s->number;
    return 0;
}

/* ---- frames ----------------------------------------------------------------------------------
 */

/* A frame's two stamps are of one instant, so their difference moves only when the wall clock is
   set. */
static int clock_watch(tm_recorder_t *r, const tm_frame_t *frame)
{
    const int64_t offset_ns = frame->recv_ns - frame->ingress_ns;
    const int64_t step_ns = offset_ns - r->offset_ns;
    r->offset_ns = offset_ns;
    if (TM_LIKELY(r->clock_known && step_ns < TM_RECORDER_STEP_NS &&
                  step_ns > -TM_RECORDER_STEP_NS))
        return 0;
    if (!r->clock_known) {
        r->clock_known = true;
        return 0;
    }
    return event_put(r, &(tm_journal_event_t){.kind = TM_JOURNAL_CLOCK_STEP,
                                              .conn_idx = frame->conn_idx,
                                              .recv_ns = frame->recv_ns,
                                              .step_ns = step_ns,
                                              .mono_ns = frame->ingress_ns});
}

/* ---- lanes -----------------------------------------------------------------------------------
 */

static int lane_put(tm_recorder_t *r, const tm_feed_row_t *lane, int64_t recv_ns)
{
    char text[TM_LANE_TEXT_MAX];
    const uint32_t sz = tm_lane_put(text, lane);
    return event_put(r, &(tm_journal_event_t){.kind = TM_JOURNAL_LANE,
                                              .conn_idx = lane->conn_idx,
                                              .recv_ns = recv_ns,
                                              .text = text,
                                              .text_sz = sz});
}

/* Behind the first record of a segment, so that a replay may begin with it. */
static int lanes_repeat(tm_recorder_t *r, int64_t recv_ns)
{
    r->segment_idx = tm_journal_segment_idx(r->cfg.journal);
    for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++)
        if (r->lanes[i].what) TM_TRY(lane_put(r, &r->lanes[i], recv_ns));
    return 0;
}

int tm_recorder_frame(tm_recorder_t *r, const tm_frame_t *frame, uint8_t flags)
{
    tm_journal_entry_t entry = {.data = frame->data,
                                .sz = frame->sz,
                                .conn_idx = frame->conn_idx,
                                .recv_ns = frame->recv_ns,
                                .kind = TM_JOURNAL_TEXT,
                                .flags = flags};
    if (TM_UNLIKELY(r->err)) return tm_error_set(r->err, "the journal takes no more events");
    if (r->cfg.live) TM_TRY(clock_watch(r, frame));
    TM_TRY(stream_of(r, frame, &entry.stream));
    TM_TRY(entry_put(r, &entry));
    if (TM_LIKELY(r->segment_idx == tm_journal_segment_idx(r->cfg.journal))) return 0;
    return lanes_repeat(r, frame->recv_ns);
}

void tm_recorder_link(void *recorder, const tm_feed_link_t *link)
{
    tm_recorder_t *r = recorder;
    const tm_journal_event_t event = {.kind = link->up ? TM_JOURNAL_CONNECT : TM_JOURNAL_DISCONNECT,
                                      .conn_idx = link->conn_idx,
                                      .recv_ns = link->real_ns,
                                      .text = link->text,
                                      .text_sz = (uint32_t)strlen(link->text),
                                      .code = link->code};
    if (r->err == 0) r->err = event_put(r, &event);
    if (link->conn_idx >= TM_ARBITER_CONN_MAX) return;
    tm_feed_row_t *lane = &r->lanes[link->conn_idx];
    *lane = link->up && link->row ? *link->row : (tm_feed_row_t){0};
    if (r->err == 0 && lane->what) r->err = lane_put(r, lane, link->real_ns);
}

int tm_recorder_open(tm_recorder_t **out, const tm_recorder_cfg_t *cfg)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return tm_error_set(-ENOMEM, "no memory for the streams of a journal");
    (*out)->cfg = *cfg;
    return 0;
}

void tm_recorder_close(tm_recorder_t *r)
{
    free(r);
}
