/* Files of version 1 that are never made again, and the second reader
   (tests/reference/journal_reader.py) on them, on random journals and on damaged ones.
   TM_GOLDEN_WRITE=1 made the golden files, once. */
#include "base/error.h"
#include "state/journal/journal_cold.h"
#include "state/journal/journal_event.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const tm_make_t make = {.seed = 1, .payload_sz_max = 250};

enum { GOLDEN_CNT = 150, EVENT_CNT = 6 };

static const char *source_root(void)
{
    const char *root = getenv("TM_SOURCE_ROOT");
    return root ? root : ".";
}

/* The events behind the golden records, one of each kind. */
static tm_journal_event_t event_at(uint64_t i)
{
    static const char url[] = "wss://stream.example/ws", why[] = "going away",
                      name[] = "btcusdt@trade";
    const tm_journal_event_t events[EVENT_CNT] = {
        {.kind = TM_JOURNAL_CONNECT, .conn_idx = 1, .text = url, .text_sz = sizeof url - 1},
        {.kind = TM_JOURNAL_STREAM, .stream = 7, .text = name, .text_sz = sizeof name - 1},
        {.kind = TM_JOURNAL_GAP, .lost_cnt = 12, .lost_sz = 3456, .text = why, .text_sz = 5},
        {.kind = TM_JOURNAL_CLOCK_STEP, .step_ns = -1500000000, .mono_ns = 99},
        {.kind = TM_JOURNAL_NOTE, .text = "", .text_sz = 0},
        {.kind = TM_JOURNAL_DISCONNECT, .conn_idx = 1, .code = -5009, .text = why, .text_sz = 10},
    };
    tm_journal_event_t ev = events[i];
    ev.recv_ns = 1700000001000000000 + (int64_t)i;
    return ev;
}

static void events_append(tm_journal_writer_t *w)
{
    for (uint64_t i = 0; i < EVENT_CNT; i++) {
        uint8_t buf[TM_JOURNAL_EVENT_SZ_MAX];
        tm_journal_entry_t e;
        const tm_journal_event_t ev = event_at(i);
        tm_journal_event_put(&e, buf, &ev);
        tm_assert_eq(tm_journal_append(w, &e), (int64_t)(GOLDEN_CNT + i));
    }
}

/* Three segments: cold, sealed, and one that was left open with a torn tail. */
static void golden_write(const char *dir)
{
    tm_journal_writer_t *w;
    tm_journal_pack_t pack = {0};
    char path[TM_JOURNAL_PATH_MAX];
    size_t sz;
    const tm_journal_writer_cfg_t cfg = {.dir = dir, .label = "golden", .buffer_sz = 64 << 10};
    for (uint64_t i = 0; i < 3; i++) {
        tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
        tm_make_append(w, &make, i * 50, i * 50 + 50);
        if (i == 2) events_append(w);
        tm_assert_eq(tm_journal_sync(w), 0);
        tm_assert_eq(tm_journal_path(path, dir, i * 50, false), 0);
        uint8_t *open = tm_make_load(path, &sz);
        tm_assert_eq(tm_journal_writer_close(w), 0);
        if (i == 2) {
            size_t end = 64 << 10;
            while (open[end - 1] == 0) end--;
            memcpy(open + end + 16, "torn", 4);
            tm_make_store(path, open, (end + 600) & ~(size_t)7);
        }
        free(open);
    }
    tm_assert_eq(tm_journal_path(path, dir, 0, false), 0);
    tm_assert_eq(tm_journal_cold_pack(path, &pack), 0);
}

