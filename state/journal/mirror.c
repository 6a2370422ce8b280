#include "state/journal/mirror.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    HUGE_SZ = 2 << 20,
    COLLAPSE = 25, /* MADV_COLLAPSE, since Linux 6.1 */
};

/* Reserves an address range aligned to huge pages, so that the second copy can use them too. */
static uint8_t *range_reserve(size_t sz)
{
    uint8_t *raw = mmap(NULL, sz + HUGE_SZ, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    uint8_t *base = (uint8_t *)tm_align_up((uintptr_t)raw, HUGE_SZ);
    if (base != raw) munmap(raw, (size_t)(base - raw));
    const size_t rest = (size_t)(raw + sz + HUGE_SZ - (base + sz));
    if (rest) munmap(base + sz, rest);
    return base;
}

static int map_both(uint8_t *base, int fd, size_t sz)
{
    for (int i = 0; i < 2; i++) {
        void *at = mmap(base + (size_t)i * sz, sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                        fd, 0);
        if (at == MAP_FAILED) return -errno;
        madvise(at, sz, MADV_HUGEPAGE); /* a wish: refused where shared memory has no huge pages */
    }
    memset(base, 0, sz); /* the pages exist, and both copies' tables point at them */
    /* Huge ones also where shared memory gets none by itself, for fewer segments a write. */
    for (int i = 0; i < 2; i++) madvise(base + (size_t)i * sz, sz, COLLAPSE);
    for (size_t off = 0; off < sz; off += 4096) base[sz + off] = 0;
    return 0;
}

int tm_mirror_open(uint8_t **base, size_t sz)
{
    TM_CHECK(tm_is_pow2(sz) && sz >= 4096, "ring of %zu bytes", sz);
    int fd = memfd_create("tidemark-ring", MFD_CLOEXEC);
    if (fd < 0) return tm_error_set(-errno, "ring buffer: %s", tm_error_name(-errno));
    int code = ftruncate(fd, (off_t)sz) == 0 ? 0 : -errno;
    uint8_t *at = code == 0 ? range_reserve(2 * sz) : NULL;
    if (code == 0 && !at) code = -ENOMEM;
    if (code == 0) code = map_both(at, fd, sz);
    close(fd);
    if (code == 0) {
        *base = at;
        return 0;
    }
    if (at) munmap(at, 2 * sz);
    return tm_error_set(code, "ring buffer of %zu bytes: %s; configure a smaller one", sz,
                        tm_error_name(code));
}

void tm_mirror_close(uint8_t *base, size_t sz)
{
    if (base) munmap(base, 2 * sz);
}
