/* permessage-deflate as it is offered, answered and agreed: RFC 7692, section 7.1. */
#include "base/error.h"
#include "net/ws/http_extension.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

typedef struct shown {
    char text[64];
} shown_t;

/* "in 15+ out 10- level 3": window bits, and whether the window lives on. */
static shown_t show(const tm_deflate_terms_t *t)
{
    shown_t shown = {"off"};
    if (t->on) {
        snprintf(shown.text, sizeof shown.text, "in %u%c out %u%c level %u", t->in_window_bits,
                 t->in_takeover ? '+' : '-', t->out_window_bits, t->out_takeover ? '+' : '-',
                 t->level);
    }
    return shown;
}

static void offers(const tm_deflate_cfg_t *cfg, const char *want)
{
    char out[TM_HTTP_EXTENSION_MAX];
    tm_assert_eq(tm_deflate_offer_write(cfg, out), (int)strlen(want));
    tm_assert_str(out, want);
}

Test(deflate_terms, an_offer_says_what_is_wanted)
{
    offers(&(tm_deflate_cfg_t){0}, "permessage-deflate; client_max_window_bits");
    offers(&(tm_deflate_cfg_t){.server_no_context_takeover = true,
                               .client_no_context_takeover = true,
                               .server_window_bits = 10,
                               .client_window_bits = 9},
           "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
           "server_max_window_bits=10; client_max_window_bits=9");
}

Test(deflate_terms, wishes_out_of_range_are_errors_of_the_configuration)
{
    char out[TM_HTTP_EXTENSION_MAX];
    static const tm_deflate_cfg_t bad[] = {
        {.server_window_bits = 7},
        {.server_window_bits = 16},
        {.client_window_bits = 8},
        {.client_window_bits = 16},
        {.level = 10},
        {.mem_level = 10},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_assert_eq(tm_deflate_offer_write(&bad[i], out), (int)TM_E_CONFIG);
    }
    offers(&(tm_deflate_cfg_t){.server_window_bits = 8},
           "permessage-deflate; server_max_window_bits=8; client_max_window_bits");
}

static int read_answer(const tm_deflate_cfg_t *cfg, const char *text, tm_deflate_terms_t *terms)
{
    tm_http_slice_t slice = {text, strlen(text)};
    return tm_deflate_answer_read(cfg, slice, terms);
}

static void agrees(const tm_deflate_cfg_t *cfg, const char *answer, const char *want)
{
    tm_deflate_terms_t terms;
    int rc = read_answer(cfg, answer, &terms);
    if (rc < 0) printf("# %s: %s\n", answer, tm_error_text());
    tm_assert_eq(rc, 0);
    tm_assert_str(show(&terms).text, want);
}

Test(deflate_terms, a_client_takes_the_answers_that_its_offer_allows)
{
    tm_deflate_cfg_t any = {.level = 3};
    tm_deflate_terms_t terms;
    tm_assert_eq(tm_deflate_answer_read(&any, (tm_http_slice_t){0}, &terms), 0);
    tm_assert(!terms.on);
    agrees(&any, "", "off");
    agrees(&any, "permessage-deflate", "in 15+ out 15+ level 3");
    agrees(&any, "permessage-deflate; server_no_context_takeover", "in 15- out 15+ level 3");
    agrees(&any, "permessage-deflate;client_no_context_takeover", "in 15+ out 15- level 3");
    agrees(&any, "permessage-deflate ; server_max_window_bits = 9", "in 9+ out 15+ level 3");
    agrees(&any, "permessage-deflate; client_max_window_bits=\"12\"", "in 15+ out 12+ level 3");
    agrees(&any, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=10",
           "in 8+ out 10+ level 3");
    tm_deflate_cfg_t some = {.client_window_bits = 11,
                             .client_no_context_takeover = true,
                             .server_window_bits = 12,
                             .server_no_context_takeover = true};
    agrees(&some, "permessage-deflate; server_no_context_takeover; server_max_window_bits=12",
           "in 12- out 11- level 0");
    agrees(&some,
           "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10; "
           "server_no_context_takeover",
           "in 10- out 10- level 0");
}

Test(deflate_terms, a_server_that_wants_windows_of_8_bits_gets_messages_as_they_are)
{
    tm_deflate_cfg_t any = {.level = 3};
    agrees(&any, "permessage-deflate; client_max_window_bits=8", "in 15+ out 8+ level 0");
}

static void refuses(const tm_deflate_cfg_t *cfg, const char *answer, const char *why)
{
    tm_deflate_terms_t terms;
    tm_assert_eq(read_answer(cfg, answer, &terms), (int)TM_E_PROTOCOL);
    tm_assert(!terms.on);
    if (!strstr(tm_error_text(), why)) printf("# %s: %s\n", answer, tm_error_text());
    tm_assert(strstr(tm_error_text(), why));
}

