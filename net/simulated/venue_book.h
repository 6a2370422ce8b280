/* net/simulated/venue_book.h - the order book of one made-up symbol: its changes as messages, and
   all of it as the answer to a request.
   Flow     venue_generator.c -> [venue_book] -> clients; venue_rest.c shows it
   Market   a grid of TM_VENUE_BOOK_LEVELS prices. The middle walks by a tick at a time and clears
            what it passes; each message changes a few levels near it, more of them set than cleared
   Forms    spot: U and u, each message begins right behind the one before. Futures: pu names the
            one before, and there are ids between them
   Units    prices and quantities e8; event_ms: Unix time in ms
   Memory   the caller's; allocates nothing
   Threads  one owner
   Tests    tests/net/test_venue_generator.c, tests/engine/test_feed_books.c */
#ifndef TM_NET_VENUE_BOOK_H
#define TM_NET_VENUE_BOOK_H

#include "base/types.h"

enum {
    TM_VENUE_BOOK_LEVELS = 128,
    TM_VENUE_BOOK_CHANGE_SZ = 1536, /* bytes of a message at most */
    TM_VENUE_BOOK_ALL_SZ = 8 << 10, /* bytes of the whole book at most */
    TM_VENUE_BOOK_SYMBOL_SZ_MAX = 64,
};

typedef struct tm_venue_book {
    int64_t tick_e8, lot_e8;
    int64_t low_ticks; /* price of level 0 */
    uint32_t mid;      /* levels below it are bids, from it on asks */
    uint64_t random;   /* state */
    uint64_t prev_id, last_id;
    int64_t event_ms;                     /* of the last change */
    int64_t qty_e8[TM_VENUE_BOOK_LEVELS]; /* 0 = no such level */
} tm_venue_book_t;

/* A book around a price, which decides with the seed about everything that follows. */
void tm_venue_book_init(tm_venue_book_t *book, uint64_t seed, int64_t price_e8, int64_t tick_e8,
                        int64_t lot_e8);

/* Changes the book and writes the message that says so. `symbol` is in capitals. Returns bytes. */
size_t tm_venue_book_change(tm_venue_book_t *book, const char *symbol, int64_t event_ms,
                            bool futures, char out[TM_VENUE_BOOK_CHANGE_SZ]);

/* Writes the best `limit` levels a side as the answer to a request: "lastUpdateId", where `symbol`
   is not NULL it and its pair, on futures E and T, bids, asks. Returns bytes. */
size_t tm_venue_book_show(const tm_venue_book_t *book, uint32_t limit, bool futures,
                          const char *symbol, char out[TM_VENUE_BOOK_ALL_SZ]);

#endif
