#include "engine/runtime/checkpoint/restore.h"

#include "base/log.h"
#include "engine/runtime/checkpoint/rescale.h"
#include "state/checkpoint/savepoint.h"
#include "state/part/part_recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The folder of results is a blob of its own: a savepoint may be gone on from with another one. */
static void out_hide(char *text, const char *out_dir)
{
    char folder[TM_CHECKPOINT_PATH_MAX];
    snprintf(folder, sizeof folder, "  %s/", out_dir);
    const size_t sz = strlen(folder);
    for (char *at = text; (at = strstr(at, folder)) != NULL; at++)
        memmove(at + 2, at + sz - 1, strlen(at + sz - 1) + 1);
}

void tm_restore_workers(const tm_topology_t *topo, char out[64])
{
    snprintf(out, 64, "%u workers of %llu MiB", topo->worker_cnt,
             (unsigned long long)(topo->job->opts.state_memory_sz >> 20));
}

char *tm_restore_graph(const tm_topology_t *topo)
{
    char *text = NULL;
    size_t sz;
    FILE *f = open_memstream(&text, &sz);
    if (!f) return NULL;
    tm_plan_print(&topo->plan, f);
    fprintf(f, "threads: %u ingest\n", topo->ingest_cnt);
    if (fclose(f) != 0) return NULL;
    if (topo->job->opts.out_dir) out_hide(text, topo->job->opts.out_dir);
    return text;
}

/* ---- folders --------------------------------------------------------------------------------- */

static void on_damage(void *ctx, const char *text)
{
    (void)ctx;
    TM_LOG_W("engine", "checkpoint passed over: %s", text);
}

static int store_open(tm_checkpoint_store_t **out, const char *dir, const tm_options_t *o,
                      bool only_read)
{
    const tm_checkpoint_cfg_t cfg = {.dir = dir,
                                     .retain = o->checkpoint.retain,
                                     .codec = TM_PARQUET_CODEC_LZ4_RAW,
                                     .only_read = only_read,
                                     .on_damage = on_damage};
    return tm_checkpoint_store_open(out, &cfg);
}

/* Sinks have committed what the newest checkpoint holds. From an older one on sources are read
   again: rows of finished parts would come twice, and those of parts that go on over checkpoints
   would be cut off although their source may not send them again. */
static int age_check(const tm_restore_t *restore, const tm_options_t *o)
{
    const unsigned long long id = restore->id, newest = tm_checkpoint_id_max(restore->store);
    if (!restore->manifest || id >= newest) return 0;
    if (restore->other)
        return tm_error_set(TM_E_CONFIG,
                            "--restore %s: its checkpoint %llu is older than %llu in --checkpoints "
                            "%s, and the results in between stand already: leave --restore out to "
                            "go on from there, or give --checkpoints and --out that are empty",
                            o->checkpoint.restore, id, newest, o->checkpoint.dir);
    TM_LOG_W("engine",
             "checkpoint %llu cannot be used, and results behind %llu may stand already: part "
             "files where they do refuse to go on, other sinks get them twice",
             newest, id);
    return 0;
}

static int other_open(tm_restore_t *restore, const tm_options_t *o)
{
    const char *from = o->checkpoint.restore;
    int err = store_open(&restore->other, from, o, true);
    if (err < 0) return tm_error_context(err, "--restore");
    restore->manifest = tm_checkpoint_manifest(restore->other);
    if (!restore->manifest)
        return tm_error_set(TM_E_MISSING, "--restore %s: there is no checkpoint in it", from);
    const uint64_t id_max = tm_checkpoint_id_max(restore->other);
    if (id_max > restore->last_id) restore->last_id = id_max;
    return 0;
}

