#include "bench/parse/parse_corpus.h"

#include "base/counter.h"
#include "base/error.h"
#include "net/replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
}

static void start(tm_corpus_t *c)
{
    c->used_sz = c->bytes = c->cnt = 0;
    if (!c->text) c->text = malloc(TM_CORPUS_TEXT_SZ);
    if (!c->text) abort();
}

static void add(tm_corpus_t *c, const char *text, size_t sz)
{
    if (c->cnt == TM_CORPUS_MESSAGE_MAX || c->used_sz + sz + TM_FRAME_PAD > TM_CORPUS_TEXT_SZ)
        return;
    char *to = c->text + c->used_sz;
    memcpy(to, text, sz);
    memset(to + sz, 0, TM_FRAME_PAD);
    c->frames[c->cnt++] = (tm_frame_t){.data = (uint8_t *)to, .sz = (uint32_t)sz, .recv_ns = 1};
    c->used_sz += sz + TM_FRAME_PAD;
    c->bytes += sz;
}

const char *tm_corpus_form_name(tm_corpus_form_t form)
{
    static const char *const names[] = {
        [TM_CORPUS_TRADE] = "trade",
        [TM_CORPUS_TICKER] = "bookTicker",
        [TM_CORPUS_WRAPPED] = "wrapped trade",
        [TM_CORPUS_USDM_TICKER] = "usdm bookTicker",
        [TM_CORPUS_DEPTH] = "depth 20+20",
        [TM_CORPUS_TRADE_MORE] = "trade, two fields more",
        [TM_CORPUS_MANY] = "bookTicker, 500 symbols",
    };
    return names[form];
}

/* The values of one message. */
typedef struct values {
    const char *symbol, *flag;
    uint64_t id, ms;
    char px[2][32], qty[2][32];
} values_t;

static void plain_values(values_t *v)
{
    static const char *const names[] = {"BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT", "BNBBTC"};
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t cents = 6000000 + draw(500000);
        uint64_t lots = i || draw(4) ? draw(100000) : draw(100000000);
        snprintf(v->px[i], sizeof v->px[i], "%llu.%02llu000000", cents / 100ull, cents % 100ull);
        snprintf(v->qty[i], sizeof v->qty[i], "%llu.%05llu000", lots / 100000ull, lots % 100000ull);
    }
    v->symbol = names[draw(TM_ARRAY_CNT(names))];
}

static void many_values(values_t *v)
{
    static char name[16];
    uint64_t idx = draw(500), unit = 1, px;
    for (uint64_t i = idx % 11; i > 0; i--) unit *= 10;
    px = unit + draw(unit * 9);
    snprintf(name, sizeof name, "%c%c%.*sUSDT", (char)('A' + idx % 26), (char)('A' + idx / 26),
             (int)(idx % 4), "XYZ");
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t lots = draw(1000000000) >> draw(30);
        snprintf(v->px[i], sizeof v->px[i], "%llu.%08llu", (px + i) / 100000000ull,
                 (px + i) % 100000000ull);
        snprintf(v->qty[i], sizeof v->qty[i], "%llu.%05llu000", lots / 100000ull, lots % 100000ull);
    }
    v->symbol = name;
}

static int trade(char *out, size_t room, const values_t *v, const char *more)
{
    return snprintf(out, room,
                    "{\"e\":\"trade\",\"E\":%llu,\"s\":\"%s\",\"t\":%llu,\"p\":\"%s\",\"q\":\"%s\","
                    "\"T\":%llu,\"m\":%s,\"M\":true%s}",
                    v->ms + 1ull, v->symbol, v->id + 0ull, v->px[0], v->qty[0], v->ms + 0ull,
                    v->flag, more);
}

static int wrapped(char *out, size_t room, const values_t *v)
{
    int n = snprintf(out, room, "{\"stream\":\"%s@trade\",\"data\":", v->symbol);
    n += trade(out + n, room - (size_t)n, v, "}");
    return n;
}

