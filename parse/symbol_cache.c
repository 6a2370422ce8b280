#include "parse/symbol_cache.h"

void tm_symbol_cache_init(tm_symbol_cache_t *cache, tm_symbols_t *shared)
{
    memset(cache, 0, sizeof *cache);
    cache->shared = shared;
    for (uint32_t i = 0; i < TM_SYMBOL_CACHE_SLOTS; i++) cache->slots[i].symbol = TM_SYMBOL_NONE;
}

uint32_t tm_symbol_cache_miss(tm_symbol_cache_t *cache, const uint8_t *name, uint32_t sz,
                              tm_symbol_slot_t *slot)
{
    uint32_t symbol = tm_symbols_intern(cache->shared, (const char *)name, sz);
    if (symbol == TM_SYMBOL_NONE || sz > 16) return symbol;
    slot->text[0] = tm_swar_load(name) & tm_swar_low(sz);
    slot->text[1] = sz > 8 ? tm_swar_load(name + 8) & tm_swar_low(sz - 8) : 0;
    slot->sz = sz;
    slot->symbol = symbol;
    return symbol;
}
