#include "base/cpu.h"

#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#ifdef __x86_64__
#    include <cpuid.h>
#endif

static tm_isa_t isa_detect(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
          __builtin_cpu_supports("bmi2")))
        return TM_ISA_SCALAR;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("avx512ifma"))
        return TM_ISA_AVX512;
    return TM_ISA_AVX2;
#else
    return TM_ISA_SCALAR;
#endif
}

const char *tm_cpu_isa_name(tm_isa_t isa)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    return names[isa];
}

tm_isa_t tm_cpu_isa(void)
{
    tm_isa_t best = isa_detect();
    const char *want = getenv("TM_ISA");
    if (want) {
        for (tm_isa_t i = TM_ISA_SCALAR; i < best; i++)
            if (strcmp(want, tm_cpu_isa_name(i)) == 0) return i;
    }
    return best;
}

uint32_t tm_cpu_cnt(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return (uint32_t)CPU_COUNT(&set);
}

int tm_cpu_pin(uint32_t cpu_idx)
{
    cpu_set_t set;
    if (cpu_idx >= TM_CPU_MAX)
        return tm_error_set(-EINVAL, "core %u: no such core (limit %d)", cpu_idx, TM_CPU_MAX);
    CPU_ZERO(&set);
    CPU_SET(cpu_idx, &set);
    int err = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    if (err) {
        return tm_error_set(
            -err, "core %u: cannot pin a thread to it (%s); this process may use %u cores", cpu_idx,
            strerror(err), tm_cpu_cnt());
    }
    return 0;
}

void tm_cpu_thread_name(const char *name)
{
    char cut[16];
    snprintf(cut, sizeof cut, "%.15s", name);
    prctl(PR_SET_NAME, cut);
}

void tm_cpu_describe(char *out, size_t out_sz)
{
    char brand[49] = "unknown cpu";
#ifdef __x86_64__
    unsigned regs[3][4];
    bool have = true;
    for (unsigned i = 0; i < 3 && have; i++)
        have = __get_cpuid(0x80000002u + i, &regs[i][0], &regs[i][1], &regs[i][2], &regs[i][3]) !=
               0;
    if (have) {
        memcpy(brand, regs, 48);
        brand[48] = '\0';
        for (size_t n = strlen(brand); n > 0 && brand[n - 1] == ' '; n--) brand[n - 1] = '\0';
    }
#endif
    snprintf(out, out_sz, "%s, %u cores, %s", brand, tm_cpu_cnt(), tm_cpu_isa_name(tm_cpu_isa()));
}

static int list_bad(const char *text)
{
    return tm_error_set(TM_E_CONFIG, "core list '%s': expected numbers and ranges such as 0,2-3",
                        text);
}

int tm_cpu_list_parse(const char *text, uint32_t *cpus, uint32_t cpus_max)
{
    uint32_t cnt = 0;
    const char *p = text;
    do {
        char *end;
        errno = 0;
        unsigned long lo = strtoul(p, &end, 10);
        if (end == p || *p < '0' || *p > '9' || errno) return list_bad(text);
        unsigned long hi = lo;
        p = end;
        if (*p == '-') {
            if (p[1] < '0' || p[1] > '9') return list_bad(text);
            hi = strtoul(p + 1, &end, 10);
            p = end;
        }
        if (hi < lo || hi >= TM_CPU_MAX) return list_bad(text);
        for (; lo <= hi; lo++) {
            if (cnt == cpus_max)
                return tm_error_set(TM_E_CONFIG, "core list '%s': more than %u cores", text,
                                    cpus_max);
            cpus[cnt++] = (uint32_t)lo;
        }
    } while (*p++ == ',');
    if (p[-1] != '\0') return list_bad(text);
    return (int)cnt;
}
