/* state/table/keyed_table.h - 64-bit key to an entry of fixed size: the state of keyed operators.
   Flow     operators -> [keyed table] -> pages of the arena
   Method   entries lie densely in pages, in order of insertion, and never move but to close the gap
            of an erased one; a hash index refers to them. So a full scan is sequential, growing
            moves no entry, and the entry pages alone are the state: the index can be rebuilt from
            them. The index is extendible hashing (Fagin et al., 1979): a directory of 16 KiB
            segments, each of 64-byte buckets of 8 (tag, reference) pairs. A key is in its home
            bucket or one of the three after it, and a bucket with an empty place ends the search,
            so a lookup is one cache line of index, rarely two and never more than four, then the
            entry. A segment with no room in reach splits in two: growing stops the caller for one
            segment's work (28 us at most on the way to ten million keys), whatever its size
   Units    tag: 32 bits of hash; ref: page_arena.h
   Memory   a table is a struct of the caller and pages of the arena: the entry and 11 to 17 bytes
            of index a key. A table of a few keys takes two pages
   Threads  the worker that owns the state
   Errors   get: NULL where the arena has no page left or the index is at its limit
   Limits   entries of 16..TM_KEYED_ENTRY_SZ_MAX bytes, about 60 million keys a table
   Tests    tests/state/test_keyed_table.c */
#ifndef TM_STATE_KEYED_TABLE_H
#define TM_STATE_KEYED_TABLE_H

#include "state/table/page_arena.h"

#include <assert.h>
#include <string.h>

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum {
    TM_KEYED_ENTRY_SZ_MAX = 4096,
    TM_KEYED_WAYS = 8,  /* pairs a bucket */
    TM_KEYED_REACH = 4, /* buckets a key may be in */
    TM_KEYED_BUCKETS = TM_PAGE_SZ / 64,
    TM_KEYED_DIR_PAGES = 16,
    TM_KEYED_DIR_PAGE_LOG2 = 12, /* directory words a page */
    TM_KEYED_DEPTH_MAX =
        16, /* bits of the tag that the directory may use; 16 more pick the bucket */
};

/* One cache line of index. ref 0 = empty, ends a search; ref 1 = erased, does not. */
typedef struct tm_keyed_bucket {
    uint32_t tags[TM_KEYED_WAYS];
    uint32_t refs[TM_KEYED_WAYS];
} tm_keyed_bucket_t;
static_assert(sizeof(tm_keyed_bucket_t) == TM_CACHE_LINE, "a bucket is one cache line");

typedef struct tm_keyed_table {
    tm_page_arena_t *arena;
    uint32_t entry_sz;
    uint32_t page_entries; /* entries a page */
    uint32_t cnt;
    uint32_t fill;    /* entries in the newest entry page */
    uint32_t depth;   /* bits of the tag that pick a segment */
    uint32_t buckets; /* of the only segment while depth is 0; it grows within its page */
    uint32_t only;    /* its page */
    uint32_t dir[TM_KEYED_DIR_PAGES]; /* pages of words: segment page << 8 | its own depth */
    tm_page_list_t entry_pages, segment_pages, dir_pages;
    uint32_t sweep_page, sweep_left; /* where a sweep is, and entries of the page not yet given */
} tm_keyed_table_t;

/* A position of a scan. */
typedef struct tm_keyed_cursor {
    uint32_t page;
    uint32_t below; /* the page after it */
    uint32_t left;  /* entries of the page not yet given */
} tm_keyed_cursor_t;

/* entry_sz: a multiple of 16, the key's 8 bytes included. Takes no page until the first key. */
void tm_keyed_init(tm_keyed_table_t *table, tm_page_arena_t *arena, uint32_t entry_sz);

/* An empty table is about to get so many keys: its index starts with room for them, within its
   first segment, instead of growing there step by step. Without a page nothing happens. */
void tm_keyed_expect(tm_keyed_table_t *table, uint32_t keys);

/* Forgets all keys and hands back all pages, in constant time. */
void tm_keyed_clear(tm_keyed_table_t *table);

/* The entry of a key, or NULL. */
void *tm_keyed_find(const tm_keyed_table_t *table, uint64_t key, uint32_t tag);

