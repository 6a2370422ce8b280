/* One crc32 instruction depends on the one before it (three cycles), so three chains over three
   thirds of a run hide the latency. Joining multiplies the first two sums by x^(8n - 33) mod P
   without carry and adds the products to the last word of the third chain, whose own step supplies
   x^33. */
#include "state/crc32c.h"

#ifdef __x86_64__

#    include <nmmintrin.h>
#    include <string.h>
#    include <wmmintrin.h>

static inline uint64_t load(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t shifted(uint64_t crc, uint32_t factor)
{
    const __m128i a = _mm_cvtsi64_si128((long long)crc);
    const __m128i k = _mm_cvtsi64_si128((long long)factor);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(a, k, 0));
}

/* Three runs of `third` bytes; k2, k1: the factors for two thirds and one. */
static inline uint64_t triple(uint64_t crc, const uint8_t *p, size_t third, uint32_t k2,
                              uint32_t k1)
{
    uint64_t c0 = crc, c1 = 0, c2 = 0;
    size_t i = 0;
    for (; i < third - 8; i += 8) {
        c0 = _mm_crc32_u64(c0, load(p + i));
        c1 = _mm_crc32_u64(c1, load(p + third + i));
        c2 = _mm_crc32_u64(c2, load(p + 2 * third + i));
    }
    c0 = _mm_crc32_u64(c0, load(p + i));
    c1 = _mm_crc32_u64(c1, load(p + third + i));
    return _mm_crc32_u64(c2, load(p + 2 * third + i) ^ shifted(c0, k2) ^ shifted(c1, k1));
}

uint32_t tm_crc32c_sse42(uint32_t crc, const void *src, size_t sz)
{
    const uint8_t *p = src;
    uint64_t c = (uint32_t)~crc;
    for (; sz >= 1536; sz -= 1536, p += 1536) c = triple(c, p, 512, 0x170076fau, 0xdd7e3b0cu);
    for (; sz >= 192; sz -= 192, p += 192) c = triple(c, p, 64, 0x0d3b6092u, 0x9e4addf8u);
    if (sz >= 96) {
        c = triple(c, p, 32, 0x9e4addf8u, 0xba4fc28eu);
        p += 96;
        sz -= 96;
    }
    for (; sz >= 8; sz -= 8, p += 8) c = _mm_crc32_u64(c, load(p));
    uint32_t c32 = (uint32_t)c;
    if (sz >= 4) { /* a record's header ends like this */
        uint32_t v;
        memcpy(&v, p, sizeof v);
        c32 = _mm_crc32_u32(c32, v);
        p += 4;
        sz -= 4;
    }
    for (; sz > 0; sz--, p++) c32 = _mm_crc32_u8(c32, *p);
    return ~c32;
}

#endif
