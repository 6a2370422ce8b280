#include "state/part/part_compact.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "state/parquet/parquet_rows.h"
#include "state/part/part_sink_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 16 };

struct tm_part_merge {
    tm_part_file_t *part;
    bool doomed;      /* `part` failed and is to be removed */
    uint32_t cnt, at; /* sources, and how many of them are in `part` */
    uint64_t txn_id;  /* newest of theirs */
    char names[TM_PART_MERGE_MAX][TM_PART_NAME_MAX];
    /* Key-value metadata: the values of the sources, in order, with commas between. */
    uint32_t key_cnt;
    tm_parquet_kv_t kv[KEYS_MAX];
    char *keys[KEYS_MAX];
    tm_buffer_t values[KEYS_MAX];
    size_t last_off[KEYS_MAX]; /* of the value that came last */
};

int64_t tm_part_compact_hold_sz(const tm_part_sink_t *s)
{
    if (s->cfg.compact.checkpoints == 0 || s->anew) return 0;
    return (int64_t)s->cfg.compact.max_sz;
}

static void free_merge(tm_part_merge_t *m)
{
    if (!m) return;
    tm_part_file_free(m->part);
    for (uint32_t i = 0; i < m->key_cnt; i++) {
        free(m->keys[i]);
        tm_buffer_free(&m->values[i]);
    }
    free(m);
}

void tm_part_compact_close(tm_part_sink_t *s)
{
    free_merge(s->merge);
    s->merge = NULL;
}

tm_part_file_t *tm_part_compact_part(const tm_part_sink_t *s)
{
    return s->merge ? s->merge->part : NULL;
}

static bool waits(const tm_part_sink_t *s, const tm_part_entry_t *e)
{
    return e->state == TM_PART_READY && !e->shown && !e->visible && e->txn_id < s->committed_cnt &&
           e->file_sz < (int64_t)s->cfg.compact.max_sz;
}

static bool same_bucket(const char *a, const char *b)
{
    char of_a[TM_PART_NAME_MAX], of_b[TM_PART_NAME_MAX];
    tm_part_name_bucket(of_a, a);
    tm_part_name_bucket(of_b, b);
    return strcmp(of_a, of_b) == 0;
}

/* Collects the waiting parts of a bucket, from entry `first` on; true where they are due. */
static bool collect(const tm_part_sink_t *s, uint32_t first, bool now, tm_part_merge_t *m)
{
    const uint64_t every = s->cfg.compact.checkpoints;
    const tm_part_entry_t *e = &s->log.entries[first];
    uint64_t sum_sz = 0, oldest = e->txn_id;
    m->cnt = 0;
    m->txn_id = 0;
    for (uint32_t i = first; i < s->log.entry_cnt && m->cnt < TM_PART_MERGE_MAX; i++) {
        const tm_part_entry_t *next = &s->log.entries[i];
        if (!waits(s, next) || !same_bucket(e->name, next->name)) continue;
        memcpy(m->names[m->cnt++], next->name, TM_PART_NAME_MAX);
        sum_sz += (uint64_t)next->file_sz;
        if (next->txn_id < oldest) oldest = next->txn_id;
        if (next->txn_id > m->txn_id) m->txn_id = next->txn_id;
    }
    return now || m->cnt == TM_PART_MERGE_MAX || sum_sz >= s->cfg.compact.max_sz ||
           s->committed_cnt - oldest >= every;
}

/* Whether an older entry is of the same bucket: then its parts were looked at with that one. */
static bool is_first(const tm_part_sink_t *s, uint32_t idx)
{
    for (uint32_t i = 0; i < idx; i++)
        if (waits(s, &s->log.entries[i]) &&
            same_bucket(s->log.entries[i].name, s->log.entries[idx].name))
            return false;
    return true;
}

static int start(tm_part_sink_t *s, tm_part_merge_t *m)
{
    char bucket[TM_PART_NAME_MAX], name[TM_PART_NAME_MAX];
    tm_part_name_bucket(bucket, m->names[0]);
    TM_TRY(tm_part_name_make(name, bucket, &s->naming, s->next_counter));
    TM_TRY(tm_part_file_new(&m->part, s->enc, &s->log, name));
    s->next_counter++;
    s->merge = m;
    return 0;
}

static int show(tm_part_sink_t *s, int idx, tm_part_done_t *done)
{
    TM_TRY(tm_part_log_show(&s->log, idx));
    return tm_part_recover_finish(&s->log, idx, done);
}

/* Begins with the first bucket that is due; one part alone only becomes visible. */
static int find_due(tm_part_sink_t *s, bool now, tm_part_done_t *done)
{
    tm_part_merge_t *m = calloc(1, sizeof *m);
    if (!m) return tm_error_set(-ENOMEM, "out of memory for merging part files");
    for (uint32_t i = 0; i < s->log.entry_cnt; i++) {
        if (!waits(s, &s->log.entries[i]) || !is_first(s, i) || !collect(s, i, now, m)) continue;
        int err = m->cnt == 1 ? show(s, (int)i, done) : start(s, m);
        if (err < 0 || m->cnt == 1) free_merge(m);
        return err < 0 ? err : 1;
    }
    free_merge(m);
    return 0;
}

static int add_value(tm_part_merge_t *m, const tm_parquet_kv_t *kv)
{
    uint32_t i = 0;
    while (i < m->key_cnt && strcmp(m->keys[i], kv->key) != 0) i++;
    if (i == KEYS_MAX) return 0;
    if (i == m->key_cnt) {
        m->keys[i] = strdup(kv->key);
        if (!m->keys[i]) return tm_error_set(-ENOMEM, "out of memory for key %s", kv->key);
        m->key_cnt++;
    } else {
        if (strcmp((char *)m->values[i].data + m->last_off[i], kv->value) == 0) return 0;
        m->values[i].data[m->values[i].sz - 1] = ','; /* in place of the end */
    }
    m->last_off[i] = m->values[i].sz;
    return tm_buffer_append(&m->values[i], kv->value, strlen(kv->value) + 1);
}

