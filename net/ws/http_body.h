/* net/ws/http_body.h - the body of an HTTP/1.1 response out of a byte stream (RFC 9112, section 6).
   Flow     bytes behind the head -> [http_body] -> conn_fetch.c
   Framing  chunked, Content-Length, or all until the peer ends the connection
   Strict   refused: two lengths that differ, a length beside a transfer coding, any coding but
            chunked, a chunk that is not the grammar's, trailers and extensions of more than
            TM_HTTP_LINE_MAX bytes together
   Memory   the caller owns the struct; runs are views of what was fed
   Threads  one owner
   Errors   TM_E_PROTOCOL, TM_E_LIMIT with a text
   Tests    tests/net/test_http_body.c, tests/fuzz/fuzz_http.c */
#ifndef TM_NET_HTTP_BODY_H
#define TM_NET_HTTP_BODY_H

#include "net/ws/http_head.h"

typedef struct tm_http_body {
    uint8_t state;
    bool digits;       /* of a chunk's size were seen */
    bool blank;        /* the line so far is empty */
    uint32_t other_sz; /* bytes of extensions and trailers so far */
    uint64_t left_sz;  /* of the body or the chunk */
} tm_http_body_t;

/* Judges how the body of a complete response is framed. */
int tm_http_body_init(tm_http_body_t *body, const tm_http_head_t *head) TM_MUST_CHECK;

/* Takes bytes: *used_sz of them, among which at most one run of the body's (*run, *run_sz; 0 = none
   of them). Returns 1 = the body is whole, 0 = more is needed; ask again while bytes are left. */
int tm_http_body_feed(tm_http_body_t *body, const uint8_t *in, size_t in_sz, size_t *used_sz,
                      const uint8_t **run, size_t *run_sz) TM_MUST_CHECK;

/* True where nothing is missing any more. */
bool tm_http_body_is_whole(const tm_http_body_t *body);

/* True where the end of the connection is the end of the body. */
bool tm_http_body_ends_here(const tm_http_body_t *body);

#endif
