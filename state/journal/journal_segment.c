/* Segments of a journal that is written. The file of the next one is made while the last half of
   this one is written, so that a turn is a matter of memory: seal and header are queued behind the
   records, and records of the new segment follow at once. What makes them count comes after, step
   by step, and never before its turn:

     rest, seal, header written -> old one cut to size -> both fsynced -> new one named -> folder
     fsynced

   A crash on the way leaves the old segment as the last one, sealed or not, beside a temporary
   file. */
#include "base/clock.h"
#include "base/log.h"
#include "state/file.h"
#include "state/journal/journal_writer_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const int64_t retain_interval_ns = 10 * TM_NS_PER_S;

static uint64_t reserve_sz(const tm_journal_writer_t *w)
{
    return tm_align_up(w->roll_sz + TM_JOURNAL_SEAL_SZ_MAX, TM_JOURNAL_PAGE_SZ);
}

/* ---- the next file ---------------------------------------------------------------------------
 */

static int next_open(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_next_t *n = &f->next;
    const int flags = O_RDWR | O_CREAT | O_TRUNC;
    if (snprintf(n->path, sizeof n->path, "%s/.journal-next.tmp", w->dir) >= (int)sizeof n->path)
        return tm_error_set(-ENAMETOOLONG, "journal %s: path too long", w->dir);
    n->fd = tm_file_open(n->path, f->direct ? flags | O_DIRECT : flags);
    if (n->fd == -EINVAL && f->direct) {
        f->direct = false;
        n->fd = tm_file_open(n->path, flags);
    }
    if (n->fd < 0) return n->fd;
    n->op = (tm_journal_op_t){.kind = TM_JOURNAL_OP_SYNC, .fd = n->fd, .path = n->path};
    n->step = TM_JOURNAL_NEXT_OPEN;
    return 0;
}

/* Returns 1 where the file is ready, 0 where something is under way, or an error. */
static int next_step(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_next_t *n = &f->next;
    if (n->fd < 0) TM_TRY(next_open(w));
    if (n->step == TM_JOURNAL_NEXT_OPEN) {
        const int code = tm_file_reserve(n->fd, n->path, (int64_t)reserve_sz(w));
        if (code < 0 && code != -ENOSPC) return code;
        /* Fill what is left of the disk rather than give up now. */
        if (code == -ENOSPC) TM_TRY(tm_file_truncate(n->fd, n->path, 0));
        tm_journal_begin(f, &n->op);
        n->step = TM_JOURNAL_NEXT_SYNCING;
    }
    if (n->step == TM_JOURNAL_NEXT_SYNCING) {
        const int code = tm_journal_op_end(&f->ops, &n->op);
        if (code != 0) return code == 1 ? 0 : code;
        n->step = TM_JOURNAL_NEXT_NONE;
    }
    return 1;
}

static void next_drop(tm_journal_writer_t *w)
{
    tm_journal_next_t *n = &w->file.next;
    if (n->fd < 0) return;
    while (n->op.state == TM_JOURNAL_OP_BUSY && tm_journal_op_end(&w->file.ops, &n->op) == 1)
        tm_journal_ops_wait(&w->file.ops);
    tm_file_close(n->fd);
    n->fd = -1;
    n->step = TM_JOURNAL_NEXT_NONE;
    (void)!tm_file_unlink(n->path); /* the next open removes it otherwise */
}

