/* Runs of levels of all forms, read by every instruction set, against the exact reader of numbers
   called for one value after another. */
#include "parse/paths/level_run.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEVEL_MAX = 40, TEXT_MAX = 4096 };

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

static void seed_take(void)
{
    const char *given = getenv("TM_SEED");
    seed = given ? strtoull(given, NULL, 10) : 20240808;
    fprintf(stderr, "# seed %llu\n", seed + 0ull);
}

/* Text of a number, most often of a common form, now and then of one that is none. */
static uint32_t number(char *out, uint32_t rare)
{
    static const char *const forms[] = {"-1.5", "1e2",  "",     ".5",  "1.",         "1.2.3",
                                        "1a",   "00.1", "0001", "1,5", "1E-9",       "9999999999.9",
                                        "x",    "+1",   " 1",   "1 ",  "1.123456789"};
    if (draw(rare) == 0) {
        const char *form = forms[draw(TM_ARRAY_CNT(forms))];
        memcpy(out, form, strlen(form));
        return (uint32_t)strlen(form);
    }
    uint32_t n = 0, whole = 1 + draw(draw(rare) ? 9 : 12), fraction = draw(draw(rare) ? 9 : 12);
    for (uint32_t i = 0; i < whole; i++) out[n++] = (char)('0' + draw(10));
    if (fraction > 0) out[n++] = '.';
    for (uint32_t i = 0; i < fraction; i++) out[n++] = (char)('0' + draw(i < 8 ? 10 : 2));
    return n;
}

/* Levels of so many strings and the place of each string. */
typedef struct text {
    char bytes[TEXT_MAX];
    uint32_t sz, level_cnt, string_cnt; /* strings a level */
    uint16_t from[LEVEL_MAX][TM_LEVEL_RUN_STRING_MAX], sizes[LEVEL_MAX][TM_LEVEL_RUN_STRING_MAX];
} text_t;

static void text_make(text_t *t, uint32_t string_cnt)
{
    uint32_t rare = 5 + draw(500);
    t->sz = 0;
    t->level_cnt = 1 + draw(LEVEL_MAX);
    t->string_cnt = string_cnt;
    for (uint32_t i = 0; i < t->level_cnt; i++) {
        t->bytes[t->sz++] = i ? ',' : '[';
        t->bytes[t->sz++] = '[';
        for (uint32_t k = 0; k < string_cnt; k++) {
            if (k) t->bytes[t->sz++] = ',';
            t->bytes[t->sz++] = '"';
            t->from[i][k] = (uint16_t)t->sz;
            if (k == 3)
                t->sz += (uint32_t)snprintf(t->bytes + t->sz, 12, "%u", draw(1u << draw(31)));
            else
                t->sz += number(t->bytes + t->sz, rare);
            t->sizes[i][k] = (uint16_t)(t->sz - t->from[i][k]);
            t->bytes[t->sz++] = '"';
        }
        t->bytes[t->sz++] = ']';
    }
    t->bytes[t->sz++] = ']';
}

/* What the exact reader says of string k of level i. */
static tm_reason_t exact(const text_t *t, uint32_t i, uint32_t k, uint32_t scale, int64_t *out)
{
    tm_numeral_t n;
    const uint8_t *text = (const uint8_t *)t->bytes + t->from[i][k];
    tm_reason_t reason = tm_numeral_read(text, t->sizes[i][k], scale, false, &n);
    return reason ? reason : tm_numeral_decimal(&n, out);
}