Test(deflate_terms, a_client_refuses_an_answer_that_breaks_a_rule)
{
    tm_deflate_cfg_t any = {0};
#define PMD "permessage-deflate"
    refuses(&any, "x-webkit-deflate-frame", "x-webkit-deflate-frame, which was not offered");
    refuses(&any, PMD ", x", "x, which was not offered");
    refuses(&any, PMD ", " PMD, "twice");
    refuses(&any, PMD ",; cs = 8", "an extension has no name");
    refuses(&any, PMD "; mystery", "unknown parameter mystery");
    refuses(&any, PMD "; mystery=1", "unknown parameter mystery");
    refuses(&any, PMD "; server_no_context_takeover; server_no_context_takeover",
            "server_no_context_takeover twice");
    refuses(&any, PMD "; server_max_window_bits=10; server_max_window_bits=10", "twice");
    refuses(&any, PMD "; server_no_context_takeover=1", "it takes none");
    refuses(&any, PMD "; client_no_context_takeover=true", "it takes none");
    refuses(&any, PMD "; server_max_window_bits", "without a value");
    refuses(&any, PMD "; client_max_window_bits", "without a value");
    static const char *const values[] = {"7", "16", "0",   "010", "08",  "1",  "99",
                                         "x", "-9", "15x", "150", "1e1", "+9", "4294967304"};
    for (size_t i = 0; i < TM_ARRAY_CNT(values); i++) {
        char answer[128];
        for (int client = 0; client < 2; client++) {
            snprintf(answer, sizeof answer, PMD "; %s_max_window_bits=%s",
                     client ? "client" : "server", values[i]);
            refuses(&any, answer, "windows have 8 to 15 bits");
        }
    }
}

Test(deflate_terms, a_client_refuses_what_it_did_not_offer_and_misses_what_it_demanded)
{
    tm_deflate_cfg_t small = {.client_window_bits = 10, .server_window_bits = 10};
    refuses(&small, PMD, "leaves out server_max_window_bits");
    refuses(&small, PMD "; server_max_window_bits=11", "above the 10 asked for");
    refuses(&small, PMD "; server_max_window_bits=10; client_max_window_bits=11",
            "above the 10 offered");
    tm_deflate_cfg_t fresh = {.server_no_context_takeover = true};
    refuses(&fresh, PMD, "leaves out server_no_context_takeover");
}

Test(deflate_terms, an_answer_that_is_no_list_of_extensions_is_refused)
{
    tm_deflate_cfg_t any = {0};
    refuses(&any, "; a", "an extension has no name");
    refuses(&any, "=1", "an extension has no name");
    refuses(&any, PMD " x", "neither ; nor ,");
    refuses(&any, PMD "=1", "neither ; nor ,");
    refuses(&any, PMD ";", "a parameter has no name");
    refuses(&any, PMD "; ; server_no_context_takeover", "a parameter has no name");
    refuses(&any, PMD "; server_max_window_bits=", "no value behind it");
    refuses(&any, PMD "; server_max_window_bits=\"\"", "no value behind it");
    refuses(&any, PMD "; server_max_window_bits=\"10", "not a token in quotes");
    refuses(&any, PMD "; server_max_window_bits=\"1 0\"", "not a token in quotes");
    refuses(&any, PMD "; server_max_window_bits=\"1\\0\"", "not a token in quotes");
    refuses(&any, PMD "; a=\"x,y\"", "not a token in quotes");
    refuses(&any, PMD "\x01", "neither ; nor ,");
}

/* Chooses from the offers, each in a field of its own where `|` stands. */
static int choose(const tm_deflate_cfg_t *cfg, const char *fields, tm_deflate_terms_t *terms,
                  char out[TM_HTTP_EXTENSION_MAX])
{
    static tm_http_head_t head;
    char text[2048] = "GET / HTTP/1.1\r\n";
    while (*fields) {
        size_t sz = strcspn(fields, "|"), at = strlen(text);
        snprintf(text + at, sizeof text - at, "Sec-WebSocket-Extensions: %.*s\r\n", (int)sz,
                 fields);
        fields += sz + (fields[sz] == '|');
    }
    size_t used, at = strlen(text);
    snprintf(text + at, sizeof text - at, "\r\n");
    tm_http_head_init(&head, TM_HTTP_REQUEST);
    tm_assert_eq(tm_http_head_feed(&head, (const uint8_t *)text, strlen(text), &used), 1);
    return tm_deflate_offers_choose(cfg, &head, terms, out);
}

static void answers(const tm_deflate_cfg_t *cfg, const char *fields, const char *want,
                    const char *want_terms)
{
    char out[TM_HTTP_EXTENSION_MAX];
    tm_deflate_terms_t terms;
    int rc = choose(cfg, fields, &terms, out);
    if (strcmp(out, want) != 0) printf("# %s: %s\n", fields, out);
    tm_assert_eq(rc, (int)strlen(want));
    tm_assert_str(out, want);
    tm_assert_str(show(&terms).text, want_terms);
}

