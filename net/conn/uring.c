#include "net/conn/uring.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/log.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GROUP = 0, /* id of the only buffer ring */
    ENTRY_CNT = 256,
    BUF_CNT = 64,
    CQ_PER_SQ = 8,       /* multishots complete far more often than they are submitted */
    GEN_MASK = 0xffffff, /* bits of a generation in the tag */
    OP_BITS = 8,
    GEN_BITS = 24,
    SLOT_BITS = 16,
};

struct tm_uring {
    struct io_uring ring;
    bool ring_open;
    uint32_t off; /* features that are not used, asked for or refused */
    uint32_t buf_cnt, buf_used;
    uint8_t *bufs; /* buf_cnt * BUF_SZ + PAD */
    size_t bufs_sz;
    struct io_uring_buf_ring *buf_ring; /* NULL without: then `spare` is a stack of free buffers */
    size_t buf_ring_sz;
    uint16_t *spare;
    uint32_t spare_cnt;
};

/* op, generation, slot and, where we choose the buffer, its number + 1. */
static uint64_t tag_make(tm_uring_op_t op, tm_uring_owner_t owner, uint32_t buf)
{
    return (uint64_t)op << (GEN_BITS + SLOT_BITS + 16) |
           (uint64_t)(owner.gen & GEN_MASK) << (SLOT_BITS + 16) | (uint64_t)owner.slot << 16 | buf;
}

static int sqe_get(tm_uring_t *u, struct io_uring_sqe **sqe)
{
    *sqe = io_uring_get_sqe(&u->ring);
    if (TM_LIKELY(*sqe != NULL)) return 0;
    int rc = io_uring_submit(&u->ring);
    if (rc < 0 && rc != -EINTR) return rc;
    *sqe = io_uring_get_sqe(&u->ring);
    return *sqe ? 0 : -EBUSY;
}

int tm_uring_connect(tm_uring_t *u, tm_uring_owner_t owner, int fd, const struct sockaddr *addr,
                     socklen_t addr_sz)
{
    struct io_uring_sqe *sqe;
    TM_TRY(sqe_get(u, &sqe));
    io_uring_prep_connect(sqe, fd, addr, addr_sz);
    io_uring_sqe_set_data64(sqe, tag_make(TM_URING_CONNECT, owner, 0));
    return 0;
}

int tm_uring_accept(tm_uring_t *u, tm_uring_owner_t owner, int fd)
{
    struct io_uring_sqe *sqe;
    TM_TRY(sqe_get(u, &sqe));
    if (u->off & TM_URING_OFF_MULTISHOT)
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag_make(TM_URING_ACCEPT, owner, 0));
    return 0;
}

int tm_uring_recv(tm_uring_t *u, tm_uring_owner_t owner, int fd, bool multishot)
{
    struct io_uring_sqe *sqe;
    TM_TRY(sqe_get(u, &sqe));
    if (u->buf_ring) {
        if (multishot && !(u->off & TM_URING_OFF_MULTISHOT))
            io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
        else
            io_uring_prep_recv(sqe, fd, NULL, TM_URING_BUF_SZ, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = GROUP;
        io_uring_sqe_set_data64(sqe, tag_make(TM_URING_RECV, owner, 0));
        return 0;
    }
    if (u->spare_cnt == 0) {
        /* The same answer as a buffer ring would give, by the same way. */
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, tag_make(TM_URING_RECV, owner, TM_URING_BUF_NONE));
        return 0;
    }
    uint16_t buf_idx = u->spare[--u->spare_cnt];
    io_uring_prep_recv(sqe, fd, tm_uring_buf(u, buf_idx), TM_URING_BUF_SZ, 0);
    io_uring_sqe_set_data64(sqe, tag_make(TM_URING_RECV, owner, buf_idx + 1u));
    return 0;
}

int tm_uring_send(tm_uring_t *u, tm_uring_owner_t owner, int fd, const uint8_t *data, size_t sz)
{
    struct io_uring_sqe *sqe;
    TM_TRY(sqe_get(u, &sqe));
    io_uring_prep_send(sqe, fd, data, sz, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, tag_make(TM_URING_SEND, owner, 0));
    return 0;
}

