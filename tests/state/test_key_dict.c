#include "state/table/key_dict.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 3000 };

/* A text that says its number, of a length that hangs on it. */
static uint32_t text_of(uint32_t no, char text[128])
{
    int n = snprintf(text, 128, "key %u %.*s", no, (int)(no % 90),
                     "------------------------------------------------------------------------"
                     "------------------");
    return (uint32_t)n;
}

/* hash_bits 2: nearly all keys collide. */
static void run(uint32_t hash_bits)
{
    static uint32_t holds[KEYS];
    static uint64_t ids[KEYS];
    tm_page_arena_t arena;
    tm_slab_t slab;
    tm_key_dict_t dict;
    uint64_t seed = hash_bits, mask = hash_bits == 64 ? UINT64_MAX : (1u << hash_bits) - 1;
    void *mem = pages_bed_open(&arena, 200);
    memset(holds, 0, sizeof holds);
    tm_slab_init(&slab, &arena);
    tm_key_dict_init(&dict, &slab);
    for (uint32_t step = 0; step < 60000; step++) {
        uint64_t r = pages_bed_random(&seed);
        uint32_t no = (uint32_t)(r >> 32) % (hash_bits == 64 ? KEYS : 60), sz, got_sz;
        char text[128];
        sz = text_of(no, text);
        uint64_t hash = tm_bytes_hash(text, sz) & mask;
        uint64_t found = tm_key_dict_find(&dict, text, sz, hash);
        tm_assert_eq(found, holds[no] ? ids[no] : 0);
        if (r % 5 < 3) {
            uint64_t id = tm_key_dict_hold(&dict, text, sz, hash);
            tm_assert(id != 0 && (holds[no] == 0 || id == ids[no]));
            ids[no] = id;
            holds[no]++;
        } else if (holds[no] > 0) {
            tm_key_dict_release(&dict, ids[no]);
            holds[no]--;
        }
        if (holds[no] > 0) {
            const void *bytes = tm_key_dict_bytes(&dict, ids[no], &got_sz);
            tm_assert(got_sz == sz && memcmp(bytes, text, sz) == 0);
        }
    }
    for (uint32_t no = 0; no < KEYS; no++)
        for (; holds[no] > 0; holds[no]--) tm_key_dict_release(&dict, ids[no]);
    tm_assert_eq(dict.table.cnt, 0u);
    tm_key_dict_clear(&dict);
    tm_slab_clear(&slab);
    tm_assert_eq(arena.used_cnt, 0u);
    free(mem);
}

Test(key_dict, numbers_keys_of_any_length_for_as_long_as_they_are_held)
{
    run(64);
}

Test(key_dict, tells_keys_of_one_hash_apart)
{
    run(2);
}

Test(key_dict, hashes_alike_bytes_far_apart)
{
    /* Every bit of the key changes about half of the bits of the hash. */
    uint8_t key[24] = {0};
    uint64_t zero = tm_bytes_hash(key, sizeof key);
    for (uint32_t bit = 0; bit < 8 * sizeof key; bit++) {
        key[bit / 8] = (uint8_t)(1u << bit % 8);
        int changed = __builtin_popcountll(tm_bytes_hash(key, sizeof key) ^ zero);
        key[bit / 8] = 0;
        tm_assert(changed >= 14 && changed <= 50);
    }
    tm_assert(tm_bytes_hash("a", 1) != tm_bytes_hash("a\0", 2));
}
