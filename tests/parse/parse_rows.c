/* parse_rows FILE... - prints what the parser makes of recorded messages, for a second opinion
   (tests/reference/parse_reference.py): one line a message, its rows field by field. Runs every
   instruction set, with and without the fast path, and fails where two of them differ. */
#include "base/check.h"
#include "base/error.h"
#include "parse/kernels.h"
#include "parse/parser.h"
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

static void print_row(const tm_symbols_t *symbols, const tm_market_row_t *r)
{
    char symbol[TM_SYMBOL_SZ_MAX + 1] = "";
    size_t sz;
    memcpy(symbol, tm_symbols_name(symbols, r->row.symbol, &sz), sizeof symbol);
    for (size_t i = 0; i < sz; i++)
        if ((uint8_t)symbol[i] < 0x20) symbol[i] = '?'; /* the lines must stay lines */
    if (r->row.schema_id == TM_SCHEMA_ID_TRADE) {
        const tm_trade_t *t = &r->trade;
        printf("T %s %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %u\n",
               symbol, t->row.event_ns, t->row.recv_ns, t->trade_id, t->price_e8, t->qty_e8,
               t->publish_ns, t->side);
    } else {
        const tm_quote_t *q = &r->quote;
        printf("Q %s %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64
               " %" PRId64 "\n",
               symbol, q->row.event_ns, q->row.recv_ns, q->update_id, q->bid_px_e8, q->bid_qty_e8,
               q->ask_px_e8, q->ask_qty_e8);
    }
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
    for (uint32_t i = 0; i < cnt; i++) print_row(modes[0].symbols, &rows[0][i]);
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
