/* parse/tidemark_json.h - any JSON message to the values a program declares: the public interface.

       static const tm_json_field_t fields[] = {
           {.path = "/data/id", .type = TM_JSON_U64, .required = true},
           {.path = "/data/price", .type = TM_JSON_DECIMAL, .scale = 4},
           {.path = "/data/time", .type = TM_JSON_TIME},
           {.path = "/levels/0/1", .type = TM_JSON_DECIMAL, .scale = 8},
       };
       tm_json_t *json = tm_json_open(&(tm_json_spec_t){.fields = fields, .field_cnt = 4});
       const tm_json_value_t *v = tm_json_read(json, message, sz);
       if (!v) report(tm_json_fault(json));

   Paths    JSON Pointers (RFC 6901); "" is the whole message. Where paths lead through a field, it
            takes no object or array: then it is absent. The key "-" stands for each element of an
            array: `each` is called behind every one
   Values   exact or an error, never rounded: docs/json.md says what each type takes
   Modes    full: the message is checked in full, RFC 8259 and UTF-8. Lazy: only what leads to the
            declared fields is, and nothing behind the last of them: docs/json.md says what passes
   Twice    of a key that a message has twice the last value counts (lazy: the first), or it is an
            error where the spec says so
   Memory   one block, sized at open; reading allocates nothing. Values and texts are valid until
            the next read, texts only as long as the message itself
   Threads  one a reader
   Limits   TM_JSON_FIELD_MAX fields, paths of TM_JSON_PATH_MAX keys of TM_JSON_KEY_SZ_MAX bytes;
            messages nested TM_JSON_DEPTH_MAX deep, of up to TM_JSON_MESSAGE_SZ_MAX bytes
   Tests    tests/parse/test_json.c, test_json_each.c, test_json_suite.c, tests/fuzz/fuzz_json.c */
#ifndef TIDEMARK_JSON_H
#define TIDEMARK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef TM_API
#    define TM_API __attribute__((visibility("default")))
#endif

enum {
    TM_JSON_FIELD_MAX = 64,
    TM_JSON_PATH_MAX = 16,
    TM_JSON_KEY_SZ_MAX = 62,
    TM_JSON_DEPTH_MAX = 512,
    TM_JSON_PAD = 64,
    TM_JSON_SCALE_MAX = 18,
    TM_JSON_MESSAGE_SZ_MAX = 1 << 30,
};

typedef enum tm_json_type {
    TM_JSON_BOOL = 1,
    TM_JSON_I64,
    TM_JSON_U64,
    TM_JSON_DECIMAL, /* i64 = value * 10^scale */
    TM_JSON_TIME,    /* i64 = Unix time in ns, from RFC 3339 text or, with unit_ns, a number */
    TM_JSON_TEXT,    /* UTF-8, escapes resolved, not terminated */
} tm_json_type_t;

typedef struct tm_json_value tm_json_value_t;

/* Called behind each element of an array on a path with "-", in the order of the message. `array`
   counts such arrays in the order of the fields that lead through them. Values of fields through
   that "-" are the element's; others are there as far as they stood before it. What was told counts
   only if the whole message is then accepted. */
typedef void tm_json_each_fn(void *ctx, uint32_t array, const tm_json_value_t *values);

typedef struct tm_json_field {
    const char *path;
    tm_json_type_t type;
    uint8_t scale;   /* decimals: 0..TM_JSON_SCALE_MAX */
    bool required;   /* absent or null is an error */
    int64_t unit_ns; /* times: numbers count 1, 1000, 1000000 or 1000000000 ns; 0: text only */
} tm_json_field_t;

typedef struct tm_json_spec {
    const tm_json_field_t *fields; /* copied */
    uint32_t field_cnt;            /* 0: messages are only checked */
    bool lazy;
    bool refuse_twice;     /* a key of a declared path that an object has twice is an error */
    uint32_t text_sz_max;  /* room for texts with escapes, all of one message; 0 = 64 KiB */
    uint32_t copy_sz_max;  /* longest message of tm_json_read_copy; 0 = 64 KiB */
    tm_json_each_fn *each; /* where paths have "-"; not in lazy mode */
    void *each_ctx;
} tm_json_spec_t;

typedef enum tm_json_state { TM_JSON_ABSENT, TM_JSON_NULL, TM_JSON_PRESENT } tm_json_state_t;

struct tm_json_value {
    union {
        int64_t i64; /* I64, DECIMAL, TIME; BOOL: 0 or 1 */
        uint64_t u64;
        const char *text;
    };
    uint32_t text_sz;
    uint8_t state; /* tm_json_state_t */
    uint8_t reserved[3];
};

typedef struct tm_json_fault {
    const char
        *kind;  /* truncated, syntax, utf8, nesting, number, range, missing, type, twice, limit */
    size_t off; /* byte of the message where it shows */
    int32_t field; /* whose value it is, -1: the message's form */
} tm_json_fault_t;

typedef struct tm_json tm_json_t;

/* NULL where the spec is wrong or memory is short; tm_json_open_error() then says why. */
TM_API tm_json_t *tm_json_open(const tm_json_spec_t *spec);
TM_API const char *tm_json_open_error(void);
TM_API void tm_json_close(tm_json_t *json);

/* Reads one message behind which TM_JSON_PAD bytes are readable, of any content. Returns the values
   in the order of the spec's fields, or NULL: tm_json_fault() then says why. */
TM_API const tm_json_value_t *tm_json_read(tm_json_t *json, const void *message, size_t sz);

/* The same for a message in a buffer that ends with it: copies it first. */
TM_API const tm_json_value_t *tm_json_read_copy(tm_json_t *json, const void *message, size_t sz);

/* What was wrong with the last message; kind "none" where nothing was. */
TM_API const tm_json_fault_t *tm_json_fault(const tm_json_t *json);

#ifdef __cplusplus
}
#endif
#endif
