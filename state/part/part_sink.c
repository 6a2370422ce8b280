#include "state/part/part_sink.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "state/file.h"
#include "state/part/part_sink_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parts that a tick merges at most: ten times as many a second, so other work is not held up. */
enum { COMPACT_STEPS = 4 };

static tm_part_sink_t *of(tm_sink_t *sink)
{
    return (tm_part_sink_t *)sink;
}

static void count(tm_counter_t *c, uint64_t n)
{
    if (c) tm_counter_add(c, n);
}

/* Every entry point ends here: counts, and says whose error it is. */
static int leave(tm_part_sink_t *s, int err)
{
    count(s->syncs, tm_file_sync_cnt() - s->sync_seen);
    s->sync_seen = tm_file_sync_cnt();
    if (err >= 0) return 0;
    count(s->errors, 1);
    return tm_error_context(err, "part files in %s", s->dir);
}

static void count_done(tm_part_sink_t *s, const tm_part_done_t *done)
{
    count(s->finished, done->part_cnt);
    count(s->rows, (uint64_t)done->row_cnt);
    count(s->bytes, (uint64_t)done->file_sz);
}

/* Up to step_cnt steps of merging small parts. */
static int compact(tm_part_sink_t *s, uint32_t step_cnt)
{
    tm_part_done_t done = {0};
    int rc = 1;
    for (uint32_t i = 0; i < step_cnt && rc > 0; i++) rc = tm_part_compact_step(s, s->ended, &done);
    count_done(s, &done);
    return rc < 0 ? rc : 0;
}

/* Makes every prepared part of the transaction and of older ones visible. */
static int finish_ready(tm_part_sink_t *s, uint64_t txn_id, const tm_part_patience_t *patience)
{
    tm_part_done_t done = {0};
    if (s->cfg.checkpointed) TM_TRY(tm_part_recover_decide(&s->log, txn_id));
    int err = tm_part_recover_commit(&s->log, txn_id, tm_part_compact_hold_sz(s), patience, &done);
    count_done(s, &done);
    s->state.outdated_cnt += done.point_cnt;
    if (patience) s->state.finished_cnt += (uint32_t)done.part_cnt;
    if (txn_id + 1 > s->committed_cnt) s->committed_cnt = txn_id + 1;
    return err;
}

/* Adds a part to the transaction at hand, and tells whether an older point of it is outdated. */
static int add_to_txn(tm_part_sink_t *s, const tm_part_file_t *part, const tm_part_point_t *at)
{
    const bool ready = part->phase == TM_PART_COMPLETE;
    TM_TRY(tm_part_log_add(&s->log, part->name, ready ? TM_PART_READY : TM_PART_OPEN, at));
    s->state.prepared.superseded_cnt +=
        s->log.entries[tm_part_log_find(&s->log, part->name)].point_cnt > 0;
    if (ready)
        s->state.prepared.ready_cnt++;
    else
        s->state.prepared.point_cnt++;
    return 0;
}

/* Completes the rolled parts. An error of one part does not hold up the others where parts are
   published on their own. */
static int complete_closing(tm_part_sink_t *s)
{
    int first = 0;
    for (tm_part_file_t *p = s->closing; p; p = p->next) {
        int err = tm_part_file_complete(p);
        const tm_part_point_t whole = {.file_sz = p->off, .row_cnt = p->row_cnt};
        if (err == 0) err = add_to_txn(s, p, &whole);
        if (err < 0 && first == 0) first = err;
        if (err < 0 && s->cfg.checkpointed) return err;
    }
    return first;
}

static int add_points(tm_part_sink_t *s)
{
    for (uint32_t i = 0; i < s->bucket_cnt; i++) {
        tm_part_point_t at;
        TM_TRY(tm_part_file_point(s->buckets[i].part, &at));
        TM_TRY(add_to_txn(s, s->buckets[i].part, &at));
    }
    return 0;
}

static int64_t clock_now(const tm_part_sink_t *s)
{
    return s->cfg.clock ? s->cfg.clock(s->cfg.clock_ctx) : tm_clock_real_ns();
}

