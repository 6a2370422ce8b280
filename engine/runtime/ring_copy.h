/* engine/runtime/ring_copy.h - the copy kernels of bursts, one an instruction set.
   Flow     ring.c picks one at init; tests compare them with the plain one
   Memory   slots: 64-aligned; stride: a multiple of 64; every row is written whole with `phase` as
            its byte 0, in as few stores as the instruction set has */
#ifndef TM_ENGINE_RING_COPY_H
#define TM_ENGINE_RING_COPY_H

#include "base/cpu.h"
#include "engine/runtime/ring.h"

tm_ring_copy_fn *tm_ring_copy_pick(tm_isa_t isa);

/* Needs AVX2. */
void tm_ring_copy_avx2(uint8_t *slots, const uint8_t *rows, uint32_t cnt, uint32_t stride,
                       uint8_t phase);

#endif
