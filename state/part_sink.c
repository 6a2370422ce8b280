#include "state/part_sink.h"

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "state/file.h"
#include "state/part_bucket.h"
#include "state/part_file.h"
#include "state/part_recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLL_AGE_S = 60, ROLL_SZ_DEFAULT = 128 << 20 };

typedef struct bucket {
    int64_t key; /* of its last row: a folder may be wider than a key, as with months */
    char name[TM_PART_BUCKET_NAME_MAX];
    uint64_t used_seq;    /* of the last slice that wrote to it */
    uint32_t slice_cnt;   /* rows of the slice at hand */
    tm_part_file_t *part; /* filling; never NULL for a bucket in use */
} bucket_t;

typedef struct part_sink {
    tm_sink_t base;
    tm_part_sink_cfg_t cfg;
    char dir[TM_PART_PATH_MAX];
    tm_schema_t schema;
    tm_row_pool_t pool;
    tm_parquet_writer_t *writer;
    tm_part_log_t log;
    tm_part_bucketer_t bucketer;
    bucket_t buckets[TM_PART_BUCKET_MAX];
    uint32_t bucket_cnt;
    uint64_t slice_seq, next_counter, sync_seen;
    int64_t now_ns;          /* of the last tick */
    tm_part_file_t *closing; /* rolled parts that no transaction has yet */
    uint8_t row_bucket[TM_PART_SLICE_MAX];
    tm_counter_t *finished, *rows, *bytes, *syncs, *errors;
} part_sink_t;

static part_sink_t *of(tm_sink_t *sink)
{
    return (part_sink_t *)sink;
}

static void count(tm_counter_t *c, uint64_t n)
{
    if (c) tm_counter_add(c, n);
}

/* Every entry point ends here: counts, and says whose error it is. */
static int leave(part_sink_t *s, int err)
{
    count(s->syncs, tm_file_sync_cnt() - s->sync_seen);
    s->sync_seen = tm_file_sync_cnt();
    if (err >= 0) return err;
    count(s->errors, 1);
    return tm_error_context(err, "part files in %s", s->dir);
}

/* Takes a bucket's part out of service: its rows go out with the next transaction. */
static void roll(part_sink_t *s, uint32_t idx)
{
    bucket_t *b = &s->buckets[idx];
    if (b->part->row_cnt == 0) { /* its first slice could not be taken */
        tm_part_file_free(b->part);
    } else {
        b->part->phase = TM_PART_CLOSING;
        b->part->next = s->closing;
        s->closing = b->part;
    }
    *b = s->buckets[--s->bucket_cnt];
}

static int add_bucket(part_sink_t *s, int64_t key, const char *bucket, uint32_t *idx)
{
    char name[TM_PART_NAME_MAX];
    tm_part_file_t *part;
    TM_TRY(tm_part_name_make(name, bucket, s->cfg.subtask_idx, s->next_counter));
    TM_TRY(
        tm_part_file_new(&part, s->dir, name, &s->pool, tm_parquet_writer_group_rows(s->writer)));
    s->next_counter++;
    part->opened_ns = s->now_ns;
    *idx = s->bucket_cnt++;
    s->buckets[*idx] = (bucket_t){.key = key, .part = part};
    snprintf(s->buckets[*idx].name, sizeof s->buckets[*idx].name, "%s", bucket);
    return 0;
}

/* The bucket of a key. -EAGAIN where this slice has taken all: it then ends before the row. */
static int find_bucket(part_sink_t *s, int64_t key, uint32_t *idx)
{
    char name[TM_PART_BUCKET_NAME_MAX];
    uint32_t oldest = 0;
    for (*idx = 0; *idx < s->bucket_cnt; ++*idx)
        if (s->buckets[*idx].key == key) return 0;
    tm_part_bucketer_name(&s->bucketer, key, name);
    for (*idx = 0; *idx < s->bucket_cnt; ++*idx) {
        bucket_t *b = &s->buckets[*idx];
        if (b->used_seq < s->buckets[oldest].used_seq) oldest = *idx;
        if (strcmp(b->name, name) != 0) continue;
        b->key = key;
        return 0;
    }
    if (s->bucket_cnt == TM_PART_BUCKET_MAX) {
        if (s->buckets[oldest].used_seq == s->slice_seq) return -EAGAIN;
        /* The last bucket moves into the freed place; this slice must not have numbered it. */
        if (s->buckets[s->bucket_cnt - 1].used_seq == s->slice_seq) return -EAGAIN;
        roll(s, oldest);
    }
    return add_bucket(s, key, name, idx);
}

