#include "parse/kernels.h"

#include "parse/stencil.h"

static const tm_kernels_t sets[] = {
    [TM_ISA_SCALAR] = {tm_quotes_scalar, tm_numerals_scalar, NULL, "scalar"},
#ifdef __x86_64__
    [TM_ISA_AVX2] = {tm_quotes_avx2, tm_numerals_avx2, NULL, "avx2"},
    [TM_ISA_AVX512] = {tm_quotes_avx512, tm_numerals_avx512, tm_stencil_take_avx512, "avx512"},
#endif
};

const tm_kernels_t *tm_kernels_get(tm_isa_t isa)
{
    tm_isa_t have = tm_cpu_isa();
    if (isa > have) isa = have;
    while (isa > TM_ISA_SCALAR && (size_t)isa >= TM_ARRAY_CNT(sets)) isa--;
    return &sets[isa];
}
