#include "base/error.h"
#include "state/journal/frame_parquet.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tm_make_t make = {.seed = 99, .payload_sz_max = 900};

static void path_of(char path[300], char dir[256], const char *name)
{
    tm_make_dir(dir, name);
    snprintf(path, 300, "%.256s/frames.parquet", dir);
}

/* A third of the payloads is said to be text. */
static void write_all(const char *path, uint32_t cnt)
{
    static uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    tm_frame_parquet_t *f;
    tm_assert_eq(tm_frame_parquet_open(&f, path), 0);
    for (uint32_t i = 0; i < cnt; i++) {
        tm_journal_entry_t e;
        tm_make_entry(&make, i, &e, buf);
        const tm_journal_view_t v = {
            .frame = {.data = e.data, .sz = e.sz, .conn_idx = e.conn_idx, .recv_ns = e.recv_ns},
            .seq = i,
            .stream = e.stream,
            .kind = e.kind,
            .flags = e.flags};
        tm_assert_eq(tm_frame_parquet_add(f, &v, i % 3 == 0), 0);
    }
    tm_assert_eq(tm_frame_parquet_close(f, 0), 0);
}

static int row_check(void *ctx, const tm_journal_entry_t *e)
{
    static uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    uint32_t *next = ctx;
    tm_journal_entry_t wanted;
    tm_make_entry(&make, (*next)++, &wanted, buf);
    tm_assert_eq(e->sz, wanted.sz);
    tm_assert(e->sz == 0 || memcmp(e->data, wanted.data, e->sz) == 0);
    tm_assert_eq(e->recv_ns, wanted.recv_ns);
    tm_assert_eq(e->conn_idx, wanted.conn_idx);
    tm_assert_eq(e->stream, wanted.stream);
    tm_assert_eq(e->kind, wanted.kind);
    tm_assert_eq(e->flags, wanted.flags);
    return 0;
}

/* More rows than a row group takes, and empty payloads among them. */
Test(frame_parquet, gives_every_record_back_over_several_row_groups)
{
    char dir[256], path[300];
    path_of(path, dir, "frames");
    for (uint32_t cnt = 0; cnt <= 200000; cnt = cnt ? cnt * 200000 : 1) {
        uint32_t next = 0;
        write_all(path, cnt);
        tm_assert_eq(tm_frame_parquet_read(path, row_check, &next), 0);
        tm_assert_eq(next, cnt);
    }
    tm_make_dir_remove(dir);
}

Test(frame_parquet, leaves_no_file_behind_that_is_not_whole)
{
    char dir[256], path[300], temp[320];
    tm_frame_parquet_t *f;
    path_of(path, dir, "unfinished");
    snprintf(temp, sizeof temp, "%s.tmp", path);
    tm_assert_eq(tm_frame_parquet_open(&f, path), 0);
    tm_assert_eq(access(temp, F_OK), 0);
    tm_assert(access(path, F_OK) != 0);
    tm_assert_eq(tm_frame_parquet_close(f, tm_error_set(TM_E_CORRUPT, "told so")), TM_E_CORRUPT);
    tm_assert_str(tm_error_text(), "told so");
    tm_assert(access(temp, F_OK) != 0 && access(path, F_OK) != 0);
    tm_assert(tm_frame_parquet_open(&f, "/nonexistent/x.parquet") < 0);
    tm_assert(strstr(tm_error_text(), "/nonexistent/x.parquet") != NULL);
    tm_make_dir_remove(dir);
}

static int row_pass(void *ctx, const tm_journal_entry_t *e)
{
    (void)e;
    ++*(uint32_t *)ctx;
    return 0;
}

Test(frame_parquet, a_file_cut_or_flipped_anywhere_is_refused_or_read_and_breaks_nothing)
{
    char dir[256], path[300];
    path_of(path, dir, "broken");
    write_all(path, 40);
    FILE *f = fopen(path, "rb");
    static uint8_t whole[1 << 16], bad[1 << 16];
    const size_t sz = fread(whole, 1, sizeof whole, f);
    fclose(f);
    for (size_t i = 0; i < sz; i += 1 + sz / 400) {
        for (int cut = 0; cut < 2; cut++) {
            uint32_t cnt = 0;
            memcpy(bad, whole, sz);
            bad[i] ^= 0x41;
            f = fopen(path, "wb");
            fwrite(bad, 1, cut ? i : sz, f);
            fclose(f);
            const int code = tm_frame_parquet_read(path, row_pass, &cnt);
            if (cut) tm_assert(code < 0);
            if (code < 0) tm_assert(strstr(tm_error_text(), path) != NULL);
        }
    }
    tm_make_dir_remove(dir);
}
