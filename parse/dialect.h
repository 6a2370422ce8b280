/* parse/dialect.h - how a venue's messages are declared, and the form of it the parser works with.
   Flow     venues/<venue>.c declares -> tm_dialect_init compiles -> walk.c, message.c, event.c,
            levels.c, layout.c read
   Idea     a venue is data: how an envelope looks, what tells the kinds of messages apart, which
            kinds there are, which keys of a kind go where in a row. Nothing here fixes the order of
            keys: the order is learned from the messages (parse/paths/layout.h)
   Shape    a message is an event, an array of events, or an envelope {topic, payload} around
            either. An event gives one row; or, where it has a part, one for each object of it; or,
            where it has levels, a head and a row for each level
   Units    off: bytes from the start of the row
   Threads  immutable after init
   Errors   a declaration that breaks a limit is a bug of ours (TM_CHECK)
   Limits   TM_KEY_CNT_MAX keys of TM_KEY_SZ_MAX bytes, TM_KIND_CNT_MAX kinds,
            TM_KIND_FIELD_MAX fields a kind, TM_KIND_LEVELS_MAX arrays of levels */
#ifndef TM_PARSE_DIALECT_H
#define TM_PARSE_DIALECT_H

#include "base/market.h"
#include "parse/scan/numeral.h"
#include "parse/scan/swar.h"

enum {
    TM_KEY_CNT_MAX = 63,
    TM_KEY_SZ_MAX = 24,
    TM_KEY_WORD_CNT = TM_KEY_SZ_MAX / 8,
    TM_KIND_CNT_MAX = 40,
    TM_KIND_FIELD_MAX = 26,
    TM_KIND_LEVELS_MAX = 4,
};
enum { TM_KEY_NONE = 0 };

/* What a field's value is. Numbers may stand in JSON strings or bare. */
typedef enum tm_form {
    TM_FORM_TIME,        /* ms or us -> int64_t ns, told apart by tm_numeral_time_ns */
    TM_FORM_ID,          /* uint64_t */
    TM_FORM_DECIMAL,     /* int64_t scaled by 1e8 */
    TM_FORM_LAST_ID,     /* id that ends a run -> int32_t size of the run, whose first id is the
                            uint64_t right before */
    TM_FORM_SYMBOL,      /* string -> tm_row_t.symbol */
    TM_FORM_BUYER_MAKER, /* boolean -> tm_side_t: true = the seller was the aggressor */
    /* The fast path does not know those from here on. */
    TM_FORM_TIME_TEXT, /* RFC 3339 -> int64_t ns */
    TM_FORM_TIME_S,    /* seconds with a fraction -> int64_t ns */
    TM_FORM_WIDE,      /* tm_i128_t scaled by 1e8 */
    TM_FORM_SEQ,       /* uint64_t; negative, which says that there is none, -> 0 */
    TM_FORM_SIGNED,    /* int64_t; text that is no number -> 0 */
    TM_FORM_LABEL,     /* a client's own id: uint64_t; text that is no number -> 0 */
    TM_FORM_CRC,       /* 32 bits, signed or not -> int64_t >= 0 */
    TM_FORM_TRADE_ID,  /* number, or UUID -> its first 64 bits */
    TM_FORM_INTERVAL,  /* "5m" -> int64_t ns */
    TM_FORM_FLAG,      /* boolean -> uint8_t */
    TM_FORM_SIDE,      /* "Buy", "bid", "b" ... -> tm_side_t */
    TM_FORM_MAKER,     /* the same, but it tells the maker's side */
    TM_FORM_SNAPSHOT,  /* "snapshot" -> 1, other text -> 0 */
    TM_FORM_TOP,       /* [[price, qty], ...] -> two int64_t of the first one */
    TM_FORM_STREAM,    /* "btcusdt@depth5" -> symbol "BTCUSDT" */
    TM_FORM_PARTIAL,   /* "btcusdt@depth5" -> 1; not "btcusdt@depth@100ms" */
    TM_FORM_TAIL,      /* "kline.5.BTCUSDT" -> symbol "BTCUSDT" */
} tm_form_t;

