#include "net/ws/http_upgrade.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 200 }; /* bytes of a peer's text in one of ours */

void tm_http_accept_key(const char key[TM_HTTP_KEY_SZ], char out[TM_HTTP_ACCEPT_SZ + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[TM_HTTP_KEY_SZ + sizeof guid - 1];
    uint8_t digest[EVP_MAX_MD_SIZE];
    memcpy(text, key, TM_HTTP_KEY_SZ);
    memcpy(text + TM_HTTP_KEY_SZ, guid, sizeof guid - 1);
    EVP_Digest(text, sizeof text, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((uint8_t *)out, digest, 20);
}

static void make_key(const uint8_t nonce[TM_HTTP_NONCE_SZ], char out[TM_HTTP_KEY_SZ + 1])
{
    EVP_EncodeBlock((uint8_t *)out, nonce, TM_HTTP_NONCE_SZ);
}

/* True where the text can stand in one line: nothing in it ends the line or a word too many. */
static bool fits_line(const char *text, bool blanks)
{
    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || (*p == ' ' && !blanks)) return false;
    }
    return true;
}

/* snprintf behind what is there. *sz ends above out_sz where it did not fit. */
TM_PRINTF(4, 5)
static void put(char *out, size_t out_sz, size_t *sz, const char *fmt, ...)
{
    if (*sz > out_sz) return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out + *sz, out_sz - *sz, fmt, ap);
    va_end(ap);
    *sz = n < 0 || (size_t)n >= out_sz - *sz ? out_sz + 1 : *sz + (size_t)n;
}

static int put_end(size_t out_sz, size_t sz)
{
    return sz > out_sz ? -ENOBUFS : (int)sz;
}

static void put_field(char *out, size_t out_sz, size_t *sz, const char *name, const char *value)
{
    if (value) put(out, out_sz, sz, "%s: %s\r\n", name, value);
}

