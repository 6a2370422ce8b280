#include "parse/paths/stencil.h"
#include "parse/scan/vectors.h"

#include <immintrin.h>

/* What this kernel waits for are the permutations, one a cycle on Zen 4, and its own chain of
   dependences: a message hardly overlaps with the next one. So constants are loaded (the compiler
   would make them in general registers and broadcast them, on the same port), and nothing is
   carried from one part of the message to the next but the number of quotes. */

/* Truth tables of three operands: a|b|c, a|(b^c), a|(b&c), (a^b)&c. */
enum { OR_OF_3 = 0xfe, OR_OF_XOR = 0xf6, OR_OF_AND = 0xf8, AND_OF_XOR = 0x28 };

/* The message and its quotes in registers. */
typedef struct text {
    __m512i part[4]; /* bytes 0..255, blanks behind the end */
    __m512i sz;      /* in every byte */
    __m512i quotes;  /* offsets: 0, then those of the quotes, then the message's size */
} text_t;

static inline __m512i constant(uint32_t which)
{
    return _mm512_load_si512(tm_vectors[which]);
}

/* Loads 64 bytes and notes what is odd in them: backslashes in *slashes, control bytes and bytes
   above 0x7f in *least, where they leave something below a blank (as signed bytes). */
static inline uint64_t load_part(text_t *t, const uint8_t *bytes, uint32_t sz, uint32_t i,
                                 __m512i *least, __mmask64 *slashes)
{
    __mmask64 in = sz >= 64 * (i + 1) ? ~0ull : _bzhi_u64(~0ull, sz - 64 * i);
    __m512i part = _mm512_mask_loadu_epi8(constant(TM_VECTOR_BLANK), in, bytes + 64 * i);
    *least = i == 0 ? part : _mm512_min_epi8(*least, part);
    __mmask64 slash = _mm512_cmpeq_epi8_mask(part, constant(TM_VECTOR_SLASH));
    *slashes = i == 0 ? slash : _kor_mask64(*slashes, slash);
    t->part[i] = part;
    return _mm512_cmpeq_epi8_mask(part, constant(TM_VECTOR_QUOTE));
}

/* The offsets of the quotes of one part, moved up behind those of the parts before it. The shift is
   at most 63 where the number of quotes is in bounds; else the message is refused. */
static inline __m512i offsets(uint64_t quotes, uint32_t i, uint32_t before)
{
    __m512i packed = _mm512_maskz_compress_epi8(quotes, constant(TM_VECTOR_PLACES + i));
    return _mm512_maskz_expand_epi8(~0ull << ((before + 1) & 63), packed);
}

/* Returns the number of quotes, or UINT32_MAX where the message is odd or has too many. */
static inline uint32_t load(text_t *t, const uint8_t *bytes, uint32_t sz, bool wide)
{
    __m512i least;
    __mmask64 slashes;
    uint64_t q0 = load_part(t, bytes, sz, 0, &least, &slashes), q1 = 0, q2 = 0, q3 = 0;
    t->part[1] = t->part[2] = t->part[3] = constant(TM_VECTOR_BLANK);
    if (sz > 64) q1 = load_part(t, bytes, sz, 1, &least, &slashes);
    if (wide) q2 = load_part(t, bytes, sz, 2, &least, &slashes);
    if (wide && sz > 192) q3 = load_part(t, bytes, sz, 3, &least, &slashes);
    uint32_t c0 = (uint32_t)_mm_popcnt_u64(q0), c1 = c0 + (uint32_t)_mm_popcnt_u64(q1);
    t->quotes = _mm512_or_si512(offsets(q0, 0, 0), offsets(q1, 1, c0));
    uint32_t cnt = c1;
    if (wide) {
        uint32_t c2 = c1 + (uint32_t)_mm_popcnt_u64(q2);
        cnt = c2 + (uint32_t)_mm_popcnt_u64(q3);
        t->quotes = _mm512_or_si512(t->quotes, offsets(q2, 2, c1));
        if (sz > 192) t->quotes = _mm512_or_si512(t->quotes, offsets(q3, 3, c2));
    }
    __mmask64 odd = _mm512_cmplt_epi8_mask(least, constant(TM_VECTOR_BLANK));
    if (TM_UNLIKELY(!_kortestz_mask64_u8(odd, slashes) || cnt > TM_STENCIL_QUOTE_MAX))
        return UINT32_MAX;
    t->sz = _mm512_set1_epi8((char)sz);
    t->quotes = _mm512_mask_mov_epi8(t->quotes, 1ull << (cnt + 1), t->sz);
    return cnt;
}

