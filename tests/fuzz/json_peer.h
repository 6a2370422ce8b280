/* tests/fuzz/json_peer.h - another project's parser as a witness of ours.
   Threads  one */
#ifndef TM_TESTS_FUZZ_JSON_PEER_H
#define TM_TESTS_FUZZ_JSON_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tm_peer_verdict {
    TM_PEER_ACCEPTS,
    TM_PEER_REFUSES,
    TM_PEER_UNSURE, /* refuses, but maybe something that JSON allows: a number beyond its types, a
                       lone surrogate, deep nesting */
} tm_peer_verdict_t;

typedef enum tm_peer_kind {
    TM_PEER_ABSENT,
    TM_PEER_NULL,
    TM_PEER_BOOL, /* i64 */
    TM_PEER_I64,
    TM_PEER_U64, /* above INT64_MAX */
    TM_PEER_DOUBLE,
    TM_PEER_TEXT,
    TM_PEER_CONTAINER,
} tm_peer_kind_t;

typedef struct tm_peer_value {
    tm_peer_kind_t kind;
    int64_t i64;
    uint64_t u64;
    double f64;
    const char *text;
    size_t text_sz;
} tm_peer_value_t;

/* Parses a message; values are of the last one. */
tm_peer_verdict_t tm_peer_json_parse(const uint8_t *message, size_t sz);
tm_peer_value_t tm_peer_json_at(const char *pointer);

#ifdef __cplusplus
}
#endif
#endif
