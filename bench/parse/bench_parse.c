/* What one message costs, called as it comes out of a WebSocket: generated trades and book tickers,
   raw and wrapped, and recorded feeds. Ours on every instruction set, ours without the fast path
   and simdjson take turns; all must extract the same values. The scan for quotes alone is told
   beside them, as the floor. */
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "bench/bench.h"
#include "bench/parse/parse_peer.h"
#include "net/replay.h"
#include "parse/kernels.h"
#include "parse/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 1 << 17, GENERATED_CNT = 4096, RECORDED_CNT = 8192, ROUND_MESSAGES = 4096 };

typedef struct corpus {
    char *text;
    size_t used_sz;
    uint32_t cnt;
    tm_frame_t frames[MESSAGE_MAX];
} corpus_t;

typedef struct side {
    const corpus_t *corpus;
    tm_parser_t *parser;
    tm_symbols_t *symbols;
    tm_counter_set_t *counters;
    uint64_t sum;
} side_t;

static corpus_t corpus;
static uint64_t seed = 20240808;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
}

static void add(const char *text, size_t sz)
{
    tm_frame_t *f = &corpus.frames[corpus.cnt++];
    char *to = corpus.text + corpus.used_sz;
    memcpy(to, text, sz);
    memset(to + sz, 0, TM_FRAME_PAD);
    *f = (tm_frame_t){.data = (uint8_t *)to, .sz = (uint32_t)sz, .recv_ns = 1};
    corpus.used_sz += sz + TM_FRAME_PAD;
}

static const char *const names[] = {"BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT", "BNBBTC"};

/* Messages with values of the lengths that real ones have. */
static void generate(const char *form)
{
    corpus.used_sz = corpus.cnt = 0;
    uint64_t id = 3735683259, ms = 1723161255343;
    for (uint32_t i = 0; i < GENERATED_CNT; i++) {
        char p[32], q[32], p2[32], q2[32], text[512];
        uint64_t cents = 6000000 + draw(500000), lots = draw(4) ? draw(100000) : draw(100000000);
        snprintf(p, sizeof p, "%llu.%02llu000000", cents / 100ull, cents % 100ull);
        snprintf(p2, sizeof p2, "%llu.%02llu000000", cents / 100ull, cents % 100ull);
        snprintf(q, sizeof q, "%llu.%05llu000", lots / 100000ull, lots % 100000ull);
        snprintf(q2, sizeof q2, "%llu.%05llu000", draw(20) + 0ull, draw(100000) + 0ull);
        const char *s = names[draw(TM_ARRAY_CNT(names))], *flag = draw(2) ? "true" : "false";
        ms += draw(40);
        id++;
        int n = 0;
        if (strcmp(form, "trade") == 0) {
            n = snprintf(text, sizeof text,
                         "{\"e\":\"trade\",\"E\":%llu,\"s\":\"%s\",\"t\":%llu,\"p\":\"%s\",\"q\":"
                         "\"%s\",\"T\":%llu,\"m\":%s,\"M\":true}",
                         ms + 1ull, s, id + 0ull, p, q, ms + 0ull, flag);
        } else if (strcmp(form, "bookTicker") == 0) {
            n = snprintf(text, sizeof text,
                         "{\"u\":%llu,\"s\":\"%s\",\"b\":\"%s\",\"B\":\"%s\",\"a\":\"%s\",\"A\":"
                         "\"%s\"}",
                         id + 0ull, s, p, q, p2, q2);
        } else if (strcmp(form, "wrapped trade") == 0) {
            n = snprintf(
                text, sizeof text,
                "{\"stream\":\"%s@trade\",\"data\":{\"e\":\"trade\",\"E\":%llu,\"s\":\"%s\","
                "\"t\":%llu,\"p\":\"%s\",\"q\":\"%s\",\"T\":%llu,\"m\":%s,\"M\":true}}",
                s, ms + 1ull, s, id + 0ull, p, q, ms + 0ull, flag);
        } else {
            n = snprintf(text, sizeof text,
                         "{\"e\":\"bookTicker\",\"u\":%llu,\"s\":\"%s\",\"b\":\"%s\",\"B\":\"%s\","
                         "\"a\":\"%s\",\"A\":\"%s\",\"T\":%llu,\"E\":%llu}",
                         id + 0ull, s, p, q, p2, q2, ms + 0ull, ms + 1ull);
        }
        add(text, (size_t)n);
    }
}

