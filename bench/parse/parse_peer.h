/* bench/parse/parse_peer.h - other parsers doing the same work as ours: the values of one message
   to exact integers, its symbol to a number.
   Units    sums: every extracted value of a message added up, modulo 2^64
   Threads  one */
#ifndef TM_BENCH_PARSE_PEER_H
#define TM_BENCH_PARSE_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "simdjson 3.0.1 icelake". */
const char *tm_peer_simdjson_name(void);

/* Forgets the symbols met so far. */
void tm_peer_simdjson_reset(void);

/* Reads one message with simdjson On-Demand. `capacity`: readable bytes. Returns the sum; 0 for
   messages without a row. */
uint64_t tm_peer_simdjson(const char *message, size_t sz, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