int tm_http_request_write(const tm_http_upgrade_cfg_t *cfg, char *out, size_t out_sz)
{
    const char *agent = cfg->user_agent ? cfg->user_agent : "tidemark/" TM_VERSION;
    if (cfg->host[0] == '\0' || !fits_line(cfg->host, false)) {
        return tm_error_set(TM_E_CONFIG, "the host of the URL is empty or has blanks");
    }
    if (cfg->target[0] != '/' || !fits_line(cfg->target, false)) {
        return tm_error_set(TM_E_CONFIG,
                            "the path of the URL must begin with / and have no blanks");
    }
    if (!fits_line(agent, true) || (cfg->protocols && !fits_line(cfg->protocols, true)) ||
        (cfg->extensions && !fits_line(cfg->extensions, true))) {
        return tm_error_set(TM_E_CONFIG, "a request field has a line break in it");
    }
    char key[TM_HTTP_KEY_SZ + 1];
    make_key(cfg->nonce, key);
    size_t sz = 0;
    put(out, out_sz, &sz, "GET %s HTTP/1.1\r\nHost: %s\r\n", cfg->target, cfg->host);
    put(out, out_sz, &sz, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    put(out, out_sz, &sz, "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", key);
    put_field(out, out_sz, &sz, "Sec-WebSocket-Protocol", cfg->protocols);
    put_field(out, out_sz, &sz, "Sec-WebSocket-Extensions", cfg->extensions);
    put(out, out_sz, &sz, "User-Agent: %s\r\n\r\n", agent);
    return put_end(out_sz, sz);
}

static const char *advice(int status)
{
    if (status >= 300 && status < 400) return "; connect to that address instead";
    switch (status) {
    case 401:
    case 403:
    case 451:
        return "; the server refuses this client or its region";
    case 404:
        return "; check the path of the URL";
    case 418:
    case 429:
        return "; too many requests, wait before the next try";
    case 200:
        return "; this address serves pages, not a WebSocket";
    default:
        return status >= 500 ? "; the server has a problem, try again later" : "";
    }
}

/* The sentence for an answer that is not 101. */
static int refused(const tm_http_head_t *head, const tm_http_upgrade_cfg_t *cfg,
                   const tm_http_answer_t *answer)
{
    char reason[64], location[SHOWN_MAX + 16] = "", retry[64] = "", shown[SHOWN_MAX];
    tm_http_slice_t usual = {tm_http_reason(head->status), strlen(tm_http_reason(head->status))};
    tm_http_slice_show(head->reason.sz > 0 ? head->reason : usual, reason, sizeof reason);
    if (answer->location.s) {
        snprintf(location, sizeof location, ", Location: %s",
                 tm_http_slice_show(answer->location, shown, sizeof shown));
    }
    tm_http_slice_t after = tm_http_head_get(head, "Retry-After", 0);
    if (after.s) {
        snprintf(retry, sizeof retry, ", Retry-After: %s", tm_http_slice_show(after, shown, 40));
    }
    return tm_error_set(
        TM_E_HTTP, "%s answered %d %s instead of 101 to the upgrade of %.200s%s%s%s", cfg->host,
        head->status, reason, cfg->target, location, retry, advice(head->status));
}

static int broken(const char *who, const char *what)
{
    return tm_error_set(TM_E_PROTOCOL, "WebSocket upgrade: the %s %s", who, what);
}

/* The name of an extension or subprotocol: what stands before its parameters. */
static tm_http_slice_t name_of(tm_http_slice_t member)
{
    const char *end = memchr(member.s, ';', member.sz);
    if (end) member.sz = (size_t)(end - member.s);
    while (member.sz > 0 && (member.s[member.sz - 1] == ' ' || member.s[member.sz - 1] == '\t')) {
        member.sz--;
    }
    return member;
}

static bool same(tm_http_slice_t a, tm_http_slice_t b)
{
    return a.sz == b.sz && memcmp(a.s, b.s, a.sz) == 0;
}

static bool was_asked(const char *asked, tm_http_slice_t name)
{
    tm_http_slice_t member, list = {asked, asked ? strlen(asked) : 0};
    while (tm_http_list_next(&list, &member)) {
        if (same(name_of(member), name)) return true;
    }
    return false;
}

static int check_agreed(const tm_http_head_t *head, const tm_http_upgrade_cfg_t *cfg,
                        tm_http_answer_t *answer)
{
    if (tm_http_head_cnt(head, "Sec-WebSocket-Protocol") > 1) {
        return broken("server", "chose more than one subprotocol");
    }
    answer->protocol = tm_http_head_get(head, "Sec-WebSocket-Protocol", 0);
    if (answer->protocol.s && !was_asked(cfg->protocols, answer->protocol)) {
        return broken("server", "chose a subprotocol that was not asked for");
    }
    if (tm_http_head_cnt(head, "Sec-WebSocket-Extensions") > 1) {
        return broken("server", "sent Sec-WebSocket-Extensions twice");
    }
    answer->extensions = tm_http_head_get(head, "Sec-WebSocket-Extensions", 0);
    tm_http_slice_t member, list = answer->extensions;
    while (tm_http_list_next(&list, &member)) {
        if (!was_asked(cfg->extensions, name_of(member))) {
            return broken("server", "turned on an extension that was not offered");
        }
    }
    return 0;
}

int tm_http_response_check(const tm_http_head_t *head, const tm_http_upgrade_cfg_t *cfg,
                           tm_http_answer_t *answer)
{
    *answer = (tm_http_answer_t){
        .status = head->status,
        .retry_after_s = tm_http_head_number(head, "Retry-After"),
        .location = tm_http_head_get(head, "Location", 0),
    };
    if (head->version.s[5] != '1') return broken("server", "does not speak HTTP/1.1");
    if (head->status != 101) return refused(head, cfg, answer);
    if (head->version.s[7] == '0') return broken("server", "does not speak HTTP/1.1");
    if (tm_http_head_cnt(head, "Upgrade") != 1 ||
        !tm_http_slice_is(tm_http_head_get(head, "Upgrade", 0), "websocket")) {
        return broken("server", "did not answer with Upgrade: websocket, exactly once");
    }
    if (!tm_http_head_has_token(head, "Connection", "upgrade")) {
        return broken("server", "did not answer with Connection: Upgrade");
    }
    char key[TM_HTTP_KEY_SZ + 1], accept[TM_HTTP_ACCEPT_SZ + 1];
    make_key(cfg->nonce, key);
    tm_http_accept_key(key, accept);
    if (tm_http_head_cnt(head, "Sec-WebSocket-Accept") != 1) {
        return broken("server", "did not send Sec-WebSocket-Accept exactly once");
    }
    tm_http_slice_t said = tm_http_head_get(head, "Sec-WebSocket-Accept", 0);
    if (said.sz != TM_HTTP_ACCEPT_SZ || memcmp(said.s, accept, TM_HTTP_ACCEPT_SZ) != 0) {
        return broken("server", "sent a Sec-WebSocket-Accept that does not belong to our key; "
                                "a cache or proxy may have answered in its place");
    }
    /* A 101 has no body. Some servers say so with a length of 0, which contradicts nothing. */
    tm_http_slice_t length = tm_http_head_get(head, "Content-Length", 0);
    if (tm_http_head_cnt(head, "Transfer-Encoding") > 0 ||
        tm_http_head_cnt(head, "Content-Length") > 1 ||
        (length.s && tm_http_head_number(head, "Content-Length") != 0)) {
        return broken("server", "announced a body behind its 101");
    }
    return check_agreed(head, cfg, answer);
}

/* 16 bytes in base64: 22 digits, of which the last carries four zero bits, and "==". */
static bool is_key(tm_http_slice_t key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!key.s || key.sz != TM_HTTP_KEY_SZ || key.s[22] != '=' || key.s[23] != '=') return false;
    for (size_t i = 0; i < 22; i++) {
        if (key.s[i] == '\0' || !strchr(digits, key.s[i])) return false;
    }
    return (strchr(digits, key.s[21]) - digits) % 16 == 0;
}

