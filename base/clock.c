#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

#ifdef __x86_64__
#    include <cpuid.h>
#    include <x86intrin.h>
#endif

/* mono = mono0 + (tsc - tsc0) * mult >> 32. The anchor of the wall clock is one number, the
   distance real - mono, so readers need no seqlock: one acquire load gives a consistent pair. */
static struct {
    uint64_t tsc0;
    int64_t mono0_ns;
    uint64_t mult_q32;
    _Atomic int64_t real_minus_mono_ns;
    _Atomic bool ready;
    bool tsc;
} clk;

static int64_t gettime_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * TM_NS_PER_S + ts.tv_nsec;
}

#ifdef __x86_64__
static bool tsc_is_invariant(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(0x80000007u, &a, &b, &c, &d)) return false;
    return (d >> 8) & 1u;
}

static uint64_t tsc_read(void)
{
    return __rdtsc();
}

/* One (tsc, mono) pair: the tightest of several tries, so that a preemption between the two reads
   does not spoil it. */
static void pair_read(uint64_t *tsc, int64_t *mono_ns)
{
    uint64_t best = UINT64_MAX;
    *tsc = 0;
    *mono_ns = 0;
    for (int i = 0; i < 16; i++) {
        uint64_t before = tsc_read();
        int64_t now = gettime_ns(CLOCK_MONOTONIC_RAW);
        uint64_t after = tsc_read();
        if (after - before < best) {
            best = after - before;
            *tsc = before + (after - before) / 2;
            *mono_ns = now;
        }
    }
}

static void calibrate(void)
{
    uint64_t tsc1;
    int64_t mono1;
    pair_read(&clk.tsc0, &clk.mono0_ns);
    const struct timespec wait = {0, 10 * TM_NS_PER_MS};
    nanosleep(&wait, NULL);
    pair_read(&tsc1, &mono1);
    clk.mult_q32 = (uint64_t)(((tm_u128_t)(mono1 - clk.mono0_ns) << 32) / (tsc1 - clk.tsc0));
}
#else
static bool tsc_is_invariant(void)
{
    return false;
}
static uint64_t tsc_read(void)
{
    return 0;
}
static void calibrate(void) {}
#endif

void tm_clock_init(void)
{
    if (atomic_load_explicit(&clk.ready, memory_order_acquire)) return; /* C1 */
    clk.tsc = tsc_is_invariant();
    if (clk.tsc) calibrate();
    tm_clock_sync();
    atomic_store_explicit(&clk.ready, true, memory_order_release); /* C1 */
}

int64_t tm_clock_mono_ns(void)
{
    if (!clk.tsc) return gettime_ns(CLOCK_MONOTONIC_RAW);
    uint64_t ticks = tsc_read() - clk.tsc0;
    return clk.mono0_ns + (int64_t)(((tm_u128_t)ticks * clk.mult_q32) >> 32);
}

int64_t tm_clock_sync(void)
{
    int64_t mono = tm_clock_mono_ns();
    int64_t real = gettime_ns(CLOCK_REALTIME);
    int64_t old = atomic_load_explicit(&clk.real_minus_mono_ns, memory_order_acquire); /* C1 */
    atomic_store_explicit(&clk.real_minus_mono_ns, real - mono, memory_order_release); /* C1 */
    return old == 0 ? 0 : (real - mono) - old;
}

int64_t tm_clock_mono_to_real_ns(int64_t mono_ns)
{
    return mono_ns + atomic_load_explicit(&clk.real_minus_mono_ns, memory_order_acquire); /* C1 */
}

int64_t tm_clock_real_ns(void)
{
    return tm_clock_mono_to_real_ns(tm_clock_mono_ns());
}

bool tm_clock_is_tsc(void)
{
    return clk.tsc;
}
