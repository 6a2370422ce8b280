#include "engine/runtime/thread.h"

#include "base/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void state_set(tm_thread_t *t, tm_thread_state_t state)
{
    atomic_store_explicit(&t->state, (int)state, memory_order_release); /* T1 */
}

tm_thread_state_t tm_thread_state(const tm_thread_t *t)
{
    return (tm_thread_state_t)atomic_load_explicit(&t->state, memory_order_acquire); /* T1 */
}

int tm_thread_pin(const tm_thread_t *t)
{
    return t->plan.cpu_idx == TM_CPU_ANY ? 0 : tm_cpu_pin(t->plan.cpu_idx);
}

void tm_thread_is_running(tm_thread_t *t)
{
    t->ran = true;
    state_set(t, TM_THREAD_RUNNING);
}

static void *thread_main(void *arg)
{
    tm_thread_t *t = arg;
    char name[sizeof t->plan.name + 4];
    snprintf(name, sizeof name, "tm-%s", t->plan.name);
    tm_cpu_thread_name(name);
    int err = t->body(t->arg);
    t->err = err;
    snprintf(t->err_text, sizeof t->err_text, "%s", err < 0 ? tm_error_text() : "");
    state_set(t, err < 0 ? TM_THREAD_FAILED : TM_THREAD_DONE);
    return NULL;
}

int tm_thread_init(tm_thread_t *t, const tm_thread_plan_t *plan, int (*body)(void *), void *arg)
{
    *t = (tm_thread_t){.plan = *plan, .body = body, .arg = arg};
    t->counters = tm_counter_set_new(plan->name);
    if (!t->counters) return tm_error_set(-ENOMEM, "%s: no room for its counters", plan->name);
    t->cycle_max_ns = tm_counter_get(t->counters, "cycle_max_ns");
    return 0;
}

int tm_thread_start(tm_thread_t *t)
{
    state_set(t, TM_THREAD_STARTING);
    int err = pthread_create(&t->id, NULL, thread_main, t);
    if (err)
        return tm_error_set(-err, "%s: cannot start a thread: %s", t->plan.name, strerror(err));
    t->started = true;
    return 0;
}

void tm_thread_join(tm_thread_t *t)
{
    if (t->started) pthread_join(t->id, NULL);
    t->started = false;
}

void tm_thread_fini(tm_thread_t *t)
{
    tm_counter_set_free(t->counters);
    t->counters = NULL;
}

void tm_thread_cycle(tm_thread_t *t, int64_t now_ns, bool idle)
{
    if (!idle && t->cycle_start_ns != 0)
        tm_counter_max(t->cycle_max_ns, (uint64_t)(now_ns - t->cycle_start_ns));
    t->cycle_start_ns = now_ns;
}
