#include "net/conn/resolve.h"

#include "base/error.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ThreadSanitizer does not see the thread in which the C library waits, and crashes in it. */
#if defined(__SANITIZE_THREAD__)
#    define WAITS_ASIDE 0
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define WAITS_ASIDE 0
#    endif
#endif
#ifndef WAITS_ASIDE
#    define WAITS_ASIDE 1
#endif

struct tm_resolve {
    struct tm_resolve *next; /* among those that were closed too early */
    struct gaicb request;
    struct addrinfo hints;
    struct addrinfo *numeric; /* the result where there was nothing to wait for */
    int failed;               /* why there is none then */
    char host[TM_RESOLVE_HOST_MAX + 1], service[8];
};

/* Closed ones that the library still works on. Any thread adds, any thread takes all of them. */
static _Atomic(tm_resolve_t *) orphans;

static void resolve_free(tm_resolve_t *r)
{
    if (r->request.ar_result) freeaddrinfo(r->request.ar_result);
    if (r->numeric) freeaddrinfo(r->numeric);
    free(r);
}

static void orphan_add(tm_resolve_t *r)
{
    r->next = atomic_load_explicit(&orphans, memory_order_relaxed); /* checked by the exchange */
    while (!atomic_compare_exchange_weak_explicit(&orphans, &r->next, r, memory_order_release,
                                                  memory_order_relaxed)) { /* V2 */
    }
}

static void orphans_sweep(void)
{
    tm_resolve_t *r = atomic_exchange_explicit(&orphans, NULL, memory_order_acquire); /* V2 */
    while (r) {
        tm_resolve_t *next = r->next;
        if (gai_error(&r->request) == EAI_INPROGRESS)
            orphan_add(r);
        else
            resolve_free(r);
        r = next;
    }
}

int tm_resolve_open(tm_resolve_t **out, const char *host, uint16_t port)
{
    *out = NULL;
    orphans_sweep();
    if (strlen(host) > TM_RESOLVE_HOST_MAX)
        return tm_error_set(TM_E_RESOLVE, "%.60s...: longer than a name can be", host);
    tm_resolve_t *r = calloc(1, sizeof *r);
    if (!r) return tm_error_set(-ENOMEM, "no memory for a look-up");
    snprintf(r->host, sizeof r->host, "%s", host);
    snprintf(r->service, sizeof r->service, "%u", port);
    r->hints = (struct addrinfo){.ai_family = AF_UNSPEC,
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
    if (getaddrinfo(r->host, r->service, &r->hints, &r->numeric) == 0) {
        *out = r;
        return 0;
    }
    int rc = strchr(host, ':') ? tm_error_set(TM_E_RESOLVE, "%s: not an address", host) : 0;
    r->hints.ai_flags = AI_NUMERICSERV;
    if (!WAITS_ASIDE && rc == 0) {
        r->failed = getaddrinfo(r->host, r->service, &r->hints, &r->numeric);
        *out = r;
        return 0;
    }
    r->request = (struct gaicb){
        .ar_name = r->host, .ar_service = r->service, .ar_request = &r->hints};
    struct gaicb *list[] = {&r->request};
    int refused = rc == 0 ? getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) : 0;
    if (refused)
        rc = tm_error_set(TM_E_RESOLVE, "%s: the look-up cannot begin: %s", host,
                          gai_strerror(refused));
    if (rc < 0) {
        resolve_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

int tm_resolve_poll(tm_resolve_t *r, struct addrinfo **out)
{
    *out = r->numeric;
    r->numeric = NULL;
    if (*out) return 1;
    int rc = r->failed ? r->failed : gai_error(&r->request);
    if (rc == EAI_INPROGRESS) return 0;
    if (rc == 0 && r->request.ar_result) {
        *out = r->request.ar_result;
        r->request.ar_result = NULL;
        return 1;
    }
    return tm_error_set(TM_E_RESOLVE, "%s; check the spelling, the network and /etc/resolv.conf",
                        rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}

void tm_resolve_close(tm_resolve_t *r)
{
    orphans_sweep();
    if (!r) return;
    bool asked = r->request.ar_name != NULL;
    if (asked && gai_cancel(&r->request) == EAI_NOTCANCELED)
        orphan_add(r);
    else
        resolve_free(r);
}
