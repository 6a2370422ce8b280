#include "net/simulated/venue_generator.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_SZ = 24,
    TEXT_SZ = TM_VENUE_BOOK_CHANGE_SZ + 256,
    PICK_CNT = 4096,  /* entries of the table that picks a symbol by its weight */
    PAUSE_CNT = 1024, /* quantiles of the exponential distribution */
    PAUSE_UNIT = 1 << 10,
    CLUSTER_CNT = 6, /* mean messages of a cluster */
    CLUSTER_GAP_NS =
        20000, /* mean time between two of them, where the rate leaves room for pauses */
    UNSCHEDULED_NS = 1000, /* virtual time between messages without a rate */
    NS_PER_MS = 1000000,
};

static const int64_t one_e8 = 100000000;

/* Prices, ticks and lots are of the size these pairs really have. */
static const struct {
    const char *name;
    int64_t price_e8, tick_e8, lot_e8;
} pairs[] = {
    {"btcusdt", 6168599000000, 1000000, 1000},  {"ethusdt", 268251000000, 1000000, 10000},
    {"solusdt", 15524000000, 1000000, 100000},  {"bnbusdt", 51230000000, 1000000, 100000},
    {"xrpusdt", 61230000, 10000, 10000000},     {"dogeusdt", 10234000, 1000, 100000000},
    {"adausdt", 34560000, 10000, 10000000},     {"trxusdt", 12760000, 10000, 10000000},
    {"avaxusdt", 2187000000, 1000000, 1000000}, {"linkusdt", 1045000000, 1000000, 1000000},
    {"dotusdt", 461200000, 100000, 1000000},    {"ltcusdt", 6012000000, 1000000, 100000},
    {"uniusdt", 601200000, 100000, 1000000},    {"atomusdt", 452300000, 100000, 1000000},
    {"etcusdt", 1872000000, 1000000, 1000000},  {"nearusdt", 389200000, 100000, 10000000},
};

typedef struct symbol {
    char lower[NAME_SZ], upper[NAME_SZ];
    uint32_t sz;
    int64_t tick_e8, lot_e8;
    int64_t low_ticks, high_ticks; /* bounds of the walk */
    int64_t bid_ticks;
    int64_t spread_ticks;
    uint64_t trade_id, update_id;
} symbol_t;

