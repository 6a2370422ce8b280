/* tests/sim/soak_seed.h - one bad day of a feed of two addresses, made of a seed. */
#ifndef TM_TESTS_SOAK_SEED_H
#define TM_TESTS_SOAK_SEED_H

#include <stdbool.h>
#include <stdint.h>

/* Trades, but for the last three. */
typedef struct soak_tally {
    uint64_t sent, came, told, head, tail, filled, ups, downs, rotations;
} soak_tally_t;

/* Returns false where something came twice, or neither came nor was told; it is printed, each line
   with the seed. tls_dir is for the exchange's certificate. Counts are added to *sum. */
bool soak_seed_run(uint64_t seed, const char *tls_dir, soak_tally_t *sum);

#endif
