#include "base/clock.h"
#include "base/error.h"
#include "net/replay/replay.h"
#include "tests/net/capture_text.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* A file of its own for each test, gone with tmp_drop(). */
typedef struct tmp {
    char path[64];
} tmp_t;

static void tmp_write(tmp_t *tmp, const void *bytes, size_t sz)
{
    snprintf(tmp->path, sizeof tmp->path, "/tmp/tm-replay-XXXXXX");
    int fd = mkstemp(tmp->path);
    tm_assert(fd >= 0);
    tm_assert_eq(write(fd, bytes, sz), (ssize_t)sz);
    close(fd);
}

static void tmp_text(tmp_t *tmp, const char *text)
{
    tmp_write(tmp, text, strlen(text));
}

static void tmp_drop(tmp_t *tmp)
{
    unlink(tmp->path);
}

/* Packs a file with a system tool and reads the result. */
static char *packed(const char *tool, const tmp_t *tmp, size_t *sz)
{
    char command[128];
    snprintf(command, sizeof command, "%s -c %s", tool, tmp->path);
    return tm_capture_run(command, sz);
}

static tm_source_t *open_max(const char *path)
{
    tm_source_t *source;
    tm_replay_cfg_t cfg = {.path = path};
    tm_assert_eq(tm_replay_open(&source, &cfg), 0);
    return source;
}

/* Polls to the end; every frame must be the next of `lines`. Returns the final code. */
static int drain(tm_source_t *source, const char *const *lines, uint32_t line_cnt)
{
    tm_frame_t frames[16];
    uint32_t seen = 0;
    for (;;) {
        int n = tm_source_poll(source, frames, 16, 0);
        if (n < 0) {
            tm_assert_eq(seen, line_cnt);
            return n;
        }
        for (int i = 0; i < n; i++, seen++) {
            tm_assert(seen < line_cnt);
            tm_assert_eq(frames[i].sz, strlen(lines[seen]));
            tm_assert(memcmp(frames[i].data, lines[seen], frames[i].sz) == 0);
        }
    }
}

static void equals_the_system_tool(const tm_capture_name_t *name)
{
    char path[4096];
    if (!tm_capture_path(name->file, path)) tm_skip("the shared captures are not here");
    size_t sz;
    char *text = tm_capture_text(path, &sz);
    const char *pos = text;
    tm_source_t *source = open_max(path);
    tm_frame_t frames[300];
    uint64_t lines = 0;
    int n;
    while ((n = tm_source_poll(source, frames, 300, 0)) >= 0) {
        for (int i = 0; i < n; i++, lines++) {
            const char *stamp = pos;
            size_t line_sz;
            const char *line = tm_capture_line(&pos, text + sz, &line_sz);
            tm_assert(line != NULL);
            int64_t recv = strtoll(stamp, NULL, 10) * (line - stamp == 17 ? 1000 : 1);
            tm_assert_eq(frames[i].recv_ns, recv);
            tm_assert_eq(frames[i].sz, line_sz);
            tm_assert(memcmp(frames[i].data, line, line_sz) == 0);
        }
    }
    tm_assert_eq(n, TM_E_CLOSED);
    tm_assert_eq(tm_source_poll(source, frames, 300, 0), TM_E_CLOSED);
    tm_assert_eq(lines, name->line_cnt);
    tm_source_close(source);
    free(text);
}

Test(replay, gives_the_bytes_and_stamps_of_every_shared_capture)
{
    for (int i = 0; i < TM_CAPTURE_CNT; i++) equals_the_system_tool(&tm_captures[i]);
}

Test(replay, stands_where_it_goes_on_before_it_has_passed_over_what_was_given)
{
    static const char *const rest[] = {"{\"n\":3}"};
    tmp_t tmp;
    tm_source_t *source;
    tmp_text(&tmp, "1723161254000000000 {\"n\":1}\n1723161254000000001 {\"n\":2}\n"
                   "1723161254000000002 {\"n\":3}\n");
    const tm_replay_cfg_t cfg = {.path = tmp.path, .from_pos = 2};
    tm_assert_eq(tm_replay_open(&source, &cfg), 0);
    tm_assert_eq(tm_source_position(source), 2u);
    tm_assert_eq(drain(source, rest, 1), (int)TM_E_CLOSED);
    tm_assert_eq(tm_source_position(source), 3u);
    tm_source_close(source);
    tmp_drop(&tmp);
}

