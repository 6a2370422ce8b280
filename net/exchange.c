#include "net/exchange.h"

#include <string.h>
#include <strings.h>

static const tm_exchange_t *const exchanges[] = {
    &tm_exchange_binance, &tm_exchange_binance_usdm, &tm_exchange_binance_coinm, &tm_exchange_bybit,
    &tm_exchange_okx,     &tm_exchange_coinbase,     &tm_exchange_kraken,
};

const tm_exchange_t *tm_exchange_find(const char *name)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(exchanges); i++)
        if (strcmp(exchanges[i]->name, name) == 0) return exchanges[i];
    return NULL;
}

/* True where host is the name itself or ends in ".name". */
static bool is_below(const char *host, const char *name)
{
    size_t host_sz = strlen(host), sz = strlen(name);
    if (host_sz < sz || strcasecmp(host + host_sz - sz, name) != 0) return false;
    return host_sz == sz || host[host_sz - sz - 1] == '.';
}

const tm_exchange_t *tm_exchange_of_host(const char *host)
{
    /* The most particular name wins: fstream.binance.com lies below binance.com. */
    const tm_exchange_t *best = &tm_exchange_binance;
    size_t best_sz = 0;
    for (size_t i = 0; i < TM_ARRAY_CNT(exchanges); i++) {
        for (size_t k = 0; k < TM_ARRAY_CNT(exchanges[i]->host); k++) {
            const char *name = exchanges[i]->host[k];
            if (!name || strlen(name) <= best_sz || !is_below(host, name)) continue;
            best = exchanges[i];
            best_sz = strlen(name);
        }
    }
    return best;
}

const char *tm_exchange_names(void)
{
    return "binance, binance-usdm, binance-coinm, bybit, okx, coinbase, kraken";
}
