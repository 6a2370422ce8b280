/* net/conn/proxy.h - HTTP CONNECT through a proxy (RFC 9110, section 9.3.6), without I/O.
   Flow     --proxy -> [proxy] -> request -> wire -> http_head -> [proxy] -> TLS, WebSocket
   Form     http://[user:password@]host[:port]; bytes of user and password may be %-escaped. Basic
            authentication (RFC 7617), sent with the request
   Memory   the caller owns the struct
   Threads  no state
   Errors   parse: TM_E_SYNTAX, whose text leaves user and password out; answer: TM_E_HTTP for
            anything outside 200 to 299
   Limits   TM_PROXY_CREDENTIALS_MAX bytes of user and password
   Tests    tests/net/test_proxy.c */
#ifndef TM_NET_PROXY_H
#define TM_NET_PROXY_H

#include "net/conn/url.h"
#include "net/ws/http_head.h"

enum { TM_PROXY_CREDENTIALS_MAX = 192 };

typedef struct tm_proxy {
    char host[TM_URL_HOST_MAX + 1];
    uint16_t port;                                                /* 8080 where none is given */
    char credentials[(TM_PROXY_CREDENTIALS_MAX + 2) / 3 * 4 + 1]; /* in base64; "" = none */
} tm_proxy_t;

int tm_proxy_parse(tm_proxy_t *proxy, const char *text) TM_MUST_CHECK;

/* Writes the request for a tunnel to the address. Returns bytes; -ENOBUFS. */
int tm_proxy_request_write(const tm_proxy_t *proxy, const tm_url_t *to, char *out,
                           size_t out_sz) TM_MUST_CHECK;

/* Judges a complete answer. 0 = the bytes behind the head are the peer's. */
int tm_proxy_answer_check(const tm_proxy_t *proxy, const tm_http_head_t *head) TM_MUST_CHECK;

#endif
