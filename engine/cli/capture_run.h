/* engine/cli/capture_run.h - records live connections into a journal until told to stop.
   Flow     feed -> receive thread -> journal's ring -> calling thread -> segment files
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   the journal's ring (64 MiB unless configured) and what the feed takes
   Threads  run: the control thread, which writes and fsyncs; it starts the receive thread. stop:
            any thread and signal handlers
   Order    R1 stop release -> acquire: the receive thread ends. A1 abort release -> acquire: nobody
            empties the ring any more
   Errors   run returns the first error of feed and journal, with its text; what came before it is
            in the journal. A full disk is waited for: the ring fills, then TCP holds the peers;
            after a stop it is waited for no longer
   Tests    tests/e2e/capture.py */
#ifndef TM_ENGINE_CAPTURE_RUN_H
#define TM_ENGINE_CAPTURE_RUN_H

#include "engine/runtime/topology.h"
#include "net/feed/feed.h"
#include "state/journal/journal_writer.h"

typedef struct tm_capture_cfg {
    tm_feed_cfg_t feed; /* stop, counters and on_link are filled in */
    tm_journal_writer_cfg_t journal;
    int64_t duration_ns;      /* from the first message; 0 = no end */
    uint64_t message_max;     /* 0 = no end */
    const char *durable_path; /* where the durable sequence is kept for others; NULL = nowhere */
    uint32_t receive_cpu_idx, file_cpu_idx; /* TM_CPU_ANY = not pinned */
    bool quiet;                             /* no live line */
} tm_capture_cfg_t;

typedef struct tm_capture_result {
    tm_journal_recovery_t recovery; /* what an earlier run had left */
    uint64_t message_cnt, message_sz;
    uint64_t next_seq; /* behind the last record that is in the journal */
    uint64_t lost_cnt; /* received, but not to be written any more */
    uint64_t disconnect_cnt, reconnect_cnt;
    uint64_t segment_cnt, retired_cnt, fsync_cnt, file_sz;
    double elapsed_s; /* from the first message to the last */
} tm_capture_result_t;

int tm_capture_run(const tm_capture_cfg_t *cfg, tm_capture_result_t *result) TM_MUST_CHECK;

/* Asks a run to end in order. */
void tm_capture_stop(void);

#endif