int tm_uring_cancel(tm_uring_t *u, tm_uring_op_t op, tm_uring_owner_t owner)
{
    struct io_uring_sqe *sqe;
    TM_CHECK(op != TM_URING_RECV, "receives end with their descriptor's shutdown");
    TM_TRY(sqe_get(u, &sqe));
    io_uring_prep_cancel64(sqe, tag_make(op, owner, 0), 0);
    io_uring_sqe_set_data64(sqe, tag_make(TM_URING_IGNORE, owner, 0));
    return 0;
}

int tm_uring_submit(tm_uring_t *u)
{
    if (io_uring_sq_ready(&u->ring) == 0) return 0;
    int rc = io_uring_submit(&u->ring);
    if (rc >= 0 || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN) return 0;
    return tm_error_set(rc, "io_uring submit: %s", strerror(-rc));
}

uint8_t *tm_uring_buf(const tm_uring_t *u, uint16_t buf_idx)
{
    return u->bufs + (size_t)buf_idx * TM_URING_BUF_SZ;
}

/* Lends a buffer to the kernel. */
static void buf_lend(tm_uring_t *u, uint16_t buf_idx)
{
    if (!u->buf_ring) {
        u->spare[u->spare_cnt++] = buf_idx;
        return;
    }
    io_uring_buf_ring_add(u->buf_ring, tm_uring_buf(u, buf_idx), TM_URING_BUF_SZ, buf_idx,
                          io_uring_buf_ring_mask(u->buf_cnt), 0);
    io_uring_buf_ring_advance(u->buf_ring, 1);
}

void tm_uring_buf_put(tm_uring_t *u, uint16_t buf_idx)
{
    TM_CHECK(buf_idx < u->buf_cnt && u->buf_used > 0, "buffer %u", buf_idx);
    u->buf_used--;
    buf_lend(u, buf_idx);
}

uint32_t tm_uring_buf_cnt(const tm_uring_t *u)
{
    return u->buf_cnt;
}

uint32_t tm_uring_buf_spare(const tm_uring_t *u)
{
    return u->buf_cnt - u->buf_used;
}

/* Sorts out which buffer a receive filled, and what a refusal means. */
static void recv_finish(tm_uring_t *u, tm_uring_event_t *ev, uint32_t cqe_flags, uint32_t tag_buf)
{
    if (u->buf_ring) {
        if (cqe_flags & IORING_CQE_F_BUFFER)
            ev->buf_idx = (uint16_t)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
    } else if (tag_buf == TM_URING_BUF_NONE) {
        ev->res = -ENOBUFS;
    } else {
        ev->buf_idx = (uint16_t)(tag_buf - 1);
    }
    if (ev->buf_idx != TM_URING_BUF_NONE) {
        if (ev->res > 0) {
            u->buf_used++;
        } else {
            buf_lend(u, ev->buf_idx);
            ev->buf_idx = TM_URING_BUF_NONE;
        }
    }
    if (ev->res == -EINTR) ev->res = -EAGAIN;
    if (ev->res == -EINVAL && !(u->off & TM_URING_OFF_MULTISHOT)) {
        u->off |= TM_URING_OFF_MULTISHOT;
        TM_LOG_W("net", "this kernel has no multishot receive (Linux 6.0 has): one system call a "
                        "receive instead");
        ev->res = -EAGAIN;
    }
}

/* Turns completions into events. */
static int events_take(tm_uring_t *u, tm_uring_event_t *events, uint32_t cap)
{
    struct io_uring_cqe *cqes[TM_URING_EVENT_MAX];
    unsigned want = cap < TM_URING_EVENT_MAX ? cap : TM_URING_EVENT_MAX;
    unsigned got = io_uring_peek_batch_cqe(&u->ring, cqes, want);
    if (got == 0) return 0;
    int64_t now_ns = tm_clock_mono_ns();
    int n = 0;
    for (unsigned i = 0; i < got; i++) {
        uint64_t tag = io_uring_cqe_get_data64(cqes[i]);
        tm_uring_event_t *ev = &events[n];
        *ev = (tm_uring_event_t){
            .op = (tm_uring_op_t)(tag >> (GEN_BITS + SLOT_BITS + 16)),
            .owner = {.slot = (uint16_t)(tag >> 16),
                      .gen = (uint32_t)(tag >> (SLOT_BITS + 16)) & GEN_MASK},
            .res = cqes[i]->res,
            .more = cqes[i]->flags & IORING_CQE_F_MORE,
            .buf_idx = TM_URING_BUF_NONE,
            .mono_ns = now_ns,
        };
        if (ev->op == TM_URING_IGNORE) continue;
        if (ev->op == TM_URING_RECV) recv_finish(u, ev, cqes[i]->flags, (uint32_t)tag & 0xffff);
        n++;
    }
    io_uring_cq_advance(&u->ring, got);
    return n;
}

