/* What is appended comes back, over segments, restarts, cold copies, ranges and filters. */
#include "base/error.h"
#include "state/journal/journal_cold.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tm_make_t make = {.seed = 7, .payload_sz_max = 2000};

/* Reads the journal and checks every record against the formula. Returns the records. */
static uint64_t read_all(const char *path, const tm_make_t *m, uint64_t from, uint64_t *damage_cnt)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[100];
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = path}), 0);
    uint64_t seq = from;
    int cnt;
    while ((cnt = tm_journal_reader_read(r, views, 100)) > 0) {
        for (int i = 0; i < cnt; i++) {
            tm_assert_eq(views[i].seq, seq);
            tm_assert(tm_make_same(m, &views[i]));
            seq++;
        }
    }
    tm_assert_eq(cnt, 0);
    tm_assert_eq(tm_journal_reader_next_seq(r), seq);
    if (damage_cnt)
        *damage_cnt = tm_journal_reader_damage_cnt(r);
    else
        tm_assert_eq(tm_journal_reader_damage_cnt(r), 0u);
    tm_journal_reader_close(r);
    return seq - from;
}

static tm_journal_writer_t *open_writer(const char *dir, uint64_t roll_sz,
                                        tm_journal_recovery_t *rec)
{
    tm_journal_writer_t *w = NULL;
    const tm_journal_writer_cfg_t cfg = {
        .dir = dir, .label = "test", .buffer_sz = 64 << 10, .roll_sz = roll_sz};
    const int code = tm_journal_writer_open(&w, &cfg, rec);
    if (code < 0) fprintf(stderr, "%s\n", tm_error_text());
    tm_assert_eq(code, 0);
    return w;
}

Test(journal, gives_back_what_was_appended_over_many_segments_and_restarts)
{
    char dir[256];
    tm_make_dir(dir, "writer");
    uint64_t seq = 0;
    for (int round = 0; round < 4; round++) {
        tm_journal_recovery_t rec;
        tm_journal_writer_t *w = open_writer(dir, 100 << 10, &rec);
        tm_assert_eq(rec.next_seq, seq);
        tm_assert_eq(rec.torn_sz, 0u);
        tm_make_append(w, &make, seq, seq + 3000);
        seq += 3000;
        tm_assert_eq(tm_journal_next_seq(w), seq);
        tm_assert_eq(tm_journal_sync(w), 0);
        tm_assert_eq(tm_journal_durable_seq(w), seq);
        tm_assert_eq(read_all(dir, &make, 0, NULL), seq); /* while the last segment is still open */
        tm_assert_eq(tm_journal_writer_close(w), 0);
        tm_assert_eq(read_all(dir, &make, 0, NULL), seq);
    }
    tm_journal_list_t list;
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert(list.cnt > 20);
    for (uint32_t i = 0; i < list.cnt; i++) {
        tm_journal_about_t about;
        tm_assert_eq(tm_journal_about(&about, &list.files[i], false), 0);
        tm_assert(about.sealed && about.readable);
        tm_assert_eq(about.head.first_seq, list.files[i].first_seq);
        tm_assert_str(about.head.label, "test");
    }
    tm_journal_list_free(&list);
    tm_make_dir_remove(dir);
}

Test(journal, says_when_the_ring_is_full_and_takes_records_again_after_flushing)
{
    char dir[256];
    tm_make_dir(dir, "full");
    tm_journal_writer_t *w = open_writer(dir, 1 << 20, NULL);
    uint8_t data[1000] = {1};
    const tm_journal_entry_t e = {
        .data = data, .sz = sizeof data, .recv_ns = 1, .kind = TM_JOURNAL_TEXT};
    int64_t got, cnt = 0;
    while ((got = tm_journal_append(w, &e)) >= 0) cnt++;
    tm_assert_eq(got, -EAGAIN);
    tm_assert(cnt >= 54 && cnt < 64); /* 64 KiB less the room kept for the end of a segment */
    tm_assert(tm_journal_lag_sz(w) > 50000);
    tm_assert_eq(tm_journal_sync(w), 0);
    tm_assert_eq(tm_journal_append(w, &e), cnt);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_make_dir_remove(dir);
}

Test(journal, refuses_a_message_above_its_limit_with_a_text)
{
    char dir[256];
    tm_make_dir(dir, "limit");
    tm_journal_writer_t *w = open_writer(dir, 1 << 20, NULL);
    static uint8_t data[20000];
    tm_journal_entry_t e = {.data = data, .sz = sizeof data, .kind = TM_JOURNAL_TEXT};
    tm_assert_eq(tm_journal_append(w, &e), TM_E_LIMIT);
    tm_assert(strstr(tm_error_text(), "20000") != NULL);
    e.sz = 16 << 10;
    tm_assert_eq(tm_journal_append(w, &e), 0);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_make_dir_remove(dir);
}

