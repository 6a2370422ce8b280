/* net/conn/uring.h - the io_uring of one thread: connects, accepts, receives and sends; gives
   events.
   Flow     kernel <-> [uring] <-> link.c, conn.c, venue.c
   Ring     SINGLE_ISSUER, DEFER_TASKRUN, TASKRUN_FLAG, SUBMIT_ALL, a registered ring descriptor,
            one ring of provided buffers, multishot receive and accept. What this kernel refuses is
            left out step by step, each step logged once; without io_uring itself open fails and
            says why. Descriptors are not registered: a multishot holds its file anyway, so it would
            save a reference count a send
   Names    an operation carries (op, slot, gen): the slot says whose it is, the generation which of
            the slot's owners in time, because completions of a closed descriptor come late
   Units    *_sz: bytes; *_ns: nanoseconds, mono
   Memory   buf_cnt buffers of TM_URING_BUF_SZ in one mapping, TM_FRAME_PAD readable bytes after
            each
   Threads  one owner, who opened it
   Errors   -errno as the kernel gives it; TM_E_UNSUPPORTED from open with what to enable
   Limits   buf_cnt 2^1..2^15, entry_cnt 2^3..2^12
   Tests    tests/net/test_uring.c, tests/net/test_feed.c */
#ifndef TM_NET_URING_H
#define TM_NET_URING_H

#include "base/types.h"

#include <sys/socket.h>

enum { TM_URING_BUF_SZ = 32 << 10, TM_URING_EVENT_MAX = 64 };

#define TM_URING_BUF_NONE UINT16_MAX

typedef enum tm_uring_op {
    TM_URING_IGNORE, /* completions nobody waits for */
    TM_URING_CONNECT,
    TM_URING_ACCEPT,
    TM_URING_RECV,
    TM_URING_SEND,
} tm_uring_op_t;

/* Features that can be left out, to test the ways around them. */
enum {
    TM_URING_OFF_DEFER = 1,     /* completions at any kernel entry instead of at reap only */
    TM_URING_OFF_BUF_RING = 2,  /* one buffer chosen a receive */
    TM_URING_OFF_MULTISHOT = 4, /* one completion a receive */
};

typedef struct tm_uring_cfg {
    uint32_t entry_cnt; /* submission entries; 0 = 256 */
    uint32_t buf_cnt;   /* receive buffers, a power of two; 0 = 64 */
    uint32_t off;       /* TM_URING_OFF_* */
} tm_uring_cfg_t;

/* Who an operation belongs to. */
typedef struct tm_uring_owner {
    uint16_t slot;
    uint32_t gen; /* 24 bits count */
} tm_uring_owner_t;

typedef struct tm_uring_event {
    tm_uring_op_t op;
    tm_uring_owner_t owner;
    int res;          /* bytes, accepted descriptor, 0 = fine or end of stream, -errno */
    bool more;        /* the multishot goes on; false = arm again */
    uint16_t buf_idx; /* RECV with res > 0: give back with tm_uring_buf_put; else BUF_NONE */
    int64_t mono_ns;  /* when it was reaped */
} tm_uring_event_t;

typedef struct tm_uring tm_uring_t;

int tm_uring_open(tm_uring_t **out, const tm_uring_cfg_t *cfg) TM_MUST_CHECK;

/* Every descriptor must be closed and every operation reaped or its memory kept: the kernel may
   look at buffers of unfinished sends until this returns. NULL is fine. */
void tm_uring_close(tm_uring_t *uring);

/* The operations below are queued and go to the kernel at the next reap or submit. Each returns 0
   or -EBUSY where the kernel takes no more entries. Buffers and addresses must stay until
   completion. */
int tm_uring_connect(tm_uring_t *uring, tm_uring_owner_t owner, int fd, const struct sockaddr *addr,
                     socklen_t addr_sz) TM_MUST_CHECK;

/* Multishot: one event a connection. `multishot` false, or a kernel without: one event. */
int tm_uring_accept(tm_uring_t *uring, tm_uring_owner_t owner, int fd) TM_MUST_CHECK;

/* Receives into provided buffers until an event without `more`. res -ENOBUFS: all buffers are in
   use, arm again after tm_uring_buf_put. res -EAGAIN: arm again at once. */
int tm_uring_recv(tm_uring_t *uring, tm_uring_owner_t owner, int fd, bool multishot) TM_MUST_CHECK;

/* One at a time on a stream: two unlinked sends may swap. A short send is possible. */
int tm_uring_send(tm_uring_t *uring, tm_uring_owner_t owner, int fd, const uint8_t *data,
                  size_t sz) TM_MUST_CHECK;

/* Asks for the end of a connect or accept; its event comes with -ECANCELED. */
int tm_uring_cancel(tm_uring_t *uring, tm_uring_op_t op, tm_uring_owner_t owner) TM_MUST_CHECK;

/* Sends queued operations to the kernel without waiting. Returns 0 or -errno. */
int tm_uring_submit(tm_uring_t *uring) TM_MUST_CHECK;

/* Submits, waits up to wait_ns for the first event (0 = never, and without a system call where
   there is nothing to do) and takes up to `cap` at once. Returns events, 0 after the time, -EINTR
   after a signal, or another -errno with a text. */
int tm_uring_reap(tm_uring_t *uring, tm_uring_event_t *events, uint32_t cap,
                  int64_t wait_ns) TM_MUST_CHECK;

/* A received buffer's bytes. */
uint8_t *tm_uring_buf(const tm_uring_t *uring, uint16_t buf_idx);

/* Gives a buffer back to the kernel. */
void tm_uring_buf_put(tm_uring_t *uring, uint16_t buf_idx);

uint32_t tm_uring_buf_cnt(const tm_uring_t *uring);

/* Buffers that are not with the caller. */
uint32_t tm_uring_buf_spare(const tm_uring_t *uring);

/* "defer-taskrun, buffer ring, multishot": for the start-up page. */
const char *tm_uring_describe(const tm_uring_t *uring);

#endif
