#include "engine/runtime/checkpoint/rescale.h"

#include "base/arena.h"
#include "base/log.h"

#include <string.h>

int tm_rescale_check(const tm_topology_t *topo, const char *was)
{
    char is[64];
    const tm_plan_t *plan = &topo->plan;
    tm_restore_workers(topo, is);
    for (uint32_t i = 0; i < plan->job->node_cnt; i++) {
        const struct tm_stream *node = &plan->job->nodes[i];
        if (!plan->nodes[i].runs || plan->nodes[i].place != TM_AT_WORKER) continue;
        if (node->ops->role != TM_ROLE_OPERATOR || node->ops->moves) continue;
        return tm_error_set(TM_E_CONFIG,
                            "it was taken with %s, now there are %s, and %s %s cannot hand its "
                            "state over: start with as many workers and the same --state-memory, "
                            "or with --restore none",
                            was, is, node->ops->kind, node->name);
    }
    return 0;
}

static int old_move(tm_task_t *const *tasks, uint32_t task_cnt, uint32_t old_idx,
                    tm_restore_t *restore)
{
    const void *bytes;
    size_t sz;
    tm_page_roots_t roots;
    tm_page_arena_t pages;
    tm_arena_t arena;
    TM_TRY(tm_restore_blob(restore, TM_BLOB_WORKER, old_idx, &bytes, &sz));
    TM_TRY(tm_task_old_pages(bytes, sz, &roots));
    const size_t pages_sz = tm_page_arena_footprint(roots.page_cnt);
    if (pages_sz == 0) return tm_error_set(TM_E_CORRUPT, "worker %u has no pages", old_idx);
    TM_TRY(tm_arena_open(&arena, pages_sz + (2 << 20)));
    tm_page_arena_init(&pages, tm_arena_alloc(&arena, pages_sz, 2 << 20), roots.page_cnt);
    int err = tm_restore_pages(restore, old_idx, pages.base, tm_page_arena_total(&pages));
    if (err == 0 && !tm_page_arena_restore(&pages, &roots))
        err = tm_error_set(TM_E_CORRUPT, "the pages of worker %u are not what they were", old_idx);
    const tm_task_old_t old = {.bytes = bytes,
                               .sz = sz,
                               .pages = &pages,
                               .worker_cnt = restore->worker_cnt,
                               .idx = old_idx,
                               .match = &restore->match};
    if (err == 0) err = tm_task_move(tasks, task_cnt, &old);
    tm_arena_close(&arena);
    return err;
}

int tm_rescale(tm_worker_t *const *workers, uint32_t worker_cnt, tm_restore_t *restore)
{
    tm_task_t *tasks[TM_TOPOLOGY_WORKER_MAX];
    for (uint32_t w = 0; w < worker_cnt; w++) tasks[w] = tm_worker_task_open(workers[w]);
    for (uint32_t old = 0; old < restore->worker_cnt; old++)
        TM_TRY(old_move(tasks, worker_cnt, old, restore));
    if (tm_restore_is_own(restore)) tm_checkpoint_detach(restore->store);
    for (uint32_t w = 0; w < worker_cnt; w++) TM_TRY(tm_task_track(tasks[w], true));
    TM_LOG_I("engine", "the state of %u workers is on %u now", restore->worker_cnt, worker_cnt);
    return 0;
}
