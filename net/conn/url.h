/* net/conn/url.h - ws:// and wss:// addresses taken apart (RFC 3986, RFC 6455 section 3).
   Flow     configuration -> [url] -> conn.c
   Form     scheme://host[:port][/path][?query]; host: a name, an IPv4 address or [IPv6 address].
            User names and fragments are refused, as RFC 6455 wants
   Memory   the caller owns the struct
   Threads  no state
   Errors   TM_E_SYNTAX or TM_E_LIMIT with a text that shows the address and what is wrong
   Limits   TM_URL_HOST_MAX, TM_URL_TARGET_MAX
   Tests    tests/net/test_url.c */
#ifndef TM_NET_URL_H
#define TM_NET_URL_H

#include "base/types.h"

enum { TM_URL_HOST_MAX = 253, TM_URL_TARGET_MAX = 7 << 10 };

typedef struct tm_url {
    bool tls;      /* wss */
    bool ipv6;     /* the host is an IPv6 address (kept without brackets) */
    uint16_t port; /* 80 and 443 where none is given */
    char host[TM_URL_HOST_MAX + 1];
    char target[TM_URL_TARGET_MAX + 1];  /* path and query; "/" where there is none */
    char authority[TM_URL_HOST_MAX + 9]; /* the Host field: port only where it is not the usual */
} tm_url_t;

int tm_url_parse(tm_url_t *url, const char *text) TM_MUST_CHECK;

#endif
