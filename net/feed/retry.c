#include "net/feed/retry.h"

#include "base/error.h"

#include <errno.h>

enum { CLOSE_NORMAL = 1000 };

void tm_retry_init(tm_retry_t *r, const tm_retry_cfg_t *cfg)
{
    *r = (tm_retry_t){.cfg = *cfg, .random = cfg->seed};
    if (r->cfg.first_ns <= 0) r->cfg.first_ns = TM_NS_PER_S;
    if (r->cfg.cap_ns <= 0) r->cfg.cap_ns = 60 * TM_NS_PER_S;
}

/* SplitMix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t tm_retry_next(tm_retry_t *r, int64_t floor_ns)
{
    int64_t delay_ns = r->cfg.first_ns;
    for (uint32_t i = 0; i < r->failure_cnt && delay_ns < r->cfg.cap_ns; i++)
        delay_ns = delay_ns > r->cfg.cap_ns / 2 ? r->cfg.cap_ns : delay_ns * 2;
    if (delay_ns > r->cfg.cap_ns) delay_ns = r->cfg.cap_ns;
    if (r->failure_cnt < UINT32_MAX) r->failure_cnt++;
    double even = (double)(random_next(&r->random) >> 11) * 0x1p-53; /* [0, 1) */
    double factor = 1 + (2 * even - 1) * TM_RETRY_JITTER_PERCENT / 100;
    delay_ns = (int64_t)((double)delay_ns * factor);
    return delay_ns > floor_ns ? delay_ns : floor_ns;
}

bool tm_retry_is_spent(const tm_retry_t *r)
{
    return r->cfg.max != TM_RETRY_FOREVER && r->failure_cnt > r->cfg.max;
}

void tm_retry_reset(tm_retry_t *r)
{
    r->failure_cnt = 0;
}

/* Errors that say the same on every attempt. */
static bool is_fatal(const tm_retry_event_t *ev)
{
    if (ev->untrusted) return true;
    switch (ev->code) {
    case TM_E_CONFIG:
    case TM_E_SYNTAX:
    case TM_E_UNSUPPORTED:
    case -EINTR:
    case -ENOMEM:
        return true;
    case TM_E_HTTP: /* 429 and 5xx are about now; the rest is about us */
        return ev->http_status < 500 && ev->http_status != 429;
    case TM_E_TLS:
    case TM_E_PROTOCOL:
    case TM_E_LIMIT:
        /* A first answer that makes no sense: it is not the server that was meant, or not what it
           takes. Where it made sense once, the server has a bad moment. */
        return !ev->streamed && !ev->proven && !ev->cut;
    default:
        return false;
    }
}

tm_retry_verdict_t tm_retry_judge(const tm_retry_event_t *ev)
{
    if (ev->streamed && ev->close_code == CLOSE_NORMAL && ev->close_is_end) return TM_RETRY_END;
    return is_fatal(ev) ? TM_RETRY_FATAL : TM_RETRY_AGAIN;
}
