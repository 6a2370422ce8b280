#include "bench/journal/replay_cases.h"

#include "base/clock.h"
#include "base/counter.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/symbol.h"
#include "engine/runtime/source/recorded.h"
#include "net/replay/replay.h"
#include "parse/parser.h"
#include "state/journal/journal_reader.h"
#include "state/journal/journal_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 1 << 18, COPY_CNT = 8, BURST = 256, SPIN_NS = 120 * 1000 };

static const char capture_name[] = "captures/spot_btcusdt_20240808.gz";

typedef struct replay_work {
    const char *dir;
    char capture[600];
    tm_symbols_t *symbols;
    tm_counter_set_t *counters;
    tm_parser_t *parser;
    tm_frame_t *frames; /* all messages of the capture, in memory */
    uint32_t frame_cnt;
    uint64_t frame_sz;
    tm_histogram_t late;
    tm_market_row_t *rows;
} replay_work_t;

static void must(int code)
{
    if (code >= 0) return;
    fprintf(stderr, "bench_journal: %s\n", tm_error_text());
    exit(1);
}

/* ---- full speed ------------------------------------------------------------------------------
 */

static double rate(const replay_work_t *k, double seconds)
{
    return (double)k->frame_cnt * COPY_CNT / seconds / 1e6;
}

static double journal_to_parser(void *ctx)
{
    replay_work_t *k = ctx;
    tm_frame_t burst[BURST];
    tm_source_t *source;
    uint64_t row_cnt = 0;
    const double t0 = tm_bench_now();
    must(tm_recording_open(&source, &(tm_recording_cfg_t){.path = k->dir}));
    int n;
    while ((n = tm_source_poll(source, burst, BURST, 0)) >= 0)
        for (int i = 0; i < n; i++)
            row_cnt += tm_parser_frame(k->parser, &burst[i], k->rows, TM_PARSER_ROW_MAX);
    if (n != TM_E_CLOSED) must(n);
    tm_source_close(source);
    tm_bench_keep(row_cnt);
    return rate(k, tm_bench_now() - t0);
}

static double memory_to_parser(void *ctx)
{
    replay_work_t *k = ctx;
    uint64_t row_cnt = 0;
    const double t0 = tm_bench_now();
    for (int copy = 0; copy < COPY_CNT; copy++)
        for (uint32_t i = 0; i < k->frame_cnt; i++)
            row_cnt += tm_parser_frame(k->parser, &k->frames[i], k->rows, TM_PARSER_ROW_MAX);
    tm_bench_keep(row_cnt);
    return rate(k, tm_bench_now() - t0);
}

static double journal_alone(void *ctx)
{
    replay_work_t *k = ctx;
    tm_frame_t burst[BURST];
    tm_source_t *source;
    uint64_t sum = 0;
    const double t0 = tm_bench_now();
    must(tm_recording_open(&source, &(tm_recording_cfg_t){.path = k->dir}));
    for (int n; (n = tm_source_poll(source, burst, BURST, 0)) >= 0;)
        for (int i = 0; i < n; i++) sum += burst[i].data[0];
    tm_source_close(source);
    tm_bench_keep(sum);
    return rate(k, tm_bench_now() - t0);
}

/* ---- pacing ----------------------------------------------------------------------------------
 */

/* Replays a part of the recording and notes how far behind its schedule each frame was taken. */
static void pacing_run(replay_work_t *k, const char *path, double speed, int64_t span_ns)
{
    tm_frame_t burst[BURST];
    tm_source_t *source;
    tm_histogram_init(&k->late);
    const int64_t from_ns = k->frames[k->frame_cnt / 4].recv_ns;
    must(tm_recording_open(&source, &(tm_recording_cfg_t){.path = path,
                                                          .speed = speed,
                                                          .from_ns = from_ns,
                                                          .to_ns = from_ns + span_ns}));
    for (int n; (n = tm_source_poll(source, burst, BURST, 20 * TM_NS_PER_MS)) >= 0;) {
        const int64_t now_ns = tm_clock_mono_ns();
        for (int i = 0; i < n; i++) tm_histogram_record(&k->late, now_ns - burst[i].ingress_ns, 1);
    }
    tm_source_close(source);
}

/* The same schedule by the bare means, a sleep and a spin: what this machine allows just now. */
static void pacing_bare(replay_work_t *k, double speed, int64_t span_ns)
{
    uint32_t i = k->frame_cnt / 4;
    const int64_t from_ns = k->frames[i].recv_ns, start_ns = tm_clock_mono_ns();
    tm_histogram_init(&k->late);
    for (; i < k->frame_cnt && k->frames[i].recv_ns < from_ns + span_ns; i++) {
        const int64_t due_ns = start_ns +
                               (int64_t)((double)(k->frames[i].recv_ns - from_ns) / speed);
        int64_t now_ns = tm_clock_mono_ns();
        while (now_ns < due_ns) {
            const int64_t sleep_ns = due_ns - now_ns - SPIN_NS;
            if (sleep_ns > 0) nanosleep(&(struct timespec){.tv_nsec = sleep_ns}, NULL);
            now_ns = tm_clock_mono_ns();
        }
        tm_histogram_record(&k->late, now_ns - due_ns, 1);
    }
}