Test(replay, reads_plain_gzip_and_xz_alike)
{
    static const char text[] = "1723161254087896568 {\"a\":1}\n1680653214604980 [2]\r\n"
                               "1723161254087896569 3";
    static const char *const lines[] = {"{\"a\":1}", "[2]", "3"};
    tmp_t plain, gz, xz;
    tmp_text(&plain, text);
    size_t gz_sz, xz_sz;
    char *gz_bytes = packed("gzip", &plain, &gz_sz), *xz_bytes = packed("xz", &plain, &xz_sz);
    tmp_write(&gz, gz_bytes, gz_sz);
    tmp_write(&xz, xz_bytes, xz_sz);
    const tmp_t *all[] = {&plain, &gz, &xz};
    for (int i = 0; i < 3; i++) {
        tm_source_t *source = open_max(all[i]->path);
        tm_assert_eq(drain(source, lines, 3), TM_E_CLOSED);
        tm_source_close(source);
    }
    free(gz_bytes);
    free(xz_bytes);
    tmp_drop(&plain);
    tmp_drop(&gz);
    tmp_drop(&xz);
}

Test(replay, joined_members_read_as_one)
{
    static const char *const lines[] = {"one", "two", "one", "two"};
    tmp_t plain, joined;
    tmp_text(&plain, "1723161254087896568 one\n1723161254087896569 two\n");
    static const char *const tools[] = {"gzip", "xz"};
    for (int i = 0; i < 2; i++) {
        size_t sz;
        char *bytes = packed(tools[i], &plain, &sz);
        char *twice = malloc(2 * sz);
        memcpy(twice, bytes, sz);
        memcpy(twice + sz, bytes, sz);
        tmp_write(&joined, twice, 2 * sz);
        tm_source_t *source = open_max(joined.path);
        tm_assert_eq(drain(source, lines, 4), TM_E_CLOSED);
        tm_source_close(source);
        free(bytes);
        free(twice);
        tmp_drop(&joined);
    }
    tmp_drop(&plain);
}

Test(replay, an_empty_file_is_an_empty_feed)
{
    tmp_t tmp;
    tmp_text(&tmp, "");
    tm_source_t *source = open_max(tmp.path);
    tm_assert_eq(drain(source, NULL, 0), TM_E_CLOSED);
    tm_source_close(source);
    tmp_drop(&tmp);
}

Test(replay, a_bad_line_is_named_with_file_and_line_after_the_good_ones)
{
    static const char *const bad[] = {
        "172316125408789656 {}",     "17231612540878965688 {}",
        "x723161254087896568 {}",    "1723161254087896568{}",
        "1723161254087896568 ",      "9999999999999999999 {}",
        "1680653214604980{\"a\":1}", "",
        "1723161254087896568",
    };
    static const char *const lines[] = {"{}", "{}"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char text[256], place[80];
        snprintf(text, sizeof text,
                 "1723161254087896568 {}\n1723161254087896568 {}\n%s\n1723161254087896568 {}\n",
                 bad[i]);
        tmp_t tmp;
        tmp_text(&tmp, text);
        tm_source_t *source = open_max(tmp.path);
        for (int again = 0; again < 2; again++) {
            tm_assert_eq(drain(source, lines, again ? 0 : 2), TM_E_SYNTAX);
            snprintf(place, sizeof place, "%s:3: ", tmp.path);
            tm_assert(strstr(tm_error_text(), place) != NULL);
        }
        tm_source_close(source);
        tmp_drop(&tmp);
    }
}

