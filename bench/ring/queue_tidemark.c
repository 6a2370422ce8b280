#include "bench/ring/queue.h"
#include "engine/runtime/ring.h"

#include <stdlib.h>

static void *open_ring(void)
{
    tm_ring_cfg_t cfg = {.depth = QUEUE_DEPTH, .stride = sizeof(queue_row_t)};
    size_t sz = tm_ring_footprint(&cfg);
    void *mem = aligned_alloc(TM_FALSE_SHARE, sz);
    if (!mem) abort();
    return tm_ring_init(mem, &cfg);
}

static void produce(void *queue, uint64_t cnt, uint32_t batch)
{
    tm_ring_t *ring = queue;
    queue_row_t rows[QUEUE_BATCH_MAX] = {0};
    for (uint64_t seq = 0; batch == 1 && seq < cnt; seq++) {
        rows[0].seq = seq;
        while (!tm_ring_push(ring, &rows[0])) queue_relax();
    }
    for (uint64_t seq = 0; batch > 1 && seq < cnt;) {
        uint32_t n = cnt - seq < batch ? (uint32_t)(cnt - seq) : batch;
        for (uint32_t i = 0; i < n; i++) rows[i].seq = seq + i;
        for (uint32_t done = 0; done < n;) {
            uint32_t moved = tm_ring_push_burst(ring, &rows[done], n - done);
            if (!moved) queue_relax();
            done += moved;
        }
        seq += n;
    }
}

static uint64_t consume(void *queue, uint64_t cnt, uint32_t batch)
{
    tm_ring_t *ring = queue;
    uint64_t sum = 0;
    for (uint64_t got = 0; got < cnt;) {
        const void *at;
        uint32_t n = tm_ring_peek(ring, &at, batch);
        if (!n) {
            queue_relax();
            continue;
        }
        const queue_row_t *rows = at;
        for (uint32_t i = 0; i < n; i++) sum += rows[i].seq;
        tm_ring_release(ring, n);
        got += n;
    }
    return sum;
}

static uint64_t take(tm_ring_t *ring)
{
    const void *at;
    while (!tm_ring_peek(ring, &at, 1)) queue_relax();
    uint64_t seq = ((const queue_row_t *)at)->seq;
    tm_ring_release(ring, 1);
    return seq;
}

static void ping(void *out, void *in, uint64_t cnt)
{
    queue_row_t row = {0};
    for (uint64_t i = 0; i < cnt; i++) {
        row.seq = i;
        while (!tm_ring_push(out, &row)) queue_relax();
        if (take(in) != i) abort();
    }
}

static void pong(void *in, void *out, uint64_t cnt)
{
    queue_row_t row = {0};
    for (uint64_t i = 0; i < cnt; i++) {
        row.seq = take(in);
        while (!tm_ring_push(out, &row)) queue_relax();
    }
}

const queue_ops_t *queue_tidemark(void)
{
    static const queue_ops_t ops = {"tidemark", open_ring, free, produce, consume, ping, pong};
    return &ops;
}
