#include "net/simulated/venue_listen.h"

#include "base/error.h"
#include "base/log.h"
#include "net/conn/tls_selfsigned.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 128, RETRY_CNT = 40, RETRY_NS = 50 * 1000000 };

static uint16_t *port_of(struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
                                       : &((struct sockaddr_in *)addr)->sin_port;
}

/* Binds to the address. Where its port is 0 the one that was chosen is put in. */
static int bind_to(struct sockaddr_storage *addr, socklen_t sz)
{
    int one = 1;
    int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (struct sockaddr *)addr, sz) == 0 &&
        getsockname(fd, (struct sockaddr *)addr, &sz) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

/* A port that was chosen is the socket's only while it listens; one that was asked for stays its
   own through a shutdown. So it is asked for while the first socket still holds it. */
static int listen_on(const struct addrinfo *info, uint16_t *bound)
{
    struct sockaddr_storage addr = {0};
    memcpy(&addr, info->ai_addr, info->ai_addrlen);
    bool any = *port_of(&addr) == 0;
    int fd = bind_to(&addr, info->ai_addrlen);
    if (fd >= 0 && any) {
        int chooser = fd;
        fd = bind_to(&addr, info->ai_addrlen);
        close(chooser);
    }
    if (fd < 0) return fd;
    *bound = ntohs(*port_of(&addr));
    if (listen(fd, BACKLOG) == 0) return fd;
    int err = -errno;
    close(fd);
    return err;
}

/* A process that was killed keeps its port for a moment longer than it lives: its io_uring holds
   the listening socket until the kernel has taken the ring down, which a busy machine puts off. */
static int listen_patiently(const struct addrinfo *info, uint16_t *bound)
{
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    int fd = listen_on(info, bound);
    for (int i = 0; fd == -EADDRINUSE && i < RETRY_CNT; i++) {
        nanosleep(&pause, NULL);
        fd = listen_on(info, bound);
    }
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
    int fd = listen_patiently(addr, bound);
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

int tm_venue_listen_again(int fd)
{
    if (listen(fd, BACKLOG) == 0) return 0;
    return tm_error_set(-errno, "listen again: %s", strerror(errno));
}

/* Files of a certificate in the state folder. */
typedef struct cert_files {
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
} cert_files_t;

static int files_name(cert_files_t *f, const char *state_dir, const char *prefix)
{
    if ((size_t)snprintf(f->ca, sizeof f->ca, "%s/%sca.pem", state_dir, prefix) >= sizeof f->ca ||
        (size_t)snprintf(f->cert, sizeof f->cert, "%s/%scert.pem", state_dir, prefix) >=
            sizeof f->cert ||
        (size_t)snprintf(f->key, sizeof f->key, "%s/%skey.pem", state_dir, prefix) >= sizeof f->key)
        return tm_error_set(-ENAMETOOLONG, "state folder %s: the path is too long", state_dir);
    return 0;
}

static bool files_exist(const cert_files_t *f)
{
    return access(f->ca, R_OK) == 0 && access(f->cert, R_OK) == 0 && access(f->key, R_OK) == 0;
}

static int server_ctx(tm_tls_ctx_t **out, const cert_files_t *f)
{
    const tm_tls_ctx_cfg_t cfg = {.server = true, .cert_file = f->cert, .key_file = f->key};
    return tm_tls_ctx_open(out, &cfg);
}

int tm_venue_tls(tm_tls_ctx_t **out, const char *state_dir, const char *host)
{
    cert_files_t f;
    if (!state_dir || !*state_dir)
        return tm_error_set(TM_E_CONFIG, "TLS needs a state folder for its certificate");
    TM_TRY(dir_make(state_dir));
    TM_TRY(files_name(&f, state_dir, ""));
    if (!files_exist(&f)) {
        const char *const names[] = {"localhost", "127.0.0.1", "::1", host};
        bool usual = strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
        const tm_selfsigned_cfg_t made = {.ca_file = f.ca,
                                          .cert_file = f.cert,
                                          .key_file = f.key,
                                          .names = names,
                                          .name_cnt = usual ? 3 : 4};
        TM_TRY(tm_selfsigned_make(&made));
        TM_LOG_I("venue", "made a CA and a certificate: clients trust %s", f.ca);
    }
    return server_ctx(out, &f);
}

/* Adds the certificate in one file to the bundle in another. */
static int bundle_add(const char *bundle, const char *ca)
{
    char text[8192];
    FILE *from = fopen(ca, "re"), *to = fopen(bundle, "ae");
    size_t sz = from ? fread(text, 1, sizeof text, from) : 0;
    bool ok = sz > 0 && sz < sizeof text && to && fwrite(text, 1, sz, to) == sz;
    if (from) fclose(from);
    if (to && fclose(to) != 0) ok = false;
    return ok ? 0 : tm_error_set(-EIO, "cannot add %s to %s", ca, bundle);
}

int tm_venue_tls_bad(tm_tls_ctx_t **out, const char *state_dir, tm_venue_bad_cert_t how)
{
    static const char *const prefixes[] = {"bad-name-", "bad-expired-", "bad-authority-"};
    static const char *const elsewhere[] = {"elsewhere.example"};
    cert_files_t good, f;
    TM_TRY(files_name(&good, state_dir, ""));
    TM_TRY(files_name(&f, state_dir, prefixes[how]));
    if (!files_exist(&f)) {
        const tm_selfsigned_cfg_t made = {.ca_file = f.ca,
                                          .cert_file = f.cert,
                                          .key_file = f.key,
                                          .names = how == TM_VENUE_BAD_NAME ? elsewhere : NULL,
                                          .name_cnt = how == TM_VENUE_BAD_NAME ? 1 : 0,
                                          .end_s = how == TM_VENUE_BAD_EXPIRED ? -24 * 3600 : 0};
        TM_TRY(tm_selfsigned_make(&made));
        if (how != TM_VENUE_BAD_AUTHORITY) TM_TRY(bundle_add(good.ca, f.ca));
    }
    return server_ctx(out, &f);
}
