#include "net/conn/proxy.h"

#include "base/error.h"
#include "net/ws/http_upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PORT_USUAL = 8080, AUTHENTICATION_REQUIRED = 407 };

static int bad(const char *why)
{
    return tm_error_set(TM_E_SYNTAX, "proxy: %s; expected http://[user:password@]host[:port]", why);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void base64(const uint8_t *in, size_t sz, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < sz; i += 3) {
        uint32_t word = (uint32_t)in[i] << 16 | (i + 1 < sz ? (uint32_t)in[i + 1] << 8 : 0) |
                        (i + 2 < sz ? in[i + 2] : 0u);
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = i + 1 < sz ? digits[word >> 6 & 63] : '=';
        *out++ = i + 2 < sz ? digits[word & 63] : '=';
    }
    *out = '\0';
}

/* "user:password" with escapes undone. */
static int credentials_parse(tm_proxy_t *p, const char *text, size_t sz)
{
    uint8_t plain[TM_PROXY_CREDENTIALS_MAX];
    size_t n = 0;
    if (!memchr(text, ':', sz)) return bad("the password is missing");
    for (size_t i = 0; i < sz; i++) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= sz || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return bad("a % in user or password is not followed by two hex digits");
            c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        if (n == sizeof plain) return bad("user and password are too long");
        plain[n++] = (uint8_t)c;
    }
    base64(plain, n, p->credentials);
    return 0;
}

int tm_proxy_parse(tm_proxy_t *p, const char *text)
{
    static const char scheme[] = "http://";
    char address[TM_URL_HOST_MAX + 16];
    tm_url_t url;
    *p = (tm_proxy_t){0};
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0) return bad("it is not http://");
    text += sizeof scheme - 1;
    const char *at = strrchr(text, '@');
    if (at) TM_TRY(credentials_parse(p, text, (size_t)(at - text)));
    if (at) text = at + 1;
    size_t sz = strcspn(text, "/");
    if (sz == 0 || sz >= sizeof address - 5 || (text[sz] == '/' && text[sz + 1] != '\0'))
        return bad("it is not a host with a port alone");
    snprintf(address, sizeof address, "ws://%.*s", (int)sz, text);
    /* The same host and port as in any address of a feed. */
    if (tm_url_parse(&url, address) < 0 || strcmp(url.target, "/") != 0)
        return bad("host or port make no sense");
    bool port_given = strchr(text[0] == '[' ? text + strcspn(text, "]") : text, ':') != NULL;
    snprintf(p->host, sizeof p->host, "%s", url.host);
    p->port = port_given ? url.port : PORT_USUAL;
    return 0;
}

int tm_proxy_request_write(const tm_proxy_t *p, const tm_url_t *to, char *out, size_t out_sz)
{
    char target[TM_URL_HOST_MAX + 16];
    snprintf(target, sizeof target, to->ipv6 ? "[%s]:%u" : "%s:%u", to->host, to->port);
    int n = snprintf(out, out_sz, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", target, target,
                     p->credentials[0] ? "Proxy-Authorization: Basic " : "", p->credentials,
                     p->credentials[0] ? "\r\n" : "");
    return (size_t)n < out_sz ? n : -ENOBUFS;
}

int tm_proxy_answer_check(const tm_proxy_t *p, const tm_http_head_t *head)
{
    if (head->status >= 200 && head->status < 300) return 0;
    const char *what = "the proxy does not let us through";
    if (head->status == AUTHENTICATION_REQUIRED)
        what = p->credentials[0] ? "it does not take this user and password"
                                 : "it wants a user and a password: http://user:password@...";
    return tm_error_set(TM_E_HTTP, "the proxy %s:%u answered %d %s to CONNECT; %s", p->host,
                        p->port, head->status, tm_http_reason(head->status), what);
}
