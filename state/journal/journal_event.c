#include "state/journal/journal_event.h"

#include <stdio.h>
#include <string.h>

/* Fixed fields before the text. */
static uint32_t fixed_sz(uint8_t kind)
{
    switch (kind) {
    case TM_JOURNAL_DISCONNECT:
        return 8;
    case TM_JOURNAL_GAP:
    case TM_JOURNAL_CLOCK_STEP:
        return 16;
    default:
        return 0;
    }
}

void tm_journal_event_put(tm_journal_entry_t *entry, uint8_t buf[TM_JOURNAL_EVENT_SZ_MAX],
                          const tm_journal_event_t *ev)
{
    const uint32_t fixed = fixed_sz(ev->kind);
    uint32_t text_sz = ev->text_sz;
    if (text_sz > TM_JOURNAL_EVENT_TEXT_MAX) text_sz = TM_JOURNAL_EVENT_TEXT_MAX;
    if (ev->kind == TM_JOURNAL_CLOCK_STEP) text_sz = 0;
    memset(buf, 0, 16);
    if (ev->kind == TM_JOURNAL_DISCONNECT) {
        memcpy(buf, &ev->code, 4);
    } else if (ev->kind == TM_JOURNAL_GAP) {
        memcpy(buf, &ev->lost_cnt, 8);
        memcpy(buf + 8, &ev->lost_sz, 8);
    } else if (ev->kind == TM_JOURNAL_CLOCK_STEP) {
        memcpy(buf, &ev->step_ns, 8);
        memcpy(buf + 8, &ev->mono_ns, 8);
    }
    if (text_sz) memcpy(buf + fixed, ev->text, text_sz);
    *entry = (tm_journal_entry_t){.data = buf,
                                  .sz = fixed + text_sz,
                                  .conn_idx = ev->conn_idx,
                                  .recv_ns = ev->recv_ns,
                                  .stream = ev->stream,
                                  .kind = ev->kind};
}

bool tm_journal_event_take(tm_journal_event_t *ev, const tm_journal_view_t *view)
{
    const uint32_t fixed = fixed_sz(view->kind);
    const uint8_t *p = view->frame.data;
    if (view->frame.sz < fixed) return false;
    *ev = (tm_journal_event_t){.kind = view->kind,
                               .conn_idx = view->frame.conn_idx,
                               .stream = view->stream,
                               .recv_ns = view->frame.recv_ns,
                               .text = (const char *)p + fixed,
                               .text_sz = view->frame.sz - fixed};
    if (view->kind == TM_JOURNAL_DISCONNECT) {
        memcpy(&ev->code, p, 4);
    } else if (view->kind == TM_JOURNAL_GAP) {
        memcpy(&ev->lost_cnt, p, 8);
        memcpy(&ev->lost_sz, p + 8, 8);
    } else if (view->kind == TM_JOURNAL_CLOCK_STEP) {
        memcpy(&ev->step_ns, p, 8);
        memcpy(&ev->mono_ns, p + 8, 8);
    }
    return true;
}

const char *tm_journal_kind_name(uint8_t kind)
{
    static _Thread_local char other[16];
    switch (kind) {
    case TM_JOURNAL_TEXT:
        return "text";
    case TM_JOURNAL_BINARY:
        return "binary";
    case TM_JOURNAL_CONNECT:
        return "connect";
    case TM_JOURNAL_DISCONNECT:
        return "disconnect";
    case TM_JOURNAL_GAP:
        return "gap";
    case TM_JOURNAL_CLOCK_STEP:
        return "clock_step";
    case TM_JOURNAL_STREAM:
        return "stream";
    case TM_JOURNAL_NOTE:
        return "note";
    case TM_JOURNAL_LANE:
        return "lane";
    default:
        snprintf(other, sizeof other, "kind %u", kind);
        return other;
    }
}
