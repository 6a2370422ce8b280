#include "net/conn/url.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int bad(const char *text, const char *why)
{
    return tm_error_set(TM_E_SYNTAX, "address \"%.200s\": %s", text, why);
}

/* Letters, digits, '-', '.' and '_' (which real names have although the RFC has not). */
static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static int host_parse(tm_url_t *url, const char *text, const char **pos)
{
    const char *p = *pos, *end;
    if (*p == '[') {
        struct in6_addr addr;
        end = strchr(++p, ']');
        if (!end) return bad(text, "the IPv6 address lacks its ']'");
        if (end - p > TM_URL_HOST_MAX) return bad(text, "the IPv6 address is too long");
        memcpy(url->host, p, (size_t)(end - p));
        if (inet_pton(AF_INET6, url->host, &addr) != 1)
            return bad(text, "what stands in [ ] is not an IPv6 address");
        url->ipv6 = true;
        *pos = end + 1;
        return 0;
    }
    for (end = p; is_host_byte(*end);) end++;
    if (end == p) return bad(text, "the host is missing");
    if (*end == '@' || strcspn(end, "/?#") > strcspn(end, "@"))
        return bad(text, "a user name cannot be part of it");
    if (end - p > TM_URL_HOST_MAX)
        return tm_error_set(TM_E_LIMIT, "address \"%.60s...\": the host is longer than %d bytes",
                            text, TM_URL_HOST_MAX);
    if (*end && !strchr(":/?#", *end)) return bad(text, "the host has a byte that no name has");
    memcpy(url->host, p, (size_t)(end - p));
    *pos = end;
    return 0;
}

static int port_parse(tm_url_t *url, const char *text, const char **pos)
{
    const char *p = *pos;
    if (*p != ':') return 0;
    uint32_t port = 0;
    for (p++; *p >= '0' && *p <= '9' && port <= UINT16_MAX; p++)
        port = port * 10 + (uint32_t)(*p - '0');
    if (port == 0 || port > UINT16_MAX || (*p && !strchr("/?#", *p)))
        return bad(text, "the port is not a number from 1 to 65535");
    url->port = (uint16_t)port;
    *pos = p;
    return 0;
}

static int target_parse(tm_url_t *url, const char *text, const char *p)
{
    size_t n = 0;
    if (*p != '/') url->target[n++] = '/';
    for (; *p; p++) {
        if (*p == '#') return bad(text, "a fragment (#) cannot be part of it");
        if (*p <= ' ' || *p == 0x7f)
            return bad(text, "the path has a blank or a byte to be %-escaped");
        if (n == TM_URL_TARGET_MAX)
            return tm_error_set(
                TM_E_LIMIT,
                "address \"%.60s...\": path and query are longer than %d bytes; give "
                "the streams as a list instead",
                text, TM_URL_TARGET_MAX);
        url->target[n++] = *p;
    }
    return 0;
}

int tm_url_parse(tm_url_t *url, const char *text)
{
    memset(url, 0, sizeof *url);
    const char *p = text;
    if (strncasecmp(p, "wss://", 6) == 0) {
        url->tls = true;
        p += 6;
    } else if (strncasecmp(p, "ws://", 5) == 0) {
        p += 5;
    } else {
        return bad(text, "it must begin with wss:// or ws://");
    }
    uint16_t usual = url->tls ? 443 : 80;
    url->port = usual;
    TM_TRY(host_parse(url, text, &p));
    TM_TRY(port_parse(url, text, &p));
    if (*p && !strchr("/?#", *p))
        return bad(text, "the host is followed by what is no port or path");
    TM_TRY(target_parse(url, text, p));
    const char *open = url->ipv6 ? "[" : "", *close = url->ipv6 ? "]" : "";
    int n = snprintf(url->authority, sizeof url->authority, "%s%s%s", open, url->host, close);
    if (url->port != usual)
        snprintf(url->authority + n, sizeof url->authority - (size_t)n, ":%u", url->port);
    return 0;
}