/* The bytes at 64 places of the message. */
static inline __m512i fetch(const text_t *t, __m512i at, bool wide)
{
    __m512i low = _mm512_permutex2var_epi8(t->part[0], at, t->part[1]);
    if (!wide) return low;
    __m512i high = _mm512_permutex2var_epi8(t->part[2], at, t->part[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(at), high);
}

static inline bool text_equal(const text_t *t, const tm_stencil_t *s, bool wide)
{
    __m512i tail = _mm512_sub_epi8(t->sz, t->quotes);
    __m512i differ = _mm512_ternarylogic_epi64(tail, _mm512_load_si512(s->tail),
                                               _mm512_load_si512(s->tail_mask), AND_OF_XOR);
    for (uint32_t i = 0; i < s->text_cnt; i++) {
        const tm_stencil_text_t *x = &s->text[i];
        __m512i at = _mm512_permutexvar_epi8(_mm512_load_si512(x->quote), t->quotes);
        at = _mm512_add_epi8(at, _mm512_load_si512(x->distance));
        differ = _mm512_ternarylogic_epi64(differ, fetch(t, at, wide), _mm512_load_si512(x->bytes),
                                           OR_OF_XOR);
    }
    return _mm512_test_epi64_mask(differ, differ) == 0;
}

/* Four values: their text, zero behind each, and their sizes. */
typedef struct lanes {
    __m512i text, sz;
} lanes_t;

/* Reads four lanes by the method of numeral_avx512.c. Returns the numbers in the even words; *bad
   gets what is wrong with them. As at most 7 digits may stand before a point, it lies in the first
   half of its lane, or there is none. */
static inline __m512i read4(const text_t *t, const tm_stencil_group_t *g, lanes_t *l, __m512i *bad,
                            bool wide)
{
    const __m512i zero = _mm512_setzero_si512(), one = constant(TM_VECTOR_ONE);
    const __m512i place = constant(TM_VECTOR_LANE_PLACES);
    __m512i from = _mm512_permutexvar_epi8(_mm512_load_si512(g->from_quote), t->quotes);
    __m512i to = _mm512_permutexvar_epi8(_mm512_load_si512(g->to_quote), t->quotes);
    __m512i sz = _mm512_add_epi8(_mm512_sub_epi8(to, from), _mm512_load_si512(g->sz_distance));
    __m512i raw = fetch(t, _mm512_add_epi8(from, _mm512_load_si512(g->from_distance)), wide);
    __mmask64 inside = _mm512_cmplt_epu8_mask(place, sz);
    __mmask64 may_point = _mm512_mask_cmplt_epu8_mask(g->decimals, place, sz);
    __mmask64 points = _mm512_mask_cmpeq_epi8_mask(may_point, raw, constant(TM_VECTOR_POINT));
    __m512i digit = _mm512_maskz_sub_epi8(inside, raw, constant(TM_VECTOR_DIGIT_0));
    l->text = _mm512_maskz_mov_epi8(inside, raw);
    l->sz = sz;

    /* Offset behind the point, zero without one. */
    __m512i after = _mm512_sad_epu8(_mm512_maskz_add_epi8(points, place, one), zero);
    after = _mm512_shuffle_epi8(after, zero);
    __mmask64 pointed = _mm512_test_epi8_mask(after, after);
    __m512i whole1 = _mm512_sub_epi8(_mm512_mask_sub_epi8(sz, pointed, after, one), one);
    __m512i row = _mm512_shuffle_epi8(digit, _mm512_add_epi8(whole1, _mm512_load_si512(g->shift)));

    /* Nothing is left of what is in bounds when the bounds are taken away, saturating. */
    __m512i wrong = _mm512_or_si512(_mm512_subs_epu8(row, constant(TM_VECTOR_NINE)),
                                    _mm512_subs_epu8(whole1, _mm512_load_si512(g->whole_max)));
    __m512i fraction1 = _mm512_sub_epi8(_mm512_sub_epi8(sz, one), after);
    __m512i long_fraction = _mm512_maskz_subs_epu8(pointed, fraction1, constant(TM_VECTOR_SEVEN));
    __m512i leading_zero = _mm512_maskz_mov_epi8(
        _mm512_mask_testn_epi8_mask(0x0001000100010001ull, digit, digit), whole1);
    wrong = _mm512_ternarylogic_epi64(wrong, long_fraction, leading_zero, OR_OF_3);
    *bad = _mm512_ternarylogic_epi64(*bad, wrong, _mm512_load_si512(g->numbers), OR_OF_AND);

    __m512i pairs = _mm512_maddubs_epi16(row, constant(TM_VECTOR_TENS));
    __m512i fours = _mm512_madd_epi16(pairs, constant(TM_VECTOR_HUNDREDS));
    fours = _mm512_packus_epi32(fours, fours);
    __m512i eights = _mm512_madd_epi16(fours, constant(TM_VECTOR_MYRIADS));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, constant(TM_VECTOR_E8)),
                            _mm512_srli_epi64(eights, 32));
}

