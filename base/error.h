/* base/error.h - error codes and the per-thread trail that explains them.
   Codes    0 = fine; -1..-4095 = -errno of the kernel (the form of cqe->res); below -4096 = ours
   Trail    where an error starts, tm_error_set() records the sentence a user reads; where it
            crosses a module, tm_error_context() adds who was doing what; the run loop reads it once
   Peers    texts quote what peers sent; bytes that a terminal would obey become '?', so that nobody
            writes into a log but us
   Threads  the trail belongs to the calling thread; strings stay valid until its next tm_error_set
   Limits   TM_ERROR_TEXT_MAX bytes a trail, longer is cut */
#ifndef TM_BASE_ERROR_H
#define TM_BASE_ERROR_H

#include "base/types.h"

enum { TM_ERROR_TEXT_MAX = 1024 };

typedef enum tm_err {
    TM_OK = 0,
    TM_E_PROTOCOL = -5000, /* a peer broke its protocol: TLS, HTTP or WebSocket */
    TM_E_TLS,              /* handshake or record failure, certificate not trusted */
    TM_E_HTTP,             /* the upgrade was answered with something else than 101 */
    TM_E_RESOLVE,          /* host name has no address */
    TM_E_TIMEOUT,          /* a deadline passed */
    TM_E_CLOSED,           /* the peer ended the conversation in order */
    TM_E_LIMIT,            /* something grew past its limit */
    TM_E_SYNTAX,           /* text that does not follow its grammar */
    TM_E_RANGE,            /* a value that does not fit its type */
    TM_E_MISSING,          /* a required field is not there */
    TM_E_UNKNOWN,          /* a kind of message or name nobody declared */
    TM_E_CORRUPT,          /* a file of ours that fails its checks */
    TM_E_CONFIG,           /* options or a job graph that make no sense */
    TM_E_UNSUPPORTED,      /* this kernel, cpu or build cannot do it */
    TM_E_FUNCTION,         /* a function of the job said that it cannot go on */
} tm_err_t;

/* Starts the trail of this thread: replaces its text. Returns code, so that callers can
   `return tm_error_set(-EINVAL, "...")`. */
int tm_error_set(int code, const char *fmt, ...) TM_PRINTF(2, 3);

/* Prefixes the trail with "<context>: " and returns code unchanged. */
int tm_error_context(int code, const char *fmt, ...) TM_PRINTF(2, 3);

/* Replaces control bytes in the text, those of C1 in UTF-8 too, by '?'. Returns text. */
char *tm_error_printable(char *text);

/* The trail's text; "" where nothing was recorded. */
const char *tm_error_text(void);

/* A short name for any code: "ENOSPC: No space left on device", "protocol error". Never NULL. */
const char *tm_error_name(int code);

void tm_error_clear(void);

/* Returns from the calling function with the code where it is negative. */
#define TM_TRY(expr)                                                                               \
    do {                                                                                           \
        int tm_try_code_ = (expr);                                                                 \
        if (TM_UNLIKELY(tm_try_code_ < 0)) return tm_try_code_;                                    \
    } while (0)

/* Stores the code in `err` and jumps to `label` where it is negative. */
#define TM_GOTO(err, expr, label)                                                                  \
    do {                                                                                           \
        (err) = (expr);                                                                            \
        if (TM_UNLIKELY((err) < 0)) goto label;                                                    \
    } while (0)

#endif
