/* engine/runtime/source/book_check.h - keeps the books of a venue that sends checksums of them, to
   notice that a message is missing or wrong.
   Flow     parse -> [book_check] -> a mismatch: GAP row, and the book is asked for anew
   Why      Kraken numbers no message of a book. Each comes with a CRC-32 of the best ten levels,
            and only who keeps the book can compare it. OKX numbers them and sends one of the best
            25 (until 2026; 0 since then, and what is 0 is not looked at). Where OKX's numbers show
            a gap, the arbiter tells it
   Method   a book (parse/book.h) for each connection and symbol, of exactly the depth that was
            subscribed to: the venue does not say what leaves a book at its far end
   Memory   a book on first sight, TM_BOOK_CHECK_MAX at most, kept until close
   Threads  one ingest thread
   State    save and restore take the books through a checkpoint, so that what the journal has
            behind it is compared as it was live: 16 bytes a level
   Counters book_mismatches; books_unchecked: batches of books that there was no room for
   Tests    tests/engine/test_book_check.c */
#ifndef TM_ENGINE_BOOK_CHECK_H
#define TM_ENGINE_BOOK_CHECK_H

#include "base/counter.h"
#include "base/symbol.h"
#include "parse/book.h"
#include "state/buffer.h"

enum {
    TM_BOOK_CHECK_MAX = 1024,
    TM_BOOK_CHECK_DEPTH = 10, /* of Kraken's, where a stream names none */
    TM_BOOK_CHECK_DEPTH_OKX = 400
};

typedef struct tm_book_check tm_book_check_t;

typedef struct tm_book_check_cfg {
    tm_book_checksum_t checksum;
    tm_counter_set_t *counters;
    const tm_symbols_t *symbols;
    /* What was subscribed to, each NAME or NAME,NAME; "book.25:BTC/USD" says a depth. Not owned. */
    const char *const *streams;
    uint32_t stream_cnt;
} tm_book_check_cfg_t;

int tm_book_check_open(tm_book_check_t **out, const tm_book_check_cfg_t *cfg) TM_MUST_CHECK;
void tm_book_check_close(tm_book_check_t *check); /* NULL is fine */

/* Takes a batch of levels behind its head. Returns false where it shows that something is missing:
   once, until the next whole book. */
bool tm_book_check_take(tm_book_check_t *check, uint32_t conn_idx, const tm_market_row_t *rows);

int tm_book_check_save(const tm_book_check_t *check, tm_buffer_t *out) TM_MUST_CHECK;

/* Into one that is new: what save has written. A book whose depth is another now is not compared
   until the next whole one. TM_E_CONFIG, TM_E_CORRUPT as tm_arbiter_restore. */
int tm_book_check_restore(tm_book_check_t *check, const void *bytes, size_t sz) TM_MUST_CHECK;

#endif
