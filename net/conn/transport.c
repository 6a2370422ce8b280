#include "net/conn/transport.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

static void set(int fd, int level, int option, uint32_t value, const char *name)
{
    int v = (int)value;
    if (setsockopt(fd, level, option, &v, sizeof v) != 0)
        TM_LOG_W("net", "%s %u: %s; going on without", name, value, strerror(errno));
}

void tm_tcp_options_apply(const tm_tcp_options_t *o, int fd)
{
    if (!o->delay) set(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    if (o->quick_ack) set(fd, IPPROTO_TCP, TCP_QUICKACK, 1, "TCP_QUICKACK");
    if (o->busy_poll_us) set(fd, SOL_SOCKET, SO_BUSY_POLL, o->busy_poll_us, "SO_BUSY_POLL");
    if (o->receive_sz) set(fd, SOL_SOCKET, SO_RCVBUF, o->receive_sz, "SO_RCVBUF");
}
