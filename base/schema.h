/* base/schema.h - what the bytes of a row mean: names, types and offsets of its fields.
   Flow     declared by parse (market rows) and by operators (results); read by sinks and tools
   Units    off, row_sz: bytes from the start of the row, header included
   Threads  immutable once registered; any thread reads
   Limits   TM_SCHEMA_FIELD_MAX fields, names of TM_SCHEMA_NAME_MAX - 1 bytes */
#ifndef TM_BASE_SCHEMA_H
#define TM_BASE_SCHEMA_H

#include "base/types.h"

enum { TM_SCHEMA_FIELD_MAX = 64, TM_SCHEMA_NAME_MAX = 48 };

typedef enum tm_type {
    TM_TYPE_BOOL,       /* uint8_t 0 or 1 */
    TM_TYPE_I32,        /* int32_t */
    TM_TYPE_I64,        /* int64_t */
    TM_TYPE_U64,        /* uint64_t */
    TM_TYPE_F64,        /* double */
    TM_TYPE_DECIMAL64,  /* int64_t scaled by 10^scale; 18 digits */
    TM_TYPE_DECIMAL128, /* tm_i128_t scaled by 10^scale; 38 digits; 8-byte aligned */
    TM_TYPE_TIME_NS,    /* int64_t, Unix time in ns; `unit_ns` says what a reader gets */
    TM_TYPE_SYMBOL,     /* uint32_t, index into the symbol table; readers see the text */
    TM_TYPE_SIDE,       /* uint8_t tm_side_t; readers see "buy", "sell", "unknown" */
} tm_type_t;

typedef struct tm_field {
    char name[TM_SCHEMA_NAME_MAX];
    tm_type_t type;
    uint16_t off;
    uint8_t scale;    /* decimals: digits after the point */
    uint8_t nullable; /* 1: bit `null_bit` of the null bitmap says the value is absent */
    uint8_t null_bit;
    uint32_t unit_ns; /* times: 1, 1000 or 1000000: the unit sinks write */
} tm_field_t;

typedef struct tm_schema {
    char name[TM_SCHEMA_NAME_MAX];
    uint16_t id;
    uint16_t row_sz;   /* a multiple of 8, header included */
    uint16_t null_off; /* offset of the uint64_t null bitmap, 0 where no field is nullable */
    uint16_t field_cnt;
    tm_field_t fields[TM_SCHEMA_FIELD_MAX];
} tm_schema_t;

/* Bytes a value of the type takes inside a row. */
uint32_t tm_type_sz(tm_type_t type);
const char *tm_type_name(tm_type_t type);

/* "u64", "decimal64(8)": type and scale of a field, without blanks. */
enum { TM_TYPE_TEXT_MAX = 32 };
void tm_type_text(char out[TM_TYPE_TEXT_MAX], const tm_field_t *field);

/* Index of a field, or -1. */
int tm_schema_find(const tm_schema_t *schema, const char *name);

/* Starts an empty schema whose fields follow the header. */
void tm_schema_init(tm_schema_t *schema, const char *name, uint16_t id);

/* Appends a field at the next free offset, aligned to its size (16-byte values to 8), and grows
   row_sz. `like` gives name, type, scale and unit; offset is filled in. Returns the field's index,
   or TM_E_LIMIT / TM_E_CONFIG with a text that names the field. */
int tm_schema_add(tm_schema_t *schema, const tm_field_t *like) TM_MUST_CHECK;

/* The schema of market rows with a fixed schema id (base/row.h, base/market.h); NULL for other
   ids. */
const tm_schema_t *tm_schema_market(uint16_t schema_id);
const tm_schema_t *tm_schema_trade(void);
const tm_schema_t *tm_schema_quote(void);

#endif
