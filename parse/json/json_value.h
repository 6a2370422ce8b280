/* parse/json/json_value.h - one JSON scalar to the value its field declares.
   Flow     json.c, json_lazy.c (where it stands) -> [value] -> tm_json_value_t
   Threads  one
   Errors   a reason; the value is then left absent
   Tests    tests/parse/test_json.c */
#ifndef TM_PARSE_JSON_VALUE_H
#define TM_PARSE_JSON_VALUE_H

#include "parse/paths/walk.h"
#include "parse/tidemark_json.h"

/* Room for the texts that had escapes. */
typedef struct tm_json_texts {
    uint8_t *bytes;
    uint32_t used_sz, sz_max;
} tm_json_texts_t;

/* `v` has been checked to be a value of its type. */
tm_reason_t tm_json_value_read(const tm_json_field_t *field, const uint8_t *message,
                               const tm_value_t *v, tm_json_texts_t *texts,
                               tm_json_value_t *out) TM_MUST_CHECK;

#endif
