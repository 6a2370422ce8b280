/* tests/net/feed_try.h - opens feeds on servers of a test and judges how they are refused. */
#ifndef TM_TESTS_NET_FEED_TRY_H
#define TM_TESTS_NET_FEED_TRY_H

#include "net/feed/feed.h"

/* A folder with a CA, a certificate and a key. */
typedef struct pki {
    char dir[64], ca[96], cert[96], key[96];
} pki_t;

/* For one name (NULL = localhost and its addresses) and a time of validity against now. */
void pki_make(pki_t *pki, const char *name, int64_t begin_s, int64_t end_s);
void pki_drop(const pki_t *pki);

typedef struct feed_try {
    const char *scheme, *host, *ca_file, *stream;
    uint16_t port;
    uint32_t deadline_ms, frame_sz_max;
    tm_counter_set_t *counters;
} feed_try_t;

int feed_try_open(tm_source_t **source, const feed_try_t *t);

/* The text of the last error must hold this part. */
void expect_text(const char *part);

/* The open must fail with this code and all of these words. */
void expect_refusal(const feed_try_t *t, int code, const char *const *words);

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
