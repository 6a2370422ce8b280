/* state/table/pool.h - objects of one size in pages of the arena, handed out one by one.
   Flow     window records, rows of windows, timers -> [pool] -> pages of the arena
   Method   objects are carved from pages in order of address; those handed back are a list through
            their first four bytes and come first. An object never moves, so a reference to it is
            good until it is handed back
   Units    ref: page_arena.h
   Memory   a struct of the caller and pages of the arena, which go back together (clear)
   Threads  the worker that owns the state
   Errors   get: 0 where the arena has no page left
   Limits   objects of 16..TM_POOL_OBJECT_SZ_MAX bytes.  Tests tests/state/test_radix_heap.c */
#ifndef TM_STATE_POOL_H
#define TM_STATE_POOL_H

#include "state/table/page_arena.h"

enum { TM_POOL_OBJECT_SZ_MAX = TM_PAGE_SZ / 2 };

typedef struct tm_pool {
    tm_page_arena_t *arena;
    uint32_t object_sz;
    uint32_t page_objects; /* objects a page */
    uint32_t fill;         /* objects carved from the newest page */
    tm_ref_t unused;       /* handed back */
    uint32_t cnt;          /* handed out */
    tm_page_list_t pages;
} tm_pool_t;

/* object_sz: a multiple of 16. Takes no page until the first object. */
void tm_pool_init(tm_pool_t *pool, tm_page_arena_t *arena, uint32_t object_sz);

/* An object with undefined content; 0 = no room. */
tm_ref_t tm_pool_get(tm_pool_t *pool);

/* Hands an object back: its first four bytes are lost, the others stay until it is handed out. */
void tm_pool_put(tm_pool_t *pool, tm_ref_t ref);

/* Objects that are there, handed out or not. */
static inline uint64_t tm_pool_room(const tm_pool_t *pool)
{
    return (uint64_t)pool->pages.cnt * pool->page_objects;
}

/* Takes pages until `objects` are there, handed out or not. False where there is no page. */
bool tm_pool_reserve(tm_pool_t *pool, uint64_t objects) TM_MUST_CHECK;

/* Hands back all objects and pages. */
void tm_pool_clear(tm_pool_t *pool);

#endif
