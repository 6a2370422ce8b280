#include "engine/cli/capture_run.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/runtime/source/recorder.h"
#include "engine/runtime/thread.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_BURST = 256,
    POLL_NS = 20 * TM_NS_PER_MS, /* bounds the reaction to a stop */
    NAP_NS = 500 * TM_NS_PER_US, /* of the file thread; the ring holds far more than this brings */
};

#define LIVE_NS (250 * TM_NS_PER_MS) /* on a terminal */
#define LOG_NS  (10 * TM_NS_PER_S)   /* elsewhere */

/* Set by a signal handler: the only word shared with it. */
static _Atomic bool stop;

typedef struct capture {
    const tm_capture_cfg_t *cfg;
    tm_thread_t thread; /* receives */
    tm_journal_writer_t *journal;
    tm_recorder_t *recorder;
    tm_counter_set_t *file_counters;
    tm_counter_t *messages, *bytes;
    _Atomic uint32_t up_cnt;   /* connections that stream */
    _Atomic int64_t first_ns;  /* mono, of the first message; 0 = none yet */
    _Atomic uint64_t next_seq; /* behind the last record handed to the journal */
    _Atomic int64_t last_ns;   /* of the last burst */
    _Atomic bool abort;
    _Atomic uint64_t *durable; /* mapped for other processes; NULL = not asked for */
    tm_frame_t frames[FRAME_BURST];
} capture_t;

typedef struct live {
    int64_t shown_ns, synced_ns;
    uint64_t message_cnt, message_sz;
} live_t;

void tm_capture_stop(void)
{
    atomic_store_explicit(&stop, true, memory_order_release); /* R1 */
}

static bool is_stopped(void)
{
    return atomic_load_explicit(&stop, memory_order_acquire); /* R1 */
}

/* ---- receive thread --------------------------------------------------------------------------
 */

static void on_link(void *ctx, const tm_feed_link_t *link)
{
    capture_t *c = ctx;
    uint32_t up = atomic_load_explicit(&c->up_cnt, memory_order_relaxed); /* own value */
    atomic_store_explicit(&c->up_cnt, link->up ? up + 1 : up - 1,
                          memory_order_relaxed); /* statistics only */
    tm_recorder_link(c->recorder, link);
}

/* Returns frames recorded, TM_E_CLOSED at the end, or an error. */
static int burst_record(capture_t *c, tm_source_t *source)
{
    const uint64_t max = c->cfg->message_max, done = tm_counter_read(c->messages);
    uint32_t cap = FRAME_BURST;
    if (max && max - done < cap) cap = (uint32_t)(max - done);
    const int n = tm_source_poll(source, c->frames, cap, POLL_NS);
    if (n <= 0) return n;
    const int64_t now_ns = tm_clock_mono_ns();
    if (done == 0)
        atomic_store_explicit(&c->first_ns, now_ns, memory_order_relaxed); /* statistics only */
    for (int i = 0; i < n; i++) {
        TM_TRY(tm_recorder_frame(c->recorder, &c->frames[i], 0));
        tm_counter_add(c->bytes, c->frames[i].sz);
    }
    tm_counter_add(c->messages, (uint64_t)n);
    atomic_store_explicit(&c->next_seq, tm_journal_next_seq(c->journal),
                          memory_order_relaxed);                      /* statistics only */
    atomic_store_explicit(&c->last_ns, now_ns, memory_order_relaxed); /* statistics only */
    return max && done + (uint64_t)n == max ? TM_E_CLOSED : n;
}

static int receive_body(void *arg)
{
    capture_t *c = arg;
    tm_feed_cfg_t cfg = c->cfg->feed;
    tm_source_t *source;
    cfg.stop = &stop;
    cfg.counters = c->thread.counters;
    cfg.on_link = on_link;
    cfg.on_link_ctx = c;
    TM_TRY(tm_thread_pin(&c->thread));
    int err = tm_feed_open(&source, &cfg);
    if (err < 0) return err == -EINTR ? 0 : err; /* told to stop while still connecting */
    tm_thread_is_running(&c->thread);
    while (err >= 0 && !is_stopped()) err = burst_record(c, source);
    char text[TM_ERROR_TEXT_MAX]; /* closing may replace the trail */
    snprintf(text, sizeof text, "%s", tm_error_text());
    tm_source_close(source);
    return err < 0 && err != TM_E_CLOSED ? tm_error_set(err, "%s", text) : 0;
}

