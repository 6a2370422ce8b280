/* state/crc32c.h - CRC-32C (Castagnoli), the checksum of everything the journal writes.
   Flow     journal writer, reader -> [crc32c]
   Method   a table of kernels, picked once: AVX-512 with VPCLMULQDQ (256 bytes folded a step),
            SSE4.2 (three interleaved crc32 chains joined with PCLMULQDQ), scalar (eight tables).
            Folding follows Gopal et al., "Fast CRC Computation for iSCSI Polynomial" and "Fast CRC
            Computation Using PCLMULQDQ", Intel 2009/2011
   Units    sz: bytes
   Threads  any; the pick is idempotent
   Limits   none.  Tests tests/state/test_journal_crc.c */
#ifndef TM_STATE_CRC32C_H
#define TM_STATE_CRC32C_H

#include "base/types.h"

typedef uint32_t (*tm_crc32c_fn_t)(uint32_t crc, const void *src, size_t sz);

/* Continues from `crc` (0 at the start): crc(crc(0, a), b) is the checksum of a followed by b. */
uint32_t tm_crc32c(uint32_t crc, const void *src, size_t sz);

/* The kernel in use, for loops that call it per record. */
tm_crc32c_fn_t tm_crc32c_kernel(void);

/* The kernels themselves, for tests and benchmarks. The scalar one is always there; the others
   are NULL where the build or this cpu lacks them. */
typedef enum tm_crc32c_isa { TM_CRC32C_SCALAR, TM_CRC32C_SSE42, TM_CRC32C_AVX512 } tm_crc32c_isa_t;
tm_crc32c_fn_t tm_crc32c_kernel_of(tm_crc32c_isa_t isa);

uint32_t tm_crc32c_scalar(uint32_t crc, const void *src, size_t sz);
uint32_t tm_crc32c_sse42(uint32_t crc, const void *src, size_t sz);
uint32_t tm_crc32c_avx512(uint32_t crc, const void *src, size_t sz);

#endif
