/* engine/runtime/ring.h - bounded ring of rows from one producer thread to one consumer thread.
   Flow     ingest -> [ring] -> worker -> [ring] -> file thread
   Method   a slot says itself whether it is filled: byte 0 of its row is a phase tag that
            alternates from lap to lap (as in NVMe completion queues). The producer copies bytes 8..
            of the row plainly and then publishes bytes 0-7, phase included, as one 64-bit store.
            The consumer looks at the row it wants next and at nothing else: one cache line moves a
            row and no index is shared on the way. The producer looks at the consumer's position
            only when its cached copy says full
   Units    depth: rows, a power of two; stride: bytes a row, a multiple of 64; positions are
            free-running 64-bit row numbers; phase of position p: 1 + (p / depth) % 2, 0 = never
            used
   Memory   caller owns tm_ring_footprint(cfg) bytes, 128-aligned; allocates nothing
   Threads  push, claim, publish: producer only; peek, release: consumer only; lag: any, approximate
   Order    Q1 publish release -> peek acquire: the row's bytes are there when its phase is.
            Q2 release release -> claim acquire: the consumer is done with a row before it is reused
   Proof    Q1 is the message-passing shape on one line: plain writes; release of word w || acquire
            of w that reads it; plain reads. Q2 is the same shape for reuse: plain reads; release of
            head || acquire of head; plain writes. A stale phase cannot pass for a fresh one: the
            producer writes position p + depth only after it has seen head > p, so while the
            consumer waits for p the slot holds lap p / depth or the one before it, and these
            differ. A burst writes its rows from the second on plainly, phase included, and
            publishes the first one last. The consumer looks at a row only after the row before it
            was ready, so it meets them behind the Q1 of the first: plain writes never race with its
            look
   Errors   footprint: 0 for a bad configuration (a text says why); push: false = full; never blocks
   Limits   depth 2^6..2^20, stride up to TM_ROW_SZ_MAX.  Tests tests/engine/test_ring.c,
            tests/stress/stress_ring.c */
#ifndef TM_ENGINE_RING_H
#define TM_ENGINE_RING_H

#include "base/check.h"
#include "base/row.h"

#include <stdatomic.h>
#include <string.h>

enum { TM_RING_DEPTH_MIN = 1 << 6, TM_RING_DEPTH_MAX = 1 << 20 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the phase is the low byte of the word");

/* Bytes 0-7 of a slot. It lies over row fields that the consumer reads plainly once it is
   published. */
typedef _Atomic uint64_t __attribute__((may_alias)) tm_ring_word_t;

typedef struct tm_ring_cfg {
    uint32_t depth;  /* rows */
    uint32_t stride; /* bytes */
} tm_ring_cfg_t;

/* Copies adjacent rows into adjacent slots of one lap. */
typedef void tm_ring_copy_fn(uint8_t *slots, const uint8_t *rows, uint32_t cnt, uint32_t stride,
                             uint8_t phase);

typedef struct tm_ring {
    /* Written at init. */
    alignas(TM_FALSE_SHARE) uint8_t *slots;
    tm_ring_copy_fn *copy; /* for this cpu */
    uint64_t depth;
    uint32_t stride;
    uint32_t depth_log2;

    /* Written by the producer. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t tail; /* next position to fill */
    uint64_t head_seen;                            /* last head the producer read */

    /* Written by the consumer. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t head; /* next position to read */
} tm_ring_t;
static_assert(offsetof(tm_ring_t, tail) % TM_FALSE_SHARE == 0, "the producer's own lines");
static_assert(offsetof(tm_ring_t, head) % TM_FALSE_SHARE == 0, "the consumer's own lines");

size_t tm_ring_footprint(const tm_ring_cfg_t *cfg);
tm_ring_t *tm_ring_init(void *mem, const tm_ring_cfg_t *cfg);

static inline uint32_t tm_ring_stride(const tm_ring_t *ring)
{
    return ring->stride;
}

static inline uint8_t *tm_ring_slot(const tm_ring_t *ring, uint64_t pos)
{
    return ring->slots + (pos & (ring->depth - 1)) * ring->stride;
}

static inline uint64_t tm_ring_phase(const tm_ring_t *ring, uint64_t pos)
{
    return 1 + ((pos >> ring->depth_log2) & 1);
}

/* Free slots from `pos` on, counted up to `want`; looks at the consumer only if it must. */
static inline uint64_t tm_ring_room(tm_ring_t *ring, uint64_t pos, uint64_t want)
{
    uint64_t room = ring->depth - (pos - ring->head_seen);
    if (TM_UNLIKELY(room < want)) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire); /* Q2 */
        room = ring->depth - (pos - ring->head_seen);
    }
    return room < want ? room : want;
}

