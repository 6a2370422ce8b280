/* state/table/key_dict.h - keys of any bytes as 64-bit numbers, for tables that take only these.
   Flow     rows keyed by strings or several fields -> [key dict] -> keyed tables, timers
   Method   the number of a key is the reference of the block that holds its bytes, so the way back
            needs no table. A keyed table leads from the 64-bit hash to the block; keys of one hash
            are chained, so that a collision costs time and nothing else
   Units    sz: bytes of a key; hash: tm_bytes_hash of them
   Memory   a struct of the caller; slab block of 32 bytes + key, and a table entry of 16 + index
   Threads  the worker that owns the state
   Errors   hold: 0 where there is no room; the dict is as it was
   Limits   keys of TM_KEY_DICT_SZ_MAX bytes.  Tests tests/state/test_key_dict.c */
#ifndef TM_STATE_KEY_DICT_H
#define TM_STATE_KEY_DICT_H

#include "state/table/keyed_table.h"
#include "state/table/slab.h"

enum { TM_KEY_DICT_SZ_MAX = 4096 };

typedef struct tm_key_dict {
    tm_slab_t *slab;
    tm_keyed_table_t table;
} tm_key_dict_t;

void tm_key_dict_init(tm_key_dict_t *dict, tm_slab_t *slab);

/* Hands back the pages of the table; the blocks go with the slab. */
void tm_key_dict_clear(tm_key_dict_t *dict);

/* The number of a key, 0 where it has none. */
uint64_t tm_key_dict_find(const tm_key_dict_t *dict, const void *key, uint32_t sz, uint64_t hash);

/* The same, given one where it has none; it stays until it was released as often as held. */
uint64_t tm_key_dict_hold(tm_key_dict_t *dict, const void *key, uint32_t sz, uint64_t hash);
void tm_key_dict_release(tm_key_dict_t *dict, uint64_t id);

/* The bytes of a number that is held. */
const void *tm_key_dict_bytes(const tm_key_dict_t *dict, uint64_t id, uint32_t *sz);

/* 64 bits of hash of any bytes: words are multiplied to 128 bits and folded, as wyhash does. */
uint64_t tm_bytes_hash(const void *key, size_t sz);

#endif
