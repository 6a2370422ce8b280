/* engine/job/report.h - what a person sees of a running job: the live line and the summary.
   Flow     counters and histograms of all threads -> [report] -> standard error, standard output
   Units    rates in rows/s, latencies in ns
   Threads  the control thread; reads other threads' statistics only */
#ifndef TM_ENGINE_REPORT_H
#define TM_ENGINE_REPORT_H

#include "base/histogram.h"
#include "base/types.h"

#include <stdio.h>

struct tm_runtime;

typedef struct tm_report_live {
    int64_t shown_ns; /* mono, of the last line; 0 = none yet */
    uint64_t rows_in; /* at that time */
    bool on;          /* a live line is on the terminal */
} tm_report_live_t;

/* Shows rows/s, event time, lag, watermark and latency as one line, about 4 times a second on a
   terminal; as a log line every 10 s elsewhere. */
void tm_report_live(tm_report_live_t *live, const struct tm_runtime *rt, int64_t now_ns);
void tm_report_live_end(tm_report_live_t *live);

/* Warns of rows that are missing in the results for a reason that an option removes. */
void tm_report_losses(void);

/* The summary as text, with every non-zero counter that tells of trouble. */
void tm_report_summary(const struct tm_runtime *rt, FILE *out);

/* The summary as one line: frames, rows_in, rows_out, late, dead_letters, elapsed_s,
   latency_ns{p50, p99, p999, max} from receive to window update, and all counters under
   "counters". */
void tm_report_json(const struct tm_runtime *rt, FILE *out);

#endif
