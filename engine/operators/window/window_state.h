/* engine/operators/window/window_state.h - the inside of windows made of slices, shared by its
   parts: window_sliced.c (rows in, life), window_sliced_roots.c (what a checkpoint keeps),
   window_slice.c (which slices there are), window_pane.c (slices to sliding and cumulative
   windows), window_log.c (the slices of a key), window_fire.c (results out). Nobody else includes
   it.
   States   a slice is open until the watermark reaches the end - 1 of the first window that
            contains it. Rows of open slices take the fast path. Rows of closed slices take the slow
            one: first all that is due is fired, then the row is added, and windows that have fired
            fire again
   Memory   slices and their tables lie in arena pages; the operator holds the list of slices.
            Whoever changes a slice says so to the arena. Where windows share slices and nothing
            fires again (no lateness), the table of a slice goes once it is folded into panes */
#ifndef TM_ENGINE_WINDOW_STATE_H
#define TM_ENGINE_WINDOW_STATE_H

#include "engine/operators/window/window_held.h"
#include "engine/operators/window/window_out.h"
#include "engine/operators/window/window_roots.h"
#include "state/table/keyed_table.h"
#include "state/table/slab.h"

enum {
    WINDOW_OUT_ROWS = 64, /* entries looked at at once */
    WINDOW_BUDGET = 512,  /* entries a call of work() handles, by default */
    WINDOW_CHUNK_SLOTS = 16,
};

/* One piece of event time and its keys. Lies in a page; listed by start. */
typedef struct tm_slice {
    alignas(16) tm_range_t range;
    tm_range_t first, last; /* windows that contain it */
    tm_keyed_table_t table; /* entries: a key and its accumulator */
    tm_ref_t younger;       /* the next one in the list, or on the free list */
} tm_slice_t;
static_assert(sizeof(tm_slice_t) % 16 == 0, "slices have references");

/* What the windows that are still to fire know of a key; an accumulator follows. It is the sum of
   all slots that are not in front, and of cumulative windows the running sum. The slots of a key
   lie in a list of chunks, one a slice in which it had rows, oldest first (window_log.c). */
typedef struct window_pane {
    uint64_t key;
    tm_ref_t oldest, newest; /* chunks; 0 = none */
    uint16_t first;          /* the oldest slot's place in its chunk */
    uint16_t first_cap;      /* slots of that chunk */
    uint16_t fill, cap;      /* slots of the newest chunk: in use, in all */
    uint32_t cnt;            /* slots */
    uint32_t front; /* of them, the oldest: each holds the sum of itself and all newer in front */
} window_pane_t;

/* A slice of a key; its accumulator follows. */
typedef struct window_slot {
    int64_t start;
} window_slot_t;

/* What is under way. */
typedef enum window_phase { WINDOW_IDLE, WINDOW_FOLD, WINDOW_EMIT } window_phase_t;

typedef struct tm_window {
    tm_operator_t op;
    tm_window_spec_t spec;
    bool purge;
    bool panes_used;   /* sliding or cumulative */
    bool keeps_folded; /* tables of slices are needed until no row can reach them */
    uint32_t budget;

    /* Layout of rows in, entries and rows out. */
    uint32_t entry_sz, slot_sz;
    uint32_t chunk_slots; /* at most */

    /* The open slices that rows were last of: most rows are of the same. len 0 = none. Two, because
       rows on both sides of a border come mixed for as long as the disorder lasts. */
    int64_t hot_start[2];
    uint64_t hot_len[2];
    tm_slice_t *hot[2];
    uint32_t hot_next; /* to be replaced */

    /* Slices in order of time. The first `closed` of them are closed and folded. */
    tm_slice_t **slices;
    uint32_t slice_cnt, closed;
    uint32_t usual_keys; /* of the slice closed last: what a new one may expect */
    tm_ref_t unused;
    tm_page_list_t slice_pages;

    int64_t wm, wm_out; /* seen, handed on */
    int64_t recv_ns;    /* of the last row */

    window_phase_t phase;
    tm_range_t firing;  /* the window under way */
    tm_range_t next;    /* the next window of the panes there are */
    int64_t leaving;    /* start of the slice that ends where `next` starts; INT64_MIN = unknown */
    tm_slice_t *source; /* slice being folded, or emitted (tumbling) */
    tm_keyed_cursor_t cursor;
    bool is_out;          /* the result of the pane under the cursor: it has yet to advance */
    tm_ref_t turning;     /* chunk in which that pane is being turned over; 0 = it is not */
    uint32_t turning_end; /* slots of the chunk that are yet to come */
    uint32_t turned;      /* slices turned over in this step: work that counts as entries do */
    tm_keyed_table_t panes;
    tm_slab_t slab; /* of chunks */
    tm_window_held_t held;
    tm_key_t key;

    tm_page_arena_t *pages;
    tm_window_out_t out;
    tm_emitter_t late;
    window_counters_t counters;
    tm_window_mark_t mark;
    uint8_t *trash;   /* accumulator of rows that count nowhere */
    uint8_t *scratch; /* accumulator of one result */
    tm_agg_t agg;
} tm_window_t;

/* window_slice.c. All work on the list by time. */

/* The slice a row belongs to, made where it is new; NULL where the row was counted and is done
   with. *closed: it takes the slow path. */