/* Whose key it is. */
typedef enum tm_scope {
    TM_SCOPE_EVENT,
    TM_SCOPE_OUTER, /* the envelope's */
    TM_SCOPE_PART,  /* that of an object of the part, or of a level that is an object */
    TM_SCOPE_CNT
} tm_scope_t;

typedef struct tm_venue_field {
    const char *key;
    tm_form_t form;
    uint16_t off;  /* where the row takes it */
    bool required; /* absent or null is an error; an absent time is the receive time in event_ns,
                      TM_TIME_NONE elsewhere. Where two fields have one place, the later one wins.
                      An empty string counts as absent where the field may be */
    tm_scope_t scope;
} tm_venue_field_t;

/* An array of levels: objects, whose fields are those of TM_SCOPE_PART, or arrays of a price, a
   quantity and more. */
typedef struct tm_venue_levels {
    const char *key;
    uint8_t side;     /* TM_SIDE_UNKNOWN: each level tells it */
    uint8_t price_at; /* index of the price in arrays; the quantity follows it */
    uint8_t order_at; /* index of the count of orders; 0 = there is none */
    uint8_t time_at;  /* index of a time in seconds; 0 = there is none */
    bool remove;      /* these levels are gone, whatever they say */
} tm_venue_levels_t;

typedef struct tm_venue_kind {
    const char *tag;  /* what tells the kind; "candle*" stands for all that begin so; NULL: */
    const char *keys; /* known by the keys, by spaces, that only this kind has together. With a tag:
                         what it must have, too; else it is the next kind, of the same tag */
    const char *counter; /* counts its messages */
    const char *part;    /* key of an object, or an array of objects, that give the rows */
    uint16_t schema_id;  /* the row it gives; 0 = none, it is recognised and left */
    uint16_t field_cnt;
    const tm_venue_field_t *fields;
    const tm_venue_levels_t *levels; /* of TM_SCHEMA_ID_DEPTH kinds */
    uint16_t level_cnt;
    uint16_t preset_off; /* this byte of the row is `preset` from the start; 0 = none */
    uint8_t preset;
    uint8_t chain;   /* tm_chain_t */
    bool also_next;  /* the same event also gives a row of the next kind */
    bool digits;     /* digits behind the points of levels are counted, for a checksum */
    bool positional; /* of arrays whose members have no names (tm_venue_t.position_key) */
} tm_venue_kind_t;

/* What an envelope's topic says. */
typedef enum tm_topic {
    TM_TOPIC_PLAIN, /* nothing of the kind: the event's own tag does */
    TM_TOPIC_KIND,  /* the kind, up to the first topic_end */
    TM_TOPIC_ARG,   /* it is an object; its members count as the envelope's; its topic_tag_key tells
                       the kind */
} tm_topic_t;

typedef struct tm_venue {
    const char *name;
    const char *tag_key;     /* "e": tells the kind of an event outside of envelopes; may be NULL */
    const char *topic_key;   /* an object with both of these keys is an envelope: the message */
    const char *payload_key; /* is what the payload holds, an object or an array of objects */
    tm_topic_t topic;
    char topic_end;
    const char *topic_tag_key;
    const char *position_key; /* arrays [.., {event}, .., "kind", "symbol"] are events: the symbol
                                 is kept as if it were the envelope's value of this key. NULL: no
                                 such arrays */
    const char *seq_key;      /* number of the envelope that rises by one from message to message of
                                 a connection; may be NULL */
    const char *pong;         /* a message that is this bare word is a heartbeat; may be NULL */
    const tm_venue_kind_t *kinds;
    uint32_t kind_cnt;
} tm_venue_t;