Test(journal_golden, files_of_version_1_are_read_for_ever)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s/tests/golden/journal/v1", source_root());
    if (getenv("TM_GOLDEN_WRITE")) golden_write(dir);
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    static tm_make_damages_t damages;
    const tm_journal_reader_cfg_t cfg = {
        .path = dir, .on_damage = tm_make_damage_note, .on_damage_ctx = &damages};
    const int code = tm_journal_reader_open(&r, &cfg);
    if (code < 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert_eq(code, 0);
    uint64_t seq = 0;
    int cnt;
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) {
        for (int i = 0; i < cnt; i++, seq++) {
            tm_assert_eq(views[i].seq, seq);
            if (seq < GOLDEN_CNT) {
                tm_assert(tm_make_same(&make, &views[i]));
                continue;
            }
            tm_journal_event_t got;
            const tm_journal_event_t want = event_at(seq - GOLDEN_CNT);
            tm_assert(tm_journal_event_take(&got, &views[i]));
            tm_assert(got.kind == want.kind && got.conn_idx == want.conn_idx &&
                      got.code == want.code);
            tm_assert(got.stream == want.stream && got.recv_ns == want.recv_ns);
            tm_assert(got.lost_cnt == want.lost_cnt && got.lost_sz == want.lost_sz);
            tm_assert(got.step_ns == want.step_ns && got.mono_ns == want.mono_ns);
            tm_assert_eq(got.text_sz, want.text_sz);
            tm_assert(want.text_sz == 0 || memcmp(got.text, want.text, want.text_sz) == 0);
        }
    }
    tm_assert_eq(cnt, 0);
    tm_assert_eq(seq, (uint64_t)GOLDEN_CNT + EVENT_CNT);
    tm_assert_eq(damages.cnt, 1u);
    tm_assert(damages.list[0].kind == TM_JOURNAL_TORN_TAIL);
    tm_journal_reader_close(r);
}

/* ---- the second reader --------------------------------------------------------------------------
   */

typedef struct lines {
    char *text;
    size_t sz, cap;
    bool damaged;
} lines_t;

static void lines_add(lines_t *l, const char *line)
{
    const size_t sz = strlen(line);
    if (l->sz + sz + 1 > l->cap) {
        l->cap = (l->sz + sz) * 2 + 4096;
        l->text = realloc(l->text, l->cap);
    }
    memcpy(l->text + l->sz, line, sz + 1);
    l->sz += sz;
}

/* What cannot be a record, in the words of the second reader. Damage of other kinds is only noted:
   the two tell it in different detail. */
static void lost_line(void *ctx, const tm_journal_damage_t *d)
{
    lines_t *l = ctx;
    char line[1200];
    l->damaged = true;
    if (getenv("TM_VERBOSE")) {
        tm_journal_damage_text(line, sizeof line, d);
        printf("# ours: %s\n", line);
    }
    const bool bytes = d->kind == TM_JOURNAL_BAD_BYTES || d->kind == TM_JOURNAL_BAD_PAYLOAD ||
                       d->kind == TM_JOURNAL_TORN_TAIL;
    if (!bytes) return;
    const char *name = strrchr(d->path, '/');
    snprintf(line, sizeof line, "lost %s %llu %llu\n", name ? name + 1 : d->path,
             (unsigned long long)d->off, (unsigned long long)d->sz);
    lines_add(l, line);
}

static void ours(const char *dir, lines_t *l)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    *l = (lines_t){0};
    lines_add(l, "");
    const tm_journal_reader_cfg_t cfg = {.path = dir, .on_damage = lost_line, .on_damage_ctx = l};
    tm_assert_eq(tm_journal_reader_open(&r, &cfg), 0);
    int cnt;
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) {
        for (int i = 0; i < cnt; i++) {
            char line[300];
            const tm_journal_view_t *v = &views[i];
            snprintf(line, sizeof line, "record %llu %llu %u %u %u %u %lld %u %lu\n",
                     (unsigned long long)v->seq, (unsigned long long)v->off, v->kind, v->flags,
                     v->frame.conn_idx, v->stream, (long long)v->frame.recv_ns, v->frame.sz,
                     crc32(crc32(0, NULL, 0), v->frame.data, v->frame.sz));
            lines_add(l, line);
        }
    }
    tm_assert_eq(cnt, 0);
    tm_journal_reader_close(r);
}

static void theirs(const char *dir, lines_t *l)
{
    char cmd[1500], line[1200];
    *l = (lines_t){0};
    lines_add(l, "");
    snprintf(cmd, sizeof cmd, "python3 '%s/tests/reference/journal_reader.py' '%s'", source_root(),
             dir);
    FILE *f = popen(cmd, "r");
    tm_assert(f != NULL);
    while (fgets(line, sizeof line, f)) {
        l->damaged |= strncmp(line, "record", 6) != 0;
        if (strncmp(line, "record", 6) != 0 && getenv("TM_VERBOSE")) printf("# theirs: %s", line);
        if (strncmp(line, "damage", 6) != 0) lines_add(l, line);
    }
    tm_assert_eq(pclose(f), 0);
}