/* Numbers the bucket of each row, up to a row that would need one too many. */
static int sort_slice(part_sink_t *s, const uint8_t *rows, uint32_t cnt, uint32_t *taken)
{
    int64_t last_key = 0;
    uint32_t idx = 0;
    s->slice_seq++;
    for (uint32_t i = 0; i < s->bucket_cnt; i++) s->buckets[i].slice_cnt = 0;
    for (*taken = 0; *taken < cnt; ++*taken) {
        int64_t key = tm_part_bucketer_key(&s->bucketer, rows + (size_t)*taken * s->schema.row_sz);
        if (*taken == 0 || key != last_key) {
            int err = find_bucket(s, key, &idx);
            if (err == -EAGAIN) return 0;
            if (err < 0) return err;
            s->buckets[idx].used_seq = s->slice_seq;
            last_key = key;
        }
        s->row_bucket[*taken] = (uint8_t)idx;
        s->buckets[idx].slice_cnt++;
    }
    return 0;
}

/* The part that holds most rows in memory, rolled ones included. */
static tm_part_file_t *fullest(part_sink_t *s)
{
    tm_part_file_t *best = NULL;
    for (uint32_t i = 0; i < s->bucket_cnt; i++)
        if (!best || s->buckets[i].part->group.row_cnt > best->group.row_cnt)
            best = s->buckets[i].part;
    for (tm_part_file_t *p = s->closing; p; p = p->next)
        if (!best || p->group.row_cnt > best->group.row_cnt) best = p;
    return best;
}

/* Makes sure that the whole slice fits, so that taking it cannot fail. */
static int make_room(part_sink_t *s)
{
    uint32_t need_cnt = 0;
    for (uint32_t i = 0; i < s->bucket_cnt; i++) {
        const bucket_t *b = &s->buckets[i];
        if (b->slice_cnt == 0) continue;
        if (b->slice_cnt > b->part->group.row_max - b->part->group.row_cnt)
            TM_TRY(tm_part_file_flush(b->part, s->writer, &s->log));
        need_cnt += b->slice_cnt / TM_ROW_BLOCK_CNT + 1;
    }
    while (s->pool.free_cnt < need_cnt) {
        tm_part_file_t *part = fullest(s);
        TM_CHECK(part && part->group.row_cnt > 0, "the pool is empty but no part holds rows");
        TM_TRY(tm_part_file_flush(part, s->writer, &s->log));
    }
    return 0;
}

static void take(part_sink_t *s, const uint8_t *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt;) {
        uint32_t run = i + 1;
        while (run < cnt && s->row_bucket[run] == s->row_bucket[i]) run++;
        tm_part_file_t *part = s->buckets[s->row_bucket[i]].part;
        uint32_t got = tm_row_group_append(&part->group, rows + (size_t)i * s->schema.row_sz,
                                           run - i);
        TM_CHECK(got == run - i, "%u of %u rows taken after room was made", got, run - i);
        part->row_cnt += got;
        i = run;
    }
}

static void roll_by_size(part_sink_t *s)
{
    for (uint32_t i = s->bucket_cnt; i-- > 0;) {
        const tm_part_file_t *part = s->buckets[i].part;
        if (part->begun && ((uint64_t)part->file.off >= s->cfg.roll_sz ||
                            part->file.meta.group_cnt == TM_PARQUET_GROUP_MAX))
            roll(s, i);
    }
}

/* Makes every prepared part of the transaction and of older ones visible. */
static int finish_ready(part_sink_t *s, uint64_t txn_id)
{
    tm_part_done_t done = {0};
    int err = tm_part_recover_commit(&s->log, txn_id, &done);
    count(s->finished, done.part_cnt);
    count(s->rows, (uint64_t)done.row_cnt);
    count(s->bytes, (uint64_t)done.file_sz);
    return err;
}

/* Completes the rolled parts and puts those that are complete into a transaction. An error of one
   part does not hold up the others where parts are published on their own. */
