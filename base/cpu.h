/* base/cpu.h - what this cpu can do and on which core a thread runs.
   Threads  tm_cpu_isa: any (cached). pin and name: the calling thread only */
#ifndef TM_BASE_CPU_H
#define TM_BASE_CPU_H

#include "base/types.h"

enum { TM_CPU_MAX = 1024 };

/* Kernel tables (scan, decimals) are picked once by this; order is strength. */
typedef enum tm_isa {
    TM_ISA_SCALAR = 0,
    TM_ISA_AVX2 = 1,   /* AVX2, BMI1, BMI2 */
    TM_ISA_AVX512 = 2, /* F, BW, DQ, VL, VBMI, VBMI2, IFMA: Ice Lake, Zen 4 and later */
} tm_isa_t;

/* The best level of this machine. The environment variable TM_ISA=scalar|avx2|avx512 lowers it
   (never raises it), for tests and for comparing. */
tm_isa_t tm_cpu_isa(void);
const char *tm_cpu_isa_name(tm_isa_t isa);

/* Cores that this process may run on. */
uint32_t tm_cpu_cnt(void);

/* Pins the calling thread. Returns 0, or -errno with a text that names the core. */
int tm_cpu_pin(uint32_t cpu_idx) TM_MUST_CHECK;

/* Names the calling thread for ps, perf and gdb; cut to 15 characters. */
void tm_cpu_thread_name(const char *name);

/* "AMD EPYC, 2 cores, avx512": for the start-up page and the benchmark header. */
void tm_cpu_describe(char *out, size_t out_sz);

/* Parses "0", "0,1", "0-3,8" into core indexes. Returns how many, or TM_E_CONFIG with a text. */
int tm_cpu_list_parse(const char *text, uint32_t *cpus, uint32_t cpus_max) TM_MUST_CHECK;

/* A polite spin: the pause instruction. */
static inline void tm_cpu_relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

#endif