/* The first messages of a recorded feed of $TM_SHARED/captures; false where there is none. */
static bool record(const char *name)
{
    const char *shared = getenv("TM_SHARED");
    char path[600];
    tm_source_t *source;
    tm_frame_t frames[64];
    tm_counter_set_t *counters = tm_counter_set_new("replay");
    snprintf(path, sizeof path, "%s/captures/%s", shared ? shared : "../shared", name);
    tm_replay_cfg_t cfg = {.path = path, .counters = counters};
    corpus.used_sz = corpus.cnt = 0;
    if (tm_replay_open(&source, &cfg) < 0) {
        printf("%s: %s: left out\n", name, tm_error_text());
        tm_counter_set_free(counters);
        return false;
    }
    int n = 0;
    while (n >= 0 && corpus.cnt < RECORDED_CNT) {
        n = tm_source_poll(source, frames, TM_ARRAY_CNT(frames), 0);
        for (int i = 0; i < n; i++) add((const char *)frames[i].data, frames[i].sz);
    }
    tm_source_close(source);
    tm_counter_set_free(counters);
    return corpus.cnt > 0;
}

/* Bids and asks around a price, twenty levels each. */
static int generate_levels(char *to, size_t room, uint64_t cents, bool bids)
{
    int n = 0;
    for (uint32_t i = 0; i < 20; i++) {
        cents = bids ? cents - draw(300) : cents + draw(300);
        uint64_t lots = draw(4) ? draw(1000000) : 0;
        n += snprintf(to + n, room - (size_t)n, "%s[\"%llu.%02llu000000\",\"%llu.%05llu000\"]",
                      i ? "," : "", cents / 100ull, cents % 100ull, lots / 100000ull,
                      lots % 100000ull);
    }
    return n;
}

/* Changes of a book, as @depth@100ms sends them. */
static void generate_depth(void)
{
    corpus.used_sz = corpus.cnt = 0;
    uint64_t id = 50093239189, ms = 1723161255343;
    for (uint32_t i = 0; i < GENERATED_CNT / 4; i++) {
        char text[4096];
        uint64_t cents = 6000000 + draw(500000);
        ms += 100;
        int n = snprintf(
            text, sizeof text,
            "{\"e\":\"depthUpdate\",\"E\":%llu,\"s\":\"BTCUSDT\",\"U\":%llu,\"u\":%llu,"
            "\"b\":[",
            ms + 0ull, id + 1ull, id + 40ull);
        n += generate_levels(text + n, sizeof text - (size_t)n, cents, true);
        n += snprintf(text + n, sizeof text - (size_t)n, "],\"a\":[");
        n += generate_levels(text + n, sizeof text - (size_t)n, cents + 1, false);
        n += snprintf(text + n, sizeof text - (size_t)n, "]}");
        id += 40;
        add(text, (size_t)n);
    }
}

static uint64_t row_sum(const tm_market_row_t *r)
{
    if (r->row.schema_id == TM_SCHEMA_ID_LEVEL)
        return ((uint64_t)r->level.price_e8 + (uint64_t)r->level.qty_e8) * r->level.side;
    if (r->row.schema_id == TM_SCHEMA_ID_DEPTH)
        return r->row.symbol + r->depth.first_id + r->depth.last_id +
               (r->row.event_ns == 1 ? 0 : (uint64_t)r->row.event_ns);
    if (r->row.schema_id > TM_SCHEMA_ID_LEVEL) return 0; /* rare, and not in these feeds */
    if (r->row.schema_id == TM_SCHEMA_ID_TRADE) {
        const tm_trade_t *t = &r->trade;
        return (uint64_t)t->publish_ns + t->row.symbol + t->trade_id + (uint64_t)t->price_e8 +
               (uint64_t)t->qty_e8 + (uint64_t)t->row.event_ns + t->side;
    }
    const tm_quote_t *q = &r->quote;
    uint64_t sum = q->row.symbol + q->update_id + (uint64_t)q->bid_px_e8 + (uint64_t)q->bid_qty_e8 +
                   (uint64_t)q->ask_px_e8 + (uint64_t)q->ask_qty_e8;
    return q->row.event_ns == 1 ? sum : sum + (uint64_t)q->row.event_ns;
}

static uint32_t rounds_of(const corpus_t *c)
{
    return c->cnt >= ROUND_MESSAGES ? 1 : ROUND_MESSAGES / c->cnt;
}

static double per_message(const corpus_t *c, double start)
{
    return (tm_bench_now() - start) * 1e9 / ((double)c->cnt * rounds_of(c));
}

static double run_ours(void *ctx)
{
    static tm_market_row_t rows[TM_PARSER_ROW_MAX];
    side_t *s = ctx;
    const corpus_t *c = s->corpus;
    uint64_t sum = 0;
    double start = tm_bench_now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        sum = 0;
        for (uint32_t i = 0; i < c->cnt; i++) {
            uint32_t n = tm_parser_frame(s->parser, &c->frames[i], rows, TM_PARSER_ROW_MAX);
            for (uint32_t r = 0; r < n; r += tm_market_lines(rows[r].row.schema_id))
                sum += row_sum(&rows[r]);
        }
    }
    s->sum = sum;
    return per_message(c, start);
}

