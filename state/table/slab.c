/* Classes are chosen by how many blocks fit a page rather than by powers of two: above 512 bytes
   these waste a third of a page, and the largest would not fit at all. */
#include "state/table/slab.h"

#include "base/check.h"

#include <assert.h>
#include <string.h>

enum { UNIT = 16, HEAD_UNITS = 4, SMALL_UNITS = 32 };

/* Block sizes in units of 16 bytes. */
static const uint16_t class_units[TM_SLAB_CLASSES] = {
    1,  2,  3,  4,  5,  6,   7,   8,   10,  12,  14,  16,  20,  24,   28,
    32, 40, 51, 63, 85, 102, 127, 145, 170, 204, 255, 340, 510, 1020,
};

/* The class of a size of up to SMALL_UNITS units. */
static const uint8_t small_class[SMALL_UNITS + 1] = {
    0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  8,  9,  9,  10, 10, 11, 11,
    12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15,
};

/* The first bytes of a page. Positions within it are in units from its start; 0 = none. */
typedef struct slab_page {
    uint32_t prev, next; /* pages of the same list */
    uint16_t cls;
    uint16_t live;  /* blocks in use */
    uint16_t freed; /* the block freed last, which names the one before */
    uint16_t fresh; /* the first block never used */
    uint8_t reserved[48];
} slab_page_t;
static_assert(sizeof(slab_page_t) == HEAD_UNITS * UNIT, "blocks start behind the head");

static uint32_t class_of(uint32_t sz)
{
    uint32_t units = (sz + UNIT - 1) / UNIT;
    if (units <= SMALL_UNITS) return small_class[units];
    uint32_t cls = small_class[SMALL_UNITS] + 1;
    while (class_units[cls] < units) cls++;
    return cls;
}

static uint32_t blocks_of(uint32_t cls)
{
    return (TM_PAGE_SZ / UNIT - HEAD_UNITS) / class_units[cls];
}

static slab_page_t *page_at(const tm_slab_t *slab, uint32_t page)
{
    return tm_page_ptr(slab->arena, page);
}

static void list_add(tm_slab_t *slab, uint32_t *head, uint32_t page)
{
    slab_page_t *p = page_at(slab, page);
    tm_page_touch(slab->arena, page);
    p->prev = TM_PAGE_NONE;
    p->next = *head;
    if (*head != TM_PAGE_NONE) {
        tm_page_touch(slab->arena, *head);
        page_at(slab, *head)->prev = page;
    }
    *head = page;
}

static void list_remove(tm_slab_t *slab, uint32_t *head, uint32_t page)
{
    slab_page_t *p = page_at(slab, page);
    if (p->prev != TM_PAGE_NONE) {
        tm_page_touch(slab->arena, p->prev);
        page_at(slab, p->prev)->next = p->next;
    } else {
        *head = p->next;
    }
    if (p->next != TM_PAGE_NONE) {
        tm_page_touch(slab->arena, p->next);
        page_at(slab, p->next)->prev = p->prev;
    }
}

void tm_slab_init(tm_slab_t *slab, tm_page_arena_t *arena)
{
    *slab = (tm_slab_t){.arena = arena};
}

static void list_give(tm_slab_t *slab, uint32_t page)
{
    while (page != TM_PAGE_NONE) {
        uint32_t next = page_at(slab, page)->next;
        tm_page_give(slab->arena, page);
        page = next;
    }
}

void tm_slab_clear(tm_slab_t *slab)
{
    for (uint32_t cls = 0; cls < TM_SLAB_CLASSES; cls++) list_give(slab, slab->room[cls]);
    list_give(slab, slab->full);
    tm_slab_init(slab, slab->arena);
}

static uint32_t page_start(tm_slab_t *slab, uint32_t cls)
{
    uint32_t page = tm_page_take(slab->arena);
    if (page == TM_PAGE_NONE) return page;
    *page_at(slab, page) = (slab_page_t){.cls = (uint16_t)cls, .fresh = HEAD_UNITS};
    list_add(slab, &slab->room[cls], page);
    return page;
}

tm_ref_t tm_slab_alloc(tm_slab_t *slab, uint32_t sz)
{
    if (sz > TM_SLAB_SZ_MAX) return 0;
    uint32_t cls = class_of(sz), page = slab->room[cls];
    if (page == TM_PAGE_NONE && (page = page_start(slab, cls)) == TM_PAGE_NONE) return 0;
    tm_page_touch(slab->arena, page);
    slab_page_t *p = page_at(slab, page);
    uint32_t at = p->freed;
    if (at != 0) {
        memcpy(&p->freed, (const uint8_t *)p + at * UNIT, sizeof p->freed);
    } else {
        at = p->fresh;
        p->fresh = (uint16_t)(p->fresh + class_units[cls]);
    }
    if (++p->live == blocks_of(cls)) {
        list_remove(slab, &slab->room[cls], page);
        list_add(slab, &slab->full, page);
    }
    return tm_page_ref(page) + at;
}

void tm_slab_free(tm_slab_t *slab, tm_ref_t ref)
{
    if (ref == 0) return;
    uint32_t page = tm_ref_page(ref);
    uint16_t at = (uint16_t)(ref - tm_page_ref(page));
    tm_page_touch(slab->arena, page);
    slab_page_t *p = page_at(slab, page);
    TM_DCHECK(p->live > 0 && at >= HEAD_UNITS, "slab: not a block of it");
    if (p->live-- == blocks_of(p->cls)) {
        list_remove(slab, &slab->full, page);
        list_add(slab, &slab->room[p->cls], page);
    }
    memcpy((uint8_t *)p + at * UNIT, &p->freed, sizeof p->freed);
    p->freed = at;
    /* The only page of its class with room stays, or a block that comes and goes would take it from
       the arena and return it each time. */
    if (p->live == 0 && (p->prev != TM_PAGE_NONE || p->next != TM_PAGE_NONE)) {
        list_remove(slab, &slab->room[p->cls], page);
        tm_page_give(slab->arena, page);
    }
}

uint32_t tm_slab_room(const tm_slab_t *slab, tm_ref_t ref)
{
    return class_units[page_at(slab, tm_ref_page(ref))->cls] * (uint32_t)UNIT;
}
