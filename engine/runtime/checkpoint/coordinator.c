#include "engine/runtime/checkpoint/coordinator.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/job/plan.h"
#include "engine/runtime/checkpoint/coordinator_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE_BURST = 256, NAP_NS = 200 * 1000 };

/* ---- what other threads see ------------------------------------------------------------------ */

tm_thread_t *tm_coordinator_thread(tm_coordinator_t *c)
{
    return &c->thread;
}

tm_checkpoint_slot_t *tm_coordinator_ingest(tm_coordinator_t *c, uint32_t ingest_idx)
{
    return &c->ingests[ingest_idx];
}

tm_checkpoint_slot_t *tm_coordinator_worker(tm_coordinator_t *c, uint32_t worker_idx)
{
    return &c->workers[worker_idx];
}

void tm_coordinator_record(tm_coordinator_t *c, uint32_t ingest_idx, tm_journal_writer_t *journal)
{
    c->journals[ingest_idx] = journal;
}

void tm_coordinator_stop(tm_coordinator_t *c)
{
    atomic_store_explicit(&c->stopping, true, memory_order_relaxed); /* steers only */
}

bool tm_coordinator_halted(const tm_coordinator_t *c)
{
    return atomic_load_explicit(&c->halt, memory_order_acquire); /* K8 */
}

uint64_t tm_coordinator_triggered(const tm_coordinator_t *c, bool *last)
{
    uint64_t id = atomic_load_explicit(&c->trigger_id, memory_order_acquire); /* K1 */
    /* Ordered by K1; where it changes meanwhile, the next trigger says so. */
    *last = id != 0 && id == atomic_load_explicit(&c->stop_id, memory_order_relaxed);
    return id;
}

bool tm_coordinator_gave_up(const tm_coordinator_t *c, uint64_t id)
{
    return id <= atomic_load_explicit(&c->aborted_id, memory_order_relaxed); /* K4: steers only */
}

void tm_checkpoint_ack(tm_checkpoint_slot_t *slot, uint64_t id)
{
    atomic_store_explicit(&slot->acked_id, id, memory_order_release); /* K2 */
}

void tm_checkpoint_end(tm_checkpoint_slot_t *slot)
{
    atomic_store_explicit(&slot->ended, true, memory_order_release); /* K3 */
}

void tm_coordinator_prepared(tm_coordinator_t *c, uint64_t id)
{
    atomic_store_explicit(&c->prepared_id, id, memory_order_release); /* K5 */
}

void tm_coordinator_committed(tm_coordinator_t *c, uint64_t id)
{
    atomic_store_explicit(&c->committed_id, id, memory_order_release); /* K7 */
}

uint64_t tm_coordinator_commit(const tm_coordinator_t *c)
{
    return atomic_load_explicit(&c->commit_id, memory_order_acquire); /* K6 */
}

uint64_t tm_coordinator_final(const tm_coordinator_t *c)
{
    return atomic_load_explicit(&c->final_id, memory_order_acquire); /* K6 */
}

/* ---- who has come how far -------------------------------------------------------------------- */

static uint64_t acked(const tm_checkpoint_slot_t *slot)
{
    return atomic_load_explicit(&slot->acked_id, memory_order_acquire); /* K2 */
}

static bool ended(const tm_checkpoint_slot_t *slot)
{
    return atomic_load_explicit(&slot->ended, memory_order_acquire); /* K3 */
}

static bool all_ended(const tm_checkpoint_slot_t *slots, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++)
        if (!ended(&slots[i])) return false;
    return true;
}

static bool ingests_done(const tm_coordinator_t *c)
{
    for (uint32_t i = 0; i < c->topo->ingest_cnt; i++)
        if (acked(&c->ingests[i]) != c->id && !ended(&c->ingests[i])) return false;
    return true;
}

/* What a thread has to say of the checkpoint under way: one that has ended before its barrier was
   due stays as it was then. */
const tm_checkpoint_state_t *tm_coordinator_state(const tm_coordinator_t *c,
                                                  const tm_checkpoint_slot_t *slot)
{
    return acked(slot) == c->id ? &slot->at_barrier : &slot->at_end;
}

