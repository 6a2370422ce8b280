#include "parse/stencil.h"

#include <immintrin.h>

/* The message and its quotes in registers. */
typedef struct text {
    __m512i part[4]; /* bytes 0..255, zero behind the end */
    __m512i quotes;  /* offsets: 0, then those of the quotes, then the message's size */
} text_t;

static const alignas(64) uint8_t iota[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* Loads 64 bytes and appends the offsets of their quotes. Returns what makes the message odd. */
static inline uint64_t load_part(text_t *t, const uint8_t *bytes, uint32_t sz, uint32_t i,
                                 uint32_t *cnt)
{
    __mmask64 in = sz >= 64 * (i + 1) ? ~0ull : _bzhi_u64(~0ull, sz - 64 * i);
    __m512i part = _mm512_maskz_loadu_epi8(in, bytes + 64 * i);
    uint64_t quotes = _mm512_cmpeq_epi8_mask(part, _mm512_set1_epi8('"'));
    __m512i places = _mm512_add_epi8(_mm512_load_si512(iota), _mm512_set1_epi8((char)(64 * i)));
    __m512i packed = _mm512_maskz_compress_epi8(quotes, places);
    /* The shift is at most 63 where the count below is in bounds; else the message is refused. */
    t->quotes = _mm512_mask_expand_epi8(t->quotes, ~0ull << ((*cnt + 1) & 63), packed);
    t->part[i] = part;
    *cnt += (uint32_t)_mm_popcnt_u64(quotes);
    return _mm512_mask_cmplt_epi8_mask(in, part, _mm512_set1_epi8(0x20)) |
           _mm512_cmpeq_epi8_mask(part, _mm512_set1_epi8('\\'));
}

/* The bytes at 64 places of the message. */
static inline __m512i fetch(const text_t *t, __m512i places)
{
    __m512i low = _mm512_permutex2var_epi8(t->part[0], places, t->part[1]);
    __m512i high = _mm512_permutex2var_epi8(t->part[2], places, t->part[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(places), high);
}

static inline bool text_equal(const text_t *t, const tm_stencil_t *s)
{
    __mmask64 differ = 0;
    for (uint32_t i = 0; i < s->text_cnt; i++) {
        const tm_stencil_text_t *x = &s->text[i];
        __m512i places = _mm512_permutexvar_epi8(_mm512_load_si512(x->quote), t->quotes);
        places = _mm512_add_epi8(places, _mm512_load_si512(x->distance));
        differ |= _mm512_cmpneq_epi8_mask(fetch(t, places), _mm512_load_si512(x->bytes));
    }
    return differ == 0;
}

typedef struct lanes {
    __m512i text[TM_STENCIL_GROUP_MAX], sz[TM_STENCIL_GROUP_MAX];
} lanes_t;

/* Four lanes: their text, zero behind each value, and their sizes. */
static inline __m512i lanes(const text_t *t, const tm_stencil_group_t *g, __m512i *sz)
{
    __m512i from = _mm512_permutexvar_epi8(_mm512_load_si512(g->from_quote), t->quotes);
    __m512i to = _mm512_permutexvar_epi8(_mm512_load_si512(g->to_quote), t->quotes);
    *sz = _mm512_add_epi8(_mm512_sub_epi8(to, from), _mm512_load_si512(g->sz_distance));
    __m512i bytes = fetch(t, _mm512_add_epi8(from, _mm512_load_si512(g->from_distance)));
    __m512i place = _mm512_and_si512(_mm512_load_si512(iota), _mm512_set1_epi8(15));
    return _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(place, *sz), bytes);
}

/* The method of numeral_avx512.c. Values come in the even words; bytes of numbers of a form that it
   does not read are added to *bad. */
static inline __m512i convert(const tm_stencil_group_t *g, __m512i text, __m512i sz, __mmask64 *bad)
{
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi8(1);
    __mmask64 some = _mm512_test_epi8_mask(text, text);
    __m512i digit = _mm512_maskz_sub_epi8(some, text, _mm512_set1_epi8('0'));
    __mmask64 points = _mm512_mask_cmpeq_epi8_mask(g->decimals, text, _mm512_set1_epi8('.'));
    __m512i place1 = _mm512_and_si512(_mm512_load_si512(iota), _mm512_set1_epi8(15));
    __m512i after = _mm512_sad_epu8(_mm512_maskz_add_epi8(points, place1, one), zero);
    after = _mm512_add_epi64(after, _mm512_shuffle_epi32(after, 0x4e));
    after = _mm512_shuffle_epi8(after, zero);
    __mmask64 pointed = _mm512_test_epi8_mask(after, after);
    __m512i whole = _mm512_mask_sub_epi8(sz, pointed, after, one);
    __m512i fraction = _mm512_sub_epi8(sz, after);
    __m512i whole1 = _mm512_sub_epi8(whole, one);
    __m512i row = _mm512_shuffle_epi8(digit, _mm512_add_epi8(whole, _mm512_load_si512(g->shift)));
    __mmask64 wrong = _mm512_cmpgt_epu8_mask(row, _mm512_set1_epi8(9));
    wrong |= _mm512_cmpgt_epu8_mask(whole1, _mm512_load_si512(g->whole_max));
    wrong |= _mm512_mask_cmpgt_epu8_mask(pointed, _mm512_sub_epi8(fraction, one),
                                         _mm512_set1_epi8(7));
    wrong |= _mm512_mask_testn_epi8_mask(
        _mm512_test_epi8_mask(whole1, whole1) & 0x0001000100010001ull, digit, digit);
    *bad |= wrong & g->numbers;
    __m512i pairs = _mm512_maddubs_epi16(row, _mm512_set1_epi16(0x010a));
    __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00010064));
    fours = _mm512_packus_epi32(fours, fours);
    __m512i eights = _mm512_madd_epi16(fours, _mm512_set1_epi32(0x00012710));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, _mm512_set1_epi64(100000000)),
                            _mm512_srli_epi64(eights, 32));
}