/* Everything complete, and what goes on up to where it reaches, becomes one transaction. */
static int seal(tm_part_sink_t *s, uint64_t txn_id, bool points)
{
    memset(&s->state.prepared, 0, sizeof s->state.prepared);
    int first = complete_closing(s);
    if (first == 0 && points) first = add_points(s);
    if (first < 0 && s->cfg.checkpointed) return first;
    if (s->state.prepared.ready_cnt + s->state.prepared.point_cnt == 0) return first;
    TM_TRY(tm_part_log_seal(&s->log, txn_id, clock_now(s)));
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
static int publish(tm_part_sink_t *s)
{
    int prepared = s->closing ? seal(s, 0, false) : 0;
    int finished = finish_ready(s, 0, NULL);
    TM_TRY(prepared);
    return finished;
}

static int sink_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    tm_part_sink_t *s = of(sink);
    const uint8_t *at = rows;
    if (s->cfg.checkpointed && s->log.entry_cnt > 0 && s->slice_seq == 0 && !s->recovered)
        return leave(s, tm_error_set(TM_E_CONFIG,
                                     "%u part files of an earlier run wait for "
                                     "recover()",
                                     s->log.entry_cnt));
    while (cnt > 0) {
        int taken = tm_part_slice_take(s, at, cnt);
        if (taken < 0) return leave(s, taken);
        at += (size_t)taken * s->schema.row_sz;
        cnt -= (uint32_t)taken;
    }
    tm_part_slice_drain(s); /* what fails is tried again, and told, by whoever needs the room */
    return leave(s, s->cfg.checkpointed ? 0 : publish(s));
}

static int sink_tick(tm_sink_t *sink, int64_t real_ns)
{
    tm_part_sink_t *s = of(sink);
    const tm_part_roll_t *r = &s->cfg.roll;
    const bool check = s->check_ns == TM_TIME_NONE || real_ns - s->check_ns >= r->check_interval_ns;
    s->tick_ns = real_ns;
    if (check) s->check_ns = real_ns;
    for (uint32_t i = s->bucket_cnt; check && i-- > 0;) {
        tm_part_file_t *part = s->buckets[i].part;
        if (part->opened_ns == TM_TIME_NONE) part->opened_ns = real_ns;
        if (part->written_ns == TM_TIME_NONE) part->written_ns = real_ns;
        const tm_part_info_t info = tm_part_file_info(part, s->buckets[i].name);
        if (r->at_time(r, &info, real_ns)) tm_part_slice_roll(s, i);
    }
    return leave(s, s->cfg.checkpointed ? compact(s, COMPACT_STEPS) : publish(s));
}

static bool rolls_at_prepare(const tm_part_sink_t *s, const tm_part_bucket_t *b)
{
    const tm_part_info_t info = tm_part_file_info(b->part, b->name);
    if (s->cfg.roll.at_checkpoint(&s->cfg.roll, &info)) return true;
    return !s->enc->by_row || s->ended;
}

static int sink_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    tm_part_sink_t *s = of(sink);
    if (s->broken)
        return leave(s, tm_error_set(-ENOMEM, "rows are missing in part files for want of memory: "
                                              "restart from before them"));
    for (uint32_t i = s->bucket_cnt; i-- > 0;)
        if (rolls_at_prepare(s, &s->buckets[i])) tm_part_slice_roll(s, i);
    return leave(s, seal(s, txn_id, true));
}

static int sink_commit(tm_sink_t *sink, uint64_t txn_id)
{
    tm_part_sink_t *s = of(sink);
    int err = finish_ready(s, txn_id, NULL);
    if (err == 0 && s->ended) err = compact(s, UINT32_MAX);
    return leave(s, err);
}

static int sink_end(tm_sink_t *sink)
{
    of(sink)->ended = true;
    return 0;
}

/* Parts with a point go on there; the others go. One that cannot be removed stays in the log. */
static int sink_abort(tm_sink_t *sink)
{
    tm_part_sink_t *s = of(sink);
    int first = 0;
    while (s->bucket_cnt > 0) tm_part_slice_roll(s, s->bucket_cnt - 1);
    tm_part_file_t *all = s->closing;
    s->closing = NULL;
    s->broken = s->ended = false;
    while (all) {
        tm_part_file_t *part = all;
        all = part->next;
        int err = tm_part_file_rewind(part);
        if (err == 0) {
            tm_part_slice_adopt(s, part);
            continue;
        }
        if (err > 0) err = tm_part_file_drop(part);
        if (err < 0 && first == 0) first = err;
        tm_part_file_free(part);
    }
    return leave(s, first);
}

/* A part of another look or writer cannot go on: what it holds is finished as it stands. */
static bool goes_on(const tm_part_sink_t *s, const tm_part_entry_t *e)
{
    return s->enc->by_row && e->tag == s->enc->tag && !s->cfg.no_resume;
}

