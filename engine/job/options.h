/* engine/job/options.h - the command line that every job has.
   Flow     main -> [options] -> graph, topology, runtime
   Units    *_ns: nanoseconds; speed: multiple of the recorded pace, 0 = as fast as possible
   Memory   strings point into argv
   Errors   TM_E_CONFIG with a text that names the option and what it takes
   Limits   TM_OPTION_LIST_MAX values of a repeated option, TM_OPTION_CORE_MAX cores a list */
#ifndef TM_ENGINE_OPTIONS_H
#define TM_ENGINE_OPTIONS_H

#include "base/types.h"
#include "engine/job/checkpoint_options.h"
#include "engine/job/part_flags.h"
#include "engine/job/transport_options.h"

#include <stdio.h>

enum { TM_OPTION_LIST_MAX = 64, TM_OPTION_CORE_MAX = 64 };

typedef enum tm_idle_kind {
    TM_IDLE_AUTO,  /* spin where a thread has a core of its own, park elsewhere */
    TM_IDLE_SPIN,  /* never gives the core away: lowest latency */
    TM_IDLE_YIELD, /* gives it to whoever else wants it */
    TM_IDLE_PARK,  /* sleeps in short steps: lowest load */
} tm_idle_kind_t;

typedef struct tm_options {
    const char *program; /* argv[0] without its folder */
    const char *connects[TM_OPTION_LIST_MAX];
    const char *streams[TM_OPTION_LIST_MAX];
    const char *replays[TM_OPTION_LIST_MAX];
    uint32_t connect_cnt, stream_cnt, replay_cnt;
    const char *ca_file;
    tm_transport_options_t transport; /* of live connections */
    int64_t retry_delay_ns;           /* before the first retry of a live connection; 0 = 1 s */
    const char *venue;                /* NULL = the one whose host an address names */
    int64_t rotate_ns; /* age at which a live connection is replaced; 0 = as its venue asks */
    int64_t stream_timeout_ns; /* after which a stream that has not spoken is told; 0 = 60 s */
    uint32_t retry_max;        /* of a live connection, in a row; UINT32_MAX = for ever */
    int64_t idle_timeout_ns;   /* of a live connection; 0 = off, -1 = as its venue suggests */
    bool reconnect_on_close;   /* also after an orderly close */
    const char *out_dir;
    const char *dead_letter_file;
    const char *dead_letter_dir; /* NULL = no journal of them */
    const char *journal_dir;     /* NULL = frames are not recorded */
    uint64_t journal_keep_sz;    /* of each journal; 0 = no limit */
    int64_t journal_keep_ns;
    tm_checkpoint_options_t checkpoint;
    uint32_t ingest_cores[TM_OPTION_CORE_MAX];
    uint32_t worker_cores[TM_OPTION_CORE_MAX];
    uint32_t ingest_core_cnt, worker_core_cnt; /* 0 = one thread, not pinned */
    double speed;
    int64_t replay_from_ns, replay_to_ns; /* Unix receive time; 0 = from the start, to the end */
    int64_t watermark_bound_ns;           /* -1 = what the job says */
    int64_t duration_ns;                  /* 0 = until the input ends */
    tm_part_flags_t parts;                /* of all sinks of part files */
    tm_idle_kind_t idle;
    uint32_t ring_depth;      /* rows, a power of two */
    uint64_t state_memory_sz; /* bytes of keyed state a worker */
    bool json;
    bool quiet;
    bool explain;
} tm_options_t;

/* 0 = run; 1 = --help or --version was answered, nothing is left to do; negative = TM_E_CONFIG. */
int tm_options_parse(tm_options_t *opts, int argc, char **argv) TM_MUST_CHECK;

void tm_options_help(FILE *out, const char *program);

#endif
