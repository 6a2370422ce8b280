/* The page that holds the newest records goes through a buffer of its own, padded with zeros: the
   rest of that page in the ring is still the receive thread's. It stays in the ring until it is
   full, since it is written again with every fsync.

   Some writes of whole pages are under way while the checksums of the next records are made; they
   end in the order in which they began as far as the ring is concerned. An fsync begins when all
   before it have ended, and records go on behind its back. */
#include "base/check.h"
#include "base/clock.h"
#include "state/crc32c.h"
#include "state/file.h"
#include "state/journal/journal_writer_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    WRITE_SZ = 1 << 20, /* one write: large enough for the disk, small enough to stay in the cache
                           between the checksum and the write */
    REC_SZ = sizeof(tm_journal_rec_t)
};

static uint64_t page_floor(uint64_t pos)
{
    return pos & ~(uint64_t)(TM_JOURNAL_PAGE_SZ - 1);
}

/* ---- writes -----------------------------------------------------------------------------------
   */

int tm_journal_writes_settle(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    int cnt = 0;
    for (; f->ended_cnt < f->begun_cnt; f->ended_cnt++, cnt++) {
        tm_journal_write_t *write = &f->writes[f->ended_cnt % TM_JOURNAL_WRITE_MAX];
        const int code = tm_journal_op_end(&f->ops, &write->op);
        if (code == 1) break;
        if (code < 0) return code;
        atomic_store_explicit(&w->tail, write->tail_pos, memory_order_release); /* J2 */
    }
    return cnt;
}

int tm_journal_writes_room(tm_journal_writer_t *w, uint32_t cnt)
{
    tm_journal_file_side_t *f = &w->file;
    for (;;) {
        const int settled = tm_journal_writes_settle(w);
        if (settled < 0) return settled;
        if (f->begun_cnt - f->ended_cnt + cnt <= TM_JOURNAL_WRITE_MAX) return 0;
        tm_journal_ops_wait(&f->ops);
    }
}

void tm_journal_write_begin(tm_journal_writer_t *w, const tm_journal_write_t *write)
{
    tm_journal_file_side_t *f = &w->file;
    tm_journal_write_t *at = &f->writes[f->begun_cnt++ % TM_JOURNAL_WRITE_MAX];
    *at = *write;
    at->op.kind = TM_JOURNAL_OP_WRITE;
    tm_journal_begin(f, &at->op);
}

/* ---- records ------------------------------------------------------------------------------------
   */

/* Puts checksums on records up to `head`, at most about one write. Returns how many. */
static uint32_t scan(tm_journal_writer_t *w, uint64_t head, int64_t now_ns)
{
    tm_journal_file_side_t *f = &w->file;
    const tm_crc32c_fn_t crc = tm_crc32c_kernel();
    const uint64_t start = f->scan_pos;
    const uint64_t stop = f->sent_pos + WRITE_SZ;
    uint64_t pos = start;
    uint32_t cnt = 0;
    if (f->rolling) return 0;
    while (pos < head && pos < stop) {
        tm_journal_rec_t *rec = (tm_journal_rec_t *)(void *)tm_journal_ring_at(w, pos);
        if (rec->kind == 0) {
            f->rolling = true;
            break;
        }
        const uint64_t body_sz = tm_journal_body_sz(rec->sz);
        rec->body_crc = crc(f->seed, (uint8_t *)rec + REC_SZ, body_sz);
        rec->head_crc = crc(f->seed, rec, offsetof(tm_journal_rec_t, head_crc));
        tm_journal_tally_add(&f->tally, rec, (uint64_t)tm_journal_file_off(f, pos));
        pos += REC_SZ + body_sz;
        cnt++;
    }
    if (cnt == 0) return 0;
    if (f->dirty_sz == 0) f->dirty_ns = now_ns;
    f->dirty_sz += pos - start;
    f->scan_pos = pos;
    f->next_seq += cnt;
    tm_counter_add(f->records, cnt);
    tm_counter_add(f->bytes, pos - start);
    return cnt;
}

/* Sends the whole pages that hold records. Returns whether there were any, or an error. */
static int pages_send(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    const uint64_t sz = page_floor(f->scan_pos) - f->sent_pos;
    if (sz == 0) return 0;
    TM_TRY(tm_journal_writes_room(w, 1));
    tm_journal_write_begin(w,
                           &(tm_journal_write_t){.op = {.fd = f->fd,
                                                        .path = f->path,
                                                        .src = tm_journal_ring_at(w, f->sent_pos),
                                                        .sz = sz,
                                                        .off = tm_journal_file_off(f, f->sent_pos)},
                                                 .tail_pos = f->sent_pos + sz});
    f->sent_pos += sz;
    return 1;
}

/* Writes what does not fill a page, once all before it is written, and begins an fsync. */
static int sync_begin(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(tm_journal_writes_room(w, TM_JOURNAL_WRITE_MAX));
    const size_t rest_sz = (size_t)(f->scan_pos - f->sent_pos);
    TM_CHECK(rest_sz < TM_JOURNAL_PAGE_SZ, "%zu bytes behind whole pages", rest_sz);
    if (rest_sz) {
        memcpy(f->rest_page, tm_journal_ring_at(w, f->sent_pos), rest_sz);
        memset(f->rest_page + rest_sz, 0, TM_JOURNAL_PAGE_SZ - rest_sz);
        tm_journal_write_begin(
            w, &(tm_journal_write_t){.op = {.fd = f->fd,
                                            .path = f->path,
                                            .src = f->rest_page,
                                            .sz = TM_JOURNAL_PAGE_SZ,
                                            .off = tm_journal_file_off(f, f->sent_pos)},
                                     .tail_pos = f->sent_pos});
        TM_TRY(tm_journal_writes_room(w, TM_JOURNAL_WRITE_MAX));
    }
    f->sync = (tm_journal_op_t){.kind = TM_JOURNAL_OP_SYNC_DATA, .fd = f->fd, .path = f->path};
    f->sync_seq = f->next_seq;
    f->dirty_sz = 0;
    tm_journal_begin(f, &f->sync);
    return 1;
}

