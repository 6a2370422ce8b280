#include "engine/runtime/runtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/job/nodes.h"
#include "engine/job/report.h"
#include "engine/runtime/checkpoint/rescale.h"
#include "engine/runtime/checkpoint/restore.h"
#include "engine/runtime/source/dead_journal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONTROL_ROUND_NS = 10 * TM_NS_PER_MS };

/* The number of the signal that asked for the end. Handlers may touch nothing else. */
static _Atomic int signal_seen;

static void on_signal(int sig)
{
    atomic_store_explicit(&signal_seen, sig, memory_order_relaxed); /* the only shared word */
}

/* Engine threads block both signals, so the control thread's sleep is what they interrupt. A second
   signal finds the default action again and ends the process at once. */
static void signals_install(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void signals_block(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(how, &set, NULL);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int ring_carve(tm_runtime_t *rt, tm_ring_t **out, uint32_t stride)
{
    const tm_ring_cfg_t cfg = {.depth = rt->topo.ring_depth, .stride = stride};
    void *mem = tm_arena_alloc(&rt->ring_arena, tm_ring_footprint(&cfg), TM_FALSE_SHARE);
    *out = mem ? tm_ring_init(mem, &cfg) : NULL;
    return *out ? 0 : tm_error_set(-EINVAL, "ring of %u rows of %u bytes", cfg.depth, stride);
}

static size_t rings_footprint(const tm_topology_t *t, uint32_t *exchange_rings)
{
    tm_ring_cfg_t cfg = {.depth = t->ring_depth};
    size_t sz = TM_FALSE_SHARE; /* a graph without rings is none, but the arena wants a byte */
    *exchange_rings = 0;
    for (uint32_t i = 0; i < t->plan.exchange_cnt; i++) {
        const tm_exchange_t *x = &t->plan.exchanges[i];
        uint32_t cnt = tm_topology_producers(t, x) * t->worker_cnt;
        cfg.stride = x->stride;
        sz += cnt * tm_align_up(tm_ring_footprint(&cfg), TM_FALSE_SHARE);
        *exchange_rings += cnt;
    }
    for (uint32_t s = 0; s < t->sink_cnt; s++) {
        cfg.stride = t->sink_strides[s];
        sz += (size_t)t->worker_cnt * tm_align_up(tm_ring_footprint(&cfg), TM_FALSE_SHARE);
    }
    return sz;
}

static int rings_open(tm_runtime_t *rt)
{
    const tm_topology_t *t = &rt->topo;
    uint32_t cnt, done = 0;
    TM_TRY(tm_arena_open(&rt->ring_arena, rings_footprint(t, &cnt)));
    rt->rings = calloc(cnt + 1, sizeof(tm_ring_t *));
    if (!rt->rings) return tm_error_set(-ENOMEM, "rings: out of memory");
    for (uint32_t i = 0; i < t->plan.exchange_cnt; i++) {
        const tm_exchange_t *x = &t->plan.exchanges[i];
        rt->x_rings[i] = &rt->rings[done];
        for (uint32_t r = 0; r < tm_topology_producers(t, x) * t->worker_cnt; r++)
            TM_TRY(ring_carve(rt, &rt->rings[done++], x->stride));
    }
    for (uint32_t s = 0; s < t->sink_cnt; s++)
        for (uint32_t w = 0; w < t->worker_cnt; w++)
            TM_TRY(ring_carve(rt, &rt->out_rings[s * t->worker_cnt + w], t->sink_strides[s]));
    rt->alignment = aligned_alloc(TM_FALSE_SHARE, sizeof *rt->alignment);
    if (!rt->alignment) return tm_error_set(-ENOMEM, "alignment: out of memory");
    memset(rt->alignment, 0, sizeof *rt->alignment);
    return 0;
}

static int threads_open(tm_runtime_t *rt, uint64_t restored_id)
{
    const tm_topology_t *t = &rt->topo;
    tm_ring_t *const *const *x_rings = (tm_ring_t *const *const *)rt->x_rings;
    rt->file = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *rt->file, TM_FALSE_SHARE));
    if (!rt->file) return tm_error_set(-ENOMEM, "file thread: out of memory");
    const tm_file_thread_cfg_t file = {.topo = t,
                                       .rings = rt->out_rings,
                                       .symbols = rt->symbols,
                                       .abort = &rt->abort,
                                       .coordinator = rt->coordinator,
                                       .restored_id = restored_id};
    TM_TRY(tm_file_thread_init(rt->file, &file));
    for (uint32_t w = 0; w < t->worker_cnt; w++) {
        const tm_worker_cfg_t cfg = {.topo = t,
                                     .worker_idx = w,
                                     .x_rings = x_rings,
                                     .out_rings = rt->out_rings,
                                     .abort = &rt->abort,
                                     .alignment = rt->alignment,
                                     .coordinator = rt->coordinator};
        TM_TRY(tm_worker_open(&rt->workers[w], &cfg));
    }
    for (uint32_t i = 0; i < t->ingest_cnt; i++) {
        const tm_ingest_cfg_t cfg = {.topo = t,
                                     .ingest_idx = i,
                                     .x_rings = x_rings,
                                     .symbols = rt->symbols,
                                     .stop = &rt->stop,
                                     .leaving = &rt->leaving,
                                     .abort = &rt->abort,
                                     .alignment = rt->alignment,
                                     .coordinator = rt->coordinator};
        TM_TRY(tm_ingest_open(&rt->ingests[i], &cfg));
    }
    return 0;
}

