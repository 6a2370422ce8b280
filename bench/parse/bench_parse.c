/* What one message costs, called as it comes out of a WebSocket: generated ones, raw and wrapped,
   and recorded feeds. Ours on every instruction set, ours by declared paths of any JSON, and other
   parsers take turns; all must extract the same values. The scan for quotes alone is told beside
   them, as the floor. */
#include "base/check.h"
#include "base/error.h"
#include "bench/bench.h"
#include "bench/parse/parse_corpus.h"
#include "bench/parse/parse_peer.h"
#include "parse/json/json.h"
#include "parse/parser.h"
#include "parse/scan/kernels.h"

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_MESSAGES = 4096, PEER_MAX = 6, OURS_CNT = 7, SIDE_MAX = OURS_CNT + PEER_MAX };

typedef struct side {
    const tm_corpus_t *corpus;
    tm_parser_t *parser;
    tm_json_t *json[2]; /* for messages as they are, and in a wrapper */
    uint64_t level_sum;
    const tm_parse_peer_t *peer;
    tm_symbols_t *symbols;
    tm_counter_set_t *counters;
    uint64_t sum;
    uint32_t round_cnt;
    double ns[TM_BENCH_ROUND_MAX + 1]; /* of the last rounds */
} side_t;

static tm_corpus_t corpus;

static uint64_t row_sum(const tm_market_row_t *r)
{
    const tm_row_t *h = &r->row;
    uint64_t sum = h->symbol == TM_SYMBOL_NONE ? 0 : h->symbol;
    if (h->event_ns != 1) sum += (uint64_t)h->event_ns; /* 1: the receive time */
    switch (h->schema_id) {
    case TM_SCHEMA_ID_TRADE:
        return sum + (uint64_t)r->trade.publish_ns + r->trade.trade_id +
               (uint64_t)r->trade.price_e8 + (uint64_t)r->trade.qty_e8 + r->trade.side;
    case TM_SCHEMA_ID_QUOTE:
        return sum + r->quote.update_id + (uint64_t)r->quote.bid_px_e8 +
               (uint64_t)r->quote.bid_qty_e8 + (uint64_t)r->quote.ask_px_e8 +
               (uint64_t)r->quote.ask_qty_e8;
    case TM_SCHEMA_ID_DEPTH:
        return sum + r->depth.first_id + r->depth.last_id;
    case TM_SCHEMA_ID_LEVEL:
        return (uint64_t)r->level.price_e8 + (uint64_t)r->level.qty_e8 + r->level.side;
    default:
        return 0;
    }
}

/* Time of this thread on its core: neighbours on the machine then cost cache misses only. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t rounds_of(const tm_corpus_t *c)
{
    return c->cnt >= ROUND_MESSAGES ? 1 : ROUND_MESSAGES / c->cnt;
}

static double per_message(side_t *s, double start)
{
    double ns = (now() - start) * 1e9 / ((double)s->corpus->cnt * rounds_of(s->corpus));
    s->ns[s->round_cnt++ % TM_ARRAY_CNT(s->ns)] = ns;
    return ns;
}

static double run_ours(void *ctx)
{
    static tm_market_row_t rows[TM_PARSER_ROW_MAX];
    side_t *s = ctx;
    const tm_corpus_t *c = s->corpus;
    uint64_t sum = 0;
    double start = now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        sum = 0;
        for (uint32_t i = 0; i < c->cnt; i++) {
            uint32_t n = tm_parser_frame(s->parser, &c->frames[i], rows, TM_PARSER_ROW_MAX);
            for (uint32_t r = 0; r < n; r++) sum += row_sum(&rows[r]);
        }
    }
    s->sum = sum;
    return per_message(s, start);
}

/* Declared fields: the values of all kinds of messages here that have rows; each has some. */
enum {
    F_KIND,
    F_SYMBOL,
    F_E,
    F_T,
    F_ID,
    F_PX,
    F_QTY,
    F_MAKER,
    F_FIRST,
    F_UPDATE,
    F_BID,
    F_BIDQ,
    F_ASK,
    F_ASKQ,
    F_LEVELS, /* price and quantity of bids, then of asks */
    F_BOOK_ID = F_LEVELS + 4,
    F_BOOK,
    F_CNT = F_BOOK + 4
};

#define DECIMAL_E8 .type = TM_JSON_DECIMAL, .scale = 8
#define TIME_MS    .type = TM_JSON_TIME, .unit_ns = TM_NS_PER_MS