Test(replay, a_cut_archive_is_reported_after_all_its_good_lines)
{
    enum { LINES = 5000 };
    static char stamped[LINES * 96];
    size_t stamped_sz = 0;
    unsigned seed = 7;
    for (int i = 0; i < LINES; i++) {
        seed = seed * 1664525 + 1013904223;
        stamped_sz += (size_t)snprintf(stamped + stamped_sz, sizeof stamped - stamped_sz,
                                       "%" PRId64 " {\"v\":%u}\n", INT64_C(1723161254087896568) + i,
                                       seed);
    }
    tmp_t plain;
    tmp_write(&plain, stamped, stamped_sz);
    static const char *const tools[] = {"gzip", "xz --block-size=16KiB"};
    for (int t = 0; t < 2; t++) {
        size_t packed_sz;
        char *bytes = packed(tools[t], &plain, &packed_sz);
        tmp_t cut;
        tmp_write(&cut, bytes, packed_sz * 3 / 4);
        tm_source_t *source = open_max(cut.path);
        tm_frame_t frames[64];
        size_t given = 0, off = 0;
        int n;
        while ((n = tm_source_poll(source, frames, 64, 0)) >= 0)
            for (int f = 0; f < n; f++, given++) {
                const char *line = stamped + off + 20;
                tm_assert(memcmp(frames[f].data, line, frames[f].sz) == 0);
                tm_assert_eq(line[frames[f].sz], '\n');
                off += 20 + frames[f].sz + 1;
            }
        tm_assert_eq(n, TM_E_CORRUPT);
        tm_assert(strstr(tm_error_text(), "cut") != NULL);
        tm_assert(strstr(tm_error_text(), cut.path) != NULL);
        tm_assert(given > LINES / 2);
        tm_assert(given < LINES);
        tm_source_close(source);
        tmp_drop(&cut);
        free(bytes);
    }
    tmp_drop(&plain);
}

Test(replay, a_damaged_archive_is_corrupt)
{
    tmp_t plain, bad;
    tmp_text(&plain, "1723161254087896568 {\"a\":1}\n");
    static const char *const tools[] = {"gzip", "xz"};
    for (int t = 0; t < 2; t++) {
        size_t sz;
        char *bytes = packed(tools[t], &plain, &sz);
        bytes[sz - 6] ^= 0x55; /* in the checksum or the index */
        tmp_write(&bad, bytes, sz);
        tm_source_t *source = open_max(bad.path);
        tm_frame_t frames[4];
        int n;
        while ((n = tm_source_poll(source, frames, 4, 0)) > 0) continue;
        tm_assert_eq(n, TM_E_CORRUPT);
        tm_source_close(source);
        tmp_drop(&bad);
        bytes[sz - 6] ^= 0x55;
        char *tail = calloc(1, sz + 4);
        memcpy(tail, bytes, sz);
        memset(tail + sz, 'x', 4);
        tmp_write(&bad, tail, sz + 4);
        source = open_max(bad.path);
        while ((n = tm_source_poll(source, frames, 4, 0)) > 0) continue;
        tm_assert_eq(n, TM_E_CORRUPT);
        tm_source_close(source);
        tmp_drop(&bad);
        free(tail);
        free(bytes);
    }
    tmp_drop(&plain);
}

Test(replay, long_lines_pass_up_to_the_limit_and_not_beyond)
{
    enum { LIMIT = 3 << 20 };
    char *text = malloc(LIMIT + 64);
    for (int over = 0; over < 2; over++) {
        size_t sz = (size_t)snprintf(text, 64, "1723161254087896568 ");
        memset(text + sz, 'x', LIMIT + (size_t)over);
        sz += LIMIT + (size_t)over;
        text[sz++] = '\n';
        tmp_t tmp;
        tmp_write(&tmp, text, sz);
        tm_source_t *source;
        tm_replay_cfg_t cfg = {.path = tmp.path, .frame_sz_max = LIMIT};
        tm_assert_eq(tm_replay_open(&source, &cfg), 0);
        tm_frame_t frame;
        int n = tm_source_poll(source, &frame, 1, 0);
        if (over) {
            tm_assert_eq(n, TM_E_LIMIT);
        } else {
            tm_assert_eq(n, 1);
            tm_assert_eq(frame.sz, (uint32_t)LIMIT);
        }
        tm_source_close(source);
        tmp_drop(&tmp);
    }
    free(text);
}