static uint64_t journal_seq(const tm_checkpoint_state_t *state)
{
    return atomic_load_explicit(&state->journal_seq, memory_order_acquire); /* K9 */
}

/* A slot is filled anew only for a newer trigger: where the sequence is of that one, K9 shows the
   trigger as well. */
bool tm_coordinator_journal_seq(const tm_coordinator_t *c, uint32_t ingest_idx, uint64_t id,
                                uint64_t *seq)
{
    const tm_checkpoint_slot_t *slot = &c->ingests[ingest_idx];
    if (acked(slot) != id) {
        *seq = journal_seq(&slot->at_end);
        return ended(slot);
    }
    *seq = journal_seq(&slot->at_barrier);
    return atomic_load_explicit(&c->trigger_id, memory_order_relaxed) == id; /* behind K9 */
}

/* Journals hold all that the positions of this checkpoint stand on. */
static bool journals_durable(const tm_coordinator_t *c)
{
    for (uint32_t i = 0; i < c->topo->ingest_cnt; i++)
        if (c->journals[i] && tm_journal_durable_seq(c->journals[i]) <
                                  journal_seq(tm_coordinator_state(c, &c->ingests[i])))
            return false;
    return true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Pages of a worker as they were at its flip. Returns pages taken, or an error. */
static int64_t pages_take(tm_coordinator_t *c, uint32_t w)
{
    tm_checkpoint_slot_t *slot = &c->workers[w];
    for (int64_t n = 0; n < PAGE_BURST; n++) {
        uint32_t page;
        int rc = tm_page_snap_next(slot->track, c->copy, &page);
        if (rc == 0) c->steps[w] = STEP_WRITTEN;
        if (rc == 0 || rc == -EAGAIN) return n;
        if (rc < 0) return rc;
        TM_TRY(tm_checkpoint_put(c->store, w, slot->page_cnt, page, c->copy));
        c->pages++;
    }
    return PAGE_BURST;
}

/* Moves every worker on that has flipped; work done, or an error. */
static int64_t workers_take(tm_coordinator_t *c)
{
    int64_t work = 0;
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++) {
        uint32_t page_cnt;
        uint64_t id = acked(&c->workers[w]);
        if (c->steps[w] == STEP_NONE && id == c->id) {
            TM_CHECK(tm_page_snap_begin(c->workers[w].track, &page_cnt), "a flip before its ack");
            c->steps[w] = STEP_WRITING;
        }
        if (c->steps[w] != STEP_WRITING) continue;
        int64_t n = pages_take(c, w);
        if (n < 0) return n;
        work += n;
    }
    return work;
}

/* Hands the pages back. Where the checkpoint did not come about they belong to the next. */
static void pages_end(tm_coordinator_t *c, bool ok)
{
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++) {
        if (c->steps[w] != STEP_NONE) tm_page_snap_end(c->workers[w].track, ok);
        c->steps[w] = STEP_NONE;
    }
}

/* Workers may flip for a checkpoint that was given up meanwhile: the flip is taken back. */
static void pages_late(tm_coordinator_t *c)
{
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++) {
        uint32_t page_cnt;
        uint64_t id = acked(&c->workers[w]);
        if (id == c->seen[w] || (c->phase == PHASE_GATHER && id == c->id)) continue;
        c->seen[w] = id;
        if (tm_page_snap_begin(c->workers[w].track, &page_cnt))
            tm_page_snap_end(c->workers[w].track, false);
    }
}

/* ---- one checkpoint -------------------------------------------------------------------------- */

/* Flips that were begun here end here; pages_late takes back those that were not met yet, even
   where their ack has come in meanwhile. */
static void seen_all(tm_coordinator_t *c)
{
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++)
        if (c->steps[w] != STEP_NONE) c->seen[w] = c->id;
}

/* Whether the checkpoint under way is the one behind which sources stop. */
static bool is_stop(const tm_coordinator_t *c)
{
    return c->id == atomic_load_explicit(&c->stop_id, memory_order_relaxed); /* own value */
}

static void halt(tm_coordinator_t *c)
{
    atomic_store_explicit(&c->halt, true, memory_order_release); /* K8 */
}

