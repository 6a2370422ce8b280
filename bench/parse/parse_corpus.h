/* bench/parse/parse_corpus.h - the messages that the parsers are measured on: generated ones with
   values of the lengths that real ones have, and the first ones of recorded feeds.
   Memory   one block, reused by the next corpus
   Limits   TM_CORPUS_MESSAGE_MAX messages, TM_CORPUS_TEXT_SZ bytes */
#ifndef TM_BENCH_PARSE_CORPUS_H
#define TM_BENCH_PARSE_CORPUS_H

#include "base/frame.h"

#define TM_CORPUS_TEXT_SZ ((size_t)256 << 20)

enum { TM_CORPUS_MESSAGE_MAX = 8192, TM_CORPUS_GENERATED_CNT = 4096 };

typedef struct tm_corpus {
    char *text;
    size_t used_sz, bytes; /* bytes: of messages, without padding */
    uint32_t cnt;
    tm_frame_t frames[TM_CORPUS_MESSAGE_MAX];
} tm_corpus_t;

/* What to generate. */
typedef enum tm_corpus_form {
    TM_CORPUS_TRADE,
    TM_CORPUS_TICKER,
    TM_CORPUS_WRAPPED,
    TM_CORPUS_USDM_TICKER,
    TM_CORPUS_DEPTH,      /* twenty levels a side */
    TM_CORPUS_TRADE_MORE, /* trades to which the exchange has added two fields */
    TM_CORPUS_MANY,       /* tickers of 500 symbols with prices and quantities of all sizes */
    TM_CORPUS_FORM_CNT
} tm_corpus_form_t;

const char *tm_corpus_form_name(tm_corpus_form_t form);
void tm_corpus_generate(tm_corpus_t *corpus, tm_corpus_form_t form);

/* The first messages of a recording; false, with a line that says why, where it cannot be read. */
bool tm_corpus_record(tm_corpus_t *corpus, const char *path);

#endif
