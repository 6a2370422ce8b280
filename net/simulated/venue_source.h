/* net/simulated/venue_source.h - what the simulated exchange publishes: generated or captured
   messages in time.
   Flow     venue_generator.c | replay.c -> [venue_source] -> venue.c
   Units    *_ns: mono
   Memory   that of the generator or the replay
   Threads  one owner
   Errors   open: theirs; next: TM_E_CLOSED at the end, else why the capture cannot be read on
   Tests    tests/net/test_venue.c */
#ifndef TM_NET_VENUE_SOURCE_H
#define TM_NET_VENUE_SOURCE_H

#include "base/frame.h"
#include "net/simulated/venue_line.h"
#include "net/source.h"

enum { TM_VENUE_BURST_MAX = 256 };

typedef struct tm_venue_source_cfg {
    const char *capture; /* file; NULL = the generator */
    double speed;        /* of the capture: 1 = its own pace, 0 = as fast as clients drain */
    tm_venue_generator_cfg_t generator;
} tm_venue_source_cfg_t;

typedef struct tm_venue_source {
    tm_venue_generator_t *generator;
    tm_source_t *replay;
    tm_frame_t frames[TM_VENUE_BURST_MAX];
    uint32_t frame_cnt, frame_idx;
    uint64_t invalid_cnt; /* captured lines left out because they are not UTF-8 */
    tm_venue_line_t line; /* the one that messages are made of */
    bool paced;           /* messages have a time; false = as fast as clients drain */
    bool started;
} tm_venue_source_t;

int tm_venue_source_open(tm_venue_source_t *source, const tm_venue_source_cfg_t *cfg) TM_MUST_CHECK;
void tm_venue_source_close(tm_venue_source_t *source);

/* Returns 1 and the next message where it is due, else 0 and when to ask again. The message is good
   until the next call. The clock of the schedule starts with the first call. */
int tm_venue_source_next(tm_venue_source_t *source, int64_t now_ns, tm_venue_message_t *message,
                         int64_t *due_ns) TM_MUST_CHECK;

#endif
