#include "engine/runtime/ring.h"

#include "base/error.h"

size_t tm_ring_footprint(const tm_ring_cfg_t *cfg)
{
    if (!tm_is_pow2(cfg->depth) || cfg->depth < TM_RING_DEPTH_MIN ||
        cfg->depth > TM_RING_DEPTH_MAX) {
        tm_error_set(TM_E_CONFIG, "ring depth %u: expected a power of two, %d..%d", cfg->depth,
                     TM_RING_DEPTH_MIN, TM_RING_DEPTH_MAX);
        return 0;
    }
    if (cfg->stride == 0 || cfg->stride % TM_CACHE_LINE != 0 || cfg->stride > TM_ROW_SZ_MAX) {
        tm_error_set(TM_E_CONFIG, "ring stride %u: expected a multiple of %d up to %d", cfg->stride,
                     TM_CACHE_LINE, TM_ROW_SZ_MAX);
        return 0;
    }
    return sizeof(tm_ring_t) + tm_align_up((size_t)cfg->depth * cfg->stride, TM_FALSE_SHARE);
}

tm_ring_t *tm_ring_init(void *mem, const tm_ring_cfg_t *cfg)
{
    size_t sz = tm_ring_footprint(cfg);
    TM_CHECK(sz != 0 && (uintptr_t)mem % TM_FALSE_SHARE == 0, "ring memory");
    memset(mem, 0, sz); /* phase 0 in every slot: filled by nobody */
    tm_ring_t *ring = mem;
    ring->slots = (uint8_t *)mem + sizeof *ring;
    ring->depth = cfg->depth;
    ring->stride = cfg->stride;
    ring->depth_log2 = (uint32_t)__builtin_ctz(cfg->depth);
    return ring;
}
