/* net/simulated/fault_plan.h - what a misbehaving exchange does to which connection, and when: a
   script.
   Flow     text of a file, or a seed -> [fault_plan] -> venue_fault.c
   Form     one rule a line, `CONNECTION WHEN WHAT`, # begins a comment; docs/faults.md is the
            grammar and the list
   Random   what is left to chance is drawn from (seed, connection, rule) alone: the same script and
            seed do the same to the n-th connection, whatever the others do
   Units    times: nanoseconds; places: messages or bytes of one connection, from 1
   Memory   one block
   Threads  read-only once made
   Errors   parse: TM_E_SYNTAX with the line and what was expected; -ENOMEM
   Limits   TM_FAULT_RULE_MAX rules, TM_FAULT_TEXT_MAX bytes of script
   Tests    tests/net/test_fault_plan.c */
#ifndef TM_NET_FAULT_PLAN_H
#define TM_NET_FAULT_PLAN_H

#include "base/types.h"

enum { TM_FAULT_RULE_MAX = 256, TM_FAULT_TEXT_MAX = 1 << 20, TM_FAULT_LINE_MAX = 160 };

typedef enum tm_fault_when {
    TM_FAULT_ACCEPT,  /* the TCP connection stands */
    TM_FAULT_UPGRADE, /* the upgrade request has come */
    TM_FAULT_MESSAGE, /* before message n */
    TM_FAULT_EVERY,   /* before each n-th message */
    TM_FAULT_SOME,    /* before a message in n, by chance */
    TM_FAULT_AFTER,   /* so long after the upgrade */
    TM_FAULT_BYTE,    /* once n bytes have left on the socket, TLS included */
    TM_FAULT_WHEN_CNT,
} tm_fault_when_t;

typedef enum tm_fault_what {
    /* accept */
    TM_FAULT_REFUSE,
    TM_FAULT_ALERT,
    TM_FAULT_BAD_CERT,
    /* accept, upgrade */
    TM_FAULT_SILENT,
    TM_FAULT_GARBAGE,
    /* upgrade */
    TM_FAULT_STATUS,
    TM_FAULT_BAD_ACCEPT,
    /* the stream, also at a byte */
    TM_FAULT_CUT,
    TM_FAULT_RST,
    TM_FAULT_STALL,
    TM_FAULT_DRIP,
    TM_FAULT_HALF_OPEN,
    TM_FAULT_CORRUPT,
    /* the stream */
    TM_FAULT_CLOSE,
    TM_FAULT_FRAME,
    TM_FAULT_BOMB,
    TM_FAULT_PING_FLOOD,
    TM_FAULT_DUPLICATE,
    TM_FAULT_GAP,
    TM_FAULT_REORDER,
    TM_FAULT_STALE,
    TM_FAULT_JSON,
    TM_FAULT_SHUTDOWN,
    TM_FAULT_JUMP,
    TM_FAULT_OUTAGE,
    TM_FAULT_WHAT_CNT,
} tm_fault_what_t;

/* Ways to spoil a message. */
typedef enum tm_fault_json {
    TM_FAULT_JSON_ANY,
    TM_FAULT_JSON_TRUNCATED,
    TM_FAULT_JSON_GARBAGE,
    TM_FAULT_JSON_EMPTY,
    TM_FAULT_JSON_NUMBER, /* digits of a value replaced by a word */
    TM_FAULT_JSON_DEEP,   /* 2000 open brackets */
    TM_FAULT_JSON_CNT,
} tm_fault_json_t;

typedef struct tm_fault_rule {
    uint32_t conn_first, conn_last, conn_step; /* connections first, first + step, ..., last */
    tm_fault_when_t when;
    tm_fault_what_t what;
    uint64_t at;    /* messages, bytes or nanoseconds, as `when` says */
    int64_t arg;    /* as `what` says: a count, bytes, nanoseconds, a code, a kind's number */
    uint32_t after; /* status: Retry-After in seconds, UINT32_MAX = none */
} tm_fault_rule_t;

typedef struct tm_fault_plan {
    uint64_t seed;
    uint32_t rule_cnt;
    tm_fault_rule_t rules[TM_FAULT_RULE_MAX];
} tm_fault_plan_t;

/* Reads a script; `name` is what messages call it. Free the plan with free(). */
int tm_fault_plan_parse(tm_fault_plan_t **out, const char *text, size_t sz, const char *name,
                        uint64_t seed) TM_MUST_CHECK;
int tm_fault_plan_load(tm_fault_plan_t **out, const char *path, uint64_t seed) TM_MUST_CHECK;

/* A plan made of a seed. All that it does a client can live through: connections of high numbers
   are spared, and nothing is in it that no retry can mend. NULL where memory is short. */
tm_fault_plan_t *tm_fault_plan_random(uint64_t seed);

/* The line of a script that is this rule, without its end. */
const char *tm_fault_rule_show(const tm_fault_rule_t *rule, char out[TM_FAULT_LINE_MAX]);

/* True where the rule is about the n-th connection. */
bool tm_fault_rule_meets(const tm_fault_rule_t *rule, uint32_t conn_nr);

/* The first rule of a place for the n-th connection; NULL = none. For accept and upgrade. */
const tm_fault_rule_t *tm_fault_plan_find(const tm_fault_plan_t *plan, uint32_t conn_nr,
                                          tm_fault_when_t when);

/* "ping-flood", and the counter of it, "fault_ping_flood". */
const char *tm_fault_what_name(tm_fault_what_t what);
const char *tm_fault_what_counter(tm_fault_what_t what);

/* Random numbers of (seed, connection, rule): a start, and the next one (splitmix64). */
uint64_t tm_fault_random_start(uint64_t seed, uint32_t conn_nr, uint32_t rule_idx);
uint64_t tm_fault_random_next(uint64_t *state);

#endif
