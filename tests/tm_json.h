/* tests/tm_json.h - a small JSON reader for test vectors: whole documents, exact 64-bit integers.
   Memory   a document is one block of nodes and one of text; tm_json_free releases both
   Errors   NULL where the file cannot be read or is not JSON; a place goes to standard output */
#ifndef TM_TESTS_TM_JSON_H
#define TM_TESTS_TM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tm_json_type {
    TM_JSON_NULL,
    TM_JSON_BOOL,
    TM_JSON_INT,
    TM_JSON_REAL,
    TM_JSON_STRING,
    TM_JSON_ARRAY,
    TM_JSON_OBJECT
} tm_json_type_t;

typedef struct tm_json {
    tm_json_type_t type;
    const char *key;     /* inside an object; else NULL */
    const char *text;    /* strings, unescaped */
    int64_t number;      /* integers and booleans */
    double real;         /* numbers */
    struct tm_json *kid; /* arrays, objects: the first element */
    struct tm_json *next;
} tm_json_t;

/* Reads and parses a file. */
tm_json_t *tm_json_load(const char *path);
void tm_json_free(tm_json_t *root);

/* A member of an object, NULL where it is absent or `object` is NULL. */
const tm_json_t *tm_json_get(const tm_json_t *object, const char *key);

/* Members with a value for absence. */
int64_t tm_json_int(const tm_json_t *object, const char *key, int64_t otherwise);
const char *tm_json_text(const tm_json_t *object, const char *key, const char *otherwise);

/* Element idx of an array, NULL past its end. */
const tm_json_t *tm_json_at(const tm_json_t *array, size_t idx);
size_t tm_json_cnt(const tm_json_t *array);

/* The path of a file of the shared folder ($TM_SHARED, else beside the source tree), or NULL where
   it is not there. Static memory. */
const char *tm_json_shared(const char *name);

#endif
