/* tidemark replay: prints recordings in their order of receipt, at any pace.

   Every recording is opened as fast as it can be read, and the schedule is kept here: so several of
   them, taken side by side, come out merged by their receive times. */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/stamp.h"
#include "engine/cli/commands.h"
#include "engine/cli/journal_text.h"
#include "engine/cli/line_out.h"
#include "engine/job/flags.h"
#include "engine/runtime/source/recorded.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    INPUT_MAX = 64,
    STREAM_MAX = 64,
    FRAME_BURST = 64,
    SPIN_NS = 120 * 1000, /* a sleep may end this late, so the rest is spun */
    SLEEP_NS_MAX = 50 * TM_NS_PER_MS,
};

typedef enum replay_flag {
    FLAG_SPEED,
    FLAG_FROM,
    FLAG_TO,
    FLAG_STREAM,
    FLAG_FORMAT,
    FLAG_OUT,
    FLAG_LIMIT,
    FLAG_DURATION,
    FLAG_QUIET,
    FLAG_HELP,
} replay_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_SPEED] = {"speed", "max|Nx", "pace: 1x as recorded, 10x, max (default: 1x)"},
    [FLAG_FROM] = {"from", "TIME", "start at the first message received at or after TIME"},
    [FLAG_TO] = {"to", "TIME", "end before the first message received at or after TIME"},
    [FLAG_STREAM] = {"stream", "NAME",
                     "only this stream, or pattern: btcusdt@trade, btcusdt@*; repeatable"},
    [FLAG_FORMAT] = {"format", "NAME", "lines, cryptofeed, tardis, json or raw (default: lines)"},
    [FLAG_OUT] = {"out", "FILE",
                  "write there; gzip where the name ends in .gz (default: standard output)"},
    [FLAG_LIMIT] = {"limit", "N", "end after N messages"},
    [FLAG_DURATION] = {"duration", "TIME", "end after this long"},
    [FLAG_QUIET] = {"quiet", NULL, "no summary on standard error"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

/* One recording and the frames of it that are not yet printed. */
typedef struct input {
    tm_source_t *source; /* NULL once it has ended */
    tm_frame_t frames[FRAME_BURST];
    uint32_t cnt, idx;
} input_t;

typedef struct job {
    double speed;
    int64_t from_ns, to_ns, duration_ns;
    const char *streams[STREAM_MAX];
    uint32_t stream_cnt;
    tm_journal_form_t form;
    const char *out_path;
    uint64_t limit;
    bool quiet;
    input_t inputs[INPUT_MAX];
    uint32_t input_cnt;
    tm_line_out_t out;
    tm_journal_line_t line;
    int64_t start_ns, first_recv_ns; /* mono; recorded time of the first frame */
    uint64_t frame_cnt, frame_sz, left_out_cnt;
    tm_histogram_t late; /* of each frame behind its schedule */
} job_t;

static _Atomic bool stop; /* the only word shared with the signal handler */

static void on_signal(int sig)
{
    (void)sig;
    atomic_store_explicit(&stop, true, memory_order_relaxed); /* nothing hangs on its order */
}

static int help(void)
{
    printf(
        "usage: tidemark replay [OPTION...] RECORDING...\n\n"
        "Prints the messages of journals (a folder, or one segment) and captures (text lines as\n"
        "hftbacktest, cryptofeed or tardis write them; plain, gzip or xz) on the schedule of\n"
        "their receipt, several recordings merged by time. A reader that is slow does not slow\n"
        "the clock: what is late is printed at once, and the summary says how late. TIME is\n"
        "2024-08-08T23:54:14.5Z (or a front part), 19 digits of ns, or @<Unix seconds>.\n\n");
    tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
    return 1;
}

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    job_t *j = ctx;
    switch ((replay_flag_t)idx) {
    case FLAG_SPEED:
        return tm_speed_parse(arg, &j->speed);
    case FLAG_FROM:
        return tm_stamp_parse(arg, &j->from_ns);
    case FLAG_TO:
        return tm_stamp_parse(arg, &j->to_ns);
    case FLAG_STREAM:
        if (j->stream_cnt == STREAM_MAX)
            return tm_error_set(TM_E_CONFIG, "--stream: at most %d", STREAM_MAX);
        j->streams[j->stream_cnt++] = arg;
        return 0;
    case FLAG_FORMAT:
        return tm_journal_form_parse(arg, &j->form);
    case FLAG_OUT:
        j->out_path = arg;
        return 0;
    case FLAG_LIMIT:
        return tm_number_parse("limit", arg, 1, INT64_MAX, &j->limit);
    case FLAG_DURATION:
        return tm_duration_parse(arg, &j->duration_ns);
    case FLAG_QUIET:
        j->quiet = true;
        return 0;
    case FLAG_HELP:
        return help();
    }
    return 0;
}

/* Brings the next frames of an input. 0, also at its end, or an error. */
static int input_fill(input_t *in)
{
    while (in->source && in->idx == in->cnt) {
        const int n = tm_source_poll(in->source, in->frames, FRAME_BURST, TM_NS_PER_S);
        if (n == TM_E_CLOSED) {
            tm_source_close(in->source);
            in->source = NULL;
            return 0;
        }
        if (n < 0) return n;
        in->idx = 0;
        in->cnt = (uint32_t)n;
    }
    return 0;
}

/* The input whose next frame was received first; of equals the first named. NULL at the end. */
static int next_find(job_t *j, input_t **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < j->input_cnt; i++) {
        input_t *in = &j->inputs[i];
        TM_TRY(input_fill(in));
        if (!in->source) continue;
        if (!*out || in->frames[in->idx].recv_ns < (*out)->frames[(*out)->idx].recv_ns) *out = in;
    }
    return 0;
}

