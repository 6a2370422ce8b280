/* parse/dialect.h - how a venue's messages are declared, and the form of it the parser works with.
   Flow     venues/<venue>.c declares -> tm_dialect_init compiles -> walk.c, event.c, layout.c read
   Idea     a venue is data: which key tells the kinds of messages apart, which kinds there are,
            which keys of a kind go where in a row. Nothing here fixes the order of keys: the order
            is learned from the messages (parse/layout.h)
   Units    off: bytes from the start of the row
   Threads  immutable after init
   Errors   a declaration that breaks a limit is a bug of ours (TM_CHECK)
   Limits   TM_KEY_CNT_MAX keys of TM_KEY_SZ_MAX bytes, TM_KIND_CNT_MAX kinds,
            TM_KIND_FIELD_MAX fields a kind, of them 8 numbers and one symbol */
#ifndef TM_PARSE_DIALECT_H
#define TM_PARSE_DIALECT_H

#include "base/row.h"
#include "parse/numeral.h"
#include "parse/swar.h"

enum { TM_KEY_CNT_MAX = 60, TM_KEY_SZ_MAX = 16, TM_KIND_CNT_MAX = 32, TM_KIND_FIELD_MAX = 12 };
enum { TM_KEY_NONE = 0 };

/* What a field's value is. Numbers may stand in JSON strings or bare. */
typedef enum tm_form {
    TM_FORM_TIME,        /* ms or us -> int64_t ns, told apart by tm_numeral_time_ns */
    TM_FORM_ID,          /* uint64_t */
    TM_FORM_DECIMAL,     /* int64_t scaled by 1e8 */
    TM_FORM_SYMBOL,      /* string -> tm_row_t.symbol */
    TM_FORM_BUYER_MAKER, /* boolean -> tm_side_t: true = the seller was the aggressor */
} tm_form_t;

typedef struct tm_venue_field {
    const char *key;
    tm_form_t form;
    uint16_t off;  /* where the row takes it */
    bool required; /* absent or null is an error; an absent time is the receive time in event_ns,
                      TM_TIME_NONE elsewhere. Where two fields have one place, the later one wins */
} tm_venue_field_t;

typedef struct tm_venue_kind {
    const char *tag;     /* value of the venue's tag key; NULL: known by its keys */
    const char *keys;    /* with tag NULL: the keys, by spaces, that only this kind has together */
    const char *counter; /* counts its messages */
    uint16_t schema_id;  /* the row it gives; 0 = none, it is recognised and left */
    uint16_t field_cnt;
    const tm_venue_field_t *fields;
} tm_venue_kind_t;

typedef struct tm_venue {
    const char *name;
    const char *tag_key;     /* "e" */
    const char *topic_key;   /* an object with both of these keys is an envelope: the message */
    const char *payload_key; /* is what the payload holds, an object or an array of objects */
    const tm_venue_kind_t *kinds;
    uint32_t kind_cnt;
} tm_venue_t;

/* Keys the venue declares, sorted by size; a key's id is its index + 1. */
typedef struct tm_key_table {
    uint8_t one[256];                 /* ids of one-byte keys, by the byte */
    uint8_t first[TM_KEY_SZ_MAX + 2]; /* index of the first key of a size */
    uint64_t text[TM_KEY_CNT_MAX][2]; /* zero-padded */
} tm_key_table_t;

typedef struct tm_kind {
    const tm_venue_kind_t *decl;
    uint64_t tag[2]; /* zero-padded text */
    uint32_t tag_sz;
    uint64_t keys;     /* bit id: the key belongs to what makes the kind */
    uint64_t required; /* bit id: keys of required fields */
    uint8_t field_key[TM_KIND_FIELD_MAX];
    uint8_t field_cnt;
    uint8_t symbol_key, flag_key; /* TM_KEY_NONE: the kind has none */
    uint8_t flag;                 /* its field */
    uint8_t number_cnt;           /* fields that are numbers, in their order */
    uint8_t numbers[TM_KIND_FIELD_MAX];
    uint8_t idx; /* in the dialect */
    alignas(TM_CACHE_LINE) tm_market_row_t blank;
} tm_kind_t;

typedef struct tm_dialect {
    tm_key_table_t keys;
    uint8_t tag_key, topic_key, payload_key;
    uint32_t kind_cnt;
    tm_kind_t kinds[TM_KIND_CNT_MAX];
} tm_dialect_t;

void tm_dialect_init(tm_dialect_t *dialect, const tm_venue_t *venue);

/* Up to 16 bytes of text as two zero-padded words; 16 bytes must be readable. */
static inline void tm_key_load(const uint8_t *p, uint32_t sz, uint64_t out[2])
{
    out[0] = tm_swar_load(p) & tm_swar_low(sz);
    out[1] = sz > 8 ? tm_swar_load(p + 8) & tm_swar_low(sz - 8) : 0;
}

/* Id of a key, TM_KEY_NONE where the venue does not declare it. 16 bytes must be readable. */
static inline uint32_t tm_key_find(const tm_key_table_t *keys, const uint8_t *p, uint32_t sz)
{
    if (TM_LIKELY(sz == 1)) return keys->one[*p];
    if (sz == 0 || sz > TM_KEY_SZ_MAX) return TM_KEY_NONE;
    uint64_t text[2];
    tm_key_load(p, sz, text);
    for (uint32_t i = keys->first[sz]; i < keys->first[sz + 1]; i++)
        if (keys->text[i][0] == text[0] && keys->text[i][1] == text[1]) return i + 1;
    return TM_KEY_NONE;
}

#endif
