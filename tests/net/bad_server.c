#include "tests/net/bad_server.h"

#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_MAX = 32, SEEN_SZ = 4096 };

struct bad_peer {
    bad_server_t *server;
    int fd;
    SSL *ssl; /* NULL = plain */
    char key[64];
};

struct bad_server {
    bad_server_cfg_t cfg;
    SSL_CTX *ctx;
    int fd, fillers[8];
    uint16_t port;
    _Atomic bool stop;
    pthread_t thread, peers[PEER_MAX];
    int peer_cnt;
    pthread_mutex_t lock;
    char seen[SEEN_SZ];  /* under lock */
    char shown[SEEN_SZ]; /* the test's copy */
};

static ssize_t peer_read(bad_peer_t *p, void *buf, size_t sz)
{
    return p->ssl ? SSL_read(p->ssl, buf, (int)sz) : recv(p->fd, buf, sz, 0);
}

void bad_peer_send(bad_peer_t *p, const void *bytes, size_t sz)
{
    const char *at = bytes;
    while (sz > 0) {
        ssize_t n = p->ssl ? SSL_write(p->ssl, at, (int)sz) : send(p->fd, at, sz, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += n;
        sz -= (size_t)n;
    }
}

void bad_peer_text(bad_peer_t *p, const char *text)
{
    bad_peer_send(p, text, strlen(text));
}

bool bad_peer_request(bad_peer_t *p)
{
    char head[16384];
    size_t sz = 0;
    while (sz < sizeof head - 1) {
        if (peer_read(p, head + sz, 1) != 1) return false;
        head[++sz] = '\0';
        if (sz >= 4 && memcmp(head + sz - 4, "\r\n\r\n", 4) == 0) break;
    }
    const char *key = strcasestr(head, "sec-websocket-key:");
    if (!key) return false;
    key += strlen("sec-websocket-key:");
    while (*key == ' ') key++;
    snprintf(p->key, sizeof p->key, "%.*s", (int)strcspn(key, "\r"), key);
    return true;
}

bool bad_peer_upgrade(bad_peer_t *p)
{
    if (!bad_peer_request(p)) return false;
    char joined[128], text[256];
    unsigned char digest[SHA_DIGEST_LENGTH], accept[64];
    snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", p->key);
    SHA1((const unsigned char *)joined, strlen(joined), digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    snprintf(text, sizeof text,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             (const char *)accept);
    bad_peer_text(p, text);
    return true;
}

void bad_peer_frame(bad_peer_t *p, uint8_t first_byte, const void *payload, size_t sz)
{
    uint8_t head[10] = {first_byte};
    size_t head_sz = 2;
    if (sz < 126) {
        head[1] = (uint8_t)sz;
    } else if (sz < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(sz >> 8);
        head[3] = (uint8_t)sz;
        head_sz = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++) head[2 + i] = (uint8_t)((uint64_t)sz >> (56 - 8 * i));
        head_sz = 10;
    }
    bad_peer_send(p, head, head_sz);
    bad_peer_send(p, payload, sz);
}

static bool read_whole(bad_peer_t *p, void *buf, size_t sz)
{
    for (size_t at = 0; at < sz;) {
        ssize_t n = peer_read(p, (char *)buf + at, sz - at);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

int bad_peer_read_frame(bad_peer_t *p, char *payload, size_t cap)
{
    uint8_t head[2], longer[8], mask[4];
    if (!read_whole(p, head, 2)) return -1;
    uint64_t sz = head[1] & 127;
    size_t longer_sz = sz == 126 ? 2 : sz == 127 ? 8 : 0;
    if (!read_whole(p, longer, longer_sz)) return -1;
    if (longer_sz) sz = 0;
    for (size_t i = 0; i < longer_sz; i++) sz = sz << 8 | longer[i];
    if (!(head[1] & 128) || sz >= cap || !read_whole(p, mask, 4) || !read_whole(p, payload, sz))
        return -1;
    for (size_t i = 0; i < sz; i++) payload[i] = (char)(payload[i] ^ mask[i & 3]);
    payload[sz] = '\0';
    return head[0];
}

void bad_peer_keep(bad_peer_t *p, const char *text)
{
    pthread_mutex_lock(&p->server->lock);
    size_t sz = strlen(p->server->seen);
    snprintf(p->server->seen + sz, SEEN_SZ - sz, "%s", text);
    pthread_mutex_unlock(&p->server->lock);
}

void bad_peer_reset(bad_peer_t *p)
{
    const struct linger now = {.l_onoff = 1};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p->fd);
    p->fd = -1;
}

void bad_peer_wait(bad_peer_t *p)
{
    char buf[4096];
    while (!atomic_load(&p->server->stop)) {
        struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
        if (poll(&pfd, 1, 20) > 0 && recv(p->fd, buf, sizeof buf, 0) <= 0) return;
    }
}

static void *peer_run(void *arg)
{
    bad_peer_t *p = arg;
    bool fine = true;
    if (p->server->ctx) {
        p->ssl = SSL_new(p->server->ctx);
        SSL_set_fd(p->ssl, p->fd);
        fine = SSL_accept(p->ssl) == 1;
    }
    if (fine) p->server->cfg.script(p);
    if (p->ssl && p->fd >= 0 && fine) SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    if (p->fd >= 0) {
        /* What the client still sends is read, so that the end is no reset. */
        shutdown(p->fd, SHUT_WR);
        bad_peer_wait(p);
        close(p->fd);
    }
    free(p);
    return NULL;
}

static void *server_run(void *arg)
{
    bad_server_t *s = arg;
    while (!atomic_load(&s->stop)) {
        struct pollfd pfd = {.fd = s->fd, .events = POLLIN};
        if (s->cfg.deaf || poll(&pfd, 1, 20) <= 0) {
            usleep(s->cfg.deaf ? 20000 : 0);
            continue;
        }
        int fd = accept(s->fd, NULL, NULL), on = 1;
        if (fd < 0 || s->peer_cnt == PEER_MAX) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* pieces stay pieces */
        bad_peer_t *p = calloc(1, sizeof *p);
        p->server = s;
        p->fd = fd;
        pthread_create(&s->peers[s->peer_cnt++], NULL, peer_run, p);
    }
    return NULL;
}

static SSL_CTX *ctx_make(const bad_server_cfg_t *cfg)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    tm_assert_eq(SSL_CTX_use_certificate_chain_file(ctx, cfg->cert_file), 1);
    tm_assert_eq(SSL_CTX_use_PrivateKey_file(ctx, cfg->key_file, SSL_FILETYPE_PEM), 1);
    if (cfg->tls_version) {
        /* The oldest versions need the lowest security level in OpenSSL 3.0. */
        if (cfg->tls_version < TLS1_2_VERSION) SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, cfg->tls_version);
        SSL_CTX_set_max_proto_version(ctx, cfg->tls_version);
    }
    return ctx;
}

