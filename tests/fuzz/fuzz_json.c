/* Messages, one a line, read by declared paths: every instruction set, with shapes and without, has
   to give the same values or the same fault; lazy mode what full mode accepts; and simdjson, where
   it is installed, has to see the same values. Earlier lines teach shapes that later ones have. */
#include "parse/json/json.h"
#include "tests/fuzz/fuzz.h"
#ifdef TM_HAVE_JSON_PEER
#    include "tests/fuzz/json_peer.h"
#endif

#include <math.h>
#include <stdio.h>
#include <string.h>

static const tm_json_field_t fields[] = {
    {.path = "/s", .type = TM_JSON_TEXT},
    {.path = "/e", .type = TM_JSON_TEXT},
    {.path = "/E", .type = TM_JSON_TIME, .unit_ns = TM_NS_PER_MS},
    {.path = "/T", .type = TM_JSON_TIME, .unit_ns = TM_NS_PER_MS},
    {.path = "/t", .type = TM_JSON_U64},
    {.path = "/u", .type = TM_JSON_I64},
    {.path = "/p", .type = TM_JSON_DECIMAL, .scale = 8},
    {.path = "/q", .type = TM_JSON_DECIMAL, .scale = 3},
    {.path = "/m", .type = TM_JSON_BOOL},
    {.path = "/b/0/1", .type = TM_JSON_DECIMAL, .scale = 12},
    {.path = "/a/1/0", .type = TM_JSON_DECIMAL, .scale = 0},
    {.path = "/data/p", .type = TM_JSON_DECIMAL, .scale = 8},
    {.path = "/data/s", .type = TM_JSON_TEXT},
    {.path = "/data/k/n", .type = TM_JSON_I64},
    {.path = "/time", .type = TM_JSON_TIME},
    {.path = "/seconds", .type = TM_JSON_TIME, .unit_ns = TM_NS_PER_S},
};

enum { FIELD_CNT = TM_ARRAY_CNT(fields), READER_CNT = 5, LAZY = 4 };

static tm_json_t *readers[READER_CNT];

static void open_readers(void)
{
    for (uint32_t i = 0; i < READER_CNT; i++) {
        const tm_json_spec_t spec = {.fields = fields, .field_cnt = FIELD_CNT, .lazy = i == LAZY};
        readers[i] = tm_json_open(&spec);
        TM_MUST(readers[i]);
        tm_json_restrict(readers[i], tm_kernels_get(i % 2 ? TM_ISA_SCALAR : TM_ISA_AVX512),
                         i == 2 || i == 3);
    }
}

static void values_equal(const tm_json_value_t *a, const tm_json_value_t *b)
{
    for (uint32_t i = 0; i < FIELD_CNT; i++) {
        TM_MUST(a[i].state == b[i].state && a[i].text_sz == b[i].text_sz);
        if (fields[i].type != TM_JSON_TEXT)
            TM_MUST(a[i].u64 == b[i].u64);
        else if (a[i].text_sz > 0)
            TM_MUST(memcmp(a[i].text, b[i].text, a[i].text_sz) == 0);
    }
}

#ifdef TM_HAVE_JSON_PEER
/* Digits of the unit that a field's number is told in. */
static uint32_t scale_of(const tm_json_field_t *f)
{
    if (f->type != TM_JSON_TIME) return f->scale;
    return f->unit_ns == TM_NS_PER_S ? 9 : 6;
}

static void number_equal(const tm_json_field_t *f, const tm_json_value_t *v,
                         const tm_peer_value_t *peer)
{
    long double unit = powl(10, scale_of(f)), want = (long double)peer->f64;
    bool whole = peer->kind == TM_PEER_I64 || peer->kind == TM_PEER_U64;
    if (whole) {
        tm_i128_t exact = peer->kind == TM_PEER_I64 ? peer->i64 : (tm_i128_t)peer->u64;
        for (uint32_t i = scale_of(f); i > 0; i--) exact *= 10;
        TM_MUST(exact == (f->type == TM_JSON_U64 ? (tm_i128_t)v->u64 : v->i64));
        return;
    }
    if (peer->kind == TM_PEER_TEXT) {
        char text[400];
        if (peer->text_sz >= sizeof text) return;
        memcpy(text, peer->text, peer->text_sz);
        text[peer->text_sz] = '\0';
        want = strtold(text, NULL);
    } else {
        TM_MUST(peer->kind == TM_PEER_DOUBLE);
    }
    long double have = f->type == TM_JSON_U64 ? (long double)v->u64 : (long double)v->i64;
    TM_MUST(fabsl(have / unit - want) <= fabsl(want) * 1e-12L);
}

