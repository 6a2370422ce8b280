/* tests/net/connect_proxy.h - an HTTP CONNECT proxy on blocking sockets and poll, made of nothing
   of ours.
   Use      answers CONNECT to any port of localhost with a tunnel, one connection at a time a
            thread; with credentials given, only to those who show them
   Threads  open, close: the test's */
#ifndef TM_TESTS_NET_CONNECT_PROXY_H
#define TM_TESTS_NET_CONNECT_PROXY_H

#include "base/types.h"

typedef struct connect_proxy connect_proxy_t;

/* authorization: what must stand behind "Proxy-Authorization: "; NULL = nothing. answer: what is
   sent instead of a tunnel; NULL = a tunnel. */
connect_proxy_t *connect_proxy_open(const char *authorization, const char *answer);
void connect_proxy_close(connect_proxy_t *proxy);
uint16_t connect_proxy_port(const connect_proxy_t *proxy);

/* The head of the last request. */
const char *connect_proxy_seen(const connect_proxy_t *proxy);

/* Bytes that went through tunnels, both ways. */
uint64_t connect_proxy_bytes(const connect_proxy_t *proxy);

#endif
