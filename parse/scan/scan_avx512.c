#include "parse/scan/kernels.h"

#include <immintrin.h>

/* 0..63, one a byte: what compressing with the mask of quotes turns into their offsets. */
static const alignas(64) uint8_t iota[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* Brackets, braces, colons and commas. The bit that tells [ from { and ] from } is set first; no
   other byte becomes one of them by that. */
static inline uint64_t is_mark(__m512i bytes)
{
    __m512i brace = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    return _mm512_cmpeq_epi8_mask(brace, _mm512_set1_epi8('{')) |
           _mm512_cmpeq_epi8_mask(brace, _mm512_set1_epi8('}')) |
           _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(':')) |
           _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(','));
}

/* The compressed offsets go through a register: compressing straight into memory is microcode on
   Zen 4, tens of times slower. A block has rarely more than 32 quotes, so the upper half of the
   offsets is stored only then. */
static inline uint32_t scan_blocks(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at,
                                   bool all_marks)
{
    const __m512i places = _mm512_load_si512(iota);
    uint16_t *out = at;
    uint64_t odd = 0;
    for (uint32_t off = 0; off < sz; off += 64) {
        uint32_t left = sz - off;
        __mmask64 in = left >= 64 ? ~0ull : _bzhi_u64(~0ull, left);
        __m512i block = _mm512_maskz_loadu_epi8(in, bytes + off);
        uint64_t quotes = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('"'));
        uint64_t slashes = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('\\'));
        /* Signed: bytes above 0x7f are negative, so this meets them and the control bytes. */
        odd |= _mm512_mask_cmplt_epi8_mask(in, block, _mm512_set1_epi8(0x20)) | slashes;
        if (TM_UNLIKELY(slashes != 0 || scan->escaping))
            quotes &= ~tm_scan_escaped(slashes, &scan->escaping);
        if (all_marks) quotes |= is_mark(block) & ~tm_scan_inside(quotes, &scan->inside);
        __m512i packed = _mm512_maskz_compress_epi8(quotes, places);
        __m512i base = _mm512_set1_epi16((short)off);
        _mm512_storeu_si512(
            out, _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(packed)), base));
        uint32_t cnt = (uint32_t)_mm_popcnt_u64(quotes);
        if (TM_UNLIKELY(cnt > 32)) {
            __m256i high = _mm512_extracti64x4_epi64(packed, 1);
            _mm512_storeu_si512(out + 32, _mm512_add_epi16(_mm512_cvtepu8_epi16(high), base));
        }
        out += cnt;
    }
    scan->odd = odd != 0;
    return (uint32_t)(out - at);
}

uint32_t tm_quotes_avx512(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, false);
}

uint32_t tm_marks_avx512(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, true);
}