/* The rows of a row group, a slice at a time. */
static int take_rows(tm_part_sink_t *s, tm_part_file_t *part, const uint8_t *rows, uint32_t cnt)
{
    for (uint32_t at = 0; at < cnt;) {
        const uint32_t left = cnt - at;
        const uint32_t some = left < s->enc->slice_max ? left : s->enc->slice_max;
        TM_TRY(s->enc->ops->reserve(s->enc, part, some));
        TM_TRY(tm_part_slice_make_room(s, some));
        TM_TRY(s->enc->ops->reserve(s->enc, part, some)); /* it may have been written out */
        s->enc->ops->take(s->enc, part, rows + (size_t)at * s->schema.row_sz, some);
        part->row_cnt += some;
        at += some;
    }
    return 0;
}

static int take_group(tm_part_sink_t *s, tm_parquet_reader_t *reader, uint32_t group_idx)
{
    const int64_t cnt = tm_parquet_reader_meta(reader)->groups[group_idx].row_cnt;
    /* The table only grows, and whoever owns it lets any thread add a name. */
    tm_symbols_t *symbols = (tm_symbols_t *)(uintptr_t)s->cfg.symbols;
    uint8_t *rows = calloc((size_t)cnt + 1, s->schema.row_sz);
    if (!rows) return tm_error_set(-ENOMEM, "out of memory for %lld rows", (long long)cnt);
    int err = tm_parquet_rows_read(reader, group_idx, &s->schema, symbols, rows);
    if (err == 0) err = take_rows(s, s->merge->part, rows, (uint32_t)cnt);
    free(rows);
    return err;
}

static int take_source(tm_part_sink_t *s, const tm_part_entry_t *e)
{
    tm_parquet_reader_t *reader;
    char path[TM_PART_PATH_MAX];
    int err = 0;
    tm_part_path_hidden(path, s->log.dir, e->name, e->id);
    TM_TRY(tm_parquet_reader_open(&reader, path));
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    if (meta->row_cnt != e->row_cnt)
        TM_GOTO(err,
                tm_error_set(TM_E_CORRUPT, "%s has %lld rows instead of %lld", path,
                             (long long)meta->row_cnt, (long long)e->row_cnt),
                out);
    for (uint32_t i = 0; i < meta->kv_cnt; i++)
        TM_GOTO(err, add_value(s->merge, &meta->kv[i]), out);
    for (uint32_t g = 0; g < meta->group_cnt; g++) TM_GOTO(err, take_group(s, reader, g), out);
out:
    tm_parquet_reader_close(reader);
    return err;
}

/* Ends the merged part and lets the log decide that it counts instead of its sources. */
static int decide(tm_part_sink_t *s)
{
    tm_part_merge_t *m = s->merge;
    for (uint32_t i = 0; i < m->key_cnt; i++)
        m->kv[i] = (tm_parquet_kv_t){m->keys[i], (const char *)m->values[i].data};
    m->part->kv = m->kv;
    m->part->kv_cnt = m->key_cnt;
    TM_TRY(tm_part_file_complete(m->part));
    const tm_part_point_t whole = {.file_sz = m->part->off, .row_cnt = m->part->row_cnt};
    TM_TRY(tm_part_log_add(&s->log, m->part->name, TM_PART_READY, &whole));
    for (uint32_t i = 0; i < m->cnt; i++) {
        const tm_part_entry_t *e = &s->log.entries[tm_part_log_find(&s->log, m->names[i])];
        const tm_part_point_t reach = {.file_sz = e->file_sz, .row_cnt = e->row_cnt};
        TM_TRY(tm_part_log_add(&s->log, e->name, TM_PART_MERGED, &reach));
    }
    return tm_part_log_seal(&s->log, m->txn_id, tm_clock_real_ns());
}

/* Drops what was merged so far; the sources are as they were. */
static int give_up(tm_part_sink_t *s, int why)
{
    s->merge->doomed = true;
    int err = tm_part_file_drop(s->merge->part);
    if (err == 0) tm_part_compact_close(s);
    return why < 0 ? why : err < 0 ? err : 1;
}

static int go_on(tm_part_sink_t *s, tm_part_done_t *done)
{
    tm_part_merge_t *m = s->merge;
    if (m->doomed) return give_up(s, 0);
    if (m->at < m->cnt) {
        const int idx = tm_part_log_find(&s->log, m->names[m->at]);
        TM_CHECK(idx >= 0, "%s left the log while it waited", m->names[m->at]);
        int err = take_source(s, &s->log.entries[idx]);
        if (err < 0) return give_up(s, err); /* some of its rows may have been taken */
        m->at++;
        return 1;
    }
    int err = decide(s);
    if (err < 0) return m->part->lost ? give_up(s, err) : err;
    const int idx = tm_part_log_find(&s->log, m->part->name);
    tm_part_compact_close(s);
    TM_TRY(show(s, idx, done));
    return 1;
}

static int remove_merged(tm_part_sink_t *s)
{
    for (uint32_t i = s->log.entry_cnt; i-- > 0;)
        if (s->log.entries[i].state == TM_PART_MERGED) TM_TRY(tm_part_log_remove(&s->log, (int)i));
    return 0;
}

int tm_part_compact_step(tm_part_sink_t *s, bool now, tm_part_done_t *done)
{
    if (tm_part_compact_hold_sz(s) == 0) return 0;
    TM_TRY(remove_merged(s));
    return s->merge ? go_on(s, done) : find_due(s, now, done);
}
