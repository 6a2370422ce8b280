#include "net/conn/link.h"

#include "base/check.h"
#include "base/error.h"
#include "base/frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A TLS queue with less room may take only a part of a write: the write's bytes and what its
   records add. */
enum { TLS_ROOM_MARGIN = 512 };

typedef struct received {
    uint16_t buf_idx;
    uint32_t sz;
    int64_t mono_ns;
} received_t;

struct tm_link {
    tm_uring_t *ring;
    tm_uring_owner_t owner;
    int fd;
    tm_tls_t *tls;

    /* Received buffers, free-running positions into `queue`: [held, head) are read and kept for
       their readers, [head, tail) are unread. */
    received_t *queue;
    uint32_t queue_mask;
    uint32_t held, head, tail;
    int64_t fed_ns; /* TLS: stamp of the buffer that is being decrypted */
    uint8_t *arena; /* TLS: plaintext, TM_LINK_ARENA_SZ + TM_FRAME_PAD */
    size_t arena_sz;
    bool armed, multishot, starved;
    bool ended; /* the peer's end of stream was received */
    int recv_err;

    uint8_t *out, *fill;
    size_t out_pos, out_sz, fill_sz;
    bool sending;
    bool finishing, shut, corrupt;
    uint64_t allowed_sz, sent_sz;
    size_t flying_sz; /* of the send in flight */
    int send_err;
};