#ifdef TM_HAVE_SIMDJSON
static double run_simdjson(void *ctx)
{
    side_t *s = ctx;
    const corpus_t *c = s->corpus;
    uint64_t sum = 0;
    double start = tm_bench_now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        sum = 0;
        for (uint32_t i = 0; i < c->cnt; i++) {
            const tm_frame_t *f = &c->frames[i];
            sum += tm_peer_simdjson((const char *)f->data, f->sz, f->sz + TM_FRAME_PAD);
        }
    }
    s->sum = sum;
    return per_message(c, start);
}
#endif

static double run_scan(void *ctx)
{
    side_t *s = ctx;
    static uint16_t at[TM_SCAN_QUOTE_MAX];
    const corpus_t *c = s->corpus;
    const tm_kernels_t *k = tm_kernels_get(TM_ISA_AVX512);
    double start = tm_bench_now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        for (uint32_t i = 0; i < c->cnt; i++) {
            tm_scan_t scan = {0};
            uint32_t sz = c->frames[i].sz < TM_SCAN_WINDOW ? c->frames[i].sz : TM_SCAN_WINDOW;
            tm_bench_keep(k->quotes(c->frames[i].data, sz, &scan, at));
        }
    }
    return per_message(c, start);
}

/* Opens ours on one instruction set, as the best that this machine has at or below it. */
static void side_open(side_t *s, tm_isa_t isa, bool any_order_only)
{
    TM_CHECK(tm_symbols_open(&s->symbols) == 0, "%s", tm_error_text());
    s->counters = tm_counter_set_new("bench");
    tm_parser_cfg_t cfg = {.symbols = s->symbols,
                           .counters = s->counters,
                           .kernels = tm_kernels_get(isa),
                           .any_order_only = any_order_only};
    TM_CHECK(tm_parser_open(&s->parser, &cfg) == 0, "%s", tm_error_text());
    s->corpus = &corpus;
}

static void side_close(side_t *s)
{
    tm_parser_close(s->parser);
    tm_counter_set_free(s->counters);
    tm_symbols_close(s->symbols);
}

static void run_case(tm_bench_t *bench, const char *name)
{
    side_t sides[5] = {0};
    tm_bench_case_t c = {.name = name, .unit = "ns/message", .lower_is_better = true};
    static const char *const ours[] = {"tidemark", "tidemark avx2", "tidemark scalar",
                                       "tidemark any order"};
    for (uint32_t i = 0; i < 4; i++) {
        side_open(&sides[i], (tm_isa_t)(TM_ISA_AVX512 - i % 3), i == 3);
        c.variants[c.variant_cnt++] = (tm_bench_variant_t){ours[i], run_ours, &sides[i]};
    }
#ifdef TM_HAVE_SIMDJSON
    tm_peer_simdjson_reset();
    sides[4].corpus = &corpus;
    c.variants[c.variant_cnt++] = (tm_bench_variant_t){tm_peer_simdjson_name(), run_simdjson,
                                                       &sides[4]};
#endif
    tm_bench_run(bench, &c);
    for (uint32_t i = 1; i < c.variant_cnt; i++)
        TM_CHECK(sides[i].sum == sides[0].sum, "%s: %s extracts other values", name,
                 c.variants[i].name);
    for (uint32_t i = 0; i < 4; i++) side_close(&sides[i]);
    char scan[80];
    double values[11];
    side_t alone = {.corpus = &corpus};
    snprintf(scan, sizeof scan, "%s, quotes alone", name);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(values); i++) values[i] = run_scan(&alone);
    tm_bench_report(bench, scan, "ns/message", values, TM_ARRAY_CNT(values));
}

int main(int argc, char **argv)
{
    static const char *const forms[] = {"trade", "bookTicker", "wrapped trade", "usdm bookTicker",
                                        "depth 20+20"};
    static const char *const files[] = {"spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz",
                                        "cm_btcusd_perp_20240808.gz"};
    tm_bench_t *bench = tm_bench_open("parse", argc, argv);
    corpus.text = malloc(256u << 20);
    TM_CHECK(corpus.text, "no memory for the messages");
    for (uint32_t i = 0; i < TM_ARRAY_CNT(forms); i++) {
        if (!tm_bench_wants(bench, forms[i])) continue;
        if (strcmp(forms[i], "depth 20+20") == 0)
            generate_depth();
        else
            generate(forms[i]);
        run_case(bench, forms[i]);
    }
    for (uint32_t i = 0; i < TM_ARRAY_CNT(files); i++)
        if (tm_bench_wants(bench, files[i]) && record(files[i])) run_case(bench, files[i]);
    free(corpus.text);
    return tm_bench_close(bench);
}
