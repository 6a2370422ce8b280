#include "base/log.h"

#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int min_level = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char status[256]; /* under lock; "" = no live line */

static int level_get(void)
{
    int level = atomic_load_explicit(&min_level, memory_order_relaxed); /* a hint, set once */
    if (level >= 0) return level;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    const char *env = getenv("TM_LOG");
    level = TM_LOG_INFO;
    for (int i = 0; env && i < (int)TM_ARRAY_CNT(names); i++)
        if (strcmp(env, names[i]) == 0) level = i;
    atomic_store_explicit(&min_level, level, memory_order_relaxed); /* a hint, set once */
    return level;
}

void tm_log_level_set(tm_log_level_t level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed); /* a hint, set once */
}

static void emit(const char *text, size_t sz)
{
    while (sz > 0) {
        ssize_t n = write(STDERR_FILENO, text, sz);
        if (n <= 0) return;
        text += n;
        sz -= (size_t)n;
    }
}

/* The line is held back where its place spoke within the last second. */
static bool hold(tm_log_site_t *site, int64_t now_ns, uint64_t *held_cnt)
{
    /* Relaxed: two threads at one place may both print; nothing else hangs on it. */
    int64_t last = atomic_load_explicit(&site->last_ns, memory_order_relaxed);
    if (last != 0 && now_ns - last < TM_NS_PER_S) {
        atomic_fetch_add_explicit(&site->held_cnt, 1, memory_order_relaxed);
        return true;
    }
    atomic_store_explicit(&site->last_ns, now_ns, memory_order_relaxed);
    *held_cnt = atomic_exchange_explicit(&site->held_cnt, 0, memory_order_relaxed);
    return false;
}

void tm_log_write(tm_log_site_t *site, tm_log_level_t level, const char *area, const char *fmt, ...)
{
    static const char *const names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    if ((int)level < level_get()) return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t held_cnt = 0;
    if (hold(site, (int64_t)now.tv_sec * TM_NS_PER_S + now.tv_nsec, &held_cnt)) return;

    char line[TM_LOG_LINE_MAX];
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%d %H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ld %s %s: ", now.tv_nsec / 1000000,
                          names[level], area);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 48, fmt, ap);
    va_end(ap);
    tm_error_printable(line); /* it may quote a peer */
    n = strnlen(line, sizeof line);
    if (m < 0) n = 0;
    if (held_cnt)
        n += (size_t)snprintf(line + n, sizeof line - n, " (%llu more)",
                              (unsigned long long)held_cnt);
    line[n++] = '\n';

    pthread_mutex_lock(&lock);
    if (status[0]) emit("\r\033[K", 4);
    emit(line, n);
    if (status[0]) emit(status, strlen(status));
    pthread_mutex_unlock(&lock);
}

void tm_log_status(const char *text)
{
    if (!isatty(STDERR_FILENO)) return;
    pthread_mutex_lock(&lock);
    snprintf(status, sizeof status, "%s", text ? text : "");
    emit("\r\033[K", 4);
    if (status[0]) emit(status, strlen(status));
    pthread_mutex_unlock(&lock);
}