/* Milliseconds or microseconds to nanoseconds, as tm_numeral_time_ns. */
static inline __m512i times_ns(__m512i value, __mmask8 times, uint32_t *bad)
{
    __mmask8 ms = _mm512_cmplt_epi64_mask(value, _mm512_set1_epi64(100000000000000));
    __m512i unit = _mm512_mask_mov_epi64(_mm512_set1_epi64(TM_NS_PER_US), ms,
                                         _mm512_set1_epi64(TM_NS_PER_MS));
    __m512i most = _mm512_mask_mov_epi64(_mm512_set1_epi64(INT64_MAX / TM_NS_PER_US), ms,
                                         _mm512_set1_epi64(INT64_MAX / TM_NS_PER_MS));
    *bad |= _mm512_mask_cmpgt_epi64_mask(times, value, most);
    return _mm512_mask_mullo_epi64(value, times, value, unit);
}

static inline uint32_t lane_mask(__mmask64 bytes, uint32_t lane)
{
    return (uint32_t)(bytes >> (16 * (lane & 3))) & 0xffff;
}

/* The declared and undeclared booleans: a lane must hold one of two words, and nothing else. */
static inline bool take_flags(const tm_stencil_t *s, const __m512i *text, tm_market_row_t *row)
{
    const __m512i yes = _mm512_broadcast_i32x4(_mm_cvtsi32_si128(0x65757274));    /* true */
    const __m512i no = _mm512_broadcast_i32x4(_mm_cvtsi64_si128(0x65736c6166ll)); /* false */
    bool fine = true;
    for (uint32_t i = 0; i < s->flag_cnt; i++) {
        uint32_t lane = s->flag_lanes[i];
        __m512i group = text[lane / 4];
        bool is_yes = lane_mask(_mm512_cmpeq_epi8_mask(group, yes), lane) == 0xffff;
        bool is_no = lane_mask(_mm512_cmpeq_epi8_mask(group, no), lane) == 0xffff;
        fine &= is_yes | is_no;
        if (s->flag_offs[i])
            ((uint8_t *)row)[s->flag_offs[i]] = is_yes ? TM_SIDE_SELL : TM_SIDE_BUY;
    }
    return fine;
}