static void give_up(tm_coordinator_t *c)
{
    atomic_store_explicit(&c->aborted_id, c->id, memory_order_relaxed); /* K4: steers only */
    seen_all(c);
    pages_end(c, false);
    tm_checkpoint_abort(c->store);
    c->phase = PHASE_IDLE;
    c->done_ns = tm_clock_mono_ns();
}

/* The checkpoint failed. An error where that is one too many in a row. */
static int fail(tm_coordinator_t *c, int err)
{
    char text[TM_ERROR_TEXT_MAX];
    const tm_checkpoint_options_t *o = &c->topo->job->opts.checkpoint;
    snprintf(text, sizeof text, "%s", tm_error_text());
    give_up(c);
    tm_counter_add(c->failed, 1);
    if (is_stop(c)) halt(c);
    if (++c->failures > o->failures_max)
        return tm_error_set(err, "checkpoint %llu: %s", (unsigned long long)c->id, text);
    TM_LOG_W("engine", "checkpoint %llu failed (%u in a row, %u are tolerated): %s",
             (unsigned long long)c->id, c->failures, o->failures_max, text);
    return 0;
}

static int trigger(tm_coordinator_t *c, int64_t now_ns)
{
    c->id++;
    c->started_ns = now_ns;
    c->pages = 0;
    c->phase = PHASE_GATHER;
    int err = tm_checkpoint_begin(c->store, c->id);
    if (err < 0) return fail(c, err);
    if (atomic_load_explicit(&c->stopping, memory_order_relaxed))        /* steers only */
        atomic_store_explicit(&c->stop_id, c->id, memory_order_relaxed); /* K1 orders it */
    atomic_store_explicit(&c->trigger_id, c->id, memory_order_release);  /* K1 */
    return 0;
}

/* All are in: the files become a checkpoint. */
static int seal(tm_coordinator_t *c)
{
    int err = tm_coordinator_blobs(c, false);
    if (err == 0) err = tm_checkpoint_commit(c->store, tm_clock_real_ns());
    if (err < 0) return fail(c, err);
    seen_all(c);
    pages_end(c, true);
    atomic_store_explicit(&c->commit_id, c->id, memory_order_release); /* K6 */
    c->phase = PHASE_COMMIT;
    return 0;
}

static int64_t gather(tm_coordinator_t *c, int64_t now_ns)
{
    if (all_ended(c->workers, c->topo->worker_cnt) && acked(&c->workers[0]) != c->id) {
        give_up(c); /* the input ended before any barrier was sent: the last one follows */
        return 1;
    }
    int64_t work = workers_take(c);
    if (work == -ECANCELED) {
        tm_counter_add(c->deferred, 1);
        if (is_stop(c)) atomic_store_explicit(&c->stop_id, 0, memory_order_relaxed); /* again */
        give_up(c);
        return 1;
    }
    if (work < 0) return fail(c, (int)work);
    bool written = true;
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++) written &= c->steps[w] == STEP_WRITTEN;
    if (written && ingests_done(c) && journals_durable(c) &&
        atomic_load_explicit(&c->prepared_id, memory_order_acquire) == c->id) /* K5 */
        return seal(c);
    if (now_ns - c->started_ns > c->topo->job->opts.checkpoint.timeout_ns)
        return fail(c, tm_error_set(-ETIMEDOUT, "not complete within its timeout"));
    return work;
}

/* Journals are needed from the oldest checkpoint on that is kept: a restart goes back to it where
   the newer ones turn out damaged. Those of an earlier run count until as many of this one have
   taken their places. */
static void journals_keep(tm_coordinator_t *c)
{
    const uint32_t retain = c->topo->job->opts.checkpoint.retain;
    const uint32_t newest = (uint32_t)(c->kept_cnt++ % retain);
    const uint32_t oldest = (uint32_t)(c->kept_cnt % retain);
    for (uint32_t i = 0; i < c->topo->ingest_cnt; i++) {
        if (!c->journals[i]) continue;
        c->kept_seqs[i][newest] = journal_seq(tm_coordinator_state(c, &c->ingests[i]));
        if (c->kept_cnt >= retain) tm_journal_keep_from(c->journals[i], c->kept_seqs[i][oldest]);
    }
}

