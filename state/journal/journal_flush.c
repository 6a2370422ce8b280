/* The page that holds the newest records goes through a buffer of its own, padded with zeros: the
   rest of that page in the ring is still the receive thread's. It stays in the ring until it is
   full, since it is written again with every fsync.

   One write of whole pages is under way while the checksums of the next records are made: what is
   in [write_pos, sent_pos). Everything else waits for its end. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "state/crc32c.h"
#include "state/file.h"
#include "state/journal/journal_writer_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    WRITE_SZ = 1 << 20, /* one write: large enough for the disk, small enough to stay in the cache
                           between the checksum and the write */
    REC_SZ = sizeof(tm_journal_rec_t)
};

static const int64_t retain_interval_ns = 10 * TM_NS_PER_S;

static uint64_t page_floor(uint64_t pos)
{
    return pos & ~(uint64_t)(TM_JOURNAL_PAGE_SZ - 1);
}

static uint8_t *ring_at(const tm_journal_writer_t *w, uint64_t pos)
{
    return w->ring + (pos & (w->ring_sz - 1));
}

static int64_t file_off(const tm_journal_file_side_t *f, uint64_t pos)
{
    return (int64_t)(TM_JOURNAL_HEADER_SZ + pos - f->seg_pos);
}

/* ---- segments -----------------------------------------------------------------------------------
   */

/* Some file systems take the flag and refuse the write. */
static int write_pages(tm_journal_file_side_t *f, const char *path, const void *src, size_t sz,
                       int64_t off)
{
    int code = tm_file_write(f->fd, path, src, sz, off);
    if (code != -EINVAL || !f->direct) return code;
    f->direct = false;
    const int flags = fcntl(f->fd, F_GETFL);
    if (flags < 0 || fcntl(f->fd, F_SETFL, flags & ~O_DIRECT) != 0) return code;
    return tm_file_write(f->fd, path, src, sz, off);
}

static int segment_open(tm_journal_file_side_t *f, const char *path)
{
    const int flags = O_RDWR | O_CREAT | O_TRUNC;
    if (f->direct) {
        f->fd = tm_file_open(path, flags | O_DIRECT);
        if (f->fd != -EINVAL) return f->fd;
        f->direct = false;
    }
    f->fd = tm_file_open(path, flags);
    return f->fd;
}

static int segment_make(tm_journal_writer_t *w, const char *tmp)
{
    tm_journal_file_side_t *f = &w->file;
    const uint64_t sz = tm_align_up(w->roll_sz + TM_JOURNAL_SEAL_SZ_MAX, TM_JOURNAL_PAGE_SZ);
    TM_TRY(segment_open(f, tmp));
    const int code = tm_file_reserve(f->fd, tmp, (int64_t)sz);
    if (code == -ENOSPC) { /* fill what is left of the disk rather than give up now */
        TM_TRY(tm_file_truncate(f->fd, tmp, 0));
    } else {
        TM_TRY(code);
    }
    tm_journal_head_t head = {.epoch = f->epoch,
                              .first_seq = f->seg_seq,
                              .real_ns = tm_clock_real_ns(),
                              .mono_ns = tm_clock_mono_ns(),
                              .prior_max_ns = f->max_ns};
    memcpy(head.journal_id, f->journal_id, sizeof head.journal_id);
    memcpy(head.label, w->label, sizeof head.label);
    tm_journal_head_write(f->page, &head);
    TM_TRY(write_pages(f, tmp, f->page, TM_JOURNAL_HEADER_SZ, 0));
    TM_TRY(tm_file_sync(f->fd, tmp));
    TM_TRY(tm_file_rename(tmp, f->path));
    TM_TRY(tm_file_sync_dir(w->dir));
    f->seed = tm_journal_seed(f->journal_id, f->seg_seq);
    f->seg_ns = head.mono_ns;
    return 0;
}

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