static void peer_agrees(const uint8_t *text, size_t sz, const tm_json_t *json,
                        const tm_json_value_t *values)
{
    const char *kind = tm_json_fault(json)->kind;
    bool form = !values && tm_json_fault(json)->field < 0;
    tm_peer_verdict_t verdict = tm_peer_json_parse(text, sz);
    if (verdict == TM_PEER_ACCEPTS) TM_MUST(!form || strcmp(kind, "nesting") == 0);
    if (verdict == TM_PEER_REFUSES) TM_MUST(form);
    /* Of a key that comes twice the peer takes the first. */
    if (!values || verdict != TM_PEER_ACCEPTS || json->reading.twice_cnt > 0) return;
    for (uint32_t i = 0; i < FIELD_CNT; i++) {
        tm_peer_value_t peer = tm_peer_json_at(fields[i].path);
        const tm_json_value_t *v = &values[i];
        TM_MUST((peer.kind == TM_PEER_ABSENT) == (v->state == TM_JSON_ABSENT));
        TM_MUST((peer.kind == TM_PEER_NULL) == (v->state == TM_JSON_NULL));
        if (v->state != TM_JSON_PRESENT) continue;
        bool dated = fields[i].type == TM_JSON_TIME && peer.kind == TM_PEER_TEXT;
        if (fields[i].type == TM_JSON_BOOL)
            TM_MUST(peer.kind == TM_PEER_BOOL && peer.i64 == v->i64);
        else if (fields[i].type == TM_JSON_TEXT)
            TM_MUST(peer.text_sz == v->text_sz && memcmp(peer.text, v->text, v->text_sz) == 0);
        else if (!dated)
            number_equal(&fields[i], v, &peer);
    }
}
#endif

/* ---- elements of arrays ---------------------------------------------------------------------- */

/* Two arrays, read by every instruction set; what is told must be the same, and simdjson's. */
static const tm_json_field_t element_fields[] = {
    {.path = "/b/-/0", .type = TM_JSON_DECIMAL, .scale = 8},
    {.path = "/b/-/1", .type = TM_JSON_DECIMAL, .scale = 3},
    {.path = "/a/-/p", .type = TM_JSON_DECIMAL, .scale = 12},
    {.path = "/a/-/s", .type = TM_JSON_TEXT},
};

enum { ELEMENT_FIELD_CNT = TM_ARRAY_CNT(element_fields), TOLD_MAX = 200 };

typedef struct told {
    uint32_t cnt; /* all elements, also those behind TOLD_MAX */
    uint32_t arrays[TOLD_MAX];
    tm_json_value_t values[TOLD_MAX][ELEMENT_FIELD_CNT];
} told_t;

static told_t tolds[3];
static tm_json_t *element_readers[3];

static void on_element(void *ctx, uint32_t array, const tm_json_value_t *values)
{
    told_t *t = ctx;
    if (t->cnt++ >= TOLD_MAX) return;
    t->arrays[t->cnt - 1] = array;
    memcpy(t->values[t->cnt - 1], values, sizeof t->values[0]);
}

static void open_element_readers(void)
{
    for (uint32_t i = 0; i < TM_ARRAY_CNT(tolds); i++) {
        element_readers[i] = tm_json_open(&(tm_json_spec_t){.fields = element_fields,
                                                            .field_cnt = ELEMENT_FIELD_CNT,
                                                            .each = on_element,
                                                            .each_ctx = &tolds[i]});
        TM_MUST(element_readers[i]);
        tm_json_restrict(element_readers[i], tm_kernels_get((tm_isa_t)i), false);
    }
}

