#include "engine/job/report.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"
#include "engine/runtime/runtime.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { LIVE_ROUND_NS = 250 * TM_NS_PER_MS };
#define LOG_ROUND_NS (10 * TM_NS_PER_S)

/* Too large for the stack of a caller that may be anywhere; only the control thread gets here. */
static tm_histogram_t latency;

static void latency_collect(const tm_runtime_t *rt)
{
    tm_histogram_init(&latency);
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++)
        tm_histogram_merge(&latency, tm_task_latency(tm_worker_task(rt->workers[w])));
}

/* "850 ns", "12.3 us", "4.56 ms", "1.20 s". */
static const char *latency_text(char out[24], int64_t ns)
{
    double v = (double)ns;
    if (ns < 1000)
        snprintf(out, 24, "%d ns", (int)ns);
    else if (ns < TM_NS_PER_MS)
        snprintf(out, 24, "%.1f us", v / 1e3);
    else if (ns < TM_NS_PER_S)
        snprintf(out, 24, "%.2f ms", v / 1e6);
    else
        snprintf(out, 24, "%.2f s", v / 1e9);
    return out;
}

/* 1234567 -> "1,234,567". */
static const char *count_text(char out[32], uint64_t v)
{
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, v), len = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) out[len++] = ',';
        out[len++] = digits[i];
    }
    out[len] = '\0';
    return out;
}

/* The lowest watermark of all workers: what the job as a whole has reached. */
static int64_t watermark_min(const tm_runtime_t *rt)
{
    int64_t min = INT64_MAX;
    for (uint32_t w = 0; w < rt->topo.worker_cnt; w++) {
        int64_t wm = tm_task_watermark(tm_worker_task(rt->workers[w]));
        if (wm < min) min = wm;
    }
    return min;
}

/* " | checkpoint 12 (340.0 ms)"; nothing where none are taken. */
static const char *checkpoint_text(char out[64], const tm_runtime_t *rt)
{
    char ms[24];
    out[0] = '\0';
    if (rt->coordinator)
        snprintf(out, 64, " | checkpoint %" PRIu64 " (%s)", tm_counter_sum("checkpoint_id"),
                 latency_text(ms, (int64_t)tm_counter_sum("checkpoint_ns")));
    return out;
}

static void live_text(char *out, size_t out_sz, const tm_runtime_t *rt, double rows_s)
{
    char rate[32], p50[24], p99[24], kept[64], wm_text[TM_TIME_TEXT_MAX] = "none yet", lag[32] = "";
    int64_t wm = watermark_min(rt);
    if (wm == INT64_MAX) {
        snprintf(wm_text, sizeof wm_text, "end of input");
    } else if (wm > 0) {
        tm_time_format(wm_text, wm, TM_NS_PER_MS);
        int64_t behind = (int64_t)tm_counter_largest("event_ns_max") - wm;
        /* A lag behind the wall clock says something about live feeds only. */
        if (rt->job->opts.replay_cnt == 0) behind = tm_clock_real_ns() - wm;
        snprintf(lag, sizeof lag, " | lag %.2f s", (double)behind / 1e9);
    }
    latency_collect(rt);
    snprintf(out, out_sz,
             "%s rows/s%s | watermark %s | latency p50 %s p99 %s | bars out %" PRIu64
             " | parts %" PRIu64 "%s",
             count_text(rate, (uint64_t)rows_s), lag, wm_text,
             latency_text(p50, tm_histogram_quantile(&latency, 0.5)),
             latency_text(p99, tm_histogram_quantile(&latency, 0.99)), tm_counter_sum("rows_out"),
             tm_counter_sum("parts_finished"), checkpoint_text(kept, rt));
}

void tm_report_live(tm_report_live_t *live, const tm_runtime_t *rt, int64_t now_ns)
{
    if (rt->job->opts.quiet) return;
    bool terminal = isatty(STDERR_FILENO);
    int64_t round_ns = terminal ? LIVE_ROUND_NS : LOG_ROUND_NS;
    if (live->shown_ns == 0) live->shown_ns = rt->start_ns;
    if (now_ns - live->shown_ns < round_ns) return;
    uint64_t rows_in = tm_counter_sum("rows_in");
    double rows_s = (double)(rows_in - live->rows_in) * 1e9 / (double)(now_ns - live->shown_ns);
    char text[256];
    live_text(text, sizeof text, rt, rows_s);
    live->shown_ns = now_ns;
    live->rows_in = rows_in;
    live->on = terminal;
    if (terminal)
        tm_log_status(text);
    else
        TM_LOG_I("engine", "%s", text);
}

void tm_report_live_end(tm_report_live_t *live)
{
    if (live->on) tm_log_status(NULL);
    live->on = false;
}

