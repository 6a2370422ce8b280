/* net/conn/tls_selfsigned.h - a throw-away CA and a server certificate for loopback.
   Flow     simulated venue, tests -> [selfsigned] -> PEM files -> net/conn/tls.h
   Method   P-256 keys; the CA's private key is used once and never written. The CA may sign for
            nothing else afterwards, so trusting ca_file trusts this one server
   Units    *_s: seconds
   Threads  any; no state
   Errors   -errno with a text that names the file; TM_E_TLS where OpenSSL refuses; TM_E_CONFIG
   Limits   TM_SELFSIGNED_NAME_MAX names
   Tests    tests/net/test_tls.c */
#ifndef TM_NET_TLS_SELFSIGNED_H
#define TM_NET_TLS_SELFSIGNED_H

#include "base/types.h"

enum { TM_SELFSIGNED_NAME_MAX = 16 };

typedef struct tm_selfsigned_cfg {
    const char *ca_file;      /* written: the CA's certificate, mode 0600 */
    const char *cert_file;    /* written: the server's certificate, mode 0600 */
    const char *key_file;     /* written: the server's private key, mode 0600 */
    const char *const *names; /* names, IP addresses; NULL = localhost, 127.0.0.1, ::1 */
    uint32_t name_cnt;
    int64_t begin_s; /* start of validity against now; 0 = an hour ago */
    int64_t end_s;   /* end of validity against now; 0 = in ten years; below 0 = expired already */
} tm_selfsigned_cfg_t;

/* Writes the three files, each under a temporary name first, so a reader sees only whole files. */
int tm_selfsigned_make(const tm_selfsigned_cfg_t *cfg) TM_MUST_CHECK;

#endif
