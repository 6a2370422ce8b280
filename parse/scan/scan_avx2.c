#include "parse/scan/kernels.h"

#include <immintrin.h>

static uint64_t mask(__m256i lo, __m256i hi)
{
    return (uint32_t)_mm256_movemask_epi8(lo) | (uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32;
}

/* Writes four offsets whether they are wanted or not, which is cheaper than a branch for each, and
   takes their bits. */
static inline uint64_t four(uint16_t *out, uint64_t quotes, uint32_t off)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (uint16_t)(off + (uint32_t)_tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
    }
    return quotes;
}

/* Brackets, braces, colons and commas. The bit that tells [ from { and ] from } is set first; no
   other byte becomes one of them by that. */
static inline __m256i is_mark(__m256i bytes)
{
    __m256i brace = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    __m256i braces = _mm256_or_si256(_mm256_cmpeq_epi8(brace, _mm256_set1_epi8('{')),
                                     _mm256_cmpeq_epi8(brace, _mm256_set1_epi8('}')));
    __m256i others = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(':')),
                                     _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(',')));
    return _mm256_or_si256(braces, others);
}

static inline uint32_t scan_blocks(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at,
                                   bool all_marks)
{
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\');
    const __m256i space = _mm256_set1_epi8(0x20);
    uint16_t *out = at;
    uint64_t odd = 0;
    for (uint32_t off = 0; off < sz; off += 64) {
        uint32_t left = sz - off;
        uint64_t in = left >= 64 ? ~0ull : _bzhi_u64(~0ull, left);
        __m256i lo = _mm256_loadu_si256((const __m256i *)(bytes + off));
        __m256i hi = _mm256_loadu_si256((const __m256i *)(bytes + off + 32));
        uint64_t quotes = in & mask(_mm256_cmpeq_epi8(lo, quote), _mm256_cmpeq_epi8(hi, quote));
        uint64_t slashes = in & mask(_mm256_cmpeq_epi8(lo, slash), _mm256_cmpeq_epi8(hi, slash));
        /* Signed: bytes above 0x7f are negative, so this meets them and the control bytes. */
        odd |= (in & mask(_mm256_cmpgt_epi8(space, lo), _mm256_cmpgt_epi8(space, hi))) | slashes;
        if (TM_UNLIKELY(slashes != 0 || scan->escaping))
            quotes &= ~tm_scan_escaped(slashes, &scan->escaping);
        if (all_marks)
            quotes |= in & mask(is_mark(lo), is_mark(hi)) & ~tm_scan_inside(quotes, &scan->inside);
        uint32_t cnt = (uint32_t)_mm_popcnt_u64(quotes);
        quotes = four(out + 4, four(out, quotes, off), off);
        if (cnt > 8) quotes = four(out + 8, quotes, off);
        for (uint32_t done = 12; TM_UNLIKELY(done < cnt); done += 4)
            quotes = four(out + done, quotes, off);
        out += cnt;
    }
    scan->odd = odd != 0;
    return (uint32_t)(out - at);
}

uint32_t tm_quotes_avx2(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, false);
}

uint32_t tm_marks_avx2(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, true);
}
