#include "parse/scan/kernels.h"

#include "parse/paths/stencil.h"

static const tm_kernels_t sets[] = {
    [TM_ISA_SCALAR] = {.quotes = tm_quotes_scalar,
                       .marks = tm_marks_scalar,
                       .numerals = tm_numerals_scalar,
                       .shape_key = tm_shape_key_scalar,
                       .shape_take = tm_shape_take_scalar,
                       .name = "scalar"},
#ifdef __x86_64__
    [TM_ISA_AVX2] = {.quotes = tm_quotes_avx2,
                     .marks = tm_marks_avx2,
                     .numerals = tm_numerals_avx2,
                     .shape_key = tm_shape_key_avx2,
                     .shape_take = tm_shape_take_avx2,
                     .levels = tm_levels_avx2,
                     .name = "avx2"},
    [TM_ISA_AVX512] = {.quotes = tm_quotes_avx512,
                       .marks = tm_marks_avx512,
                       .numerals = tm_numerals_avx512,
                       .shape_key = tm_shape_key_avx2,
                       .shape_take = tm_shape_take_avx2,
                       .levels = tm_levels_avx2,
                       .take = tm_stencil_take_avx512,
                       .name = "avx512"},
#endif
};

const tm_kernels_t *tm_kernels_get(tm_isa_t isa)
{
    tm_isa_t have = tm_cpu_isa();
    if (isa > have) isa = have;
    while (isa > TM_ISA_SCALAR && (size_t)isa >= TM_ARRAY_CNT(sets)) isa--;
    return &sets[isa];
}
