#include "engine/runtime/source/journal_source.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/runtime/source/arbiter.h"
#include "engine/runtime/source/lane.h"
#include "net/replay/stream_filter.h"
#include "state/journal/journal_format.h"
#include "state/journal/journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SPIN_NS = 120 * 1000, /* a sleep may end this late, so the rest is spun */
    SLEEP_NS_MAX = 50 * TM_NS_PER_MS,
};

typedef struct journal_source {
    tm_source_t source;
    tm_journal_reader_t *reader;
    tm_stream_filter_t filter;
    uint64_t from_seq;
    double ns_per_ns;      /* real time per recorded time: 1 / speed; 0 = as fast as taken */
    int64_t first_recv_ns; /* of the first frame */
    int64_t start_ns;      /* mono, when it was given; 0 = not yet */
    tm_journal_view_t views[TM_JOURNAL_SOURCE_BURST];
    uint32_t view_cnt, view_idx;     /* read, and given */
    bool lanes;                      /* give copies and rows of connections */
    uint64_t epoch;                  /* of the writer, 0 = not read yet */
    bool known[TM_ARBITER_CONN_MAX]; /* connections that stream, whose lane is known */
    uint32_t row_cnt;
    tm_feed_row_t rows[2 * TM_ARBITER_CONN_MAX]; /* not yet given */
    tm_counter_t *frames, *frame_bytes, *damage;
    tm_counter_t unread[3]; /* counts where the caller gave no set */
} journal_source_t;

static void on_damage(void *ctx, const tm_journal_damage_t *damage)
{
    journal_source_t *s = ctx;
    char text[512];
    tm_journal_damage_text(text, sizeof text, damage);
    tm_counter_add(s->damage, 1);
    TM_LOG_W("journal", "%s; going on behind it", text);
}

/* Where a record belongs in the original schedule, mono time. */
static int64_t view_due_ns(journal_source_t *s, const tm_journal_view_t *view, int64_t now_ns)
{
    if (s->ns_per_ns == 0) return now_ns;
    if (s->start_ns == 0) {
        s->start_ns = now_ns;
        s->first_recv_ns = view->frame.recv_ns;
    }
    double delta_ns = (double)(view->frame.recv_ns - s->first_recv_ns) * s->ns_per_ns;
    if (delta_ns > 1e18) delta_ns = 1e18; /* thirty years: a broken stamp, not a schedule */
    if (delta_ns < -1e18) delta_ns = -1e18;
    return s->start_ns + (int64_t)delta_ns;
}

/* ---- connections -----------------------------------------------------------------------------
 */

static void down_put(journal_source_t *s, uint32_t conn_idx, int64_t recv_ns)
{
    s->known[conn_idx] = false;
    if (s->row_cnt == TM_ARRAY_CNT(s->rows)) return;
    s->rows[s->row_cnt++] = (tm_feed_row_t){.row = {.kind = TM_ROW_FEED,
                                                    .symbol = TM_SYMBOL_NONE,
                                                    .event_ns = TM_TIME_NONE,
                                                    .recv_ns = recv_ns},
                                            .conn_idx = conn_idx,
                                            .what = TM_FEED_DOWN};
}

/* A writer that was killed had not said that its connections ended. */
static void epoch_take(journal_source_t *s)
{
    const uint64_t epoch = tm_journal_reader_epoch(s->reader);
    if (epoch != s->epoch)
        for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++)
            if (s->known[i]) down_put(s, i, s->views[0].frame.recv_ns);
    s->epoch = epoch;
}

/* Takes the event behind `n` frames of this poll. Returns whether the poll goes on behind it. */
static bool event_take(journal_source_t *s, const tm_journal_view_t *view, uint32_t n)
{
    tm_feed_row_t row;
    const uint32_t conn_idx = view->frame.conn_idx;
    if (conn_idx >= TM_ARBITER_CONN_MAX) return true;
    if (view->kind == TM_JOURNAL_DISCONNECT && s->known[conn_idx]) {
        down_put(s, conn_idx, view->frame.recv_ns);
        s->view_idx++;
        return false;
    }
    if (view->kind != TM_JOURNAL_LANE || s->known[conn_idx] ||
        !tm_lane_take(&row, (const char *)view->frame.data, view->frame.sz))
        return true;
    if (n > 0 || s->row_cnt == TM_ARRAY_CNT(s->rows)) return false;
    row.conn_idx = conn_idx;
    row.row.recv_ns = view->frame.recv_ns;
    s->rows[s->row_cnt++] = row;
    s->known[conn_idx] = true;
    return true;
}

static uint32_t source_rows(tm_source_t *source, tm_feed_row_t *rows, uint32_t cap)
{
    journal_source_t *s = (journal_source_t *)source;
    const uint32_t n = s->row_cnt < cap ? s->row_cnt : cap;
    memcpy(rows, s->rows, n * sizeof *rows);
    memmove(s->rows, s->rows + n, (s->row_cnt - n) * sizeof *rows);
    s->row_cnt -= n;
    return n;
}

/* Whether a message is one to give. */
static bool is_wanted(journal_source_t *s, const tm_journal_view_t *view)
{
    if (view->flags) {
        const bool told = s->lanes && view->frame.conn_idx < TM_ARBITER_CONN_MAX &&
                          s->known[view->frame.conn_idx];
        if (view->flags & TM_JOURNAL_SENT || (view->flags & TM_JOURNAL_LEFT_OUT && !told))
            return false;
    }
    return tm_stream_filter_takes(&s->filter, view->frame.data, view->frame.sz);
}

/* ---- frames ----------------------------------------------------------------------------------
 */

