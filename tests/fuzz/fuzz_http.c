/* A head and a body must be judged alike however they are cut; what is taken for an upgrade must
   get an answer that our own client takes. Input: request or response, the size of the pieces, the
   stream. */
#include "base/error.h"
#include "net/ws/http_body.h"
#include "net/ws/http_upgrade.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static tm_http_head_t whole, cut, back;

/* Feeds in pieces of chop bytes, 0 = all at once. *taken tells where the head ended. */
static int feed(tm_http_head_t *head, tm_http_kind_t kind, const uint8_t *data, size_t sz,
                size_t chop, size_t *taken)
{
    int ret = 0;
    tm_http_head_init(head, kind);
    *taken = 0;
    while (ret == 0 && *taken < sz) {
        size_t used, left = sz - *taken, n = chop && chop < left ? chop : left;
        ret = tm_http_head_feed(head, data + *taken, n, &used);
        TM_MUST(used <= n && (ret != 0 || used == n));
        *taken += used;
    }
    return ret;
}

/* Both heads were fed the same bytes: all that was taken apart must agree. */
static void compare(void)
{
    TM_MUST(whole.text_sz == cut.text_sz && whole.field_cnt == cut.field_cnt);
    TM_MUST(whole.status == cut.status);
    TM_MUST(memcmp(whole.text, cut.text, whole.text_sz) == 0);
    TM_MUST(memcmp(whole.fields, cut.fields, whole.field_cnt * sizeof whole.fields[0]) == 0);
    TM_MUST(whole.text_sz <= TM_HTTP_HEAD_MAX && whole.field_cnt <= TM_HTTP_FIELD_MAX);
}

static void check_request(void)
{
    tm_http_request_t request;
    tm_http_answer_t answer;
    char out[1024];
    int status = 0;
    int err = tm_http_request_check(&whole, &request, &status);
    if (err < 0) {
        TM_MUST(err == TM_E_PROTOCOL && status >= 400 && status <= 505);
        return;
    }
    int n = tm_http_response_write(&request, NULL, NULL, out, sizeof out);
    size_t taken;
    TM_MUST(n > 0);
    TM_MUST(feed(&back, TM_HTTP_RESPONSE, (const uint8_t *)out, (size_t)n, 0, &taken) == 1);
    TM_MUST(taken == (size_t)n);
    /* The nonce behind the key is not known here: all but the accept key must be right. */
    tm_http_upgrade_cfg_t cfg = {.host = "a", .target = "/"};
    TM_MUST(tm_http_response_check(&back, &cfg, &answer) == TM_E_PROTOCOL);
    TM_MUST(strstr(tm_error_text(), "does not belong to our key"));
}

static void check_response(void)
{
    tm_http_upgrade_cfg_t cfg = {
        .host = "host", .target = "/", .protocols = "one, two", .extensions = "permessage-deflate"};
    memcpy(cfg.nonce, "the sample nonce", TM_HTTP_NONCE_SZ);
    tm_http_answer_t answer;
    int err = tm_http_response_check(&whole, &cfg, &answer);
    TM_MUST(err == 0 || err == TM_E_PROTOCOL || err == TM_E_HTTP);
    TM_MUST((err == 0) <= (whole.status == 101));
    TM_MUST(err == 0 || strlen(tm_error_text()) < TM_ERROR_TEXT_MAX - 1);
}

/* Reads the body behind a head in pieces of chop bytes, 0 = all at once. A sum stands for its
   bytes, of which *body_sz tells how many. */
static int body_read(const uint8_t *data, size_t sz, size_t chop, size_t *body_sz, uint64_t *sum)
{
    tm_http_body_t body;
    int ret = tm_http_body_init(&body, &whole);
    *body_sz = *sum = 0;
    if (ret == 0) ret = tm_http_body_is_whole(&body);
    for (size_t at = 0, used; ret == 0 && at < sz; at += used) {
        const uint8_t *run;
        size_t run_sz, left = sz - at, n = chop && chop < left ? chop : left;
        ret = tm_http_body_feed(&body, data + at, n, &used, &run, &run_sz);
        TM_MUST(ret < 0 || (used <= n && run_sz <= used && (ret == 1 || used > 0)));
        if (ret < 0) break;
        for (size_t i = 0; i < run_sz; i++) *sum = *sum * 31 + run[i];
        *body_sz += run_sz;
    }
    return ret;
}

static void check_body(const uint8_t *data, size_t sz, size_t chop)
{
    size_t body_sz, cut_sz;
    uint64_t sum, cut_sum;
    int ret = body_read(data, sz, 0, &body_sz, &sum);
    TM_MUST(ret == body_read(data, sz, chop, &cut_sz, &cut_sum));
    TM_MUST(ret < 0 || (body_sz == cut_sz && sum == cut_sum && body_sz <= sz));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    tm_http_kind_t kind = tm_fuzz_byte(&data, &sz) % 2 ? TM_HTTP_RESPONSE : TM_HTTP_REQUEST;
    size_t chop = 1 + tm_fuzz_byte(&data, &sz) % 64u, taken, taken_cut;
    int ret = feed(&whole, kind, data, sz, 0, &taken);
    TM_MUST(ret == feed(&cut, kind, data, sz, chop, &taken_cut));
    TM_MUST(taken == taken_cut);
    compare();
    if (ret != 1) return 0;
    if (kind == TM_HTTP_REQUEST) {
        check_request();
    } else {
        check_response();
        check_body(data + taken, sz - taken, chop);
    }
    return 0;
}
