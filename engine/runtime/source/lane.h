/* engine/runtime/source/lane.h - which connections of a journal bring the same messages, so that a
   replay tells copies as the live feed did.
   Flow     feed -> recorder -> [lane] -> journal; journal source -> [lane] -> arbiter
   Form     text of a lane event: "group 0 lane 2 of 2 addresses, address 0, trades 1, quotes 2",
            numbers as in tm_feed_row_t
   Memory   none.  Threads any
   Errors   take: false where the text is none of ours
   Tests    tests/engine/test_recording.c */
#ifndef TM_ENGINE_LANE_H
#define TM_ENGINE_LANE_H

#include "base/feed_row.h"

enum { TM_LANE_TEXT_MAX = 120 };

/* Returns the bytes of the text. */
uint32_t tm_lane_put(char text[TM_LANE_TEXT_MAX], const tm_feed_row_t *row);

/* Makes the row that says that the connection streams. */
bool tm_lane_take(tm_feed_row_t *row, const char *text, uint32_t text_sz);

#endif
