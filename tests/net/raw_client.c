#include "tests/net/raw_client.h"

#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct raw_client {
    int fd, status;
};

/* The sample of RFC 6455, section 1.3: key and the answer it must get. */
static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==", accepted[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static bool read_whole(raw_client_t *c, void *buf, size_t sz)
{
    for (size_t at = 0; at < sz;) {
        ssize_t n = recv(c->fd, (char *)buf + at, sz - at, 0);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

raw_client_t *raw_client_open(uint16_t port, const char *target)
{
    raw_client_t *c = calloc(1, sizeof *c);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[16384];
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    tm_assert_eq(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                     "\r\n",
                     target, port, key);
    tm_assert_eq(send(c->fd, text, (size_t)n, MSG_NOSIGNAL), n);
    size_t sz = 0;
    do {
        if (sz + 1 >= sizeof text || !read_whole(c, text + sz, 1)) return c;
        text[++sz] = '\0';
    } while (sz < 4 || memcmp(text + sz - 4, "\r\n\r\n", 4) != 0);
    tm_assert(memcmp(text, "HTTP/1.1 ", 9) == 0);
    c->status = (int)strtol(text + 9, NULL, 10);
    if (c->status == 101) tm_assert(strstr(text, accepted) != NULL);
    return c;
}

bool raw_client_can_connect(uint16_t port)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool connects = connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0;
    close(fd);
    if (!connects) usleep(10000);
    return connects;
}

void raw_client_close(raw_client_t *c)
{
    close(c->fd);
    free(c);
}

int raw_client_status(const raw_client_t *c)
{
    return c->status;
}

void raw_client_send(raw_client_t *c, uint8_t first_byte, const void *payload, size_t sz)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *frame = malloc(sz + 14);
    size_t n = 2;
    frame[0] = first_byte;
    if (sz < 126) {
        frame[1] = (uint8_t)(128 | sz);
    } else {
        frame[1] = 128 | 126;
        frame[2] = (uint8_t)(sz >> 8);
        frame[3] = (uint8_t)sz;
        n = 4;
    }
    memcpy(frame + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < sz; i++) frame[n++] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
    /* The venue may have ended already; reading tells. */
    (void)!send(c->fd, frame, n, MSG_NOSIGNAL);
    free(frame);
}

void raw_client_text(raw_client_t *c, const char *text)
{
    raw_client_send(c, 0x81, text, strlen(text));
}

int raw_client_read(raw_client_t *c, char *text, size_t cap, int wait_ms)
{
    struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
    uint8_t head[2], longer[8];
    text[0] = '\0';
    if (poll(&pfd, 1, wait_ms) == 0) return -2;
    if (!read_whole(c, head, 2)) return -1;
    tm_assert_eq(head[1] & 128, 0); /* a server masks nothing */
    uint64_t sz = head[1];
    size_t longer_sz = sz == 126 ? 2 : sz == 127 ? 8 : 0;
    if (!read_whole(c, longer, longer_sz)) return -1;
    if (longer_sz) sz = 0;
    for (size_t i = 0; i < longer_sz; i++) sz = sz << 8 | longer[i];
    tm_assert(sz < cap);
    if (!read_whole(c, text, sz)) return -1;
    text[sz] = '\0';
    return head[0];
}
