#include "base/arena.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_SZ = 2 << 20 };

int tm_arena_open(tm_arena_t *arena, size_t sz)
{
    if (sz == 0) return tm_error_set(-EINVAL, "arena: size 0");
    size_t cap = tm_align_up(sz, HUGE_SZ);
    const int prot = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    *arena = (tm_arena_t){.cap_sz = cap};
    /* Reserved pages come populated at map time, so a shortage is an error here and not a SIGBUS
       later. Most machines reserve none; transparent huge pages are nearly as good. */
    void *p = mmap(NULL, cap, prot, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    arena->huge = p != MAP_FAILED;
    if (p == MAP_FAILED) {
        p = mmap(NULL, cap, prot, flags, -1, 0);
        if (p == MAP_FAILED)
            return tm_error_set(-errno, "arena: cannot map %zu MiB: %s", cap >> 20,
                                strerror(errno));
        (void)madvise(p, cap, MADV_HUGEPAGE);
        if (madvise(p, cap, MADV_POPULATE_WRITE) != 0) memset(p, 0, cap);
    }
    arena->base = p;
    return 0;
}

void tm_arena_close(tm_arena_t *arena)
{
    if (arena->base) munmap(arena->base, arena->cap_sz);
    *arena = (tm_arena_t){0};
}

void *tm_arena_alloc(tm_arena_t *arena, size_t sz, size_t align)
{
    TM_CHECK(tm_is_pow2(align) && align <= HUGE_SZ, "alignment %zu", align);
    size_t off = tm_align_up(arena->used_sz, align);
    if (off > arena->cap_sz || sz > arena->cap_sz - off) return NULL;
    arena->used_sz = off + sz;
    return arena->base + off;
}