static void pacing_report(tm_bench_t *bench, replay_work_t *k)
{
    static const char *const whats[] = {"journal", "capture", "bare loop"};
    static const struct {
        const char *name;
        double speed;
        int64_t span_ns;
    } runs[] = {{"1x", 1, 3 * TM_NS_PER_S}, {"10x", 10, 30 * TM_NS_PER_S}};
    for (int form = 0; form < 3; form++) {
        for (size_t i = 0; i < TM_ARRAY_CNT(runs); i++) {
            char name[80];
            const char *what = whats[form];
            if (form == 2)
                pacing_bare(k, runs[i].speed, runs[i].span_ns);
            else
                pacing_run(k, form == 0 ? k->dir : k->capture, runs[i].speed, runs[i].span_ns);
            const double p50 = (double)tm_histogram_quantile(&k->late, 0.5) / 1e3;
            const double p999 = (double)tm_histogram_quantile(&k->late, 0.999) / 1e3;
            snprintf(name, sizeof name, "pacing error p50, %s at %s", what, runs[i].name);
            tm_bench_report(bench, name, "us", &p50, 1);
            snprintf(name, sizeof name, "pacing error p99.9, %s at %s", what, runs[i].name);
            tm_bench_report(bench, name, "us", &p999, 1);
        }
    }
}

/* ---- set-up ----------------------------------------------------------------------------------
 */

static bool capture_load(replay_work_t *k)
{
    const char *shared = getenv("TM_SHARED");
    tm_source_t *source;
    tm_frame_t burst[BURST];
    snprintf(k->capture, sizeof k->capture, "%s/%s", shared ? shared : "../shared", capture_name);
    if (tm_replay_open(&source, &(tm_replay_cfg_t){.path = k->capture}) < 0) return false;
    k->frames = calloc(FRAME_MAX, sizeof *k->frames);
    for (int n; (n = tm_source_poll(source, burst, BURST, 0)) >= 0;)
        for (int i = 0; i < n && k->frame_cnt < FRAME_MAX; i++) {
            uint8_t *copy = malloc(burst[i].sz + TM_FRAME_PAD);
            memcpy(copy, burst[i].data, burst[i].sz);
            k->frames[k->frame_cnt] = burst[i];
            k->frames[k->frame_cnt++].data = copy;
            k->frame_sz += burst[i].sz;
        }
    tm_source_close(source);
    return k->frame_cnt > 0;
}

static void journal_fill(replay_work_t *k, int copies)
{
    tm_journal_writer_t *w;
    must(tm_journal_writer_open(&w, &(tm_journal_writer_cfg_t){.dir = k->dir}, NULL));
    for (int copy = 0; copy < copies; copy++)
        for (uint32_t i = 0; i < k->frame_cnt; i++)
            while (tm_journal_append_frame(w, &k->frames[i]) == -EAGAIN)
                must(tm_journal_flush_work(w));
    must(tm_journal_writer_close(w));
}

void tm_bench_replay(tm_bench_t *bench, const char *dir, void (*clear)(const char *dir))
{
    static replay_work_t k;
    const bool speed = tm_bench_wants(bench, "replay at full speed");
    const bool pacing = tm_bench_wants(bench, "pacing error");
    k.dir = dir;
    if (!speed && !pacing) return;
    if (!capture_load(&k)) {
        printf("replay: no captures found (TM_SHARED), left out\n");
        return;
    }
    k.rows = aligned_alloc(64, TM_PARSER_ROW_MAX * sizeof *k.rows);
    k.counters = tm_counter_set_new("replay");
    must(tm_symbols_open(&k.symbols));
    must(tm_parser_open(&k.parser,
                        &(tm_parser_cfg_t){.symbols = k.symbols, .counters = k.counters}));
    clear(dir);
    journal_fill(&k, speed ? COPY_CNT : 1);
    if (speed) {
        const tm_bench_case_t c = {"replay at full speed, journal to rows",
                                   "M/s",
                                   false,
                                   3,
                                   {{"tidemark", journal_to_parser, &k},
                                    {"parser, from memory", memory_to_parser, &k},
                                    {"journal, no parser", journal_alone, &k}}};
        tm_bench_run(bench, &c);
        const double gb_s = journal_to_parser(&k) * 1e6 * (double)k.frame_sz / k.frame_cnt / 1e9;
        tm_bench_report(bench, "replay at full speed, bytes of messages", "GB/s", &gb_s, 1);
    }
    if (pacing) {
        clear(dir);
        journal_fill(&k, 1);
        sync(); /* and a pause: what the disk still does interrupts the core that is measured */
        nanosleep(&(struct timespec){.tv_nsec = 500 * 1000 * 1000}, NULL);
        pacing_report(bench, &k);
    }
    clear(dir);
    tm_parser_close(k.parser);
    tm_symbols_close(k.symbols);
    tm_counter_set_free(k.counters);
    for (uint32_t i = 0; i < k.frame_cnt; i++) free((void *)(uintptr_t)k.frames[i].data);
    free(k.frames);
    free(k.rows);
}
