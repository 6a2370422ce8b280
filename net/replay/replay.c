/* Lines are found in place: a block of unpacked bytes is read, whole lines in it become frames
   without a copy, and only the cut line at its end moves to the front of the next block. The block
   is small enough to stay in the second-level cache between the decoder, this file and the parser.
   */
#include "net/replay/replay.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "net/replay/archive.h"
#include "net/replay/capture_line.h"
#include "net/replay/stream_filter.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BLOCK_SZ = 256 << 10,
    STEP_SZ = 32 << 10, /* read ahead while waiting: about 0.1 ms of gzip */
    STAMP_SZ_MAX = 32,  /* the longest receive time of any form, and what parts it from the JSON */
    SPIN_NS = 120000,   /* a sleep may end this late, so the rest is spun */
    AHEAD_NS = 500000,  /* time to the next frame that allows a step of reading */
    SLEEP_NS_MAX = 50000000
};

typedef struct tm_replay {
    tm_source_t source; /* first */
    tm_archive_t *archive;
    char *path;
    uint8_t *buf;      /* cap_sz + TM_FRAME_PAD bytes */
    size_t cap_sz;     /* grows up to one line of frame_sz_max */
    size_t pos, end;   /* unread bytes */
    size_t searched;   /* no newline in [pos, searched) */
    uint64_t line_cnt; /* lines given */
    uint32_t frame_sz_max, conn_idx;
    double ns_per_ns;       /* real time per recorded time: 1 / speed; 0 = as fast as taken */
    int64_t from_ns, to_ns; /* the range given; 0 = open */
    uint64_t from_pos;      /* lines to pass over: given before */
    tm_stream_filter_t filter;
    tm_capture_form_t form;     /* AUTO before the first line */
    bool in_range;              /* the first line of the range was met */
    bool ended;                 /* the first line behind it was */
    bool started;               /* a frame was given */
    int64_t first_ns, start_ns; /* recorded time of the first line; mono time of its frame */
    int64_t due_ns;             /* of the next line, as frames_take saw it */
    bool drained;               /* the archive has ended, or failed with `error` */
    bool bad;                   /* the next line is bad: `error` says why */
    int error;
    char why[TM_ERROR_TEXT_MAX]; /* of `error` */
    tm_counter_t *frames, *bytes;
    tm_counter_t unread[2]; /* counts where the caller gave no set */
} tm_replay_t;

typedef struct line {
    const uint8_t *json; /* NULL = a line that holds no received message */
    uint32_t json_sz;
    size_t next; /* where the following line starts */
    int64_t recv_ns;
} line_t;

static int stop(tm_replay_t *r, int code)
{
    r->error = code;
    snprintf(r->why, sizeof r->why, "%s", tm_error_text());
    return code;
}

static int line_bad(tm_replay_t *r, int code, const char *why)
{
    unsigned long long line = r->line_cnt + 1;
    r->bad = true;
    return stop(r, tm_error_set(code, "%s:%llu: %s", r->path, line, why));
}

/* What the line of sz bytes at p says. Returns 1 or the error of a bad line. */
static int line_read(tm_replay_t *r, line_t *line, const uint8_t *p, size_t sz)
{
    tm_capture_line_t said;
    line->json = NULL;
    if (sz == 0 && r->form != TM_CAPTURE_LINES && r->line_cnt > 0) return 1; /* a blank line */
    if (r->form == TM_CAPTURE_AUTO) r->form = tm_capture_form_guess(p, sz);
    if (r->form == TM_CAPTURE_AUTO)
        return line_bad(r, TM_E_SYNTAX,
                        "expected \"<receive time> <JSON>\" (19 digits of ns, 16 of us, or "
                        "2024-08-08T23:54:14.024Z) or a cryptofeed log");
    if (tm_capture_line_take(&said, r->form, p, sz) < 0)
        return line_bad(r, TM_E_SYNTAX, tm_error_text());
    if (said.kind != TM_CAPTURE_MESSAGE) return 1;
    if (said.payload_sz > r->frame_sz_max)
        return line_bad(r, TM_E_LIMIT, "the line is longer than the frame limit");
    line->json = said.payload;
    line->json_sz = (uint32_t)said.payload_sz;
    line->recv_ns = said.recv_ns;
    return 1;
}

/* Looks at the next line without taking it. Returns 1, 0 where no whole line is buffered, or the
   error of a bad line. */
