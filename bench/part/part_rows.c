#include "bench/part/part_rows.h"

#include "base/check.h"
#include "base/row.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SYMBOLS = 200, CAPTURE_ROWS_MAX = 1 << 20, LINE_MAX_SZ = 1 << 17 };

static uint64_t seed = 20260131;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
}

static void make(tm_part_rows_t *rows, const char *name, uint32_t row_cnt)
{
    rows->name = name;
    TM_CHECK(tm_symbols_open(&rows->symbols) == 0, "symbols");
    rows->rows = calloc(row_cnt, rows->schema.row_sz);
    TM_CHECK(rows->rows, "out of memory for %u rows", row_cnt);
    for (int i = 0; i < SYMBOLS; i++) {
        char text[32];
        int sz = snprintf(text, sizeof text, "C%03d%s", (i * 37) % SYMBOLS, i % 4 ? "USDT" : "BTC");
        tm_symbols_intern(rows->symbols, text, (size_t)sz);
    }
}

/* A tenth of the symbols has most of the trades. */
static uint32_t draw_symbol(void)
{
    uint64_t a = draw(SYMBOLS), b = draw(SYMBOLS), c = draw(SYMBOLS);
    return (uint32_t)(a * b / SYMBOLS * c / SYMBOLS);
}

typedef struct market {
    int64_t price_e8, tick_e8;
    uint64_t id;
} market_t;

static void open_markets(market_t markets[SYMBOLS])
{
    for (int i = 0; i < SYMBOLS; i++) {
        markets[i].tick_e8 = (int64_t[]){1000000, 100000, 10000, 1000}[draw(4)];
        markets[i].price_e8 = markets[i].tick_e8 * (int64_t)(10000 + draw(1000000));
        markets[i].id = draw(4000000000);
    }
}

static int64_t draw_qty(void)
{
    static const int64_t lots_e8[] = {1000, 10000, 100000, 1000000};
    const int64_t lot = lots_e8[draw(4)];
    return draw(3) == 0 ? lot * 100 : lot * (int64_t)(1 + draw(draw(2) ? 1000 : 100000));
}

void tm_part_rows_trades(tm_part_rows_t *rows, uint32_t row_cnt)
{
    static market_t markets[SYMBOLS];
    *rows = (tm_part_rows_t){.schema = *tm_schema_trade(), .row_cnt = row_cnt};
    make(rows, "trades", row_cnt);
    open_markets(markets);
    tm_trade_t *out = (tm_trade_t *)(void *)rows->rows;
    int64_t now_ns = 1769860800ll * TM_NS_PER_S;
    for (uint32_t i = 0; i < row_cnt;) {
        const uint32_t symbol = draw_symbol();
        market_t *m = &markets[symbol];
        const uint8_t side = (uint8_t)(TM_SIDE_BUY + draw(2));
        now_ns += (int64_t)draw(400000);
        const int64_t event_ns = now_ns / TM_NS_PER_MS * TM_NS_PER_MS;
        int64_t recv_ns = event_ns + 3 * TM_NS_PER_MS + (int64_t)draw(2000000);
        for (uint64_t sweep = draw(3) ? 1 : 1 + draw(6); sweep > 0 && i < row_cnt; sweep--, i++) {
            out[i] = (tm_trade_t){
                .row = {.schema_id = TM_SCHEMA_ID_TRADE,
                        .symbol = symbol,
                        .event_ns = event_ns,
                        .recv_ns = recv_ns},
                .trade_id = m->id++,
                .price_e8 = m->price_e8,
                .qty_e8 = draw_qty(),
                .publish_ns = event_ns + TM_NS_PER_MS * (int64_t)(draw(8) == 0),
                .side = side,
            };
            recv_ns += (int64_t)draw(20000);
            if (draw(3) == 0)
                m->price_e8 += (side == TM_SIDE_BUY ? 1 : -1) * m->tick_e8 * (int64_t)(1 + draw(3));
        }
    }
}

static uint32_t add(tm_schema_t *schema, const char *name, tm_type_t type, uint8_t scale)
{
    tm_field_t f = {.type = type, .scale = scale, .unit_ns = TM_NS_PER_MS};
    snprintf(f.name, sizeof f.name, "%s", name);
    int idx = tm_schema_add(schema, &f);
    TM_CHECK(idx >= 0, "%s", name);
    return schema->fields[idx].off;
}

