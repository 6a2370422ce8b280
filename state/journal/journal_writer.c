/* A record is made in place in a ring of bytes whose second mapping follows the first, so a copy
   never wraps and the file thread writes any run of pages with one call. The receive thread decides
   where a segment ends, since only it knows where the next record would fall: it leaves 32 zero
   bytes as an end mark and goes on at the next page, so that file offsets and ring positions stay
   equal modulo a page, which is what direct writes from the ring need. */
#include "state/journal/journal_writer.h"

#include "base/check.h"
#include "base/clock.h"
#include "state/file.h"
#include "state/journal/journal_writer_private.h"
#include "state/journal/mirror.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUFFER_SZ = 64 << 20,
    BUFFER_SZ_MIN = 64 << 10,
    ROLL_SZ = 256 << 20,
    PAYLOAD_SZ_MAX = 16 << 20
};

/* ---- receive thread -----------------------------------------------------------------------------
   */

static int64_t append_full(const tm_journal_writer_t *w)
{
    const int failed = atomic_load_explicit(&w->failed, memory_order_acquire); /* J5 */
    if (failed) return tm_error_set(failed, "%s", w->file.why);
    tm_counter_add(w->full, 1);
    return -EAGAIN;
}

/* Whether `need` bytes fit, after a look at how far the file thread has come. */
static bool room_look(tm_journal_writer_t *w, uint64_t head, uint64_t need)
{
    w->tail_seen = atomic_load_explicit(&w->tail, memory_order_acquire); /* J2 */
    return head + need <= w->tail_seen + w->ring_sz;
}

/* Leaves the end mark and goes on at the next page. Returns the new head, not yet published: the
   mark becomes visible with the record behind it. */
static uint64_t roll(tm_journal_writer_t *w, uint64_t head)
{
    memset(w->ring + (head & (w->ring_sz - 1)), 0, sizeof(tm_journal_rec_t));
    w->seg_seq = w->next_seq;
    w->seg_off = TM_JOURNAL_HEADER_SZ;
    w->seg_ordinal++;
    return tm_align_up(head + sizeof(tm_journal_rec_t), TM_JOURNAL_PAGE_SZ);
}

int64_t tm_journal_append(tm_journal_writer_t *w, const tm_journal_entry_t *e)
{
    const uint64_t span = tm_journal_span(e->sz);
    uint64_t head = atomic_load_explicit(&w->head, memory_order_relaxed); /* own value */
    if (TM_UNLIKELY(e->sz > w->payload_sz_max))
        return tm_error_set(TM_E_LIMIT, "journal %s: a message of %u bytes; the limit is %u",
                            w->dir, e->sz, w->payload_sz_max);
    TM_DCHECK(e->kind != 0 && e->kind != TM_JOURNAL_SEAL, "kind %u", e->kind);
    if (TM_UNLIKELY(head + span + TM_JOURNAL_ROLL_SLACK > w->tail_seen + w->ring_sz) &&
        !room_look(w, head, span + TM_JOURNAL_ROLL_SLACK))
        return append_full(w);
    /* relaxed: a wish, seen sooner or later */
    const uint64_t old = atomic_load_explicit(&w->roll_ordinal, memory_order_relaxed);
    if (TM_UNLIKELY(w->seg_off + span > w->roll_sz || old == w->seg_ordinal) &&
        w->seg_off > TM_JOURNAL_HEADER_SZ)
        head = roll(w, head);

    uint8_t *at = w->ring + (head & (w->ring_sz - 1));
    const uint64_t word0 = (uint64_t)e->sz | (w->next_seq - w->seg_seq) << 32;
    const uint64_t word2 = (uint64_t)e->conn_idx | (uint64_t)e->stream << 32 |
                           (uint64_t)e->kind << 48 | (uint64_t)e->flags << 56;
    memcpy(at, &word0, 8);
    memcpy(at + 8, &e->recv_ns, 8);
    memcpy(at + 16, &word2, 8);
    memset(at + span - 8, 0, 8); /* padding; without a payload: the checksums' place */
    if (e->sz) memcpy(at + sizeof(tm_journal_rec_t), e->data, e->sz);
    w->seg_off += span;
    atomic_store_explicit(&w->head, head + span, memory_order_release); /* J1 */
    return (int64_t)w->next_seq++;
}

