/* parse_rows FILE... - prints what the parser makes of recorded messages, for a second opinion
   (tests/reference/parse_reference.py): one line a message, its rows field by field. Runs every
   instruction set, with and without the fast path, and fails where two of them differ. */
#include "base/check.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/schema.h"
#include "parse/parser.h"
#include "parse/scan/kernels.h"
#include "tests/parse/capture.h"

#include <inttypes.h>

enum { MODE_CNT = 6 };

typedef struct parse_mode {
    tm_parser_t *parser;
    tm_symbols_t *symbols;
    tm_counter_set_t *counters;
} parse_mode_t;

/* Mode 0 is what a user gets; its counters are printed. */
static void mode_open(parse_mode_t *m, uint32_t idx)
{
    TM_CHECK(tm_symbols_open(&m->symbols) == 0, "%s", tm_error_text());
    m->counters = tm_counter_set_new(idx == 0 ? "first" : "other");
    tm_parser_cfg_t cfg = {.symbols = m->symbols,
                           .counters = m->counters,
                           .kernels = tm_kernels_get((tm_isa_t)(TM_ISA_AVX512 - idx % 3)),
                           .any_order_only = idx >= 3};
    TM_CHECK(tm_parser_open(&m->parser, &cfg) == 0, "%s", tm_error_text());
}

static void print_field(const tm_symbols_t *symbols, const tm_market_row_t *r, const tm_field_t *f)
{
    const uint8_t *at = (const uint8_t *)r + f->off;
    char text[TM_SYMBOL_SZ_MAX + 1];
    const char *name;
    size_t sz;
    int64_t v;
    int32_t v32;
    tm_i128_t wide;
    switch ((int)f->type) {
    case TM_TYPE_SYMBOL:
        name = tm_symbols_name(symbols, r->row.symbol, &sz);
        memcpy(text, name, sz + 1);
        for (size_t i = 0; i < sz; i++)
            if ((uint8_t)text[i] < 0x20) text[i] = '?'; /* the lines must stay lines */
        printf(" %s", r->row.symbol == TM_SYMBOL_NONE ? "-" : text);
        break;
    case TM_TYPE_BOOL:
    case TM_TYPE_SIDE:
        printf(" %u", *at);
        break;
    case TM_TYPE_I32:
        memcpy(&v32, at, sizeof v32);
        printf(" %" PRId32, v32);
        break;
    case TM_TYPE_DECIMAL128:
        memcpy(&wide, at, sizeof wide);
        tm_decimal_format(text, wide, 0);
        printf(" %s", text);
        break;
    case TM_TYPE_U64:
        memcpy(&v, at, sizeof v);
        printf(" %" PRIu64, (uint64_t)v);
        break;
    default:
        memcpy(&v, at, sizeof v);
        printf(" %" PRId64, v);
        break;
    }
}

/* The schema's name and all fields in its order; absent ones are a dash. */
static void print_row(const tm_symbols_t *symbols, const tm_market_row_t *r)
{
    const tm_schema_t *s = tm_schema_market(r->row.schema_id);
    uint64_t nulls = 0;
    if (s->null_off) memcpy(&nulls, (const uint8_t *)r + s->null_off, sizeof nulls);
    printf("%s", s->name);
    for (uint32_t i = 0; i < s->field_cnt; i++) {
        const tm_field_t *f = &s->fields[i];
        if (f->nullable && (nulls >> f->null_bit & 1))
            printf(" -");
        else
            print_field(symbols, r, f);
    }
    printf("\n");
}

static void print_counter(void *ctx, const char *owner, const char *name, uint64_t value)
{
    (void)ctx;
    if (strcmp(owner, "first") == 0 && value > 0) printf("# %s %" PRIu64 "\n", name, value);
}

static uint64_t differ_cnt;

static void one(parse_mode_t *modes, const tm_frame_t *frame)
{
    static tm_market_row_t rows[MODE_CNT][TM_PARSER_ROW_MAX];
    uint32_t cnt = tm_parser_frame(modes[0].parser, frame, rows[0], TM_PARSER_ROW_MAX);
    for (uint32_t m = 1; m < MODE_CNT; m++) {
        uint32_t c = tm_parser_frame(modes[m].parser, frame, rows[m], TM_PARSER_ROW_MAX);
        if (c == cnt && memcmp(rows[m], rows[0], cnt * sizeof rows[0][0]) == 0) continue;
        if (differ_cnt++ < 10)
            fprintf(stderr, "mode %u differs: %.*s\n", m, (int)frame->sz, frame->data);
    }
    if (cnt == 0) printf("-\n");
    for (uint32_t i = 0; i < cnt; i += tm_market_lines(rows[0][i].row.schema_id))
        print_row(modes[0].symbols, &rows[0][i]);
}

int main(int argc, char **argv)
{
    parse_mode_t modes[MODE_CNT];
    for (uint32_t m = 0; m < MODE_CNT; m++) mode_open(&modes[m], m);
    for (int i = 1; i < argc; i++) {
        capture_t c;
        tm_frame_t frame;
        if (!capture_open(&c, argv[i])) {
            fprintf(stderr, "%s: cannot open\n", argv[i]);
            return 2;
        }
        while (capture_next(&c, &frame)) one(modes, &frame);
        capture_close(&c);
    }
    tm_counter_each(print_counter, NULL);
    for (uint32_t m = 0; m < MODE_CNT; m++) {
        if (m == 0) (void)tm_parser_dead_letters_write(modes[0].parser, stderr);
        tm_parser_close(modes[m].parser);
        tm_counter_set_free(modes[m].counters);
        tm_symbols_close(modes[m].symbols);
    }
    if (differ_cnt) fprintf(stderr, "%" PRIu64 " messages differ between modes\n", differ_cnt);
    return differ_cnt != 0;
}
