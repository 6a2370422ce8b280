/* base/feed_row.h - control rows about a feed itself: missing messages, connections that come and
   go.
   Flow     net (what happens to connections) and the arbiter (gaps) -> [feed_row] -> rings ->
            operators
   Units    *_ns: Unix time; ids: the venue's
   Layout   one cache line each, as hot market rows */
#ifndef TM_BASE_FEED_ROW_H
#define TM_BASE_FEED_ROW_H

#include "base/row.h"

/* How the ids of one kind of message follow each other, as its venue promises. */
typedef enum tm_id_rule {
    TM_ID_NONE = 0, /* nothing to go by: copies cannot be told */
    TM_ID_DENSE,    /* each is the one before plus one */
    TM_ID_SPARSE,   /* each occurs once; what lies between two of them does not exist */
    TM_ID_RANGE,    /* ranges: each begins right behind the end of the one before */
    TM_ID_CHAIN,    /* each names the one before */
} tm_id_rule_t;

/* TM_ROW_GAP: messages with these ids had not come when the row was made. Those that come later are
   rows all the same. */
typedef struct tm_gap {
    tm_row_t row;         /* 00-23: symbol; recv_ns: when it was told */
    uint64_t from_id;     /* 24-31: first and last one missing; both 0: a checksum says so, no id */
    uint64_t to_id;       /* 32-39 */
    uint32_t conn_idx;    /* 40-43: the connection that showed it */
    uint16_t of_schema;   /* 44-45: what is missing: TM_SCHEMA_ID_* */
    uint16_t group;       /* 46-47: the feed */
    uint8_t reserved[16]; /* 48-63: zero */
} tm_gap_t;
static_assert(sizeof(tm_gap_t) == TM_CACHE_LINE, "a gap is one cache line");

/* What happened to a connection. */
typedef enum tm_feed_what {
    TM_FEED_UP = 1,  /* it streams */
    TM_FEED_DOWN,    /* it does not any more; no row of it follows */
    TM_FEED_LEAVES,  /* the venue has said that it will end it; another one is on its way */
    TM_FEED_ROTATED, /* another connection has taken its place; DOWN follows */
    TM_FEED_SILENT,  /* from_id of its to_id streams have not spoken since it is up */
    TM_FEED_MISSED,  /* messages from_id to to_id of the connection's own count are missing */
} tm_feed_what_t;

/* TM_ROW_FEED. A group is a feed that may have several addresses; a lane is one of its
   connections. */
typedef struct tm_feed_row {
    tm_row_t row;         /* 00-23: recv_ns: when */
    uint32_t conn_idx;    /* 24-27: as in frames */
    uint16_t group;       /* 28-29 */
    uint8_t lane;         /* 30-30 */
    uint8_t what;         /* 31-31: tm_feed_what_t */
    uint64_t from_id;     /* 32-39: as `what` says, else 0 */
    uint64_t to_id;       /* 40-47 */
    int32_t code;         /* 48-51: DOWN: why, TM_E_CLOSED = in order, for good; 0 = replaced */
    uint8_t trade_rule;   /* 52-52: UP: tm_id_rule_t of the venue's trades and quotes; books say */
    uint8_t quote_rule;   /* 53-53: themselves how they follow each other */
    uint8_t entry;        /* 54-54: the address of the configuration, from 0 */
    uint8_t endpoint_cnt; /* 55-55: UP: addresses of the group; 0 = not told */
    uint8_t reserved[8];  /* 56-63: zero */
} tm_feed_row_t;
static_assert(sizeof(tm_feed_row_t) == TM_CACHE_LINE, "an event of a feed is one cache line");

#endif