static void readers_agree(const char *dir)
{
    lines_t a, b;
    ours(dir, &a);
    theirs(dir, &b);
    if (strcmp(a.text, b.text) != 0) {
        size_t at = 0;
        while (a.text[at] && a.text[at] == b.text[at]) at++;
        while (at > 0 && a.text[at - 1] != '\n') at--;
        fprintf(stderr, "# ours:   %.*s\n# theirs: %.*s\n", (int)strcspn(a.text + at, "\n"),
                a.text + at, (int)strcspn(b.text + at, "\n"), b.text + at);
    }
    tm_assert(strcmp(a.text, b.text) == 0);
    tm_assert(a.damaged == b.damaged);
    free(a.text);
    free(b.text);
}

static void need_python(void)
{
    if (system("python3 -c 'import zlib, ctypes' 2>/dev/null") != 0)
        tm_skip("python3 is not installed: the second reader cannot run");
}

Test(journal_golden, the_second_reader_agrees_on_files_of_version_1)
{
    char dir[512];
    need_python();
    snprintf(dir, sizeof dir, "%s/tests/golden/journal/v1", source_root());
    readers_agree(dir);
}

static void damage_some(const char *dir, uint64_t *rng)
{
    tm_journal_list_t list;
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    const uint32_t which = (uint32_t)(*rng % list.cnt);
    size_t sz;
    uint8_t *bytes = tm_make_load(list.files[which].path, &sz);
    *rng = tm_make_mix(*rng);
    const size_t from = TM_JOURNAL_HEADER_SZ;
    switch (sz > from + 64 ? *rng % 4 : 3) {
    case 0: /* one bit, three times */
        for (int i = 0; i < 3; i++) {
            *rng = tm_make_mix(*rng);
            bytes[*rng % sz] ^= (uint8_t)(1u << (*rng >> 60) % 8);
        }
        break;
    case 1: { /* a lost sector */
        const size_t at = (from + (*rng >> 8) % (sz - from)) & ~(size_t)511;
        memset(bytes + at, 0, sz - at < 512 ? sz - at : 512);
        break;
    }
    case 2: { /* noise */
        size_t at = from + (*rng >> 8) % (sz - from);
        for (size_t i = 0; i < 100 && at < sz; i++, at++)
            bytes[at] = (uint8_t)tm_make_mix(*rng + i);
        break;
    }
    default: /* a cut */
        sz = sz * ((*rng >> 8) % 100) / 100;
        if (sz < from) sz = from;
    }
    tm_make_store(list.files[which].path, bytes, sz);
    free(bytes);
    tm_journal_list_free(&list);
}

Test(journal_golden, the_second_reader_agrees_on_random_and_damaged_journals, .timeout = 300)
{
    const char *seed = getenv("TM_SEED");
    uint64_t rng = seed ? strtoull(seed, NULL, 10) : 31337;
    need_python();
    printf("# TM_SEED=%llu\n", (unsigned long long)rng);
    for (int round = 0; round < 25; round++) {
        char dir[256];
        tm_journal_writer_t *w;
        rng = tm_make_mix(rng);
        const tm_make_t m = {.seed = rng, .payload_sz_max = 1 + (uint32_t)(rng % 700)};
        tm_make_dir(dir, "second");
        const tm_journal_writer_cfg_t cfg = {
            .dir = dir, .buffer_sz = 64 << 10, .roll_sz = 12 << 10};
        tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
        tm_make_append(w, &m, 0, 100 + rng % 200);
        tm_assert_eq(tm_journal_writer_close(w), 0);
        if (round % 3 == 2) {
            tm_journal_list_t list;
            tm_journal_pack_t pack = {0};
            tm_assert_eq(tm_journal_list(&list, dir), 0);
            tm_assert_eq(tm_journal_cold_pack(list.files[list.cnt / 2].path, &pack), 0);
            tm_journal_list_free(&list);
        }
        readers_agree(dir);
        for (int i = 0; i < 3; i++) {
            damage_some(dir, &rng);
            readers_agree(dir);
        }
        tm_make_dir_remove(dir);
    }
}
