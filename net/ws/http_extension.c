#include "net/ws/http_extension.h"

#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_SZ = 64, LEVEL_MAX = 9 };

static const char field_name[] = "Sec-WebSocket-Extensions";
static const char extension_name[] = "permessage-deflate";

/* The parameters of one offer or answer. */
typedef struct params {
    bool server_no_takeover, client_no_takeover;
    bool server_bits_said, client_bits_said;
    uint8_t server_bits, client_bits; /* 0 = said without a value */
} params_t;

/* ---- The grammar ----------------------------------------------------------------------------- */

/* Text of one field still to be read. */
typedef struct cursor {
    const char *at, *end;
} cursor_t;

static int bad_grammar(const char *what)
{
    return tm_error_set(TM_E_PROTOCOL, "%s: %s", field_name, what);
}

static void skip_blanks(cursor_t *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t')) c->at++;
}

static bool is_token_char(char ch)
{
    return isalnum((unsigned char)ch) || (ch && strchr("!#$%&'*+-.^_`|~", ch));
}

/* A token; sz = 0 where none stands here. Blanks behind it are skipped. */
static tm_http_slice_t take_token(cursor_t *c)
{
    tm_http_slice_t token = {c->at, 0};
    while (c->at < c->end && is_token_char(*c->at)) c->at++;
    token.sz = (size_t)(c->at - token.s);
    skip_blanks(c);
    return token;
}

static bool take_char(cursor_t *c, char ch)
{
    if (c->at == c->end || *c->at != ch) return false;
    c->at++;
    skip_blanks(c);
    return true;
}

/* A token, or one in quotes: what is between them must be a token too. An escape is none of the
   characters that a value of ours has, so it need not be undone to be refused. */
static int take_value(cursor_t *c, tm_http_slice_t *value)
{
    bool quoted = c->at < c->end && *c->at == '"';
    if (quoted) c->at++;
    *value = (tm_http_slice_t){c->at, 0};
    while (c->at < c->end && is_token_char(*c->at)) c->at++;
    value->sz = (size_t)(c->at - value->s);
    if (value->sz == 0) return bad_grammar("a parameter has = and no value behind it");
    if (quoted && (c->at == c->end || *c->at++ != '"')) {
        return bad_grammar("a quoted value is not a token in quotes");
    }
    skip_blanks(c);
    return 0;
}

/* Comma lists may have empty members. Returns 1 with the name of the next extension, 0 at the
   end. */
static int next_extension(cursor_t *c, tm_http_slice_t *name)
{
    skip_blanks(c);
    while (take_char(c, ',')) continue;
    if (c->at == c->end) return 0;
    *name = take_token(c);
    return name->sz > 0 ? 1 : bad_grammar("an extension has no name");
}

/* Returns 1 with the next parameter of that extension (value.s = NULL: it has none), 0 behind the
   last. */
static int next_param(cursor_t *c, tm_http_slice_t *name, tm_http_slice_t *value)
{
    *value = (tm_http_slice_t){0};
    if (!take_char(c, ';')) {
        if (c->at == c->end || *c->at == ',') return 0;
        return bad_grammar("an extension is followed by neither ; nor ,");
    }
    *name = take_token(c);
    if (name->sz == 0) return bad_grammar("a parameter has no name");
    if (take_char(c, '=')) TM_TRY(take_value(c, value));
    return 1;
}

/* ---- The parameters of permessage-deflate ---------------------------------------------------- */

/* Keeps the first reason; *why stays "" while all is well. */
TM_PRINTF(2, 3)
static void decline(char why[TM_HTTP_EXTENSION_MAX], const char *fmt, ...)
{
    if (why[0] != '\0') return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, TM_HTTP_EXTENSION_MAX, fmt, ap);
    va_end(ap);
}

