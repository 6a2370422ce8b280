#include "state/table/pool.h"

#include "base/check.h"

#include <string.h>

void tm_pool_init(tm_pool_t *pool, tm_page_arena_t *arena, uint32_t object_sz)
{
    TM_CHECK(object_sz >= 16 && object_sz % 16 == 0 && object_sz <= TM_POOL_OBJECT_SZ_MAX,
             "object size %u", object_sz);
    *pool = (tm_pool_t){
        .arena = arena, .object_sz = object_sz, .page_objects = TM_PAGE_SZ / object_sz};
}

static void unused_push(tm_pool_t *pool, tm_ref_t ref)
{
    tm_ref_touch(pool->arena, ref);
    memcpy(tm_ref_ptr(pool->arena, ref), &pool->unused, sizeof pool->unused);
    pool->unused = ref;
}

/* The next object of the newest page; 0 where that is used up. */
static tm_ref_t carve(tm_pool_t *pool)
{
    if (pool->pages.cnt == 0 || pool->fill == pool->page_objects) return 0;
    uint32_t off = pool->fill++ * pool->object_sz;
    return tm_page_ref(pool->pages.head) + (off >> TM_REF_SHIFT);
}

bool tm_pool_reserve(tm_pool_t *pool, uint64_t objects)
{
    while (tm_pool_room(pool) < objects) {
        /* The newest page is carved from: what is left of the one before goes to the list. */
        for (tm_ref_t rest; (rest = carve(pool)) != 0;) unused_push(pool, rest);
        if (tm_page_push(pool->arena, &pool->pages) == TM_PAGE_NONE) return false;
        pool->fill = 0;
    }
    return true;
}

tm_ref_t tm_pool_get(tm_pool_t *pool)
{
    tm_ref_t ref = pool->unused;
    if (ref) {
        memcpy(&pool->unused, tm_ref_ptr(pool->arena, ref), sizeof pool->unused);
    } else {
        ref = carve(pool);
        if (!ref) {
            if (!tm_pool_reserve(pool, tm_pool_room(pool) + 1)) return 0;
            ref = carve(pool);
        }
    }
    pool->cnt++;
    return ref;
}

void tm_pool_put(tm_pool_t *pool, tm_ref_t ref)
{
    TM_DCHECK(pool->cnt > 0, "pool is empty");
    unused_push(pool, ref);
    pool->cnt--;
}

void tm_pool_clear(tm_pool_t *pool)
{
    tm_page_list_free(pool->arena, &pool->pages);
    tm_pool_init(pool, pool->arena, pool->object_sz);
}