static int line_peek(tm_replay_t *r, line_t *line)
{
    if (r->bad) return tm_error_set(r->error, "%s", r->why);
    const uint8_t *p = r->buf + r->pos;
    const uint8_t *nl = NULL;
    if (r->searched < r->end) nl = memchr(r->buf + r->searched, '\n', r->end - r->searched);
    size_t sz;
    if (nl) {
        sz = (size_t)(nl - p);
        line->next = r->pos + sz + 1;
    } else {
        r->searched = r->end;
        if (!r->drained || r->error || r->pos == r->end) return 0;
        sz = r->end - r->pos; /* the last line may lack its newline; a cut one is not given */
        line->next = r->end;
    }
    r->searched = r->pos + sz;
    if (sz > 0 && p[sz - 1] == '\r') sz--;
    return line_read(r, line, p, sz);
}

static void line_take(tm_replay_t *r, const line_t *line)
{
    r->pos = line->next;
    r->searched = r->pos;
    r->line_cnt++;
}

/* Looks for the next line to give and takes those before it: what is no message, lies outside of
   the range or belongs to other streams. As line_peek; 0 too where the range has ended. */
static int line_find(tm_replay_t *r, line_t *line)
{
    int rc;
    while (!r->ended && (rc = line_peek(r, line)) != 0) {
        if (rc < 0) return rc;
        if (line->json) {
            const bool in = r->in_range || line->recv_ns >= r->from_ns;
            r->ended = in && r->to_ns && line->recv_ns >= r->to_ns;
            r->in_range = in;
            if (r->ended) break;
            if (in && r->line_cnt >= r->from_pos &&
                tm_stream_filter_takes(&r->filter, line->json, line->json_sz))
                return 1;
        }
        line_take(r, line);
    }
    return 0;
}

/* Appends up to `want` bytes to the block. */
static void block_read(tm_replay_t *r, size_t want)
{
    size_t room = r->cap_sz - r->end;
    int64_t n = tm_archive_read(r->archive, r->buf + r->end, want < room ? want : room);
    if (n > 0) {
        r->end += (size_t)n;
        return;
    }
    r->drained = true;
    if (n < 0) stop(r, (int)n);
}

/* Moves the cut line to the front, makes room where it fills the block, and reads on. */
static int block_refill(tm_replay_t *r)
{
    memmove(r->buf, r->buf + r->pos, r->end - r->pos);
    r->end -= r->pos;
    r->searched -= r->pos;
    r->pos = 0;
    if (r->end == r->cap_sz) {
        size_t most = (size_t)r->frame_sz_max + STAMP_SZ_MAX + 2; /* CR LF */
        if (r->cap_sz >= most)
            return line_bad(r, TM_E_LIMIT, "the line is longer than the frame limit");
        size_t cap = r->cap_sz * 2 < most ? r->cap_sz * 2 : most;
        uint8_t *buf = realloc(r->buf, cap + TM_FRAME_PAD);
        if (!buf) return stop(r, tm_error_set(-ENOMEM, "%s: no memory for a long line", r->path));
        r->buf = buf;
        r->cap_sz = cap;
    }
    block_read(r, r->cap_sz);
    return 0;
}

/* Where a line belongs in the original schedule, mono time. */
static int64_t line_due(const tm_replay_t *r, const line_t *line)
{
    double delta_ns = (double)(line->recv_ns - r->first_ns) * r->ns_per_ns;
    if (delta_ns > 1e18) delta_ns = 1e18; /* thirty years: a broken stamp, not a schedule */
    if (delta_ns < -1e18) delta_ns = -1e18;
    return r->start_ns + (int64_t)delta_ns;
}

/* Gives the frames that are buffered and due. Where none is, *due_ns is when the next one will be
   (INT64_MIN where that is not known before more is read). Returns frames given or an error. */
static int frames_take(tm_replay_t *r, tm_frame_t *frames, uint32_t cap, int64_t now_ns,
                       int64_t *due_ns)
{
    uint32_t n = 0;
    uint64_t bytes = 0;
    line_t line = {0};
    int rc = 0;
    *due_ns = INT64_MIN;
    while (n < cap && (rc = line_find(r, &line)) > 0) {
        if (!r->started) {
            r->started = true;
            r->first_ns = line.recv_ns;
            r->start_ns = now_ns;
        }
        int64_t ingress_ns = now_ns;
        if (r->ns_per_ns > 0) {
            ingress_ns = line_due(r, &line);
            if (ingress_ns > now_ns) {
                *due_ns = ingress_ns;
                break;
            }
        }
        frames[n++] = (tm_frame_t){.data = line.json,
                                   .sz = line.json_sz,
                                   .conn_idx = r->conn_idx,
                                   .recv_ns = line.recv_ns,
                                   .ingress_ns = ingress_ns};
        bytes += line.json_sz;
        line_take(r, &line);
    }
    tm_counter_add(r->frames, n);
    tm_counter_add(r->bytes, bytes);
    return n > 0 || rc > 0 ? (int)n : rc;
}