/* 8 to 15 without a leading zero; 0 for all else. */
static uint8_t parse_bits(tm_http_slice_t value)
{
    if (value.sz == 1 && (value.s[0] == '8' || value.s[0] == '9')) {
        return (uint8_t)(value.s[0] - '0');
    }
    if (value.sz == 2 && value.s[0] == '1' && value.s[1] >= '0' && value.s[1] <= '5') {
        return (uint8_t)(10 + value.s[1] - '0');
    }
    return 0;
}

static void take_param(params_t *p, tm_http_slice_t name, tm_http_slice_t value,
                       char why[TM_HTTP_EXTENSION_MAX])
{
    const struct {
        const char *name;
        bool *said;
        uint8_t *bits;      /* NULL: takes no value */
        bool value_is_free; /* may also stand without one */
    } known[] = {
        {"server_no_context_takeover", &p->server_no_takeover, NULL, true},
        {"client_no_context_takeover", &p->client_no_takeover, NULL, true},
        {"server_max_window_bits", &p->server_bits_said, &p->server_bits, false},
        {"client_max_window_bits", &p->client_bits_said, &p->client_bits, true},
    };
    char shown[SHOWN_SZ];
    size_t i = 0;
    while (i < TM_ARRAY_CNT(known) && !tm_http_slice_is(name, known[i].name)) i++;
    if (i == TM_ARRAY_CNT(known)) {
        tm_http_slice_show(name, shown, sizeof shown);
        decline(why, "has the unknown parameter %s", shown);
        return;
    }
    if (*known[i].said) decline(why, "has %s twice", known[i].name);
    *known[i].said = true;
    if (!value.s) {
        if (!known[i].value_is_free) decline(why, "has %s without a value", known[i].name);
        return;
    }
    tm_http_slice_show(value, shown, sizeof shown);
    if (!known[i].bits) {
        decline(why, "has %s with the value %s; it takes none", known[i].name, shown);
        return;
    }
    *known[i].bits = parse_bits(value);
    if (*known[i].bits == 0) {
        decline(why, "has %s=%s; windows have 8 to 15 bits", known[i].name, shown);
    }
}

/* Reads all parameters of the extension whose name was taken; `why` says what is wrong there. */
static int take_params(cursor_t *c, params_t *p, char why[TM_HTTP_EXTENSION_MAX])
{
    *p = (params_t){0};
    why[0] = '\0';
    for (;;) {
        tm_http_slice_t name = {0}, value;
        int rc = next_param(c, &name, &value);
        if (rc <= 0) return rc;
        take_param(p, name, value, why);
    }
}

/* ---- What we want ---------------------------------------------------------------------------- */

static uint8_t bits_or_max(uint8_t bits)
{
    return bits ? bits : TM_DEFLATE_WINDOW_BITS_MAX;
}

static int check_bits(uint8_t bits, uint8_t min, const char *whose)
{
    if (bits == 0 || (bits >= min && bits <= TM_DEFLATE_WINDOW_BITS_MAX)) return 0;
    return tm_error_set(TM_E_CONFIG, "permessage-deflate: the %s window has %u bits; %u to 15 work",
                        whose, bits, min);
}

static int check_levels(const tm_deflate_cfg_t *cfg)
{
    if (cfg->level <= LEVEL_MAX && cfg->mem_level <= LEVEL_MAX) return 0;
    return tm_error_set(TM_E_CONFIG, "permessage-deflate: levels go up to 9");
}

/* ---- Client ---------------------------------------------------------------------------------- */

static void put(char out[TM_HTTP_EXTENSION_MAX], const char *name, uint8_t bits)
{
    size_t sz = strlen(out);
    if (bits) {
        snprintf(out + sz, TM_HTTP_EXTENSION_MAX - sz, "; %s=%u", name, bits);
    } else {
        snprintf(out + sz, TM_HTTP_EXTENSION_MAX - sz, "; %s", name);
    }
}