static inline __m512i group(const text_t *t, const tm_stencil_group_t *g, lanes_t *l, uint32_t i,
                            __mmask64 *bad)
{
    l->text[i] = lanes(t, g, &l->sz[i]);
    return convert(g, l->text[i], l->sz[i], bad);
}

/* The symbol's text; names of more than 16 bytes are left to the other paths. */
static inline bool take_symbol(const tm_stencil_t *s, const lanes_t *l, tm_stencil_symbol_t *symbol)
{
    alignas(64) uint8_t text[64], sz[64];
    uint32_t lane = s->symbol_lane;
    if (lane == TM_STENCIL_LANE_NONE) {
        symbol->sz = 0;
        return true;
    }
    _mm512_store_si512(text, l->text[lane / 4]);
    _mm512_store_si512(sz, l->sz[lane / 4]);
    memcpy(symbol->text, text + 16 * (lane & 3), 16);
    symbol->sz = sz[16 * (lane & 3)];
    return symbol->sz - 1 < 16;
}

static inline bool take(const tm_stencil_t *s, const text_t *t, int64_t recv_ns,
                        tm_market_row_t *row, tm_stencil_symbol_t *symbol)
{
    lanes_t l;
    __mmask64 bad = 0;
    uint32_t bad_times = 0;
    __m512i low = group(t, &s->groups[0], &l, 0, &bad), high = low;
    if (s->group_cnt > 1) high = group(t, &s->groups[1], &l, 1, &bad);
    if (s->group_cnt > 2) (void)group(t, &s->groups[2], &l, 2, &bad);
    low = times_ns(low, s->times, &bad_times);
    __m512i blank = _mm512_mask_set1_epi64(_mm512_load_si512(&s->blank), 0x06, recv_ns);
    __m512i filled = _mm512_permutex2var_epi64(low, _mm512_load_si512(s->row_words), high);
    _mm512_store_si512(row, _mm512_mask_mov_epi64(blank, s->row_mask, filled));
    return (bad == 0) & (bad_times == 0) & take_symbol(s, &l, symbol) & take_flags(s, l.text, row);
}

const tm_stencil_t *tm_stencil_take_avx512(const tm_stencils_t *stencils, const uint8_t *bytes,
                                           uint32_t sz, int64_t recv_ns, tm_market_row_t *row,
                                           tm_stencil_symbol_t *symbol)
{
    text_t t = {.quotes = _mm512_setzero_si512()};
    uint32_t cnt = 0;
    uint64_t odd = load_part(&t, bytes, sz, 0, &cnt);
    t.part[1] = t.part[2] = t.part[3] = _mm512_setzero_si512();
    if (sz > 64) odd |= load_part(&t, bytes, sz, 1, &cnt);
    if (sz > 128) odd |= load_part(&t, bytes, sz, 2, &cnt);
    if (sz > 192) odd |= load_part(&t, bytes, sz, 3, &cnt);
    if (TM_UNLIKELY(odd != 0 || cnt > TM_STENCIL_QUOTE_MAX)) return NULL;
    t.quotes = _mm512_mask_set1_epi8(t.quotes, 1ull << (cnt + 1), (char)sz);
    for (uint32_t way = 0; way < TM_LAYOUT_WAYS; way++) {
        uint32_t idx = stencils->ways[cnt][way];
        if (idx == 0) break;
        const tm_stencil_t *s = &stencils->stencils[idx - 1];
        if (text_equal(&t, s)) return take(s, &t, recv_ns, row, symbol) ? s : NULL;
    }
    return NULL;
}
