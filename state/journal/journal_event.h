/* state/journal/journal_event.h - the payloads of events: what happened beside messages, in order
   with them.
   Flow     capture -> [event] -> journal writer; reader -> [event] -> replay, tidemark journal
   Form     docs/journal.md, table of kinds
   Units    *_ns: nanoseconds; *_sz: bytes; *_cnt: messages
   Memory   put writes into the caller's buffer of TM_JOURNAL_EVENT_SZ_MAX; taken texts point into
            the view and are not terminated
   Threads  no state
   Errors   take: false where the payload is too short for its kind
   Limits   texts are cut at TM_JOURNAL_EVENT_TEXT_MAX bytes. Tests
            tests/state/test_journal_golden.c */
#ifndef TM_STATE_JOURNAL_EVENT_H
#define TM_STATE_JOURNAL_EVENT_H

#include "state/journal/journal_cursor.h"
#include "state/journal/journal_writer.h"

enum { TM_JOURNAL_EVENT_TEXT_MAX = 2000, TM_JOURNAL_EVENT_SZ_MAX = TM_JOURNAL_EVENT_TEXT_MAX + 16 };

typedef struct tm_journal_event {
    uint8_t kind; /* tm_journal_kind_t from TM_JOURNAL_CONNECT on */
    uint32_t conn_idx;
    uint16_t stream; /* of TM_JOURNAL_STREAM: the number that gets the name */
    int64_t recv_ns;
    const char *text; /* URL, reason, name, note */
    uint32_t text_sz;
    int32_t code;      /* disconnect */
    uint64_t lost_cnt; /* gap */
    uint64_t lost_sz;  /* gap */
    int64_t step_ns;   /* clock step: new minus old wall clock */
    int64_t mono_ns;   /* clock step */
} tm_journal_event_t;

/* Makes the entry to append; its payload is in `buf`. */
void tm_journal_event_put(tm_journal_entry_t *entry, uint8_t buf[TM_JOURNAL_EVENT_SZ_MAX],
                          const tm_journal_event_t *event);

bool tm_journal_event_take(tm_journal_event_t *event, const tm_journal_view_t *view);

/* "text", "connect", "kind 77" (in a buffer of the calling thread). */
const char *tm_journal_kind_name(uint8_t kind);

#endif
