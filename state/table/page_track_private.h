/* state/table/page_track_private.h - the inside of page tracking, shared by page_track.c (the
   worker's side) and page_snap.c (the snapshot thread's). Nobody else includes it.
   Tags     CLEAN      not written since it was saved last
            epoch      written in the epoch under way, to be written freely; in its list
            frozen     written in the epoch that has ended, and not saved yet
            LOGGED     as frozen, but written since: lines of it are in the log; in both lists
            worker: CLEAN -> epoch, frozen -> LOGGED, frozen -> epoch, LOGGED -> epoch
            thread: frozen -> CLEAN, LOGGED -> epoch
   Log      lines as they were, and for each a link: the record of the same page before it, and
            which line it is. A record's number is its place in the log, from 1 */
#ifndef TM_STATE_PAGE_TRACK_PRIVATE_H
#define TM_STATE_PAGE_TRACK_PRIVATE_H

#include "state/table/page_track.h"

enum {
    TM_TRACK_CLEAN = 0,
    TM_TRACK_LINE = 64,
    TM_TRACK_LINES = 128, /* of the log, for each spare frame */
    TM_TRACK_GROUP = 16,  /* pages saved at a time */
};
#define TM_TRACK_LOGGED UINT32_C(0x80000000)

typedef struct tm_track_link {
    uint32_t before; /* number of a record, 0 = none */
    uint32_t line;   /* of its page */
} tm_track_link_t;

struct tm_page_track {
    /* The worker's. */
    tm_page_arena_t *arena;
    uint8_t *frames;
    uint32_t spare_cnt;
    uint32_t free_cnt;
    uint32_t *free_frames; /* a stack */
    uint8_t *log_lines;
    tm_track_link_t *log_links;
    uint32_t log_cnt, log_max;
    uint32_t *lists[2]; /* pages of the epoch, by its lowest bit */
    uint32_t list_cnt[2];
    uint32_t frozen;    /* the epoch whose pages may not be written unsaved; 0 = none */
    bool under_way;     /* a snapshot, given up or not */
    bool relisting;     /* its pages are put into the epoch under way */
    uint32_t relist_at; /* next of them */
    tm_page_track_counts_t counts;
    _Atomic uint64_t *logs; /* P7: by page: records << 32 | number of the newest */
    uint64_t *copies;       /* ring to the snapshot thread: see copy_word */
    uint32_t *returns;      /* ring back: frame */
    uint32_t returns_tail;
    uint32_t copies_seq;

    alignas(TM_FALSE_SHARE) _Atomic uint32_t flipped; /* P1: the last epoch that ended */
    _Atomic uint32_t copies_head;                     /* P3 */
    _Atomic uint32_t abandoned;                       /* P6: epoch */

    /* The snapshot thread's. */
    alignas(TM_FALSE_SHARE) _Atomic uint32_t returns_head; /* P4 */
    _Atomic uint64_t ended;                                /* P5: epoch << 1 | whether it is safe */
    uint32_t snap_epoch;                                   /* under way or last */
    uint32_t snap_at, snap_cnt, snap_given;
    uint32_t copies_tail;
    bool ahead;           /* all pages are saved before the first is given */
    uint8_t *stash;       /* spare_cnt pages saved and not given yet */
    uint32_t *stash_list; /* their numbers */
    uint32_t stash_at, stash_cnt;
};

static inline void *tm_track_frame(const tm_page_track_t *t, uint32_t frame)
{
    return t->frames + ((size_t)frame << TM_PAGE_SHIFT);
}

static inline uint8_t *tm_track_line(const tm_page_track_t *t, uint32_t record)
{
    return t->log_lines + (size_t)(record - 1) * TM_TRACK_LINE;
}

/* A copy on its way: the epoch, so that one of a snapshot that has failed is not taken for one of
   the next, page and frame. */
static inline uint64_t tm_track_copy_word(uint32_t epoch, uint32_t page, uint32_t frame)
{
    return (uint64_t)(epoch & 0xfffff) << 44 | (uint64_t)page << 20 | frame;
}

#endif
