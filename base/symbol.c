#include "base/symbol.h"

#include "base/error.h"
#include "base/row.h"
#include "base/siphash.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing with linear probing over twice as many slots as symbols. A slot holds
   symbol + 1, 0 = free; a symbol's text is complete before its slot is published. */
enum { SLOT_CNT = 2 * TM_SYMBOL_CNT_MAX };

typedef struct entry {
    uint8_t sz;
    char text[TM_SYMBOL_SZ_MAX + 1];
} entry_t;

struct tm_symbols {
    tm_siphash_key_t key; /* drawn at open: names come from peers */
    pthread_mutex_t lock; /* writers */
    _Atomic uint32_t cnt;
    _Atomic uint32_t slots[SLOT_CNT];
    entry_t entries[TM_SYMBOL_CNT_MAX];
};

int tm_symbols_open(tm_symbols_t **out)
{
    tm_symbols_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "symbol table: out of memory");
    int err = tm_siphash_key_draw(&s->key);
    if (err) {
        free(s);
        return tm_error_context(err, "symbol table");
    }
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return 0;
}

void tm_symbols_close(tm_symbols_t *symbols)
{
    if (!symbols) return;
    pthread_mutex_destroy(&symbols->lock);
    free(symbols);
}

/* The slot that holds the name, or the free one where it would go. */
static uint32_t probe(const tm_symbols_t *s, const char *name, size_t sz, uint32_t *symbol)
{
    uint32_t slot = (uint32_t)tm_siphash(&s->key, name, sz) & (SLOT_CNT - 1);
    for (;; slot = (slot + 1) & (SLOT_CNT - 1)) {
        uint32_t v = atomic_load_explicit(&s->slots[slot], memory_order_acquire); /* S1 */
        *symbol = v - 1; /* a free slot gives TM_SYMBOL_NONE */
        if (v == 0) return slot;
        const entry_t *e = &s->entries[v - 1];
        if (e->sz == sz && memcmp(e->text, name, sz) == 0) return slot;
    }
}

uint32_t tm_symbols_find(const tm_symbols_t *symbols, const char *name, size_t sz)
{
    uint32_t symbol = TM_SYMBOL_NONE;
    if (sz > 0 && sz <= TM_SYMBOL_SZ_MAX) probe(symbols, name, sz, &symbol);
    return symbol;
}

uint32_t tm_symbols_intern(tm_symbols_t *symbols, const char *name, size_t sz)
{
    uint32_t symbol = tm_symbols_find(symbols, name, sz);
    if (symbol != TM_SYMBOL_NONE || sz == 0 || sz > TM_SYMBOL_SZ_MAX) return symbol;
    pthread_mutex_lock(&symbols->lock);
    uint32_t slot = probe(symbols, name, sz, &symbol);
    uint32_t cnt = atomic_load_explicit(&symbols->cnt, memory_order_relaxed); /* under lock */
    if (symbol == TM_SYMBOL_NONE && cnt < TM_SYMBOL_CNT_MAX) {
        entry_t *e = &symbols->entries[cnt];
        e->sz = (uint8_t)sz;
        memcpy(e->text, name, sz);
        atomic_store_explicit(&symbols->slots[slot], cnt + 1, memory_order_release); /* S1 */
        atomic_store_explicit(&symbols->cnt, cnt + 1, memory_order_release);         /* S1 */
        symbol = cnt;
    }
    pthread_mutex_unlock(&symbols->lock);
    return symbol;
}

const char *tm_symbols_name(const tm_symbols_t *symbols, uint32_t symbol, size_t *sz)
{
    bool known = symbol < tm_symbols_cnt(symbols);
    if (sz) *sz = known ? symbols->entries[symbol].sz : 0;
    return known ? symbols->entries[symbol].text : "";
}

uint32_t tm_symbols_cnt(const tm_symbols_t *symbols)
{
    return atomic_load_explicit(&symbols->cnt, memory_order_acquire); /* S1 */
}