/* The fields of messages as they are, and of those in a wrapper. */
#define JSON_FIELDS(at)                                                                            \
    {                                                                                              \
        [F_KIND] = {.path = at "/e", .type = TM_JSON_TEXT},                                        \
        [F_SYMBOL] = {.path = at "/s", .type = TM_JSON_TEXT}, [F_E] = {.path = at "/E", TIME_MS},  \
        [F_T] = {.path = at "/T", TIME_MS}, [F_ID] = {.path = at "/t", .type = TM_JSON_U64},       \
        [F_PX] = {.path = at "/p", DECIMAL_E8}, [F_QTY] = {.path = at "/q", DECIMAL_E8},           \
        [F_MAKER] = {.path = at "/m", .type = TM_JSON_BOOL},                                       \
        [F_FIRST] = {.path = at "/U", .type = TM_JSON_U64},                                        \
        [F_UPDATE] = {.path = at "/u", .type = TM_JSON_U64},                                       \
        [F_BID] = {.path = at "/b", DECIMAL_E8}, [F_BIDQ] = {.path = at "/B", DECIMAL_E8},         \
        [F_ASK] = {.path = at "/a", DECIMAL_E8}, [F_ASKQ] = {.path = at "/A", DECIMAL_E8},         \
        [F_LEVELS] = {.path = at "/b/-/0", DECIMAL_E8},                                            \
        [F_LEVELS + 1] = {.path = at "/b/-/1", DECIMAL_E8},                                        \
        [F_LEVELS + 2] = {.path = at "/a/-/0", DECIMAL_E8},                                        \
        [F_LEVELS + 3] = {.path = at "/a/-/1", DECIMAL_E8},                                        \
        [F_BOOK_ID] = {.path = at "/lastUpdateId", .type = TM_JSON_U64},                           \
        [F_BOOK] = {.path = at "/bids/-/0", DECIMAL_E8},                                           \
        [F_BOOK + 1] = {.path = at "/bids/-/1", DECIMAL_E8},                                       \
        [F_BOOK + 2] = {.path = at "/asks/-/0", DECIMAL_E8},                                       \
        [F_BOOK + 3] = {.path = at "/asks/-/1", DECIMAL_E8},                                       \
    }

static const tm_json_field_t json_fields[2][F_CNT] = {JSON_FIELDS(""), JSON_FIELDS("/data")};

/* A level of an array: bids and asks of changes, then of whole books. */
static void level_add(void *ctx, uint32_t array, const tm_json_value_t *v)
{
    static const uint8_t at[] = {F_LEVELS, F_LEVELS + 2, F_BOOK, F_BOOK + 2};
    uint64_t *sum = ctx;
    *sum += (uint64_t)(v[at[array]].i64 + v[at[array] + 1].i64) +
            (array % 2 ? TM_SIDE_SELL : TM_SIDE_BUY);
}

static bool has(const tm_json_value_t *v, uint32_t field)
{
    return v[field].state == TM_JSON_PRESENT;
}

static bool kind_is(const tm_json_value_t *v, const char *kind)
{
    return v[F_KIND].text_sz == strlen(kind) && memcmp(v[F_KIND].text, kind, strlen(kind)) == 0;
}

/* What the values that are not levels add up to; *levels: whether those count, too. */
static uint64_t json_sum(side_t *s, const tm_json_value_t *v, bool *levels)
{
    uint64_t sum = 0;
    *levels = has(v, F_BOOK_ID) || kind_is(v, "depthUpdate");
    if (has(v, F_SYMBOL))
        sum = tm_symbols_intern(s->symbols, v[F_SYMBOL].text, v[F_SYMBOL].text_sz);
    if (has(v, F_BOOK_ID)) return sum + v[F_BOOK_ID].u64 + (uint64_t)v[F_T].i64;
    if (*levels)
        return sum + (uint64_t)v[has(v, F_T) ? F_T : F_E].i64 + v[F_FIRST].u64 + v[F_UPDATE].u64;
    if (kind_is(v, "trade"))
        return sum + (uint64_t)(v[F_E].i64 + v[F_T].i64 + v[F_PX].i64 + v[F_QTY].i64) +
               v[F_ID].u64 + (v[F_MAKER].i64 ? TM_SIDE_SELL : TM_SIDE_BUY);
    if (has(v, F_KIND) && !kind_is(v, "bookTicker")) return 0;
    return sum + v[F_UPDATE].u64 +
           (uint64_t)(v[F_T].i64 + v[F_BID].i64 + v[F_BIDQ].i64 + v[F_ASK].i64 + v[F_ASKQ].i64);
}