/* Keys the venue declares, sorted by size; a key's id is its index + 1. */
typedef struct tm_key_table {
    uint8_t one[256];                               /* ids of one-byte keys, by the byte */
    uint8_t first[TM_KEY_SZ_MAX + 2];               /* index of the first key of a size */
    uint64_t text[TM_KEY_CNT_MAX][TM_KEY_WORD_CNT]; /* zero-padded */
} tm_key_table_t;

typedef struct tm_kind {
    const tm_venue_kind_t *decl;
    uint64_t tag[TM_KEY_WORD_CNT]; /* zero-padded text */
    uint32_t tag_sz;
    bool tag_open;      /* other texts that begin so are the kind, too */
    uint16_t schema_id; /* the declared one, or 0 where its rows are not asked for */
    bool plain;         /* all of it is within reach of the fast path */
    uint64_t keys;      /* bit id: the key belongs to what makes the kind */
    uint64_t required;  /* bit id: keys of required fields of the event */
    uint8_t field_key[TM_KIND_FIELD_MAX];
    uint8_t scoped[TM_SCOPE_CNT][TM_KIND_FIELD_MAX]; /* fields by scope */
    uint8_t scoped_cnt[TM_SCOPE_CNT];
    uint8_t level_key[TM_KIND_LEVELS_MAX];
    uint8_t part_key;
    uint8_t symbol_key, flag_key; /* of plain kinds; TM_KEY_NONE: the kind has none */
    uint8_t flag;                 /* its field */
    uint8_t number_cnt;           /* fields that are numbers, in their order */
    uint8_t numbers[TM_KIND_FIELD_MAX];
    uint8_t idx;                           /* in the dialect */
    uint8_t line_cnt;                      /* of its row */
    uint16_t null_off;                     /* of the row's bitmap; 0 = none */
    uint64_t null_mask[TM_KIND_FIELD_MAX]; /* the bit that presence of a field clears */
    alignas(TM_CACHE_LINE) tm_market_row_t blank[TM_MARKET_LINE_MAX];
} tm_kind_t;

typedef struct tm_dialect {
    const tm_venue_t *decl;
    tm_key_table_t keys;
    uint8_t tag_key, topic_key, payload_key, topic_tag_key, position_key, seq_key; /* or NONE */
    uint64_t envelope;     /* bits of both keys */
    const tm_kind_t *pong; /* the kind of bare words */
    uint32_t kind_cnt;
    tm_kind_t kinds[TM_KIND_CNT_MAX];
} tm_dialect_t;

/* no_books: kinds with levels give no rows. */
void tm_dialect_init(tm_dialect_t *dialect, const tm_venue_t *venue, bool no_books);

/* Up to TM_KEY_SZ_MAX bytes of text as zero-padded words; so many bytes must be readable. */
static inline void tm_key_load(const uint8_t *p, uint32_t sz, uint64_t out[TM_KEY_WORD_CNT])
{
    out[0] = tm_swar_load(p) & tm_swar_low(sz);
    out[1] = sz > 8 ? tm_swar_load(p + 8) & tm_swar_low(sz - 8) : 0;
    out[2] = sz > 16 ? tm_swar_load(p + 16) & tm_swar_low(sz - 16) : 0;
}

static inline bool tm_key_equal(const uint64_t a[TM_KEY_WORD_CNT],
                                const uint64_t b[TM_KEY_WORD_CNT])
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])) == 0;
}

/* Id of a key, TM_KEY_NONE where the venue does not declare it. TM_KEY_SZ_MAX bytes must be
   readable. */
static inline uint32_t tm_key_find(const tm_key_table_t *keys, const uint8_t *p, uint32_t sz)
{
    if (TM_LIKELY(sz == 1)) return keys->one[*p];
    if (sz == 0 || sz > TM_KEY_SZ_MAX) return TM_KEY_NONE;
    uint64_t text[TM_KEY_WORD_CNT];
    tm_key_load(p, sz, text);
    for (uint32_t i = keys->first[sz]; i < keys->first[sz + 1]; i++)
        if (tm_key_equal(keys->text[i], text)) return i + 1;
    return TM_KEY_NONE;
}

#endif
