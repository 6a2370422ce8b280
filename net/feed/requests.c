#include "net/feed/requests.h"

#include "base/check.h"
#include "net/conn/url.h"
#include "net/feed/quota.h"

#include <pthread.h>
#include <string.h>

typedef struct window {
    char host[TM_URL_HOST_MAX + 1]; /* "" = free */
    uint16_t port;
    tm_quota_t quota;
    int64_t over_ns; /* when its last request, or its hold, is forgotten */
    int64_t hold_ns;
    int64_t at_ns[TM_REQUESTS_MAX];
} window_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static window_t windows[TM_REQUESTS_HOST_MAX]; /* under lock */

static bool is_of(const window_t *w, const char *host, uint16_t port)
{
    return w->port == port && strcmp(w->host, host) == 0;
}

/* The server's window, a new one for it, or else the one that is over first. */
static window_t *window_find(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                             int64_t now_ns)
{
    window_t *best = &windows[0];
    TM_CHECK(limit->max > 0 && limit->max <= TM_REQUESTS_MAX, "%u requests", limit->max);
    for (int i = 0; i < TM_REQUESTS_HOST_MAX; i++) {
        if (is_of(&windows[i], host, port)) return &windows[i];
        if (windows[i].over_ns < best->over_ns) best = &windows[i];
    }
    if (best->host[0] && best->over_ns > now_ns) return best;
    *best = (window_t){.port = port};
    memccpy(best->host, host, '\0', sizeof best->host - 1);
    tm_quota_init(&best->quota, best->at_ns, limit->max, limit->span_ns);
    return best;
}

static int64_t take(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                    int64_t now_ns)
{
    window_t *w = window_find(host, port, limit, now_ns);
    if (!is_of(w, host, port)) return w->over_ns;
    int64_t ready_ns = tm_quota_ready_ns(&w->quota);
    if (w->hold_ns > ready_ns) ready_ns = w->hold_ns;
    if (ready_ns > now_ns) return ready_ns;
    tm_quota_note(&w->quota, now_ns);
    if (now_ns + limit->span_ns > w->over_ns) w->over_ns = now_ns + limit->span_ns;
    return now_ns;
}

int64_t tm_requests_take(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                         int64_t now_ns)
{
    pthread_mutex_lock(&lock);
    int64_t at_ns = take(host, port, limit, now_ns);
    pthread_mutex_unlock(&lock);
    return at_ns;
}

void tm_requests_hold(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                      int64_t until_ns)
{
    pthread_mutex_lock(&lock);
    window_t *w = window_find(host, port, limit, until_ns);
    if (is_of(w, host, port) && until_ns > w->hold_ns) w->hold_ns = until_ns;
    if (is_of(w, host, port) && until_ns > w->over_ns) w->over_ns = until_ns;
    pthread_mutex_unlock(&lock);
}