static bool is_stopped(const job_t *j, int64_t now_ns)
{
    if (atomic_load_explicit(&stop, memory_order_relaxed)) return true; /* the only shared word */
    return j->duration_ns > 0 && now_ns - j->start_ns >= j->duration_ns;
}

/* Waits until the frame is due. Returns 1, 0 where the run is to end before that, or an error. */
static int frame_wait(job_t *j, const tm_frame_t *frame)
{
    int64_t now_ns = tm_clock_mono_ns();
    if (j->frame_cnt == 0) j->first_recv_ns = frame->recv_ns;
    if (j->speed == 0) return !is_stopped(j, now_ns);
    const double delta_ns = (double)(frame->recv_ns - j->first_recv_ns) / j->speed;
    const int64_t due_ns = delta_ns < 1e18 ? j->start_ns + (int64_t)delta_ns : INT64_MAX;
    if (due_ns > now_ns) TM_TRY(tm_line_out_flush(&j->out));
    while (due_ns > now_ns) {
        if (is_stopped(j, now_ns)) return 0;
        int64_t sleep_ns = due_ns - now_ns - SPIN_NS;
        if (sleep_ns > SLEEP_NS_MAX) sleep_ns = SLEEP_NS_MAX;
        if (sleep_ns > 0)
            nanosleep(&(struct timespec){.tv_nsec = sleep_ns}, NULL);
        else
            tm_cpu_relax();
        now_ns = tm_clock_mono_ns();
    }
    tm_histogram_record(&j->late, now_ns - due_ns, 1);
    return !is_stopped(j, now_ns);
}

static int frame_print(job_t *j, const tm_frame_t *frame)
{
    const tm_journal_view_t view = {.frame = *frame, .seq = j->frame_cnt, .kind = TM_JOURNAL_TEXT};
    const int put = tm_journal_text_put(&j->line, j->form, &view, NULL);
    if (put < 0) return put;
    j->left_out_cnt += put == 0;
    j->frame_cnt++;
    j->frame_sz += frame->sz;
    return put ? tm_line_out_write(&j->out, j->line.text, j->line.sz) : 0;
}

static int frames_run(job_t *j)
{
    input_t *in;
    j->start_ns = tm_clock_mono_ns();
    while (j->frame_cnt < j->limit) {
        TM_TRY(next_find(j, &in));
        if (!in) return 0;
        const tm_frame_t *frame = &in->frames[in->idx++];
        if (j->frame_cnt == 0) j->start_ns = tm_clock_mono_ns();
        const int go = frame_wait(j, frame);
        if (go <= 0) return go;
        TM_TRY(frame_print(j, frame));
    }
    return 0;
}

static int inputs_open(job_t *j, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const tm_recording_cfg_t cfg = {.path = argv[i],
                                        .conn_idx = (uint32_t)i,
                                        .from_ns = j->from_ns,
                                        .to_ns = j->to_ns,
                                        .streams = j->streams,
                                        .stream_cnt = j->stream_cnt,
                                        .counters = NULL};
        TM_TRY(tm_recording_open(&j->inputs[i].source, &cfg));
        j->input_cnt++;
    }
    return 0;
}

static void summary(job_t *j)
{
    const double s = (double)(tm_clock_mono_ns() - j->start_ns) / 1e9;
    fprintf(stderr, "%" PRIu64 " messages, %.1f MB in %.2f s (%.0f messages/s)", j->frame_cnt,
            (double)j->frame_sz / 1e6, s, s > 0 ? (double)j->frame_cnt / s : 0);
    if (j->speed > 0)
        fprintf(stderr, "; behind the schedule p50 %.1f us, p99.9 %.1f us, max %.1f us",
                (double)tm_histogram_quantile(&j->late, 0.5) / 1e3,
                (double)tm_histogram_quantile(&j->late, 0.999) / 1e3,
                (double)tm_histogram_quantile(&j->late, 1.0) / 1e3);
    fputc('\n', stderr);
    if (j->left_out_cnt)
        fprintf(stderr, "%" PRIu64 " of them have no words in the form '%s' and were left out\n",
                j->left_out_cnt, tm_journal_form_name(j->form));
}

int tm_command_replay(int argc, char **argv)
{
    static job_t j = {.speed = 1, .form = TM_JOURNAL_FORM_LINES, .limit = UINT64_MAX};
    const struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    int code = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &j);
    if (code == 0) return 0;
    const int first = code;
    if (code > 0 && argc - first < 1)
        code = tm_error_set(TM_E_CONFIG, "which RECORDING? see --help");
    if (code > 0 && argc - first > INPUT_MAX)
        code = tm_error_set(TM_E_CONFIG, "at most %d recordings", INPUT_MAX);
    if (code > 0 && j.form == TM_JOURNAL_FORM_PARQUET)
        code = tm_error_set(TM_E_CONFIG, "--format parquet: that is tidemark journal export");
    if (code > 0) {
        tm_clock_init();
        tm_histogram_init(&j.late);
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
        signal(SIGPIPE, SIG_IGN);
        code = inputs_open(&j, argc - first, argv + first);
        if (code == 0) code = tm_line_out_open(&j.out, j.out_path);
        if (code == 0) code = tm_line_out_close(&j.out, frames_run(&j));
    }
    for (uint32_t i = 0; i < j.input_cnt; i++) tm_source_close(j.inputs[i].source);
    free(j.line.text);
    if (code < 0 && code != -EPIPE) { /* head(1) has seen enough */
        fprintf(stderr, "tidemark replay: %s\n", tm_error_text());
        return code == TM_E_CONFIG ? 2 : 1;
    }
    if (!j.quiet) summary(&j);
    return 0;
}
