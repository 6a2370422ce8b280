#include "state/page_arena.h"

#include "base/check.h"

/* The table of links lies behind the pages, so that these keep the block's alignment. */
size_t tm_page_arena_footprint(uint32_t page_cnt)
{
    if (page_cnt == 0 || page_cnt >= TM_PAGE_CNT_MAX) return 0;
    size_t all = (size_t)page_cnt + 1; /* page 0 stays unused */
    return (all << TM_PAGE_SHIFT) + tm_align_up(all * sizeof(uint32_t), TM_CACHE_LINE);
}

void tm_page_arena_init(tm_page_arena_t *arena, void *mem, uint32_t page_cnt)
{
    TM_CHECK(tm_page_arena_footprint(page_cnt) != 0, "%u pages", page_cnt);
    TM_CHECK((uintptr_t)mem % TM_CACHE_LINE == 0, "page arena memory");
    *arena = (tm_page_arena_t){.base = mem, .page_cnt = page_cnt, .fresh = 1};
    arena->next = (uint32_t *)(void *)(arena->base + (((size_t)page_cnt + 1) << TM_PAGE_SHIFT));
}

uint32_t tm_page_push(tm_page_arena_t *arena, tm_page_list_t *list)
{
    /* Pages handed back come first: they are warm in the caches and the TLB. */
    uint32_t page = arena->free_head;
    if (page != TM_PAGE_NONE)
        arena->free_head = arena->next[page];
    else if (arena->fresh <= arena->page_cnt)
        page = arena->fresh++;
    else
        return TM_PAGE_NONE;

    arena->next[page] = list->head;
    if (list->cnt++ == 0) list->tail = page;
    list->head = page;
    if (++arena->used_cnt > arena->used_max) arena->used_max = arena->used_cnt;
    return page;
}

void tm_page_pop(tm_page_arena_t *arena, tm_page_list_t *list)
{
    TM_CHECK(list->cnt > 0, "empty page list");
    uint32_t page = list->head;
    list->head = arena->next[page];
    if (--list->cnt == 0) *list = (tm_page_list_t){0};
    arena->next[page] = arena->free_head;
    arena->free_head = page;
    arena->used_cnt--;
}

void tm_page_list_free(tm_page_arena_t *arena, tm_page_list_t *list)
{
    if (list->cnt == 0) return;
    arena->next[list->tail] = arena->free_head;
    arena->free_head = list->head;
    arena->used_cnt -= list->cnt;
    *list = (tm_page_list_t){0};
}
