/* base/frame.h - a view of one message of a feed: the contract between net and parse.
   Flow     net (connection or replay) -> [frame] -> parse; the journal stores it
   Units    sz: bytes; *_ns: nanoseconds
   Memory   bytes belong to the source that made the frame and stay valid until its next poll.
            At least TM_FRAME_PAD readable bytes follow them (content undefined), so that SIMD
            kernels may over-read
   Limits   sz up to the source's message limit (16 MiB by default) */
#ifndef TM_BASE_FRAME_H
#define TM_BASE_FRAME_H

#include "base/types.h"

enum { TM_FRAME_PAD = 64, TM_FRAME_SZ_MAX_DEFAULT = 16 << 20 };

typedef struct tm_frame {
    const uint8_t *data; /* one whole message: text or binary payload, unmasked, inflated */
    uint32_t sz;
    uint32_t conn_idx; /* which connection or file of the source it came from */
    int64_t recv_ns;   /* when it was received, Unix time: live: the stamp taken when the completion
                           was reaped, before decryption; replay: the recorded stamp */
    int64_t ingress_ns; /* mono time at which it was due in this process: live: the same instant as
                           recv_ns; paced replay: its place in the original schedule, so that a slow
                           consumer shows as latency. Latencies are measured from here */
    bool asked; /* the answer to a request beside the connection's stream, not a message of it */
} tm_frame_t;

#endif
