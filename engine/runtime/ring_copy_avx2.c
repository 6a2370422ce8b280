#include "engine/runtime/ring_copy.h"

#include <immintrin.h>

static inline __m256i load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

static inline void store(uint8_t *at, __m256i v)
{
    _mm256_store_si256((__m256i *)(void *)at, v);
}

/* The phase is blended in on the way, so that no byte is stored twice. */
void tm_ring_copy_avx2(uint8_t *slots, const uint8_t *rows, uint32_t cnt, uint32_t stride,
                       uint8_t phase)
{
    const __m256i phases = _mm256_set1_epi8((char)phase);
    const __m256i byte_0 = _mm256_setr_epi64x(0xff, 0, 0, 0);
    for (uint32_t i = 0; i < cnt; i++, slots += stride, rows += stride) {
        store(slots, _mm256_blendv_epi8(load(rows), phases, byte_0));
        store(slots + 32, load(rows + 32));
        for (uint32_t off = 64; off < stride; off += 64) {
            store(slots + off, load(rows + off));
            store(slots + off + 32, load(rows + off + 32));
        }
    }
}
