/* base/log.h - lines for an operator on standard error.
   Form     "2026-01-31 12:00:00.123 WARN  net: message"; repeated lines of one place are held back
            for a second and then closed with "(N more)"
   Threads  any; a line is one write(2), so lines never mix
   Limits   TM_LOG_LINE_MAX bytes a line. Never called per row */
#ifndef TM_BASE_LOG_H
#define TM_BASE_LOG_H

#include "base/types.h"

#include <stdatomic.h>

enum { TM_LOG_LINE_MAX = 1400 };

typedef enum tm_log_level { TM_LOG_DEBUG, TM_LOG_INFO, TM_LOG_WARN, TM_LOG_ERROR } tm_log_level_t;

/* One per call site: when it last spoke and how many lines it has swallowed since. */
typedef struct tm_log_site {
    _Atomic int64_t last_ns;
    _Atomic uint64_t held_cnt;
} tm_log_site_t;

/* Lines below the level are dropped; default TM_LOG_INFO, or TM_LOG=debug|info|warn|error. */
void tm_log_level_set(tm_log_level_t level);

/* Use the macros: `area` is the folder ("net"). */
void tm_log_write(tm_log_site_t *site, tm_log_level_t level, const char *area, const char *fmt, ...)
    TM_PRINTF(4, 5);

#define TM_LOG_AT(level, area, ...)                                                                \
    do {                                                                                           \
        static tm_log_site_t tm_log_site_;                                                         \
        tm_log_write(&tm_log_site_, level, area, __VA_ARGS__);                                     \
    } while (0)

#define TM_LOG_D(area, ...) TM_LOG_AT(TM_LOG_DEBUG, area, __VA_ARGS__)
#define TM_LOG_I(area, ...) TM_LOG_AT(TM_LOG_INFO, area, __VA_ARGS__)
#define TM_LOG_W(area, ...) TM_LOG_AT(TM_LOG_WARN, area, __VA_ARGS__)
#define TM_LOG_E(area, ...) TM_LOG_AT(TM_LOG_ERROR, area, __VA_ARGS__)

/* Shows `text` as the one live line at the bottom of a terminal (NULL removes it); log lines scroll
   above it. Does nothing where standard error is not a terminal. */
void tm_log_status(const char *text);

#endif
