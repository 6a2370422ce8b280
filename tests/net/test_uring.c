#include "base/clock.h"
#include "base/error.h"
#include "net/conn/uring.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const tm_uring_owner_t owner = {.slot = 3, .gen = 77};

static tm_uring_t *ring_open(uint32_t buf_cnt, uint32_t off)
{
    tm_uring_t *u;
    const tm_uring_cfg_t cfg = {.entry_cnt = 16, .buf_cnt = buf_cnt, .off = off};
    int rc = tm_uring_open(&u, &cfg);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    return u;
}

static tm_uring_event_t next(tm_uring_t *u)
{
    tm_uring_event_t ev;
    tm_assert_eq(tm_uring_reap(u, &ev, 1, 5 * TM_NS_PER_S), 1);
    return ev;
}

Test(uring, received_bytes_come_in_order_whatever_the_kernel_can)
{
    for (uint32_t off = 0; off < 8; off++) {
        tm_uring_t *u = ring_open(4, off);
        int fd[2];
        tm_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
        bool armed = true;
        for (int i = 0; i < 50; i++) {
            char text[16];
            int sz = snprintf(text, sizeof text, "message %d", i);
            tm_assert_eq(write(fd[1], text, (size_t)sz), sz);
            if (!armed) tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
            tm_uring_event_t ev = next(u);
            tm_assert(ev.op == TM_URING_RECV);
            tm_assert_eq(ev.owner.slot, owner.slot);
            tm_assert_eq(ev.owner.gen, owner.gen);
            tm_assert_eq(ev.res, sz);
            tm_assert(memcmp(tm_uring_buf(u, ev.buf_idx), text, (size_t)sz) == 0);
            tm_assert(llabs(tm_clock_mono_ns() - ev.mono_ns) < TM_NS_PER_S);
            tm_uring_buf_put(u, ev.buf_idx);
            armed = ev.more;
            tm_assert(!(off & (TM_URING_OFF_MULTISHOT | TM_URING_OFF_BUF_RING)) || !armed);
        }
        if (!armed) tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
        close(fd[1]);
        tm_uring_event_t ev = next(u);
        tm_assert_eq(ev.res, 0);
        tm_assert(!ev.more);
        tm_assert_eq(ev.buf_idx, TM_URING_BUF_NONE);
        tm_assert_eq(tm_uring_buf_spare(u), 4u);
        close(fd[0]);
        tm_uring_close(u);
    }
}

Test(uring, without_a_free_buffer_a_receive_ends_and_nothing_is_lost)
{
    for (uint32_t off = 0; off < 8; off += 2) {
        tm_uring_t *u = ring_open(2, off);
        int fd[2];
        tm_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        tm_uring_event_t ev;
        uint16_t held[2];
        for (int i = 0; i < 2; i++) {
            if (i == 0 || !ev.more) tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
            tm_assert_eq(write(fd[1], "x", 1), 1);
            ev = next(u);
            tm_assert_eq(ev.res, 1);
            held[i] = ev.buf_idx;
        }
        tm_assert_eq(tm_uring_buf_spare(u), 0u);
        if (!ev.more) tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
        tm_assert_eq(write(fd[1], "yz", 2), 2);
        ev = next(u);
        tm_assert_eq(ev.res, -ENOBUFS);
        tm_assert(!ev.more);
        tm_uring_buf_put(u, held[0]);
        tm_assert_eq(tm_uring_recv(u, owner, fd[0], true), 0);
        ev = next(u);
        tm_assert_eq(ev.res, 2);
        tm_assert(memcmp(tm_uring_buf(u, ev.buf_idx), "yz", 2) == 0);
        tm_uring_buf_put(u, ev.buf_idx);
        tm_uring_buf_put(u, held[1]);
        close(fd[0]);
        close(fd[1]);
        tm_uring_close(u);
    }
}

static void on_alarm(int sig)
{
    (void)sig;
}

Test(uring, a_wait_ends_with_its_time_or_a_signal)
{
    tm_uring_t *u = ring_open(2, 0);
    tm_uring_event_t ev;
    int64_t begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_uring_reap(u, &ev, 1, 30 * TM_NS_PER_MS), 0);
    tm_assert(tm_clock_mono_ns() - begin_ns >= 30 * TM_NS_PER_MS);
    tm_assert_eq(tm_uring_reap(u, &ev, 1, 0), 0);
    const struct sigaction act = {.sa_handler = on_alarm};
    struct sigaction old;
    sigaction(SIGALRM, &act, &old);
    const struct itimerval soon = {.it_value = {0, 30000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    tm_assert_eq(tm_uring_reap(u, &ev, 1, 20 * TM_NS_PER_S), -EINTR);
    tm_assert(tm_clock_mono_ns() - begin_ns < 10 * TM_NS_PER_S);
    sigaction(SIGALRM, &old, NULL);
    tm_uring_close(u);
}

/* Runs in a child, where a filter lets io_uring_setup fail with `err`. Exits 0 where open says what
   it should. */
static void forbidden_child(int err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the system call */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = TM_ARRAY_CNT(code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(77);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(77);
    tm_uring_t *u;
    const tm_uring_cfg_t cfg = {0};
    if (tm_uring_open(&u, &cfg) != TM_E_UNSUPPORTED) _exit(1);
    if (!strstr(tm_error_text(), "kernel.io_uring_disabled")) _exit(2);
    if (!strstr(tm_error_text(), "seccomp")) _exit(3);
    _exit(0);
}

Test(uring, where_it_is_forbidden_the_error_says_how_to_allow_it)
{
    static const int errs[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < TM_ARRAY_CNT(errs); i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) forbidden_child(errs[i]);
        int status;
        tm_assert_eq(waitpid(child, &status, 0), child);
        tm_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) tm_skip("seccomp filters are not allowed here");
        tm_assert_eq(WEXITSTATUS(status), 0);
    }
}

Test(uring, sizes_that_make_no_sense_are_refused)
{
    static const tm_uring_cfg_t bad[] = {{.buf_cnt = 3},
                                         {.buf_cnt = 1},
                                         {.buf_cnt = 1u << 16},
                                         {.entry_cnt = 4},
                                         {.entry_cnt = 9999}};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_uring_t *u;
        tm_assert_eq(tm_uring_open(&u, &bad[i]), TM_E_CONFIG);
    }
}

Test(uring, more_operations_than_entries_are_taken)
{
    enum { N = 100 };
    tm_uring_t *u = ring_open(2, 0); /* sixteen entries */
    int fd[2];
    tm_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    static const uint8_t byte = 'b';
    int done = 0;
    for (int i = 0; i < N; i++) {
        const tm_uring_owner_t each = {.slot = (uint16_t)i, .gen = 1};
        tm_assert_eq(tm_uring_send(u, each, fd[0], &byte, 1), 0);
        if (i % 5 == 4) {
            char text[8];
            tm_uring_event_t events[8];
            tm_assert(tm_uring_submit(u) == 0);
            for (int k = 0; k < 5; k++) tm_assert_eq(read(fd[1], text, sizeof text), 1);
            int n = tm_uring_reap(u, events, 8, TM_NS_PER_S);
            for (int k = 0; k < n; k++) tm_assert_eq(events[k].res, 1);
            done += n;
        }
    }
    while (done < N) {
        tm_uring_event_t ev = next(u);
        tm_assert_eq(ev.res, 1);
        done++;
    }
    close(fd[0]);
    close(fd[1]);
    tm_uring_close(u);
}
