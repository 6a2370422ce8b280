/* The coordinator, with the threads around it played by the test. */
#include "engine/job/graph.h"
#include "engine/runtime/coordinator.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 2, PAGES = 64, SPARES = 16, ROUNDS = 5, NAPS_MAX = 50000, NAP_NS = 100 * 1000 };

typedef struct rig {
    char dir[64];
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
    *rig = (rig_t){.dir = "/tmp/tm-coordinator-XXXXXX"};
    rig->topo = (tm_topology_t){.job = &rig->job,
                                .snapshot = {.name = "snapshot", .cpu_idx = TM_CPU_ANY},
                                .ingest_cnt = 1,
                                .worker_cnt = WORKERS};
    rig->job.opts.checkpoint = (tm_checkpoint_options_t){
        .interval_ns = TM_NS_PER_MS, .timeout_ns = 600 * TM_NS_PER_S, .retain = 2};
    tm_assert(mkdtemp(rig->dir) != NULL);
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
    tm_assert_eq(tm_thread_start(tm_coordinator_thread(rig->c)), 0);
}

static void rig_close(rig_t *rig)
{
    char path[96];
    atomic_store_explicit(&rig->abort, true, memory_order_release);
    tm_thread_join(tm_coordinator_thread(rig->c));
    tm_coordinator_close(rig->c);
    for (uint32_t i = 0; i < 2 * WORKERS; i++) free(rig->mem[i]);
    tm_symbols_close(rig->symbols);
    snprintf(path, sizeof path, "%s/.lock", rig->dir);
    tm_assert_eq(unlink(path), 0);
    tm_assert_eq(rmdir(rig->dir), 0);
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
Test(coordinator, a_checkpoint_given_up_hands_the_pages_of_every_worker_back)
{
    rig_t rig;
    rig_open(&rig);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        tm_assert(triggered(&rig));
        for (uint32_t w = 0; w < WORKERS; w++) {
            for (uint32_t page = 1; page < PAGES; page++) tm_page_touch(&rig.arenas[w], page);
            tm_assert(flip(tm_coordinator_worker(rig.c, w)->track));
        }
        for (uint32_t page = 1; page < PAGES; page++) tm_page_touch(&rig.arenas[0], page);
        tm_checkpoint_ack(tm_coordinator_worker(rig.c, 1), rig.id);
        tm_checkpoint_ack(tm_coordinator_worker(rig.c, 0), rig.id);
    }
    rig_close(&rig);
}
