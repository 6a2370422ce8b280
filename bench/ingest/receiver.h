/* bench/ingest/receiver.h - the engine's receive core over one connection, whole or by stages.
   Flow     venue -> [receiver] -> a ring that is emptied at once
   Whole    net/feed/feed.h, the parser and the ring, as an ingest thread runs them
   Stages   the same parts one after another over what a wake-up brought: every message is taken out
            of the records first, then every frame is parsed, then every row is pushed. Clocks are
            read once a stage and received buffer, and buffers in the middle of which the thread
            lost its core are left out; the kernel's is what is left of the thread's time
   Threads  the caller's */
#ifndef TM_BENCH_INGEST_RECEIVER_H
#define TM_BENCH_INGEST_RECEIVER_H

#include "base/types.h"

typedef struct receiver_result {
    uint64_t messages, rows;
    double seconds;   /* from the first message to the last */
    double thread_ns; /* of the thread's time on a core, a message */
    double kernel_ns, tls_ns, ws_ns, parse_ns, ring_ns; /* a message; of the stages alone */
} receiver_result_t;

/* Both return false, with a line on standard error, where something fails. */
bool receiver_whole(uint16_t port, const char *ca_file, receiver_result_t *result);
bool receiver_stages(uint16_t port, const char *ca_file, receiver_result_t *result);

#endif
