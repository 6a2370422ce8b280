/* net/conn/link.h - one connected socket as a stream of plaintext, TLS or not, either role.
   Flow     uring events -> [link] -> chunks -> http_head, ws;  bytes -> write -> [link] -> uring
   Reading  received buffers queue here until they are read: who does not read holds the peer back,
            because no buffer goes back to the kernel. A chunk is what one received buffer gave
   Writing  one send is in flight at most; the next one takes all that has gathered meanwhile
   Units    *_sz: bytes; *_ns: mono time of the completion that brought the bytes
   Memory   TLS: an arena of TM_LINK_ARENA_SZ for plaintext. Plain: chunks are views of the received
            buffers. Both: one send buffer of TM_LINK_OUT_SZ; plain: a second one to fill
   Threads  one owner
   Errors   read: TM_E_CLOSED in order, -ECONNRESET and TM_E_TLS for a cut, with a text; the bytes
            received before come first
   Tests    tests/net/test_feed.c, tests/net/test_venue.c */
#ifndef TM_NET_LINK_H
#define TM_NET_LINK_H

#include "net/conn/tls.h"
#include "net/conn/uring.h"

enum {
    TM_LINK_ARENA_SZ = 256 << 10,
    TM_LINK_OUT_SZ = 128 << 10,
    TM_LINK_WRITE_MAX = TM_TLS_RECORD_MAX, /* a write of that size fits where room says so */
};

typedef struct tm_link_cfg {
    tm_uring_t *ring;
    tm_uring_owner_t owner;
    int fd;        /* connected; the link's from then on, also where open fails */
    tm_tls_t *tls; /* NULL = plain; likewise */
    bool delay;    /* leaves Nagle's algorithm on */
} tm_link_cfg_t;

/* Bytes in the order of the stream; TM_FRAME_PAD readable bytes follow them. */
typedef struct tm_link_chunk {
    const uint8_t *data;
    size_t sz;
    int64_t mono_ns;
} tm_link_chunk_t;

typedef struct tm_link tm_link_t;

int tm_link_open(tm_link_t **out, const tm_link_cfg_t *cfg) TM_MUST_CHECK;

/* A plain link goes on as TLS, behind what was read and sent so far; no received bytes may wait.
   The session is the link's from then on, also where it fails with -ENOMEM. */
int tm_link_start_tls(tm_link_t *link, tm_tls_t *tls) TM_MUST_CHECK;

/* Closes the descriptor. Call it once tm_link_is_idle(), or after the ring is gone. NULL is fine.
   */
void tm_link_free(tm_link_t *link);

/* Receives from now on. multishot false: one receive, called again for the next: it is for phases
   in which a peer must not take the buffers of others. Does nothing while one is armed. */
int tm_link_listen(tm_link_t *link, bool multishot) TM_MUST_CHECK;

/* Takes a RECV or SEND event of this link's owner. */
int tm_link_on_event(tm_link_t *link, const tm_uring_event_t *ev) TM_MUST_CHECK;

/* Returns 1 and the next chunk, 0 = nothing now, or why there will be no more. A chunk stays valid
   until tm_link_release. 0 also comes where the arena is full (tm_link_is_full). */
int tm_link_read(tm_link_t *link, tm_link_chunk_t *chunk) TM_MUST_CHECK;

/* Gives back the memory of all chunks, or of all but the last one. */
void tm_link_release(tm_link_t *link, bool keep_last);

/* Gives unread buffers back: nobody will read them. */
void tm_link_drop(tm_link_t *link);

bool tm_link_is_full(const tm_link_t *link);

/* True where a read may give something without another event. */
bool tm_link_is_pending(const tm_link_t *link);

/* True where a write of up to `sz` <= TM_LINK_WRITE_MAX bytes is taken whole. */
bool tm_link_has_room(const tm_link_t *link, size_t sz);

/* Queues bytes to send. Returns bytes taken, less than sz where the queue is full, or an error. */
int tm_link_write(tm_link_t *link, const uint8_t *data, size_t sz) TM_MUST_CHECK;

/* Starts a send where bytes wait and none is in flight. */
int tm_link_flush(tm_link_t *link) TM_MUST_CHECK;

/* The next three are for a server that plays a bad one. allow: at most so many bytes leave from now
   on, until it is called again (at first there is no limit). corrupt: the next byte that leaves is
   another one. reset: ends with RST; abort what is left. */
void tm_link_allow(tm_link_t *link, uint64_t sz);
void tm_link_corrupt(tm_link_t *link);
void tm_link_reset(tm_link_t *link);

/* Bytes handed to the kernel so far. */
uint64_t tm_link_sent_sz(const tm_link_t *link);

/* True where all that was written has been handed to the kernel. */
bool tm_link_is_sent(const tm_link_t *link);

/* Ends our direction once everything is sent: close_notify, then the TCP half. */
void tm_link_finish(tm_link_t *link);

/* Ends both directions now, so that pending operations complete. */
void tm_link_abort(tm_link_t *link);

/* True where no operation is in flight. */
bool tm_link_is_idle(const tm_link_t *link);

/* True where the peer sends nothing more. */
bool tm_link_is_ended(const tm_link_t *link);

const tm_tls_t *tm_link_tls(const tm_link_t *link);

#endif