uint64_t tm_journal_segment_idx(const tm_journal_writer_t *w)
{
    return w->seg_ordinal;
}

uint64_t tm_journal_epoch(const tm_journal_writer_t *w)
{
    return w->file.epoch;
}

uint64_t tm_journal_next_seq(const tm_journal_writer_t *w)
{
    return w->next_seq;
}

/* ---- any thread ---------------------------------------------------------------------------------
   */

uint64_t tm_journal_durable_seq(const tm_journal_writer_t *w)
{
    return atomic_load_explicit(&w->durable_seq, memory_order_acquire); /* J3 */
}

void tm_journal_keep_from(tm_journal_writer_t *w, uint64_t seq)
{
    atomic_store_explicit(&w->keep_seq, seq, memory_order_release); /* J4 */
}

uint64_t tm_journal_lag_sz(const tm_journal_writer_t *w)
{
    /* relaxed: a gauge */
    const uint64_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);
    const uint64_t head = atomic_load_explicit(&w->head, memory_order_relaxed);
    return head > tail ? head - tail : 0;
}

/* ---- open and close -----------------------------------------------------------------------------
   */

static int cfg_take(tm_journal_writer_t *w, const tm_journal_writer_cfg_t *cfg)
{
    w->cfg = *cfg;
    w->cfg.dir = w->dir;
    w->cfg.label = w->label;
    w->ring_sz = cfg->buffer_sz ? cfg->buffer_sz : BUFFER_SZ;
    w->roll_sz = cfg->roll_sz ? cfg->roll_sz : ROLL_SZ;
    if (w->cfg.sync_interval_ns == 0) w->cfg.sync_interval_ns = 100 * TM_NS_PER_MS;
    const char *label = cfg->label ? cfg->label : "";
    if (snprintf(w->dir, sizeof w->dir - 64, "%s", cfg->dir) >= (int)sizeof w->dir - 64)
        return tm_error_set(-ENAMETOOLONG, "journal folder '%.200s...': path too long", cfg->dir);
    if (snprintf(w->label, sizeof w->label, "%s", label) >= (int)sizeof w->label)
        return tm_error_set(TM_E_CONFIG, "journal label '%.80s': at most %d bytes", label,
                            TM_JOURNAL_LABEL_SZ - 1);
    if (!tm_is_pow2(w->ring_sz) || w->ring_sz < BUFFER_SZ_MIN)
        return tm_error_set(TM_E_CONFIG,
                            "journal buffer of %llu bytes: a power of two of at least %d is needed",
                            (unsigned long long)w->ring_sz, BUFFER_SZ_MIN);
    if (w->roll_sz > TM_JOURNAL_SEGMENT_SZ_MAX || w->roll_sz < 2 * TM_JOURNAL_HEADER_SZ)
        return tm_error_set(TM_E_CONFIG, "journal segment of %llu bytes: %d to %llu are allowed",
                            (unsigned long long)w->roll_sz, 2 * TM_JOURNAL_HEADER_SZ,
                            (unsigned long long)TM_JOURNAL_SEGMENT_SZ_MAX);
    const uint64_t fits = w->ring_sz / 4;
    w->payload_sz_max = (uint32_t)(fits < PAYLOAD_SZ_MAX ? fits : PAYLOAD_SZ_MAX);
    if (cfg->payload_sz_max > fits || cfg->payload_sz_max > TM_JOURNAL_PAYLOAD_SZ_MAX)
        return tm_error_set(TM_E_CONFIG,
                            "journal: messages of %u bytes need a buffer of four times that",
                            cfg->payload_sz_max);
    if (cfg->payload_sz_max) w->payload_sz_max = cfg->payload_sz_max;
    return 0;
}