static int prepare_closing(part_sink_t *s, uint64_t txn_id)
{
    tm_part_entry_t ready[TM_PART_BUCKET_MAX];
    uint32_t ready_cnt = 0;
    int first = 0;
    char folder[TM_PART_PATH_MAX];
    for (tm_part_file_t *p = s->closing; p && ready_cnt < TM_ARRAY_CNT(ready); p = p->next) {
        int err = tm_part_file_complete(p, s->writer, &s->log, s->cfg.kv, s->cfg.kv_cnt);
        if (err == 0) { /* the hidden name itself must survive as well */
            tm_part_path_folder(folder, s->dir, p->name);
            err = tm_file_sync_dir(folder);
        }
        if (err < 0) {
            if (first == 0) first = err;
            continue;
        }
        tm_part_entry_t *e = &ready[ready_cnt++];
        *e = (tm_part_entry_t){.file_sz = p->file.off, .row_cnt = p->row_cnt};
        memcpy(e->name, p->name, sizeof e->name);
    }
    if (first < 0 && s->cfg.checkpointed) return first;
    if (ready_cnt == 0) return first;
    TM_TRY(tm_part_log_ready(&s->log, ready, ready_cnt, txn_id));
    tm_part_file_t **at = &s->closing;
    while (*at) {
        tm_part_file_t *p = *at;
        int idx = tm_part_log_find(&s->log, p->name);
        if (idx < 0 || s->log.entries[idx].state != TM_PART_READY) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        tm_part_file_free(p);
    }
    return first;
}

/* Parts that are due become visible at once where no checkpoint decides about them. What an earlier
   error held up is tried again. */
static int publish(part_sink_t *s)
{
    do {
        int prepared = prepare_closing(s, 0);
        int finished = finish_ready(s, 0);
        TM_TRY(prepared);
        TM_TRY(finished);
    } while (s->closing);
    return 0;
}

static int sink_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    part_sink_t *s = of(sink);
    const uint8_t *at = rows;
    if (s->cfg.checkpointed && s->log.entry_cnt > 0 && s->slice_seq == 0)
        return leave(s, tm_error_set(TM_E_CONFIG,
                                     "%u part files of an earlier run wait for "
                                     "recover()",
                                     s->log.entry_cnt));
    const uint32_t group_rows = tm_parquet_writer_group_rows(s->writer);
    const uint32_t slice_max = group_rows < TM_PART_SLICE_MAX ? group_rows : TM_PART_SLICE_MAX;
    while (cnt > 0) {
        uint32_t some = cnt < slice_max ? cnt : slice_max, taken = 0;
        int err = sort_slice(s, at, some, &taken);
        if (err == 0) err = make_room(s);
        if (err < 0) return leave(s, err);
        take(s, at, taken);
        at += (size_t)taken * s->schema.row_sz;
        cnt -= taken;
        roll_by_size(s);
    }
    return leave(s, s->cfg.checkpointed ? 0 : publish(s));
}

static int sink_tick(tm_sink_t *sink, int64_t real_ns)
{
    part_sink_t *s = of(sink);
    s->now_ns = real_ns;
    for (uint32_t i = s->bucket_cnt; i-- > 0;) {
        tm_part_file_t *part = s->buckets[i].part;
        if (part->opened_ns == TM_TIME_NONE) part->opened_ns = real_ns;
        if (real_ns - part->opened_ns >= s->cfg.roll_interval_ns) roll(s, i);
    }
    return leave(s, s->cfg.checkpointed ? 0 : publish(s));
}

static int sink_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    part_sink_t *s = of(sink);
    while (s->bucket_cnt > 0) roll(s, s->bucket_cnt - 1);
    int err = 0;
    while (s->closing && err == 0) err = prepare_closing(s, txn_id);
    return leave(s, err);
}

static int sink_commit(tm_sink_t *sink, uint64_t txn_id)
{
    return leave(of(sink), finish_ready(of(sink), txn_id));
}

static int sink_abort(tm_sink_t *sink)
{
    part_sink_t *s = of(sink);
    int first = 0;
    while (s->bucket_cnt > 0) roll(s, s->bucket_cnt - 1);
    while (s->closing) {
        tm_part_file_t *part = s->closing;
        int err = tm_part_file_drop(part, &s->log); /* one that fails stays in the log */
        if (err < 0 && first == 0) first = err;
        s->closing = part->next;
        tm_part_file_free(part);
    }
    return leave(s, first);
}

