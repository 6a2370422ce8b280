/* Many seeds of soak_seed.c: each trade must come once, or a GAP row must say that it did not, and
   the process that ran them must be as it was: no descriptor more, no byte of heap more.
   Usage    soak_feed [--seeds N] [--first SEED] [--jobs N]; TM_SIM_SEEDS sets N too. TAP, a
            block of seeds each; every seed that fails is printed and can be run alone
   Blocks   a process each, so that what it holds can be compared between seeds */
#include "base/clock.h"
#include "base/log.h"
#include "tests/sim/soak_seed.h"

#include <dirent.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BLOCK_SEEDS = 25, /* an address each: fewer than net/feed/attempts.h counts at a time */
    WARM_SEEDS = 5,   /* before descriptors and memory are counted */
    /* What libraries keep once they were used in full: error queues, session caches. A leak of 1
       KiB a seed would pass it. */
    HEAP_GROWTH_MAX = 16 << 10,
    RESIDENT_GROWTH_MAX = 12 << 20,
};

/* ---- what a process holds -------------------------------------------------------------------- */

static uint32_t entry_cnt(const char *path)
{
    uint32_t cnt = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir)) cnt++;
    if (dir) closedir(dir);
    return cnt;
}

static int64_t resident_sz(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

/* Bytes that are allocated and not freed: of jemalloc where the build has it, else of the C
   library.
   Sanitizers have heaps of their own, and look for leaks themselves. */
static int64_t heap_sz(void)
{
    typedef int ctl_t(const char *name, void *old, size_t *old_sz, void *new, size_t new_sz);
    ctl_t *ctl = (ctl_t *)(uintptr_t)dlsym(RTLD_DEFAULT, "mallctl");
    if (!ctl) return (int64_t)mallinfo2().uordblks;
    uint64_t epoch = 1;
    size_t allocated = 0, epoch_sz = sizeof epoch, sz = sizeof allocated;
    ctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    ctl("epoch", &epoch, &epoch_sz, &epoch, epoch_sz);
    ctl("stats.allocated", &allocated, &sz, NULL, 0);
    return (int64_t)allocated;
}

/* What a process holds. */
typedef struct holding {
    uint32_t threads, descriptors; /* entries of a folder each, . and .. among them */
    int64_t heap_sz, resident_sz;
} holding_t;

/* The C library's resolver threads stay for a second after their last name, and their caches count
   as heap. */
static void threads_await(void)
{
    for (int i = 0; i < 300 && entry_cnt("/proc/self/task") > 3; i++) usleep(10000);
}

static holding_t holding(void)
{
    threads_await();
    return (holding_t){.threads = entry_cnt("/proc/self/task"),
                       .descriptors = entry_cnt("/proc/self/fd"),
                       .heap_sz = heap_sz(),
                       .resident_sz = resident_sz()};
}

/* True where nothing was left behind. */
static bool holding_is_flat(const holding_t *before)
{
    const holding_t now = holding();
    int64_t heap = now.heap_sz - before->heap_sz, resident = now.resident_sz - before->resident_sz;
    printf("# threads %u, then %u; descriptors %u, then %u; heap %" PRId64 " KiB, then %+" PRId64
           " bytes; resident %" PRId64 " KiB, then %+" PRId64 "\n",
           before->threads, now.threads, before->descriptors, now.descriptors,
           before->heap_sz >> 10, heap, before->resident_sz >> 10, resident >> 10);
    return now.threads <= before->threads && now.descriptors <= before->descriptors &&
           heap <= HEAP_GROWTH_MAX && resident <= RESIDENT_GROWTH_MAX;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool block_run(uint64_t first, uint32_t cnt, const char *tls_dir)
{
    soak_tally_t sum = {0};
    holding_t before = {0};
    bool fine = true;
    for (uint32_t i = 0; i < cnt; i++) {
        fine &= soak_seed_run(first + i, tls_dir, &sum);
        if (i + 1 == WARM_SEEDS) before = holding();
    }
    if (cnt > WARM_SEEDS && !holding_is_flat(&before)) {
        printf("# something was left behind\n");
        fine = false;
    }
    printf("# sent %" PRIu64 ", came once %" PRIu64 ", told missing %" PRIu64 " (%" PRIu64
           " came later), before the first %" PRIu64 ", behind the last %" PRIu64 "\n",
           sum.sent, sum.came, sum.told, sum.filled, sum.head, sum.tail);
    printf("# connections up %" PRIu64 ", down %" PRIu64 ", rotated %" PRIu64 "\n", sum.ups,
           sum.downs, sum.rotations);
    /* Two connections lose little together: only what is sent while both are away. */
    if (cnt > WARM_SEEDS && sum.came < sum.sent * 85 / 100) {
        printf("# too little came\n");
        fine = false;
    }
    return fine;
}

/* Runs a block in a process of its own; its output is one piece. */
static pid_t block_start(uint64_t first, uint32_t cnt)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0) return pid;
    char tls_dir[] = "/tmp/tm-soak-XXXXXX";
    if (!mkdtemp(tls_dir)) _exit(1);
    tm_clock_init();
    if (!getenv("TM_LOG")) tm_log_level_set(TM_LOG_ERROR + 1);
    bool fine = block_run(first, cnt, tls_dir);
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
    for (size_t i = 0; i < TM_ARRAY_CNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", tls_dir, files[i]);
        unlink(path);
    }
    rmdir(tls_dir);
    exit(fine ? 0 : 1); /* not _exit: LeakSanitizer looks at what is left */
}

static int blocks_run(uint64_t first, uint64_t seed_cnt, uint32_t job_cnt)
{
    uint32_t block_cnt = (uint32_t)((seed_cnt + BLOCK_SEEDS - 1) / BLOCK_SEEDS);
    static pid_t *pids; /* a block that ends holds them too, and leaks nothing */
    pids = calloc(block_cnt, sizeof *pids);
    int failed = 0;
    if (!pids) return 1;
    printf("1..%u\n", block_cnt);
    for (uint32_t b = 0, done = 0; done < block_cnt;) {
        while (b < block_cnt && b - done < job_cnt) {
            uint64_t at = (uint64_t)b * BLOCK_SEEDS;
            uint64_t left = seed_cnt - at;
            pids[b] = block_start(first + at, left < BLOCK_SEEDS ? (uint32_t)left : BLOCK_SEEDS);
            b++;
        }
        int status = 0;
        pid_t pid = wait(&status);
        uint32_t i = 0;
        while (i < block_cnt && pids[i] != pid) i++;
        bool fine = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (WIFSIGNALED(status)) printf("# a block died of signal %d\n", WTERMSIG(status));
        /* Numbered as they end: TAP wants its numbers in order. */
        uint64_t from = first + (uint64_t)i * BLOCK_SEEDS, to = from + BLOCK_SEEDS - 1;
        if (to > first + seed_cnt - 1) to = first + seed_cnt - 1;
        printf("%s %u - seeds %" PRIu64 " to %" PRIu64 "\n", fine ? "ok" : "not ok", ++done, from,
               to);
        failed += !fine;
    }
    free(pids);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *env = getenv("TM_SIM_SEEDS");
    uint64_t seeds = env ? strtoull(env, NULL, 10) : 200, first = 1, jobs = 4;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t v = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0) seeds = v;
        if (strcmp(argv[i], "--first") == 0) first = v;
        if (strcmp(argv[i], "--jobs") == 0) jobs = v;
    }
    return blocks_run(first, seeds ? seeds : 1, (uint32_t)(jobs ? jobs : 1));
}
