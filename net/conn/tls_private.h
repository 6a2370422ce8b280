/* net/conn/tls_private.h - the state behind net/conn/tls.h, shared by its source files only.
   Flow     tls_ctx.c (trust, certificates), tls.c (streams), tls_explain.c (texts of failures)
   Units    *_sz: bytes
   Memory   as net/conn/tls.h says
   Threads  as net/conn/tls.h says */
#ifndef TM_NET_TLS_PRIVATE_H
#define TM_NET_TLS_PRIVATE_H

#include "net/conn/tls.h"

#include <openssl/ssl.h>

enum { TM_TLS_TRUST_SHOWN_MAX = 256, TM_TLS_NAMES_SHOWN_MAX = 256 };

struct tm_tls_ctx {
    SSL_CTX *ssl_ctx;
    bool server;
    char trust[TM_TLS_TRUST_SHOWN_MAX]; /* the CA file, or where the system's bundle lies */
};

struct tm_tls {
    SSL *ssl;
    tm_tls_state_t state;
    bool server;
    bool shut;       /* our close_notify is queued */
    bool close_came; /* the peer's was read */

    const uint8_t *in; /* the fed bytes that are left */
    size_t in_sz;

    size_t out_off, out_sz; /* the queue's bytes in out */

    /* For texts: the peer, what we trust, and why its certificate was refused. */
    char host[TM_TLS_HOST_MAX + 1];
    char trust[TM_TLS_TRUST_SHOWN_MAX];
    int verify_err;                            /* X509_V_ERR_*, 0 = none */
    char verify_names[TM_TLS_NAMES_SHOWN_MAX]; /* whom the certificate is made out to */
    char verify_date[80]; /* its first or last day, where that is what is wrong */
    char described[64];

    uint8_t out[TM_TLS_OUT_MAX];
};

/* The verify callback: notes what is wrong and leaves OpenSSL's verdict as it is. */
int tm_tls_on_verify(int ok, X509_STORE_CTX *store);

/* Turns OpenSSL's queue of errors and the noted verdict into one text. Returns TM_E_TLS. */
int tm_tls_explain(tm_tls_t *tls);

/* The oldest entry of OpenSSL's queue, where the trouble began, in words. Never NULL. */
const char *tm_tls_openssl_words(void);

#endif
