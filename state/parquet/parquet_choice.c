#include "state/parquet/parquet_choice.h"

#include "base/error.h"

/* The first values of two pages are tried. What saves less than one part in PAYS_MIN is not worth
   its time to whoever reads; a choice is looked at again after CHOICE_CHUNKS chunks. */
enum { SAMPLE_CNT = 8192, PAYS_MIN = 16, CHOICE_CHUNKS = 32 };

/* Ways to compress a page, and their time in 1/100 ns a byte: measured on pages of packed prices
   and times, where they differ by less than a third. */
typedef struct method {
    tm_parquet_codec_t codec;
    bool bytes;
    uint32_t time;
} method_t;

enum { METHOD_NONE, METHOD_BYTES, METHOD_LZ4, METHOD_SEARCH, METHOD_CNT };

static const method_t methods[METHOD_CNT] = {
    [METHOD_NONE] = {TM_PARQUET_CODEC_NONE, false, 0},
    [METHOD_BYTES] = {TM_PARQUET_CODEC_ZSTD, true, 115},
    [METHOD_LZ4] = {TM_PARQUET_CODEC_LZ4_RAW, false, 150},
    [METHOD_SEARCH] = {TM_PARQUET_CODEC_ZSTD, false, 310},
};

/* Of telling that records start alike (state/zstd_records.h) a byte, of numbering a value. */
enum { RECORDS_TIME = 10, NUMBER_TIME = 450 };

/* What the methods do to the samples. */
typedef struct trial {
    size_t raw_sz, packed_sz[METHOD_CNT];
} trial_t;

/* The best way so far. */
typedef struct best {
    uint64_t cost;
    size_t raw_sz; /* without compression, in the form that came first */
    tm_parquet_choice_t choice;
} best_t;

static bool may(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src, int method)
{
    const tm_compression_t asked = c->compression;
    const bool mixed = asked == TM_COMPRESS_MIXED;
    const bool quick = c->codec->level == 1 && src->col->type != TM_PARQUET_FIXED;
    if (methods[method].codec == TM_PARQUET_CODEC_NONE) return true;
    if (methods[method].codec == TM_PARQUET_CODEC_LZ4_RAW)
        return asked == TM_COMPRESS_LZ4 || (mixed && quick);
    return (asked == TM_COMPRESS_ZSTD || mixed) && (quick || !methods[method].bytes);
}

/* The pages that are tried: one or two. */
static uint32_t picks(const tm_parquet_chunker_t *c, uint32_t pick[2])
{
    pick[0] = c->page_cnt / 4;
    pick[1] = c->page_cnt * 3 / 4;
    return pick[0] == pick[1] ? 1 : 2;
}

/* What is in c->raw, by all methods. */
static int pack_trial(tm_parquet_chunker_t *c, const tm_parquet_src_t *src, trial_t *trial)
{
    for (int m = 0; m < METHOD_CNT; m++) {
        if (!may(c, src, m)) continue;
        const tm_parquet_codec_t codec = methods[m].codec;
        tm_buffer_clear(&c->temp);
        TM_TRY(tm_buffer_reserve(&c->temp, tm_codec_bound(codec, c->raw.sz)));
        c->codec->bytes = methods[m].bytes;
        trial->packed_sz[m] += tm_codec_compress(c->codec, codec, c->temp.data, c->raw.data,
                                                 c->raw.sz);
    }
    trial->raw_sz += c->raw.sz;
    return 0;
}

static int try_form(tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                    const tm_parquet_form_t *form, trial_t *trial)
{
    uint32_t pick[2], cnt = picks(c, pick);
    *trial = (trial_t){0};
    for (uint32_t i = 0; i < cnt; i++) {
        tm_buffer_clear(&c->raw);
        TM_TRY(tm_parquet_page_sample(src, &c->pages[pick[i]], SAMPLE_CNT, form, &c->raw));
        TM_TRY(pack_trial(c, src, trial));
    }
    return 0;
}

static bool pays(size_t sz, size_t instead_of_sz)
{
    return sz < instead_of_sz - instead_of_sz / PAYS_MIN;
}

/* Times count at level 1 only: whoever asks for more wants what is smallest. */
static uint64_t cost_of(const tm_parquet_chunker_t *c, size_t sz, uint64_t time)
{
    return c->codec->level == 1 ? (uint64_t)sz * c->byte_ns * 100 + time : sz;
}

/* Takes the methods of a trial into account; `time` and `more_sz` come on top of each. */
static void weigh(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src, const trial_t *trial,
                  uint64_t time, const tm_parquet_choice_t *form, best_t *best)
{
    for (int m = 0; m < METHOD_CNT; m++) {
        if (!may(c, src, m)) continue;
        const size_t sz = trial->packed_sz[m];
        const uint32_t byte_time = c->codec->wide && m > 0 ? RECORDS_TIME : methods[m].time;
        const uint64_t cost = cost_of(c, sz, time + (uint64_t)trial->raw_sz * byte_time);
        const bool first = best->raw_sz == 0;
        if (first) best->raw_sz = sz;
        if (!first && (cost >= best->cost || !pays(sz, best->raw_sz))) continue;
        best->cost = cost;
        best->choice = *form;
        best->choice.codec = methods[m].codec;
        best->choice.bytes = methods[m].bytes;
    }
}