static double run_json(void *ctx)
{
    side_t *s = ctx;
    const tm_corpus_t *c = s->corpus;
    uint64_t sum = 0;
    double start = now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        sum = 0;
        for (uint32_t i = 0; i < c->cnt; i++) {
            const tm_frame_t *f = &c->frames[i];
            bool levels, wrapped = memcmp(f->data + 2, "stream", 6) == 0;
            s->level_sum = 0;
            const tm_json_value_t *v = tm_json_read(s->json[wrapped], f->data, f->sz);
            if (!v) continue;
            sum += json_sum(s, v, &levels);
            if (levels) sum += s->level_sum;
        }
    }
    s->sum = sum;
    return per_message(s, start);
}

static double run_peer(void *ctx)
{
    side_t *s = ctx;
    const tm_corpus_t *c = s->corpus;
    uint64_t sum = 0;
    double start = now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        sum = 0;
        for (uint32_t i = 0; i < c->cnt; i++) {
            const tm_frame_t *f = &c->frames[i];
            sum += s->peer->sum((const char *)f->data, f->sz, f->sz + TM_FRAME_PAD);
        }
    }
    s->sum = sum;
    return per_message(s, start);
}

static double run_scan(side_t *s)
{
    static uint16_t at[TM_SCAN_QUOTE_MAX];
    const tm_corpus_t *c = s->corpus;
    const tm_kernels_t *k = tm_kernels_get(TM_ISA_AVX512);
    double start = now();
    for (uint32_t round = 0; round < rounds_of(c); round++) {
        for (uint32_t i = 0; i < c->cnt; i++) {
            tm_scan_t scan = {0};
            uint32_t sz = c->frames[i].sz < TM_SCAN_WINDOW ? c->frames[i].sz : TM_SCAN_WINDOW;
            tm_bench_keep(k->quotes(c->frames[i].data, sz, &scan, at));
        }
    }
    return per_message(s, start);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static const tm_parse_peer_t *peers[PEER_MAX];
static uint32_t peer_cnt;

static void peer_load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const tm_parse_peer_t *peer = module ? dlsym(module, "tm_parse_peer") : NULL;
    if (!peer)
        printf("%s\n", dlerror());
    else if (peer->name() && peer_cnt < PEER_MAX)
        peers[peer_cnt++] = peer;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The modules beside this program: the installed simdjson, and with `all` every other peer. */
static void peers_load(bool all)
{
    char dir[1024], path[2048];
    struct dirent **list;
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    TM_CHECK(n > 0, "this program does not know where it is");
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
    snprintf(path, sizeof path, "%s/parse", dir);
    int cnt = scandir(path, &list, NULL, by_name);
    for (int i = 0; i < cnt; i++) {
        const char *file = list[i]->d_name;
        snprintf(path, sizeof path, "%s/parse/%s", dir, file);
        const char *end = strrchr(file, '.');
        bool module = strncmp(file, "peer_", 5) == 0 && end && strcmp(end, ".so") == 0;
        if (module && (all || strcmp(file, "peer_simdjson.so") == 0)) peer_load(path);
        free(list[i]);
    }
    if (cnt >= 0) free(list);
}

/* ---- cases ----------------------------------------------------------------------------------- */

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
}

/* Any JSON by paths; `walked`: as if no message were like one before. */
static void json_open(side_t *s, tm_isa_t isa, bool walked)
{
    TM_CHECK(tm_symbols_open(&s->symbols) == 0, "%s", tm_error_text());
    for (uint32_t i = 0; i < 2; i++) {
        s->json[i] = tm_json_open(&(tm_json_spec_t){.fields = json_fields[i],
                                                    .field_cnt = F_CNT,
                                                    .each = level_add,
                                                    .each_ctx = &s->level_sum});
        TM_CHECK(s->json[i], "%s", tm_json_open_error());
        tm_json_restrict(s->json[i], tm_kernels_get(isa), walked);
    }
}

static void side_close(side_t *s)
{
    tm_parser_close(s->parser);
    for (uint32_t i = 0; i < 2; i++) tm_json_close(s->json[i]);
    tm_counter_set_free(s->counters);
    tm_symbols_close(s->symbols);
}

static void add_side(tm_bench_case_t *c, side_t *s, const char *name, tm_bench_fn_t fn)
{
    s->corpus = &corpus;
    c->variants[c->variant_cnt++] = (tm_bench_variant_t){name, fn, s};
}

