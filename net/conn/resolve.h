/* net/conn/resolve.h - addresses of a host name, looked up while the caller goes on.
   Flow     conn_connect.c -> [resolve] -> addresses to try, in the order of RFC 6724
   Waiting  the C library's getaddrinfo_a waits in a thread of its own; poll looks whether it is
            done. Numeric addresses are there at once. Under ThreadSanitizer open itself waits
   Memory   one block and the C library's list. A look-up that is closed before its end is freed by
            a later open or close, once the library has let go of it
   Threads  open, poll, close: one owner
   Errors   TM_E_RESOLVE with what to do
   Limits   TM_RESOLVE_HOST_MAX bytes of a name. Times are the caller's business
   Tests    tests/net/test_resolve.c */
#ifndef TM_NET_RESOLVE_H
#define TM_NET_RESOLVE_H

#include "base/types.h"

struct addrinfo;

enum { TM_RESOLVE_HOST_MAX = 253 };

typedef struct tm_resolve tm_resolve_t;

/* Begins to look up stream sockets of the host. Returns 0, -ENOMEM, TM_E_RESOLVE. */
int tm_resolve_open(tm_resolve_t **out, const char *host, uint16_t port) TM_MUST_CHECK;

/* Returns 1 and the addresses, which are the caller's (freeaddrinfo); 0 = not yet; TM_E_RESOLVE. */
int tm_resolve_poll(tm_resolve_t *resolve, struct addrinfo **out) TM_MUST_CHECK;

/* NULL is fine. */
void tm_resolve_close(tm_resolve_t *resolve);

#endif