/* The folder of an ingest thread's journal: DIR where there is one thread, DIR/<idx> where there
   are several. */
static int journal_path(const tm_runtime_t *rt, uint32_t ingest_idx, const char *option,
                        const char *dir, char path[PATH_MAX])
{
    bool several = rt->topo.ingest_cnt > 1;
    int n = several ? snprintf(path, PATH_MAX, "%s/%u", dir, ingest_idx)
                    : snprintf(path, PATH_MAX, "%s", dir);
    if (n >= PATH_MAX) return tm_error_set(-ENAMETOOLONG, "%s: path too long", option);
    return 0;
}

/* What is recorded of one ingest thread: its frames, its dead letters, or both. */
static int journals_open_of(tm_runtime_t *rt, uint32_t ingest_idx)
{
    const tm_options_t *o = &rt->job->opts;
    const struct tm_stream *feed = tm_job_next_feed(rt->job, 0);
    if (!feed && (o->journal_dir || o->dead_letter_dir))
        return tm_error_set(TM_E_CONFIG, "--journal records frames, and the job has no feed");
    tm_ingest_t *ingest = rt->ingests[ingest_idx];
    char path[PATH_MAX];
    tm_journal_writer_cfg_t cfg = {
        .dir = path,
        .label = feed ? feed->name : "",
        .receive_counters = tm_ingest_thread(ingest)->counters,
        .file_counters = rt->file->thread.counters,
    };
    tm_journal_writer_t *journal;
    tm_journal_recovery_t recovery;
    if (o->journal_dir) {
        cfg.retain_sz = o->journal_keep_sz;
        cfg.retain_age_ns = o->journal_keep_ns;
        cfg.keep_for_checkpoints = rt->coordinator != NULL;
        TM_TRY(journal_path(rt, ingest_idx, "--journal", o->journal_dir, path));
        int err = tm_journal_writer_open(&journal, &cfg, &recovery);
        if (err < 0) return tm_error_context(err, "--journal");
        tm_file_thread_record(rt->file, journal);
        TM_TRY(tm_ingest_record(ingest, journal, path));
        if (rt->coordinator) tm_coordinator_record(rt->coordinator, ingest_idx, journal);
    }
    if (o->dead_letter_dir) {
        cfg.receive_counters = cfg.file_counters = NULL; /* those tell of the frames' journal */
        cfg.retain_age_ns = 0;
        TM_TRY(journal_path(rt, ingest_idx, "--dead-letter-journal", o->dead_letter_dir, path));
        TM_TRY(tm_dead_journal_open(&journal, &cfg));
        tm_file_thread_record(rt->file, journal);
        tm_ingest_bury(ingest, journal);
    }
    return 0;
}

static int journals_open(tm_runtime_t *rt)
{
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++) TM_TRY(journals_open_of(rt, i));
    return 0;
}

static int coordinator_open(tm_runtime_t *rt, tm_restore_t *restore)
{
    if (!restore->store) return 0;
    const tm_options_t *o = &rt->job->opts;
    if (o->journal_dir && o->replay_cnt > 0)
        return tm_error_set(TM_E_CONFIG, "--checkpoints of a --replay: it can be read again, so "
                                         "leave --journal out");
    const tm_coordinator_cfg_t cfg = {.topo = &rt->topo,
                                      .symbols = rt->symbols,
                                      .abort = &rt->abort,
                                      .store = restore->store,
                                      .last_id = restore->last_id};
    return tm_coordinator_open(&rt->coordinator, &cfg);
}

/* Everything goes back to where it was at the checkpoint, if there is one. */
static int state_restore(tm_runtime_t *rt, tm_restore_t *restore)
{
    if (!rt->coordinator) return 0;
    rt->finished = restore->finished;
    if (restore->finished) return 0;
    if (restore->rescale) TM_TRY(tm_rescale(rt->workers, rt->topo.worker_cnt, restore));
    for (uint32_t w = 0; w < rt->topo.worker_cnt && !restore->rescale; w++)
        TM_TRY(tm_worker_restore(rt->workers[w], restore));
    for (uint32_t i = 0; i < rt->topo.ingest_cnt && restore->manifest; i++)
        TM_TRY(tm_ingest_restore(rt->ingests[i], restore));
    return tm_restore_left(restore, rt->job->opts.out_dir);
}

