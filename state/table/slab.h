/* state/table/slab.h - blocks of many sizes inside pages of the arena: strings, lists, nodes of
   trees.
   Flow     state of operators -> [slab] -> pages of the arena
   Method   29 size classes, each with pages of its own that are cut into blocks of one size; a page
            knows its free blocks, and returns to the arena when the last one is free. So memory of
            one class can serve another, and all that a slab knows lies in pages
   Units    sz: bytes; refs as in page_arena.h
   Memory   a slab is a struct of the caller; 64 bytes of each page are its own. A block wastes at
            most a quarter of itself above 128 bytes, up to 15 bytes below
   Threads  the worker that owns the state
   Errors   alloc: 0 where the arena has no page left or sz is above TM_SLAB_SZ_MAX
   Limits   TM_SLAB_SZ_MAX bytes a block.  Tests tests/state/test_slab.c */
#ifndef TM_STATE_SLAB_H
#define TM_STATE_SLAB_H

#include "state/table/page_arena.h"

enum { TM_SLAB_SZ_MAX = TM_PAGE_SZ - 64, TM_SLAB_CLASSES = 29 };

typedef struct tm_slab {
    tm_page_arena_t *arena;
    uint32_t room[TM_SLAB_CLASSES]; /* by class: the first of its pages with a free block */
    uint32_t full;                  /* the first page without one */
} tm_slab_t;

void tm_slab_init(tm_slab_t *slab, tm_page_arena_t *arena);

/* Hands back all pages, whatever is in them. */
void tm_slab_clear(tm_slab_t *slab);

/* A block of at least sz bytes, 16-aligned, with undefined content; its page counts as touched. */
tm_ref_t tm_slab_alloc(tm_slab_t *slab, uint32_t sz);

/* ref: from tm_slab_alloc of this slab, or 0 for nothing. */
void tm_slab_free(tm_slab_t *slab, tm_ref_t ref);

/* Bytes that the block has room for: at least what was asked for. */
uint32_t tm_slab_room(const tm_slab_t *slab, tm_ref_t ref);

#endif