static int next_wait(tm_journal_writer_t *w)
{
    int code;
    while ((code = next_step(w)) == 0) tm_journal_ops_wait(&w->file.ops);
    if (code > 0) return 0;
    char why[TM_ERROR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", tm_error_text());
    next_drop(w);
    return tm_error_set(code, "new segment: %s", why);
}

/* Half way through a segment the next one is made. What fails then is tried again, and told, when
   it is needed. */
static int next_ahead(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_next_t *n = &f->next;
    if (f->turn.step != TM_JOURNAL_TURN_NONE || n->refused) return 0;
    if (n->fd >= 0 && n->step == TM_JOURNAL_NEXT_NONE) return 0;
    if (n->fd < 0 && (uint64_t)tm_journal_file_off(f, f->scan_pos) < w->roll_sz / 2) return 0;
    const int step = (int)n->step, code = next_step(w);
    if (code < 0) {
        n->refused = true;
        next_drop(w);
    }
    return (int)n->step != step;
}

/* ---- the turn --------------------------------------------------------------------------------
 */

/* Seal and trailer behind the rest of the records. Returns the bytes to write at sent_pos. */
static size_t seal_make(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    const size_t rest_sz = (size_t)(f->scan_pos - f->sent_pos);
    const uint64_t end_off = (uint64_t)tm_journal_file_off(f, f->scan_pos);
    memcpy(f->seal_pages, tm_journal_ring_at(w, f->sent_pos), rest_sz);
    f->tally.seal.real_ns = tm_clock_real_ns();
    f->tally.seal.mono_ns = tm_clock_mono_ns();
    const size_t sz = tm_journal_seal_write(f->seal_pages + rest_sz, &f->tally, f->seed, end_off);
    const size_t all_sz = tm_align_up(rest_sz + sz, TM_JOURNAL_PAGE_SZ);
    memset(f->seal_pages + rest_sz + sz, 0, all_sz - rest_sz - sz);
    f->turn.old_sz = end_off + sz;
    return all_sz;
}

static void head_make(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_head_t head = {.epoch = f->epoch,
                              .first_seq = f->next_seq,
                              .real_ns = tm_clock_real_ns(),
                              .mono_ns = tm_clock_mono_ns(),
                              .prior_max_ns = f->max_ns};
    memcpy(head.journal_id, f->journal_id, sizeof head.journal_id);
    memcpy(head.label, w->label, sizeof head.label);
    tm_journal_head_write(f->head_page, &head);
    f->seed = tm_journal_seed(f->journal_id, f->next_seq);
    f->seg_ns = head.mono_ns;
}

/* Queues the end of the open segment, which then is the old one. */
static void seal_queue(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_turn_t *t = &f->turn;
    const size_t sz = seal_make(w);
    const uint64_t pos = tm_align_up(f->scan_pos + sizeof(tm_journal_rec_t), TM_JOURNAL_PAGE_SZ);
    t->old_path = f->path;
    t->old_fd = f->fd;
    f->max_ns = f->tally.seal.max_ns;
    tm_journal_write_begin(w,
                           &(tm_journal_write_t){.op = {.fd = f->fd,
                                                        .path = t->old_path,
                                                        .src = f->seal_pages,
                                                        .sz = sz,
                                                        .off = tm_journal_file_off(f, f->sent_pos)},
                                                 .tail_pos = pos});
    f->scan_pos = f->sent_pos = f->seg_pos = pos;
    f->seg_ordinal++;
}

/* Both files take part in one fsync each, the old one with the size that it keeps. */
static int turn_sync(tm_journal_file_side_t *f)
{
    tm_journal_turn_t *t = &f->turn;
    if (f->ended_cnt < t->write_cnt) return 0;
    t->old_sync = (tm_journal_op_t){
        .kind = TM_JOURNAL_OP_SYNC, .fd = t->old_fd, .path = t->old_path};
    t->new_sync = (tm_journal_op_t){
        .kind = TM_JOURNAL_OP_SYNC_DATA, .fd = f->fd, .path = f->next.path};
    if (t->old_fd >= 0) {
        TM_TRY(tm_file_truncate(t->old_fd, t->old_path, (int64_t)t->old_sz));
        tm_journal_begin(f, &t->old_sync);
    }
    tm_journal_begin(f, &t->new_sync);
    t->step = TM_JOURNAL_TURN_SYNCING;
    return 1;
}

/* 0 = done, 1 = under way, else the error, which ends the writer. */
static int sync_end(tm_journal_file_side_t *f, tm_journal_op_t *op)
{
    const int code = tm_journal_op_end(&f->ops, op);
    f->fatal = code < 0;
    return code;
}

/* The old segment is whole on disk: what is in it is safe, and the new one may have its name. */
static int turn_synced(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_turn_t *t = &f->turn;
    int code = sync_end(f, &t->old_sync);
    if (code == 0) code = sync_end(f, &t->new_sync);
    if (code == 0) code = sync_end(f, &f->sync); /* may still be at work on the old one */
    if (code != 0) return code < 0 ? code : 0;
    if (t->old_fd >= 0) {
        tm_counter_add(f->fsyncs, 1);
        atomic_store_explicit(&w->durable_seq, f->seg_seq, memory_order_release); /* J3 */
    }
    tm_file_close(t->old_fd);
    t->old_fd = -1;
    t->step = TM_JOURNAL_TURN_NAMING;
    return 1;
}

static int turn_name(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_turn_t *t = &f->turn;
    TM_TRY(tm_file_rename(f->next.path, f->path));
    t->new_sync = (tm_journal_op_t){.kind = TM_JOURNAL_OP_SYNC, .fd = f->lock_fd, .path = w->dir};
    tm_journal_begin(f, &t->new_sync);
    t->step = TM_JOURNAL_TURN_LISTING;
    return 1;
}

/* Returns 1 where the turn went on a step, 0 where nothing is to be done yet, or an error. */
static int turn_step(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    switch (f->turn.step) {
    case TM_JOURNAL_TURN_NONE:
        return 0;
    case TM_JOURNAL_TURN_WRITING:
        return turn_sync(f);
    case TM_JOURNAL_TURN_SYNCING:
        return turn_synced(w);
    case TM_JOURNAL_TURN_NAMING:
        return turn_name(w);
    case TM_JOURNAL_TURN_LISTING:
        break;
    }
    const int code = sync_end(f, &f->turn.new_sync);
    if (code != 0) return code < 0 ? code : 0;
    f->turn.step = TM_JOURNAL_TURN_NONE;
    f->retain_ns = 0; /* one more segment: look what may go */
    tm_counter_add(f->segments, 1);
    return 1;
}

static int turn_wait(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    while (f->turn.step != TM_JOURNAL_TURN_NONE) {
        const int settled = tm_journal_writes_settle(w);
        if (settled < 0) return settled;
        const int code = turn_step(w);
        if (code < 0) return code;
        if (settled + code == 0) tm_journal_ops_wait(&f->ops);
    }
    return 0;
}

int tm_journal_segment_turn(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    char *path = f->path == f->paths[0] ? f->paths[1] : f->paths[0];
    TM_TRY(turn_wait(w)); /* of the one before */
    TM_TRY(next_wait(w));
    TM_TRY(tm_journal_path(path, w->dir, f->next_seq, false));
    TM_TRY(tm_journal_writes_room(w, 2)); /* from here on nothing fails */
    if (f->fd >= 0) seal_queue(w);
    head_make(w);
    f->path = path;
    f->fd = f->next.fd;
    f->next.fd = -1;
    f->next.refused = false;
    f->seg_seq = f->next_seq;
    f->dirty_sz = 0;
    f->rolling = false;
    tm_journal_tally_init(&f->tally, f->max_ns);
    tm_journal_write_begin(w, &(tm_journal_write_t){.op = {.fd = f->fd,
                                                           .path = f->next.path,
                                                           .src = f->head_page,
                                                           .sz = TM_JOURNAL_HEADER_SZ},
                                                    .tail_pos = f->seg_pos});
    f->turn.write_cnt = f->begun_cnt;
    f->turn.step = TM_JOURNAL_TURN_WRITING;
    return 0;
}

/* ---- first and last --------------------------------------------------------------------------
 */

int tm_journal_segment_first(tm_journal_writer_t *w)
{
    TM_TRY(tm_journal_segment_turn(w));
    const int code = turn_wait(w);
    if (code < 0) (void)!tm_file_unlink(w->file.next.path);
    return code;
}

int tm_journal_segment_last(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    next_drop(w);
    if (f->next_seq > f->seg_seq) {
        TM_TRY(tm_journal_writes_room(w, TM_JOURNAL_WRITE_MAX));
        const size_t sz = seal_make(w);
        TM_TRY(
            tm_file_write(f->fd, f->path, f->seal_pages, sz, tm_journal_file_off(f, f->sent_pos)));
        TM_TRY(tm_file_truncate(f->fd, f->path, (int64_t)f->turn.old_sz));
        return tm_file_sync(f->fd, f->path);
    }
    TM_TRY(tm_file_unlink(f->path));
    return tm_file_sync_dir(w->dir);
}

/* ---- retention -------------------------------------------------------------------------------
 */

static void retain(tm_journal_writer_t *w, int64_t now_ns)
{
    tm_journal_file_side_t *f = &w->file;
    f->retain_ns = now_ns;
    if (w->cfg.retain_sz == 0 && w->cfg.retain_age_ns == 0) return;
    const tm_journal_retention_t rules = {
        .sz = w->cfg.retain_sz,
        .age_ns = w->cfg.retain_age_ns,
        .keep_seq = atomic_load_explicit(&w->keep_seq, memory_order_acquire), /* J4 */
        .now_ns = tm_clock_real_ns()};
    const int cnt = tm_journal_retain(w->dir, &rules);
    if (cnt > 0) tm_counter_add(f->retired, (uint64_t)cnt);
    if (cnt < 0) TM_LOG_W("state", "journal retention: %s", tm_error_text());
}

int tm_journal_segment_work(tm_journal_writer_t *w, int64_t now_ns)
{
    tm_journal_file_side_t *f = &w->file;
    const int step = turn_step(w);
    if (step < 0) return step;
    if (f->turn.step == TM_JOURNAL_TURN_NONE && now_ns - f->retain_ns >= retain_interval_ns)
        retain(w, now_ns);
    return step + next_ahead(w);
}