#ifdef TM_HAVE_JSON_PEER
/* The peer has parsed the message, and its document is still there. */
static void peer_agrees_on_elements(const told_t *t)
{
    uint32_t idx[2] = {0, 0};
    for (uint32_t i = 0; i < t->cnt && i < TOLD_MAX; i++) {
        const uint32_t array = t->arrays[i], n = idx[array]++;
        for (uint32_t f = 2 * array; f < 2 * array + 2; f++) {
            char path[64];
            snprintf(path, sizeof path, "/%c/%u/%s", "ba"[array], n, element_fields[f].path + 5);
            const tm_json_value_t *v = &t->values[i][f];
            tm_peer_value_t peer = tm_peer_json_at(path);
            TM_MUST((peer.kind == TM_PEER_ABSENT) == (v->state == TM_JSON_ABSENT));
            if (v->state != TM_JSON_PRESENT) continue;
            if (element_fields[f].type == TM_JSON_TEXT)
                TM_MUST(peer.text_sz == v->text_sz && memcmp(peer.text, v->text, v->text_sz) == 0);
            else
                number_equal(&element_fields[f], v, &peer);
        }
    }
}
#endif

/* `copy` has its padding. */
static void elements(const uint8_t *copy, size_t sz)
{
    const tm_json_t *first = element_readers[0];
    for (uint32_t i = 0; i < TM_ARRAY_CNT(tolds); i++) {
        const tm_json_t *r = element_readers[i];
        tolds[i].cnt = 0;
        bool fine = tm_json_read(element_readers[i], copy, sz) != NULL;
        TM_MUST(fine == (strcmp(r->fault.kind, "none") == 0));
        TM_MUST(r->fault.kind == first->fault.kind && tolds[i].cnt == tolds[0].cnt);
        if (!fine)
            TM_MUST(r->fault.off == first->fault.off && r->fault.field == first->fault.field);
        for (uint32_t e = 0; e < tolds[i].cnt && e < TOLD_MAX; e++)
            for (uint32_t f = 0; f < ELEMENT_FIELD_CNT; f++) {
                const tm_json_value_t *a = &tolds[0].values[e][f], *b = &tolds[i].values[e][f];
                TM_MUST(a->state == b->state && a->text_sz == b->text_sz);
                if (element_fields[f].type != TM_JSON_TEXT) TM_MUST(a->u64 == b->u64);
            }
    }
#ifdef TM_HAVE_JSON_PEER
    bool plain = element_readers[0]->reading.twice_cnt == 0;
    if (strcmp(first->fault.kind, "none") == 0 && plain &&
        tm_peer_json_parse(copy, sz) == TM_PEER_ACCEPTS)
        peer_agrees_on_elements(&tolds[0]);
#endif
}

static void one(const uint8_t *text, size_t sz)
{
    /* Exactly the padding that is asked for. */
    uint8_t *copy = malloc(sz + TM_JSON_PAD);
    TM_MUST(copy);
    memcpy(copy, text, sz);
    memset(copy + sz, '"', TM_JSON_PAD);
    const tm_json_value_t *first = tm_json_read(readers[0], copy, sz);
    const tm_json_fault_t *fault = tm_json_fault(readers[0]);
    for (uint32_t i = 1; i < LAZY; i++) {
        const tm_json_value_t *v = tm_json_read(readers[i], copy, sz);
        const tm_json_fault_t *f = tm_json_fault(readers[i]);
        TM_MUST((v == NULL) == (first == NULL));
        if (v)
            values_equal(first, v);
        else
            TM_MUST(f->kind == fault->kind && f->off == fault->off && f->field == fault->field);
    }
    const tm_json_value_t *lazy = tm_json_read(readers[LAZY], copy, sz);
    /* The second reader has no shapes to skip the counting with. */
    bool twice = readers[2]->reading.twice_cnt > 0;
    if (first && !twice) {
        TM_MUST(lazy);
        values_equal(first, lazy);
    }
#ifdef TM_HAVE_JSON_PEER
    peer_agrees(text, sz, readers[2], first ? readers[2]->reading.values : NULL);
#endif
    elements(copy, sz);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    if (!readers[0]) {
        open_readers();
        open_element_readers();
    }
    while (sz > 0) {
        const uint8_t *end = memchr(data, '\n', sz);
        size_t line = end ? (size_t)(end - data) : sz;
        one(data, line);
        data += line + (end != NULL);
        sz -= line + (end != NULL);
    }
    return 0;
}
