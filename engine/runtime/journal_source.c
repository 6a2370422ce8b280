#include "engine/runtime/journal_source.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "state/journal_format.h"
#include "state/journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A sleep ends this much early and the rest is spun: the timer's own error is about as large. */
enum { SPIN_NS = 60 * 1000 };

typedef struct journal_source {
    tm_source_t source;
    tm_journal_reader_t *reader;
    double ns_per_ns;      /* real time per recorded time: 1 / speed; 0 = as fast as taken */
    int64_t first_recv_ns; /* of the first frame */
    int64_t start_ns;      /* mono, when it was given; 0 = not yet */
    tm_journal_view_t views[TM_JOURNAL_SOURCE_BURST];
    uint32_t view_cnt, view_idx; /* read, and given */
    tm_counter_t *frames, *frame_bytes, *damage;
} journal_source_t;

static void on_damage(void *ctx, const tm_journal_damage_t *damage)
{
    journal_source_t *s = ctx;
    char text[512];
    tm_journal_damage_text(text, sizeof text, damage);
    tm_counter_add(s->damage, 1);
    TM_LOG_W("journal", "%s; going on behind it", text);
}

static int64_t view_due_ns(journal_source_t *s, const tm_journal_view_t *view, int64_t now_ns)
{
    if (s->ns_per_ns == 0) return now_ns;
    if (s->start_ns == 0) {
        s->start_ns = now_ns;
        s->first_recv_ns = view->frame.recv_ns;
    }
    return s->start_ns + (int64_t)((double)(view->frame.recv_ns - s->first_recv_ns) * s->ns_per_ns);
}

/* Gives what is read and due. Where nothing is, *due_ns says when the next frame will be. */
static uint32_t views_give(journal_source_t *s, tm_frame_t *frames, uint32_t cap, int64_t *due_ns)
{
    int64_t now_ns = tm_clock_mono_ns();
    uint32_t n = 0;
    for (; n < cap && s->view_idx < s->view_cnt; n++, s->view_idx++) {
        const tm_journal_view_t *view = &s->views[s->view_idx];
        *due_ns = view_due_ns(s, view, now_ns);
        if (*due_ns > now_ns) break;
        frames[n] = view->frame;
        frames[n].ingress_ns = *due_ns;
        tm_counter_add(s->frame_bytes, view->frame.sz);
    }
    tm_counter_add(s->frames, n);
    return n;
}

static void wait_until(int64_t until_ns)
{
    int64_t left_ns = until_ns - tm_clock_mono_ns() - SPIN_NS;
    if (left_ns > 0) {
        const struct timespec nap = {left_ns / TM_NS_PER_S, left_ns % TM_NS_PER_S};
        nanosleep(&nap, NULL);
    }
}

static int source_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns)
{
    journal_source_t *s = (journal_source_t *)source;
    if (s->view_idx == s->view_cnt) {
        int n = tm_journal_reader_read(s->reader, s->views, TM_JOURNAL_SOURCE_BURST);
        if (n < 0) return n;
        if (n == 0) return TM_E_CLOSED;
        s->view_cnt = (uint32_t)n;
        s->view_idx = 0;
    }
    int64_t due_ns = 0;
    uint32_t given = views_give(s, frames, cap, &due_ns);
    if (given > 0 || wait_ns <= 0) return (int)given;
    int64_t end_ns = tm_clock_mono_ns() + wait_ns;
    wait_until(due_ns < end_ns ? due_ns : end_ns);
    return (int)views_give(s, frames, cap, &due_ns);
}

static void source_close(tm_source_t *source)
{
    journal_source_t *s = (journal_source_t *)source;
    if (s->reader) tm_journal_reader_close(s->reader);
    free(s);
}

static const tm_source_ops_t ops = {.poll = source_poll, .close = source_close};

int tm_journal_source_open(tm_source_t **out, const tm_journal_source_cfg_t *cfg)
{
    journal_source_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "journal %s: out of memory", cfg->path);
    s->source.ops = &ops;
    s->ns_per_ns = cfg->speed > 0 ? 1 / cfg->speed : 0;
    s->frames = tm_counter_get(cfg->counters, "frames");
    s->frame_bytes = tm_counter_get(cfg->counters, "frame_bytes");
    s->damage = tm_counter_get(cfg->counters, "journal_damage");
    const tm_journal_reader_cfg_t reader = {
        .path = cfg->path, .messages = true, .on_damage = on_damage, .on_damage_ctx = s};
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