static uint32_t there_cnt(const tm_parquet_page_t *page)
{
    return page->cnt - page->null_cnt;
}

/* Numbers all values of the chunk; false where too many of them are distinct. */
static bool number_values(tm_parquet_chunker_t *c, const tm_parquet_src_t *src)
{
    const uint32_t limit = src->cnt / 2;
    const uint32_t max = limit < TM_VALUE_DICT_MAX ? limit : TM_VALUE_DICT_MAX;
    tm_value_dict_clear(&c->dict);
    for (uint32_t i = 0; i < c->page_cnt; i++) {
        const tm_parquet_page_t *page = &c->pages[i];
        if (!tm_value_dict_add(&c->dict, page->values, there_cnt(page), max, c->idx + page->first))
            return false;
    }
    return c->dict.cnt > 0;
}

/* Whether a third of the samples' values occurred before: else numbering is not even tried. */
static bool repeats(tm_parquet_chunker_t *c)
{
    uint32_t pick[2], cnt = picks(c, pick), all = 0;
    tm_value_dict_clear(&c->dict);
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_parquet_page_t *page = &c->pages[pick[i]];
        uint32_t some = there_cnt(page) < SAMPLE_CNT ? there_cnt(page) : SAMPLE_CNT;
        (void)tm_value_dict_add(&c->dict, page->values, some, TM_VALUE_DICT_MAX,
                                c->idx + page->first);
        all += some;
    }
    return c->dict.cnt <= all - all / 3;
}

/* Numbers and their dictionary. The dictionary is there once, the samples stand for all rows. */
static int try_numbers(tm_parquet_chunker_t *c, const tm_parquet_src_t *src, best_t *best)
{
    trial_t numbers, dict = {0};
    uint32_t pick[2], cnt = picks(c, pick), sample_cnt = 0;
    if (!repeats(c) || !number_values(c, src)) return 0;
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t some = there_cnt(&c->pages[pick[i]]);
        sample_cnt += some < SAMPLE_CNT ? some : SAMPLE_CNT;
    }
    const tm_parquet_form_t form = {.idx = c->idx, .dict_cnt = c->dict.cnt};
    TM_TRY(try_form(c, src, &form, &numbers));
    tm_buffer_clear(&c->raw);
    TM_TRY(tm_buffer_append(&c->raw, c->dict.values, (size_t)c->dict.cnt * 8));
    TM_TRY(pack_trial(c, src, &dict));
    numbers.raw_sz += (size_t)((uint64_t)dict.raw_sz * sample_cnt / src->cnt);
    for (int m = 0; m < METHOD_CNT; m++)
        numbers.packed_sz[m] += (size_t)((uint64_t)dict.packed_sz[m] * sample_cnt / src->cnt);
    weigh(c, src, &numbers, (uint64_t)sample_cnt * NUMBER_TIME,
          &(tm_parquet_choice_t){.number = true}, best);
    return 0;
}

static int choose(tm_parquet_chunker_t *c, const tm_parquet_src_t *src, tm_parquet_choice_t *choice)
{
    tm_parquet_form_t form = {0};
    trial_t trial;
    best_t best = {0};
    TM_TRY(try_form(c, src, &form, &trial));
    weigh(c, src, &trial, 0, &(tm_parquet_choice_t){0}, &best);
    const bool delta = tm_parquet_page_encoding(src, &form) == TM_PARQUET_DELTA_BINARY_PACKED;
    if (delta && c->compression != TM_COMPRESS_NONE) {
        form.whole_bytes = true;
        TM_TRY(try_form(c, src, &form, &trial));
        weigh(c, src, &trial, 0, &(tm_parquet_choice_t){.whole_bytes = true}, &best);
    }
    if (delta && src->col->type == TM_PARQUET_INT64) TM_TRY(try_numbers(c, src, &best));
    *choice = best.choice;
    choice->left_cnt = CHOICE_CHUNKS;
    return 0;
}

int tm_parquet_choice_form(tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                           tm_parquet_choice_t *choice, tm_parquet_form_t *form)
{
    if (choice->left_cnt == 0) TM_TRY(choose(c, src, choice));
    choice->left_cnt--;
    bool number = choice->number;
    if (number && !number_values(c, src)) { /* values have changed: look again next time */
        number = false;
        choice->left_cnt = 0;
    }
    *form = (tm_parquet_form_t){
        .codec = choice->codec,
        .bytes = choice->bytes,
        .whole_bytes = choice->whole_bytes,
        .idx = number ? c->idx : NULL,
        .dict_cnt = number ? c->dict.cnt : 0,
    };
    return 0;
}
