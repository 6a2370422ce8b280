#include "base/siphash.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint64_t rotated(uint64_t v, uint32_t by)
{
    return v << by | v >> (64 - by);
}

/* The permutation of the paper: two half rounds of add, rotate and xor. */
static void rounds(uint64_t v[4], uint32_t cnt)
{
    for (; cnt > 0; cnt--) {
        v[0] += v[1];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[2] += v[3];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[2] += v[1];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[0] = rotated(v[0], 32) + v[3];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[2] = rotated(v[2], 32);
    }
}

static void word_add(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

int tm_siphash_key_draw(tm_siphash_key_t *key)
{
    if (getrandom(key, sizeof *key, 0) == sizeof *key) return 0;
    return tm_error_set(-errno, "no random numbers: %s", strerror(errno));
}

uint64_t tm_siphash(const tm_siphash_key_t *key, const void *bytes, size_t sz)
{
    /* "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {key->word[0] ^ 0x736f6d6570736575ull, key->word[1] ^ 0x646f72616e646f6dull,
                     key->word[0] ^ 0x6c7967656e657261ull, key->word[1] ^ 0x7465646279746573ull};
    const uint8_t *p = bytes;
    uint64_t word;
    for (size_t left = sz; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, sizeof word);
        word_add(v, word);
    }
    word = (uint64_t)sz << 56;
    for (size_t i = 0; i < sz % 8; i++) word |= (uint64_t)p[i] << (8 * i);
    word_add(v, word);
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
