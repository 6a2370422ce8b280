/* A 512-bit register holds four 128-bit lanes; each is moved forward by D bits with two carry-less
   products (factors x^(D + 63) and x^(D - 1) mod P, bit-reflected). The last 16 bytes go through
   the crc32 instruction, which is a division by P already. Runs below 256 bytes are left to the
   SSE4.2 kernel, whose shorter chains win there. */
#include "state/crc32c.h"

#ifdef __x86_64__

#    include <immintrin.h>
#    include <string.h>

static inline __m512i fold(__m512i acc, __m512i k, __m512i next)
{
    const __m512i lo = _mm512_clmulepi64_epi128(acc, k, 0x00);
    const __m512i hi = _mm512_clmulepi64_epi128(acc, k, 0x11);
    return _mm512_ternarylogic_epi64(lo, hi, next, 0x96);
}

static inline __m512i factor(uint64_t lo, uint64_t hi)
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)hi, (long long)lo));
}

/* The four lanes moved to the place of the last one and added up. */
static inline __m128i lanes_join(__m512i acc)
{
    const __m512i k = _mm512_set_epi64(0, 0, 0x3171d43000000000, 0x3743f7bd00000000,
                                       (long long)0xa2158b3400000000, 0x33ccbbbc00000000,
                                       0x6051243f00000000, (long long)0xa46ef4aa00000000);
    const __m512i lo = _mm512_clmulepi64_epi128(acc, k, 0x00);
    const __m512i hi = _mm512_clmulepi64_epi128(acc, k, 0x11);
    const __m512i m = _mm512_xor_si512(lo, hi);
    const __m128i a = _mm_xor_si128(_mm512_castsi512_si128(m), _mm512_extracti32x4_epi32(m, 1));
    const __m128i b = _mm512_extracti32x4_epi32(m, 2);
    return _mm_ternarylogic_epi64(a, b, _mm512_extracti32x4_epi32(acc, 3), 0x96);
}

uint32_t tm_crc32c_avx512(uint32_t crc, const void *src, size_t sz)
{
    if (sz < 256) return tm_crc32c_sse42(crc, src, sz);
    const uint8_t *p = src;
    const __m512i k2048 = factor(0xe9a5d8be00000000, 0x1426a81500000000);
    const __m512i k512 = factor(0x1c19243b00000000, 0x75bba45b00000000);
    __m512i a0 = _mm512_loadu_si512(p), a1 = _mm512_loadu_si512(p + 64);
    __m512i a2 = _mm512_loadu_si512(p + 128), a3 = _mm512_loadu_si512(p + 192);
    a0 = _mm512_xor_si512(a0, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    for (p += 256, sz -= 256; sz >= 256; p += 256, sz -= 256) {
        a0 = fold(a0, k2048, _mm512_loadu_si512(p));
        a1 = fold(a1, k2048, _mm512_loadu_si512(p + 64));
        a2 = fold(a2, k2048, _mm512_loadu_si512(p + 128));
        a3 = fold(a3, k2048, _mm512_loadu_si512(p + 192));
    }
    a0 = fold(fold(fold(a0, k512, a1), k512, a2), k512, a3);
    for (; sz >= 64; p += 64, sz -= 64) a0 = fold(a0, k512, _mm512_loadu_si512(p));
    const __m128i last = lanes_join(a0);
    uint64_t c = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(last));
    c = _mm_crc32_u64(c, (uint64_t)_mm_extract_epi64(last, 1));
    return tm_crc32c_sse42(~(uint32_t)c, p, sz);
}

#endif
