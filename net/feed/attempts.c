#include "net/feed/attempts.h"

#include "net/conn/url.h"
#include "net/feed/quota.h"

#include <pthread.h>
#include <string.h>

typedef struct window {
    char host[TM_URL_HOST_MAX + 1]; /* "" = free */
    uint16_t port;
    tm_quota_t quota;
    int64_t last_ns;
    int64_t at_ns[TM_ATTEMPTS_MAX];
} window_t;

static const int64_t span_ns = TM_ATTEMPTS_SPAN_S * TM_NS_PER_S;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static window_t windows[TM_ATTEMPTS_ADDR_MAX]; /* under lock */

/* The address's window, or the one whose last attempt is longest ago. */
static window_t *window_find(const char *host, uint16_t port)
{
    window_t *oldest = &windows[0];
    for (int i = 0; i < TM_ATTEMPTS_ADDR_MAX; i++) {
        window_t *w = &windows[i];
        if (w->port == port && strcmp(w->host, host) == 0) return w;
        bool is_older = !w->host[0] || w->last_ns < oldest->last_ns;
        if (oldest->host[0] && is_older) oldest = w;
    }
    return oldest;
}

static int64_t take(const char *host, uint16_t port, int64_t now_ns)
{
    window_t *w = window_find(host, port);
    if (w->port != port || strcmp(w->host, host) != 0) {
        if (w->host[0] && w->last_ns + span_ns > now_ns) return w->last_ns + span_ns;
        memccpy(w->host, host, '\0', sizeof w->host - 1);
        w->port = port;
        tm_quota_init(&w->quota, w->at_ns, TM_ATTEMPTS_MAX, span_ns);
    }
    int64_t ready_ns = tm_quota_ready_ns(&w->quota);
    if (ready_ns > now_ns) return ready_ns;
    tm_quota_note(&w->quota, now_ns);
    w->last_ns = now_ns;
    return now_ns;
}

int64_t tm_attempts_take(const char *host, uint16_t port, int64_t now_ns)
{
    pthread_mutex_lock(&lock);
    int64_t at_ns = take(host, port, now_ns);
    pthread_mutex_unlock(&lock);
    return at_ns;
}