tm_slice_t *tm_window_slice_of(tm_window_t *w, const tm_row_t *row, uint32_t stride, bool *closed);

/* A new slice at its place in the list; NULL = no room. */
tm_slice_t *tm_window_slice_insert(tm_window_t *w, tm_range_t range, tm_range_t first,
                                   tm_range_t last);

/* First slice at or after a time, as an index of the list. */
uint32_t tm_window_slice_lower(const tm_window_t *w, int64_t start);

/* Hands back up to `max` of the slices that no row can reach any more. Returns how many. */
uint32_t tm_window_slice_expire(tm_window_t *w, uint32_t max);

/* Whether the watermark has reached a window's end - 1, or that + lateness (saturating). */
static inline bool tm_window_is_due(const tm_window_t *w, int64_t end)
{
    return end - 1 <= w->wm;
}

static inline bool tm_window_is_over(const tm_window_t *w, int64_t end)
{
    int64_t clean;
    if (__builtin_add_overflow(end - 1, w->spec.lateness_ns, &clean)) clean = INT64_MAX;
    return clean <= w->wm;
}

/* window_sliced_roots.c: what operator.h says of save and restore */
size_t tm_window_sliced_save(const tm_operator_t *op, void *bytes, size_t max);
int tm_window_sliced_restore(tm_operator_t *op, const void *bytes, size_t sz) TM_MUST_CHECK;

/* window_sliced_move.c: what it says of move */
int tm_window_sliced_move(tm_operator_t *const *to, uint32_t to_cnt,
                          const tm_operator_old_t *old) TM_MUST_CHECK;

/* window_fire.c */

/* Does one bounded piece of what is due; 0 = nothing is. */
uint32_t tm_window_work(tm_window_t *w);

/* Does all of it. */
void tm_window_drain(tm_window_t *w);

/* Puts out one result of a key. */
void tm_window_emit(tm_window_t *w, uint64_t key, tm_range_t window, const void *acc);

/* Adds a row to a closed slice and fires again what has fired. All that is due has been. */
void tm_window_add_late(tm_window_t *w, tm_slice_t *slice, uint64_t key, const void *row,
                        uint32_t stride);

/* window_pane.c */

/* The accumulator of an entry, a pane and a slot. */
static inline void *tm_window_entry_acc(void *entry)
{
    return (uint8_t *)entry + sizeof(uint64_t);
}

static inline void *tm_window_pane_acc(void *pane)
{
    return (uint8_t *)pane + sizeof(window_pane_t);
}

static inline void *tm_window_slot_acc(window_slot_t *slot)
{
    return slot + 1;
}

/* The pane of a key, empty where it is new, and the entry of (key, slice); NULL = no room
   (counted). */
window_pane_t *tm_window_pane(tm_window_t *w, uint64_t key, uint32_t tag);
void *tm_window_entry(tm_window_t *w, tm_slice_t *slice, uint64_t key);

/* Adds a run of a slice's entries to the panes of their keys. */
void tm_window_pane_fold(tm_window_t *w, const tm_slice_t *slice, void *entries, uint32_t cnt);

/* Adds a row to the pane of its key; its slice is folded. */
void tm_window_pane_late(tm_window_t *w, const tm_slice_t *slice, uint64_t key, const void *row,
                         uint32_t stride);

/* Fetches what the sum of a pane needs. */
void tm_window_pane_fetch(const tm_window_t *w, const void *pane);

/* The sum of a key over w->firing: the pane's, a slot's or the scratch accumulator. NULL where that
   takes more than turning over `max` slices: then it goes on with the next call. */
const void *tm_window_pane_sum(tm_window_t *w, void *pane, uint32_t max);

/* Forgets what no window from w->next on contains. False where that takes more than turning over
   `max` slices: then it goes on with the next call. A pane may have no slot left then. */
bool tm_window_pane_advance(tm_window_t *w, void *pane, uint32_t max);

/* window_log.c. Panes are about to be written: the caller has touched them. */

/* The next slot of a pane, not counted yet, its accumulator undefined; NULL = no room. */
window_slot_t *tm_window_log_room(tm_window_t *w, window_pane_t *pane);
void tm_window_log_push(window_pane_t *pane);

/* Asks for the memory that the next room, or the oldest slots, or turning over will be in. */
void tm_window_log_fetch_room(const tm_window_t *w, const window_pane_t *pane);
void tm_window_log_fetch_sum(const tm_window_t *w, const window_pane_t *pane);

window_slot_t *tm_window_log_oldest(const tm_window_t *w, const window_pane_t *pane);
void tm_window_log_pop(tm_window_t *w, window_pane_t *pane);

/* Sums slots up from the newest to the oldest, up to `max` of them from where it was: true once all
   are, and then they are in front. None was. Counted in w->turned. */
bool tm_window_log_turn(tm_window_t *w, window_pane_t *pane, uint32_t max);

/* Copies the slots of a key of `from` behind those there are (none). False = no room. */
bool tm_window_log_copy(tm_window_t *w, window_pane_t *pane, const tm_window_t *from,
                        const window_pane_t *old);

/* Adds a row to the slot that starts then, made where there is none. False = no room. */
bool tm_window_log_late(tm_window_t *w, window_pane_t *pane, int64_t start, const void *row,
                        uint32_t stride);

#endif