static int recover(part_sink_t *s, uint64_t txn_id)
{
    if (s->slice_seq > 0) return tm_error_set(TM_E_CONFIG, "recover() comes before the first row");
    TM_TRY(finish_ready(s, txn_id));
    return tm_part_recover_abort(&s->log);
}

static int sink_recover(tm_sink_t *sink, uint64_t txn_id)
{
    return leave(of(sink), recover(of(sink), txn_id));
}

static void sink_close(tm_sink_t *sink)
{
    part_sink_t *s = of(sink);
    if (!s) return;
    if (s->log.lock_fd >= 0 && sink_abort(sink) < 0)
        TM_LOG_W("state", "%s (what is left is removed by the next start)", tm_error_text());
    tm_part_log_close(&s->log);
    tm_parquet_writer_close(s->writer);
    tm_row_pool_close(&s->pool);
    free(s);
}

static const tm_sink_ops_t ops = {
    .write = sink_write,
    .tick = sink_tick,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .abort = sink_abort,
    .recover = sink_recover,
    .close = sink_close,
};

static void open_counters(part_sink_t *s)
{
    if (!s->cfg.counters) return;
    s->finished = tm_counter_get(s->cfg.counters, "parts_finished");
    s->rows = tm_counter_get(s->cfg.counters, "part_rows");
    s->bytes = tm_counter_get(s->cfg.counters, "part_bytes");
    s->syncs = tm_counter_get(s->cfg.counters, "fsyncs");
    s->errors = tm_counter_get(s->cfg.counters, "part_errors");
}

static int open_all(part_sink_t *s)
{
    const tm_part_sink_cfg_t *cfg = &s->cfg;
    TM_TRY(tm_part_bucketer_open(&s->bucketer, &s->schema, cfg->bucket_field, cfg->bucket_format));
    TM_TRY(tm_parquet_writer_open(&s->writer, &(tm_parquet_writer_cfg_t){
                                                  .schema = &s->schema,
                                                  .symbols = cfg->symbols,
                                                  .cluster_field = cfg->cluster_field,
                                                  .compression = cfg->compression,
                                                  .group_rows = cfg->group_rows,
                                              }));
    /* One full row group, a block for each open bucket and as many for the slice at hand. */
    uint32_t block_cnt = tm_parquet_writer_group_rows(s->writer) / TM_ROW_BLOCK_CNT + 1;
    TM_TRY(tm_row_pool_open(&s->pool, &s->schema, block_cnt + 2 * TM_PART_BUCKET_MAX));
    TM_TRY(tm_file_mkdirs(s->dir));
    TM_TRY(tm_part_log_open(&s->log, s->dir, cfg->subtask_idx));
    TM_TRY(tm_part_counter_scan(s->dir, &s->next_counter));
    if (cfg->checkpointed) return 0;
    return recover(s, UINT64_MAX);
}

int tm_part_sink_open(tm_sink_t **out, const tm_part_sink_cfg_t *cfg)
{
    part_sink_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "out of memory for a part sink");
    *s = (part_sink_t){.base = {.ops = &ops}, .cfg = *cfg, .schema = *cfg->schema};
    s->log.fd = s->log.lock_fd = -1;
    s->now_ns = TM_TIME_NONE;
    s->sync_seen = tm_file_sync_cnt();
    if (s->cfg.roll_interval_ns == 0) s->cfg.roll_interval_ns = ROLL_AGE_S * TM_NS_PER_S;
    if (s->cfg.roll_sz == 0) s->cfg.roll_sz = ROLL_SZ_DEFAULT;
    open_counters(s);
    int err = cfg->dir && *cfg->dir ? 0 : tm_error_set(TM_E_CONFIG, "no folder for part files");
    if (err == 0 &&
        (size_t)snprintf(s->dir, sizeof s->dir, "%s", cfg->dir) >= sizeof s->dir - TM_PART_NAME_MAX)
        err = tm_error_set(TM_E_CONFIG, "the path of the folder for part files is too long");
    if (err == 0) err = open_all(s);
    if (err < 0) {
        leave(s, err);
        sink_close(&s->base);
        return err;
    }
    *out = &s->base;
    return 0;
}
