#include "base/error.h"
#include "engine/job/flags.h"
#include "engine/job/options.h"
#include "tests/tm_test.h"

#include <string.h>

/* Parses one option line given as words. */
#define PARSE(opts, ...)                                                                           \
    tm_options_parse(opts, (int)TM_ARRAY_CNT(((char *[]){"job", __VA_ARGS__})),                    \
                     (char *[]){"job", __VA_ARGS__, NULL})

Test(options, the_usual_line_is_understood)
{
    tm_options_t o;
    tm_assert_eq(PARSE(&o, "--replay", "a.gz", "--replay", "b.gz", "--out", "bars", "--speed",
                       "10x", "--worker-cores", "0,1", "--watermark-bound", "500ms", "--json"),
                 0);
    tm_assert_eq(o.replay_cnt, 2u);
    tm_assert_str(o.replays[1], "b.gz");
    tm_assert(o.speed == 10.0);
    tm_assert_eq(o.worker_core_cnt, 2u);
    tm_assert_eq(o.watermark_bound_ns, 500 * TM_NS_PER_MS);
    tm_assert(o.json && !o.quiet);
}

Test(options, how_live_connections_travel_is_understood)
{
    tm_options_t o;
    tm_assert_eq(PARSE(&o, "--connect", "wss://host", "--proxy", "http://u:p@proxy:3128",
                       "--deflate", "no-takeover", "--tcp", "quickack,busy-poll=50,rcvbuf=4M"),
                 0);
    tm_transport_t t = tm_transport_of(&o.transport);
    tm_assert_str(t.proxy->host, "proxy");
    tm_assert_eq(t.proxy->port, 3128);
    tm_assert(t.deflate->server_no_context_takeover);
    tm_assert(t.tcp.quick_ack && !t.tcp.delay);
    tm_assert_eq(t.tcp.busy_poll_us, 50u);
    tm_assert_eq(t.tcp.receive_sz, 4u << 20);
    tm_assert_eq(PARSE(&o, "--connect", "wss://host"), 0);
    t = tm_transport_of(&o.transport);
    tm_assert(t.proxy == NULL && t.deflate == NULL && !t.tcp.delay);
}

Test(options, defaults_are_those_of_the_help_page)
{
    tm_options_t o;
    tm_assert_eq(PARSE(&o, "--replay", "a"), 0);
    tm_assert_str(o.out_dir, "out");
    tm_assert(o.speed == 0.0);
    tm_assert_eq(o.watermark_bound_ns, -1);
    tm_assert_eq(o.ring_depth, 16384u);
    tm_assert_eq(o.state_memory_sz, 256ull << 20);
}

Test(options, each_bad_value_is_refused_with_the_option_in_the_text)
{
    static char *const bad[][2] = {
        {"--speed", "fast"},          {"--speed", "0x"},         {"--speed", "-1x"},
        {"--speed", "nan"},           {"--duration", "soon"},    {"--duration", "-1s"},
        {"--worker-cores", "a"},      {"--ingest-cores", "1-"},  {"--idle", "nap"},
        {"--ring-depth", "1000"},     {"--ring-depth", "32"},    {"--state-memory", "12"},
        {"--state-memory", "64G"},    {"--watermark-bound", ""}, {"--roll-interval", "1 day"},
        {"--proxy", "ftp://host"},    {"--deflate", "yes"},      {"--tcp", "fast"},
        {"--format", "orc"},          {"--compression", "gz"},   {"--byte-ns", "0"},
        {"--roll-size", "12"},        {"--roll-idle", "a"},      {"--compact-checkpoints", "0"},
        {"--compact-size", "12"},     {"--tcp", "rcvbuf=12"},    {"--tcp", "busy-poll=0"},
        {"--tcp", "delay,,quickack"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_options_t o;
        tm_assert_eq(PARSE(&o, bad[i][0], bad[i][1]), (int)TM_E_CONFIG);
        tm_assert(strstr(tm_error_text(), bad[i][0]) != NULL);
    }
}

Test(options, unknown_options_missing_values_and_stray_words_are_refused)
{
    tm_options_t o;
    tm_assert_eq(PARSE(&o, "--nonsense"), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "--nonsense") != NULL);
    tm_assert_eq(PARSE(&o, "--out"), (int)TM_E_CONFIG);
    tm_assert_eq(PARSE(&o, "file.gz"), (int)TM_E_CONFIG);
    tm_assert_eq(PARSE(&o, "--connect", "ws://x", "--replay", "y"), (int)TM_E_CONFIG);
}

Test(duration, units_are_exact)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"15s", 15 * TM_NS_PER_S},
        {"1.5s", 1500 * TM_NS_PER_MS},
        {"7ns", 7},
        {"3", 3 * TM_NS_PER_S},
        {"500ms", 500 * TM_NS_PER_MS},
        {"2m", 120 * TM_NS_PER_S},
        {"1h", 3600 * TM_NS_PER_S},
        {"10us", 10000},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(good); i++) {
        int64_t ns = -1;
        tm_assert_eq(tm_duration_parse(good[i].text, &ns), 0);
        tm_assert_eq(ns, good[i].ns);
    }
}

Test(options, the_program_is_called_by_its_name_without_its_folder)
{
    char *words[] = {"/a/very/long/way/to/bars", "--replay", "a", NULL};
    tm_options_t o;
    tm_assert_eq(tm_options_parse(&o, 3, words), 0);
    tm_assert_str(o.program, "bars");
}
