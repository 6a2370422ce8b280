#include "net/feed/feed_venue.h"

#include <string.h>
#include <strings.h>

static const tm_feed_venue_t *const venues[] = {
    &tm_feed_venue_binance, &tm_feed_venue_binance_usdm, &tm_feed_venue_binance_coinm,
    &tm_feed_venue_bybit,   &tm_feed_venue_okx,          &tm_feed_venue_coinbase,
    &tm_feed_venue_kraken,
};

const tm_feed_venue_t *tm_feed_venue_find(const char *name)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(venues); i++)
        if (strcmp(venues[i]->name, name) == 0) return venues[i];
    return NULL;
}

bool tm_feed_host_is_below(const char *host, const char *name)
{
    size_t host_sz = strlen(host), sz = strlen(name);
    if (host_sz < sz || strcasecmp(host + host_sz - sz, name) != 0) return false;
    return host_sz == sz || host[host_sz - sz - 1] == '.';
}

const tm_feed_venue_t *tm_feed_venue_of_host(const char *host)
{
    /* The most particular name wins: fstream.binance.com lies below binance.com. */
    const tm_feed_venue_t *best = &tm_feed_venue_binance;
    size_t best_sz = 0;
    for (size_t i = 0; i < TM_ARRAY_CNT(venues); i++) {
        for (size_t k = 0; k < TM_ARRAY_CNT(venues[i]->host); k++) {
            const char *name = venues[i]->host[k];
            if (!name || strlen(name) <= best_sz || !tm_feed_host_is_below(host, name)) continue;
            best = venues[i];
            best_sz = strlen(name);
        }
    }
    return best;
}

const char *tm_feed_venue_names(void)
{
    return "binance, binance-usdm, binance-coinm, bybit, okx, coinbase, kraken";
}
