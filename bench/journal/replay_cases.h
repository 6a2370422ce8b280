/* bench/journal/replay_cases.h - how fast and how punctual a journal is replayed.
   Flow     bench_journal.c -> [replay cases] -> harness
   Units    rates: M messages/s, GB/s of messages; pacing error: us behind the schedule
   Memory   the messages of a capture, once in memory and once in a journal below the bench's folder
   Threads  one */
#ifndef TM_BENCH_REPLAY_CASES_H
#define TM_BENCH_REPLAY_CASES_H

#include "bench/bench.h"

/* Measures with journals in `dir`, an empty folder, which it leaves as it was but for files that
   `clear` removes. Left out where no captures are found (TM_SHARED). */
void tm_bench_replay(tm_bench_t *bench, const char *dir, void (*clear)(const char *dir));

#endif