void tm_part_rows_bars(tm_part_rows_t *rows, uint32_t row_cnt)
{
    static market_t markets[SYMBOLS];
    uint32_t off[10];
    *rows = (tm_part_rows_t){.row_cnt = row_cnt};
    tm_schema_init(&rows->schema, "bar", TM_SCHEMA_ID_USER);
    off[0] = add(&rows->schema, "symbol", TM_TYPE_SYMBOL, 0);
    off[1] = add(&rows->schema, "window_start", TM_TYPE_TIME_NS, 0);
    off[2] = add(&rows->schema, "window_end", TM_TYPE_TIME_NS, 0);
    off[3] = add(&rows->schema, "open", TM_TYPE_DECIMAL64, 8);
    off[4] = add(&rows->schema, "high", TM_TYPE_DECIMAL64, 8);
    off[5] = add(&rows->schema, "low", TM_TYPE_DECIMAL64, 8);
    off[6] = add(&rows->schema, "close", TM_TYPE_DECIMAL64, 8);
    off[7] = add(&rows->schema, "volume", TM_TYPE_DECIMAL128, 8);
    off[8] = add(&rows->schema, "notional", TM_TYPE_DECIMAL128, 16);
    off[9] = add(&rows->schema, "trades", TM_TYPE_I64, 0);
    make(rows, "bars", row_cnt);
    open_markets(markets);
    const int64_t start_ns = 1769860800ll * TM_NS_PER_S;
    for (uint32_t i = 0; i < row_cnt; i++) {
        uint8_t *row = rows->rows + (size_t)i * rows->schema.row_sz;
        const uint32_t symbol = i % SYMBOLS;
        market_t *m = &markets[symbol];
        int64_t v[8] = {0, start_ns + i / SYMBOLS * TM_NS_PER_S};
        v[2] = v[1] + TM_NS_PER_S;
        v[3] = m->price_e8;
        v[6] = m->price_e8 += m->tick_e8 * ((int64_t)draw(9) - 4);
        v[4] = (v[3] > v[6] ? v[3] : v[6]) + m->tick_e8 * (int64_t)draw(3);
        v[5] = (v[3] < v[6] ? v[3] : v[6]) - m->tick_e8 * (int64_t)draw(3);
        const int64_t trades = 1 + (int64_t)draw(1 + draw(40));
        tm_i128_t volume = 0, notional = 0;
        for (int64_t t = 0; t < trades; t++) {
            const int64_t qty = draw_qty();
            volume += qty;
            notional += (tm_i128_t)qty * v[3];
        }
        const tm_row_t header = {
            .schema_id = TM_SCHEMA_ID_USER, .symbol = symbol, .event_ns = v[1]};
        memcpy(row, &header, sizeof header);
        memcpy(row + off[0], &symbol, 4);
        for (int f = 1; f <= 6; f++) memcpy(row + off[f], &v[f], 8);
        memcpy(row + off[7], &volume, 16);
        memcpy(row + off[8], &notional, 16);
        memcpy(row + off[9], &trades, 8);
    }
}

/* "1234.50" as 123450000000; enough for recorded feeds, which have at most eight digits there. */
static int64_t fixed_e8(const char *at)
{
    int64_t v = 0;
    int digits = -1;
    for (; *at == '.' || (*at >= '0' && *at <= '9'); at++) {
        if (*at == '.') {
            digits = 0;
        } else if (digits < 8) {
            v = v * 10 + (*at - '0');
            digits += digits >= 0;
        }
    }
    for (digits = digits < 0 ? 0 : digits; digits < 8; digits++) v *= 10;
    return v;
}

static const char *value_of(const char *json, const char *key)
{
    const char *at = strstr(json, key);
    return at ? at + strlen(key) : NULL;
}

/* One line of a capture; false where it is no trade. */
static bool take_line(tm_part_rows_t *rows, const char *line)
{
    const char *at = strstr(line, "{\"e\":\"trade\"");
    if (!at) return false;
    const char *sent = value_of(at, "\"E\":"), *s = value_of(at, "\"s\":\"");
    const char *id = value_of(at, "\"t\":"), *p = value_of(at, "\"p\":\""),
               *q = value_of(at, "\"q\":\"");
    const char *t = value_of(at, "\"T\":"), *maker = value_of(at, "\"m\":");
    if (!sent || !s || !id || !p || !q || !t || !maker) return false;
    int64_t recv = strtoll(line, NULL, 10);
    tm_trade_t trade = {
        .row = {.schema_id = TM_SCHEMA_ID_TRADE,
                .symbol = tm_symbols_intern(rows->symbols, s, strcspn(s, "\"")),
                .event_ns = strtoll(t, NULL, 10) * TM_NS_PER_MS,
                .recv_ns = recv < 10000000000000000ll ? recv * 1000 : recv},
        .trade_id = strtoull(id, NULL, 10),
        .price_e8 = fixed_e8(p),
        .qty_e8 = fixed_e8(q),
        .publish_ns = strtoll(sent, NULL, 10) * TM_NS_PER_MS,
        .side = *maker == 't' ? TM_SIDE_SELL : TM_SIDE_BUY,
    };
    memcpy(rows->rows + (size_t)rows->row_cnt++ * sizeof trade, &trade, sizeof trade);
    return true;
}

void tm_part_rows_captures(tm_part_rows_t *rows, const char *dir)
{
    char pattern[1024];
    glob_t found;
    *rows = (tm_part_rows_t){.schema = *tm_schema_trade()};
    make(rows, "captured trades", CAPTURE_ROWS_MAX);
    snprintf(pattern, sizeof pattern, "%s/*usd*.gz", dir);
    if (glob(pattern, 0, NULL, &found) != 0) return;
    char *line = malloc(LINE_MAX_SZ);
    TM_CHECK(line, "out of memory");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        gzFile in = gzopen(found.gl_pathv[i], "rb");
        while (in && rows->row_cnt < CAPTURE_ROWS_MAX && gzgets(in, line, LINE_MAX_SZ))
            take_line(rows, line);
        if (in) gzclose(in);
    }
    free(line);
    globfree(&found);
}

void tm_part_rows_free(tm_part_rows_t *rows)
{
    tm_symbols_close(rows->symbols);
    free(rows->rows);
    *rows = (tm_part_rows_t){0};
}