Test(journal, lets_one_process_write_at_a_time)
{
    char dir[256];
    tm_make_dir(dir, "lock");
    tm_journal_writer_t *w = open_writer(dir, 1 << 20, NULL), *other;
    tm_assert_eq(tm_journal_writer_open(&other, &(tm_journal_writer_cfg_t){.dir = dir}, NULL),
                 -EBUSY);
    tm_assert(strstr(tm_error_text(), dir) != NULL);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_make_dir_remove(dir);
}

Test(journal, leaves_no_empty_segment_behind)
{
    char dir[256];
    tm_journal_list_t list;
    tm_make_dir(dir, "empty");
    tm_assert_eq(tm_journal_writer_close(open_writer(dir, 1 << 20, NULL)), 0);
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert_eq(list.cnt, 0u);
    tm_make_dir_remove(dir);
}

Test(journal, ends_a_segment_that_is_older_than_its_age)
{
    char dir[256];
    tm_journal_list_t list;
    tm_make_dir(dir, "age");
    tm_journal_writer_t *w;
    const tm_journal_writer_cfg_t cfg = {.dir = dir, .buffer_sz = 1 << 20, .roll_age_ns = 1};
    tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
    for (uint64_t i = 0; i < 5; i++) {
        tm_make_append(w, &make, i, i + 1);
        tm_assert_eq(tm_journal_sync(w), 0);
    }
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert_eq(list.cnt, 5u);
    tm_journal_list_free(&list);
    tm_assert_eq(read_all(dir, &make, 0, NULL), 5u);
    tm_make_dir_remove(dir);
}

static uint64_t folder_sz(const char *dir, uint32_t *cnt, uint64_t *first_seq)
{
    tm_journal_list_t list;
    uint64_t sz = 0;
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    for (uint32_t i = 0; i + 1 < list.cnt; i++) sz += list.files[i].sz;
    *cnt = list.cnt;
    *first_seq = list.cnt ? list.files[0].first_seq : 0;
    tm_journal_list_free(&list);
    return sz;
}

Test(journal, retires_old_segments_by_size_but_not_what_checkpoints_need)
{
    char dir[256];
    uint32_t cnt;
    uint64_t first;
    tm_make_dir(dir, "retain");
    tm_journal_writer_t *w;
    const tm_journal_writer_cfg_t cfg = {.dir = dir,
                                         .buffer_sz = 64 << 10,
                                         .roll_sz = 64 << 10,
                                         .retain_sz = 256 << 10,
                                         .keep_for_checkpoints = true};
    tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
    tm_make_append(w, &make, 0, 5000);
    tm_assert_eq(tm_journal_sync(w), 0);
    tm_assert(folder_sz(dir, &cnt, &first) > (1 << 20));
    tm_assert_eq(first, 0u); /* no checkpoint yet: everything is needed */
    tm_journal_keep_from(w, 1000);
    tm_make_append(w, &make, 5000, 5500);
    tm_assert_eq(tm_journal_sync(w), 0);
    folder_sz(dir, &cnt, &first);
    tm_assert(first > 0 && first <= 1000);
    tm_journal_keep_from(w, 5400);
    tm_make_append(w, &make, 5500, 6000);
    tm_assert_eq(tm_journal_sync(w), 0);
    tm_assert(folder_sz(dir, &cnt, &first) <= 256u << 10);
    tm_assert(first <= 5400);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_assert_eq(read_all(dir, &make, first, NULL), 6000 - first);

    const int64_t age = 3600 * TM_NS_PER_S;
    const tm_journal_retention_t rules = {
        .age_ns = age, .keep_seq = UINT64_MAX, .now_ns = 1700000000000000000 + 2 * age};
    tm_assert(tm_journal_retain(dir, &rules) > 0);
    folder_sz(dir, &cnt, &first);
    tm_assert_eq(cnt, 1u); /* the last one stays */
    tm_make_dir_remove(dir);
}

/* The reader's ranges against a scan of the formula. */
static void range_holds(const char *dir, tm_journal_reader_cfg_t cfg, uint64_t total)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    bool started = false;
    cfg.path = dir;
    tm_assert_eq(tm_journal_reader_open(&r, &cfg), 0);
    int cnt = 0, at = 0;
    for (uint64_t seq = 0; seq < total; seq++) {
        tm_journal_entry_t e;
        tm_make_entry(&make, seq, &e, buf);
        if (!started && (seq < cfg.from_seq || (cfg.from_ns && e.recv_ns < cfg.from_ns))) continue;
        started = true;
        if (cfg.to_ns && e.recv_ns >= cfg.to_ns) break;
        if (cfg.messages && (e.kind > 15 || e.flags & TM_JOURNAL_SENT)) continue;
        if (cfg.by_conn && e.conn_idx != cfg.conn_idx) continue;
        if (cfg.by_stream && e.stream != cfg.stream) continue;
        if (at == cnt) {
            at = 0;
            cnt = tm_journal_reader_read(r, views, 64);
            tm_assert(cnt > 0);
        }
        tm_assert_eq(views[at].seq, seq);
        tm_assert(tm_make_same(&make, &views[at]));
        at++;
    }
    tm_assert_eq(at, cnt);
    tm_assert_eq(tm_journal_reader_read(r, views, 64), 0);
    tm_assert_eq(tm_journal_reader_damage_cnt(r), 0u);
    tm_journal_reader_close(r);
}

