/* net/resolve.h - the addresses of a host name, within a time.
   Flow     conn.c -> [resolve] -> the system's resolver
   Method   getaddrinfo on the calling thread, which starts no other. Its name servers are asked
            with time-outs that add up to the time given, so the call blocks at most about that long
   Memory   the result is the caller's; freeaddrinfo() it
   Threads  any; the calling thread's resolver settings are changed
   Errors   TM_E_RESOLVE, TM_E_TIMEOUT with a text that names the host and what to check
   Tests    tests/net/test_feed.c */
#ifndef TM_NET_RESOLVE_H
#define TM_NET_RESOLVE_H

#include "base/types.h"

#include <netdb.h>

/* `host` is a name or an address without brackets. */
int tm_resolve(struct addrinfo **out, const char *host, uint16_t port,
               int64_t wait_ns) TM_MUST_CHECK;

#endif
