/* net/simulated/venue_generator.h - a seeded market: trades, quotes and changes of books of
   made-up symbols as Binance would send.
   Flow     [venue_generator] -> venue_source.c -> clients
   Market   each symbol walks at random on its tick grid between a quarter and four times its first
            price; symbol k is about 1/k as busy as the first. A trade takes the bid or the ask,
            trade ids are contiguous per symbol, update ids increase. Arrivals come in clusters:
            geometric in number, close in time, with exponential pauses that keep the mean rate
   Books    changes of a symbol's book come as "@depth" and once more as "@depth@100ms"
   Times    exchange times are the wall clock, or, with a fixed base, base + the message's place in
            the schedule: then one seed gives one stream, byte for byte
   Units    *_ns: nanoseconds; rate: messages a second; prices and quantities e8 inside
   Memory   one block, sized by the number of symbols
   Threads  one owner
   Errors   open: TM_E_CONFIG, -ENOMEM
   Limits   TM_VENUE_SYMBOL_MAX symbols; rates up to 1e8
   Tests    tests/net/test_venue_generator.c */
#ifndef TM_NET_VENUE_GENERATOR_H
#define TM_NET_VENUE_GENERATOR_H

#include "net/simulated/venue_book.h"

enum {
    TM_VENUE_SYMBOL_MAX = 4096,
    TM_VENUE_SYMBOL_CNT = 8, /* default */
    TM_VENUE_MESSAGE_SZ_MAX = 16 << 10,
    TM_VENUE_TRADE_PERCENT = 30, /* default share of trades; the rest are quotes */
};

typedef struct tm_venue_generator_cfg {
    uint64_t seed;
    uint32_t symbol_cnt;    /* 0 = 8; the first are well-known pairs, the rest numbered */
    double rate;            /* messages a second over all symbols; 0 = as fast as they are taken */
    uint64_t message_cnt;   /* end after so many; 0 = no end */
    int64_t duration_ns;    /* end after this time of the schedule; 0 = no end */
    int64_t time_base_ns;   /* Unix time of the first message; 0 = the wall clock */
    uint32_t trade_percent; /* 0 = 30; 100 = trades only */
    uint32_t depth_percent; /* share of changes of books; the rest are quotes */
    bool futures;           /* books as on USD-M and COIN-M, else as on spot */
    uint32_t message_sz;    /* at least so many bytes without the wrapper: a string member is added;
                            up to TM_VENUE_MESSAGE_SZ_MAX, 0 = as they come */
} tm_venue_generator_cfg_t;

/* One message: the combined form, and where its parts are. */
typedef struct tm_venue_message {
    const char *text; /* {"stream":"<stream>","data":<data>}, or a line without a stream */
    uint32_t sz;
    const char *stream; /* NULL where the line names none */
    uint32_t stream_sz;
    const char *data; /* what a client without the wrapper gets */
    uint32_t data_sz;
    bool again; /* the message before, for another stream that carries it */
} tm_venue_message_t;

typedef struct tm_venue_generator tm_venue_generator_t;

int tm_venue_generator_open(tm_venue_generator_t **out,
                            const tm_venue_generator_cfg_t *cfg) TM_MUST_CHECK;
void tm_venue_generator_close(tm_venue_generator_t *generator);

/* Starts the schedule; real_ns is the wall clock at mono_ns. */
void tm_venue_generator_start(tm_venue_generator_t *generator, int64_t mono_ns, int64_t real_ns);

/* When the next message is due, mono; INT64_MIN with rate 0; INT64_MAX after the last. */
int64_t tm_venue_generator_due_ns(const tm_venue_generator_t *generator);

/* Makes the next message whether it is due or not. Its text is good until the next call. false
   after the last one. */
bool tm_venue_generator_next(tm_venue_generator_t *generator, int64_t mono_ns,
                             tm_venue_message_t *message);

/* The book of a symbol, in capitals, as it is after the last message; NULL = there is none. */
const tm_venue_book_t *tm_venue_generator_book(const tm_venue_generator_t *generator,
                                               const char *symbol);

/* Lower-case name of a symbol, as streams have it. */
const char *tm_venue_generator_symbol(const tm_venue_generator_t *generator, uint32_t idx);

#endif