/* Fills the slot of `pos`. Bytes 8.. first, then the word that says they are there. */
static inline void tm_ring_fill(tm_ring_t *ring, uint64_t pos, const void *row)
{
    uint8_t *slot = tm_ring_slot(ring, pos);
    uint64_t word;
    memcpy(&word, row, sizeof word);
    word = (word & ~UINT64_C(0xff)) | tm_ring_phase(ring, pos);
    if (TM_LIKELY(ring->stride == TM_CACHE_LINE))
        memcpy(slot + 8, (const uint8_t *)row + 8, TM_CACHE_LINE - 8);
    else
        memcpy(slot + 8, (const uint8_t *)row + 8, ring->stride - 8);
    atomic_store_explicit((tm_ring_word_t *)slot, word, memory_order_release); /* Q1 */
}

/* Copies one row of `stride` bytes in. False = full. */
static inline bool tm_ring_push(tm_ring_t *ring, const void *row)
{
    uint64_t pos = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own value */
    if (TM_UNLIKELY(tm_ring_room(ring, pos, 1) == 0)) return false;
    tm_ring_fill(ring, pos, row);
    atomic_store_explicit(&ring->tail, pos + 1, memory_order_relaxed); /* for lag only */
    return true;
}

/* Copies in as many of `cnt` rows, `stride` apart, as there is room for. Returns their number. The
   first row is published last: a consumer that waits for it leaves the other lines alone meanwhile,
   and then finds the whole burst. */
uint32_t tm_ring_push_burst(tm_ring_t *ring, const void *rows, uint32_t cnt);

/* The next slot, to be written in place: bytes 8..stride-1 only; tm_ring_publish() stores the first
   eight. NULL = full. Claiming again without publishing yields the same slot. */
static inline void *tm_ring_claim(tm_ring_t *ring)
{
    uint64_t pos = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own value */
    if (TM_UNLIKELY(tm_ring_room(ring, pos, 1) == 0)) return NULL;
    return tm_ring_slot(ring, pos);
}

/* Hands over the claimed slot with these header fields (base/row.h). */
static inline void tm_ring_publish(tm_ring_t *ring, tm_row_kind_t kind, uint16_t schema_id,
                                   uint32_t symbol)
{
    uint64_t pos = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own value */
    uint64_t word = tm_ring_phase(ring, pos) | (uint64_t)kind << 8 | (uint64_t)schema_id << 16 |
                    (uint64_t)symbol << 32;
    tm_ring_word_t *slot = (tm_ring_word_t *)(void *)tm_ring_slot(ring, pos);
    atomic_store_explicit(slot, word, memory_order_release);           /* Q1 */
    atomic_store_explicit(&ring->tail, pos + 1, memory_order_relaxed); /* for lag only */
}

/* Finds up to `max` rows that are ready and lie one after another (a run ends at the ring's end).
   They are read in place and stay until released. Returns their number. */
static inline uint32_t tm_ring_peek(tm_ring_t *ring, const void **rows, uint32_t max)
{
    uint64_t pos = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own value */
    uint64_t to_end = ring->depth - (pos & (ring->depth - 1));
    uint8_t phase = (uint8_t)tm_ring_phase(ring, pos);
    uint8_t *slot = tm_ring_slot(ring, pos);
    *rows = slot;
    if (max > to_end) max = (uint32_t)to_end;
    uint32_t n = 0;
    for (; n < max; n++, slot += ring->stride) {
        uint64_t word = atomic_load_explicit((tm_ring_word_t *)(void *)slot,
                                             memory_order_acquire); /* Q1 */
        if ((uint8_t)word != phase) break;
    }
    return n;
}

/* Gives back the first `cnt` rows of the last peek. */
static inline void tm_ring_release(tm_ring_t *ring, uint32_t cnt)
{
    uint64_t pos = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own value */
    atomic_store_explicit(&ring->head, pos + cnt, memory_order_release);    /* Q2 */
}

/* Rows inside, as far as any thread can tell: both ends move while it looks. */
static inline uint64_t tm_ring_lag(tm_ring_t *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* approximate */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* approximate */
    return tail > head ? tail - head : 0;
}

#endif
