#include "state/table/radix_heap.h"

#include "base/check.h"

#include <assert.h>

enum { CHUNK_SZ = 1024, CHUNK_ITEMS = CHUNK_SZ / 16 - 1 };

typedef struct chunk {
    tm_ref_t next;
    uint32_t fill;
    uint64_t unused;
    tm_radix_item_t items[CHUNK_ITEMS];
} chunk_t;
static_assert(sizeof(chunk_t) == CHUNK_SZ, "a chunk is a whole part of a page");

/* To be written, in nearly all cases. */
static chunk_t *chunk_at(const tm_radix_heap_t *q, tm_ref_t ref)
{
    tm_ref_touch(q->chunks.arena, ref);
    return tm_ref_ptr(q->chunks.arena, ref);
}

/* Unsigned order of signed times. */
static uint64_t biased(int64_t time)
{
    return (uint64_t)time ^ UINT64_C(1) << 63;
}

static uint32_t bucket_of(const tm_radix_heap_t *q, uint64_t time)
{
    return time == q->last ? 0 : 64 - (uint32_t)__builtin_clzll(time ^ q->last);
}

void tm_radix_heap_init(tm_radix_heap_t *queue, tm_page_arena_t *arena)
{
    *queue = (tm_radix_heap_t){0};
    tm_pool_init(&queue->chunks, arena, CHUNK_SZ);
    for (uint32_t b = 0; b < TM_RADIX_BUCKETS; b++) queue->buckets[b].lowest = UINT64_MAX;
}

void tm_radix_heap_clear(tm_radix_heap_t *queue)
{
    tm_pool_clear(&queue->chunks);
    tm_radix_heap_init(queue, queue->chunks.arena);
}

/* Items fill whole chunks but for one in each bucket and the one that is being moved, so with this
   many chunks an item can always move. */
bool tm_radix_heap_reserve(tm_radix_heap_t *queue, uint32_t more)
{
    return tm_pool_reserve(&queue->chunks,
                           (queue->cnt + more) / CHUNK_ITEMS + TM_RADIX_BUCKETS + 2);
}

static void bucket_add(tm_radix_heap_t *q, uint64_t time, const tm_radix_item_t *item)
{
    tm_radix_bucket_t *bucket = &q->buckets[bucket_of(q, time)];
    if (!bucket->head || chunk_at(q, bucket->head)->fill == CHUNK_ITEMS) {
        tm_ref_t fresh = tm_pool_get(&q->chunks);
        TM_CHECK(fresh != 0, "radix heap: a reserved chunk is not there");
        chunk_at(q, fresh)->next = bucket->head;
        chunk_at(q, fresh)->fill = 0;
        bucket->head = fresh;
    }
    chunk_t *chunk = chunk_at(q, bucket->head);
    chunk->items[chunk->fill++] = *item;
    if (time < bucket->lowest) bucket->lowest = time;
}

bool tm_radix_heap_push(tm_radix_heap_t *queue, int64_t time, tm_ref_t ref)
{
    if (!tm_radix_heap_reserve(queue, 1)) return false;
    uint64_t at = biased(time);
    const tm_radix_item_t item = {.time = time, .ref = ref};
    bucket_add(queue, at < queue->last ? queue->last : at, &item);
    queue->cnt++;
    return true;
}

/* Sets the lowest bucket in motion, if anything in it is due. */
static bool bucket_detach(tm_radix_heap_t *q, uint64_t until)
{
    for (uint32_t b = 0; b < TM_RADIX_BUCKETS; b++) {
        tm_radix_bucket_t *bucket = &q->buckets[b];
        if (!bucket->head) continue;
        if (bucket->lowest > until) return false;
        q->moving = bucket->head;
        q->last = bucket->lowest;
        *bucket = (tm_radix_bucket_t){.lowest = UINT64_MAX};
        return true;
    }
    return false;
}

uint32_t tm_radix_heap_take(tm_radix_heap_t *queue, int64_t until, uint32_t look,
                            tm_radix_item_t *items, uint32_t *cnt)
{
    uint32_t seen = 0;
    *cnt = 0;
    while (seen < look && (queue->moving || bucket_detach(queue, biased(until)))) {
        chunk_t *chunk = chunk_at(queue, queue->moving);
        while (seen < look && chunk->fill > 0) {
            const tm_radix_item_t item = chunk->items[--chunk->fill];
            seen++;
            if (item.time <= until) {
                items[(*cnt)++] = item;
                queue->cnt--;
            } else {
                bucket_add(queue, biased(item.time), &item);
            }
        }
        if (chunk->fill > 0) break;
        tm_ref_t done = queue->moving;
        queue->moving = chunk->next;
        tm_pool_put(&queue->chunks, done);
    }
    return seen;
}