/* True where the kernel has work or completions that it hands over only inside a system call. */
static bool kernel_waits(const tm_uring_t *u)
{
    /* A hint like liburing's own: what is missed now is seen at the next call. */
    unsigned flags = __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

int tm_uring_reap(tm_uring_t *u, tm_uring_event_t *events, uint32_t cap, int64_t wait_ns)
{
    int rc = 0;
    bool ready = io_uring_cq_ready(&u->ring) > 0;
    if (wait_ns > 0 && !ready) {
        struct __kernel_timespec ts = {.tv_sec = wait_ns / TM_NS_PER_S,
                                       .tv_nsec = wait_ns % TM_NS_PER_S};
        struct io_uring_cqe *cqe;
        rc = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
    } else if (io_uring_sq_ready(&u->ring) > 0) {
        rc = io_uring_submit_and_get_events(&u->ring);
    } else if (kernel_waits(u)) {
        rc = io_uring_get_events(&u->ring);
    }
    if (rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EBUSY && rc != -EAGAIN)
        return tm_error_set(rc, "io_uring wait: %s", strerror(-rc));
    int n = events_take(u, events, cap);
    return n == 0 && rc == -EINTR ? rc : n;
}

/* One try with a set of flags. */
static int ring_try(tm_uring_t *u, uint32_t entry_cnt, unsigned flags)
{
    struct io_uring_params p = {.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                .cq_entries = entry_cnt * CQ_PER_SQ};
    return io_uring_queue_init_params(entry_cnt, &u->ring, &p);
}

static int ring_refused(int rc)
{
    if (rc == -EPERM || rc == -EACCES || rc == -ENOSYS)
        return tm_error_set(
            TM_E_UNSUPPORTED,
            "io_uring is not allowed here (%s): set sysctl kernel.io_uring_disabled=0, "
            "or run outside a container or seccomp profile that forbids "
            "io_uring_setup, on Linux 5.19 or later",
            strerror(-rc));
    if (rc == -ENOMEM)
        return tm_error_set(rc, "io_uring: no memory for its rings; raise the locked-memory limit "
                                "(ulimit -l) or the container's memory");
    return tm_error_set(rc, "io_uring setup: %s", strerror(-rc));
}

static int ring_setup(tm_uring_t *u, uint32_t entry_cnt)
{
    int rc = -EINVAL;
    if (!(u->off & TM_URING_OFF_DEFER)) {
        rc = ring_try(u, entry_cnt,
                      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                          IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL);
        if (rc == -EINVAL) {
            u->off |= TM_URING_OFF_DEFER;
            TM_LOG_W("net",
                     "this kernel has no deferred task work (Linux 6.1 has): completions may "
                     "interrupt the thread");
        }
    }
    if (rc == -EINVAL)
        rc = ring_try(u, entry_cnt,
                      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                          IORING_SETUP_SUBMIT_ALL);
    if (rc == -EINVAL) {
        TM_LOG_W("net", "this kernel has no cooperative task work (Linux 5.19 has)");
        rc = ring_try(u, entry_cnt, 0);
    }
    if (rc < 0) return ring_refused(rc);
    u->ring_open = true;
    if (!(u->ring.features & IORING_FEAT_EXT_ARG))
        return tm_error_set(TM_E_UNSUPPORTED, "this kernel's io_uring cannot wait with a timeout: "
                                              "Linux 5.11 or later is needed");
    rc = io_uring_register_ring_fd(&u->ring);
    if (rc < 0) TM_LOG_D("net", "ring descriptor not registered: %s", strerror(-rc));
    return 0;
}

static int bufs_setup(tm_uring_t *u)
{
    u->bufs_sz = (size_t)u->buf_cnt * TM_URING_BUF_SZ + TM_FRAME_PAD;
    u->bufs = mmap(NULL, u->bufs_sz, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    u->spare = calloc(u->buf_cnt, sizeof *u->spare);
    if (u->bufs == MAP_FAILED || !u->spare) {
        if (u->bufs == MAP_FAILED) u->bufs = NULL;
        return tm_error_set(-ENOMEM, "io_uring: no memory for %u receive buffers", u->buf_cnt);
    }
    if (!(u->off & TM_URING_OFF_BUF_RING)) {
        u->buf_ring_sz = u->buf_cnt * sizeof(struct io_uring_buf);
        void *mem = mmap(NULL, u->buf_ring_sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
        if (mem == MAP_FAILED) return tm_error_set(-ENOMEM, "io_uring: no memory for buffer ring");
        struct io_uring_buf_reg reg = {
            .ring_addr = (uint64_t)(uintptr_t)mem, .ring_entries = u->buf_cnt, .bgid = GROUP};
        int rc = io_uring_register_buf_ring(&u->ring, &reg, 0);
        if (rc == 0) {
            u->buf_ring = mem;
            io_uring_buf_ring_init(u->buf_ring);
        } else {
            munmap(mem, u->buf_ring_sz);
            u->off |= TM_URING_OFF_BUF_RING;
            TM_LOG_W("net",
                     "this kernel has no provided buffer rings (%s; Linux 5.19 has): each "
                     "receive brings its own buffer",
                     strerror(-rc));
        }
    }
    if (!u->buf_ring) u->off |= TM_URING_OFF_MULTISHOT;
    for (uint32_t i = 0; i < u->buf_cnt; i++) buf_lend(u, (uint16_t)i);
    return 0;
}

int tm_uring_open(tm_uring_t **out, const tm_uring_cfg_t *cfg)
{
    *out = NULL;
    uint32_t entry_cnt = cfg->entry_cnt ? cfg->entry_cnt : ENTRY_CNT;
    uint32_t buf_cnt = cfg->buf_cnt ? cfg->buf_cnt : BUF_CNT;
    if (!tm_is_pow2(buf_cnt) || buf_cnt < 2 || buf_cnt > 1 << 15)
        return tm_error_set(TM_E_CONFIG, "%u receive buffers: expected a power of two up to 32768",
                            buf_cnt);
    if (entry_cnt < 8 || entry_cnt > 4096)
        return tm_error_set(TM_E_CONFIG, "%u ring entries: expected 8 to 4096", entry_cnt);
    tm_clock_init();
    tm_uring_t *u = calloc(1, sizeof *u);
    if (!u) return tm_error_set(-ENOMEM, "io_uring: no memory");
    u->off = cfg->off;
    u->buf_cnt = buf_cnt;
    int err = ring_setup(u, entry_cnt);
    if (err == 0) err = bufs_setup(u);
    if (err < 0) {
        tm_uring_close(u);
        return err;
    }
    *out = u;
    return 0;
}

void tm_uring_close(tm_uring_t *u)
{
    if (!u) return;
    if (u->buf_ring) io_uring_unregister_buf_ring(&u->ring, GROUP);
    if (u->ring_open) io_uring_queue_exit(&u->ring);
    if (u->buf_ring) munmap(u->buf_ring, u->buf_ring_sz);
    if (u->bufs) munmap(u->bufs, u->bufs_sz);
    free(u->spare);
    free(u);
}

const char *tm_uring_describe(const tm_uring_t *u)
{
    static const char *const texts[] = {
        "deferred task work, buffer ring, multishot receive",
        "no deferred task work, buffer ring, multishot receive",
        "deferred task work, no buffer ring, multishot receive",
        "no deferred task work, no buffer ring, multishot receive",
        "deferred task work, buffer ring, one-shot receive",
        "no deferred task work, buffer ring, one-shot receive",
        "deferred task work, no buffer ring, one-shot receive",
        "no deferred task work, no buffer ring, one-shot receive",
    };
    return texts[u->off & 7];
}
