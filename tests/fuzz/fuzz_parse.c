/* Messages, one a line: the paths of the parser must agree on every one, and what they take for
   JSON must be what a plain reader, one byte at a time, takes for JSON. Earlier lines teach layouts
   that later ones may follow. */
#include "base/counter.h"
#include "parse/parser.h"
#include "parse/reason.h"
#include "parse/scan/kernels.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { PATH_CNT = 6, ROW_MAX = 64, DEPTH_MAX = 1000 };

static tm_symbols_t *symbols;
static tm_counter_set_t *counters[PATH_CNT];
static tm_counter_t *reasons[PATH_CNT][TM_REASON_CNT];

/* The plain reader: RFC 8259, read from its grammar. */
typedef struct reader {
    const uint8_t *p, *end;
    uint32_t depth;
} reader_t;

static void space(reader_t *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool eat(reader_t *r, uint8_t c)
{
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

static bool utf8_tail(reader_t *r, uint32_t cnt, uint8_t lo, uint8_t hi)
{
    for (; cnt > 0; cnt--, lo = 0x80, hi = 0xbf) {
        if (r->p == r->end || *r->p < lo || *r->p > hi) return false;
        r->p++;
    }
    return true;
}

static bool escape(reader_t *r)
{
    if (r->p == r->end) return false;
    uint8_t c = *r->p++;
    if (c != 'u') return c != 0 && strchr("\"\\/bfnrt", c);
    for (int i = 0; i < 4; i++, r->p++)
        if (r->p == r->end || *r->p == 0 || !strchr("0123456789abcdefABCDEF", *r->p)) return false;
    return true;
}

static bool string(reader_t *r)
{
    if (!eat(r, '"')) return false;
    while (r->p < r->end) {
        uint8_t c = *r->p++;
        if (c == '"') return true;
        bool fine = c >= 0x20 && c < 0x80;
        if (c == '\\')
            fine = escape(r);
        else if (c >= 0xc2 && c <= 0xdf)
            fine = utf8_tail(r, 1, 0x80, 0xbf);
        else if (c == 0xe0)
            fine = utf8_tail(r, 2, 0xa0, 0xbf);
        else if (c == 0xed)
            fine = utf8_tail(r, 2, 0x80, 0x9f);
        else if (c >= 0xe1 && c <= 0xef)
            fine = utf8_tail(r, 2, 0x80, 0xbf);
        else if (c == 0xf0)
            fine = utf8_tail(r, 3, 0x90, 0xbf);
        else if (c == 0xf4)
            fine = utf8_tail(r, 3, 0x80, 0x8f);
        else if (c >= 0xf1 && c <= 0xf3)
            fine = utf8_tail(r, 3, 0x80, 0xbf);
        if (!fine) return false;
    }
    return false;
}

static bool digits(reader_t *r)
{
    const uint8_t *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') r->p++;
    return r->p > from;
}

static bool number(reader_t *r)
{
    eat(r, '-');
    if (!eat(r, '0') && !digits(r)) return false;
    if (eat(r, '.') && !digits(r)) return false;
    if (eat(r, 'e') || eat(r, 'E')) {
        if (!eat(r, '+')) eat(r, '-');
        return digits(r);
    }
    return true;
}

static bool word(reader_t *r, const char *text)
{
    while (*text)
        if (!eat(r, (uint8_t)*text++)) return false;
    return true;
}

static bool value(reader_t *r);

static bool list(reader_t *r, bool object)
{
    uint8_t close = object ? '}' : ']';
    if (++r->depth > DEPTH_MAX) return false;
    r->p++;
    space(r);
    if (eat(r, close)) {
        r->depth--;
        return true;
    }
    for (;;) {
        space(r);
        if (object) {
            if (!string(r)) return false;
            space(r);
            if (!eat(r, ':')) return false;
        }
        if (!value(r)) return false;
        if (eat(r, close)) {
            r->depth--;
            return true;
        }
        if (!eat(r, ',')) return false;
    }
}

/* A value and the space around it. */
static bool value(reader_t *r)
{
    space(r);
    bool fine = false;
    uint8_t c = r->p < r->end ? *r->p : 0;
    if (c == '{' || c == '[')
        fine = list(r, c == '{');
    else if (c == '"')
        fine = string(r);
    else if (c == 't')
        fine = word(r, "true");
    else if (c == 'f')
        fine = word(r, "false");
    else if (c == 'n')
        fine = word(r, "null");
    else
        fine = number(r);
    space(r);
    return fine;
}

static void open_paths(tm_parser_t *paths[PATH_CNT])
{
    static const tm_isa_t isas[PATH_CNT] = {TM_ISA_AVX512, TM_ISA_AVX512, TM_ISA_AVX2,
                                            TM_ISA_SCALAR, TM_ISA_AVX512, TM_ISA_SCALAR};
    if (!symbols) TM_MUST(tm_symbols_open(&symbols) == 0);
    for (uint32_t i = 0; i < PATH_CNT; i++) {
        if (!counters[i]) counters[i] = tm_counter_set_new("fuzz");
        for (tm_reason_t r = TM_REASON_NONE + 1; r < TM_REASON_CNT; r++)
            reasons[i][r] = tm_counter_get(counters[i], tm_reason_counter(r));
        tm_parser_cfg_t cfg = {.symbols = symbols,
                               .counters = counters[i],
                               .dead_letter_max = 1,
                               .kernels = tm_kernels_get(isas[i]),
                               .any_order_only = i >= 4,
                               .no_shapes = i == 1};
        TM_MUST(tm_parser_open(&paths[i], &cfg) == 0);
    }
}

static uint64_t count(uint32_t path, tm_reason_t reason)
{
    return tm_counter_read(reasons[path][reason]);
}

/* How often a path has refused a message as no JSON. */
static uint64_t refusals(uint32_t path)
{
    return count(path, TM_REASON_TRUNCATED) + count(path, TM_REASON_SYNTAX) +
           count(path, TM_REASON_UTF8) + count(path, TM_REASON_NESTING);
}

static void one(tm_parser_t *paths[PATH_CNT], const uint8_t *text, size_t sz)
{
    static tm_market_row_t rows[PATH_CNT][ROW_MAX];
    /* Exactly the padding that frames promise. */
    uint8_t *copy = malloc(sz + TM_FRAME_PAD);
    TM_MUST(copy);
    memcpy(copy, text, sz);
    memset(copy + sz, '"', TM_FRAME_PAD);
    tm_frame_t frame = {.data = copy, .sz = (uint32_t)sz, .recv_ns = 1};
    uint64_t before = refusals(0), nested = count(0, TM_REASON_NESTING);
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < PATH_CNT; i++) {
        uint32_t n = tm_parser_frame(paths[i], &frame, rows[i], ROW_MAX);
        if (i == 0) cnt = n;
        TM_MUST(n == cnt && memcmp(rows[i], rows[0], n * sizeof rows[0][0]) == 0);
        for (tm_reason_t r = TM_REASON_NONE + 1; r < TM_REASON_CNT; r++)
            TM_MUST(count(i, r) == count(0, r));
    }
    reader_t r = {text, text + sz, 0};
    bool fine = value(&r) && r.p == r.end;
    if (count(0, TM_REASON_NESTING) == nested) TM_MUST(fine == (refusals(0) == before));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    tm_parser_t *paths[PATH_CNT];
    open_paths(paths);
    while (sz > 0) {
        const uint8_t *end = memchr(data, '\n', sz);
        size_t line = end ? (size_t)(end - data) : sz;
        one(paths, data, line);
        data += line + (end != NULL);
        sz -= line + (end != NULL);
    }
    for (uint32_t i = 0; i < PATH_CNT; i++) tm_parser_close(paths[i]);
    return 0;
}
