/* tests/net/autobahn_case.h - a case of the Autobahn test suite, rebuilt from its description.
   Flow     a line of the suite's table -> [case] -> frames for both roles, and what must come of it
   Why      what must come of a case is worked out from its frames here, so that it can be compared
            with what the suite's own table expects */
#ifndef TM_TESTS_NET_AUTOBAHN_CASE_H
#define TM_TESTS_NET_AUTOBAHN_CASE_H

#include "tests/net/ws_wire.h"

enum { CASE_LINE_MAX = 8192, CASE_COLUMN_CNT = 6 };

typedef struct tm_case {
    char line[CASE_LINE_MAX];
    const char *id, *category, *description, *expectation;
    tm_wire_t wires[2]; /* as a server sends it, as a client does */
    tm_wire_t want;     /* the line of ws_wire.h */
    bool fails, closes;
    tm_wire_t message; /* fragments so far */
    unsigned message_op;
} tm_case_t;

/* Adds the frames that the description tells of. False where it is not understood. */
bool tm_case_make(tm_case_t *c);

/* Adds a close frame with that code. */
void tm_case_close(tm_case_t *c, unsigned code, const char *reason);

/* "65536", "4 * 2**20", "64k", "1M" behind the words; 0 where they are not there. */
size_t tm_case_number(const char *text, const char *words);

#endif
