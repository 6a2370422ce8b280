/* state/table/radix_heap.h - what is due when: references in order of time, in pages of the arena.
   Flow     operators with timers -> [radix heap] -> what a watermark or the clock sets due
   Method   a radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990): items lie in buckets by the
            highest bit in which their time differs from the last time that was reached, so adding
            one is a store at the end of a list, and each moves down at most once a bit, in runs.
            What is due is not sorted: results of one watermark have no order. Nothing is removed
            early either: the owner of a reference knows its time and ignores items that are stale
   Units    times: any, all of int64
   Memory   chunks of 63 items in pages of the arena; about 80 KiB once the first item is there
   Threads  the worker that owns the state
   Errors   push: false where the arena has no page left. Moving items never needs more
   Tests    tests/state/test_radix_heap.c */
#ifndef TM_STATE_TIME_QUEUE_H
#define TM_STATE_TIME_QUEUE_H

#include "state/table/pool.h"

enum { TM_RADIX_BUCKETS = 65 };

typedef struct tm_radix_item {
    int64_t time;
    tm_ref_t ref;
    uint32_t unused;
} tm_radix_item_t;

typedef struct tm_radix_bucket {
    tm_ref_t head;   /* the newest chunk */
    uint64_t lowest; /* time, biased to unsigned; UINT64_MAX where it is empty */
} tm_radix_bucket_t;

typedef struct tm_radix_heap {
    tm_pool_t chunks;
    uint64_t last;   /* no item lies below it; biased */
    uint64_t cnt;    /* items */
    tm_ref_t moving; /* chunks of a bucket on their way to lower ones */
    tm_radix_bucket_t buckets[TM_RADIX_BUCKETS];
} tm_radix_heap_t;

void tm_radix_heap_init(tm_radix_heap_t *queue, tm_page_arena_t *arena);

/* Makes sure of room for so many more items. */
bool tm_radix_heap_reserve(tm_radix_heap_t *queue, uint32_t more) TM_MUST_CHECK;

/* Adds an item; a time that has been passed counts as due now. */
bool tm_radix_heap_push(tm_radix_heap_t *queue, int64_t time, tm_ref_t ref) TM_MUST_CHECK;

/* Looks at up to `look` items and takes out those whose time is at most `until`, in no order.
   Returns how many it looked at; 0 = none is due. *cnt: how many are in `items`, which has room for
   `look`. `until` must not fall. */
uint32_t tm_radix_heap_take(tm_radix_heap_t *queue, int64_t until, uint32_t look,
                            tm_radix_item_t *items, uint32_t *cnt);

/* Forgets all items and hands back all pages. */
void tm_radix_heap_clear(tm_radix_heap_t *queue);

#endif
