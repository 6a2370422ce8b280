/* state/parquet/bit_pack_isa.h - kernels of bit_pack.h that are built for one instruction set each.
   Flow     bit_pack_avx2.c, bit_pack_avx512.c -> [here] -> the table in bit_pack.c
   Limits   call only where base/cpu.h says that the cpu has the instruction set */
#ifndef TM_STATE_BIT_PACK_ISA_H
#define TM_STATE_BIT_PACK_ISA_H

#include "state/parquet/bit_pack.h"

#ifdef __x86_64__
#    define TM_HAVE_BIT_PACK_ISA 1

int64_t tm_bit_delta_avx2(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                          uint64_t mini_or[TM_DELTA_MINIS]);
int64_t tm_bit_delta_avx512(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                            uint64_t mini_or[TM_DELTA_MINIS]);
void tm_bit_range_avx512(const int64_t *in, uint32_t cnt, uint64_t flip, int64_t *min,
                         int64_t *max);
#endif

/* The portable kernels, for the table, for tails and for tests. */
void tm_bit_pack_scalar(uint8_t *out, const uint64_t in[32], uint32_t width);
void tm_bit_range_scalar(const int64_t *in, uint32_t cnt, uint64_t flip, int64_t *min,
                         int64_t *max);

#endif