int tm_restore_open(tm_restore_t *restore, const tm_topology_t *topo, uint64_t own_from)
{
    const tm_options_t *o = &topo->job->opts;
    const char *from = o->checkpoint.restore;
    *restore = (tm_restore_t){0};
    if (!o->checkpoint.dir) return 0;
    int err = store_open(&restore->store, o->checkpoint.dir, o, false);
    if (err < 0) return tm_error_context(err, "--checkpoints");
    restore->last_id = tm_checkpoint_id_max(restore->store);
    restore->manifest = tm_checkpoint_manifest(restore->store);
    tm_manifest_entry_t mark;
    if (restore->manifest &&
        tm_manifest_find(restore->manifest, TM_CHECKPOINT_BLOB, TM_BLOB_SAVEPOINT, &mark))
        return tm_error_set(TM_E_CONFIG,
                            "--checkpoints %s: that is a savepoint, which stays as it is: give it "
                            "to --restore, and --checkpoints another folder",
                            o->checkpoint.dir);
    if (restore->manifest && restore->manifest->head.id > own_from) from = NULL;
    if ((!from || strcmp(from, "latest") == 0) && !restore->manifest && restore->last_id > 0)
        return tm_error_set(TM_E_CONFIG,
                            "--checkpoints %s: no checkpoint in it can be used; --restore none "
                            "begins anew, beside the results that stand already",
                            o->checkpoint.dir);
    if (from && strcmp(from, "none") == 0)
        restore->manifest = NULL;
    else if (from && strcmp(from, "latest") != 0)
        TM_TRY(other_open(restore, o));
    if (restore->other || !restore->manifest) tm_checkpoint_detach(restore->store);
    if (restore->manifest) restore->id = restore->manifest->head.id;
    return age_check(restore, o);
}

void tm_restore_close(tm_restore_t *restore, bool keep)
{
    if (restore->store && !keep) tm_checkpoint_store_close(restore->store);
    if (restore->other) tm_checkpoint_store_close(restore->other);
    tm_graph_match_free(&restore->match);
    tm_state_schema_free(&restore->was);
    *restore = (tm_restore_t){0};
}

/* ---- what is in a checkpoint ----------------------------------------------------------------- */

static int blob_get(const tm_restore_t *r, const char *name, const void **bytes, size_t *sz)
{
    tm_manifest_entry_t entry;
    if (!tm_manifest_find(r->manifest, TM_CHECKPOINT_BLOB, name, &entry))
        return tm_error_set(TM_E_CORRUPT, "checkpoint %llu has no %s", (unsigned long long)r->id,
                            name);
    *bytes = entry.data;
    *sz = (size_t)entry.head.data_sz;
    return 0;
}

int tm_restore_blob(const tm_restore_t *restore, const char *kind, uint32_t idx, const void **bytes,
                    size_t *sz)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%u", kind, idx);
    return blob_get(restore, name, bytes, sz);
}

int tm_restore_pages(tm_restore_t *restore, uint32_t worker, void *base, uint32_t page_cnt)
{
    return tm_checkpoint_load(restore->other ? restore->other : restore->store, worker, base,
                              page_cnt);
}

/* Finds the state of the checkpoint in the job: as it is, or by ids where anything has changed. */
static int job_match(tm_restore_t *r, const tm_topology_t *topo, const char *schema,
                     const char *graph)
{
    const void *text = "", *plan = "";
    size_t sz = 0, plan_sz = 0;
    tm_graph_match_same(&r->match);
    TM_TRY(blob_get(r, TM_BLOB_GRAPH, &plan, &plan_sz));
    TM_TRY(blob_get(r, TM_BLOB_SCHEMA, &text, &sz));
    if (sz == strlen(schema) && memcmp(text, schema, sz) == 0 && plan_sz == strlen(graph) &&
        memcmp(plan, graph, plan_sz) == 0)
        return 0;
    tm_state_schema_t is = {0};
    int err = tm_state_schema_parse(&r->was, text, sz);
    if (err == 0) err = tm_state_schema_parse(&is, schema, strlen(schema));
    if (err == 0)
        err = tm_graph_match(&r->match, &r->was, &is, topo->job->opts.checkpoint.allow_dropped);
    tm_state_schema_free(&is);
    for (uint32_t i = 0; err == 0 && i < r->match.dropped_cnt; i++)
        TM_LOG_W("engine", "the job has no %s any more: its state in the checkpoint is dropped",
                 r->match.dropped[i]->id);
    if (err == 0) return 0;
    return tm_error_context(err, "checkpoint %llu does not fit the job", (unsigned long long)r->id);
}

