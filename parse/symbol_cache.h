/* parse/symbol_cache.h - a parser's own memory of the symbols it has met, in front of the shared
   table.
   Flow     event.c, parser.c -> [symbol cache] -> base/symbol.h
   Method   one slot a hash for names of up to 16 bytes, compared as two words; longer names and
            misses go to the shared table
   Memory   part of its parser
   Threads  one
   Errors   TM_SYMBOL_NONE as tm_symbols_intern
   Limits   TM_SYMBOL_CACHE_SLOTS slots; a later name takes the place of an earlier one */
#ifndef TM_PARSE_SYMBOL_CACHE_H
#define TM_PARSE_SYMBOL_CACHE_H

#include "base/row.h"
#include "base/symbol.h"
#include "parse/scan/swar.h"

enum { TM_SYMBOL_CACHE_BITS = 12, TM_SYMBOL_CACHE_SLOTS = 1 << TM_SYMBOL_CACHE_BITS };

typedef struct tm_symbol_slot {
    uint64_t text[2]; /* zero-padded */
    uint32_t sz;      /* 0: free */
    uint32_t symbol;  /* of a free one: TM_SYMBOL_NONE */
} tm_symbol_slot_t;

typedef struct tm_symbol_cache {
    tm_symbols_t *shared;
    tm_symbol_slot_t slots[TM_SYMBOL_CACHE_SLOTS];
} tm_symbol_cache_t;

void tm_symbol_cache_init(tm_symbol_cache_t *cache, tm_symbols_t *shared);

/* The rare half of tm_symbol_cache_get: asks the shared table and remembers. */
uint32_t tm_symbol_cache_miss(tm_symbol_cache_t *cache, const uint8_t *name, uint32_t sz,
                              tm_symbol_slot_t *slot);

/* The number of a name whose first 16 bytes, zero-padded, are `lo` and `hi`; 16 bytes must be
   readable at it. */
static inline uint32_t tm_symbol_cache_find(tm_symbol_cache_t *cache, uint64_t lo, uint64_t hi,
                                            const uint8_t *name, uint32_t sz)
{
    uint64_t hash = (lo ^ hi * 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull;
    tm_symbol_slot_t *slot = &cache->slots[hash >> (64 - TM_SYMBOL_CACHE_BITS)];
    if (TM_LIKELY(slot->text[0] == lo && slot->text[1] == hi && slot->sz == sz))
        return slot->symbol;
    return tm_symbol_cache_miss(cache, name, sz, slot);
}

static inline uint32_t tm_symbol_cache_get(tm_symbol_cache_t *cache, const uint8_t *name,
                                           uint32_t sz)
{
    uint64_t lo = tm_swar_load(name) & tm_swar_low(sz);
    uint64_t hi = sz > 8 ? tm_swar_load(name + 8) & tm_swar_low(sz - 8) : 0;
    return tm_symbol_cache_find(cache, lo, hi, name, sz);
}

#endif