static int ticker(char *out, size_t room, const values_t *v, bool usdm)
{
    int n = snprintf(out, room,
                     "{%s\"u\":%llu,\"s\":\"%s\",\"b\":\"%s\",\"B\":\"%s\",\"a\":\"%s\",\"A\":"
                     "\"%s\"",
                     usdm ? "\"e\":\"bookTicker\"," : "", v->id + 0ull, v->symbol, v->px[0],
                     v->qty[0], v->px[1], v->qty[1]);
    if (usdm)
        n += snprintf(out + n, room - (size_t)n, ",\"T\":%llu,\"E\":%llu", v->ms + 0ull,
                      v->ms + 1ull);
    n += snprintf(out + n, room - (size_t)n, "}");
    return n;
}

static int depth(char *out, size_t room, const values_t *v)
{
    int n = snprintf(out, room,
                     "{\"e\":\"depthUpdate\",\"E\":%llu,\"s\":\"%s\",\"U\":%llu,\"u\":%llu",
                     v->ms + 0ull, v->symbol, v->id + 0ull, v->id + 9ull);
    for (uint32_t side = 0; side < 2; side++) {
        n += snprintf(out + n, room - (size_t)n, ",\"%c\":[", "ba"[side]);
        for (uint32_t i = 0; i < 20; i++) {
            values_t level;
            plain_values(&level);
            n += snprintf(out + n, room - (size_t)n, "%s[\"%s\",\"%s\"]", i ? "," : "", level.px[0],
                          draw(4) ? level.qty[0] : "0.00000000");
        }
        n += snprintf(out + n, room - (size_t)n, "]");
    }
    n += snprintf(out + n, room - (size_t)n, "}");
    return n;
}

void tm_corpus_generate(tm_corpus_t *corpus, tm_corpus_form_t form)
{
    static const char more[] = ",\"st\":\"NORMAL\",\"nf\":1500";
    values_t v = {.id = 3735683259, .ms = 1723161255343};
    seed = 20240808;
    start(corpus);
    for (uint32_t i = 0; i < TM_CORPUS_GENERATED_CNT; i++) {
        char text[4096];
        int n = 0;
        if (form == TM_CORPUS_MANY)
            many_values(&v);
        else
            plain_values(&v);
        v.flag = draw(2) ? "true" : "false";
        v.ms += draw(40);
        v.id++;
        switch (form) {
        case TM_CORPUS_TRADE:
        case TM_CORPUS_TRADE_MORE:
            n = trade(text, sizeof text, &v, form == TM_CORPUS_TRADE ? "" : more);
            break;
        case TM_CORPUS_WRAPPED:
            n = wrapped(text, sizeof text, &v);
            break;
        case TM_CORPUS_DEPTH:
            n = depth(text, sizeof text, &v);
            break;
        case TM_CORPUS_TICKER:
        case TM_CORPUS_MANY:
        case TM_CORPUS_USDM_TICKER:
        case TM_CORPUS_FORM_CNT:
            n = ticker(text, sizeof text, &v, form == TM_CORPUS_USDM_TICKER);
            break;
        }
        add(corpus, text, (size_t)n);
    }
}

bool tm_corpus_record(tm_corpus_t *corpus, const char *path)
{
    tm_source_t *source;
    tm_frame_t frames[64];
    tm_counter_set_t *counters = tm_counter_set_new("replay");
    tm_replay_cfg_t cfg = {.path = path, .counters = counters};
    start(corpus);
    if (tm_replay_open(&source, &cfg) < 0) {
        printf("%s: %s: left out\n", path, tm_error_text());
        tm_counter_set_free(counters);
        return false;
    }
    int n = 0;
    while (n >= 0 && corpus->cnt < TM_CORPUS_MESSAGE_MAX) {
        n = tm_source_poll(source, frames, TM_ARRAY_CNT(frames), 0);
        for (int i = 0; i < n; i++) add(corpus, (const char *)frames[i].data, frames[i].sz);
    }
    tm_source_close(source);
    tm_counter_set_free(counters);
    return corpus->cnt > 0;
}