/* Returns 1 where the fsync under way has ended, else 0, or an error. */
static int sync_end(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    if (f->sync_seq == 0) return 0;
    const int code = tm_journal_op_end(&f->ops, &f->sync);
    f->fatal = code < 0;
    if (code != 0) return code < 0 ? code : 0;
    tm_counter_add(f->fsyncs, 1);
    if (f->sync_seq > tm_journal_durable_seq(w))
        atomic_store_explicit(&w->durable_seq, f->sync_seq, memory_order_release); /* J3 */
    f->sync_seq = 0;
    return 1;
}

static bool sync_due(const tm_journal_writer_t *w, int64_t now_ns)
{
    const tm_journal_file_side_t *f = &w->file;
    if (w->cfg.sync_each) return true;
    if (w->cfg.sync_sz && f->dirty_sz >= w->cfg.sync_sz) return true;
    return w->cfg.sync_interval_ns > 0 && now_ns - f->dirty_ns >= w->cfg.sync_interval_ns;
}

/* Whether an fsync may begin: one at a time, and none of a segment that has no name yet. */
static bool sync_free(const tm_journal_file_side_t *f)
{
    return f->dirty_sz > 0 && f->sync_seq == 0 && f->turn.step == TM_JOURNAL_TURN_NONE;
}

/* How much makes a write worth while; a small ring must not fill up while waiting for the clock. */
static uint64_t write_at(const tm_journal_writer_t *w)
{
    return w->ring_sz / 4 < WRITE_SZ / 2 ? w->ring_sz / 4 : WRITE_SZ / 2;
}

/* What has come back from the kernel, and what follows from it. */
static int under_way(tm_journal_writer_t *w, int64_t now_ns)
{
    const int settled = tm_journal_writes_settle(w);
    if (settled < 0) return settled;
    const int synced = sync_end(w);
    if (synced < 0) return synced;
    const int turned = tm_journal_segment_work(w, now_ns);
    return turned < 0 ? turned : settled + synced + turned;
}

/* One pass. Returns its work count or an error. */
static int pass(tm_journal_writer_t *w, bool force)
{
    tm_journal_file_side_t *f = &w->file;
    const int64_t now_ns = tm_clock_mono_ns();
    int work = under_way(w, now_ns);
    if (work < 0) return work;
    const uint64_t head = atomic_load_explicit(&w->head, memory_order_acquire); /* J1 */
    const uint32_t cnt = scan(w, head, now_ns);
    f->calm = f->scan_pos >= head;
    const bool due = sync_free(f) && (force || sync_due(w, now_ns));
    work += cnt > INT32_MAX / 2 ? INT32_MAX / 2 : (int)cnt;
    if (due || f->rolling || f->scan_pos - f->sent_pos >= write_at(w)) {
        const int code = pages_send(w);
        if (code < 0) return code;
        work += code;
    }
    if (f->rolling) {
        TM_TRY(tm_journal_segment_turn(w));
        work++;
    } else if (due) {
        TM_TRY(sync_begin(w));
        work++;
    }
    if (work == 0 && f->ended_cnt < f->begun_cnt) { /* who appends may wait for the room */
        tm_journal_ops_wait(&f->ops);
        work++;
    }
    if (w->cfg.roll_age_ns > 0 && now_ns - f->seg_ns >= w->cfg.roll_age_ns &&
        f->next_seq > f->seg_seq)
        atomic_store_explicit(&w->roll_ordinal, f->seg_ordinal, memory_order_relaxed); /* a wish */
    return work;
}

/* A full disk may be emptied; everything else ends the writer. */
static int pass_failed(tm_journal_writer_t *w, int code)
{
    tm_journal_file_side_t *f = &w->file;
    const bool full = code == -ENOSPC || code == -EDQUOT || code == -EMFILE || code == -ENFILE;
    if (full && !f->fatal) return tm_error_context(code, "journal (kept in memory, tried again)");
    tm_error_context(code, "journal stopped: only sequences below %" PRIu64 " are safe",
                     tm_journal_durable_seq(w));
    snprintf(f->why, sizeof f->why, "%s", tm_error_text());
    atomic_store_explicit(&w->failed, code, memory_order_release); /* J5 */
    return code;
}

int tm_journal_flush_work(tm_journal_writer_t *w)
{
    const int failed = atomic_load_explicit(&w->failed, memory_order_relaxed); /* own value */
    if (failed) return tm_error_set(failed, "%s", w->file.why);
    const int work = pass(w, false);
    return work < 0 ? pass_failed(w, work) : work;
}

int tm_journal_sync(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    const int failed = atomic_load_explicit(&w->failed, memory_order_relaxed); /* own value */
    if (failed) return tm_error_set(failed, "%s", f->why);
    const uint64_t head = atomic_load_explicit(&w->head, memory_order_acquire); /* J1 */
    for (;;) {
        const int work = pass(w, f->scan_pos >= head);
        if (work < 0) return pass_failed(w, work);
        if (f->scan_pos >= head && tm_journal_durable_seq(w) == f->next_seq &&
            f->turn.step == TM_JOURNAL_TURN_NONE)
            return 0;
        if (work == 0) tm_journal_ops_wait(&f->ops);
    }
}
