#include "engine/runtime/idle.h"

#include "base/cpu.h"

#include <sched.h>
#include <time.h>

/* About 10 us of spinning and then some hundred yields: a burst that follows soon finds the thread
   awake, and a quiet market costs no core. */
enum { SPIN_ROUNDS = 256, YIELD_ROUNDS = SPIN_ROUNDS + 64 };

void tm_idle_round(tm_idle_t *idle, uint64_t work_cnt)
{
    if (work_cnt > 0) {
        idle->empty_cnt = 0;
        return;
    }
    idle->empty_cnt += idle->empty_cnt < UINT32_MAX;
    if (idle->kind == TM_IDLE_SPIN || idle->empty_cnt < SPIN_ROUNDS) {
        tm_cpu_relax();
    } else if (idle->kind == TM_IDLE_YIELD || idle->empty_cnt < YIELD_ROUNDS) {
        sched_yield();
    } else {
        const struct timespec nap = {0, TM_IDLE_PARK_NS};
        nanosleep(&nap, NULL);
    }
}

const char *tm_idle_kind_name(tm_idle_kind_t kind)
{
    static const char *const names[] = {"auto", "spin", "yield", "park"};
    return names[kind];
}