/* Gives what is read and due. Where the next one is not, *due_ns says when it will be. */
static uint32_t views_give(journal_source_t *s, tm_frame_t *frames, uint32_t cap, int64_t now_ns,
                           int64_t *due_ns)
{
    uint32_t n = 0;
    uint64_t bytes = 0;
    for (; n < cap && s->view_idx < s->view_cnt; s->view_idx++) {
        const tm_journal_view_t *view = &s->views[s->view_idx];
        if (TM_UNLIKELY(!tm_journal_is_message(view->kind))) {
            if (!event_take(s, view, n)) break;
            continue;
        }
        if (!is_wanted(s, view)) continue;
        *due_ns = view_due_ns(s, view, now_ns);
        if (*due_ns > now_ns) break;
        frames[n] = view->frame;
        frames[n++].ingress_ns = *due_ns;
        bytes += view->frame.sz;
    }
    tm_counter_add(s->frames, n);
    tm_counter_add(s->frame_bytes, bytes);
    return n;
}

/* Reads on where all that was read is given. 0 or how the source ends. */
static int views_read(journal_source_t *s)
{
    if (s->view_idx < s->view_cnt) return 0;
    int n = tm_journal_reader_read(s->reader, s->views, TM_JOURNAL_SOURCE_BURST);
    if (n <= 0) return n < 0 ? n : TM_E_CLOSED;
    s->view_cnt = (uint32_t)n;
    s->view_idx = 0;
    if (s->lanes) epoch_take(s);
    return 0;
}

/* Sleeps where the time is long and spins at its end. Returns false where a signal came. */
static bool wait_until(int64_t until_ns)
{
    for (;;) {
        int64_t left_ns = until_ns - tm_clock_mono_ns();
        if (left_ns <= 0) return true;
        if (left_ns <= SPIN_NS) {
            tm_cpu_relax();
            continue;
        }
        int64_t sleep_ns = left_ns - SPIN_NS < SLEEP_NS_MAX ? left_ns - SPIN_NS : SLEEP_NS_MAX;
        if (nanosleep(&(struct timespec){.tv_nsec = sleep_ns}, NULL) != 0) return false;
    }
}

static int source_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns)
{
    journal_source_t *s = (journal_source_t *)source;
    int64_t now_ns = tm_clock_mono_ns();
    const int64_t end_ns = wait_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + wait_ns;
    if (cap == 0) return 0;
    for (;;) {
        int64_t due_ns = 0;
        TM_TRY(views_read(s));
        if (s->start_ns == 0) now_ns = tm_clock_mono_ns(); /* finding the start is not lateness */
        uint32_t n = s->row_cnt == 0 ? views_give(s, frames, cap, now_ns, &due_ns) : 0;
        if (n > 0 || s->row_cnt > 0) return (int)n;
        if (s->view_idx == s->view_cnt) continue; /* none of them was wanted */
        if (now_ns >= end_ns || !wait_until(due_ns < end_ns ? due_ns : end_ns)) return 0;
        now_ns = tm_clock_mono_ns();
    }
}

static void source_close(tm_source_t *source)
{
    journal_source_t *s = (journal_source_t *)source;
    if (s->reader) tm_journal_reader_close(s->reader);
    tm_stream_filter_fini(&s->filter);
    free(s);
}

static uint64_t source_position(const tm_source_t *source)
{
    const journal_source_t *s = (const journal_source_t *)source;
    if (s->view_idx < s->view_cnt) return s->views[s->view_idx].seq;
    uint64_t next = tm_journal_reader_next_seq(s->reader);
    return next > s->from_seq ? next : s->from_seq;
}

static const tm_source_ops_t ops = {
    .poll = source_poll, .rows = source_rows, .position = source_position, .close = source_close};

uint64_t tm_journal_source_epoch(const tm_source_t *source)
{
    return source && source->ops == &ops ? ((const journal_source_t *)source)->epoch : 0;
}

int tm_journal_source_open(tm_source_t **out, const tm_recording_cfg_t *cfg)
{
    journal_source_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "journal %s: out of memory", cfg->path);
    s->source.ops = &ops;
    s->from_seq = cfg->from_pos;
    s->lanes = cfg->lanes;
    s->epoch = cfg->epoch;
    if (cfg->streaming) memcpy(s->known, cfg->streaming, sizeof s->known);
    s->ns_per_ns = cfg->speed > 0 ? 1 / cfg->speed : 0;
    s->frames = cfg->counters ? tm_counter_get(cfg->counters, "frames") : &s->unread[0];
    s->frame_bytes = cfg->counters ? tm_counter_get(cfg->counters, "frame_bytes") : &s->unread[1];
    s->damage = cfg->counters ? tm_counter_get(cfg->counters, "journal_damage") : &s->unread[2];
    tm_stream_filter_init(&s->filter, cfg->streams, cfg->stream_cnt);
    const tm_journal_reader_cfg_t reader = {.path = cfg->path,
                                            .from_seq = cfg->from_pos,
                                            /* A range that was begun has no lower end any more. */
                                            .from_ns = cfg->from_pos ? 0 : cfg->from_ns,
                                            .to_ns = cfg->to_ns,
                                            .run_up = cfg->run_up,
                                            .messages = !cfg->lanes,
                                            .on_damage = on_damage,
                                            .on_damage_ctx = s};
    int err = tm_journal_reader_open(&s->reader, &reader);
    if (err < 0) {
        free(s);
        return err;
    }
    *out = &s->source;
    return 0;
}

bool tm_journal_source_is(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return false;
    if (S_ISDIR(st.st_mode)) return true;
    uint8_t head[sizeof tm_journal_magic_head];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, head, sizeof head) == (ssize_t)sizeof head &&
              memcmp(head, tm_journal_magic_head, sizeof head) == 0;
    if (fd >= 0) close(fd);
    return is;
}
