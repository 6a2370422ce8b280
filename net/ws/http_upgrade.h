/* net/ws/http_upgrade.h - the opening handshake of RFC 6455, both roles, without I/O.
   Flow     client: request_write -> wire -> http_head -> response_check -> ws
            server: http_head -> request_check -> response_write or reject_write -> wire
   Checks   client: status 101, HTTP/1.1, Upgrade and Connection, the accept key, no extension and
            no subprotocol that was not asked for, no body. server: GET, HTTP/1.1, one Host, a key,
            version 13
   Deflate  net/ws/http_extension.h writes the offer that a client puts into `extensions`, and reads
            the answer that response_check hands on once only offered names are in it
   Units    *_sz: bytes; *_s: seconds
   Memory   results point into the head or the configuration; allocates nothing
   Threads  any; no state
   Errors   TM_E_PROTOCOL with the rule that was broken; TM_E_HTTP for an answer other than 101,
            with status, reason, Location and Retry-After in the text; TM_E_CONFIG; -ENOBUFS
   Limits   those of net/ws/http_head.h
   Tests    tests/net/test_http_upgrade.c, tests/fuzz/fuzz_http.c */
#ifndef TM_NET_HTTP_UPGRADE_H
#define TM_NET_HTTP_UPGRADE_H

#include "net/ws/http_head.h"

enum {
    TM_HTTP_NONCE_SZ = 16,  /* random bytes behind the key */
    TM_HTTP_KEY_SZ = 24,    /* their base64 */
    TM_HTTP_ACCEPT_SZ = 28, /* base64 of a SHA-1 */
};

typedef struct tm_http_upgrade_cfg {
    const char *host;                /* the Host field: name, :port where it is not the scheme's */
    const char *target;              /* path and query, begins with '/' */
    const char *protocols;           /* subprotocols asked for, comma list; NULL = none */
    const char *extensions;          /* extensions offered; NULL = none */
    const char *user_agent;          /* NULL = "tidemark/<version>" */
    uint8_t nonce[TM_HTTP_NONCE_SZ]; /* unpredictable, new for each connection */
} tm_http_upgrade_cfg_t;

/* What the server's answer said. Filled as far as it is known, also where the check fails. */
typedef struct tm_http_answer {
    int status;
    int64_t retry_after_s;      /* -1 where absent or not a number of seconds */
    tm_http_slice_t location;   /* s = NULL where absent */
    tm_http_slice_t protocol;   /* accepted subprotocol */
    tm_http_slice_t extensions; /* accepted extensions */
} tm_http_answer_t;

/* What a client asks for. */
typedef struct tm_http_request {
    tm_http_slice_t target;
    tm_http_slice_t host;
    tm_http_slice_t key;
    tm_http_slice_t protocols;  /* first field of that name; s = NULL where absent */
    tm_http_slice_t extensions; /* likewise */
} tm_http_request_t;

/* Writes the request. Returns bytes; TM_E_CONFIG where a part holds bytes that could end its line;
   -ENOBUFS. No NUL is added. */
int tm_http_request_write(const tm_http_upgrade_cfg_t *cfg, char *out, size_t out_sz) TM_MUST_CHECK;

/* Judges a complete response against the request that cfg made. 0 = the bytes behind the head are
   WebSocket frames. */
int tm_http_response_check(const tm_http_head_t *head, const tm_http_upgrade_cfg_t *cfg,
                           tm_http_answer_t *answer) TM_MUST_CHECK;

/* Judges a complete request. 0, or TM_E_PROTOCOL with *status set to what to answer: 400, 405, 426
   or 505. */
int tm_http_request_check(const tm_http_head_t *head, tm_http_request_t *request,
                          int *status) TM_MUST_CHECK;

/* Writes the 101 that accepts the request; protocol and extensions may be NULL. Returns bytes;
   TM_E_CONFIG; -ENOBUFS. */
int tm_http_response_write(const tm_http_request_t *request, const char *protocol,
                           const char *extensions, char *out, size_t out_sz) TM_MUST_CHECK;

/* Writes a refusal: status, its usual reason, an empty body and `fields`, whole lines each ended by
   CR LF ("Location: /x\r\n"), NULL = none. 426 names the version spoken. Returns bytes;
   -ENOBUFS. */
int tm_http_reject_write(int status, const char *fields, char *out, size_t out_sz) TM_MUST_CHECK;

/* The Sec-WebSocket-Accept that belongs to a key: 28 characters and a NUL. */
void tm_http_accept_key(const char key[TM_HTTP_KEY_SZ], char out[TM_HTTP_ACCEPT_SZ + 1]);

/* The usual words for a status ("Forbidden"), "Unknown" for those without. */
const char *tm_http_reason(int status);

#endif
