/* The scalar kernel takes eight bytes a step through eight tables, so that a machine without the
   crc32 instruction still checks a journal at more than a gigabyte a second. */
#include "state/crc32c.h"

#include "base/cpu.h"

#include <string.h>

static const uint32_t poly_reflected = 0x82f63b78u;

static uint32_t table[8][256];
static tm_crc32c_fn_t kernel;

tm_crc32c_fn_t tm_crc32c_kernel_of(tm_crc32c_isa_t isa)
{
    if (isa == TM_CRC32C_SCALAR) return tm_crc32c_scalar;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) return NULL;
    if (isa == TM_CRC32C_SSE42) return tm_crc32c_sse42;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("vpclmulqdq"))
        return tm_crc32c_avx512;
#endif
    return NULL;
}

/* Before main, while there is one thread: readers need no synchronisation afterwards. */
__attribute__((constructor)) static void pick(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? (c >> 1) ^ poly_reflected : c >> 1;
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++)
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
    }
    const tm_isa_t level = tm_cpu_isa();
    kernel = level >= TM_ISA_AVX512 ? tm_crc32c_kernel_of(TM_CRC32C_AVX512) : NULL;
    if (!kernel && level >= TM_ISA_AVX2) kernel = tm_crc32c_kernel_of(TM_CRC32C_SSE42);
    if (!kernel) kernel = tm_crc32c_scalar;
}

tm_crc32c_fn_t tm_crc32c_kernel(void)
{
    return kernel;
}

uint32_t tm_crc32c(uint32_t crc, const void *src, size_t sz)
{
    return kernel(crc, src, sz);
}

uint32_t tm_crc32c_scalar(uint32_t crc, const void *src, size_t sz)
{
    const uint8_t *p = src;
    crc = ~crc;
    for (; sz >= 8; sz -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        v ^= crc;
        crc = 0;
        for (int k = 0; k < 8; k++) crc ^= table[7 - k][(v >> (8 * k)) & 0xff];
    }
    for (; sz > 0; sz--, p++) crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    return ~crc;
}