static void committed(tm_coordinator_t *c, int64_t now_ns)
{
    c->phase = PHASE_IDLE;
    c->failures = 0;
    c->done_ns = now_ns;
    journals_keep(c);
    tm_coordinator_measure(c, now_ns);
    if (is_stop(c)) halt(c);
}

/* ---- the last one ---------------------------------------------------------------------------- */

static int finish_begin(tm_coordinator_t *c, int64_t now_ns)
{
    c->id++;
    c->started_ns = now_ns;
    c->pages = 0;
    TM_TRY(tm_checkpoint_begin(c->store, c->id));
    c->phase = PHASE_FINISH;
    atomic_store_explicit(&c->final_id, c->id, memory_order_release); /* K6 */
    return 0;
}

static int finish(tm_coordinator_t *c)
{
    if (atomic_load_explicit(&c->prepared_id, memory_order_acquire) != c->id) return 0; /* K5 */
    TM_TRY(tm_coordinator_blobs(c, true));
    TM_TRY(tm_checkpoint_commit(c->store, tm_clock_real_ns()));
    atomic_store_explicit(&c->commit_id, c->id, memory_order_release); /* K6 */
    c->phase = PHASE_FINISHED;
    tm_coordinator_measure(c, tm_clock_mono_ns());
    return 1;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static bool is_due(const tm_coordinator_t *c, int64_t now_ns)
{
    const tm_checkpoint_options_t *o = &c->topo->job->opts.checkpoint;
    if (atomic_load_explicit(&c->stopping, memory_order_relaxed))            /* steers only */
        return atomic_load_explicit(&c->stop_id, memory_order_relaxed) == 0; /* own value */
    return now_ns - c->started_ns >= o->interval_ns && now_ns - c->done_ns >= o->pause_ns;
}

/* Between checkpoints: a piece of tidying up, or the next one. Files are merged first, or those of
   checkpoints that follow each other at once would grow in number without end; not so before the
   one that the job ends with. */
static int64_t idle_work(tm_coordinator_t *c, int64_t now_ns)
{
    if (all_ended(c->ingests, c->topo->ingest_cnt)) {
        if (!all_ended(c->workers, c->topo->worker_cnt)) return 0;
        return finish_begin(c, now_ns);
    }
    if (!atomic_load_explicit(&c->stopping, memory_order_relaxed)) { /* steers only */
        int merged = tm_checkpoint_compact(c->store);
        if (merged != 0) return merged;
    }
    if (!is_due(c, now_ns)) return 0;
    TM_TRY(trigger(c, now_ns));
    return 1;
}

static int64_t round_run(tm_coordinator_t *c, int64_t now_ns)
{
    pages_late(c);
    switch (c->phase) {
    case PHASE_IDLE:
        return idle_work(c, now_ns);
    case PHASE_GATHER:
        return gather(c, now_ns);
    case PHASE_COMMIT:
        if (atomic_load_explicit(&c->committed_id, memory_order_acquire) != c->id)
            return 0; /* K7 */
        committed(c, now_ns);
        return 1;
    case PHASE_FINISH:
        return finish(c);
    case PHASE_FINISHED:
        break;
    }
    return 0;
}

int tm_coordinator_body(void *arg)
{
    tm_coordinator_t *c = arg;
    const struct timespec nap = {0, NAP_NS};
    TM_TRY(tm_thread_pin(&c->thread));
    tm_thread_is_running(&c->thread);
    c->started_ns = c->done_ns = tm_clock_mono_ns();
    while (c->phase != PHASE_FINISHED && !tm_coordinator_halted(c)) {
        int64_t now_ns = tm_clock_mono_ns();
        int64_t work = round_run(c, now_ns);
        if (work < 0) return (int)work;
        tm_thread_cycle(&c->thread, now_ns, work == 0);
        if (work > 0) continue;
        if (atomic_load_explicit(c->abort, memory_order_acquire)) break; /* A1 */
        nanosleep(&nap, NULL);
    }
    if (c->phase == PHASE_GATHER) give_up(c);
    return 0;
}
