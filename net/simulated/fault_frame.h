/* net/simulated/fault_frame.h - WebSocket frames that break a rule each, as a server would send
   them.
   Flow     name in a script -> [fault_frame] -> bytes in a client's queue
   Memory   the caller's buffer
   Threads  any; no state
   Limits   TM_FAULT_FRAME_MAX bytes a frame
   Tests    tests/net/test_fault_frame.c: what the product's client says to each */
#ifndef TM_NET_FAULT_FRAME_H
#define TM_NET_FAULT_FRAME_H

#include "base/types.h"

enum { TM_FAULT_FRAME_MAX = 1024 };

/* How many kinds there are. */
uint32_t tm_fault_frame_cnt(void);

/* "masked", "rsv1" ... */
const char *tm_fault_frame_name(uint32_t kind);

/* The kind of that name; -1 = none. */
int tm_fault_frame_find(const char *name, size_t sz);

/* The close code that RFC 6455 asks of whoever gets the frame; RFC 7692 where deflate is in use. */
uint16_t tm_fault_frame_code(uint32_t kind, bool deflate);

/* Writes the frame. Returns its bytes. */
size_t tm_fault_frame_write(uint32_t kind, uint8_t out[TM_FAULT_FRAME_MAX]);

#endif