static void ranges_hold(const char *dir, uint64_t total)
{
    const int64_t t0 = 1700000000000000000;
    for (uint64_t i = 0; i < 12; i++) {
        const uint64_t a = tm_make_mix(i) % (total + 100),
                       b = tm_make_mix(i + 1000) % (total + 100);
        range_holds(dir, (tm_journal_reader_cfg_t){.from_seq = a}, total);
        range_holds(dir, (tm_journal_reader_cfg_t){.from_ns = t0 + (int64_t)a * 1000}, total);
        range_holds(dir,
                    (tm_journal_reader_cfg_t){.from_ns = t0 + (int64_t)a * 1000,
                                              .to_ns = t0 + (int64_t)b * 1000,
                                              .messages = i % 2,
                                              .by_conn = i % 3 == 0,
                                              .conn_idx = 1,
                                              .by_stream = i % 5 == 0,
                                              .stream = 2},
                    total);
    }
}

Test(journal, seeks_by_sequence_and_time_and_filters_like_a_full_scan)
{
    char dir[256];
    tm_make_dir(dir, "seek");
    tm_journal_writer_t *w = open_writer(dir, 1 << 20, NULL);
    tm_make_append(w, &make, 0, 12000);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    ranges_hold(dir, 12000);
    tm_make_dir_remove(dir);
}

Test(journal, packs_segments_and_restores_them_byte_for_byte)
{
    char dir[256];
    tm_make_dir(dir, "cold");
    tm_journal_writer_t *w = open_writer(dir, 3 << 20, NULL);
    tm_make_append(w, &make, 0, 30000);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_journal_list_t list;
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert(list.cnt >= 2);
    size_t sz[8];
    uint8_t *before[8];
    for (uint32_t i = 0; i < list.cnt && i < 8; i++) {
        tm_journal_pack_t pack = {0};
        before[i] = tm_make_load(list.files[i].path, &sz[i]);
        const int code = tm_journal_cold_pack(list.files[i].path, &pack);
        if (code < 0) fprintf(stderr, "%s\n", tm_error_text());
        tm_assert_eq(code, 0);
        tm_assert_eq(pack.raw_sz, sz[i]);
        tm_assert(access(list.files[i].path, F_OK) != 0);
    }
    tm_assert_eq(read_all(dir, &make, 0, NULL), 30000u);
    ranges_hold(dir, 30000);
    tm_journal_list_t cold;
    tm_assert_eq(tm_journal_list(&cold, dir), 0);
    tm_assert_eq(cold.cnt, list.cnt);
    for (uint32_t i = 0; i < cold.cnt && i < 8; i++) {
        tm_journal_pack_t pack = {0};
        size_t now_sz;
        tm_assert(cold.files[i].cold);
        tm_assert_eq(tm_journal_cold_restore(cold.files[i].path, &pack), 0);
        uint8_t *now = tm_make_load(list.files[i].path, &now_sz);
        tm_assert_eq(now_sz, sz[i]);
        tm_assert_eq(memcmp(now, before[i], now_sz), 0);
        free(now);
        free(before[i]);
    }
    tm_journal_list_free(&cold);
    tm_journal_list_free(&list);
    tm_make_dir_remove(dir);
}

Test(journal, writes_on_behind_cold_segments)
{
    char dir[256];
    tm_journal_list_t list;
    tm_journal_pack_t pack = {.keep = true};
    tm_make_dir(dir, "coldon");
    tm_journal_writer_t *w = open_writer(dir, 1 << 20, NULL);
    tm_make_append(w, &make, 0, 1000);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert_eq(tm_journal_cold_pack(list.files[0].path, &pack), 0);
    unlink(list.files[0].path);
    tm_journal_list_free(&list);
    tm_journal_recovery_t rec;
    w = open_writer(dir, 1 << 20, &rec);
    tm_assert_eq(rec.next_seq, 1000u);
    tm_make_append(w, &make, 1000, 1500);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_assert_eq(read_all(dir, &make, 0, NULL), 1500u);
    tm_make_dir_remove(dir);
}
