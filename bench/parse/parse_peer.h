/* bench/parse/parse_peer.h - other parsers doing the same work as ours: the values of one message
   to exact integers, its symbol to a number.
   Form     a module a parser and instruction set, loaded at run time, so that several versions of
            one library can stand beside each other
   Units    sums: every extracted value of a message added up, modulo 2^64
   Threads  one */
#ifndef TM_BENCH_PARSE_PEER_H
#define TM_BENCH_PARSE_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tm_parse_peer {
    /* "simdjson 3.0.1 icelake"; NULL where it cannot run here. */
    const char *(*name)(void);

    /* Forgets the symbols met so far. */
    void (*reset)(void);

    /* Reads one message. `capacity`: readable bytes. Returns the sum; 0 for messages without rows.
     */
    uint64_t (*sum)(const char *message, size_t sz, size_t capacity);
} tm_parse_peer_t;

/* What a module exports. */
__attribute__((visibility("default"))) extern const tm_parse_peer_t tm_parse_peer;

#ifdef __cplusplus
}
#endif
#endif
