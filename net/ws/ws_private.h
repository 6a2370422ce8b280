/* net/ws/ws_private.h - the state behind net/ws/ws.h, shared by its three source files only.
   Flow     ws.c (life, message buffer), ws_read.c (input), ws_write.c (output)
   Units    *_sz: bytes
   Memory   as net/ws/ws.h says
   Threads  one owner */
#ifndef TM_NET_WS_PRIVATE_H
#define TM_NET_WS_PRIVATE_H

#include "net/ws/deflate.h"
#include "net/ws/utf8.h"
#include "net/ws/ws.h"

#include <sys/types.h>
#include <wslay/wslay.h>

/* A message buffer that was replaced while messages in it were still held. */
typedef struct tm_ws_block {
    struct tm_ws_block *next;
    size_t cap_sz;  /* without the pad */
    uint8_t data[]; /* TM_FRAME_PAD bytes follow cap_sz */
} tm_ws_block_t;

struct tm_ws {
    wslay_frame_context_ptr framer;
    tm_inflater_t *inflater; /* NULL where compression was not agreed */
    tm_deflater_t *deflater; /* NULL where our messages go out as they are */
    tm_ws_cfg_t cfg;
    int err; /* sticky */

    /* Input of the current read. */
    const uint8_t *in;
    size_t in_sz;

    /* Header of the current frame, kept to know where its payload begins and ends. */
    uint8_t header[TM_WS_HEADER_MAX];
    uint8_t header_have, header_sz;
    bool judged;           /* the checks above the frame layer are done */
    bool is_control;       /* valid once judged */
    uint64_t payload_left; /* not yet taken from the input */

    /* Payload of the current data frame that lies in the input and is not copied yet. */
    const uint8_t *run;
    size_t run_sz;

    /* The message that is being put together: the last part_sz bytes used of the block. */
    tm_ws_block_t *block, *retired;
    size_t part_off, part_sz;
    bool in_message;  /* a first fragment came, its last one did not */
    bool is_deflated; /* that one said that the message is compressed */
    uint64_t wire_sz; /* payload bytes of its frames so far */
    tm_ws_op_t message_op;
    uint32_t fragment_cnt;
    tm_utf8_t utf8;

    uint8_t control[TM_WS_CONTROL_MAX + 1 + TM_FRAME_PAD];
    uint8_t control_sz;

    /* What waits for tm_ws_reply. */
    uint8_t pong[TM_WS_CONTROL_MAX];
    uint8_t pong_sz;
    bool pong_waits;
    uint8_t close[TM_WS_CONTROL_MAX];
    uint8_t close_sz;
    bool close_waits, close_sent;

    bool close_came;
    uint16_t peer_code;
    char peer_reason[TM_WS_CONTROL_MAX];
};

/* wslay's callback for input. */
ssize_t tm_ws_on_recv(uint8_t *buf, size_t len, int flags, void *arg);

/* Expects the header of the next frame. */
static inline void tm_ws_begin_frame(tm_ws_t *ws)
{
    ws->header_have = 0;
    ws->header_sz = 2;
    ws->judged = false;
}

/* Makes room for sz more bytes of the message that is being put together. 0 or -ENOMEM. */
int tm_ws_make_room(tm_ws_t *ws, size_t sz) TM_MUST_CHECK;

#endif