int tm_deflate_offer_write(const tm_deflate_cfg_t *cfg, char out[TM_HTTP_EXTENSION_MAX])
{
    TM_TRY(check_bits(cfg->server_window_bits, TM_DEFLATE_WINDOW_BITS_MIN, "server's"));
    TM_TRY(check_bits(cfg->client_window_bits, TM_DEFLATE_OUT_WINDOW_BITS_MIN, "client's"));
    TM_TRY(check_levels(cfg));
    snprintf(out, TM_HTTP_EXTENSION_MAX, "%s", extension_name);
    if (cfg->server_no_context_takeover) put(out, "server_no_context_takeover", 0);
    if (cfg->client_no_context_takeover) put(out, "client_no_context_takeover", 0);
    if (cfg->server_window_bits) put(out, "server_max_window_bits", cfg->server_window_bits);
    /* Without a value it says that we can go lower where the server wants it. */
    put(out, "client_max_window_bits", cfg->client_window_bits);
    return (int)strlen(out);
}

/* Compares the answer with the offer; `why` says what must not be. That client_max_window_bits was
   offered needs no look: it always is. */
static void judge_answer(const tm_deflate_cfg_t *cfg, const params_t *p,
                         char why[TM_HTTP_EXTENSION_MAX])
{
    if (cfg->server_no_context_takeover && !p->server_no_takeover) {
        decline(why, "leaves out server_no_context_takeover, which was asked for");
    }
    if (cfg->server_window_bits && !p->server_bits_said) {
        decline(why, "leaves out server_max_window_bits, which was asked for");
    }
    if (p->server_bits > bits_or_max(cfg->server_window_bits)) {
        decline(why, "has server_max_window_bits=%u, above the %u asked for", p->server_bits,
                cfg->server_window_bits);
    }
    if (p->client_bits_said && !p->client_bits) {
        decline(why, "has client_max_window_bits without a value");
    }
    if (p->client_bits > bits_or_max(cfg->client_window_bits)) {
        decline(why, "has client_max_window_bits=%u, above the %u offered", p->client_bits,
                cfg->client_window_bits);
    }
}

int tm_deflate_answer_read(const tm_deflate_cfg_t *cfg, tm_http_slice_t answer,
                           tm_deflate_terms_t *terms)
{
    *terms = (tm_deflate_terms_t){0};
    if (!answer.s) return 0;
    cursor_t c = {answer.s, answer.s + answer.sz};
    char why[TM_HTTP_EXTENSION_MAX] = "", shown[SHOWN_SZ];
    tm_deflate_terms_t met = {0};
    params_t p;
    for (;;) {
        tm_http_slice_t name = {0};
        int rc = next_extension(&c, &name);
        if (rc == 0) *terms = met;
        if (rc <= 0) return rc;
        if (!tm_http_slice_is(name, extension_name)) {
            return tm_error_set(TM_E_PROTOCOL, "the server turned on %s, which was not offered",
                                tm_http_slice_show(name, shown, sizeof shown));
        }
        if (met.on) {
            return tm_error_set(TM_E_PROTOCOL, "the server answered %s twice", extension_name);
        }
        TM_TRY(take_params(&c, &p, why));
        judge_answer(cfg, &p, why);
        if (why[0]) {
            return tm_error_set(TM_E_PROTOCOL, "the server's answer to %s %s", extension_name, why);
        }
        met = (tm_deflate_terms_t){
            .on = true,
            .in_takeover = !p.server_no_takeover,
            .out_takeover = !p.client_no_takeover && !cfg->client_no_context_takeover,
            .in_window_bits = bits_or_max(p.server_bits),
            .out_window_bits = p.client_bits ? p.client_bits : bits_or_max(cfg->client_window_bits),
            .level = cfg->level,
            .mem_level = cfg->mem_level,
        };
        if (met.out_window_bits < TM_DEFLATE_OUT_WINDOW_BITS_MIN) met.level = 0;
    }
}

/* ---- Server ---------------------------------------------------------------------------------- */

