/* Why the burst is as it is (64-byte rows, batches of 64, two cores, rows a second beside
   boost::lockfree::spsc_queue): what bounds it are the stores that wait in the producer's store
   buffer for a line to come back from the consumer. Publishing every row on its own, 5 stores a
   row, moved 0.4 times as many as boost; rows written whole, 4 stores (SSE2) 0.8, 2 stores (AVX2)
   1.0, 1 store (AVX-512) 1.0. Asking for lines ahead (prefetchw of 2 to 64 slots) changed nothing,
   one at a time or in bursts, and is left out. */
#include "engine/runtime/ring.h"

#include "base/cpu.h"
#include "base/error.h"
#include "engine/runtime/ring_copy.h"

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
    ring->copy = tm_ring_copy_pick(tm_cpu_isa());
    ring->depth = cfg->depth;
    ring->stride = cfg->stride;
    ring->depth_log2 = (uint32_t)__builtin_ctz(cfg->depth);
    return ring;
}

static void copy_scalar(uint8_t *slots, const uint8_t *rows, uint32_t cnt, uint32_t stride,
                        uint8_t phase)
{
    for (uint32_t i = 0; i < cnt; i++, slots += stride, rows += stride) {
        memcpy(slots, rows, stride);
        slots[0] = phase;
    }
}

tm_ring_copy_fn *tm_ring_copy_pick(tm_isa_t isa)
{
#ifdef __x86_64__
    if (isa >= TM_ISA_AVX2) return tm_ring_copy_avx2;
#endif
    (void)isa;
    return copy_scalar;
}

uint32_t tm_ring_push_burst(tm_ring_t *ring, const void *rows, uint32_t cnt)
{
    uint64_t pos = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own value */
    uint32_t n = (uint32_t)tm_ring_room(ring, pos, cnt);
    if (n == 0) return 0;
    /* All but the first, in one run or, over the end of the ring, in two of different phase. */
    for (uint32_t done = 1; done < n;) {
        uint64_t at = pos + done, to_end = ring->depth - (at & (ring->depth - 1));
        uint32_t run = n - done < to_end ? n - done : (uint32_t)to_end;
        ring->copy(tm_ring_slot(ring, at), (const uint8_t *)rows + (size_t)done * ring->stride, run,
                   ring->stride, (uint8_t)tm_ring_phase(ring, at));
        done += run;
    }
    tm_ring_fill(ring, pos, rows);
    atomic_store_explicit(&ring->tail, pos + n, memory_order_relaxed); /* for lag only */
    return n;
}
