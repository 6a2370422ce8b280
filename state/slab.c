#include "state/slab.h"

#include "base/check.h"

#include <string.h>

void tm_slab_init(tm_slab_t *slab, tm_page_arena_t *arena, uint32_t object_sz)
{
    TM_CHECK(object_sz >= 16 && object_sz % 16 == 0 && object_sz <= TM_SLAB_OBJECT_SZ_MAX,
             "object size %u", object_sz);
    *slab = (tm_slab_t){
        .arena = arena, .object_sz = object_sz, .page_objects = TM_PAGE_SZ / object_sz};
}

static void unused_push(tm_slab_t *slab, tm_ref_t ref)
{
    memcpy(tm_ref_ptr(slab->arena, ref), &slab->unused, sizeof slab->unused);
    slab->unused = ref;
}

/* The next object of the newest page; 0 where that is used up. */
static tm_ref_t carve(tm_slab_t *slab)
{
    if (slab->pages.cnt == 0 || slab->fill == slab->page_objects) return 0;
    uint32_t off = slab->fill++ * slab->object_sz;
    return tm_page_ref(slab->pages.head) + (off >> TM_REF_SHIFT);
}

bool tm_slab_reserve(tm_slab_t *slab, uint64_t objects)
{
    while (tm_slab_room(slab) < objects) {
        /* The newest page is carved from: what is left of the one before goes to the list. */
        for (tm_ref_t rest; (rest = carve(slab)) != 0;) unused_push(slab, rest);
        if (tm_page_push(slab->arena, &slab->pages) == TM_PAGE_NONE) return false;
        slab->fill = 0;
    }
    return true;
}

tm_ref_t tm_slab_get(tm_slab_t *slab)
{
    tm_ref_t ref = slab->unused;
    if (ref) {
        memcpy(&slab->unused, tm_ref_ptr(slab->arena, ref), sizeof slab->unused);
    } else {
        ref = carve(slab);
        if (!ref) {
            if (!tm_slab_reserve(slab, tm_slab_room(slab) + 1)) return 0;
            ref = carve(slab);
        }
    }
    slab->cnt++;
    return ref;
}

void tm_slab_put(tm_slab_t *slab, tm_ref_t ref)
{
    TM_DCHECK(slab->cnt > 0, "slab is empty");
    unused_push(slab, ref);
    slab->cnt--;
}

void tm_slab_clear(tm_slab_t *slab)
{
    tm_page_list_free(slab->arena, &slab->pages);
    tm_slab_init(slab, slab->arena, slab->object_sz);
}
