/* parse/dead_letter.h - the last messages that gave no row although they should have.
   Flow     parser.c -> [dead letters] -> tm_parser_dead_letters_write
   Units    sz, offset: bytes; time_ns: receive time of the frame
   Memory   one heap block, sized at open: cap slots of TM_DEAD_LETTER_TEXT_MAX bytes and a header
   Threads  one
   Errors   open: -EINVAL, -ENOMEM; write: -errno
   Limits   cap 1..TM_DEAD_LETTER_CNT_MAX; the newest cap letters are kept, each cut
   Tests    tests/parse/test_parser.c */
#ifndef TM_PARSE_DEAD_LETTER_H
#define TM_PARSE_DEAD_LETTER_H

#include "base/frame.h"
#include "parse/reason.h"

#include <stdio.h>

enum { TM_DEAD_LETTER_TEXT_MAX = 4096, TM_DEAD_LETTER_CNT_MAX = 65536 };

typedef struct tm_dead_letters tm_dead_letters_t;

typedef struct tm_dead_letter {
    const tm_frame_t *frame;
    tm_reason_t reason;
    uint32_t offset; /* byte of the message where the fault shows */
} tm_dead_letter_t;

/* Called with each letter as it comes. */
typedef void tm_dead_letter_fn(void *ctx, const tm_dead_letter_t *letter);

int tm_dead_letters_open(tm_dead_letters_t **out, uint32_t cap) TM_MUST_CHECK;
void tm_dead_letters_close(tm_dead_letters_t *letters);

/* Keeps a copy, in place of the oldest one where all slots are taken. */
void tm_dead_letters_add(tm_dead_letters_t *letters, const tm_frame_t *frame, tm_reason_t reason,
                         uint32_t offset);

/* Letters kept now. */
uint32_t tm_dead_letters_cnt(const tm_dead_letters_t *letters);

/* Writes them, oldest first, as JSON lines {"time","conn","reason","offset","size","text"}. size is
   the whole message's; bytes of the text that are no UTF-8 become U+FFFD. */
int tm_dead_letters_write(const tm_dead_letters_t *letters, FILE *out);

#endif