/* The same figures as bytes a second, and the floor. */
static void report_more(tm_bench_t *bench, const char *name, side_t *ours)
{
    char text[120];
    double values[TM_BENCH_ROUND_MAX];
    uint32_t cnt = tm_bench_rounds(bench);
    side_t alone = {.corpus = &corpus};
    for (uint32_t i = 0; i < cnt; i++) {
        double ns = ours->ns[(ours->round_cnt - 1 - i) % TM_ARRAY_CNT(ours->ns)];
        values[i] = (double)corpus.bytes / corpus.cnt / ns;
    }
    snprintf(text, sizeof text, "%s, throughput", name);
    tm_bench_report(bench, text, "GB/s", values, cnt);
    for (uint32_t i = 0; i < cnt; i++) values[i] = run_scan(&alone);
    snprintf(text, sizeof text, "%s, quotes alone", name);
    tm_bench_report(bench, text, "ns/message", values, cnt);
}

static void run_case(tm_bench_t *bench, const char *name)
{
    static side_t sides[SIDE_MAX];
    static const char *const ours[] = {"tidemark", "tidemark avx2", "tidemark scalar",
                                       "tidemark any order"};
    static const char *const declared[] = {"declared", "declared avx2", "declared, walked"};
    tm_bench_case_t c = {.name = name, .unit = "ns/message", .lower_is_better = true};
    uint32_t n = 0;
    memset(sides, 0, sizeof sides);
    for (; n < TM_ARRAY_CNT(ours); n++) {
        side_open(&sides[n], (tm_isa_t)(TM_ISA_AVX512 - n % 3), n == 3);
        add_side(&c, &sides[n], ours[n], run_ours);
    }
    for (uint32_t i = 0; i < TM_ARRAY_CNT(declared); i++, n++) {
        json_open(&sides[n], (tm_isa_t)(TM_ISA_AVX512 - i % 2), i == 2);
        add_side(&c, &sides[n], declared[i], run_json);
    }
    for (uint32_t i = 0; i < peer_cnt; i++, n++) {
        peers[i]->reset();
        sides[n].peer = peers[i];
        add_side(&c, &sides[n], peers[i]->name(), run_peer);
    }
    tm_bench_run(bench, &c);
    for (uint32_t i = 1; i < n; i++)
        TM_CHECK(sides[i].sum == sides[0].sum, "%s: %s extracts other values", name,
                 c.variants[i].name);
    report_more(bench, name, &sides[0]);
    for (uint32_t i = 0; i < n; i++) side_close(&sides[i]);
}

/* Takes --peers and --replay FILE out of the command line; the rest is the harness's. */
static const char *options_take(int *argc, char **argv, bool *all)
{
    const char *replay = NULL;
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--peers") == 0)
            *all = true;
        else if (strcmp(argv[i], "--replay") == 0 && i + 1 < *argc)
            replay = argv[++i];
        else
            argv[kept++] = argv[i];
        if (strcmp(argv[i], "--help") == 0)
            printf("  --peers          every peer that was found at build time, not just simdjson\n"
                   "  --replay FILE    a recorded feed of Binance messages and nothing else\n");
    }
    argv[kept] = NULL;
    *argc = kept;
    return replay;
}

int main(int argc, char **argv)
{
    static const char *const files[] = {"spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz",
                                        "cm_btcusd_perp_20240808.gz"};
    bool all = false;
    const char *replay = options_take(&argc, argv, &all), *shared = getenv("TM_SHARED");
    tm_bench_t *bench = tm_bench_open("parse", argc, argv);
    peers_load(all);
    if (replay) {
        const char *slash = strrchr(replay, '/');
        if (tm_corpus_record(&corpus, replay)) run_case(bench, slash ? slash + 1 : replay);
        return tm_bench_close(bench);
    }
    for (tm_corpus_form_t form = 0; form < TM_CORPUS_FORM_CNT; form++) {
        if (!tm_bench_wants(bench, tm_corpus_form_name(form))) continue;
        tm_corpus_generate(&corpus, form);
        run_case(bench, tm_corpus_form_name(form));
    }
    for (uint32_t i = 0; i < TM_ARRAY_CNT(files); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/captures/%s", shared ? shared : "../shared", files[i]);
        if (tm_bench_wants(bench, files[i]) && tm_corpus_record(&corpus, path))
            run_case(bench, files[i]);
    }
    free(corpus.text);
    return tm_bench_close(bench);
}
