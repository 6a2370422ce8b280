/* The window operator's own vectors, as far as tumbling, sliding and cumulative windows in event
   time go. Times are taken as they are (milliseconds): the operator does not care for the unit. */
#include "tests/engine/window_bed.h"
#include "tests/tm_json.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct element {
    tm_row_t row;
    uint64_t key;
    int64_t value;
} element_t;

static const tm_schema_t *element_schema(void)
{
    static tm_schema_t s;
    tm_schema_init(&s, "element", TM_SCHEMA_ID_USER);
    tm_assert_eq(tm_schema_add(&s, &(tm_field_t){.name = "key", .type = TM_TYPE_U64}), 0);
    tm_assert_eq(tm_schema_add(&s, &(tm_field_t){.name = "value", .type = TM_TYPE_I64}), 1);
    tm_assert_eq(s.row_sz, sizeof(element_t));
    return &s;
}

/* "key2" as a number. */
static uint64_t key_read(const tm_json_t *at)
{
    uint64_t key = 0;
    const char *text = tm_json_text(at, "key", "");
    size_t sz = strlen(text);
    tm_assert(sz <= sizeof key);
    memcpy(&key, text, sz);
    return key;
}

static bool cfg_read(const tm_json_t *c, tm_window_cfg_t *cfg)
{
    const tm_json_t *w = tm_json_get(c, "window");
    const char *kind = tm_json_text(w, "kind", ""),
               *trigger = tm_json_text(c, "trigger", "event_time");
    static const tm_agg_spec_t sum = {"value", TM_AGG_SUM, "value", NULL};
    if (strcmp(tm_json_text(w, "time", "event"), "event") != 0) return false;
    if (strcmp(tm_json_text(c, "agg", ""), "sum") != 0) return false;
    *cfg = (tm_window_cfg_t){.window = {.size_ns = tm_json_int(w, "size", 0),
                                        .slide_ns = tm_json_int(w, "slide", 0),
                                        .offset_ns = tm_json_int(w, "offset", 0),
                                        .lateness_ns = tm_json_int(c, "lateness", 0)},
                             .purge = strstr(trigger, "purging") != NULL,
                             .in = element_schema(),
                             .key_fields = {"key"},
                             .aggs = &sum,
                             .agg_cnt = 1,
                             .out_name = "sums",
                             .out_id = TM_SCHEMA_ID_USER + 1};
    if (strcmp(kind, "tumbling") == 0)
        cfg->window.kind = TM_WINDOW_TUMBLING;
    else if (strcmp(kind, "sliding") == 0)
        cfg->window.kind = TM_WINDOW_SLIDING;
    else
        return false;
    return true;
}

static int64_t window_max_of(const tm_window_cfg_t *cfg, int64_t ts)
{
    tm_range_t w;
    tm_assert_eq(tm_window_assign(&cfg->window, ts, &w, 1), 1u);
    return w.end - 1;
}

static int64_t ts_read(const tm_json_t *row, const tm_window_cfg_t *cfg)
{
    static const char of[] = "window_max_of:";
    const char *text = tm_json_text(row, "ts", NULL);
    if (!text) return tm_json_int(row, "ts", 0);
    tm_assert_eq(strncmp(text, of, sizeof of - 1), 0);
    return window_max_of(cfg, strtoll(text + sizeof of - 1, NULL, 10));
}

/* Whether the results since the last look are those listed, in any order. */
static bool out_holds(const bed_t *bed, size_t from, const tm_json_t *want,
                      const tm_window_cfg_t *cfg)
{
    if (bed->row_cnt - from != tm_json_cnt(want)) return false;
    uint8_t used[256] = {0};
    for (const tm_json_t *w = tm_json_at(want, 0); w; w = w->next) {
        size_t i = from;
        for (; i < bed->row_cnt; i++)
            if (!used[i - from] && (uint64_t)bed_int(bed, i, "key") == key_read(w) &&
                bed_wide(bed, i, "value") == tm_json_int(w, "value", 0) &&
                bed_int(bed, i, "window_end") - 1 == ts_read(w, cfg))
                break;
        if (i == bed->row_cnt) return false;
        used[i - from] = 1;
    }
    return true;
}

static bool side_holds(const bed_t *bed, size_t from, const tm_json_t *want)
{
    if (bed->late_cnt - from != tm_json_cnt(want)) return false;
    const element_t *late = (const void *)bed->late;
    for (const tm_json_t *w = tm_json_at(want, 0); w; w = w->next, from++)
        if (late[from].key != key_read(w) || late[from].value != tm_json_int(w, "value", 0) ||
            late[from].row.event_ns != tm_json_int(w, "ts", 0))
            return false;
    return true;
}

static bool case_holds(const tm_json_t *c, tm_window_cfg_t *cfg)
{
    bed_t bed;
    bool holds = true;
    size_t out_from = 0, side_from = 0;
    bed_open(&bed, cfg, 200, true);
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && holds; s = s->next) {
        const char *op = tm_json_text(s, "op", "");
        int64_t ts = tm_json_int(s, "ts", 0);
        if (strcmp(op, "element") == 0) {
            element_t e = {
                .row = {.event_ns = ts}, .key = key_read(s), .value = tm_json_int(s, "value", 0)};
            tm_operator_rows(bed.op, &e, 1, sizeof e);
        } else if (strcmp(op, "watermark") == 0) {
            tm_operator_watermark(bed.op, ts);
        } else if (strcmp(op, "watermark_at_window_max_of") == 0) {
            tm_operator_watermark(bed.op, window_max_of(cfg, ts));
        } else if (strcmp(op, "expect") == 0) {
            bed_drain(&bed);
            holds = out_holds(&bed, out_from, tm_json_get(s, "out"), cfg);
            out_from = bed.row_cnt;
            const tm_json_t *side = tm_json_get(s, "side");
            if (!side) continue;
            holds = holds && side_holds(&bed, side_from, side);
            side_from = bed.late_cnt;
        } else {
            /* State outlives nothing here: a restore is not this operator's step. */
            holds = strcmp(op, "snapshot_close_restore") == 0;
        }
    }
    bed_close(&bed);
    return holds;
}

Test(window, fires_and_drops_as_the_vectors_say)
{
    const char *path = tm_json_shared("vectors/02_window_operator.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_read(path);
    tm_assert(doc != NULL);
    uint32_t cnt = 0;
    for (const tm_json_t *c = tm_json_at(tm_json_get(doc, "cases"), 0); c; c = c->next) {
        tm_window_cfg_t cfg;
        if (!cfg_read(c, &cfg)) continue;
        bool holds = case_holds(c, &cfg);
        printf("# %s %s\n", holds ? "holds:" : "FAILS:", tm_json_text(c, "case", ""));
        tm_assert(holds);
        cnt++;
    }
    tm_assert(cnt >= 5);
    tm_json_free(doc);
}