/* With a backlog of 0 Linux takes one connection; more of them leave later ones without an answer.
   */
static void deafen(bad_server_t *s, const struct sockaddr_in *addr)
{
    for (int i = 0; i < 8; i++) {
        s->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s->fillers[i], (const struct sockaddr *)addr, sizeof *addr);
    }
    usleep(20000);
}

bad_server_t *bad_server_open(const bad_server_cfg_t *cfg)
{
    bad_server_t *s = calloc(1, sizeof *s);
    s->cfg = *cfg;
    pthread_mutex_init(&s->lock, NULL);
    if (cfg->cert_file) s->ctx = ctx_make(cfg);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_sz = sizeof addr;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    tm_assert_eq(bind(s->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    tm_assert_eq(listen(s->fd, cfg->deaf ? 0 : 16), 0);
    getsockname(s->fd, (struct sockaddr *)&addr, &addr_sz);
    s->port = ntohs(addr.sin_port);
    if (cfg->deaf) deafen(s, &addr);
    pthread_create(&s->thread, NULL, server_run, s);
    return s;
}

void bad_server_close(bad_server_t *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->peer_cnt; i++) pthread_join(s->peers[i], NULL);
    for (int i = 0; s->cfg.deaf && i < 8; i++) close(s->fillers[i]);
    close(s->fd);
    SSL_CTX_free(s->ctx);
    free(s);
}

uint16_t bad_server_port(const bad_server_t *s)
{
    return s->port;
}

const char *bad_server_seen(bad_server_t *s)
{
    pthread_mutex_lock(&s->lock);
    memcpy(s->shown, s->seen, SEEN_SZ);
    pthread_mutex_unlock(&s->lock);
    return s->shown;
}