static int parts_open(tm_runtime_t *rt, tm_restore_t *restore)
{
    TM_TRY(tm_restore_open(restore, &rt->topo, rt->past.cnt ? rt->past.last_id : UINT64_MAX));
    if (rt->past.cnt == 0) rt->past.last_id = restore->last_id;
    TM_TRY(tm_restore_begin(restore, &rt->topo, rt->symbols));
    TM_TRY(coordinator_open(rt, restore));
    TM_TRY(rings_open(rt));
    TM_TRY(threads_open(rt, restore->id));
    TM_TRY(journals_open(rt));
    int err = state_restore(rt, restore);
    for (uint32_t i = 0; err == 0 && i < rt->topo.ingest_cnt; i++)
        tm_file_thread_from(rt->file, i, tm_ingest_journal_seq(rt->ingests[i]));
    return err < 0 ? tm_error_context(err, "--restore") : 0;
}

int tm_runtime_open(tm_runtime_t *rt, const tm_job_t *job, const tm_attempt_t *past)
{
    tm_restore_t restore = {0};
    memset(rt, 0, sizeof *rt);
    rt->job = job;
    rt->past = *past;
    tm_clock_init();
    TM_TRY(tm_topology_plan(&rt->topo, job));
    TM_TRY(tm_symbols_open(&rt->symbols));
    int err = parts_open(rt, &restore);
    tm_restore_close(&restore, rt->coordinator != NULL);
    return err;
}

void tm_runtime_close(tm_runtime_t *rt)
{
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++) tm_ingest_close(rt->ingests[i]);
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++) tm_worker_close(rt->workers[w]);
    if (rt->file) tm_file_thread_fini(rt->file);
    free(rt->file);
    tm_coordinator_close(rt->coordinator);
    tm_arena_close(&rt->ring_arena);
    free(rt->rings);
    free(rt->alignment);
    tm_symbols_close(rt->symbols);
}

/* ---- running --------------------------------------------------------------------------------- */

static int threads_start(tm_runtime_t *rt)
{
    if (rt->coordinator) TM_TRY(tm_thread_start(tm_coordinator_thread(rt->coordinator)));
    TM_TRY(tm_thread_start(&rt->file->thread));
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        TM_TRY(tm_thread_start(tm_worker_thread(rt->workers[w])));
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++)
        TM_TRY(tm_thread_start(tm_ingest_thread(rt->ingests[i])));
    return 0;
}

static bool is_over(const tm_thread_t *t)
{
    tm_thread_state_t state = tm_thread_state(t);
    return state == TM_THREAD_DONE || state == TM_THREAD_FAILED || !t->started;
}

static void sources_stop(tm_runtime_t *rt)
{
    atomic_store_explicit(&rt->leaving, true, memory_order_relaxed); /* steers only */
    atomic_store_explicit(&rt->stop, true, memory_order_release);    /* R1 */
}

/* A failed worker or file thread leaves rings that nobody empties: everybody has to let go. */
static void failures_check(tm_runtime_t *rt)
{
    bool failed = tm_thread_state(&rt->file->thread) == TM_THREAD_FAILED;
    if (rt->coordinator)
        failed |= tm_thread_state(tm_coordinator_thread(rt->coordinator)) == TM_THREAD_FAILED;
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        failed |= tm_thread_state(tm_worker_thread(rt->workers[w])) == TM_THREAD_FAILED;
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++) {
        const tm_thread_t *t = tm_ingest_thread(rt->ingests[i]);
        /* Nothing may be drained that a restart computes again. */
        if (rt->coordinator) failed |= tm_thread_state(t) == TM_THREAD_FAILED;
        /* A source that never opened is a mistake to hear of now, not when the others have ended,
           which a live feed does never. */
        if (tm_thread_state(t) == TM_THREAD_FAILED && !t->ran) sources_stop(rt);
    }
    if (!failed) return;
    sources_stop(rt);
    atomic_store_explicit(&rt->abort, true, memory_order_release); /* A1 */
}

static bool all_over(const tm_runtime_t *rt)
{
    bool over = is_over(&rt->file->thread);
    if (rt->coordinator) over &= is_over(tm_coordinator_thread(rt->coordinator));
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        over &= is_over(tm_worker_thread(rt->workers[w]));
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++)
        over &= is_over(tm_ingest_thread(rt->ingests[i]));
    return over;
}

