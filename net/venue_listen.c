#include "net/venue_listen.h"

#include "base/error.h"
#include "base/log.h"
#include "net/tls_selfsigned.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static int bind_to(const struct addrinfo *addr, uint16_t *bound)
{
    int one = 1;
    int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct sockaddr_storage own = {0};
    socklen_t own_sz = sizeof own;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, addr->ai_addr, addr->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_sz) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    memcpy(&v6, &own, sizeof v6);
    memcpy(&v4, &own, sizeof v4);
    *bound = ntohs(own.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
    return fd;
}

int tm_venue_listen(const char *host, uint16_t port, uint16_t *bound)
{
    char service[8];
    struct addrinfo *addr,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &addr) != 0)
        return tm_error_set(TM_E_CONFIG, "listen on \"%s\": expected an IP address", host);
    int fd = bind_to(addr, bound);
    freeaddrinfo(addr);
    if (fd < 0)
        return tm_error_set(fd, "listen on %s port %u: %s%s", host, port, strerror(-fd),
                            fd == -EADDRINUSE ? "; choose another port, or 0 for any" : "");
    return fd;
}

/* mkdir -p with access for the owner only: a private key goes in. */
static int dir_make(const char *path)
{
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return tm_error_set(-ENAMETOOLONG, "state folder: the path is too long");
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return tm_error_set(-errno, "state folder %s: %s", part, strerror(errno));
        *p = kept;
        if (kept == '\0') return 0;
    }
}

int tm_venue_tls(tm_tls_ctx_t **out, const char *state_dir, const char *host)
{
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    if (!state_dir || !*state_dir)
        return tm_error_set(TM_E_CONFIG, "TLS needs a state folder for its certificate");
    TM_TRY(dir_make(state_dir));
    if ((size_t)snprintf(ca, sizeof ca, "%s/ca.pem", state_dir) >= sizeof ca ||
        (size_t)snprintf(cert, sizeof cert, "%s/cert.pem", state_dir) >= sizeof cert ||
        (size_t)snprintf(key, sizeof key, "%s/key.pem", state_dir) >= sizeof key)
        return tm_error_set(-ENAMETOOLONG, "state folder %s: the path is too long", state_dir);
    if (access(ca, R_OK) != 0 || access(cert, R_OK) != 0 || access(key, R_OK) != 0) {
        const char *const names[] = {"localhost", "127.0.0.1", "::1", host};
        bool usual = strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
        const tm_selfsigned_cfg_t made = {.ca_file = ca,
                                          .cert_file = cert,
                                          .key_file = key,
                                          .names = names,
                                          .name_cnt = usual ? 3 : 4};
        TM_TRY(tm_selfsigned_make(&made));
        TM_LOG_I("venue", "made a CA and a certificate: clients trust %s", ca);
    }
    const tm_tls_ctx_cfg_t cfg = {.server = true, .cert_file = cert, .key_file = key};
    return tm_tls_ctx_open(out, &cfg);
}
