/* bench/window/window_peer.h - Apache Flink beside the window operator: the same rows, the same
   windows, results compared.
   Flow     load -> [peer] -> a JVM that runs PeerFlink.java, and ours on the same rows -> krow/s
   Time     Flink's runs from the making of its first row to the end of the job, on as many cores as
            it likes; ours is the operator's on one core. Making rows costs a few ns and is in
            Flink's time alone, as it has no ring to take them from
   Needs    mvn, java and a package registry, the first time; without them it says so
   Errors   results that differ end the program */
#ifndef TM_BENCH_WINDOW_PEER_H
#define TM_BENCH_WINDOW_PEER_H

#include "bench/bench.h"
#include "bench/window/window_load.h"

/* All cases that Flink runs in reasonable time. */
void tm_window_peers(tm_bench_t *bench, tm_arena_t *arena);

#endif
