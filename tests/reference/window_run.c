/* Jobs of threads: one source in one partition, so that watermarks have their places among the
   rows; one to three workers; a second exchange behind the window. Results have no order. */
#include "tests/reference/window_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 4096 };

static const tm_struct_field_t element_fields[] = {
    TM_HEADER_TIME("time"),
    TM_MEMBER(element_t, key, "key", TM_TYPE_U64),
    TM_MEMBER(element_t, value, "value", TM_TYPE_I64),
    TM_MEMBER(element_t, gap, "gap", TM_TYPE_I64),
    TM_MEMBER(element_t, watermark, "watermark", TM_TYPE_I64),
};
static const tm_struct_t element_type = TM_STRUCT(element_t, "element", element_fields);

static const job_t *running;
static element_t elements[ROWS_MAX];
static size_t element_cnt;
static uint16_t key_off, value_off, start_off, end_off, sum_off, cnt_off;
static bool wide; /* the value has 128 bits */

static int64_t watermark_of(void *ctx, const void *row)
{
    (void)ctx;
    return ((const element_t *)row)->watermark;
}

static int64_t load(const void *row, uint16_t off)
{
    int64_t v;
    memcpy(&v, (const uint8_t *)row + off, sizeof v);
    return v;
}

static int64_t value_of(const void *row)
{
    tm_i128_t v = 0;
    memcpy(&v, (const uint8_t *)row + value_off, wide ? sizeof v : sizeof(int64_t));
    return (int64_t)v;
}

static int results_write(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt,
                         uint32_t stride)
{
    bool reduced = running->result == BY_REDUCE;
    (void)ctx, (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)i * stride;
        printf("0 r %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
               load(row, key_off), value_of(row), ((const tm_row_t *)(const void *)row)->event_ns,
               reduced ? 0 : load(row, start_off), reduced ? 0 : load(row, end_off));
    }
    return 0;
}

static int late_write(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)ctx, (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const element_t *late = (const void *)((const uint8_t *)rows + (size_t)i * stride);
        printf("0 l %" PRIu64 " %" PRId64 " %" PRId64 "\n", late->key, late->value,
               late->row.event_ns);
    }
    return 0;
}

static int sums_write(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)ctx, (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)i * stride;
        printf("0 s %" PRId64 " %" PRId64 " %" PRId64 "\n", load(row, TM_ROW_HEADER_SZ),
               load(row, sum_off), load(row, cnt_off));
    }
    return 0;
}

static void keyed_anew(void *ctx, const void *in, void *out)
{
    element_t *to = out;
    (void)ctx;
    to->value = value_of(in);
    to->key = (uint64_t)to->value & 3;
}

static int build(tm_job_t *job)
{
    static const tm_agg_spec_t sums[] = {{.as = "total", .fn = TM_AGG_SUM, .field = "value"},
                                         {.as = "n", .fn = TM_AGG_COUNT}};
    const tm_windowing_t at_the_end = {.window = tm_global(),
                                       .trigger = {.kind = TM_TRIGGER_EVENT_TIME},
                                       .aggs = sums,
                                       .agg_cnt = 2};
    tm_stream_t *s = tm_source_array(
        job, &(tm_array_spec_t){
                 .type = &element_type, .rows = elements, .row_cnt = element_cnt, .partitions = 1});
    s = tm_watermarks(s, &(tm_watermark_spec_t){.punctuate = watermark_of});
    tm_stream_t *results = tm_window(tm_key_by(s, "key"), "first", &running->what);
    wide = running->result == TM_AGG_SUM;
    bool reduced = running->result == BY_REDUCE;
    key_off = tm_field_off(results, "key", TM_TYPE_U64);
    value_off = tm_field_off(results, "value", wide ? TM_TYPE_DECIMAL128 : TM_TYPE_I64);
    start_off = reduced ? 0 : tm_field_off(results, "window_start", TM_TYPE_TIME_NS);
    end_off = reduced ? 0 : tm_field_off(results, "window_end", TM_TYPE_TIME_NS);
    tm_sink_callback(results, &(tm_callback_spec_t){.name = "results", .rows = results_write});
    tm_sink_callback(tm_side_output(results, "late"),
                     &(tm_callback_spec_t){.name = "late", .rows = late_write});
    s = tm_key_by(tm_map(results, "anew", &element_type, keyed_anew, NULL), "key");
    s = tm_window(s, "second", &at_the_end);
    sum_off = tm_field_off(s, "total", TM_TYPE_DECIMAL128);
    cnt_off = tm_field_off(s, "n", TM_TYPE_I64);
    tm_sink_callback(s, &(tm_callback_spec_t){.name = "sums", .rows = sums_write});
    return 0;
}

static bool rows_read(FILE *lines)
{
    char line[256];
    element_cnt = 0;
    while (fgets(line, sizeof line, lines) && strncmp(line, "end", 3) != 0) {
        element_t e = {.watermark = TM_TIME_NONE, .row.symbol = TM_SYMBOL_NONE};
        int64_t time;
        if (sscanf(line, "e %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &e.key, &e.value,
                   &e.row.event_ns, &e.gap) == 4) {
            if (element_cnt == ROWS_MAX) return false;
            elements[element_cnt++] = e;
        } else if (sscanf(line, "w 0 %" SCNd64, &time) == 1 && element_cnt > 0) {
            element_t *last = &elements[element_cnt - 1];
            if (time > last->watermark) last->watermark = time;
        } else {
            return false;
        }
    }
    return true;
}

bool window_job_run(const job_t *job, FILE *lines)
{
    static char *const workers[] = {"0", "0,0", "0,0,0"};
    char *argv[] = {"window_jobs",    "--quiet", "--idle",         "yield",
                    "--state-memory", "8M",      "--ring-depth",   "64",
                    "--ingest-cores", "0",       "--worker-cores", workers[job->workers - 1]};
    running = job;
    return rows_read(lines) && tm_main((int)(sizeof argv / sizeof argv[0]), argv, build) == 0;
}
