// boost::lockfree::spsc_queue with its capacity fixed at compile time, its fastest form.
#include "bench/ring/queue.h"

#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>
#include <cstdlib>

namespace
{

using queue_t = boost::lockfree::spsc_queue<queue_row_t, boost::lockfree::capacity<QUEUE_DEPTH>>;

void *open_boost()
{
    return new queue_t;
}

void close_boost(void *queue)
{
    delete static_cast<queue_t *>(queue);
}

void produce(void *queue, uint64_t cnt, uint32_t batch)
{
    queue_t &q = *static_cast<queue_t *>(queue);
    queue_row_t rows[QUEUE_BATCH_MAX] = {};
    for (uint64_t seq = 0; batch == 1 && seq < cnt; seq++) {
        rows[0].seq = seq;
        while (!q.push(rows[0])) queue_relax();
    }
    for (uint64_t seq = 0; batch > 1 && seq < cnt;) {
        uint32_t n = cnt - seq < batch ? static_cast<uint32_t>(cnt - seq) : batch;
        for (uint32_t i = 0; i < n; i++) rows[i].seq = seq + i;
        for (uint32_t done = 0; done < n;) {
            uint32_t moved = static_cast<uint32_t>(q.push(&rows[done], n - done));
            if (!moved) queue_relax();
            done += moved;
        }
        seq += n;
    }
}

uint64_t consume(void *queue, uint64_t cnt, uint32_t batch)
{
    queue_t &q = *static_cast<queue_t *>(queue);
    uint64_t sum = 0, got = 0;
    auto add = [&](const queue_row_t &row) { sum += row.seq; };
    while (got < cnt) {
        uint64_t n = batch == 1 ? q.consume_one(add) : q.consume_all(add);
        if (!n) queue_relax();
        got += n;
    }
    return sum;
}

void ping(void *out, void *in, uint64_t cnt)
{
    queue_t &to = *static_cast<queue_t *>(out), &from = *static_cast<queue_t *>(in);
    queue_row_t row = {};
    for (uint64_t i = 0; i < cnt; i++) {
        uint64_t back = 0;
        row.seq = i;
        while (!to.push(row)) queue_relax();
        while (!from.consume_one([&](const queue_row_t &r) { back = r.seq; })) queue_relax();
        if (back != i) abort();
    }
}

void pong(void *in, void *out, uint64_t cnt)
{
    queue_t &to = *static_cast<queue_t *>(out), &from = *static_cast<queue_t *>(in);
    queue_row_t row = {};
    for (uint64_t i = 0; i < cnt; i++) {
        while (!from.consume_one([&](const queue_row_t &r) { row.seq = r.seq; })) queue_relax();
        while (!to.push(row)) queue_relax();
    }
}

} // namespace

extern "C" const queue_ops_t *queue_boost()
{
    static const queue_ops_t ops = {
        "boost " BOOST_LIB_VERSION, open_boost, close_boost, produce, consume, ping, pong};
    return &ops;
}
