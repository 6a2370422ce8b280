/* state/journal/journal_window.h - the bytes of one segment as a window that slides over it.
   Flow     file (plain, or zstd blocks) -> [window] -> cursor
   Why      reads into a buffer, never a mapping: a device error or a file cut short is a code, not
            a signal. The buffer stays in the second-level cache, so the copy is cheap
   Units    off: bytes in the plain segment, also where the file is cold
   Memory   512 KiB and TM_FRAME_PAD bytes, grown to the largest record; cold: the largest block
   Threads  one owner
   Errors   fill: -errno with a text. What the device cannot give is filled with a pattern that is
            no record, and reported; bad blocks are reported and skipped
   Limits   as the format.  Tests tests/state/test_journal_damage.c */
#ifndef TM_STATE_JOURNAL_WINDOW_H
#define TM_STATE_JOURNAL_WINDOW_H

#include "state/journal/journal_cold.h"
#include "state/journal/journal_damage.h"
#include "state/journal/journal_format.h"

typedef struct tm_journal_window {
    const uint8_t *data; /* bytes [off, off + sz) of the segment, then TM_FRAME_PAD readable ones */
    uint64_t off, sz;
    uint64_t end_off;   /* size of the segment */
    uint64_t asked_off; /* the kernel was asked to read ahead up to here */

    int fd;
    const char *path; /* not owned */
    uint8_t *buf;
    size_t cap_sz;
    tm_journal_cold_t *cold; /* NULL for a plain segment */
    tm_journal_damage_fn_t on_damage;
    void *on_damage_ctx;
} tm_journal_window_t;

/* Takes the open descriptor over. */
int tm_journal_window_open(tm_journal_window_t *w, int fd, const char *path,
                           uint64_t file_sz) TM_MUST_CHECK;
void tm_journal_window_close(tm_journal_window_t *w);

/* Makes [off, off + need) visible where the segment has so much; earlier views end. Returns 0, or 1
   where bytes at `off` are gone and w->off is now where readable ones follow (cold segments only).
   */
int tm_journal_window_fill(tm_journal_window_t *w, uint64_t off, uint64_t need) TM_MUST_CHECK;

static inline bool tm_journal_window_has(const tm_journal_window_t *w, uint64_t off, uint64_t need)
{
    return off >= w->off && need <= w->sz && off - w->off <= w->sz - need;
}

static inline const uint8_t *tm_journal_window_at(const tm_journal_window_t *w, uint64_t off)
{
    return w->data + (off - w->off);
}

#endif
