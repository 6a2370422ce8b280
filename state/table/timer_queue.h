/* state/table/timer_queue.h - timers in order of time, each at most once: what a process function
   waits for.
   Flow     process functions -> [timer queue] -> nodes in slab blocks
   Method   a B+ tree over (time, key, name): the order gives set semantics, deletion and firing in
            one structure, with no second one to find a timer by. Most timers are set close to the
            one before in time, so a hint at the leaf written last saves most descents, and the
            pages of one stretch of time change together, which keeps snapshots small. Nodes are
            split on the way down and freed when empty (Johnson and Shasha, 1989)
   Units    time_ns: of the queue's domain, event or processing time; name: the caller's
   Memory   24 bytes a timer in nodes of 1008, 25 to 50 bytes in all; the struct is the caller's
   Threads  the worker that owns the state
   Order    (time_ns, key, name), each as a number
   Errors   add: TM_E_LIMIT where the slab has no block left; the queue is as it was
   Limits   TM_TIMER_HEIGHT_MAX levels: more timers than references can tell apart
   Tests    tests/state/test_timer_queue.c */
#ifndef TM_STATE_TIMER_QUEUE_H
#define TM_STATE_TIMER_QUEUE_H

#include "state/table/slab.h"

enum { TM_TIMER_HEIGHT_MAX = 12 };

typedef struct tm_timer {
    int64_t time_ns;
    uint64_t key;
    uint32_t name; /* tells timers of one key and time apart */
    uint32_t reserved;
} tm_timer_t;

typedef struct tm_timer_queue {
    tm_slab_t *slab;
    tm_ref_t root;   /* 0 = empty */
    tm_ref_t front;  /* the leaf of the first timer */
    uint32_t height; /* of the root; a leaf has 0 */
    uint64_t cnt;
    tm_ref_t hot; /* the leaf added to last, 0 = none, and the bounds it lies between */
    bool hot_has_low, hot_has_high;
    tm_timer_t hot_low, hot_high;
} tm_timer_queue_t;

void tm_timer_queue_init(tm_timer_queue_t *queue, tm_slab_t *slab);

/* 1 = added, 0 = was there already, TM_E_LIMIT = no room. */
int tm_timer_add(tm_timer_queue_t *queue, int64_t time_ns, uint64_t key,
                 uint32_t name) TM_MUST_CHECK;

/* Whether it was there. */
bool tm_timer_remove(tm_timer_queue_t *queue, int64_t time_ns, uint64_t key, uint32_t name);

/* The first timer, or NULL; valid until the next change. */
const tm_timer_t *tm_timer_first(const tm_timer_queue_t *queue);

/* Takes the first timer out where it is due (time_ns <= upto_ns). */
bool tm_timer_pop(tm_timer_queue_t *queue, int64_t upto_ns, tm_timer_t *timer);

#endif