static int refuse_request(int *status, int code, const char *what)
{
    *status = code;
    return broken("client", what);
}

int tm_http_request_check(const tm_http_head_t *head, tm_http_request_t *request, int *status)
{
    *request = (tm_http_request_t){
        .target = head->target,
        .host = tm_http_head_get(head, "Host", 0),
        .key = tm_http_head_get(head, "Sec-WebSocket-Key", 0),
        .protocols = tm_http_head_get(head, "Sec-WebSocket-Protocol", 0),
        .extensions = tm_http_head_get(head, "Sec-WebSocket-Extensions", 0),
    };
    *status = 400;
    if (head->version.s[5] != '1' || head->version.s[7] == '0') {
        return refuse_request(status, 505, "does not speak HTTP/1.1");
    }
    if (head->method.sz != 3 || memcmp(head->method.s, "GET", 3) != 0) {
        return refuse_request(status, 405, "did not send GET");
    }
    if (head->target.s[0] != '/') return broken("client", "asked for a target without /");
    if (tm_http_head_cnt(head, "Host") != 1) return broken("client", "did not send one Host");
    if (!tm_http_head_has_token(head, "Upgrade", "websocket") ||
        !tm_http_head_has_token(head, "Connection", "upgrade")) {
        return refuse_request(status, 426, "did not ask for an upgrade to websocket");
    }
    if (tm_http_head_cnt(head, "Sec-WebSocket-Version") != 1 ||
        !tm_http_slice_is(tm_http_head_get(head, "Sec-WebSocket-Version", 0), "13")) {
        return refuse_request(status, 426, "speaks another version than 13");
    }
    if (tm_http_head_cnt(head, "Sec-WebSocket-Key") != 1 || !is_key(request->key)) {
        return broken("client", "did not send one key of 16 bytes");
    }
    tm_http_slice_t length = tm_http_head_get(head, "Content-Length", 0);
    if (tm_http_head_cnt(head, "Transfer-Encoding") > 0 ||
        tm_http_head_cnt(head, "Content-Length") > 1 ||
        (length.s && tm_http_head_number(head, "Content-Length") != 0)) {
        return broken("client", "announced a body");
    }
    return 0;
}

int tm_http_response_write(const tm_http_request_t *request, const char *protocol,
                           const char *extensions, char *out, size_t out_sz)
{
    if ((protocol && !fits_line(protocol, true)) || (extensions && !fits_line(extensions, true))) {
        return tm_error_set(TM_E_CONFIG, "a response field has a line break in it");
    }
    char accept[TM_HTTP_ACCEPT_SZ + 1];
    tm_http_accept_key(request->key.s, accept);
    size_t sz = 0;
    put(out, out_sz, &sz, "HTTP/1.1 101 %s\r\n", tm_http_reason(101));
    put(out, out_sz, &sz, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    put_field(out, out_sz, &sz, "Sec-WebSocket-Accept", accept);
    put_field(out, out_sz, &sz, "Sec-WebSocket-Protocol", protocol);
    put_field(out, out_sz, &sz, "Sec-WebSocket-Extensions", extensions);
    put(out, out_sz, &sz, "\r\n");
    return put_end(out_sz, sz);
}

int tm_http_reject_write(int status, const char *fields, char *out, size_t out_sz)
{
    size_t sz = 0;
    put(out, out_sz, &sz, "HTTP/1.1 %d %s\r\n", status, tm_http_reason(status));
    put(out, out_sz, &sz, "Content-Length: 0\r\nConnection: close\r\n");
    if (status == 426) put_field(out, out_sz, &sz, "Sec-WebSocket-Version", "13");
    if (status == 405) put_field(out, out_sz, &sz, "Allow", "GET");
    put(out, out_sz, &sz, "%s\r\n", fields ? fields : "");
    return put_end(out_sz, sz);
}

const char *tm_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {418, "I'm a teapot"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(reasons); i++) {
        if (reasons[i].status == status) return reasons[i].reason;
    }
    return "Unknown";
}