/* Waits until `until_ns`: reads ahead where there is time for it, sleeps where the time is long and
   spins at its end. Returns false where a signal came. */
static bool wait_until(tm_replay_t *r, int64_t until_ns)
{
    for (;;) {
        int64_t left_ns = until_ns - tm_clock_mono_ns();
        if (left_ns <= 0) return true;
        if (left_ns > AHEAD_NS && !r->drained && r->end < r->cap_sz) {
            block_read(r, STEP_SZ);
        } else if (left_ns > SPIN_NS) {
            int64_t sleep_ns = left_ns - SPIN_NS < SLEEP_NS_MAX ? left_ns - SPIN_NS : SLEEP_NS_MAX;
            const struct timespec ts = {0, sleep_ns};
            if (nanosleep(&ts, NULL) != 0) return false;
        } else {
            tm_cpu_relax();
        }
    }
}

static int replay_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns)
{
    tm_replay_t *r = (tm_replay_t *)source;
    int64_t now_ns = tm_clock_mono_ns();
    int64_t end_ns = wait_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + wait_ns;
    if (cap == 0) return 0;
    for (;;) {
        int64_t due_ns;
        int n = frames_take(r, frames, cap, now_ns, &due_ns);
        r->due_ns = due_ns;
        if (n != 0) return n;
        if (due_ns == INT64_MIN) {
            if (r->error) return tm_error_set(r->error, "%s", r->why);
            if (r->drained || r->ended) return TM_E_CLOSED;
            TM_TRY(block_refill(r));
        } else if (now_ns >= end_ns || !wait_until(r, due_ns < end_ns ? due_ns : end_ns)) {
            return 0;
        }
        now_ns = tm_clock_mono_ns();
    }
}

int64_t tm_replay_due_ns(const tm_source_t *replay)
{
    return ((const tm_replay_t *)replay)->due_ns;
}

/* While lines are passed over, it stands where it is to go on: nothing of them is given again. */
static uint64_t replay_position(const tm_source_t *source)
{
    const tm_replay_t *r = (const tm_replay_t *)source;
    return r->line_cnt > r->from_pos ? r->line_cnt : r->from_pos;
}

static void replay_close(tm_source_t *source)
{
    tm_replay_t *r = (tm_replay_t *)source;
    tm_archive_close(r->archive);
    tm_stream_filter_fini(&r->filter);
    free(r->path);
    free(r->buf);
    free(r);
}

int tm_replay_open(tm_source_t **out, const tm_replay_cfg_t *cfg)
{
    static const tm_source_ops_t ops = {
        .poll = replay_poll, .position = replay_position, .close = replay_close};
    *out = NULL;
    if (!(cfg->speed >= 0) || isinf(cfg->speed))
        return tm_error_set(TM_E_CONFIG, "replay speed %g: expected 0 (as fast as it goes) or more",
                            cfg->speed);
    if (cfg->frame_sz_max > INT32_MAX)
        return tm_error_set(TM_E_CONFIG, "replay frame limit %u: at most 2 GiB", cfg->frame_sz_max);
    tm_clock_init();
    tm_replay_t *r = calloc(1, sizeof *r);
    if (!r) return tm_error_set(-ENOMEM, "replay %s: no memory", cfg->path);
    r->source.ops = &ops;
    r->frame_sz_max = cfg->frame_sz_max ? cfg->frame_sz_max : TM_FRAME_SZ_MAX_DEFAULT;
    r->conn_idx = cfg->conn_idx;
    r->ns_per_ns = cfg->speed > 0 ? 1 / cfg->speed : 0;
    r->from_ns = cfg->from_ns;
    r->to_ns = cfg->to_ns;
    r->from_pos = cfg->from_pos;
    tm_stream_filter_init(&r->filter, cfg->streams, cfg->stream_cnt);
    r->frames = cfg->counters ? tm_counter_get(cfg->counters, "frames") : &r->unread[0];
    r->bytes = cfg->counters ? tm_counter_get(cfg->counters, "frame_bytes") : &r->unread[1];
    r->cap_sz = BLOCK_SZ;
    r->path = strdup(cfg->path);
    r->buf = calloc(1, r->cap_sz + TM_FRAME_PAD);
    int err = r->path && r->buf ? 0 : tm_error_set(-ENOMEM, "replay %s: no memory", cfg->path);
    if (err == 0) err = tm_archive_open(&r->archive, cfg->path);
    if (err < 0) {
        replay_close(&r->source);
        return tm_error_context(err, "replay");
    }
    *out = &r->source;
    return 0;
}
