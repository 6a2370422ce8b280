/* net/ws/deflate.h - message payloads in and out of DEFLATE as permessage-deflate sends it (RFC
   7692).
   Flow     ws_read -> [inflater] -> message buffer; message -> [deflater] -> ws_write
   Framing  a compressed message is a DEFLATE stream flushed to a byte, less the four bytes
            00 00 FF FF that such a flush ends with; the reader adds them again
   Units    *_sz: bytes; *_window_bits: log2 of the window, 8..15
   Memory   each direction is one block, allocated at open, with an arena out of which zlib takes
            what it needs: 56 KiB to inflate, 416 KiB to deflate by default, of which pages that
            zlib does not use stay untouched. Nothing is allocated after
   Threads  one owner each
   Errors   bytes that are not DEFLATE, or a message that ends inside a block: TM_E_PROTOCOL
   Limits   none on the inflated size: the caller says with each call how much it takes
   Tests    tests/net/test_deflate.c, tests/fuzz/fuzz_inflate.c, bench/net/bench_deflate.c */
#ifndef TM_NET_DEFLATE_H
#define TM_NET_DEFLATE_H

#include "base/types.h"

enum {
    TM_DEFLATE_WINDOW_BITS_MIN = 8,
    TM_DEFLATE_WINDOW_BITS_MAX = 15,
    /* zlib's deflate does not make raw streams for a window of 256 bytes. */
    TM_DEFLATE_OUT_WINDOW_BITS_MIN = 9,
    TM_DEFLATE_MEM_LEVEL_DEFAULT = 8,
};

/* What both ends have agreed on, seen from ours: "in" is what the peer compresses, "out" what we
   do. net/ws/http_extension.h makes it from the opening handshake. */
typedef struct tm_deflate_terms {
    bool on;                        /* false: the extension is not in use, nothing else counts */
    bool in_takeover, out_takeover; /* the window lives on from message to message */
    uint8_t in_window_bits, out_window_bits;
    uint8_t level;     /* 1 (fast) to 9 (small); 0: our messages go out as they are */
    uint8_t mem_level; /* 1 to 9; 0 = TM_DEFLATE_MEM_LEVEL_DEFAULT */
} tm_deflate_terms_t;

typedef struct tm_inflater tm_inflater_t;
typedef struct tm_deflater tm_deflater_t;

/* Returns 0, -EINVAL for terms out of range, or -ENOMEM. */
int tm_inflater_open(tm_inflater_t **out, const tm_deflate_terms_t *terms) TM_MUST_CHECK;
void tm_inflater_free(tm_inflater_t *z); /* NULL is fine */

/* Starts a message. */
void tm_inflater_begin(tm_inflater_t *z);

/* Hands over the next piece of the message, which must stay where it is until take has used it up;
   is_last: no more will follow. Only when the piece before it is used up. */
void tm_inflater_give(tm_inflater_t *z, const uint8_t *in, size_t in_sz, bool is_last);

/* Inflates into out, which has room for a byte at least. Returns how many bytes came out, or
   TM_E_PROTOCOL, but only once all that stands before the error has come out. */
int tm_inflater_take(tm_inflater_t *z, uint8_t *out, size_t out_sz) TM_MUST_CHECK;

/* True where take must be called again: it filled out, or has an error to tell. False: what was
   given is used up and, after the last piece, the message is whole. */
bool tm_inflater_is_busy(const tm_inflater_t *z);

/* Returns 0, -EINVAL for terms out of range (a level of 0 too), or -ENOMEM. */
int tm_deflater_open(tm_deflater_t **out, const tm_deflate_terms_t *terms) TM_MUST_CHECK;
void tm_deflater_free(tm_deflater_t *z); /* NULL is fine */

/* Most bytes that a message of that size becomes. */
size_t tm_deflater_bound(size_t in_sz);

/* Compresses a whole message of 1 to INT32_MAX bytes; out has room for tm_deflater_bound(in_sz).
   Returns the bytes written, without the four that are left out. */
size_t tm_deflater_message(tm_deflater_t *z, const uint8_t *in, size_t in_sz, uint8_t *out);

#endif