static uint8_t min_bits(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* The terms that meet the offer. `why` says why none do. */
static tm_deflate_terms_t meet_offer(const tm_deflate_cfg_t *cfg, const params_t *p,
                                     char why[TM_HTTP_EXTENSION_MAX])
{
    tm_deflate_terms_t terms = {
        .on = true,
        .in_takeover = !p->client_no_takeover && !cfg->client_no_context_takeover,
        .out_takeover = !p->server_no_takeover && !cfg->server_no_context_takeover,
        .in_window_bits = TM_DEFLATE_WINDOW_BITS_MAX,
        .out_window_bits = min_bits(bits_or_max(p->server_bits),
                                    bits_or_max(cfg->server_window_bits)),
        .level = cfg->level,
        .mem_level = cfg->mem_level,
    };
    if (p->client_bits_said) {
        terms.in_window_bits = min_bits(bits_or_max(p->client_bits),
                                        bits_or_max(cfg->client_window_bits));
    }
    if (terms.out_window_bits < TM_DEFLATE_OUT_WINDOW_BITS_MIN) {
        decline(why, "wants a window of 8 bits, which zlib does not make");
    }
    return terms;
}

/* What was demanded must be in the answer, also where it is what would be without it. */
static int write_answer(const tm_deflate_terms_t *terms, const params_t *offer,
                        char out[TM_HTTP_EXTENSION_MAX])
{
    snprintf(out, TM_HTTP_EXTENSION_MAX, "%s", extension_name);
    if (!terms->out_takeover) put(out, "server_no_context_takeover", 0);
    if (!terms->in_takeover) put(out, "client_no_context_takeover", 0);
    if (offer->server_bits_said || terms->out_window_bits < TM_DEFLATE_WINDOW_BITS_MAX) {
        put(out, "server_max_window_bits", terms->out_window_bits);
    }
    if (terms->in_window_bits < TM_DEFLATE_WINDOW_BITS_MAX) {
        put(out, "client_max_window_bits", terms->in_window_bits);
    }
    return (int)strlen(out);
}

/* Reads the offers of one field. Returns 1 once one is met, 0 where none is. */
static int choose_in(const tm_deflate_cfg_t *cfg, tm_http_slice_t field, tm_deflate_terms_t *terms,
                     params_t *chosen)
{
    cursor_t c = {field.s, field.s + field.sz};
    for (;;) {
        char why[TM_HTTP_EXTENSION_MAX];
        tm_http_slice_t name = {0};
        params_t p;
        int rc = next_extension(&c, &name);
        if (rc <= 0) return rc < 0 ? rc : terms->on;
        TM_TRY(take_params(&c, &p, why));
        /* The offers behind the chosen one are still read for their grammar. */
        if (terms->on || !tm_http_slice_is(name, extension_name)) continue;
        tm_deflate_terms_t met = meet_offer(cfg, &p, why);
        if (why[0]) {
            tm_error_set(TM_E_PROTOCOL, "an offer of %s %s", extension_name, why);
            continue;
        }
        *terms = met;
        *chosen = p;
    }
}

int tm_deflate_offers_choose(const tm_deflate_cfg_t *cfg, const tm_http_head_t *head,
                             tm_deflate_terms_t *terms, char out[TM_HTTP_EXTENSION_MAX])
{
    *terms = (tm_deflate_terms_t){0};
    out[0] = '\0';
    TM_TRY(check_bits(cfg->server_window_bits, TM_DEFLATE_OUT_WINDOW_BITS_MIN, "server's"));
    TM_TRY(check_bits(cfg->client_window_bits, TM_DEFLATE_WINDOW_BITS_MIN, "client's"));
    TM_TRY(check_levels(cfg));
    params_t chosen = {0};
    tm_deflate_terms_t met = {0};
    uint32_t cnt = tm_http_head_cnt(head, field_name);
    for (uint32_t i = 0; i < cnt; i++) {
        TM_TRY(choose_in(cfg, tm_http_head_get(head, field_name, i), &met, &chosen));
    }
    *terms = met;
    return met.on ? write_answer(&met, &chosen, out) : 0;
}