int tm_link_open(tm_link_t **out, const tm_link_cfg_t *cfg)
{
    tm_link_t *l = calloc(1, sizeof *l);
    *out = l;
    uint32_t buf_cnt = tm_uring_buf_cnt(cfg->ring);
    if (l) {
        l->ring = cfg->ring;
        l->owner = cfg->owner;
        l->fd = cfg->fd;
        l->tls = cfg->tls;
        l->allowed_sz = UINT64_MAX;
        l->queue_mask = buf_cnt - 1;
        l->queue = calloc(buf_cnt, sizeof *l->queue);
        l->out = malloc(TM_LINK_OUT_SZ);
        if (l->tls)
            l->arena = malloc(TM_LINK_ARENA_SZ + TM_FRAME_PAD);
        else
            l->fill = malloc(TM_LINK_OUT_SZ);
    }
    if (!l || !l->queue || !l->out || (l->tls ? !l->arena : !l->fill)) {
        *out = NULL;
        if (l) tm_link_free(l);
        if (!l) close(cfg->fd);
        if (!l) tm_tls_free(cfg->tls);
        return tm_error_set(-ENOMEM, "no memory for a connection");
    }
    if (l->arena) memset(l->arena + TM_LINK_ARENA_SZ, 0, TM_FRAME_PAD);
    int one = 1;
    /* Pongs and requests are single small writes that nothing follows; without TCP (a test's socket
       pair) there is nothing to set. */
    if (!cfg->delay) (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

int tm_link_start_tls(tm_link_t *l, tm_tls_t *tls)
{
    TM_CHECK(!l->tls && l->head == l->tail, "a plain link without unread bytes");
    tm_link_release(l, false);
    l->arena = malloc(TM_LINK_ARENA_SZ + TM_FRAME_PAD);
    if (!l->arena) {
        tm_tls_free(tls);
        return tm_error_set(-ENOMEM, "no memory for a connection");
    }
    memset(l->arena + TM_LINK_ARENA_SZ, 0, TM_FRAME_PAD);
    l->tls = tls;
    return tm_link_flush(l);
}

void tm_link_free(tm_link_t *l)
{
    if (!l) return;
    tm_tls_free(l->tls); /* before the buffer that was fed to it */
    for (; l->held != l->tail; l->held++)
        tm_uring_buf_put(l->ring, l->queue[l->held & l->queue_mask].buf_idx);
    close(l->fd);
    /* A send that the kernel has not finished may still look at its buffer: better lost than used
       again. Cannot happen after tm_link_abort and a reap. */
    if (!l->sending) free(l->out);
    free(l->queue);
    free(l->arena);
    free(l->fill);
    free(l);
}

int tm_link_listen(tm_link_t *l, bool multishot)
{
    if (l->armed || l->ended || l->recv_err || (l->starved && !tm_uring_buf_spare(l->ring)))
        return 0;
    TM_TRY(tm_uring_recv(l->ring, l->owner, l->fd, multishot));
    l->armed = true;
    l->starved = false;
    l->multishot = multishot;
    return 0;
}

static int on_recv(tm_link_t *l, const tm_uring_event_t *ev)
{
    l->armed = ev->more;
    if (ev->res > 0) {
        l->queue[l->tail++ & l->queue_mask] = (received_t){
            .buf_idx = ev->buf_idx, .sz = (uint32_t)ev->res, .mono_ns = ev->mono_ns};
    } else if (ev->res == 0) {
        l->ended = true;
    } else if (ev->res == -ENOBUFS) {
        l->starved = true;
        return 0;
    } else if (ev->res != -EAGAIN) {
        l->recv_err = ev->res;
    }
    if (l->armed || !(l->multishot || ev->res == -EAGAIN)) return 0;
    return tm_link_listen(l, l->multishot);
}

int tm_link_on_event(tm_link_t *l, const tm_uring_event_t *ev)
{
    if (ev->op == TM_URING_RECV) return on_recv(l, ev);
    l->sending = false;
    if (ev->res < 0) {
        l->send_err = ev->res;
        return 0; /* reading tells the reason, after what the peer had still to say */
    }
    l->out_pos += (size_t)ev->res;
    l->sent_sz += (uint64_t)ev->res;
    if (l->allowed_sz != UINT64_MAX) l->allowed_sz += l->flying_sz - (size_t)ev->res;
    return tm_link_flush(l);
}

/* Why nothing more will come. */
static int end_of(tm_link_t *l)
{
    if (l->recv_err)
        return tm_error_set(l->recv_err, "the connection broke: %s", strerror(-l->recv_err));
    /* The kernel tells a reset once, to whoever comes first: after a send has heard of it, a read
       finds an end. (-EPIPE is what a send hears after that, or after an end in order.) */
    if (l->send_err && l->send_err != -EPIPE)
        return tm_error_set(l->send_err, "the connection broke: %s", strerror(-l->send_err));
    if (l->tls) return tm_tls_end(l->tls);
    return tm_error_set(TM_E_CLOSED, "the peer ended the connection");
}

static int plain_read(tm_link_t *l, tm_link_chunk_t *chunk)
{
    if (l->head == l->tail) return l->ended || l->recv_err ? end_of(l) : 0;
    const received_t *r = &l->queue[l->head++ & l->queue_mask];
    *chunk = (tm_link_chunk_t){tm_uring_buf(l->ring, r->buf_idx), r->sz, r->mono_ns};
    return 1;
}

/* Gives the decrypted buffer back and feeds the next one. Returns 1, 0 where none is there. */
static int tls_feed_next(tm_link_t *l)
{
    if (l->held != l->head) tm_uring_buf_put(l->ring, l->queue[l->held++ & l->queue_mask].buf_idx);
    if (l->head == l->tail) return 0;
    const received_t *r = &l->queue[l->head++ & l->queue_mask];
    l->fed_ns = r->mono_ns;
    tm_tls_feed(l->tls, tm_uring_buf(l->ring, r->buf_idx), r->sz);
    return 1;
}

/* Lets the alert go out that tells the peer what went wrong. The error to report is that one, not
   what happens to the alert. */
static void flush_alert(tm_link_t *l)
{
    int rc = tm_link_flush(l);
    if (rc < 0) l->send_err = rc;
}

static int tls_read(tm_link_t *l, tm_link_chunk_t *chunk)
{
    size_t begin = l->arena_sz;
    for (;;) {
        if (tm_link_is_full(l)) break;
        int n = tm_tls_read(l->tls, l->arena + l->arena_sz, TM_LINK_ARENA_SZ - l->arena_sz);
        if (n < 0 && l->arena_sz > begin) break; /* TLS errors stay: the next read gives it */
        if (n < 0) {
            flush_alert(l);
            return n;
        }
        l->arena_sz += (size_t)n;
        if (n > 0) continue;
        if (l->arena_sz > begin) break; /* what one received buffer gave */
        TM_TRY(tm_link_flush(l));
        if (tm_tls_fed_sz(l->tls) > 0) {
            if (tm_tls_pull_sz(l->tls) > 0) return 0; /* goes on when the send is done */
            continue;
        }
        if (!tls_feed_next(l)) return l->ended || l->recv_err ? end_of(l) : 0;
    }
    if (l->arena_sz == begin) return 0;
    *chunk = (tm_link_chunk_t){l->arena + begin, l->arena_sz - begin, l->fed_ns};
    return 1;
}

int tm_link_read(tm_link_t *l, tm_link_chunk_t *chunk)
{
    return l->tls ? tls_read(l, chunk) : plain_read(l, chunk);
}

void tm_link_release(tm_link_t *l, bool keep_last)
{
    if (l->tls) {
        if (!keep_last) l->arena_sz = 0;
        return; /* received buffers go back as they are decrypted */
    }
    uint32_t end = keep_last && l->head != l->held ? l->head - 1 : l->head;
    for (; l->held != end; l->held++)
        tm_uring_buf_put(l->ring, l->queue[l->held & l->queue_mask].buf_idx);
}

void tm_link_drop(tm_link_t *l)
{
    while (l->tail != l->head)
        tm_uring_buf_put(l->ring, l->queue[--l->tail & l->queue_mask].buf_idx);
}

bool tm_link_is_full(const tm_link_t *l)
{
    return l->tls && TM_LINK_ARENA_SZ - l->arena_sz < TM_TLS_RECORD_MAX;
}

bool tm_link_is_pending(const tm_link_t *l)
{
    return l->head != l->tail || l->ended || l->recv_err || (l->tls && tm_tls_fed_sz(l->tls) > 0);
}

bool tm_link_has_room(const tm_link_t *l, size_t sz)
{
    if (l->tls) return tm_tls_pull_sz(l->tls) + sz + TLS_ROOM_MARGIN <= TM_TLS_OUT_MAX;
    return l->fill_sz + sz <= TM_LINK_OUT_SZ;
}

int tm_link_write(tm_link_t *l, const uint8_t *data, size_t sz)
{
    if (l->send_err)
        return tm_error_set(l->send_err, "the connection broke: %s", strerror(-l->send_err));
    if (l->tls) return tm_tls_write(l->tls, data, sz);
    size_t room = TM_LINK_OUT_SZ - l->fill_sz;
    size_t n = sz < room ? sz : room;
    memcpy(l->fill + l->fill_sz, data, n);
    l->fill_sz += n;
    return (int)n;
}

/* Takes what has gathered for the next send. */
static void out_refill(tm_link_t *l)
{
    l->out_pos = 0;
    if (l->tls) {
        l->out_sz = tm_tls_pull(l->tls, l->out, TM_LINK_OUT_SZ);
        return;
    }
    uint8_t *filled = l->fill;
    l->fill = l->out;
    l->out = filled;
    l->out_sz = l->fill_sz;
    l->fill_sz = 0;
}

int tm_link_flush(tm_link_t *l)
{
    if (l->sending || l->send_err) return 0;
    if (l->out_pos == l->out_sz) out_refill(l);
    size_t sz = l->out_sz - l->out_pos;
    if (sz > l->allowed_sz) sz = l->allowed_sz;
    if (sz > 0) {
        if (l->corrupt) l->out[l->out_pos] ^= 0x55;
        l->corrupt = false;
        TM_TRY(tm_uring_send(l->ring, l->owner, l->fd, l->out + l->out_pos, sz));
        l->sending = true;
        l->flying_sz = sz;
        if (l->allowed_sz != UINT64_MAX) l->allowed_sz -= sz;
    } else if (l->out_sz > 0) {
        return 0; /* not allowed now */
    } else if (l->finishing && !l->shut) {
        l->shut = true;
        shutdown(l->fd, SHUT_WR); /* fails only where the peer was faster */
    }
    return 0;
}

/* What is in flight was allowed before. */
void tm_link_allow(tm_link_t *l, uint64_t sz)
{
    l->allowed_sz = sz;
    int rc = tm_link_flush(l);
    if (rc < 0) l->send_err = rc;
}

void tm_link_corrupt(tm_link_t *l)
{
    l->corrupt = true;
}

void tm_link_reset(tm_link_t *l)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    (void)connect(l->fd, &none, sizeof none); /* for TCP: disconnects with RST */
    l->finishing = l->shut = true;
}

uint64_t tm_link_sent_sz(const tm_link_t *l)
{
    return l->sent_sz;
}

bool tm_link_is_sent(const tm_link_t *l)
{
    if (l->send_err) return true;
    size_t queued = l->tls ? tm_tls_pull_sz(l->tls) : l->fill_sz;
    return !l->sending && l->out_pos == l->out_sz && queued == 0;
}

void tm_link_finish(tm_link_t *l)
{
    if (l->finishing) return;
    l->finishing = true;
    if (l->tls) tm_tls_shutdown(l->tls);
    int rc = tm_link_flush(l);
    if (rc < 0) l->send_err = rc;
}

void tm_link_abort(tm_link_t *l)
{
    shutdown(l->fd, SHUT_RDWR);
    l->finishing = l->shut = true;
}

bool tm_link_is_idle(const tm_link_t *l)
{
    return !l->armed && !l->sending;
}

bool tm_link_is_ended(const tm_link_t *l)
{
    return l->ended || l->recv_err;
}

const tm_tls_t *tm_link_tls(const tm_link_t *l)
{
    return l->tls;
}
