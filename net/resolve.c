#include "net/resolve.h"

#include "base/clock.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

/* The resolver asks each of its servers `retry` times and waits `retrans` seconds for an answer
   (longer with every round), so one round with the time shared among the servers is the bound. */
static void patience_set(int64_t wait_ns)
{
    if (!(_res.options & RES_INIT) && res_init() != 0) return;
    int64_t servers = _res.nscount > 0 ? _res.nscount : 1;
    int64_t each_s = wait_ns / TM_NS_PER_S / servers;
    _res.retrans = each_s < 1 ? 1 : (int)(each_s < 30 ? each_s : 30);
    _res.retry = 1;
}

int tm_resolve(struct addrinfo **out, const char *host, uint16_t port, int64_t wait_ns)
{
    char service[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
    snprintf(service, sizeof service, "%u", port);
    *out = NULL;
    int rc = getaddrinfo(host, service, &hints, out);
    if (rc == 0) return 0;
    if (strchr(host, ':')) return tm_error_set(TM_E_RESOLVE, "%s: not an address", host);

    patience_set(wait_ns);
    int64_t begin_ns = tm_clock_mono_ns();
    hints.ai_flags = AI_NUMERICSERV;
    rc = getaddrinfo(host, service, &hints, out);
    if (rc == 0) return 0;
    int64_t took_ns = tm_clock_mono_ns() - begin_ns;
    if (rc == EAI_AGAIN && took_ns >= TM_NS_PER_S / 2)
        return tm_error_set(TM_E_TIMEOUT,
                            "no name server answered within %.1f s; check the network and "
                            "/etc/resolv.conf",
                            (double)took_ns / 1e9);
    return tm_error_set(TM_E_RESOLVE, "%s; check the spelling, the network and /etc/resolv.conf",
                        rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}