static void free_parts(tm_part_sink_t *s)
{
    tm_part_compact_close(s);
    while (s->bucket_cnt > 0) tm_part_file_free(s->buckets[--s->bucket_cnt].part);
    while (s->closing) {
        tm_part_file_t *part = s->closing;
        s->closing = part->next;
        tm_part_file_free(part);
    }
}

/* The file is cut; its new size must be durable before the log says that it is complete. */
static int end_at_point(tm_part_sink_t *s, tm_part_file_t *part)
{
    tm_part_point_t at;
    int err = tm_part_file_point(part, &at);
    if (err == 0) err = tm_part_log_add(&s->log, part->name, TM_PART_READY, &at);
    tm_part_file_free(part);
    return err;
}

/* Cuts every part that is left at its newest committed point, and goes on with it, or ends it
   there. */
static int resume(tm_part_sink_t *s, uint64_t txn_id, bool end)
{
    uint32_t ending_cnt = 0;
    for (uint32_t i = 0; i < s->log.entry_cnt; i++) {
        tm_part_entry_t *e = &s->log.entries[i];
        const int point = tm_part_entry_point(e, txn_id);
        tm_part_file_t *part = NULL;
        if (point < 0 || (e->state == TM_PART_READY && e->txn_id <= txn_id)) continue;
        TM_TRY(tm_part_file_resume(&part, s->enc, &s->log, e, &e->points[point]));
        tm_part_log_rewind(&s->log, (int)i, (uint32_t)point);
        if (!end && goes_on(s, e)) {
            tm_part_slice_adopt(s, part);
            s->state.resumed_cnt++;
            continue;
        }
        ending_cnt++;
        TM_TRY(end_at_point(s, part));
    }
    if (ending_cnt == 0) return 0;
    return tm_part_log_seal(&s->log, txn_id, clock_now(s));
}

/* Numbers of hidden files that nobody will finish are given away again. */
static void count_live(tm_part_sink_t *s)
{
    s->next_counter = s->log.next_counter = 0;
    for (uint32_t i = 0; i < s->log.entry_cnt; i++) {
        const char *name = s->log.entries[i].name, *slash = strrchr(name, '/');
        uint64_t subtask_idx, counter;
        if (tm_part_name_parse(slash ? slash + 1 : name, s->naming.prefix, &subtask_idx,
                               &counter) &&
            counter >= s->next_counter)
            s->next_counter = counter + 1;
    }
}

/* Numbers of transactions start over; what is committed stays. */
static void begin_anew(tm_part_sink_t *s)
{
    TM_LOG_W("state",
             "part files in %s: the job begins anew, and results of an earlier run, up to its "
             "checkpoint %llu, stay: rows that come again will be there twice",
             s->dir, (unsigned long long)s->log.committed);
    s->log.committed = s->committed_cnt = 0;
}

static int recover(tm_part_sink_t *s, uint64_t from_id)
{
    const bool anew = s->cfg.checkpointed && from_id == 0 && s->log.committed > 0;
    const uint64_t txn_id = anew ? s->log.committed : from_id;
    const tm_part_patience_t patience = {clock_now(s), s->cfg.txn_timeout_ns};
    if (s->slice_seq > 0) return tm_error_set(TM_E_CONFIG, "recover() comes before the first row");
    if (s->recovered) return 0;
    s->anew = anew;
    if (s->cfg.checkpointed) TM_TRY(tm_part_recover_admits(&s->log, txn_id));
    free_parts(s); /* of an attempt that failed */
    memset(&s->state, 0, sizeof s->state);
    TM_TRY(finish_ready(s, txn_id, &patience));
    TM_TRY(tm_part_recover_remove(&s->log, txn_id, s->cfg.keep_orphans));
    TM_TRY(resume(s, txn_id, anew));
    TM_TRY(finish_ready(s, txn_id, &patience));
    if (anew) begin_anew(s);
    if (!s->cfg.checkpointed) s->log.committed = 0;
    s->state.outdated_cnt = 0; /* of this run */
    if (s->cfg.keep_orphans) count_live(s);
    TM_TRY(tm_part_counter_scan(s->dir, s->naming.prefix, s->cfg.subtask_idx, &s->next_counter));
    if (s->log.next_counter < s->next_counter) s->log.next_counter = s->next_counter;
    TM_TRY(tm_part_log_rewrite(&s->log));
    s->anew = false;
    s->recovered = true;
    return 0;
}

static int sink_admits(tm_sink_t *sink, uint64_t txn_id)
{
    return leave(of(sink), tm_part_recover_admits(&of(sink)->log, txn_id));
}

