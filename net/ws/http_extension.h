/* net/ws/http_extension.h - permessage-deflate in the opening handshake (RFC 7692, section 7.1).
   Flow     client: offer_write -> http_upgrade -> wire -> response_check -> answer_read -> ws
            server: http_head -> offers_choose -> response_write -> ws
   Strict   the grammar of RFC 6455, 9.1: names and values are tokens, values may be quoted. Refused
            are unknown and repeated parameters, values with other than 8..15 in one form, values
            where none belongs, terms that were not offered, and offered terms that were dropped
   Units    *_window_bits: log2 of the window in bytes; *_sz: bytes
   Memory   texts are views into the head; allocates nothing
   Threads  any; no state
   Errors   TM_E_PROTOCOL with the rule that was broken, TM_E_CONFIG
   Limits   those of net/ws/http_head.h
   Tests    tests/net/test_deflate_terms.c, tests/fuzz/fuzz_inflate.c */
#ifndef TM_NET_HTTP_EXTENSION_H
#define TM_NET_HTTP_EXTENSION_H

#include "net/ws/deflate.h"
#include "net/ws/http_head.h"

enum { TM_HTTP_EXTENSION_MAX = 160 }; /* bytes of an offer or answer of ours, with the NUL */

/* What one end wants of permessage-deflate. All zero: to take part, on the other end's terms, and
   to send nothing compressed. */
typedef struct tm_deflate_cfg {
    bool server_no_context_takeover; /* a client demands it, a server grants it unasked */
    bool client_no_context_takeover; /* a client promises it, a server demands it */
    uint8_t server_window_bits; /* 0 = 15. A client demands at most this, a server uses no more */
    uint8_t client_window_bits; /* 0 = 15. A client promises no more, a server demands at most this,
                                   as far as the client says that it can */
    uint8_t level;              /* of our own messages: 1..9; 0 = sent as they are */
    uint8_t mem_level;          /* 1..9; 0 = 8. Low where windows are dropped after each message:
                                   what it sizes is cleared then */
} tm_deflate_cfg_t;

/* Writes the value of a client's Sec-WebSocket-Extensions, NUL-terminated. Returns its length, or
   TM_E_CONFIG for bits outside 9..15 (a server's: 8..15) or levels above 9. */
int tm_deflate_offer_write(const tm_deflate_cfg_t *cfg,
                           char out[TM_HTTP_EXTENSION_MAX]) TM_MUST_CHECK;

/* Reads what a server answered to that offer. s = NULL or no extension in it: terms->on is false.
   Returns 0, or TM_E_PROTOCOL: the connection must fail. A server that wants windows of 8 bits from
   us gets our messages as they are (level 0): zlib does not make such streams. */
int tm_deflate_answer_read(const tm_deflate_cfg_t *cfg, tm_http_slice_t answer,
                           tm_deflate_terms_t *terms) TM_MUST_CHECK;

/* Chooses the first of a client's offers that can be met and writes the answer to it. Offers of
   other extensions, and those of ours that break a rule or need a window of 8 bits from us, are
   passed over: tm_error_text() tells why the last one was.
   Returns the answer's length, 0 = none can be met (terms->on is false), or TM_E_PROTOCOL: a field
   does not follow the grammar, answer 400. */
int tm_deflate_offers_choose(const tm_deflate_cfg_t *cfg, const tm_http_head_t *head,
                             tm_deflate_terms_t *terms,
                             char out[TM_HTTP_EXTENSION_MAX]) TM_MUST_CHECK;

#endif
