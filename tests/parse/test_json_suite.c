/* The parsing tests of JSONTestSuite: y_ must be accepted, n_ refused, i_ may be either. */
#include "parse/json/json.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <dirent.h>
#include <stdio.h>

enum { SUITE_CNT_MIN = 300 };

static const char *suite_dir(char *room, size_t room_sz)
{
    const char *shared = getenv("TM_SHARED"), *root = getenv("TM_SOURCE_ROOT");
    if (shared)
        snprintf(room, room_sz, "%s/suites/JSONTestSuite/test_parsing", shared);
    else
        snprintf(room, room_sz, "%s/../shared/suites/JSONTestSuite/test_parsing",
                 root ? root : ".");
    return room;
}

static size_t file_read(const char *path, uint8_t *room, size_t room_sz)
{
    FILE *f = fopen(path, "rb");
    tm_assert(f != NULL);
    size_t sz = fread(room, 1, room_sz, f);
    tm_assert(sz < room_sz);
    fclose(f);
    return sz;
}

/* All kernels, and the copying entry point from a buffer that ends with the message, must agree. */
static bool accepted(tm_json_t *json, exact_t *exact, const uint8_t *text, size_t sz)
{
    bool first = false;
    for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++) {
        tm_json_restrict(json, tm_kernels_get((tm_isa_t)isa), false);
        tm_frame_t f = exact_at_end(exact, text, sz, '"');
        bool fine = tm_json_read(json, f.data, f.sz) != NULL;
        f = exact_at_start(exact, text, sz, ']');
        tm_assert(fine == (tm_json_read(json, f.data, f.sz) != NULL));
        uint8_t *tight = malloc(sz > 0 ? sz : 1);
        memcpy(tight, text, sz);
        tm_assert(fine == (tm_json_read_copy(json, tight, sz) != NULL));
        free(tight);
        if (isa == TM_ISA_SCALAR) first = fine;
        tm_assert(fine == first);
    }
    return first;
}

Test(json_suite, every_y_file_is_accepted_and_every_n_file_refused)
{
    char dir[600], path[1200];
    static uint8_t room[EXACT_SZ_MAX];
    DIR *d = opendir(suite_dir(dir, sizeof dir));
    if (!d) tm_skip("no JSONTestSuite beside this tree; TM_SHARED names the folder");
    exact_t exact;
    exact_open(&exact);
    tm_json_t *json = tm_json_open(&(tm_json_spec_t){.copy_sz_max = EXACT_SZ_MAX});
    uint32_t cnt = 0, wrong = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char c = e->d_name[0];
        if ((c != 'y' && c != 'n' && c != 'i') || e->d_name[1] != '_') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        size_t sz = file_read(path, room, sizeof room);
        bool fine = accepted(json, &exact, room, sz);
        if (c != 'i' && fine != (c == 'y')) {
            fprintf(stderr, "# %s: %s\n", e->d_name, fine ? "accepted" : tm_json_fault(json)->kind);
            wrong++;
        }
        cnt++;
    }
    closedir(d);
    tm_json_close(json);
    exact_close(&exact);
    tm_assert_eq(wrong, 0u);
    tm_assert(cnt >= SUITE_CNT_MIN);
}

/* Lazy mode promises less, and to be no crash. */
Test(json_suite, lazy_mode_reads_every_file_to_some_end)
{
    static const tm_json_field_t fields[] = {{.path = "/a", .type = TM_JSON_TEXT},
                                             {.path = "/0", .type = TM_JSON_I64},
                                             {.path = "/b/0", .type = TM_JSON_DECIMAL}};
    char dir[600], path[1200];
    static uint8_t room[EXACT_SZ_MAX];
    DIR *d = opendir(suite_dir(dir, sizeof dir));
    if (!d) tm_skip("no JSONTestSuite beside this tree; TM_SHARED names the folder");
    exact_t exact;
    exact_open(&exact);
    tm_json_t *json = tm_json_open(&(tm_json_spec_t){
        .fields = fields, .field_cnt = 3, .lazy = true, .copy_sz_max = EXACT_SZ_MAX});
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        size_t sz = file_read(path, room, sizeof room);
        bool fine = accepted(json, &exact, room, sz);
        bool may = fine || e->d_name[0] != 'y' || tm_json_fault(json)->field >= 0;
        if (!may) fprintf(stderr, "# %s: %s\n", e->d_name, tm_json_fault(json)->kind);
        tm_assert(may);
    }
    closedir(d);
    tm_json_close(json);
    exact_close(&exact);
}
