/* The cases of the Autobahn test suite, rebuilt from their published descriptions and run in memory
   in both roles. A case is a list of frames; what must come of it is worked out from that list here
   and compared with what the suite's own table expects (an echo or a failed connection). */
#include "tests/net/autobahn_case.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool split_columns(tm_case_t *c)
{
    char *columns[CASE_COLUMN_CNT] = {0}, *at = c->line;
    at[strcspn(at, "\r\n")] = '\0';
    for (int i = 0; i < CASE_COLUMN_CNT; i++) {
        columns[i] = strsep(&at, "\t");
        if (!columns[i]) return false;
    }
    c->id = columns[1];
    c->category = columns[2];
    c->description = columns[4];
    c->expectation = columns[5];
    return true;
}

/* Whether the suite's table and our list of frames agree on how the case ends. */
static bool expects_same(const tm_case_t *c)
{
    const char *e = c->expectation;
    if (strstr(e, "undefined by the spec")) return true;
    bool fails = strstr(e, "failed immediately") || strstr(e, "protocol error") ||
                 strstr(e, "rejected immediately");
    return fails == c->fails;
}

static bool run_cut(const tm_case_t *c, tm_ws_role_t role, size_t chop_sz)
{
    tm_ws_cfg_t cfg = {.role = role};
    tm_wire_cut_t cut = {.chop_sz = chop_sz};
    char *line = tm_wire_run(&cfg, &c->wires[role], cut, true);
    bool ok = strcmp(line, (const char *)c->want.data) == 0;
    if (!ok) {
        printf("# case %s, role %d, chops of %zu\n# got  %.300s\n# want %.300s\n", c->id, role,
               chop_sz, line, (const char *)c->want.data);
    }
    free(line);
    return ok;
}

static bool run(tm_case_t *c)
{
    bool ok = tm_case_make(c);
    if (ok && !c->closes) tm_case_close(c, 1000, "");
    tm_wire_raw(&c->want, "", 1);
    if (!ok) printf("# case %s: its description is not understood\n", c->id);
    if (ok && !expects_same(c)) {
        printf("# case %s: the table expects another end: %s\n", c->id, c->expectation);
        ok = false;
    }
    size_t chop_sz = tm_case_number(c->description, "chops of ");
    for (int i = 0; ok && i < 2; i++) {
        tm_ws_role_t role = (tm_ws_role_t)i;
        ok = run_cut(c, role, 0) && (chop_sz == 0 || run_cut(c, role, chop_sz));
        if (c->wires[i].sz <= 4096) ok = ok && run_cut(c, role, 1) && run_cut(c, role, 3);
    }
    for (int i = 0; i < 2; i++) tm_wire_free(&c->wires[i]);
    tm_wire_free(&c->want);
    tm_wire_free(&c->message);
    return ok;
}

static FILE *open_table(void)
{
    char path[4096];
    const char *shared = getenv("TM_SHARED"), *root = getenv("TM_SOURCE_ROOT");
    if (shared) {
        snprintf(path, sizeof path, "%s/suites/autobahn/cases.tsv", shared);
    } else {
        snprintf(path, sizeof path, "%s/../shared/suites/autobahn/cases.tsv", root ? root : ".");
    }
    return fopen(path, "r");
}

/* Runs the cases whose number begins with that category. */
static void run_category(const char *category, int want_cnt)
{
    static tm_case_t c;
    FILE *table = open_table();
    if (!table) tm_skip("the table of Autobahn cases is not there; set TM_SHARED");
    int cnt = 0, failed = 0;
    size_t prefix_sz = strlen(category);
    do {
        c = (tm_case_t){.wires[TM_WS_SERVER].masked = true};
        if (!fgets(c.line, sizeof c.line, table)) break;
        if (!split_columns(&c) || strncmp(c.id, category, prefix_sz) != 0) continue;
        cnt++;
        failed += !run(&c);
    } while (true);
    fclose(table);
    tm_assert_eq(cnt, want_cnt);
    tm_assert_eq(failed, 0);
}

Test(autobahn, framing_1)
{
    run_category("1.", 16);
}
Test(autobahn, pings_and_pongs_2)
{
    run_category("2.", 11);
}
Test(autobahn, reserved_bits_3)
{
    run_category("3.", 7);
}
Test(autobahn, opcodes_4)
{
    run_category("4.", 10);
}
Test(autobahn, fragmentation_5)
{
    run_category("5.", 20);
}
Test(autobahn, utf8_6)
{
    run_category("6.", 145);
}
Test(autobahn, closing_7)
{
    run_category("7.", 37);
}
Test(autobahn, limits_and_performance_9)
{
    run_category("9.", 54);
}
Test(autobahn, fragmented_by_size_10)
{
    run_category("10.", 1);
}

Test(autobahn, text_is_refused_with_the_piece_that_spoils_it)
{
    /* 6.4.1 to 6.4.4: the rest of the message is never sent. */
    static const struct {
        const char *first, *second;
    } parts[] = {{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "\xf4\x90\x80\x80"},
                 {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4", "\x90"}};
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT};
    for (size_t i = 0; i < TM_ARRAY_CNT(parts); i++) {
        tm_wire_t frames = {0}, frame = {0};
        tm_wire_text(&frames, WIRE_TEXT, parts[i].first);
        size_t good_sz = frames.sz;
        tm_wire_text(&frames, WIRE_CONT, parts[i].second);
        char *line = tm_wire_run(&cfg, &frames, (tm_wire_cut_t){.first_sz = good_sz}, false);
        tm_assert_str(line, ">close:1007: protocol error");
        free(line);
        uint8_t head[2] = {WIRE_FIN | WIRE_TEXT, 100};
        tm_wire_raw(&frame, head, 2);
        tm_wire_raw(&frame, parts[i].first, strlen(parts[i].first));
        line = tm_wire_run(&cfg, &frame, (tm_wire_cut_t){0}, false);
        tm_assert_str(line, "open");
        free(line);
        tm_wire_raw(&frame, parts[i].second, strlen(parts[i].second));
        line = tm_wire_run(&cfg, &frame, (tm_wire_cut_t){.chop_sz = 1}, false);
        tm_assert_str(line, ">close:1007: protocol error");
        free(line);
        tm_wire_free(&frames);
        tm_wire_free(&frame);
    }
}
