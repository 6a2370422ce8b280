#include "state/table/page_arena.h"

#include "base/check.h"

enum { LINKS_A_PAGE = TM_PAGE_SZ / sizeof(uint32_t) };

/* Pages for the links of all pages, their own included (a few too many, for simplicity). */
static size_t link_pages_of(uint32_t page_cnt)
{
    return ((size_t)page_cnt + 1) / (LINKS_A_PAGE - 1) + 1;
}

static size_t total_of(uint32_t page_cnt)
{
    return (size_t)page_cnt + 1 + link_pages_of(page_cnt); /* page 0 stays unused */
}

/* The links lie behind the pages, so that these keep the block's alignment; the tags, which are no
   state, behind the links. */
size_t tm_page_arena_footprint(uint32_t page_cnt)
{
    if (page_cnt == 0 || total_of(page_cnt) >= TM_PAGE_CNT_MAX) return 0;
    size_t all = total_of(page_cnt);
    return (all << TM_PAGE_SHIFT) + tm_align_up(all * sizeof(uint32_t), TM_CACHE_LINE);
}

void tm_page_arena_init(tm_page_arena_t *arena, void *mem, uint32_t page_cnt)
{
    TM_CHECK(tm_page_arena_footprint(page_cnt) != 0, "%u pages", page_cnt);
    TM_CHECK((uintptr_t)mem % TM_CACHE_LINE == 0, "page arena memory");
    *arena = (tm_page_arena_t){.base = mem, .page_cnt = page_cnt, .fresh = 1};
    arena->next = (uint32_t *)(void *)(arena->base + (((size_t)page_cnt + 1) << TM_PAGE_SHIFT));
    size_t all = total_of(page_cnt);
    arena->tags = (_Atomic uint32_t *)(void *)(arena->base + (all << TM_PAGE_SHIFT));
    for (size_t i = 0; i < all; i++)
        atomic_store_explicit(&arena->tags[i], 0, memory_order_relaxed); /* no other thread yet */
}

uint32_t tm_page_arena_total(const tm_page_arena_t *arena)
{
    return (uint32_t)total_of(arena->page_cnt);
}

static void link_set(tm_page_arena_t *arena, uint32_t page, uint32_t below)
{
    tm_ptr_touch(arena, &arena->next[page]);
    arena->next[page] = below;
}

uint32_t tm_page_take(tm_page_arena_t *arena)
{
    /* Pages handed back come first: they are warm in the caches and the TLB. */
    uint32_t page = arena->free_head;
    if (page != TM_PAGE_NONE)
        arena->free_head = arena->next[page];
    else if (arena->fresh <= arena->page_cnt)
        page = arena->fresh++;
    else
        return TM_PAGE_NONE;
    if (++arena->used_cnt > arena->used_max) arena->used_max = arena->used_cnt;
    tm_page_touch(arena, page);
    return page;
}

void tm_page_give(tm_page_arena_t *arena, uint32_t page)
{
    link_set(arena, page, arena->free_head);
    arena->free_head = page;
    arena->used_cnt--;
}

uint32_t tm_page_push(tm_page_arena_t *arena, tm_page_list_t *list)
{
    uint32_t page = tm_page_take(arena);
    if (page == TM_PAGE_NONE) return TM_PAGE_NONE;
    link_set(arena, page, list->head);
    if (list->cnt++ == 0) list->tail = page;
    list->head = page;
    return page;
}

void tm_page_pop(tm_page_arena_t *arena, tm_page_list_t *list)
{
    TM_CHECK(list->cnt > 0, "empty page list");
    uint32_t page = list->head;
    list->head = arena->next[page];
    if (--list->cnt == 0) *list = (tm_page_list_t){0};
    tm_page_give(arena, page);
}

void tm_page_list_free(tm_page_arena_t *arena, tm_page_list_t *list)
{
    if (list->cnt == 0) return;
    link_set(arena, list->tail, arena->free_head);
    arena->free_head = list->head;
    arena->used_cnt -= list->cnt;
    *list = (tm_page_list_t){0};
}

tm_page_roots_t tm_page_arena_save(const tm_page_arena_t *arena)
{
    return (tm_page_roots_t){.page_cnt = arena->page_cnt,
                             .fresh = arena->fresh,
                             .free_head = arena->free_head,
                             .used_cnt = arena->used_cnt,
                             .used_max = arena->used_max};
}

bool tm_page_arena_restore(tm_page_arena_t *arena, const tm_page_roots_t *roots)
{
    if (roots->page_cnt != arena->page_cnt) return false;
    arena->fresh = roots->fresh;
    arena->free_head = roots->free_head;
    arena->used_cnt = roots->used_cnt;
    arena->used_max = roots->used_max;
    return true;
}