/* Milliseconds or microseconds to nanoseconds, as tm_numeral_time_ns. */
static inline __m512i times_ns(__m512i value, __mmask8 times, __mmask8 *bad)
{
    __mmask8 ms = _mm512_cmplt_epi64_mask(value, constant(TM_VECTOR_MS_BELOW));
    __m512i unit = _mm512_mask_mov_epi64(constant(TM_VECTOR_US), ms, constant(TM_VECTOR_MS));
    __m512i most = _mm512_mask_mov_epi64(constant(TM_VECTOR_US_MAX), ms,
                                         constant(TM_VECTOR_MS_MAX));
    *bad = _mm512_mask_cmpgt_epi64_mask(times, value, most);
    return _mm512_mask_mullo_epi64(value, times, value, unit);
}

/* Booleans: as the text is zero behind its end, the first word of the lane tells all. Returns the
   bits of lanes that are true; *fine where every lane of `flags` is one of the two. */
static inline uint32_t read_flags(uint32_t flags, __m512i text, bool *fine)
{
    uint32_t yes = _mm512_cmpeq_epi64_mask(text, constant(TM_VECTOR_TRUE));
    uint32_t no = _mm512_cmpeq_epi64_mask(text, constant(TM_VECTOR_FALSE));
    *fine &= ((yes | no) & flags) == flags;
    return yes;
}

static inline bool take(const tm_stencil_t *s, const text_t *t, int64_t recv_ns,
                        tm_stencil_taken_t *out, bool wide)
{
    lanes_t a, b = {_mm512_setzero_si512(), _mm512_setzero_si512()}, c;
    __m512i bad = _mm512_setzero_si512(), high = bad;
    __mmask8 bad_times = 0;
    bool fine = true;
    uint32_t yes = 0;
    __m512i low = read4(t, &s->groups[0], &a, &bad, wide);
    if (s->group_cnt > 1) high = read4(t, &s->groups[1], &b, &bad, wide);
    if (s->group_cnt > 2) {
        (void)read4(t, &s->groups[2], &c, &bad, wide);
        yes = read_flags(s->flags[2], c.text, &fine) << 16;
    }
    low = times_ns(low, s->times, &bad_times);
    yes |= read_flags(s->flags[0], a.text, &fine) | read_flags(s->flags[1], b.text, &fine) << 8;
    __m512i blank = _mm512_mask_set1_epi64(_mm512_load_si512(&s->blank), 0x06, recv_ns);
    __m512i filled = _mm512_permutex2var_epi64(low, _mm512_load_si512(s->row_words), high);
    _mm512_store_si512(out->row, _mm512_mask_mov_epi64(blank, s->row_mask, filled));
    if (s->flag_off) {
        ((uint8_t *)out->row)[s->flag_off] = yes >> s->flag_bit & 1 ? TM_SIDE_SELL : TM_SIDE_BUY;
    }
    out->symbol_sz = 0;
    if (s->has_symbol) {
        /* Always the last lane of the second group. */
        __m128i name = _mm512_extracti64x2_epi64(b.text, 3);
        out->symbol[0] = (uint64_t)_mm_cvtsi128_si64(name);
        out->symbol[1] = (uint64_t)_mm_extract_epi64(name, 1);
        out->symbol_sz = (uint8_t)_mm_extract_epi8(_mm512_extracti64x2_epi64(b.sz, 3), 0);
        fine &= out->symbol_sz - 1 < 16;
    }
    return ((_mm512_test_epi64_mask(bad, bad) | bad_times) == 0) & fine;
}

static inline const tm_stencil_t *run(const tm_stencils_t *stencils, const uint8_t *bytes,
                                      uint32_t sz, int64_t recv_ns, tm_stencil_taken_t *out,
                                      bool wide)
{
    text_t t;
    uint32_t cnt = load(&t, bytes, sz, wide);
    if (TM_UNLIKELY(cnt == UINT32_MAX)) return NULL;
    for (uint32_t way = 0; way < TM_LAYOUT_WAYS; way++) {
        uint32_t idx = stencils->ways[cnt][way];
        if (idx == 0) break;
        const tm_stencil_t *s = &stencils->stencils[idx - 1];
        if (text_equal(&t, s, wide)) return take(s, &t, recv_ns, out, wide) ? s : NULL;
    }
    return NULL;
}

const tm_stencil_t *tm_stencil_take_avx512(const tm_stencils_t *stencils, const uint8_t *bytes,
                                           uint32_t sz, int64_t recv_ns, tm_stencil_taken_t *out)
{
    if (sz > 128) return run(stencils, bytes, sz, recv_ns, out, true);
    return run(stencils, bytes, sz, recv_ns, out, false);
}
