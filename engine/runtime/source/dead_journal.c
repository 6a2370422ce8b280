#include "engine/runtime/source/dead_journal.h"

#include "base/error.h"
#include "state/journal/journal_event.h"

#include <stdio.h>

int tm_dead_journal_open(tm_journal_writer_t **out, tm_journal_writer_cfg_t *cfg)
{
    tm_journal_recovery_t recovery;
    cfg->buffer_sz = TM_DEAD_JOURNAL_RING_SZ;
    cfg->payload_sz_max = TM_DEAD_JOURNAL_MESSAGE_MAX;
    cfg->roll_sz = TM_DEAD_JOURNAL_SEGMENT_SZ;
    cfg->retain_sz = TM_DEAD_JOURNAL_KEEP_SZ;
    int err = tm_journal_writer_open(out, cfg, &recovery);
    return err < 0 ? tm_error_context(err, "--dead-letter-journal") : 0;
}

void tm_dead_journal_put(tm_journal_writer_t *journal, const tm_dead_letter_t *letter,
                         tm_counter_t *lost)
{
    char text[160];
    uint8_t payload[TM_JOURNAL_EVENT_SZ_MAX];
    tm_journal_entry_t entry;
    tm_frame_t frame = *letter->frame;
    int n = snprintf(text, sizeof text, "{\"reason\":\"%s\",\"offset\":%u,\"size\":%u}",
                     tm_reason_name(letter->reason), letter->offset, frame.sz);
    const tm_journal_event_t note = {.kind = TM_JOURNAL_NOTE,
                                     .conn_idx = frame.conn_idx,
                                     .recv_ns = frame.recv_ns,
                                     .text = text,
                                     .text_sz = (uint32_t)n};
    tm_journal_event_put(&entry, payload, &note);
    if (frame.sz > TM_DEAD_JOURNAL_MESSAGE_MAX) frame.sz = TM_DEAD_JOURNAL_MESSAGE_MAX;
    /* What ails the writer itself the file thread reports. */
    if (tm_journal_append(journal, &entry) < 0 || tm_journal_append_frame(journal, &frame) < 0)
        tm_counter_add(lost, 1);
}