/* Compares all levels; returns whether all of them had numbers. */
static bool run_is_exact(const text_t *t, const tm_kernels_t *kernels, const tm_frame_t *f,
                         const tm_venue_levels_t *decl)
{
    static uint16_t at[TM_SCAN_QUOTE_MAX];
    static alignas(64) tm_market_row_t rows[LEVEL_MAX], blank;
    tm_scan_t scan = {0};
    uint32_t cnt = kernels->quotes(f->data, f->sz, &scan, at);
    tm_level_run_t run;
    tm_level_run_find(f->data, at, cnt, 1, f->sz, &run);
    tm_assert_eq(run.cnt, t->level_cnt);
    tm_assert_eq(run.stride, 2 * t->string_cnt);
    tm_assert_eq(tm_level_run_end(&run), t->sz - 1);
    tm_assert(tm_level_run_suits(decl, run.stride));
    blank.level = (tm_level_t){.side = TM_SIDE_BUY, .first_id = 7};
    tm_level_rows_t out = {.blank = &blank, .rows = rows};
    tm_reason_t got = tm_level_run_read(kernels, decl, &run, &out);
    for (uint32_t i = 0; i < t->level_cnt; i++) {
        int64_t values[3] = {0};
        tm_reason_t want = TM_REASON_NONE;
        for (uint32_t k = 0; k < 2 + (decl->order_at > 0) && !want; k++) {
            bool count = k == 2;
            want = exact(t, i, count ? decl->order_at : k, count ? 0 : TM_NUMERAL_SCALE,
                         &values[k]);
            if (want && got) tm_assert_eq(out.bad_off, t->from[i][count ? decl->order_at : k]);
        }
        if (want) {
            tm_assert_eq((int)got, (int)want);
            return false;
        }
        tm_level_t row = blank.level;
        row.price_e8 = values[0];
        row.qty_e8 = values[1];
        row.order_cnt = (int32_t)values[2];
        if (!got) tm_assert_eq(memcmp(&rows[i].level, &row, sizeof row), 0);
    }
    tm_assert_eq((int)got, (int)TM_REASON_NONE);
    return true;
}

static void runs_are_exact(uint32_t string_cnt, const tm_venue_levels_t *decl)
{
    static text_t t;
    exact_t e;
    uint32_t fine = 0, rounds = 3000;
    seed_take();
    exact_open(&e);
    for (uint32_t round = 0; round < rounds; round++) {
        text_make(&t, string_cnt);
        tm_frame_t f = exact_at_end(&e, t.bytes, t.sz, '7');
        for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++)
            fine += run_is_exact(&t, tm_kernels_get((tm_isa_t)isa), &f, decl);
    }
    exact_close(&e);
    /* Both outcomes must have been seen often, or the test tests nothing. */
    tm_assert(fine > rounds / 4 && fine < 3 * rounds - rounds / 4);
}

Test(levels, runs_of_pairs_are_read_as_one_value_after_another)
{
    runs_are_exact(2, &(tm_venue_levels_t){.side = TM_SIDE_BUY});
}

Test(levels, runs_with_more_strings_a_level_are_read_as_one_value_after_another)
{
    runs_are_exact(3, &(tm_venue_levels_t){.side = TM_SIDE_BUY});
    runs_are_exact(4, &(tm_venue_levels_t){.side = TM_SIDE_BUY, .order_at = 3});
}

Test(levels, a_run_ends_where_a_level_has_another_form)
{
    static const struct {
        const char *text;
        uint32_t cnt, stride;
    } cases[] = {
        {"[[\"1\",\"2\"],[\"3\",\"4\"],[\"5\"]]", 2, 4},
        {"[[\"1\",\"2\"],[\"3\",\"4\",\"5\"]]", 1, 4},
        {"[[\"1\",\"2\"],[],[\"3\",\"4\"]]", 1, 4},
        {"[[\"1\",\"2\"] ,[\"3\",\"4\"]]", 1, 4},
        {"[[\"1\", \"2\"],[\"3\",\"4\"]]", 0, 0},
        {"[[\"1\":\"2\"]]", 0, 0},
        {"[[\"1\",\"2\"", 0, 0},
        {"[[\"1\",\"2\"]", 1, 4},
        {"[[\"1\",\"2\",\"3\"],[\"1\",\"2\",\"3\"],[\"1\",\"2\"]]", 2, 6},
        {"[[\"1\",\"2\",\"3\"],[\"1\",\"2\";\"3\"]]", 1, 6},
        {"[[7,\"2\"]]", 0, 0},
    };
    exact_t e;
    exact_open(&e);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        uint16_t at[TM_SCAN_QUOTE_MAX];
        tm_scan_t scan = {0};
        tm_frame_t f = exact_at_end(&e, cases[i].text, strlen(cases[i].text), ']');
        uint32_t cnt = tm_quotes_scalar(f.data, f.sz, &scan, at);
        tm_level_run_t run;
        tm_level_run_find(f.data, at, cnt, 1, f.sz, &run);
        tm_assert_eq(run.cnt, cases[i].cnt);
        if (run.cnt) tm_assert_eq(run.stride, cases[i].stride);
    }
    exact_close(&e);
}
