/* Concurrency Kit's ck_ring, in its single-producer single-consumer form with typed entries. It
   moves one entry a call. */
#include "bench/ring/queue.h"

#include <stddef.h>
#include <stdlib.h>

#ifdef HAVE_CK

/* Its macros compare signed with unsigned and drop qualifiers. */
#    pragma GCC diagnostic ignored "-Wconversion"
#    pragma GCC diagnostic ignored "-Wsign-conversion"
#    pragma GCC diagnostic ignored "-Wcast-qual"
#    pragma GCC diagnostic ignored "-Wpedantic"
#    pragma GCC diagnostic ignored "-Wundef"
#    include <ck_ring.h>

CK_RING_PROTOTYPE(row, queue_row)

typedef struct ck_queue {
    ck_ring_t ring __attribute__((aligned(128)));
    struct queue_row rows[QUEUE_DEPTH] __attribute__((aligned(128)));
} ck_queue_t;

static void *open_ck(void)
{
    ck_queue_t *q = aligned_alloc(128, sizeof *q);
    if (!q) abort();
    ck_ring_init(&q->ring, QUEUE_DEPTH);
    return q;
}

static void produce(void *queue, uint64_t cnt, uint32_t batch)
{
    ck_queue_t *q = queue;
    struct queue_row row = {0};
    (void)batch;
    for (uint64_t seq = 0; seq < cnt; seq++) {
        row.seq = seq;
        while (!CK_RING_ENQUEUE_SPSC(row, &q->ring, q->rows, &row)) queue_relax();
    }
}

static uint64_t consume(void *queue, uint64_t cnt, uint32_t batch)
{
    ck_queue_t *q = queue;
    struct queue_row row;
    uint64_t sum = 0;
    (void)batch;
    for (uint64_t got = 0; got < cnt; got++) {
        while (!CK_RING_DEQUEUE_SPSC(row, &q->ring, q->rows, &row)) queue_relax();
        sum += row.seq;
    }
    return sum;
}

static void ping(void *out, void *in, uint64_t cnt)
{
    ck_queue_t *to = out, *from = in;
    struct queue_row row = {0}, back;
    for (uint64_t i = 0; i < cnt; i++) {
        row.seq = i;
        while (!CK_RING_ENQUEUE_SPSC(row, &to->ring, to->rows, &row)) queue_relax();
        while (!CK_RING_DEQUEUE_SPSC(row, &from->ring, from->rows, &back)) queue_relax();
        if (back.seq != i) abort();
    }
}

static void pong(void *in, void *out, uint64_t cnt)
{
    ck_queue_t *to = out, *from = in;
    struct queue_row row;
    for (uint64_t i = 0; i < cnt; i++) {
        while (!CK_RING_DEQUEUE_SPSC(row, &from->ring, from->rows, &row)) queue_relax();
        while (!CK_RING_ENQUEUE_SPSC(row, &to->ring, to->rows, &row)) queue_relax();
    }
}

const queue_ops_t *queue_ck(void)
{
    static const queue_ops_t ops = {"ck_ring", open_ck, free, produce, consume, ping, pong};
    return &ops;
}

#else

const queue_ops_t *queue_ck(void)
{
    return NULL;
}

#endif
