/* net/json_member.h - the members of one JSON object, one after the other, without a tree.
   Flow     replies of a venue, captured lines -> [json_member] -> venues/, venue_line.c
   Use      to find a few keys at the top level; what a value holds is stepped over. It is no judge
            of JSON: text that is broken ends early
   Memory   members are views into the text
   Threads  no state
   Tests    tests/net/test_venue_line.c, tests/net/test_binance_session.c */
#ifndef TM_NET_JSON_MEMBER_H
#define TM_NET_JSON_MEMBER_H

#include "base/types.h"

typedef struct tm_json_member {
    const char *key; /* between its quotes, escapes as they are */
    size_t key_sz;
    const char *value; /* the whole value: quotes and brackets included */
    size_t value_sz;
} tm_json_member_t;

/* Goes to the first member of the object that begins at *pos. false where there is no object. */
bool tm_json_object_begin(const char **pos, const char *end);

/* Takes the next member and moves *pos behind it. false after the last one. */
bool tm_json_object_next(const char **pos, const char *end, tm_json_member_t *member);

/* The member of that name, in one search from the beginning. false where there is none. */
bool tm_json_object_find(const char *text, size_t sz, const char *key, tm_json_member_t *member);

static inline bool tm_json_member_is(const tm_json_member_t *member, const char *key)
{
    size_t i = 0;
    while (i < member->key_sz && key[i] == member->key[i] && key[i]) i++;
    return i == member->key_sz && key[i] == '\0';
}

/* True where the value is a string of this text, which needs no escapes. */
static inline bool tm_json_value_is(const tm_json_member_t *member, const char *text)
{
    size_t sz = member->value_sz, i = 0;
    if (sz < 2 || member->value[0] != '"') return false;
    while (i < sz - 2 && member->value[i + 1] == text[i] && text[i]) i++;
    return i == sz - 2 && text[i] == '\0';
}

#endif
