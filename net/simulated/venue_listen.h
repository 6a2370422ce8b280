/* net/simulated/venue_listen.h - the listening sockets and certificates of the simulated exchange.
   Flow     configuration -> [venue_listen] -> venue.c
   Threads  any; no state
   Errors   -errno, TM_E_CONFIG, TM_E_TLS with a text that names address or file
   Tests    tests/net/test_venue.c */
#ifndef TM_NET_VENUE_LISTEN_H
#define TM_NET_VENUE_LISTEN_H

#include "net/conn/tls.h"

/* Listens on a numeric address; a port in use is waited for up to two seconds. Returns the
   descriptor and the port that was bound. */
int tm_venue_listen(const char *host, uint16_t port, uint16_t *bound) TM_MUST_CHECK;

/* Listens again on a descriptor that was shut down. */
int tm_venue_listen_again(int fd) TM_MUST_CHECK;

/* A server's TLS context with the certificate of state_dir, which is made where it is missing. */
int tm_venue_tls(tm_tls_ctx_t **out, const char *state_dir, const char *host) TM_MUST_CHECK;

/* Certificates that a client must refuse. */
typedef enum tm_venue_bad_cert {
    TM_VENUE_BAD_NAME,      /* of the CA, for another host */
    TM_VENUE_BAD_EXPIRED,   /* of the CA's name, over since yesterday */
    TM_VENUE_BAD_AUTHORITY, /* of a CA that nobody was told of */
    TM_VENUE_BAD_CERT_CNT,
} tm_venue_bad_cert_t;

/* The same with such a certificate. It is made in state_dir where it is missing, and the CA of the
   first two joins state_dir/ca.pem: they are refused for what is wrong with them. */
int tm_venue_tls_bad(tm_tls_ctx_t **out, const char *state_dir,
                     tm_venue_bad_cert_t how) TM_MUST_CHECK;

#endif
