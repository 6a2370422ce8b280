#include "tests/net/connect_proxy.h"

#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connect_proxy {
    int fd;
    uint16_t port;
    const char *authorization, *answer;
    char seen[4096];
    _Atomic uint64_t bytes;
    _Atomic bool stop;
    pthread_t thread;
};

static bool send_all(int fd, const char *bytes, size_t sz)
{
    while (sz > 0) {
        ssize_t n = send(fd, bytes, sz, MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes += n;
        sz -= (size_t)n;
    }
    return true;
}

/* Up to the empty line, a byte at a time: nothing behind it is taken. */
static bool head_read(int fd, char *text, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap && recv(fd, text + n, 1, 0) == 1) {
        text[++n] = '\0';
        if (n >= 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0) return true;
    }
    return false;
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0) return fd;
    close(fd);
    return -1;
}

/* Carries bytes both ways until one side ends. */
static void tunnel(connect_proxy_t *p, int a, int b)
{
    static char bytes[65536];
    struct pollfd fds[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    while (!atomic_load(&p->stop)) {
        if (poll(fds, 2, 50) <= 0) continue;
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents) continue;
            ssize_t n = recv(fds[i].fd, bytes, sizeof bytes, 0);
            if (n <= 0 || !send_all(fds[1 - i].fd, bytes, (size_t)n)) return;
            atomic_fetch_add(&p->bytes, (uint64_t)n);
        }
    }
}

static void serve(connect_proxy_t *p, int client)
{
    static const char standing[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    static const char who[] = "HTTP/1.1 407 Proxy Authentication Required\r\n"
                              "Proxy-Authenticate: Basic realm=\"test\"\r\n"
                              "Content-Length: 0\r\n\r\n";
    char wanted[256];
    if (!head_read(client, p->seen, sizeof p->seen)) return;
    snprintf(wanted, sizeof wanted, "\r\nProxy-Authorization: %s\r\n",
             p->authorization ? p->authorization : "");
    const char *answer = p->answer;
    if (p->authorization && !strstr(p->seen, wanted)) answer = who;
    if (answer) {
        (void)send_all(client, answer, strlen(answer));
        return;
    }
    unsigned port = 0;
    if (sscanf(p->seen, "CONNECT localhost:%u HTTP/1.1", &port) != 1) return;
    int server = connect_to((uint16_t)port);
    if (server < 0) return;
    if (send_all(client, standing, sizeof standing - 1)) tunnel(p, client, server);
    close(server);
}

static void *run(void *arg)
{
    connect_proxy_t *p = arg;
    while (!atomic_load(&p->stop)) {
        struct pollfd fd = {p->fd, POLLIN, 0};
        if (poll(&fd, 1, 50) <= 0) continue;
        int client = accept(p->fd, NULL, NULL);
        if (client < 0) continue;
        serve(p, client);
        close(client);
    }
    return NULL;
}

connect_proxy_t *connect_proxy_open(const char *authorization, const char *answer)
{
    connect_proxy_t *p = calloc(1, sizeof *p);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t sz = sizeof addr;
    p->authorization = authorization;
    p->answer = answer;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    tm_assert_eq(bind(p->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    tm_assert_eq(listen(p->fd, 8), 0);
    tm_assert_eq(getsockname(p->fd, (struct sockaddr *)&addr, &sz), 0);
    p->port = ntohs(addr.sin_port);
    pthread_create(&p->thread, NULL, run, p);
    return p;
}

void connect_proxy_close(connect_proxy_t *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    close(p->fd);
    free(p);
}

uint16_t connect_proxy_port(const connect_proxy_t *p)
{
    return p->port;
}

const char *connect_proxy_seen(const connect_proxy_t *p)
{
    return p->seen;
}

uint64_t connect_proxy_bytes(const connect_proxy_t *p)
{
    return atomic_load(&p->bytes);
}
