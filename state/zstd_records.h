/* state/zstd_records.h - a zstd frame of 16-byte records whose leading bytes are alike.
   Flow     codec (a page of decimals) -> [zstd records] -> frame, for any zstd decoder
   Why      sums are 16 bytes wide and 5 to 10 bytes large. Where every record starts like the one
            before it, zstd can say so in a few bytes for thousands of records: their matches all
            have the same length and distance, which its format codes once a block (RFC 8878,
            3.1.1.3.2.1.1, RLE mode). Nothing is searched, no entropy is coded: about 1 ns a record,
            where zstd's own search takes 33
   Units    *_sz: bytes
   Memory   none
   Threads  no state
   Errors   none: 0 = it does not pay, search instead
   Tests    tests/state/test_codec.c: zstd's decoder reads every size and shape back */
#ifndef TM_STATE_ZSTD_RECORDS_H
#define TM_STATE_ZSTD_RECORDS_H

#include "base/types.h"

enum { TM_ZSTD_RECORD_SZ = 16 };

/* Compresses into ZSTD_compressBound(src_sz) bytes. Records end with the source; what stands in
   front of the first whole one is kept as it is. Returns the size, or 0 where less than a quarter
   would be saved. */
size_t tm_zstd_records(void *dst, const void *src, size_t src_sz);

#endif
