/* state/journal/mirror.h - memory that follows itself: the same pages mapped twice in a row.
   Why      a ring of bytes whose items never wrap: what starts before the end runs on in the second
            copy
   Units    sz: bytes
   Memory   anonymous shared memory, pre-faulted; huge pages where the system offers them
   Threads  open, close: one. Content: as its users agree
   Errors   open: -errno with a text
   Limits   sz is a power of two and a multiple of the page size. Tests
            tests/state/test_journal_writer.c */
#ifndef TM_STATE_MIRROR_H
#define TM_STATE_MIRROR_H

#include "base/types.h"

/* base[i] and base[sz + i] are one byte for i < sz. */
int tm_mirror_open(uint8_t **base, size_t sz) TM_MUST_CHECK;
void tm_mirror_close(uint8_t *base, size_t sz);

#endif
