/* The coordinator, with the threads around it played by the test. */
#include "engine/job/graph.h"
#include "engine/runtime/checkpoint/coordinator.h"
#include "state/journal/journal_dir.h"
#include "tests/state/journal_make.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORKERS = 2, PAGES = 64, SPARES = 16, ROUNDS = 5, NAPS_MAX = 50000, NAP_NS = 100 * 1000 };

typedef struct rig {
    char dir[256];
    tm_job_t job;
    tm_topology_t topo;
    tm_symbols_t *symbols;
    _Atomic bool abort;
    tm_coordinator_t *c;
    tm_page_arena_t arenas[WORKERS];
    void *mem[2 * WORKERS];
    uint64_t id;
} rig_t;

static void rig_open(rig_t *rig)
{
    *rig = (rig_t){0};
    rig->topo = (tm_topology_t){.job = &rig->job,
                                .plan.job = &rig->job,
                                .snapshot = {.name = "snapshot", .cpu_idx = TM_CPU_ANY},
                                .ingest_cnt = 1,
                                .worker_cnt = WORKERS};
    rig->job.opts.checkpoint = (tm_checkpoint_options_t){
        .interval_ns = TM_NS_PER_MS, .timeout_ns = 600 * TM_NS_PER_S, .retain = 2};
    tm_make_dir(rig->dir, "coordinator");
    const tm_checkpoint_cfg_t store = {.dir = rig->dir};
    tm_coordinator_cfg_t cfg = {.topo = &rig->topo, .abort = &rig->abort};
    tm_assert_eq(tm_symbols_open(&rig->symbols), 0);
    cfg.symbols = rig->symbols;
    tm_assert_eq(tm_checkpoint_store_open(&cfg.store, &store), 0);
    tm_assert_eq(tm_coordinator_open(&rig->c, &cfg), 0);
    for (uint32_t w = 0; w < WORKERS; w++) {
        tm_checkpoint_slot_t *slot = tm_coordinator_worker(rig->c, w);
        rig->mem[2 * w] = pages_bed_open(&rig->arenas[w], PAGES);
        size_t sz = tm_page_track_footprint(&rig->arenas[w], SPARES);
        rig->mem[2 * w + 1] = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sz, TM_FALSE_SHARE));
        tm_assert(rig->mem[2 * w + 1] != NULL);
        slot->track = tm_page_track_init(rig->mem[2 * w + 1], &rig->arenas[w], SPARES);
        slot->page_cnt = tm_page_arena_total(&rig->arenas[w]);
    }
}

static void rig_start(rig_t *rig)
{
    tm_assert_eq(tm_thread_start(tm_coordinator_thread(rig->c)), 0);
}

static void rig_close(rig_t *rig)
{
    atomic_store_explicit(&rig->abort, true, memory_order_release);
    tm_thread_join(tm_coordinator_thread(rig->c));
    tm_coordinator_close(rig->c);
    for (uint32_t i = 0; i < 2 * WORKERS; i++) free(rig->mem[i]);
    tm_symbols_close(rig->symbols);
    tm_make_dir_remove(rig->dir);
}

/* Waits for the next checkpoint. */
static bool triggered(rig_t *rig)
{
    const struct timespec nap = {0, NAP_NS};
    for (uint32_t i = 0; i < NAPS_MAX; i++) {
        bool last;
        uint64_t id = tm_coordinator_triggered(rig->c, &last);
        if (id > rig->id && !tm_coordinator_gave_up(rig->c, id)) {
            rig->id = id;
            return true;
        }
        nanosleep(&nap, NULL);
    }
    return false;
}

/* The last snapshot of a worker has to end at some time, or no other can follow. */
static bool flip(tm_page_track_t *track)
{
    const struct timespec nap = {0, NAP_NS};
    for (uint32_t i = 0; i < NAPS_MAX; i++) {
        while (tm_page_track_work(track) > 0) {
        }
        if (tm_page_track_flip(track) == 0) return true;
        nanosleep(&nap, NULL);
    }
    return false;
}

/* Worker 0 runs out of copies, which gives the checkpoint up before worker 1 is looked at: that
   one has flipped all the same. */
static void give_up(rig_t *rig)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        for (uint32_t page = 1; page < PAGES; page++) tm_page_touch(&rig->arenas[w], page);
        tm_assert(flip(tm_coordinator_worker(rig->c, w)->track));
    }
    for (uint32_t page = 1; page < PAGES; page++) tm_page_touch(&rig->arenas[0], page);
    tm_checkpoint_ack(tm_coordinator_worker(rig->c, 1), rig->id);
    tm_checkpoint_ack(tm_coordinator_worker(rig->c, 0), rig->id);
}

