/* base/check.h - assertions for bugs of ours; never for input of a peer or a file.
   Errors   a failed check prints place, condition and the message, then aborts
   Threads  any */
#ifndef TM_BASE_CHECK_H
#define TM_BASE_CHECK_H

#include "base/types.h"

TM_NORETURN void tm_check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
    TM_PRINTF(4, 5);

/* Always on: control path, once per batch. The message is printf-style and may be "". */
#define TM_CHECK(cond, ...)                                                                        \
    do {                                                                                           \
        if (TM_UNLIKELY(!(cond))) tm_check_failed(__FILE__, __LINE__, #cond, __VA_ARGS__);         \
    } while (0)

/* Debug builds only: once per row. */
#ifdef TM_DEBUG
#    define TM_DCHECK(cond, ...) TM_CHECK(cond, __VA_ARGS__)
#else
#    define TM_DCHECK(cond, ...) ((void)sizeof(!(cond)))
#endif

#endif
