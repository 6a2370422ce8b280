#include "net/ws/utf8.h"

#include <string.h>

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

/* Length of the ASCII run at the start, rounded down to whole blocks. Feeds are JSON, nearly always
   ASCII throughout, so this loop does the work and the byte loop sees at most one block's rest. */
static size_t ascii_run(const uint8_t *text, size_t sz)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 64 <= sz; i += 64) {
        const __m128i *at = (const __m128i *)(const void *)(text + i);
        __m128i ab = _mm_or_si128(_mm_loadu_si128(at), _mm_loadu_si128(at + 1));
        __m128i cd = _mm_or_si128(_mm_loadu_si128(at + 2), _mm_loadu_si128(at + 3));
        if (_mm_movemask_epi8(_mm_or_si128(ab, cd)) != 0) break;
    }
    for (; i + 16 <= sz; i += 16) {
        const __m128i *at = (const __m128i *)(const void *)(text + i);
        if (_mm_movemask_epi8(_mm_loadu_si128(at)) != 0) break;
    }
#endif
    for (; i + 8 <= sz; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    return i;
}

/* A byte that begins a character outside ASCII: how many bytes follow, and the range of the first
   of them (the others are 80..BF). The narrower ranges shut out overlong forms (E0, F0),
   surrogates (ED) and what lies above U+10FFFF (F4). */
static bool lead(tm_utf8_t *u, uint8_t b)
{
    *u = (tm_utf8_t){.lo = 0x80, .hi = 0xbf};
    if (b < 0xc2 || b > 0xf4) return false;
    u->more = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
    if (b == 0xe0) u->lo = 0xa0;
    if (b == 0xed) u->hi = 0x9f;
    if (b == 0xf0) u->lo = 0x90;
    if (b == 0xf4) u->hi = 0x8f;
    return true;
}

bool tm_utf8_feed(tm_utf8_t *u, const uint8_t *text, size_t sz)
{
    size_t i = 0;
    while (i < sz) {
        uint8_t b = text[i];
        if (u->more > 0) {
            if (b < u->lo || b > u->hi) return false;
            *u = (tm_utf8_t){.more = (uint8_t)(u->more - 1), .lo = 0x80, .hi = 0xbf};
            i++;
        } else if (b >= 0x80) {
            if (!lead(u, b)) return false;
            i++;
        } else {
            i += ascii_run(text + i, sz - i);
            while (i < sz && text[i] < 0x80) i++; /* the rest of a block */
        }
    }
    return true;
}

bool tm_utf8_is_valid(const uint8_t *text, size_t sz)
{
    tm_utf8_t u;
    tm_utf8_init(&u);
    return tm_utf8_feed(&u, text, sz) && tm_utf8_is_whole(&u);
}