struct tm_venue_generator {
    tm_venue_generator_cfg_t cfg;
    uint64_t state[4];
    uint64_t made_cnt;
    int64_t start_ns, base_ns; /* of the schedule: mono, Unix */
    int64_t virtual_ns;        /* of the next message since the start */
    int64_t mean_ns;           /* between two messages */
    uint32_t cluster_left;
    uint16_t picks[PICK_CNT];
    uint32_t pauses[PAUSE_CNT];
    tm_venue_book_t *books; /* one a symbol; NULL where there are none */
    symbol_t *again;        /* whose change comes once more, as a faster stream's */
    int64_t again_ns;       /* virtual time of that */
    uint32_t text_sz;
    char text[TEXT_SZ + TM_VENUE_MESSAGE_SZ_MAX];
    symbol_t symbols[];
};

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018). */
static uint64_t draw(tm_venue_generator_t *g)
{
    uint64_t *s = g->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* A number below `n`, from 32 bits of randomness. */
static uint32_t below(uint64_t bits, uint32_t n)
{
    return (uint32_t)((bits & 0xffffffffu) * n >> 32);
}

/* Sizes spread over three powers of ten, small ones most often: a uniform mantissa times 1, 10,
   100. */
static int64_t quantity(tm_venue_generator_t *g, int64_t lot_e8)
{
    static const int64_t scale[] = {1, 1, 1, 1, 10, 10, 10, 100};
    uint64_t bits = draw(g);
    return lot_e8 * (int64_t)(1 + below(bits, 99)) * scale[bits >> 61];
}

/* Moves the best prices by a few ticks, back inside where the walk would leave its bounds. */
static void walk(tm_venue_generator_t *g, symbol_t *s)
{
    static const int64_t steps[] = {0, 0, 0, 0, 1, -1, 1, -1, 2, -2, 0, 0, 1, -1, 3, -3};
    uint64_t bits = draw(g);
    int64_t step = steps[bits & 15];
    if (s->bid_ticks + step < s->low_ticks || s->bid_ticks + step > s->high_ticks) step = -step;
    s->bid_ticks += step;
    s->spread_ticks = 1 + (int64_t)((bits >> 8 & 7) == 0) + (int64_t)((bits >> 16 & 63) == 0);
}

static char *put_text(char *p, const char *text, size_t sz)
{
    memcpy(p, text, sz);
    return p + sz;
}

#define PUT(p, literal) ((p) = put_text((p), (literal), sizeof(literal) - 1))

/* Eight digits, the bytes of one word: halves, quarters and eighths are divided off all at once, by
   multiplications with rounded-up reciprocals. */
static uint64_t digits8(uint32_t v)
{
    uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t hundreds = (x * 10486 >> 20) & 0x0000007f0000007fu;
    x = hundreds | (x - hundreds * 100) << 16;
    uint64_t tens = (x * 103 >> 10) & 0x000f000f000f000fu;
    return tens | (x - tens * 10) << 8;
}

static char *put_8_digits(char *p, uint32_t v)
{
    uint64_t text = digits8(v) + 0x3030303030303030u;
    memcpy(p, &text, sizeof text);
    return p + sizeof text;
}

static char *put_u64(char *p, uint64_t v)
{
    if (v >= 100000000) return put_8_digits(put_u64(p, v / 100000000), (uint32_t)(v % 100000000));
    uint64_t digits = digits8((uint32_t)v);
    uint32_t zeros = digits ? (uint32_t)__builtin_ctzll(digits) / 8 : 7;
    uint64_t text = (digits + 0x3030303030303030u) >> (8 * zeros);
    memcpy(p, &text, sizeof text); /* up to eight bytes, the last ones are written over */
    return p + 8 - zeros;
}

/* "61685.99000000": eight digits after the point, as the venue writes prices and quantities. */
static char *put_e8(char *p, int64_t v)
{
    p = put_u64(p, (uint64_t)(v / one_e8));
    *p++ = '.';
    return put_8_digits(p, (uint32_t)(v % one_e8));
}

static char *put_trade(tm_venue_generator_t *g, char *p, symbol_t *s, int64_t real_ns)
{
    bool sold = draw(g) >> 63; /* the buyer was in the book: the aggressor sold */
    int64_t price = (s->bid_ticks + (sold ? 0 : s->spread_ticks)) * s->tick_e8;
    uint64_t event_ms = (uint64_t)(real_ns / NS_PER_MS);
    PUT(p, "{\"e\":\"trade\",\"E\":");
    p = put_u64(p, event_ms);
    PUT(p, ",\"s\":\"");
    p = put_text(p, s->upper, s->sz);
    PUT(p, "\",\"t\":");
    p = put_u64(p, s->trade_id++);
    PUT(p, ",\"p\":\"");
    p = put_e8(p, price);
    PUT(p, "\",\"q\":\"");
    p = put_e8(p, quantity(g, s->lot_e8));
    PUT(p, "\",\"T\":");
    p = put_u64(p, event_ms);
    if (sold)
        PUT(p, ",\"m\":true,\"M\":true}");
    else
        PUT(p, ",\"m\":false,\"M\":true}");
    return p;
}

static char *put_quote(tm_venue_generator_t *g, char *p, symbol_t *s)
{
    walk(g, s);
    s->update_id += 1 + (draw(g) & 15);
    PUT(p, "{\"u\":");
    p = put_u64(p, s->update_id);
    PUT(p, ",\"s\":\"");
    p = put_text(p, s->upper, s->sz);
    PUT(p, "\",\"b\":\"");
    p = put_e8(p, s->bid_ticks * s->tick_e8);
    PUT(p, "\",\"B\":\"");
    p = put_e8(p, quantity(g, s->lot_e8));
    PUT(p, "\",\"a\":\"");
    p = put_e8(p, (s->bid_ticks + s->spread_ticks) * s->tick_e8);
    PUT(p, "\",\"A\":\"");
    p = put_e8(p, quantity(g, s->lot_e8));
    PUT(p, "\"}");
    return p;
}

static char *put_depth(tm_venue_generator_t *g, char *p, const symbol_t *s, int64_t real_ns)
{
    tm_venue_book_t *book = &g->books[s - g->symbols];
    return p + tm_venue_book_change(book, s->upper, real_ns / NS_PER_MS, g->cfg.futures, p);
}

/* Adds a member that nobody asked for until the object has so many bytes, or a few more. */
static char *pad(char *p, const char *object, uint32_t message_sz)
{
    static const char begin[] = ",\"X\":\"";
    size_t sz = (size_t)(p - object), added = sizeof begin - 1 + 2;
    if (sz >= message_sz) return p;
    p--; /* the object's end */
    PUT(p, begin);
    size_t fill = sz + added - 1 < message_sz ? message_sz - (sz + added - 1) : 0;
    memset(p, 'x', fill);
    p += fill;
    PUT(p, "\"}");
    return p;
}

/* Sets when the following message comes: inside a cluster soon, after it with what is missing to
   the mean of the whole cluster. */
static void schedule(tm_venue_generator_t *g)
{
    if (g->cfg.rate <= 0) {
        g->virtual_ns += UNSCHEDULED_NS;
        return;
    }
    int64_t close_ns = CLUSTER_GAP_NS < g->mean_ns / 4 ? CLUSTER_GAP_NS : g->mean_ns / 4;
    uint64_t bits = draw(g);
    int64_t mean_ns = close_ns;
    if (below(bits, CLUSTER_CNT) == 0) /* the cluster ends here: geometric */
        mean_ns = CLUSTER_CNT * g->mean_ns - (CLUSTER_CNT - 1) * close_ns;
    g->virtual_ns += mean_ns * g->pauses[bits >> 54] / PAUSE_UNIT;
}

static bool is_over(const tm_venue_generator_t *g)
{
    if (g->cfg.message_cnt && g->made_cnt >= g->cfg.message_cnt) return true;
    return g->cfg.duration_ns && g->virtual_ns >= g->cfg.duration_ns;
}

void tm_venue_generator_start(tm_venue_generator_t *g, int64_t mono_ns, int64_t real_ns)
{
    g->start_ns = mono_ns;
    g->base_ns = g->cfg.time_base_ns ? g->cfg.time_base_ns : real_ns;
}

int64_t tm_venue_generator_due_ns(const tm_venue_generator_t *g)
{
    if (g->again) return g->cfg.rate > 0 ? g->start_ns + g->again_ns : INT64_MIN;
    if (is_over(g)) return INT64_MAX;
    return g->cfg.rate > 0 ? g->start_ns + g->virtual_ns : INT64_MIN;
}

/* "@depth" becomes "@depth@100ms" in place: all behind the name moves on. */
static void depth_again(tm_venue_generator_t *g, tm_venue_message_t *m)
{
    static const char faster[] = "@100ms";
    const size_t sz = sizeof faster - 1, head_sz = sizeof "{\"stream\":\"" - 1;
    size_t at = head_sz + g->again->sz + sizeof "@depth" - 1;
    memmove(g->text + at + sz, g->text + at, g->text_sz - at);
    memcpy(g->text + at, faster, sz);
    *m = (tm_venue_message_t){.text = g->text,
                              .sz = (uint32_t)(g->text_sz + sz),
                              .stream = g->text + head_sz,
                              .stream_sz = (uint32_t)(at + sz - head_sz),
                              .data = g->text + at + sz + sizeof "\",\"data\":" - 1,
                              .again = true};
    m->data_sz = m->sz - 1 - (uint32_t)(m->data - m->text);
    g->again = NULL;
}

bool tm_venue_generator_next(tm_venue_generator_t *g, int64_t mono_ns, tm_venue_message_t *m)
{
    if (g->again) {
        depth_again(g, m);
        return true;
    }
    /* Without a rate a duration is one of the wall clock. */
    if (g->cfg.rate <= 0 && !g->cfg.time_base_ns) g->virtual_ns = mono_ns - g->start_ns;
    if (is_over(g)) return false;
    symbol_t *s = &g->symbols[g->picks[draw(g) % PICK_CNT]];
    uint32_t kind = below(draw(g), 100);
    bool trade = kind < g->cfg.trade_percent;
    bool depth = !trade && kind < g->cfg.trade_percent + g->cfg.depth_percent;
    int64_t real_ns = g->base_ns + g->virtual_ns;
    char *p = g->text;
    PUT(p, "{\"stream\":\"");
    m->stream = p;
    p = put_text(p, s->lower, s->sz);
    if (trade)
        PUT(p, "@trade");
    else if (depth)
        PUT(p, "@depth");
    else
        PUT(p, "@bookTicker");
    m->stream_sz = (uint32_t)(p - m->stream);
    PUT(p, "\",\"data\":");
    m->data = p;
    p = trade   ? put_trade(g, p, s, real_ns)
        : depth ? put_depth(g, p, s, real_ns)
                : put_quote(g, p, s);
    p = pad(p, m->data, g->cfg.message_sz);
    m->data_sz = (uint32_t)(p - m->data);
    *p++ = '}';
    m->text = g->text;
    m->sz = g->text_sz = (uint32_t)(p - g->text);
    g->again = depth ? s : NULL;
    g->again_ns = g->virtual_ns;
    m->again = false;
    g->made_cnt++;
    schedule(g);
    return true;
}

const tm_venue_book_t *tm_venue_generator_book(const tm_venue_generator_t *g, const char *symbol)
{
    for (uint32_t i = 0; g->books && i < g->cfg.symbol_cnt; i++)
        if (strcmp(g->symbols[i].upper, symbol) == 0) return &g->books[i];
    return NULL;
}

const char *tm_venue_generator_symbol(const tm_venue_generator_t *g, uint32_t idx)
{
    return g->symbols[idx].lower;
}

static void symbol_init(tm_venue_generator_t *g, uint32_t idx)
{
    symbol_t *s = &g->symbols[idx];
    size_t pair = idx % TM_ARRAY_CNT(pairs);
    if (idx < TM_ARRAY_CNT(pairs))
        snprintf(s->lower, sizeof s->lower, "%s", pairs[idx].name);
    else
        snprintf(s->lower, sizeof s->lower, "sym%uusdt", idx + 1);
    s->sz = (uint32_t)strlen(s->lower);
    for (uint32_t i = 0; i < s->sz; i++) s->upper[i] = (char)toupper((unsigned char)s->lower[i]);
    s->tick_e8 = pairs[pair].tick_e8;
    s->lot_e8 = pairs[pair].lot_e8;
    s->bid_ticks = pairs[pair].price_e8 / s->tick_e8;
    s->low_ticks = s->bid_ticks / 4 + 1;
    s->high_ticks = s->bid_ticks * 4;
    s->spread_ticks = 1;
    s->trade_id = 1000000 + draw(g) % 1000000000;
    s->update_id = 10000000000 + draw(g) % 10000000000;
}

/* Books draw from seeds of their own: what else the market does is the same with and without. */
static int books_init(tm_venue_generator_t *g, uint64_t seed)
{
    if (g->cfg.depth_percent == 0) return 0;
    g->books = calloc(g->cfg.symbol_cnt, sizeof *g->books);
    for (uint32_t i = 0; g->books && i < g->cfg.symbol_cnt; i++) {
        const symbol_t *s = &g->symbols[i];
        tm_venue_book_init(&g->books[i], splitmix(&seed), s->bid_ticks * s->tick_e8, s->tick_e8,
                           s->lot_e8);
    }
    return g->books ? 0 : -ENOMEM;
}

/* Entries of the pick table in proportion to 1 / rank; every symbol has one at least. */
static void picks_init(tm_venue_generator_t *g)
{
    uint32_t cnt = g->cfg.symbol_cnt, at = 0;
    double sum = 0;
    for (uint32_t i = 0; i < cnt; i++) sum += 1.0 / (i + 1);
    for (uint32_t i = 0; i < cnt && at < PICK_CNT; i++) {
        uint32_t left = cnt - i - 1;
        uint32_t share = (uint32_t)(PICK_CNT / sum / (i + 1));
        if (share < 1) share = 1;
        while (share > 1 && at + share + left > PICK_CNT) share--;
        while (share-- > 0 && at < PICK_CNT) g->picks[at++] = (uint16_t)i;
    }
    while (at < PICK_CNT) g->picks[at++] = 0;
}

/* ln(a / (a - 1)) for a > 1 by the series of the area hyperbolic tangent: the four basic operations
   give the same bits on every machine, which a library's logarithm does not promise. */
static double log_step(double a)
{
    double z = 1 / (2 * a - 1), power = z, sum = 0;
    for (int k = 1; k < 60; k += 2) {
        sum += power / k;
        power *= z * z;
    }
    return 2 * sum;
}

/* Quantiles of the exponential distribution with mean 1: -ln(1 - (i + 1/2) / PAUSE_CNT). */
static void pauses_init(tm_venue_generator_t *g)
{
    double quantile = log_step(2.0 * PAUSE_CNT); /* half a step to the first one */
    for (int i = 0; i < PAUSE_CNT; i++) {
        g->pauses[i] = (uint32_t)(quantile * PAUSE_UNIT);
        if (i + 1 < PAUSE_CNT) quantile += log_step(PAUSE_CNT - i - 0.5);
    }
}

int tm_venue_generator_open(tm_venue_generator_t **out, const tm_venue_generator_cfg_t *cfg)
{
    *out = NULL;
    uint32_t cnt = cfg->symbol_cnt ? cfg->symbol_cnt : TM_VENUE_SYMBOL_CNT;
    if (cnt > TM_VENUE_SYMBOL_MAX)
        return tm_error_set(TM_E_CONFIG, "%u symbols: at most %d", cnt, TM_VENUE_SYMBOL_MAX);
    if (!(cfg->rate >= 0) || cfg->rate > 1e8)
        return tm_error_set(TM_E_CONFIG, "rate %g: expected 0 to 1e8 messages a second", cfg->rate);
    if (cfg->trade_percent > 100 || cfg->depth_percent > 100 - cfg->trade_percent)
        return tm_error_set(TM_E_CONFIG, "%u %% trades, %u %% changes of books: at most 100",
                            cfg->trade_percent, cfg->depth_percent);
    if (cfg->message_sz > TM_VENUE_MESSAGE_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "messages of %u bytes: at most %d", cfg->message_sz,
                            TM_VENUE_MESSAGE_SZ_MAX);
    tm_venue_generator_t *g = calloc(1, sizeof *g + cnt * sizeof g->symbols[0]);
    if (!g) return tm_error_set(-ENOMEM, "no memory for a generator of %u symbols", cnt);
    g->cfg = *cfg;
    g->cfg.symbol_cnt = cnt;
    if (g->cfg.trade_percent == 0) g->cfg.trade_percent = TM_VENUE_TRADE_PERCENT;
    uint64_t seed = cfg->seed;
    for (int i = 0; i < 4; i++) g->state[i] = splitmix(&seed);
    g->mean_ns = cfg->rate > 0 ? (int64_t)(1e9 / cfg->rate) : UNSCHEDULED_NS;
    pauses_init(g);
    for (uint32_t i = 0; i < cnt; i++) symbol_init(g, i);
    picks_init(g);
    if (books_init(g, cfg->seed) < 0) {
        tm_venue_generator_close(g);
        return tm_error_set(-ENOMEM, "no memory for the books of %u symbols", cnt);
    }
    *out = g;
    return 0;
}

void tm_venue_generator_close(tm_venue_generator_t *g)
{
    if (g) free(g->books);
    free(g);
}