static void counters_take(tm_journal_writer_t *w)
{
    tm_journal_file_side_t *f = &w->file;
    tm_counter_set_t *set = w->cfg.file_counters;
    f->records = set ? tm_counter_get(set, "journal_records") : &f->uncounted[0];
    f->bytes = set ? tm_counter_get(set, "journal_bytes") : &f->uncounted[1];
    f->fsyncs = set ? tm_counter_get(set, "journal_fsyncs") : &f->uncounted[2];
    f->segments = set ? tm_counter_get(set, "journal_segments") : &f->uncounted[3];
    f->retired = set ? tm_counter_get(set, "journal_retired") : &f->uncounted[4];
    set = w->cfg.receive_counters;
    w->full = set ? tm_counter_get(set, "journal_full") : &f->uncounted[5];
}

static int prepare(tm_journal_writer_t *w, tm_journal_recovery_t *rec)
{
    tm_journal_file_side_t *f = &w->file;
    TM_TRY(tm_file_mkdirs(w->dir));
    f->lock_fd = tm_journal_dir_lock(w->dir);
    if (f->lock_fd < 0) return f->lock_fd;
    TM_TRY(tm_journal_recover(w->dir, rec, w->cfg.on_damage, w->cfg.on_damage_ctx));
    memcpy(f->journal_id, rec->journal_id, sizeof f->journal_id);
    f->epoch = rec->epoch + 1;
    f->max_ns = rec->max_ns;
    f->direct = !w->cfg.buffered;
    if (f->direct) tm_journal_ops_open(&f->ops); /* else all is made in place */
    f->seg_seq = f->next_seq = rec->next_seq;
    w->next_seq = w->seg_seq = rec->next_seq;
    w->seg_off = TM_JOURNAL_HEADER_SZ;
    const size_t pages_sz = tm_align_up(3 * TM_JOURNAL_PAGE_SZ + TM_JOURNAL_SEAL_SZ_MAX,
                                        TM_JOURNAL_PAGE_SZ);
    f->rest_page = aligned_alloc(TM_JOURNAL_PAGE_SZ, pages_sz);
    if (!f->rest_page) return tm_error_set(-ENOMEM, "journal %s: no memory", w->dir);
    f->head_page = f->rest_page + TM_JOURNAL_PAGE_SZ;
    f->seal_pages = f->head_page + TM_JOURNAL_PAGE_SZ;
    TM_TRY(tm_mirror_open(&w->ring, w->ring_sz));
    atomic_init(&w->durable_seq, rec->next_seq);
    atomic_init(&w->roll_ordinal, UINT64_MAX);
    atomic_init(&w->keep_seq, w->cfg.keep_for_checkpoints ? 0 : UINT64_MAX);
    return tm_journal_segment_first(w);
}

static void release(tm_journal_writer_t *w)
{
    tm_journal_ops_close(&w->file.ops);
    tm_file_close(w->file.fd);
    tm_file_close(w->file.next.fd);
    tm_file_close(w->file.turn.old_fd);
    tm_file_close(w->file.lock_fd); /* ends the lock */
    tm_mirror_close(w->ring, w->ring_sz);
    free(w->file.rest_page);
    free(w);
}

int tm_journal_writer_open(tm_journal_writer_t **out, const tm_journal_writer_cfg_t *cfg,
                           tm_journal_recovery_t *recovery)
{
    tm_journal_recovery_t mine;
    tm_clock_init();
    tm_journal_writer_t *w = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *w, TM_FALSE_SHARE));
    if (!w) return tm_error_set(-ENOMEM, "journal %s: no memory", cfg->dir);
    memset(w, 0, sizeof *w);
    w->file.fd = w->file.lock_fd = w->file.next.fd = w->file.turn.old_fd = -1;
    int code = cfg_take(w, cfg);
    if (code == 0) {
        counters_take(w);
        code = prepare(w, recovery ? recovery : &mine);
    }
    if (code < 0) {
        release(w);
        return tm_error_context(code, "open journal for writing");
    }
    *out = w;
    return 0;
}

int tm_journal_writer_close(tm_journal_writer_t *w)
{
    int code = tm_journal_sync(w);
    if (code >= 0) code = tm_journal_segment_last(w);
    release(w);
    return code < 0 ? tm_error_context(code, "close journal") : 0;
}