int tm_journal_flush_start(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    char tmp[TM_JOURNAL_PATH_MAX];
    TM_TRY(tm_journal_path(f->path, w->dir, f->seg_seq, false));
    if (snprintf(tmp, sizeof tmp, "%s/.journal-%020" PRIu64 ".tmp", w->dir, f->seg_seq) >=
        (int)sizeof tmp)
        return tm_error_set(-ENAMETOOLONG, "journal %s: path too long", w->dir);
    const int code = segment_make(w, tmp);
    if (code < 0) {
        char why[TM_ERROR_TEXT_MAX];
        snprintf(why, sizeof why, "%s", tm_error_text());
        tm_file_close(f->fd);
        f->fd = -1;
        (void)!tm_file_unlink(tmp); /* the next open removes it otherwise */
        return tm_error_set(code, "new segment: %s", why);
    }
    tm_journal_tally_init(&f->tally, f->max_ns);
    tm_counter_add(f->segments, 1);
    retain(w, f->seg_ns);
    return 0;
}

/* Ends the write that is under way, if one is. */
static int write_end(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    const uint64_t sz = f->sent_pos - f->write_pos;
    if (sz == 0) return 0;
    if (!f->async.busy || tm_journal_async_wait(&f->async) != (int64_t)sz)
        TM_TRY(write_pages(f, f->path, ring_at(w, f->write_pos), sz, file_off(f, f->write_pos)));
    f->write_pos = f->sent_pos;
    atomic_store_explicit(&w->tail, f->write_pos, memory_order_release); /* J2 */
    return 0;
}

/* Takes the bytes of the ring that are not in the file as whole pages to the front of f->page. */
static size_t rest_copy(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    const size_t sz = (size_t)(f->scan_pos - f->write_pos);
    TM_CHECK(sz < TM_JOURNAL_PAGE_SZ, "%zu bytes behind whole pages", sz);
    memcpy(f->page, ring_at(w, f->write_pos), sz);
    return sz;
}

static int seal(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(write_end(w));
    const size_t rest_sz = rest_copy(w);
    const uint64_t end_off = (uint64_t)file_off(f, f->scan_pos);
    f->tally.seal.real_ns = tm_clock_real_ns();
    f->tally.seal.mono_ns = tm_clock_mono_ns();
    const size_t sz = tm_journal_seal_write(f->page + rest_sz, &f->tally, f->seed, end_off);
    const size_t all_sz = tm_align_up(rest_sz + sz, TM_JOURNAL_PAGE_SZ);
    memset(f->page + rest_sz + sz, 0, all_sz - rest_sz - sz);
    TM_TRY(write_pages(f, f->path, f->page, all_sz, file_off(f, f->write_pos)));
    TM_TRY(tm_file_truncate(f->fd, f->path, (int64_t)(end_off + sz)));
    f->fatal = true;
    TM_TRY(tm_file_sync(f->fd, f->path));
    f->fatal = false;
    tm_counter_add(f->fsyncs, 1);
    tm_file_close(f->fd);
    f->fd = -1;
    f->dirty_sz = 0;
    f->max_ns = f->tally.seal.max_ns;
    atomic_store_explicit(&w->durable_seq, f->next_seq, memory_order_release); /* J3 */
    return 0;
}

int tm_journal_flush_end(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    if (f->fd < 0) return 0;
    if (f->next_seq > f->seg_seq) return seal(w);
    tm_file_close(f->fd);
    f->fd = -1;
    TM_TRY(tm_file_unlink(f->path));
    return tm_file_sync_dir(w->dir);
}