Test(replay, a_file_that_is_not_there_is_an_error_with_its_name)
{
    tm_source_t *source;
    tm_replay_cfg_t cfg = {.path = "/nonexistent/feed.gz"};
    tm_assert_eq(tm_replay_open(&source, &cfg), -2);
    tm_assert(strstr(tm_error_text(), "/nonexistent/feed.gz") != NULL);
    cfg = (tm_replay_cfg_t){.path = "/tmp", .speed = -1};
    tm_assert_eq(tm_replay_open(&source, &cfg), TM_E_CONFIG);
}

Test(replay, frames_come_when_they_are_due_and_say_when_they_were)
{
    static const int64_t offsets_ms[] = {0, 0, 20, 25, 60};
    char text[512];
    size_t sz = 0;
    for (size_t i = 0; i < TM_ARRAY_CNT(offsets_ms); i++)
        sz += (size_t)snprintf(
            text + sz, sizeof text - sz, "%" PRId64 " {}\n",
            (int64_t)(INT64_C(1723161254000000000) + offsets_ms[i] * TM_NS_PER_MS));
    tmp_t tmp;
    tmp_write(&tmp, text, sz);
    for (int speed = 1; speed <= 2; speed++) {
        tm_source_t *source;
        tm_replay_cfg_t cfg = {.path = tmp.path, .speed = speed, .conn_idx = 3};
        tm_assert_eq(tm_replay_open(&source, &cfg), 0);
        tm_frame_t frames[8];
        int64_t first_ns = 0;
        size_t seen = 0;
        int n;
        while ((n = tm_source_poll(source, frames, 8, TM_NS_PER_S)) >= 0) {
            int64_t now_ns = tm_clock_mono_ns();
            for (int i = 0; i < n; i++, seen++) {
                if (seen == 0) first_ns = frames[i].ingress_ns;
                int64_t due_ns = first_ns + offsets_ms[seen] * TM_NS_PER_MS / speed;
                tm_assert_eq(frames[i].ingress_ns, due_ns);
                tm_assert(now_ns >= due_ns);
                tm_assert(now_ns < due_ns + 500 * TM_NS_PER_MS);
                tm_assert_eq(frames[i].conn_idx, 3u);
            }
        }
        tm_assert_eq(n, TM_E_CLOSED);
        tm_assert_eq(seen, TM_ARRAY_CNT(offsets_ms));
        tm_source_close(source);
    }
    tmp_drop(&tmp);
}

static void on_alarm(int sig)
{
    (void)sig;
}

Test(replay, a_wait_ends_with_its_time_or_with_a_signal)
{
    tmp_t tmp;
    tmp_text(&tmp, "1723161254000000000 a\n1723161299000000000 b\n");
    tm_source_t *source;
    tm_replay_cfg_t cfg = {.path = tmp.path, .speed = 1};
    tm_assert_eq(tm_replay_open(&source, &cfg), 0);
    tm_frame_t frame;
    tm_assert_eq(tm_source_poll(source, &frame, 1, 0), 1);
    int64_t begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_source_poll(source, &frame, 1, 5 * TM_NS_PER_MS), 0);
    tm_assert(tm_clock_mono_ns() - begin_ns >= 5 * TM_NS_PER_MS);
    tm_assert_eq(tm_source_poll(source, &frame, 1, 0), 0);

    struct sigaction act = {.sa_handler = on_alarm}, old;
    sigaction(SIGALRM, &act, &old);
    /* Again and again: a loaded machine may take the first one before the wait begins. */
    const struct itimerval in_30_ms = {.it_interval = {0, 30000}, .it_value = {0, 30000}};
    setitimer(ITIMER_REAL, &in_30_ms, NULL);
    tm_assert_eq(tm_source_poll(source, &frame, 1, 20 * TM_NS_PER_S), 0);
    tm_assert(tm_clock_mono_ns() - begin_ns < 10 * TM_NS_PER_S);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    sigaction(SIGALRM, &old, NULL);
    tm_source_close(source);
    tmp_drop(&tmp);
}
