/* The life of a coordinator, and what goes into a checkpoint beside pages. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/runtime/checkpoint/coordinator_state.h"
#include "engine/runtime/checkpoint/restore.h"
#include "engine/runtime/checkpoint/state_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names and their numbers: rows and state hold numbers. */
static int symbols_put(tm_coordinator_t *c)
{
    uint32_t cnt = tm_symbols_cnt(c->symbols);
    tm_buffer_clear(&c->text);
    for (uint32_t i = 0; i < cnt; i++) {
        size_t sz;
        const char *name = tm_symbols_name(c->symbols, i, &sz);
        const uint8_t head = (uint8_t)sz;
        TM_TRY(tm_buffer_append(&c->text, &head, sizeof head));
        TM_TRY(tm_buffer_append(&c->text, name, sz));
    }
    return tm_checkpoint_blob(c->store, TM_BLOB_SYMBOLS, c->text.data, c->text.sz);
}

static int slots_put(tm_coordinator_t *c, const char *kind, const tm_checkpoint_slot_t *slots,
                     uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%u", kind, i);
        const tm_buffer_t *blob = &tm_coordinator_state(c, &slots[i])->blob;
        TM_TRY(tm_checkpoint_blob(c->store, name, blob->data, blob->sz));
    }
    return 0;
}

/* A text from the heap, which is freed. */
static int text_put(tm_coordinator_t *c, const char *name, char *text)
{
    if (!text) return tm_error_set(-ENOMEM, "checkpoint: out of memory");
    int err = tm_checkpoint_blob(c->store, name, text, strlen(text));
    free(text);
    return err;
}

int tm_coordinator_blobs(tm_coordinator_t *c, bool finished)
{
    char workers[64];
    int err = text_put(c, TM_BLOB_GRAPH, tm_restore_graph(c->topo));
    if (err == 0) err = text_put(c, TM_BLOB_SCHEMA, tm_state_schema_text(c->topo));
    const char *out = c->topo->job->opts.out_dir ? c->topo->job->opts.out_dir : "";
    if (err == 0) err = tm_checkpoint_blob(c->store, TM_BLOB_OUT, out, strlen(out));
    tm_restore_workers(c->topo, workers);
    if (err == 0) err = tm_checkpoint_blob(c->store, TM_BLOB_WORKERS, workers, strlen(workers));
    if (err == 0) err = symbols_put(c);
    if (err == 0 && finished) err = tm_checkpoint_blob(c->store, TM_BLOB_FINISHED, "1", 1);
    if (err < 0 || finished) return err;
    TM_TRY(slots_put(c, TM_BLOB_INGEST, c->ingests, c->topo->ingest_cnt));
    return slots_put(c, TM_BLOB_WORKER, c->workers, c->topo->worker_cnt);
}

void tm_coordinator_measure(tm_coordinator_t *c, int64_t now_ns)
{
    const tm_checkpoint_counts_t counts = tm_checkpoint_counts(c->store);
    int64_t align_ns = 0, pause_ns = 0;
    for (uint32_t w = 0; w < c->topo->worker_cnt; w++) {
        const tm_checkpoint_slot_t *slot = &c->workers[w];
        align_ns = slot->align_ns > align_ns ? slot->align_ns : align_ns;
        pause_ns = slot->pause_ns > pause_ns ? slot->pause_ns : pause_ns;
    }
    tm_counter_add(c->taken, 1);
    tm_counter_put(c->last, c->id);
    tm_counter_put(c->sz, counts.page_bytes - c->bytes_before);
    c->bytes_before = counts.page_bytes;
    tm_counter_add(c->page_cnt, c->pages);
    tm_counter_put(c->ns, (uint64_t)(now_ns - c->started_ns));
    tm_counter_max(c->align_max, (uint64_t)align_ns);
    tm_counter_max(c->pause_max, (uint64_t)pause_ns);
    TM_LOG_D("engine", "checkpoint %llu: %llu pages in %.1f ms, aligned in %.1f us, paused %.1f us",
             (unsigned long long)c->id, (unsigned long long)c->pages,
             (double)(now_ns - c->started_ns) / 1e6, (double)align_ns / 1e3,
             (double)pause_ns / 1e3);
}

int tm_coordinator_open(tm_coordinator_t **out, const tm_coordinator_cfg_t *cfg)
{
    tm_coordinator_t *c = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *c, TM_FALSE_SHARE));
    if (!c) {
        tm_checkpoint_store_close(cfg->store);
        return tm_error_set(-ENOMEM, "checkpoints: out of memory");
    }
    memset(c, 0, sizeof *c);
    *out = c;
    c->topo = cfg->topo;
    c->symbols = cfg->symbols;
    c->abort = cfg->abort;
    c->store = cfg->store;
    c->id = cfg->last_id;
    TM_TRY(tm_thread_init(&c->thread, &cfg->topo->snapshot, tm_coordinator_body, c));
    tm_counter_set_t *set = c->thread.counters;
    c->taken = tm_counter_get(set, "checkpoints");
    c->failed = tm_counter_get(set, "checkpoints_failed");
    c->deferred = tm_counter_get(set, "checkpoints_deferred");
    c->last = tm_counter_get(set, "checkpoint_id");
    c->sz = tm_counter_get(set, "checkpoint_bytes");
    c->page_cnt = tm_counter_get(set, "checkpoint_pages");
    c->ns = tm_counter_get(set, "checkpoint_ns");
    c->align_max = tm_counter_get(set, "checkpoint_align_max_ns");
    c->pause_max = tm_counter_get(set, "checkpoint_pause_max_ns");
    return 0;
}

void tm_coordinator_close(tm_coordinator_t *c)
{
    if (!c) return;
    tm_checkpoint_store_close(c->store);
    for (uint32_t i = 0; i < TM_TOPOLOGY_INGEST_MAX; i++) {
        tm_buffer_free(&c->ingests[i].at_barrier.blob);
        tm_buffer_free(&c->ingests[i].at_end.blob);
    }
    for (uint32_t w = 0; w < TM_TOPOLOGY_WORKER_MAX; w++)
        tm_buffer_free(&c->workers[w].at_barrier.blob);
    tm_buffer_free(&c->text);
    if (c->thread.counters) tm_thread_fini(&c->thread);
    free(c);
}