/* ---- calling thread --------------------------------------------------------------------------
 */

static bool is_over(const capture_t *c)
{
    const tm_thread_state_t state = tm_thread_state(&c->thread);
    return state == TM_THREAD_DONE || state == TM_THREAD_FAILED;
}

static void live_show(capture_t *c, live_t *live, int64_t now_ns)
{
    const bool terminal = isatty(STDERR_FILENO);
    if (now_ns - live->synced_ns >= TM_NS_PER_S) {
        tm_clock_sync();
        live->synced_ns = now_ns;
    }
    if (c->cfg->quiet || now_ns - live->shown_ns < (terminal ? LIVE_NS : LOG_NS)) return;
    const double s = (double)(now_ns - live->shown_ns) / 1e9;
    const uint64_t cnt = tm_counter_read(c->messages), sz = tm_counter_read(c->bytes);
    const uint64_t durable = tm_journal_durable_seq(c->journal);
    const uint64_t next = atomic_load_explicit(&c->next_seq, memory_order_relaxed); /* a gauge */
    const uint64_t unsafe = next > durable ? next - durable : 0;
    char text[240];
    snprintf(text, sizeof text,
             "%.0f messages/s  %.1f MB/s | %" PRIu64 " messages, %.1f MB | %" PRIu64
             " not yet on disk | %u of %u connections | %" PRIu64 " disconnects",
             (double)(cnt - live->message_cnt) / s, (double)(sz - live->message_sz) / 1e6 / s, cnt,
             (double)sz / 1e6, unsafe, atomic_load_explicit(&c->up_cnt, memory_order_relaxed),
             c->cfg->feed.url_cnt, tm_counter_sum("disconnects"));
    live->shown_ns = now_ns;
    live->message_cnt = cnt;
    live->message_sz = sz;
    if (terminal)
        tm_log_status(text);
    else
        TM_LOG_I("capture", "%s", text);
}

static void duration_check(const capture_t *c, int64_t now_ns)
{
    const int64_t first_ns = atomic_load_explicit(&c->first_ns,
                                                  memory_order_relaxed); /* no order */
    if (c->cfg->duration_ns > 0 && first_ns > 0 && now_ns - first_ns >= c->cfg->duration_ns)
        tm_capture_stop();
}

/* The durable sequence where a watcher finds it, also after this process was killed. */
static int durable_open(capture_t *c)
{
    const char *path = c->cfg->durable_path;
    if (!path) return 0;
    const int fd = tm_file_open(path, O_RDWR | O_CREAT);
    if (fd < 0) return fd;
    const int err = tm_file_truncate(fd, path, sizeof *c->durable);
    void *at = err < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof *c->durable, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int code = -errno;
    tm_file_close(fd);
    if (err < 0) return err;
    if (at == MAP_FAILED) return tm_error_set(code, "map %s: %s", path, tm_error_name(code));
    c->durable = at;
    return 0;
}

static void durable_tell(capture_t *c)
{
    if (c->durable)
        atomic_store_explicit(c->durable, tm_journal_durable_seq(c->journal),
                              memory_order_relaxed); /* one word; what it names is on disk */
}

