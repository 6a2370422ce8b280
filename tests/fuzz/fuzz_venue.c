/* Texts that others write and the simulated exchange and its clients take apart: requests, captured
   lines, fault scripts, addresses. Input: which of them, the text. */
#include "base/error.h"
#include "net/conn/url.h"
#include "net/simulated/fault_plan.h"
#include "net/simulated/venue_fault_text.h"
#include "net/simulated/venue_line.h"
#include "net/simulated/venue_request.h"
#include "net/ws/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool is_inside(const char *part, size_t part_sz, const char *text, size_t sz)
{
    return part >= text && part_sz <= sz && part - text <= (ptrdiff_t)(sz - part_sz);
}

static void request(const char *text, size_t sz)
{
    static tm_venue_request_t r;
    char reply[TM_VENUE_ERROR_SZ_MAX + TM_VENUE_ID_SZ_MAX + 64];
    bool fine = tm_venue_request_parse(&r, text, sz);
    TM_MUST(fine == (r.code < 0) && r.code <= 3);
    TM_MUST(strlen(r.id) < TM_VENUE_ID_SZ_MAX);
    if (!fine) {
        size_t n = tm_venue_request_error(&r, reply, sizeof reply);
        TM_MUST(n > 0 && n <= sizeof reply && reply[0] == '{' && reply[n - 1] == '}');
        return;
    }
    TM_MUST(r.method < TM_VENUE_METHOD_CNT && r.param_cnt <= TM_VENUE_PARAM_MAX);
    for (uint32_t i = 0; i < r.param_cnt; i++)
        if (r.params[i].kind == TM_VENUE_PARAM_STRING)
            TM_MUST(is_inside(r.params[i].s, r.params[i].sz, text, sz));
}

static void line(const char *text, size_t sz)
{
    tm_venue_line_t l;
    tm_venue_message_t m;
    tm_venue_line_init(&l);
    tm_venue_line_set(&l, text, (uint32_t)sz, &m);
    for (int n = 0; n < 100; n++) {
        TM_MUST(m.data_sz <= sz && (m.stream || m.stream_sz == 0));
        TM_MUST(m.stream_sz <= TM_VENUE_STREAM_SZ_MAX);
        /* What it gives is read to its end. */
        uint32_t sum = 0;
        for (uint32_t i = 0; i < m.sz; i++) sum += (uint8_t)m.text[i];
        for (uint32_t i = 0; i < m.data_sz; i++) sum += (uint8_t)m.data[i];
        for (uint32_t i = 0; i < m.stream_sz; i++) sum += (uint8_t)m.stream[i];
        TM_MUST(sum != 1);
        if (!tm_venue_line_next(&l, &m)) break;
        TM_MUST(n < 99);
    }
    tm_venue_line_fini(&l);
}

static void script(const char *text, size_t sz)
{
    tm_fault_plan_t *plan, *again;
    char shown[TM_FAULT_LINE_MAX];
    if (tm_fault_plan_parse(&plan, text, sz, "script", 1) < 0) {
        TM_MUST(plan == NULL && tm_error_text()[0] != '\0');
        return;
    }
    for (uint32_t i = 0; i < plan->rule_cnt; i++) {
        const tm_fault_rule_t *a = &plan->rules[i];
        tm_fault_rule_show(a, shown);
        TM_MUST(tm_fault_plan_parse(&again, shown, strlen(shown), "shown", 1) == 0);
        TM_MUST(again->rule_cnt == 1);
        const tm_fault_rule_t *b = &again->rules[0];
        TM_MUST(a->when == b->when && a->what == b->what && a->at == b->at && a->arg == b->arg);
        TM_MUST(a->conn_first == b->conn_first && a->conn_last == b->conn_last);
        free(again);
    }
    free(plan);
}

static void spoil(const char *text, size_t sz, uint8_t how)
{
    char *copy = malloc(sz + TM_VENUE_FAULT_TEXT_EXTRA);
    TM_MUST(copy);
    uint64_t random = how;
    bool was_text = tm_utf8_is_valid((const uint8_t *)text, sz);
    memcpy(copy, text, sz);
    tm_venue_fault_text_jump(copy, sz, (int64_t)how * TM_NS_PER_S);
    size_t n = tm_venue_fault_text_spoil(copy, sz, (tm_fault_json_t)(how % TM_FAULT_JSON_CNT),
                                         &random);
    TM_MUST(n <= sz + TM_VENUE_FAULT_TEXT_EXTRA);
    TM_MUST(!was_text || tm_utf8_is_valid((const uint8_t *)copy, n));
    free(copy);
}

static void address(const char *text, size_t sz)
{
    static tm_url_t url;
    char *copy = malloc(sz + 1);
    TM_MUST(copy);
    memcpy(copy, text, sz);
    copy[sz] = '\0';
    int rc = tm_url_parse(&url, copy);
    TM_MUST(rc == 0 || rc == TM_E_SYNTAX || rc == TM_E_LIMIT);
    if (rc == 0) {
        TM_MUST(url.host[0] && url.port > 0 && url.target[0] == '/');
        TM_MUST(!strpbrk(url.authority, " \r\n") && !strpbrk(url.target, " \r\n"));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    uint8_t which = tm_fuzz_byte(&data, &sz);
    const char *text = (const char *)data;
    switch (which % 5) {
    case 0:
        request(text, sz);
        break;
    case 1:
        line(text, sz);
        break;
    case 2:
        script(text, sz);
        break;
    case 3:
        spoil(text, sz, which);
        break;
    default:
        address(text, sz);
        break;
    }
    return 0;
}