static int sink_recover(tm_sink_t *sink, uint64_t txn_id)
{
    return leave(of(sink), recover(of(sink), txn_id));
}

/* With checkpoints the files stay as they are: recover() of the next start knows which count. */
static void sink_close(tm_sink_t *sink)
{
    tm_part_sink_t *s = of(sink);
    if (!s) return;
    if (s->log.lock_fd >= 0 && !s->cfg.checkpointed && sink_abort(sink) < 0)
        TM_LOG_W("state", "%s (what is left is removed by the next start)", tm_error_text());
    free_parts(s);
    tm_part_log_close(&s->log);
    if (s->enc) s->enc->ops->close(s->enc);
    free(s->buckets);
    free(s->slots);
    free(s);
}

static const tm_sink_ops_t ops = {
    .write = sink_write,
    .tick = sink_tick,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .abort = sink_abort,
    .admits = sink_admits,
    .recover = sink_recover,
    .close = sink_close,
    .end = sink_end,
};

/* Transactions that are prepared and not committed: numbers that READY parts and points name. */
static uint32_t pending_txns(const tm_part_sink_t *s)
{
    uint64_t seen[64];
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < s->log.entry_cnt; i++) {
        const tm_part_entry_t *e = &s->log.entries[i];
        for (uint32_t k = 0; k <= e->point_cnt; k++) {
            const uint64_t id = k < e->point_cnt ? e->points[k].txn_id : e->txn_id;
            const bool counts = k < e->point_cnt || e->state == TM_PART_READY;
            uint32_t at = 0;
            while (at < cnt && seen[at] != id) at++;
            if (counts && at == cnt && id >= s->committed_cnt && cnt < TM_ARRAY_CNT(seen))
                seen[cnt++] = id;
        }
    }
    return cnt;
}

static bool is_in(const char *name, const char *bucket)
{
    char of_name[TM_PART_NAME_MAX];
    tm_part_name_bucket(of_name, name);
    return !bucket || strcmp(of_name, bucket) == 0;
}

void tm_part_sink_state(const tm_sink_t *sink, const char *bucket, tm_part_sink_state_t *out)
{
    const tm_part_sink_t *s = (const tm_part_sink_t *)sink;
    *out = s->state;
    out->txn_cnt = pending_txns(s);
    for (uint32_t i = 0; i < s->bucket_cnt; i++)
        out->in_progress_cnt += is_in(s->buckets[i].part->name, bucket);
    out->bucket_cnt = out->in_progress_cnt;
    for (const tm_part_file_t *p = s->closing; p; p = p->next)
        out->pending_cnt += is_in(p->name, bucket);
    for (uint32_t i = 0; i < s->log.entry_cnt; i++)
        out->pending_cnt += s->log.entries[i].state == TM_PART_READY &&
                            is_in(s->log.entries[i].name, bucket);
}

static int open_all(tm_part_sink_t *s)
{
    const tm_part_sink_cfg_t *cfg = &s->cfg;
    TM_TRY(tm_part_sink_setup(s));
    if (!cfg->dir || !*cfg->dir) return tm_error_set(TM_E_CONFIG, "no folder for part files");
    if ((size_t)snprintf(s->dir, sizeof s->dir, "%s", cfg->dir) >= sizeof s->dir - TM_PART_NAME_MAX)
        return tm_error_set(TM_E_CONFIG, "the path of the folder for part files is too long");
    TM_TRY(tm_file_mkdirs(s->dir));
    TM_TRY(tm_part_log_open(&s->log, s->dir, cfg->subtask_idx, cfg->subtask_cnt));
    s->next_counter = s->log.next_counter;
    TM_TRY(tm_part_counter_scan(s->dir, s->naming.prefix, cfg->subtask_idx, &s->next_counter));
    if (cfg->checkpointed) return 0;
    return recover(s, UINT64_MAX);
}

int tm_part_sink_open(tm_sink_t **out, const tm_part_sink_cfg_t *cfg)
{
    tm_part_sink_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "out of memory for a part sink");
    *s = (tm_part_sink_t){.base = {.ops = &ops}, .cfg = *cfg, .schema = *cfg->schema};
    s->log.fd = s->log.lock_fd = -1;
    s->tick_ns = s->check_ns = TM_TIME_NONE;
    s->era = 1;
    s->sync_seen = tm_file_sync_cnt();
    tm_part_roll_init(&s->cfg.roll);
    int err = open_all(s);
    if (err < 0) {
        leave(s, err);
        sink_close(&s->base);
        return err;
    }
    *out = &s->base;
    return 0;
}