static void stop_check(tm_runtime_t *rt, int64_t now_ns)
{
    if (rt->told_to_stop || atomic_load_explicit(&rt->stop, memory_order_relaxed)) /* own value */
        return;
    int sig = atomic_load_explicit(&signal_seen, memory_order_relaxed); /* the only shared word */
    int64_t duration_ns = rt->job->opts.duration_ns;
    if (sig)
        TM_LOG_I("engine", "%s: stopping, %s (again to end at once)", strsignal(sig),
                 rt->coordinator ? "with a checkpoint" : "draining what came in");
    if (!sig && (duration_ns <= 0 || now_ns - rt->start_ns < duration_ns)) return;
    rt->told_to_stop = true;
    if (rt->coordinator) {
        atomic_store_explicit(&rt->leaving, true, memory_order_relaxed); /* steers only */
        tm_coordinator_stop(rt->coordinator);
    } else {
        sources_stop(rt);
    }
}

/* The error to report: the one that came first in the flow of causes, so a failed sink before the
   ends it forced on others. */
static int first_error(const tm_runtime_t *rt)
{
    const tm_thread_t *order[2 + TM_TOPOLOGY_WORKER_MAX + TM_TOPOLOGY_INGEST_MAX];
    uint32_t cnt = 0;
    if (rt->coordinator) order[cnt++] = tm_coordinator_thread(rt->coordinator);
    order[cnt++] = &rt->file->thread;
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        order[cnt++] = tm_worker_thread(rt->workers[w]);
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++)
        order[cnt++] = tm_ingest_thread(rt->ingests[i]);
    int err = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        if (tm_thread_state(order[i]) != TM_THREAD_FAILED) continue;
        if (err == 0 || err == TM_E_CLOSED)
            err = tm_error_set(order[i]->err, "%s: %s", order[i]->plan.name, order[i]->err_text);
    }
    return err;
}

static void control_loop(tm_runtime_t *rt)
{
    const struct timespec nap = {0, CONTROL_ROUND_NS};
    tm_report_live_t live = {0};
    int64_t sync_at_ns = rt->start_ns;
    while (!all_over(rt)) {
        int64_t now_ns = tm_clock_mono_ns();
        stop_check(rt, now_ns);
        failures_check(rt);
        if (now_ns >= sync_at_ns) {
            tm_clock_sync();
            sync_at_ns = now_ns + TM_NS_PER_S;
        }
        tm_report_live(&live, rt, now_ns);
        nanosleep(&nap, NULL);
    }
    tm_report_live_end(&live);
}

static void threads_join(tm_runtime_t *rt)
{
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++)
        tm_thread_join(tm_ingest_thread(rt->ingests[i]));
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        tm_thread_join(tm_worker_thread(rt->workers[w]));
    tm_thread_join(&rt->file->thread);
    if (rt->coordinator) tm_thread_join(tm_coordinator_thread(rt->coordinator));
}

int tm_runtime_run(tm_runtime_t *rt)
{
    if (rt->finished) return tm_file_thread_finish(rt->file);
    signals_install();
    rt->attempt_ns = tm_clock_mono_ns();
    rt->start_ns = rt->past.start_ns ? rt->past.start_ns : rt->attempt_ns;
    signals_block(SIG_BLOCK);
    int err = threads_start(rt);
    signals_block(SIG_UNBLOCK);
    if (err < 0) {
        sources_stop(rt);
        atomic_store_explicit(&rt->abort, true, memory_order_release); /* A1 */
    } else {
        control_loop(rt);
    }
    threads_join(rt);
    rt->end_ns = tm_clock_mono_ns();
    return err < 0 ? err : first_error(rt);
}

/* ---- between attempts ------------------------------------------------------------------------ */

tm_attempt_t tm_runtime_past(const tm_runtime_t *rt)
{
    tm_attempt_t past = rt->past;
    past.cnt++;
    if (past.start_ns == 0) past.start_ns = rt->start_ns;
    return past;
}

bool tm_runtime_is_signalled(void)
{
    return atomic_load_explicit(&signal_seen, memory_order_relaxed) != 0; /* the only shared word */
}

bool tm_runtime_is_worth_a_restart(const tm_runtime_t *rt, int err)
{
    if (rt->told_to_stop || err == TM_E_CONFIG || err == TM_E_UNSUPPORTED) return false;
    if (rt->past.cnt > 0) return true;
    if (rt->start_ns == 0) return false;
    for (uint32_t i = 0; i < rt->topo.ingest_cnt; i++) {
        const tm_thread_t *t = tm_ingest_thread(rt->ingests[i]);
        if (tm_thread_state(t) == TM_THREAD_FAILED && !t->ran) return false;
    }
    return true;
}
