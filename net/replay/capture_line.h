/* net/replay/capture_line.h - one line of a text capture, in the forms that recorders write.
   Flow     capture file -> [capture line] -> replay.c, tidemark journal import
   Forms    lines      "<ns, 19 digits, or us, 16 digits> <message>" (hftbacktest)
            cryptofeed "<seconds>: <message>", "<url> <- <seconds>: <sent message>",
                       "<url> <-> <seconds>" where a connection began
            tardis     "2024-08-08T23:54:14.0247230Z <message>"
   Units    recv_ns: Unix time, exact in every form (no floating point on the way)
   Memory   url and payload point into the line
   Threads  no state
   Errors   TM_E_SYNTAX with a text that says what was expected; the caller adds file and line
   Tests    tests/net/test_capture_line.c, tests/net/test_replay.c */
#ifndef TM_NET_CAPTURE_LINE_H
#define TM_NET_CAPTURE_LINE_H

#include "base/types.h"

typedef enum tm_capture_form {
    TM_CAPTURE_AUTO, /* by the first line */
    TM_CAPTURE_LINES,
    TM_CAPTURE_CRYPTOFEED,
    TM_CAPTURE_TARDIS,
} tm_capture_form_t;

typedef enum tm_capture_kind {
    TM_CAPTURE_MESSAGE, /* received */
    TM_CAPTURE_SENT,    /* by the recorder, to the exchange */
    TM_CAPTURE_CONNECT, /* payload: the URL */
} tm_capture_kind_t;

typedef struct tm_capture_line {
    tm_capture_kind_t kind;
    int64_t recv_ns;
    const uint8_t *payload;
    size_t payload_sz;
} tm_capture_line_t;

/* Reads one line of sz bytes (without its newline). form: not AUTO. */
int tm_capture_line_take(tm_capture_line_t *line, tm_capture_form_t form, const void *src,
                         size_t sz) TM_MUST_CHECK;

/* The form in which this first line of a file is written; AUTO where it is none of them. */
tm_capture_form_t tm_capture_form_guess(const void *src, size_t sz);

#endif
