/* tests/fuzz/fuzz.h - what every fuzz target is made of.
   Flow     libFuzzer, or fuzz_main.c with the checked-in seeds -> LLVMFuzzerTestOneInput
   Threads  one */
#ifndef TM_TESTS_FUZZ_FUZZ_H
#define TM_TESTS_FUZZ_FUZZ_H

#include "base/types.h"

#include <stdio.h>
#include <stdlib.h>

/* The name and the result are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

/* A property that no input may break. */
#define TM_MUST(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes the next byte of the input; 0 where there is none. */
static inline uint8_t tm_fuzz_byte(const uint8_t **data, size_t *sz)
{
    if (*sz == 0) return 0;
    *sz -= 1;
    return *(*data)++;
}

#endif