/* Writes until the receive thread has ended. Returns 0 or the journal's error. */
static int write_run(capture_t *c)
{
    live_t live = {.shown_ns = tm_clock_mono_ns(), .synced_ns = tm_clock_mono_ns()};
    int err = 0;
    while (!is_over(c)) {
        const int work = tm_journal_flush_work(c->journal);
        if (work == -ENOSPC && !is_stopped()) {
            TM_LOG_W("capture", "%s; holding the feed until there is room", tm_error_text());
        } else if (work < 0) {
            err = work;
            break;
        }
        durable_tell(c);
        const int64_t now_ns = tm_clock_mono_ns();
        duration_check(c, now_ns);
        live_show(c, &live, now_ns);
        if (work <= 0) nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    tm_log_status(NULL);
    return err;
}

static uint64_t file_count(const capture_t *c, const char *name)
{
    return tm_counter_read(tm_counter_get(c->file_counters, name));
}

static void result_fill(capture_t *c, tm_capture_result_t *r)
{
    const int64_t first_ns = atomic_load_explicit(&c->first_ns, memory_order_relaxed); /* joined */
    const int64_t last_ns = atomic_load_explicit(&c->last_ns, memory_order_relaxed);   /* joined */
    r->message_cnt = tm_counter_read(c->messages);
    r->message_sz = tm_counter_read(c->bytes);
    r->elapsed_s = (double)(last_ns - first_ns) / 1e9;
    r->disconnect_cnt = tm_counter_read(tm_counter_get(c->thread.counters, "disconnects"));
    r->reconnect_cnt = tm_counter_read(tm_counter_get(c->thread.counters, "reconnects"));
    r->segment_cnt = file_count(c, "journal_segments");
    r->retired_cnt = file_count(c, "journal_retired");
    r->fsync_cnt = file_count(c, "journal_fsyncs");
    r->file_sz = file_count(c, "journal_bytes");
}

/* Runs both threads; c->journal is open. Returns the first error. */
static int threads_run(capture_t *c, tm_capture_result_t *result)
{
    int err = tm_thread_start(&c->thread);
    if (err < 0) return err;
    err = write_run(c);
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err < 0 ? tm_error_text() : "");
    if (err < 0) atomic_store_explicit(&c->abort, true, memory_order_release); /* A1 */
    tm_capture_stop();
    tm_thread_join(&c->thread);
    if (err == 0 && c->thread.err < 0) {
        err = c->thread.err;
        snprintf(text, sizeof text, "%s", c->thread.err_text);
    }
    result->next_seq = tm_journal_next_seq(c->journal);
    return err < 0 ? tm_error_set(err, "%s", text) : 0;
}

static int journal_close(capture_t *c, tm_capture_result_t *result, int err)
{
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err < 0 ? tm_error_text() : "");
    uint64_t durable = tm_journal_sync(c->journal) == 0 ? result->next_seq
                                                        : tm_journal_durable_seq(c->journal);
    durable_tell(c);
    result->lost_cnt = result->next_seq - durable;
    result->next_seq = durable;
    const int closed = tm_journal_writer_close(c->journal);
    if (err < 0) return tm_error_set(err, "%s", text);
    return closed;
}

int tm_capture_run(const tm_capture_cfg_t *cfg, tm_capture_result_t *result)
{
    const tm_thread_plan_t plan = {.name = "receive", .cpu_idx = cfg->receive_cpu_idx};
    capture_t *c = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *c, TM_FALSE_SHARE));
    if (!c) return tm_error_set(-ENOMEM, "no memory for a capture");
    memset(c, 0, sizeof *c);
    c->cfg = cfg;
    int err = tm_thread_init(&c->thread, &plan, receive_body, c);
    c->file_counters = tm_counter_set_new("file");
    if (err == 0 && !c->file_counters) err = tm_error_set(-ENOMEM, "no memory for counters");
    if (err == 0 && cfg->file_cpu_idx != TM_CPU_ANY) err = tm_cpu_pin(cfg->file_cpu_idx);
    if (err == 0) {
        c->messages = tm_counter_get(c->thread.counters, "recorded");
        c->bytes = tm_counter_get(c->thread.counters, "recorded_bytes");
        tm_journal_writer_cfg_t journal = cfg->journal;
        journal.receive_counters = c->thread.counters;
        journal.file_counters = c->file_counters;
        err = durable_open(c);
        if (err == 0) err = tm_journal_writer_open(&c->journal, &journal, &result->recovery);
    }
    if (err == 0) {
        const tm_recorder_cfg_t recorder = {
            .journal = c->journal, .idle = TM_IDLE_PARK, .live = true, .abort = &c->abort};
        err = tm_recorder_open(&c->recorder, &recorder);
        if (err == 0) err = threads_run(c, result);
        err = journal_close(c, result, err);
        result_fill(c, result);
    }
    if (c->durable) munmap(c->durable, sizeof *c->durable);
    tm_recorder_close(c->recorder);
    tm_counter_set_free(c->file_counters);
    tm_thread_fini(&c->thread);
    free(c);
    return err;
}
