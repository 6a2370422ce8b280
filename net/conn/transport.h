/* net/conn/transport.h - how a connection travels: through a proxy or not, compressed or not, and
   what its socket is told.
   Flow     options -> [transport] -> feed -> conn.c, conn_connect.c
   Units    *_us: microseconds; *_sz: bytes
   Memory   the caller's; it must outlive the connections
   Threads  read-only
   Limits   receive_sz: the kernel doubles it and caps it at net.core.rmem_max */
#ifndef TM_NET_TRANSPORT_H
#define TM_NET_TRANSPORT_H

#include "net/conn/proxy.h"
#include "net/ws/http_extension.h"

/* All zero: TCP_NODELAY, all else as the kernel has it. */
typedef struct tm_tcp_options {
    bool delay;            /* Nagle's algorithm: small writes may wait for an ACK */
    bool quick_ack;        /* the first ACKs at once; the kernel goes back to delayed ones */
    uint32_t busy_poll_us; /* SO_BUSY_POLL: the kernel polls the card so long; 0 = not */
    uint32_t receive_sz;   /* SO_RCVBUF; 0 = the kernel sizes it */
} tm_tcp_options_t;

typedef struct tm_transport {
    const tm_proxy_t *proxy;         /* NULL = direct */
    const tm_deflate_cfg_t *deflate; /* permessage-deflate on these terms; NULL = not offered */
    tm_tcp_options_t tcp;
} tm_transport_t;

/* Tells a socket before it connects. An option that the kernel refuses is logged once and left
   out: it changes the speed, not what arrives. */
void tm_tcp_options_apply(const tm_tcp_options_t *options, int fd);

#endif