/* Whether the state has to be dealt out anew, and can be. */
static int workers_compare(tm_restore_t *r, const tm_topology_t *topo)
{
    char is[64], was[64];
    const void *bytes = NULL;
    size_t sz = 0;
    TM_TRY(blob_get(r, TM_BLOB_WORKERS, &bytes, &sz));
    tm_restore_workers(topo, is);
    snprintf(was, sizeof was, "%.*s", (int)sz, (const char *)bytes);
    r->worker_cnt = (uint32_t)strtoul(was, NULL, 10);
    const bool others = strcmp(is, was) != 0;
    r->rescale = others || r->match.moves;
    if (r->worker_cnt == 0 || r->worker_cnt > TM_TOPOLOGY_WORKER_MAX)
        return tm_error_set(TM_E_CORRUPT, "checkpoint %llu is of '%s'", (unsigned long long)r->id,
                            was);
    int err = others ? tm_rescale_check(topo, was) : 0;
    return err < 0 ? tm_error_context(err, "checkpoint %llu", (unsigned long long)r->id) : 0;
}

/* Results of a checkpoint may still be hidden in the folder that it was taken with. Those of a
   savepoint have been seen to by the job that went on, or ended, behind it. */
static int out_compare(const tm_restore_t *r, const char *is)
{
    tm_manifest_entry_t was, mark;
    if (tm_manifest_find(r->manifest, TM_CHECKPOINT_BLOB, TM_BLOB_SAVEPOINT, &mark)) return 0;
    if (!tm_manifest_find(r->manifest, TM_CHECKPOINT_BLOB, TM_BLOB_OUT, &was)) return 0;
    if (was.head.data_sz == strlen(is) && memcmp(was.data, is, strlen(is)) == 0) return 0;
    return tm_error_set(TM_E_CONFIG,
                        "checkpoint %llu has results in --out %.*s, not in %s: start with that "
                        "folder, or from a savepoint",
                        (unsigned long long)r->id, (int)was.head.data_sz, (const char *)was.data,
                        is);
}

static int symbols_take(const tm_restore_t *r, tm_symbols_t *symbols)
{
    const void *bytes = NULL;
    size_t sz = 0;
    TM_TRY(blob_get(r, TM_BLOB_SYMBOLS, &bytes, &sz));
    const uint8_t *at = bytes, *end = at + sz;
    for (uint32_t i = 0; at < end; i++) {
        size_t name_sz = *at++;
        if (name_sz > (size_t)(end - at) ||
            tm_symbols_intern(symbols, (const char *)at, name_sz) != i)
            return tm_error_set(TM_E_CORRUPT, "checkpoint %llu: symbol %u is not what it should be",
                                (unsigned long long)r->id, i);
        at += name_sz;
    }
    return 0;
}

int tm_restore_begin(tm_restore_t *restore, const tm_topology_t *topo, tm_symbols_t *symbols)
{
    tm_manifest_entry_t entry;
    if (!restore->manifest) return 0;
    char *graph = tm_restore_graph(topo), *schema = tm_state_schema_text(topo);
    int err = graph && schema ? job_match(restore, topo, schema, graph)
                              : tm_error_set(-ENOMEM, "restore: out of memory");
    free(graph);
    free(schema);
    if (err == 0) err = out_compare(restore, topo->job->opts.out_dir);
    if (err == 0) err = symbols_take(restore, symbols);
    restore->finished = tm_manifest_find(restore->manifest, TM_CHECKPOINT_BLOB, TM_BLOB_FINISHED,
                                         &entry);
    if (err == 0 && !restore->finished) err = workers_compare(restore, topo);
    if (err == 0)
        TM_LOG_I("engine", "restored from checkpoint %llu%s", (unsigned long long)restore->id,
                 restore->finished ? ", behind which nothing is left to do" : "");
    return err;
}

int tm_restore_left(const tm_restore_t *restore, const char *out_dir)
{
    for (uint32_t i = 0; i < restore->match.dropped_cnt; i++) {
        const tm_schema_operator_t *op = restore->match.dropped[i];
        char dir[TM_PART_PATH_MAX];
        tm_part_done_t done;
        if (strcmp(op->kind, "sink_parts") != 0 || op->line_cnt == 0) continue;
        const char *folder = op->lines[0] + strlen("  folder ");
        if (strncmp(op->lines[0], "  folder ", strlen("  folder ")) != 0)
            return tm_error_set(TM_E_CORRUPT, "%s: '%s'", op->id, op->lines[0]);
        snprintf(dir, sizeof dir, "%s%s%s", out_dir, *folder ? "/" : "", folder);
        TM_TRY(tm_part_recover_left(dir, restore->id, &done));
        if (done.part_cnt > 0)
            TM_LOG_I("engine", "%s: %llu parts of checkpoint %llu are finished", op->id,
                     (unsigned long long)done.part_cnt, (unsigned long long)restore->id);
    }
    return 0;
}