Test(coordinator, a_checkpoint_given_up_hands_the_pages_of_every_worker_back)
{
    rig_t rig;
    rig_open(&rig);
    rig_start(&rig);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        tm_assert(triggered(&rig));
        give_up(&rig);
    }
    rig_close(&rig);
}

Test(coordinator, a_journal_is_known_up_to_a_barrier_until_a_newer_one_is_due)
{
    rig_t rig;
    uint64_t seq;
    rig_open(&rig);
    rig_start(&rig);
    tm_checkpoint_slot_t *slot = tm_coordinator_ingest(rig.c, 0);
    tm_assert(triggered(&rig));
    const uint64_t id = rig.id;
    tm_assert(!tm_coordinator_journal_seq(rig.c, 0, id, &seq)); /* not acknowledged */
    atomic_store_explicit(&slot->at_barrier.journal_seq, 7, memory_order_release);
    tm_checkpoint_ack(slot, id);
    tm_assert(tm_coordinator_journal_seq(rig.c, 0, id, &seq));
    tm_assert_eq(seq, UINT64_C(7));
    give_up(&rig);
    tm_assert(triggered(&rig));
    tm_assert(!tm_coordinator_journal_seq(rig.c, 0, id, &seq)); /* may be another's by now */
    tm_assert(!tm_coordinator_journal_seq(rig.c, 0, rig.id, &seq));
    atomic_store_explicit(&slot->at_end.journal_seq, 9, memory_order_release);
    tm_checkpoint_end(slot);
    tm_assert(tm_coordinator_journal_seq(rig.c, 0, rig.id, &seq));
    tm_assert_eq(seq, UINT64_C(9));
    rig_close(&rig);
}

/* A checkpoint from trigger to commit, with the journal read up to `seq`. */
static void complete(rig_t *rig, uint64_t seq)
{
    const struct timespec nap = {0, NAP_NS};
    tm_checkpoint_slot_t *ingest = tm_coordinator_ingest(rig->c, 0);
    tm_assert(triggered(rig));
    atomic_store_explicit(&ingest->at_barrier.journal_seq, seq, memory_order_release);
    tm_checkpoint_ack(ingest, rig->id);
    for (uint32_t w = 0; w < WORKERS; w++) {
        tm_assert(flip(tm_coordinator_worker(rig->c, w)->track));
        tm_checkpoint_ack(tm_coordinator_worker(rig->c, w), rig->id);
    }
    tm_coordinator_prepared(rig->c, rig->id);
    for (uint32_t i = 0; i < NAPS_MAX && tm_coordinator_commit(rig->c) != rig->id; i++)
        nanosleep(&nap, NULL);
    tm_assert_eq(tm_coordinator_commit(rig->c), rig->id);
    tm_coordinator_committed(rig->c, rig->id);
}

/* The first record that a journal still has, once it may remove whatever nobody needs. */
static uint64_t journal_first(tm_journal_writer_t *w, const char *dir, uint64_t *next)
{
    static const tm_make_t make = {.seed = 4711, .payload_sz_max = 2000};
    tm_journal_list_t list;
    tm_make_append(w, &make, *next, *next + 500);
    *next += 500;
    tm_assert_eq(tm_journal_sync(w), 0);
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    const uint64_t first = list.files[0].first_seq;
    tm_journal_list_free(&list);
    return first;
}

Test(coordinator, a_journal_is_kept_from_the_oldest_checkpoint_that_can_be_restored)
{
    rig_t rig;
    char dir[256];
    tm_journal_writer_t *w;
    uint64_t next = 0;
    rig_open(&rig);
    tm_make_dir(dir, "keep");
    const tm_journal_writer_cfg_t cfg = {.dir = dir,
                                         .buffer_sz = 64 << 10,
                                         .roll_sz = 64 << 10,
                                         .retain_sz = 64 << 10,
                                         .keep_for_checkpoints = true};
    tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
    tm_coordinator_record(rig.c, 0, w);
    tm_assert_eq(journal_first(w, dir, &next), UINT64_C(0));
    rig_start(&rig);
    complete(&rig, 200);
    tm_assert(triggered(&rig)); /* the one before is over and done with */
    tm_assert_eq(journal_first(w, dir, &next), UINT64_C(0)); /* another run's may be the second */
    give_up(&rig);
    complete(&rig, 600);
    complete(&rig, 1000);
    tm_assert(triggered(&rig));
    uint64_t first = journal_first(w, dir, &next);
    tm_assert(first > 200 && first <= 600);
    give_up(&rig);
    complete(&rig, 1400);
    tm_assert(triggered(&rig));
    first = journal_first(w, dir, &next);
    tm_assert(first > 600 && first <= 1000);
    rig_close(&rig);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_make_dir_remove(dir);
}