/* The entry of a key, added where it is new: *added says so, and the caller then fills all but the
   first 8 bytes, which hold the key. NULL = no room. Its page counts as touched where it is new;
   a caller that changes an old entry touches it before. */
void *tm_keyed_get(tm_keyed_table_t *table, uint64_t key, uint32_t tag, bool *added);

/* Removes the entry, which `key` must have; the last entry of the table takes its place. */
void tm_keyed_erase(tm_keyed_table_t *table, void *entry);

/* Asks for the memory that erasing so many entries will read besides theirs: each is replaced by
   the last one. */
void tm_keyed_fetch_erase(const tm_keyed_table_t *table, uint32_t cnt);

/* The next run of up to `max` adjacent entries of an endless sweep, from *entries upwards; returns
   their number, 0 where the table is empty. Between calls anything may be added or erased; an entry
   that stays is met at least once a round. The entries of a run may be erased from the top down. */
uint32_t tm_keyed_sweep(tm_keyed_table_t *table, uint32_t max, void **entries);

/* Newest entries first. During a scan nothing may be added; the entries of the run given last may
   be erased, from the top down. */
tm_keyed_cursor_t tm_keyed_scan(const tm_keyed_table_t *table);

/* The next run of up to `max` adjacent entries, from *entries upwards; returns their number, 0 at
   the end. Runs come from the top of a page down. */
uint32_t tm_keyed_next(const tm_keyed_table_t *table, tm_keyed_cursor_t *cursor, uint32_t max,
                       void **entries);

/* 32 bits of hash. Both ends of it pick places, so both must be good: two rounds of multiply and
   fold (the finisher of MurmurHash3, shortened) spread dense and sparse keys alike. */
static inline uint32_t tm_keyed_tag(uint64_t key)
{
    uint64_t h = (key ^ (key >> 32)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 29)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(h >> 32);
}

/* The home bucket of a tag; the table must not be empty. For prefetching a batch. */
static inline tm_keyed_bucket_t *tm_keyed_home(const tm_keyed_table_t *table, uint32_t tag)
{
    uint32_t segment = table->only, homes = table->buckets - (TM_KEYED_REACH - 1);
    if (table->depth) {
        uint32_t no = tag >> (32 - table->depth);
        const uint32_t *words = tm_page_ptr(table->arena, table->dir[no >> TM_KEYED_DIR_PAGE_LOG2]);
        segment = words[no & ((1u << TM_KEYED_DIR_PAGE_LOG2) - 1)] >> 8;
    }
    tm_keyed_bucket_t *buckets = tm_page_ptr(table->arena, segment);
    return &buckets[((tag & 0xffff) * homes) >> 16];
}

/* One bit a way that holds `word`. */
static inline uint32_t tm_keyed_match(const uint32_t words[TM_KEYED_WAYS], uint32_t word)
{
#ifdef __SSE2__
    __m128i want = _mm_set1_epi32((int)word);
    const __m128i *at = (const __m128i *)(const void *)words;
    __m128i low = _mm_cmpeq_epi32(_mm_load_si128(at), want);
    __m128i high = _mm_cmpeq_epi32(_mm_load_si128(at + 1), want);
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(low)) |
           (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
#else
    uint32_t mask = 0;
    for (uint32_t i = 0; i < TM_KEYED_WAYS; i++) mask |= (uint32_t)(words[i] == word) << i;
    return mask;
#endif
}

/* The entry that the home bucket's first matching tag refers to, most likely the wanted one; NULL
   where none matches. The caller compares the key and takes tm_keyed_get() otherwise. */
static inline void *tm_keyed_guess(const tm_keyed_table_t *table, const tm_keyed_bucket_t *home,
                                   uint32_t tag)
{
    uint32_t mask = tm_keyed_match(home->tags, tag);
    if (!mask) return NULL;
    uint32_t ref = home->refs[__builtin_ctz(mask)];
    return ref > 1 ? tm_ref_ptr(table->arena, ref) : NULL;
}

static inline uint64_t tm_keyed_key(const void *entry)
{
    uint64_t key;
    memcpy(&key, entry, sizeof key);
    return key;
}

#endif
