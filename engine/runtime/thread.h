/* engine/runtime/thread.h - one engine thread: pinned, named, with a result that outlives it.
   Flow     runtime starts and joins; ingest, worker and file thread are bodies
   Memory   embedded in its owner
   Threads  start, join: the control thread. state: any thread. ran, err, err_text: after state
            has left TM_THREAD_RUNNING
   Order    T1 state release -> state acquire (err, err_text, and all the thread wrote)
   Errors   a body returns 0 or a negative code with its trail set; the trail is copied here */
#ifndef TM_ENGINE_THREAD_H
#define TM_ENGINE_THREAD_H

#include "base/counter.h"
#include "base/error.h"
#include "engine/runtime/topology.h"

#include <pthread.h>
#include <stdatomic.h>

typedef enum tm_thread_state {
    TM_THREAD_NEW,
    TM_THREAD_STARTING, /* opening what it needs */
    TM_THREAD_RUNNING,
    TM_THREAD_DONE,
    TM_THREAD_FAILED,
} tm_thread_state_t;

typedef struct tm_thread {
    tm_thread_plan_t plan;
    int (*body)(void *arg);
    void *arg;
    pthread_t id;
    bool started;
    tm_counter_set_t *counters; /* of this thread; opened before start, freed by its owner */
    tm_counter_t *cycle_max_ns; /* longest round of its loop */
    int64_t cycle_start_ns;
    _Atomic int state;
    bool ran; /* it has been running: what it needs was open */
    int err;
    char err_text[TM_ERROR_TEXT_MAX];
} tm_thread_t;

/* Opens the counters. 0 or -ENOMEM. */
int tm_thread_init(tm_thread_t *t, const tm_thread_plan_t *plan, int (*body)(void *),
                   void *arg) TM_MUST_CHECK;
int tm_thread_start(tm_thread_t *t) TM_MUST_CHECK;
void tm_thread_join(tm_thread_t *t);
void tm_thread_fini(tm_thread_t *t);

tm_thread_state_t tm_thread_state(const tm_thread_t *t);

/* Called by the body first; moves it to the core of its plan. A body that cannot be moved still has
   to tell those who wait for it, so this is the body's business. 0, or a code with its trail. */
int tm_thread_pin(const tm_thread_t *t) TM_MUST_CHECK;

/* Called by the body once everything it needs is open. */
void tm_thread_is_running(tm_thread_t *t);

/* Called by the body once a round; keeps cycle_max_ns. `idle` rounds do not count. */
void tm_thread_cycle(tm_thread_t *t, int64_t now_ns, bool idle);

#endif
