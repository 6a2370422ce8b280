/* net/conn/tls.h - TLS as a filter between byte streams, both roles, without I/O.
   Flow     received bytes -> feed -> [tls] -> read -> HTTP, WebSocket;
            write -> [tls] -> pull -> bytes to send
   Backing  OpenSSL 3.0 with a BIO of our own that reads straight out of the fed bytes. Nothing of
            it shows here, so another record layer can stand behind the same calls
   Trust    client: TLS 1.2 or later, the chain must end in the system's bundle or in ca_file, the
            name (or IP address) must match, SNI is sent. There is no switch that turns this off
   Units    *_sz: bytes
   Memory   one block and OpenSSL's own a connection. Ciphertext to send waits in a queue of
            TM_TLS_OUT_MAX bytes. After the handshake nothing grows; OpenSSL 3.0 itself takes one
            small block to read a TLS 1.3 record, three to write one, and frees them at once
   Threads  a context: any number of connections of any thread after open; a connection: one owner
   Errors   TM_E_TLS with a text that names the host, what is wrong and what to do; a failed
            connection stays failed. An alert that tells the peer may still wait for tm_tls_pull
   Limits   records as the RFC sets them (16 KiB), TM_TLS_OUT_MAX
   Tests    tests/net/test_tls.c, tests/fuzz/fuzz_tls.c */
#ifndef TM_NET_TLS_H
#define TM_NET_TLS_H

#include "base/types.h"

enum {
    TM_TLS_OUT_MAX = 128 << 10,
    TM_TLS_RECORD_MAX = 16 << 10, /* plaintext bytes of one record */
    TM_TLS_HOST_MAX = 253,
};

typedef enum tm_tls_version {
    TM_TLS_DEFAULT = 0, /* 1.2 as the oldest, 1.3 as the newest */
    TM_TLS_1_1,         /* servers only, to play an outdated peer in tests */
    TM_TLS_1_2,
    TM_TLS_1_3,
} tm_tls_version_t;

typedef enum tm_tls_state {
    TM_TLS_HANDSHAKING,
    TM_TLS_OPEN,
    TM_TLS_CLOSING, /* a close_notify was sent or received */
    TM_TLS_FAILED,
} tm_tls_state_t;

typedef struct tm_tls_ctx_cfg {
    bool server;
    const char *ca_file;   /* client: PEM bundle to trust instead of the system's; NULL = system */
    const char *cert_file; /* server: PEM certificate, then its chain */
    const char *key_file;  /* server: PEM private key */
    tm_tls_version_t version_min;
    tm_tls_version_t version_max;
} tm_tls_ctx_cfg_t;

typedef struct tm_tls_ctx tm_tls_ctx_t;
typedef struct tm_tls tm_tls_t;

/* Loads trust or certificate. Returns 0; TM_E_TLS with a text that names the file; TM_E_CONFIG for
   versions that make no sense; -ENOMEM. */
int tm_tls_ctx_open(tm_tls_ctx_t **out, const tm_tls_ctx_cfg_t *cfg) TM_MUST_CHECK;
void tm_tls_ctx_close(tm_tls_ctx_t *ctx); /* NULL is fine; open connections keep what they need */

/* A connection in the state HANDSHAKING. Client: `host` is the name or the IP address (without
   brackets) that the certificate must carry. Server: NULL. A client's first flight waits for
   tm_tls_pull at once. Returns 0, TM_E_CONFIG for a host that is no name, -ENOMEM. */
int tm_tls_open(tm_tls_t **out, tm_tls_ctx_t *ctx, const char *host) TM_MUST_CHECK;
void tm_tls_free(tm_tls_t *tls); /* NULL is fine */

tm_tls_state_t tm_tls_state(const tm_tls_t *tls);

/* Shows received bytes, which stay the caller's and must stay in place until tm_tls_fed_sz() is 0
   again. The bytes fed before must be used up (TM_CHECK). */
void tm_tls_feed(tm_tls_t *tls, const uint8_t *data, size_t sz);

/* Fed bytes not used yet. */
size_t tm_tls_fed_sz(const tm_tls_t *tls);

/* Goes on with the handshake, or decrypts up to out_sz bytes of the next record.
   Returns bytes of plaintext; 0 = nothing now: more must be fed, or, where fed bytes are left, the
   queue must be pulled first; TM_E_CLOSED after the peer's close_notify; TM_E_TLS. While the
   handshake lasts it returns 0; ask tm_tls_state(). Call until it returns 0, then pull. */
int tm_tls_read(tm_tls_t *tls, uint8_t *out, size_t out_sz) TM_MUST_CHECK;

/* Encrypts into the queue. Returns how many bytes were taken, which is less than sz where the queue
   is full (pull, then go on with the rest); TM_E_CLOSED after tm_tls_shutdown; TM_E_TLS. Nothing is
   taken before the state is OPEN. */
int tm_tls_write(tm_tls_t *tls, const uint8_t *data, size_t sz) TM_MUST_CHECK;

/* Moves up to out_sz bytes of ciphertext out of the queue. Returns how many. */
size_t tm_tls_pull(tm_tls_t *tls, uint8_t *out, size_t out_sz);

/* Bytes that wait to be pulled. */
size_t tm_tls_pull_sz(const tm_tls_t *tls);

/* Queues close_notify. What arrives can still be read. */
void tm_tls_shutdown(tm_tls_t *tls);

/* True where the handshake failed because the peer's certificate was not trusted. */
bool tm_tls_is_untrusted(const tm_tls_t *tls);

/* Says that the transport has ended. Returns TM_E_CLOSED where the peer had said so with
   close_notify, else TM_E_TLS with a text that tells during which phase the stream was cut. */
int tm_tls_end(tm_tls_t *tls) TM_MUST_CHECK;

/* "TLSv1.3 TLS_AES_128_GCM_SHA256" once OPEN, "" before. */
const char *tm_tls_describe(const tm_tls_t *tls);

#endif