static double elapsed_s(const tm_runtime_t *rt)
{
    return (double)(rt->end_ns - rt->start_ns) / 1e9;
}

/* Counters that a good day leaves at zero. */
static const char *const troubles[] = {
    "window_late",        "dead_letters",   "window_no_time", "window_time_range",
    "window_full",        "agg_overflow",   "disconnects",    "gaps",
    "gap_messages",       "streams_silent", "feed_missed",    "part_errors",
    "checkpoints_failed", "restarts",
};

void tm_report_losses(void)
{
    char text[32];
    uint64_t full = tm_counter_sum("window_full");
    if (full > 0)
        TM_LOG_W("engine",
                 "%s rows found no room in the keyed state and are missing in the results: give "
                 "more --state-memory",
                 count_text(text, full));
}

static void checkpoints_summary(const tm_runtime_t *rt, FILE *out)
{
    char a[32], t[3][24];
    if (!rt->coordinator) return;
    fprintf(out, "%s checkpoints, %" PRIu64 " failed; the last one took %s, alignment at most %s, ",
            count_text(a, tm_counter_sum("checkpoints")), tm_counter_sum("checkpoints_failed"),
            latency_text(t[0], (int64_t)tm_counter_sum("checkpoint_ns")),
            latency_text(t[1], (int64_t)tm_counter_sum("checkpoint_align_max_ns")));
    fprintf(out, "pause at most %s\n",
            latency_text(t[2], (int64_t)tm_counter_sum("checkpoint_pause_max_ns")));
}

void tm_report_summary(const tm_runtime_t *rt, FILE *out)
{
    char a[32], b[32], c[32], t[4][24];
    uint64_t rows_in = tm_counter_sum("rows_in");
    double s = elapsed_s(rt);
    latency_collect(rt);
    fprintf(out, "%s frames, %s rows in, %s rows out in %.2f s (%s rows/s)\n",
            count_text(a, tm_counter_sum("frames")), count_text(b, rows_in),
            count_text(c, tm_counter_sum("rows_out")), s,
            count_text((char[32]){0}, (uint64_t)(s > 0 ? (double)rows_in / s : 0)));
    fprintf(out, "latency, receive to window update: p50 %s, p99 %s, p99.9 %s, max %s\n",
            latency_text(t[0], tm_histogram_quantile(&latency, 0.5)),
            latency_text(t[1], tm_histogram_quantile(&latency, 0.99)),
            latency_text(t[2], tm_histogram_quantile(&latency, 0.999)),
            latency_text(t[3], tm_histogram_quantile(&latency, 1.0)));
    bool trouble = false;
    for (size_t i = 0; i < TM_ARRAY_CNT(troubles); i++) {
        uint64_t v = tm_counter_sum(troubles[i]);
        if (v == 0) continue;
        fprintf(out, "%s%s %s", trouble ? ", " : "", troubles[i], count_text(a, v));
        trouble = true;
    }
    fprintf(out, "%s%s part files in %s\n", trouble ? "\n" : "",
            count_text(a, tm_counter_sum("parts_finished")), rt->job->opts.out_dir);
    checkpoints_summary(rt, out);
}

typedef struct json_ctx {
    FILE *out;
    bool comma;
} json_ctx_t;

/* Owners and names are ours ("ingest.0", "frames"): nothing in them needs escaping. */
static void json_counter(void *ctx, const char *owner, const char *name, uint64_t value)
{
    json_ctx_t *j = ctx;
    fprintf(j->out, "%s\"%s.%s\":%" PRIu64, j->comma ? "," : "", owner, name, value);
    j->comma = true;
}

void tm_report_json(const tm_runtime_t *rt, FILE *out)
{
    static const char *const sums[][2] = {{"frames", "frames"},
                                          {"rows_in", "rows_in"},
                                          {"rows_out", "rows_out"},
                                          {"late", "window_late"},
                                          {"dead_letters", "dead_letters"}};
    latency_collect(rt);
    fputc('{', out);
    for (size_t i = 0; i < TM_ARRAY_CNT(sums); i++)
        fprintf(out, "\"%s\":%" PRIu64 ",", sums[i][0], tm_counter_sum(sums[i][1]));
    fprintf(out, "\"elapsed_s\":%.6f,\"latency_ns\":{\"p50\":%" PRId64 ",\"p99\":%" PRId64,
            elapsed_s(rt), tm_histogram_quantile(&latency, 0.5),
            tm_histogram_quantile(&latency, 0.99));
    fprintf(out, ",\"p999\":%" PRId64 ",\"max\":%" PRId64 "},\"counters\":{",
            tm_histogram_quantile(&latency, 0.999), tm_histogram_quantile(&latency, 1.0));
    json_ctx_t j = {.out = out};
    tm_counter_each(json_counter, &j);
    fputs("}}\n", out);
}
