/* sensors - the lowest, highest and last temperature of every sensor and minute, from JSON that no
   exchange sends.

   A weather station sends its readings in batches:

       {"type":"readings","station":{"name":"berlin-4","seq":17},
        "readings":[{"sensor":"roof","at":"2024-08-08T12:00:00.5Z","celsius":21.53,"battery":null},
                    {"sensor":"cellar","at":"2024-08-08T12:00:01Z","celsius":-4.1,"battery":87}]}

   Paths say where the fields of a row stand; "-" makes a row of every element of the array. Other
   kinds of messages are left out, and what is no such message becomes a dead letter with its
   reason.

       sensors --replay readings.txt --out minutes --speed max
       sensors --connect ws://localhost:8080/readings --out minutes --dead-letter-journal bad */
#include <tidemark.h>

typedef struct reading {
    tm_row_t row;
    uint32_t station;
    uint32_t reserved;
    uint64_t seq;
    int64_t celsius_e3;
    int64_t battery;
    uint64_t nulls;
} reading_t;

static const tm_struct_field_t reading_fields[] = {
    TM_HEADER_SYMBOL("sensor"),
    TM_HEADER_TIME("at"),
    TM_MEMBER(reading_t, station, "station", TM_TYPE_SYMBOL),
    TM_MEMBER(reading_t, seq, "seq", TM_TYPE_U64),
    TM_DECIMAL(reading_t, celsius_e3, "celsius", 3),
    TM_MEMBER(reading_t, battery, "battery", TM_TYPE_I64),
};
static const tm_struct_t reading = TM_STRUCT(reading_t, "reading", reading_fields);

static const tm_json_path_t paths[] = {
    {.path = "/station/name", .field = "station", .required = true},
    {.path = "/station/seq", .field = "seq", .required = true},
    {.path = "/readings/-/sensor", .field = "sensor", .required = true},
    {.path = "/readings/-/at", .field = "at", .required = true},
    {.path = "/readings/-/celsius", .field = "celsius", .required = true},
    {.path = "/readings/-/battery", .field = "battery"},
};

static const tm_agg_spec_t minute[] = {
    {.as = "lowest", .fn = TM_AGG_MIN, .field = "celsius"},
    {.as = "highest", .fn = TM_AGG_MAX, .field = "celsius"},
    {.as = "last", .fn = TM_AGG_LAST, .field = "celsius", .by = "seq"},
    {.as = "battery", .fn = TM_AGG_MIN, .field = "battery"},
    {.as = "readings", .fn = TM_AGG_COUNT},
};

static int build(tm_job_t *job)
{
    tm_stream_t *readings = tm_source_json(job, &(tm_json_source_spec_t){
                                                    .name = "readings",
                                                    .type = &reading,
                                                    .paths = paths,
                                                    .path_cnt = sizeof paths / sizeof paths[0],
                                                    .where = "/type",
                                                    .is = "readings",
                                                    .nulls_off = offsetof(reading_t, nulls),
                                                });
    tm_stream_t *timed = tm_watermarks(readings, &(tm_watermark_spec_t){.bound_ns = 5 * TM_SECOND});
    const char *const key[] = {"station", "sensor", NULL};
    tm_window_spec_t every = tm_tumbling(TM_MINUTE);
    tm_stream_t *minutes = tm_window_aggregate(tm_key_by_fields(timed, key), "minutes", &every,
                                               minute, sizeof minute / sizeof minute[0]);
    tm_sink_parts(minutes, &(tm_parts_spec_t){.bucket_field = "window_start"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
