/* state/table/page_arena.h - keyed state lives in pages of one fixed size; this hands them out.
   Flow     operators -> keyed tables, slabs, timers -> [page arena]; a snapshot copies its pages
   Method   one contiguous block cut into 16 KiB pages; a reference is the byte offset in the block
            divided by 16, so that 32 bits reach 64 GiB and a pointer costs one shift and one add.
            Page numbers and addresses are stable. The links between pages are state like all else
            and lie in the arena's own last pages
   Writing  whoever writes into a page says so before: one load and one comparison, the first write
            of an epoch takes the slow path of page_track.h. tm_span_touch names the bytes and costs
            little even then, but holds for them alone; tm_page_touch and the like hold for the page
   Units    ref: 16 bytes; page: TM_PAGE_SZ bytes
   Memory   caller owns tm_page_arena_footprint bytes, 2 MiB-aligned for huge pages and touched in
            advance (base/arena.h does both); allocates nothing
   Threads  the worker that owns the state
   Errors   push, take: TM_PAGE_NONE when all pages are taken; the caller counts what it cannot keep
   Limits   TM_PAGE_CNT_MAX pages.  Tests tests/state/test_keyed_table.c, test_page_track.c */
#ifndef TM_STATE_PAGE_ARENA_H
#define TM_STATE_PAGE_ARENA_H

#include "base/types.h"

#include <stdatomic.h>

enum {
    TM_PAGE_SHIFT = 14,
    TM_PAGE_SZ = 1 << TM_PAGE_SHIFT,
    TM_REF_SHIFT = 4,
    TM_PAGE_CNT_MAX = 1 << 22,
    TM_PAGE_NONE = 0, /* page 0 is never handed out, so reference 0 is "none" */

    /* Raised where arena, slab, pool, heap or keyed table lie differently in pages. */
    TM_PAGES_LAYOUT = 1,
};

typedef uint32_t tm_ref_t; /* 0 = none */

typedef struct tm_page_arena {
    uint8_t *base;
    _Atomic uint32_t *tags; /* by page: the epoch that wrote it last */
    uint32_t epoch;         /* the one under way; 0 = nobody tracks pages */
    uint32_t page_cnt;
    uint32_t *next;     /* by page: the page below it on its list */
    uint32_t fresh;     /* first page that was never handed out */
    uint32_t free_head; /* pages handed back */
    uint32_t used_cnt, used_max;
    struct tm_page_track *track; /* NULL = nobody tracks pages */
} tm_page_arena_t;

/* A stack of pages; tables keep what they own in one, so that all of it is handed back at once. */
typedef struct tm_page_list {
    uint32_t head, tail; /* head: the newest */
    uint32_t cnt;
} tm_page_list_t;

/* Bytes for page_cnt usable pages and their table; 0 where page_cnt is 0 or too large. */
size_t tm_page_arena_footprint(uint32_t page_cnt);
void tm_page_arena_init(tm_page_arena_t *arena, void *mem, uint32_t page_cnt);

/* What an arena knows outside of its pages, to be kept with a copy of them. */
typedef struct tm_page_roots {
    uint32_t page_cnt, fresh, free_head, used_cnt, used_max;
    uint32_t reserved;
} tm_page_roots_t;

tm_page_roots_t tm_page_arena_save(const tm_page_arena_t *arena);

/* Takes them back into an arena just initialized, whose pages are what they were. False where it
   has another number of pages. */
bool tm_page_arena_restore(tm_page_arena_t *arena, const tm_page_roots_t *roots);

/* All pages of the block: page 0, those handed out, and those of the links behind them. */
uint32_t tm_page_arena_total(const tm_page_arena_t *arena);

/* A page with undefined content, pushed on `list`; TM_PAGE_NONE when there is none left. */
uint32_t tm_page_push(tm_page_arena_t *arena, tm_page_list_t *list);

/* Hands back the newest page of the list. */
void tm_page_pop(tm_page_arena_t *arena, tm_page_list_t *list);

/* Hands back all pages of the list in constant time and empties it. */
void tm_page_list_free(tm_page_arena_t *arena, tm_page_list_t *list);

/* A page that is on no list, and its return. */
uint32_t tm_page_take(tm_page_arena_t *arena);
void tm_page_give(tm_page_arena_t *arena, uint32_t page);

/* The slow paths of tm_page_touch and tm_span_touch (page_track.c). */
void tm_page_touch_first(tm_page_arena_t *arena, uint32_t page);
void tm_span_touch_first(tm_page_arena_t *arena, const void *at, uint32_t sz);

/* To be called before a write into a page. Where the current epoch is not a value of the worker's
   own, the snapshot thread has saved the page: then it is in the list as well. */
static inline void tm_page_touch(tm_page_arena_t *arena, uint32_t page)
{
    if (TM_UNLIKELY(atomic_load_explicit(&arena->tags[page], memory_order_relaxed) != arena->epoch))
        tm_page_touch_first(arena, page);
}

static inline uint32_t tm_ref_page(tm_ref_t ref)
{
    return ref >> (TM_PAGE_SHIFT - TM_REF_SHIFT);
}

static inline uint32_t tm_ptr_page(const tm_page_arena_t *arena, const void *at)
{
    return (uint32_t)((size_t)((const uint8_t *)at - arena->base) >> TM_PAGE_SHIFT);
}

/* The same for what lies at a reference or an address within the arena. */
static inline void tm_ref_touch(tm_page_arena_t *arena, tm_ref_t ref)
{
    tm_page_touch(arena, tm_ref_page(ref));
}

static inline void tm_ptr_touch(tm_page_arena_t *arena, const void *at)
{
    tm_page_touch(arena, tm_ptr_page(arena, at));
}

/* To be called before a write into sz bytes (at least one) of one page, and into no others. */
static inline void tm_span_touch(tm_page_arena_t *arena, const void *at, uint32_t sz)
{
    uint32_t page = tm_ptr_page(arena, at);
    if (TM_UNLIKELY(atomic_load_explicit(&arena->tags[page], memory_order_relaxed) != arena->epoch))
        tm_span_touch_first(arena, at, sz);
}

/* The page below `page` on its list; TM_PAGE_NONE at the bottom, and for TM_PAGE_NONE. */
static inline uint32_t tm_page_below(const tm_page_arena_t *arena, uint32_t page)
{
    return page == TM_PAGE_NONE ? TM_PAGE_NONE : arena->next[page];
}

static inline void *tm_page_ptr(const tm_page_arena_t *arena, uint32_t page)
{
    uint8_t *at = arena->base + ((size_t)page << TM_PAGE_SHIFT);
    if (!at) __builtin_unreachable(); /* the analyzer cannot know that the block is there */
    return at;
}

static inline void *tm_ref_ptr(const tm_page_arena_t *arena, tm_ref_t ref)
{
    return arena->base + ((size_t)ref << TM_REF_SHIFT);
}

static inline tm_ref_t tm_ptr_ref(const tm_page_arena_t *arena, const void *at)
{
    return (tm_ref_t)((size_t)((const uint8_t *)at - arena->base) >> TM_REF_SHIFT);
}

static inline tm_ref_t tm_page_ref(uint32_t page)
{
    return page << (TM_PAGE_SHIFT - TM_REF_SHIFT);
}

#endif
