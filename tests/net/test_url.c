#include "base/error.h"
#include "net/conn/url.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_url_t parse(const char *text)
{
    tm_url_t url;
    int rc = tm_url_parse(&url, text);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    return url;
}

Test(url, parts_are_taken_with_their_defaults)
{
    static const struct {
        const char *text, *host, *target, *authority;
        uint16_t port;
        bool tls, ipv6;
    } cases[] = {
        {"wss://stream.binance.com:9443/ws/btcusdt@trade", "stream.binance.com",
         "/ws/btcusdt@trade", "stream.binance.com:9443", 9443, true, false},
        {"ws://localhost", "localhost", "/", "localhost", 80, false, false},
        {"WSS://Host_1.example:443/stream?streams=a@b/c@d&timeUnit=MICROSECOND", "Host_1.example",
         "/stream?streams=a@b/c@d&timeUnit=MICROSECOND", "Host_1.example", 443, true, false},
        {"ws://127.0.0.1:8080?x=1", "127.0.0.1", "/?x=1", "127.0.0.1:8080", 8080, false, false},
        {"wss://[::1]:9001/a", "::1", "/a", "[::1]:9001", 9001, true, true},
        {"ws://[2001:db8::1]", "2001:db8::1", "/", "[2001:db8::1]", 80, false, true},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_url_t url = parse(cases[i].text);
        tm_assert_str(url.host, cases[i].host);
        tm_assert_str(url.target, cases[i].target);
        tm_assert_str(url.authority, cases[i].authority);
        tm_assert_eq(url.port, cases[i].port);
        tm_assert_eq(url.tls, cases[i].tls);
        tm_assert_eq(url.ipv6, cases[i].ipv6);
    }
}

Test(url, what_is_no_address_is_refused_with_a_reason)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "begin with"},
        {"https://a/", "begin with"},
        {"wss:/a", "begin with"},
        {"wss://", "host is missing"},
        {"wss:///path", "host is missing"},
        {"wss://:443/", "host is missing"},
        {"wss://user@host/", "user name"},
        {"wss://user:pass@host/", "user name"},
        {"wss://host:0/", "port"},
        {"wss://host:65536/", "port"},
        {"wss://host:/", "port"},
        {"wss://host:44x/", "port"},
        {"wss://host:99999999999999/", "port"},
        {"wss://host/a#b", "fragment"},
        {"wss://host/a b", "blank"},
        {"wss://host/a\r\nX: y", "blank"},
        {"wss://ho st/", "no name has"},
        {"wss://h\xc3\xb6st/", "no name has"},
        {"wss://[::1", "lacks its"},
        {"wss://[::g]/", "not an IPv6"},
        {"wss://[127.0.0.1]/", "not an IPv6"},
        {"wss://[::1]x/", "no port or path"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_url_t url;
        int rc = tm_url_parse(&url, cases[i].text);
        if (rc != TM_E_SYNTAX || !strstr(tm_error_text(), cases[i].reason))
            printf("# %s: %d %s\n", cases[i].text, rc, tm_error_text());
        tm_assert_eq(rc, TM_E_SYNTAX);
        tm_assert(strstr(tm_error_text(), cases[i].reason) != NULL);
    }
}

Test(url, lengths_are_limited)
{
    static char text[TM_URL_TARGET_MAX + TM_URL_HOST_MAX + 100];
    tm_url_t url;
    for (int over = 0; over < 2; over++) {
        int n = snprintf(text, sizeof text, "ws://");
        memset(text + n, 'h', TM_URL_HOST_MAX + (size_t)over);
        text[n + TM_URL_HOST_MAX + over] = '\0';
        tm_assert_eq(tm_url_parse(&url, text), over ? TM_E_LIMIT : 0);
        n = snprintf(text, sizeof text, "ws://h/");
        memset(text + n, 'p', TM_URL_TARGET_MAX - 1 + (size_t)over);
        text[n + TM_URL_TARGET_MAX - 1 + over] = '\0';
        tm_assert_eq(tm_url_parse(&url, text), over ? TM_E_LIMIT : 0);
    }
}