Test(deflate_terms, a_server_answers_the_examples_of_the_rfc)
{
    tm_deflate_cfg_t any = {.level = 6};
    answers(&any, PMD, PMD, "in 15+ out 15+ level 6");
    answers(&any, PMD "; client_max_window_bits; server_max_window_bits=10",
            PMD "; server_max_window_bits=10", "in 15+ out 10+ level 6");
    answers(&any,
            PMD "; client_max_window_bits; server_max_window_bits=10, " PMD
                "; client_max_window_bits",
            PMD "; server_max_window_bits=10", "in 15+ out 10+ level 6");
}

Test(deflate_terms, a_server_grants_what_is_demanded_and_adds_what_it_wants)
{
    tm_deflate_cfg_t any = {.level = 6};
    answers(&any, "", "", "off");
    answers(&any, "x-webkit-deflate-frame", "", "off");
    answers(&any, "foo; bar=\"x\", " PMD "; server_no_context_takeover",
            PMD "; server_no_context_takeover", "in 15+ out 15- level 6");
    answers(&any, PMD "; server_max_window_bits=15", PMD "; server_max_window_bits=15",
            "in 15+ out 15+ level 6");
    answers(&any, PMD "; client_no_context_takeover; client_max_window_bits=10",
            PMD "; client_no_context_takeover; client_max_window_bits=10",
            "in 10- out 15+ level 6");
    answers(&any, PMD "; client_max_window_bits=8", PMD "; client_max_window_bits=8",
            "in 8+ out 15+ level 6");
    tm_deflate_cfg_t lean = {.level = 1,
                             .server_no_context_takeover = true,
                             .client_no_context_takeover = true,
                             .server_window_bits = 11,
                             .client_window_bits = 9};
    answers(&lean, PMD "; client_max_window_bits",
            PMD "; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=11; client_max_window_bits=9",
            "in 9- out 11- level 1");
    /* Only a client that says so can be told to use a smaller window. */
    answers(&lean, PMD,
            PMD "; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=11",
            "in 15- out 11- level 1");
}

Test(deflate_terms, a_server_passes_over_offers_that_break_a_rule_and_takes_the_next)
{
    tm_deflate_cfg_t any = {.level = 6};
    static const char *const bad[] = {
        PMD "; mystery",
        PMD "; server_max_window_bits",
        PMD "; server_max_window_bits=16",
        PMD "; server_max_window_bits=09",
        PMD "; client_max_window_bits=7",
        PMD "; server_no_context_takeover=1",
        PMD "; client_no_context_takeover; client_no_context_takeover",
        PMD "; server_max_window_bits=8",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char fields[256];
        tm_error_clear();
        answers(&any, bad[i], "", "off");
        tm_assert(strstr(tm_error_text(), "an offer of permessage-deflate"));
        snprintf(fields, sizeof fields, "%s, " PMD "; server_max_window_bits=12", bad[i]);
        answers(&any, fields, PMD "; server_max_window_bits=12", "in 15+ out 12+ level 6");
        snprintf(fields, sizeof fields, "%s|foo|" PMD, bad[i]);
        answers(&any, fields, PMD, "in 15+ out 15+ level 6");
    }
}

Test(deflate_terms, a_request_that_is_no_list_of_extensions_is_refused_wherever_it_breaks)
{
    tm_deflate_cfg_t any = {.level = 6};
    static const char *const bad[] = {
        PMD ";", PMD "; a=", "x y", PMD ", foo; =", PMD "|foo bar", "\"quoted\"", PMD "; a=\"b"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char out[TM_HTTP_EXTENSION_MAX];
        tm_deflate_terms_t terms;
        tm_assert_eq(choose(&any, bad[i], &terms, out), (int)TM_E_PROTOCOL);
        tm_assert(!terms.on && out[0] == '\0');
    }
}

Test(deflate_terms, an_offer_of_ours_is_met_by_a_server_of_ours_and_both_see_the_same)
{
    for (unsigned i = 0; i < 4096; i++) {
        tm_deflate_cfg_t client = {.server_no_context_takeover = i & 1,
                                   .client_no_context_takeover = i & 2,
                                   .server_window_bits = (uint8_t)(i & 4 ? 9 + i / 512 % 7 : 0),
                                   .client_window_bits = (uint8_t)(i & 8 ? 9 + i / 300 % 7 : 0)};
        tm_deflate_cfg_t server = {.server_no_context_takeover = i & 16,
                                   .client_no_context_takeover = i & 32,
                                   .server_window_bits = (uint8_t)(i & 64 ? 9 + i / 700 % 7 : 0),
                                   .client_window_bits = (uint8_t)(i & 128 ? 8 + i / 400 % 8 : 0)};
        char offer[TM_HTTP_EXTENSION_MAX], answer[TM_HTTP_EXTENSION_MAX];
        tm_deflate_terms_t here, there;
        tm_assert(tm_deflate_offer_write(&client, offer) > 0);
        tm_assert(choose(&server, offer, &there, answer) > 0);
        tm_assert_eq(read_answer(&client, answer, &here), 0);
        tm_assert_eq(here.in_takeover, there.out_takeover);
        tm_assert_eq(here.out_takeover, there.in_takeover);
        tm_assert_eq(here.in_window_bits, there.out_window_bits);
        tm_assert_eq(here.out_window_bits, there.in_window_bits);
    }
}