/* From the end mark to the first record of the next segment. */
static int roll(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(seal(w));
    const uint64_t pos = tm_align_up(f->scan_pos + REC_SZ, TM_JOURNAL_PAGE_SZ);
    f->scan_pos = f->sent_pos = f->write_pos = f->seg_pos = pos;
    f->seg_seq = f->next_seq;
    f->seg_ordinal++;
    f->rolling = false;
    atomic_store_explicit(&w->tail, pos, memory_order_release); /* J2 */
    return tm_journal_flush_start(w);
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
        tm_journal_rec_t *rec = (tm_journal_rec_t *)(void *)ring_at(w, pos);
        if (rec->kind == 0) {
            f->rolling = true;
            break;
        }
        const uint64_t body_sz = tm_journal_body_sz(rec->sz);
        rec->body_crc = crc(f->seed, (uint8_t *)rec + REC_SZ, body_sz);
        rec->head_crc = crc(f->seed, rec, offsetof(tm_journal_rec_t, head_crc));
        tm_journal_tally_add(&f->tally, rec, (uint64_t)file_off(f, pos));
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

/* Begins to write the whole pages behind the last write, whose end it waits for. */
static int write_begin(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(write_end(w));
    const uint64_t sz = page_floor(f->scan_pos) - f->write_pos;
    if (sz == 0) return 0;
    f->sent_pos = f->write_pos + sz;
    if (f->direct && tm_journal_async_start(&f->async, f->fd, ring_at(w, f->write_pos), sz,
                                            file_off(f, f->write_pos)))
        return 1;
    const int code = write_end(w);
    return code < 0 ? code : 1;
}

static int sync_now(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(write_end(w));
    const size_t rest_sz = rest_copy(w);
    if (rest_sz) {
        memset(f->page + rest_sz, 0, TM_JOURNAL_PAGE_SZ - rest_sz);
        TM_TRY(write_pages(f, f->path, f->page, TM_JOURNAL_PAGE_SZ, file_off(f, f->write_pos)));
    }
    f->fatal = true;
    TM_TRY(tm_file_sync_data(f->fd, f->path));
    f->fatal = false;
    f->dirty_sz = 0;
    tm_counter_add(f->fsyncs, 1);
    atomic_store_explicit(&w->durable_seq, f->next_seq, memory_order_release); /* J3 */
    return 1;
}

static bool sync_due(const tm_journal_writer_t *w, int64_t now_ns)
{
    const tm_journal_file_side_t *f = &w->file;
    if (f->dirty_sz == 0) return false;
    if (w->cfg.sync_each) return true;
    if (w->cfg.sync_sz && f->dirty_sz >= w->cfg.sync_sz) return true;
    return w->cfg.sync_interval_ns > 0 && now_ns - f->dirty_ns >= w->cfg.sync_interval_ns;
}

/* How much makes a write worth while; a small ring must not fill up while waiting for the clock. */
static uint64_t write_at(const tm_journal_writer_t *w)
{
    return w->ring_sz / 4 < WRITE_SZ / 2 ? w->ring_sz / 4 : WRITE_SZ / 2;
}

/* One pass. Returns its work count or an error. */
static int pass(tm_journal_writer_t *w, bool force)
{
    tm_journal_file_side_t *f = &w->file;
    if (f->fd < 0) TM_TRY(tm_journal_flush_start(w));
    const int64_t now_ns = tm_clock_mono_ns();
    const uint64_t head = atomic_load_explicit(&w->head, memory_order_acquire); /* J1 */
    const uint32_t cnt = scan(w, head, now_ns);
    const bool due = sync_due(w, now_ns) || (force && f->dirty_sz > 0);
    int work = cnt > INT32_MAX / 2 ? INT32_MAX / 2 : (int)cnt;
    if (due || f->rolling || f->scan_pos - f->sent_pos >= write_at(w)) {
        const int code = write_begin(w);
        if (code < 0) return code;
        work += code;
    } else if (cnt == 0 && f->sent_pos != f->write_pos) { /* who appends may wait for the room */
        TM_TRY(write_end(w));
        work++;
    }
    if (f->rolling) {
        TM_TRY(roll(w));
        work++;
    } else if (due) {
        TM_TRY(sync_now(w));
        work++;
    }
    if (w->cfg.roll_age_ns > 0 && now_ns - f->seg_ns >= w->cfg.roll_age_ns &&
        f->next_seq > f->seg_seq)
        atomic_store_explicit(&w->roll_ordinal, f->seg_ordinal, memory_order_relaxed); /* a wish */
    if (now_ns - f->retain_ns >= retain_interval_ns) retain(w, now_ns);
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
    while (f->scan_pos < head || f->dirty_sz > 0) {
        const int work = pass(w, f->scan_pos >= head);
        if (work < 0) return pass_failed(w, work);
    }
    return 0;
}
