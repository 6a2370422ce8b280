#include "parse/venues/venues.h"

const tm_venue_t *tm_venue_at(uint32_t idx)
{
    static const tm_venue_t *(*const venues[])(void) = {
        tm_venue_binance, tm_venue_bybit, tm_venue_coinbase, tm_venue_kraken, tm_venue_okx};
    return idx < TM_ARRAY_CNT(venues) ? venues[idx]() : NULL;
}

const tm_venue_t *tm_venue_find(const char *name)
{
    size_t sz = strcspn(name, "-");
    for (uint32_t i = 0; tm_venue_at(i); i++) {
        const char *own = tm_venue_at(i)->name;
        if (strlen(own) == sz && memcmp(own, name, sz) == 0) return tm_venue_at(i);
    }
    return NULL;
}
