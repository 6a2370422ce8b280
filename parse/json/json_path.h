/* parse/json/json_path.h - the declared paths of a JSON schema as a tree of keys.
   Flow     tidemark_json.h spec -> [paths] -> json.c, json_lazy.c follow it into messages
   Threads  immutable after init
   Errors   init: TM_E_CONFIG with a text that names the field
   Limits   those of parse/tidemark_json.h */
#ifndef TM_PARSE_JSON_PATH_H
#define TM_PARSE_JSON_PATH_H

#include "base/types.h"
#include "parse/scan/swar.h"
#include "parse/tidemark_json.h"

enum {
    TM_JSON_NODE_MAX = 256,
    TM_JSON_SLOT_BITS = 10, /* at most a quarter is taken: keys that are not there end at once */
    TM_JSON_SLOT_CNT = 1 << TM_JSON_SLOT_BITS,
    TM_JSON_NODE_NONE = 0, /* the root is nobody's child */
    TM_JSON_FIELD_NONE = 0xff,
    TM_JSON_SCALE_NONE = 0xff,
    TM_JSON_TUPLE_MAX = 8,
};

typedef struct tm_json_node {
    uint64_t word;   /* the key's first eight bytes */
    uint32_t parent; /* with its size, makes the rest of what a key is found by */
    uint8_t key_sz;
    char key[TM_JSON_KEY_SZ_MAX + 1]; /* zero-padded */
    uint32_t idx;                     /* as an index into an array, UINT32_MAX where it is none */
    uint16_t child, next;             /* first child, next sibling */
    uint8_t field;                    /* TM_JSON_FIELD_NONE: an inner node */
    bool each;                        /* stands for every element of an array: an only child */
    bool holds_each;                  /* one that does is below it */
    uint8_t each_idx;                 /* which of these, in order of the fields */
    uint8_t tuple_cnt; /* an array's first elements that are numbers, and no others */
    uint8_t tuple[TM_JSON_TUPLE_MAX];      /* their fields */
    uint64_t fields;                       /* bit field: those at the node and below it */
    uint64_t below[TM_JSON_NODE_MAX / 64]; /* bit field: nodes below it */
} tm_json_node_t;

typedef struct tm_json_paths {
    uint32_t node_cnt, field_cnt;
    tm_json_node_t nodes[TM_JSON_NODE_MAX]; /* [0] is the message */
    uint16_t slots[TM_JSON_SLOT_CNT];       /* nodes by key and parent, 0 = none */
    tm_json_field_t fields[TM_JSON_FIELD_MAX];
    /* Places of a field's numbers behind the point; none: it takes no numbers. */
    uint8_t scales[TM_JSON_FIELD_MAX];
    uint64_t required; /* bit field */
    uint64_t eaches;   /* bit field: those of elements */
    uint32_t each_cnt;
} tm_json_paths_t;

int tm_json_paths_init(tm_json_paths_t *paths, const tm_json_spec_t *spec) TM_MUST_CHECK;

/* All of them, as a bit field. */
static inline uint64_t tm_json_fields(const tm_json_paths_t *paths)
{
    return paths->nodes[0].fields;
}

static inline uint32_t tm_json_slot(uint32_t parent, uint32_t key_sz, uint64_t word)
{
    uint64_t hash = (word ^ (uint64_t)(parent << 8 | key_sz) * 0x9e3779b97f4a7c15ull) *
                    0xd6e8feb86659fd93ull;
    return (uint32_t)(hash >> (64 - TM_JSON_SLOT_BITS));
}

/* The child of a node by its key, at which eight bytes are readable, or by its index;
   TM_JSON_NODE_NONE where there is none. */
static inline uint32_t tm_json_child(const tm_json_paths_t *paths, uint32_t node,
                                     const uint8_t *key, uint32_t key_sz)
{
    uint64_t word = tm_swar_load(key) & tm_swar_low(key_sz);
    for (uint32_t slot = tm_json_slot(node, key_sz, word);; slot++) {
        uint32_t i = paths->slots[slot % TM_JSON_SLOT_CNT];
        const tm_json_node_t *n = &paths->nodes[i];
        if (i == TM_JSON_NODE_NONE) return i;
        bool same = n->word == word && n->parent == node && n->key_sz == key_sz;
        if (same && (key_sz <= 8 || memcmp(n->key + 8, key + 8, key_sz - 8) == 0)) return i;
    }
}

uint32_t tm_json_child_at(const tm_json_paths_t *paths, uint32_t node, uint32_t idx);

#endif
