/* engine/runtime/route.h - which worker owns a key.
   Rule     key -> key group (a hash modulo TM_KEY_GROUP_CNT) -> worker (an even cut of the
            groups), as in Flink's KeyGroupRangeAssignment: the group of a key never changes, so a
            later run with another number of workers moves whole groups
   Threads  no state */
#ifndef TM_ENGINE_ROUTE_H
#define TM_ENGINE_ROUTE_H

#include "base/types.h"

enum { TM_KEY_GROUP_CNT = 128 };

/* Finalizer of MurmurHash3 (Austin Appleby, public domain): neighbouring symbol numbers spread
   out. */
static inline uint32_t tm_route_hash(uint32_t key)
{
    key ^= key >> 16;
    key *= 0x85ebca6bu;
    key ^= key >> 13;
    key *= 0xc2b2ae35u;
    return key ^ (key >> 16);
}

static inline uint32_t tm_route_key_group(uint32_t hash)
{
    return hash % TM_KEY_GROUP_CNT;
}

/* The worker of a key, by its hash (tm_key_hash). */
static inline uint32_t tm_route_owner(uint32_t hash, uint32_t worker_cnt)
{
    return tm_route_key_group(hash) * worker_cnt / TM_KEY_GROUP_CNT;
}

#endif
