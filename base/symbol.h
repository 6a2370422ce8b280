/* base/symbol.h - the symbol table: names of low cardinality as uint32_t.
   Flow     parse interns while reading; sinks and tools turn the number back into its text. It lies
            in base because parse and state both need it and may not see each other
   Memory   one heap block for TM_SYMBOL_CNT_MAX symbols, sized at open; nothing is ever removed, so
            an index and the text behind it stay valid until tm_symbols_close
   Threads  find, intern, name: any. Reads are lock-free; a new name takes a mutex (rare: once a
            symbol a run)
   Method   open addressing by a keyed hash (base/siphash.h): a peer chooses the names, and must not
            be able to choose where they go
   Order    S1 slot index release -> reader acquire (name and hash of the symbol)
   Limits   TM_SYMBOL_CNT_MAX names of 1..TM_SYMBOL_SZ_MAX bytes, any bytes (UTF-8 is not required)
   Tests    tests/base/test_symbol.c */
#ifndef TM_BASE_SYMBOL_H
#define TM_BASE_SYMBOL_H

#include "base/types.h"

enum { TM_SYMBOL_CNT_MAX = 1 << 16, TM_SYMBOL_SZ_MAX = 63 };

typedef struct tm_symbols tm_symbols_t;

/* Returns 0, -ENOMEM, or what getrandom failed with. */
int tm_symbols_open(tm_symbols_t **out) TM_MUST_CHECK;
void tm_symbols_close(tm_symbols_t *symbols);

/* Index of the name, or TM_SYMBOL_NONE where it is not there. */
uint32_t tm_symbols_find(const tm_symbols_t *symbols, const char *name, size_t sz);

/* Index of the name, adding it where it is new. TM_SYMBOL_NONE where sz is 0 or too long, or the
   table is full (the caller counts it). Numbers count up from 0 in order of first sight. */
uint32_t tm_symbols_intern(tm_symbols_t *symbols, const char *name, size_t sz);

/* The text, NUL-terminated; its size without the NUL goes to *sz (may be NULL). "" for a number
   that was never given out. */
const char *tm_symbols_name(const tm_symbols_t *symbols, uint32_t symbol, size_t *sz);

uint32_t tm_symbols_cnt(const tm_symbols_t *symbols);

#endif
