/* bench/ring/queue.h - what every queue of the comparison does: the loops live beside the queue, so
   that its calls are inlined as in real use.
   Work     the producer copies in 64-byte rows that carry a sequence number; the consumer reads
            that number of every row, in place where the queue can, and returns the sum
   Threads  produce, ping: one thread; consume, pong: another */
#ifndef TM_BENCH_QUEUE_H
#define TM_BENCH_QUEUE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { QUEUE_DEPTH = 4096, QUEUE_BATCH_MAX = 64 };

typedef struct queue_row {
    uint64_t head; /* byte 0 belongs to the ring */
    uint64_t seq;
    uint64_t fields[6];
} queue_row_t;

typedef struct queue_ops {
    const char *name;
    void *(*open)(void);
    void (*close)(void *queue);
    /* batch: 1 = one at a time; else up to that many a call. */
    void (*produce)(void *queue, uint64_t cnt, uint32_t batch);
    uint64_t (*consume)(void *queue, uint64_t cnt, uint32_t batch);
    void (*ping)(void *out, void *in, uint64_t cnt);
    void (*pong)(void *in, void *out, uint64_t cnt);
} queue_ops_t;

/* NULL where the peer is not built in. */
const queue_ops_t *queue_tidemark(void);
const queue_ops_t *queue_boost(void);
const queue_ops_t *queue_ck(void);

static inline void queue_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

#ifdef __cplusplus
}
#endif
#endif
