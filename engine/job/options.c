#include "engine/job/options.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/stamp.h"
#include "engine/job/flags.h"

#include <stdlib.h>
#include <string.h>

enum { RETRIES_DEFAULT = 10, RETRIES_MAX = 1000000 };
enum { RING_DEPTH_DEFAULT = 1 << 14, RING_DEPTH_MIN = 1 << 6, RING_DEPTH_MAX = 1 << 20 };

#define STATE_MEMORY_DEFAULT (UINT64_C(256) << 20)
#define STATE_MEMORY_MIN     (UINT64_C(1) << 20)
#define STATE_MEMORY_MAX     (UINT64_C(32) << 30)

typedef enum option_id {
    OPT_CONNECT,
    OPT_STREAM,
    OPT_VENUE,
    OPT_CA_FILE,
    OPT_PROXY,
    OPT_DEFLATE,
    OPT_TCP,
    OPT_RETRIES,
    OPT_RETRY_DELAY,
    OPT_ON_CLOSE,
    OPT_IDLE_TIMEOUT,
    OPT_STREAM_TIMEOUT,
    OPT_ROTATE,
    OPT_REPLAY,
    OPT_SPEED,
    OPT_FROM,
    OPT_TO,
    OPT_JOURNAL,
    OPT_JOURNAL_KEEP,
    OPT_CHECKPOINTS,
    OPT_CHECKPOINT_INTERVAL,
    OPT_CHECKPOINT_TIMEOUT,
    OPT_CHECKPOINT_PAUSE,
    OPT_CHECKPOINT_FAILURES,
    OPT_CHECKPOINT_KEEP,
    OPT_RESTORE,
    OPT_RESTART,
    OPT_SAVEPOINT,
    OPT_ALLOW_DROPPED,
    OPT_OUT,
    OPT_FORMAT,
    OPT_COMPRESSION,
    OPT_BYTE_NS,
    OPT_BOOK_LISTS,
    OPT_BLOOM,
    OPT_BUCKET,
    OPT_ROLL_INTERVAL,
    OPT_ROLL_IDLE,
    OPT_ROLL_SIZE,
    OPT_COMPACT_CHECKPOINTS,
    OPT_COMPACT_SIZE,
    OPT_DEAD_LETTERS,
    OPT_DEAD_LETTER_JOURNAL,
    OPT_WATERMARK_BOUND,
    OPT_DURATION,
    OPT_INGEST_CORES,
    OPT_WORKER_CORES,
    OPT_IDLE,
    OPT_RING_DEPTH,
    OPT_STATE_MEMORY,
    OPT_EXPLAIN,
    OPT_JSON,
    OPT_QUIET,
    OPT_HELP,
    OPT_VERSION,
} option_id_t;

/* In the order of the help page. */
static const tm_flag_t table[] = {
    [OPT_CONNECT] = {"connect", "URL[,URL]",
                     "live feed, wss:// or ws://; of two the first copy wins; repeatable"},
    [OPT_STREAM] = {"stream", "NAME[,NAME]",
                    "subscribe to them as well; of a replay: take only them, or btcusdt@*"},
    [OPT_VENUE] = {"venue", "NAME",
                   "binance[-usdm|-coinm], bybit, okx, coinbase, kraken (by the host)"},
    [OPT_CA_FILE] = {"ca-file", "FILE", "trust the certificates in FILE instead of the system's"},
    [OPT_PROXY] = {"proxy", "URL",
                   "reach live feeds through http://[user:password@]host[:port] (CONNECT)"},
    [OPT_DEFLATE] = {"deflate", "HOW",
                     "compression of live feeds: off, takeover or no-takeover (default: off)"},
    [OPT_TCP] = {"tcp", "LIST",
                 "of live sockets: delay, quickack, busy-poll=MICROSECONDS, rcvbuf=SIZE"},
    [OPT_RETRIES] = {"retries", "N",
                     "attempts in a row to open a feed again; 0 = for ever (default: 10)"},
    [OPT_RETRY_DELAY] = {"retry-delay", "TIME",
                         "wait before the first of them; doubles up to 60s (default: 1s)"},
    [OPT_ON_CLOSE] = {"on-close", "HOW",
                      "end or reconnect when a live feed closes with 1000 (default: end)"},
    [OPT_IDLE_TIMEOUT] = {"idle-timeout", "TIME",
                          "cut a feed that is silent so long; 0 = never (default: the venue's)"},
    [OPT_STREAM_TIMEOUT] = {"stream-timeout", "TIME",
                            "name streams that have not spoken by then (default: 60s)"},
    [OPT_ROTATE] = {"rotate", "TIME",
                    "replace a live connection at this age (default: the venue's)"},
    [OPT_REPLAY] = {"replay", "FILE", "captured feed or journal instead of a live one; repeatable"},
    [OPT_SPEED] = {"speed", "max|Nx", "pace of a replay: 1x as recorded, 10x, max (default: max)"},
    [OPT_FROM] = {"from", "TIME", "start a replay at the first message received at or after TIME"},
    [OPT_TO] = {"to", "TIME", "end a replay before the first message received at or after TIME"},
    [OPT_JOURNAL] = {"journal", "DIR", "record every frame in DIR, before its rows count"},
    [OPT_JOURNAL_KEEP] = {"journal-keep", "LIMIT",
                          "remove its oldest segments above this size (500G) or age (7d)"},
    [OPT_CHECKPOINTS] = {"checkpoints", "DIR",
                         "keep state and positions in DIR: a job that is killed loses nothing"},
    [OPT_CHECKPOINT_INTERVAL] = {"checkpoint-interval", "TIME",
                                 "from one checkpoint to the next (default: 10s)"},
    [OPT_CHECKPOINT_TIMEOUT] = {"checkpoint-timeout", "TIME",
                                "give up one that takes longer (default: 10m)"},
    [OPT_CHECKPOINT_PAUSE] = {"checkpoint-pause", "TIME",
                              "at least, from the end of one to the next (default: 0)"},
    [OPT_CHECKPOINT_FAILURES] = {"checkpoint-failures", "N",
                                 "failed ones in a row that do not end the job (default: 0)"},
    [OPT_CHECKPOINT_KEEP] = {"checkpoint-keep", "N", "complete ones to keep (default: 2)"},
    [OPT_RESTORE] = {"restore", "latest|none|DIR", "go on from this checkpoint (default: latest)"},
    [OPT_RESTART] = {"restart", "HOW",
                     "when it fails: none, fixed:3,1s, rate:3,10m,1s or exponential"},
    [OPT_SAVEPOINT] = {"stop-with-savepoint", "PATH",
                       "when it ends, keep its last checkpoint for good in PATH"},
    [OPT_ALLOW_DROPPED] =
        {"allow-dropped-state", NULL,
         "go on from a checkpoint without state that the job has no more use for"},
    [OPT_OUT] = {"out", "DIR", "folder for the results (default: out)"},
    [OPT_FORMAT] = {"format", "NAME", "of part files: parquet, csv or jsonl (default: the job's)"},
    [OPT_COMPRESSION] = {"compression", "NAME",
                         "of Parquet: zstd, lz4, mixed or none (default: the job's)"},
    [OPT_BYTE_NS] = {"byte-ns", "N",
                     "of Parquet: time in ns that a byte less may cost (default: 7)"},
    [OPT_BOOK_LISTS] = {"book-lists", NULL,
                        "of Parquet: levels of a book as lists, a row a message"},
    [OPT_BLOOM] = {"bloom", "FIELDS",
                   "of Parquet: fields that get a Bloom filter: symbol,trade_id"},
    [OPT_BUCKET] = {"bucket", "PATTERN",
                    "folder of a row's part: strftime, {field} for a value; '' = none"},
    [OPT_ROLL_INTERVAL] = {"roll-interval", "TIME",
                           "finish a part file when it is this old (default: 60s)"},
    [OPT_ROLL_IDLE] = {"roll-idle", "TIME",
                       "or when nothing was written to it for so long (default: 60s)"},
    [OPT_ROLL_SIZE] = {"roll-size", "SIZE", "or when it is larger than 64M, 1G (default: 128M)"},
    [OPT_COMPACT_CHECKPOINTS] = {"compact-checkpoints", "N",
                                 "merge small Parquet parts of N checkpoints before they are seen"},
    [OPT_COMPACT_SIZE] = {"compact-size", "SIZE",
                          "or once they have this size; larger ones are not small (default: 128M)"},
    [OPT_DEAD_LETTERS] = {"dead-letters", "FILE",
                          "write messages that could not be parsed to FILE"},
    [OPT_DEAD_LETTER_JOURNAL] = {"dead-letter-journal", "DIR",
                                 "keep them in a journal, as they come; the newest 64 MiB"},
    [OPT_WATERMARK_BOUND] = {"watermark-bound", "TIME",
                             "how much rows may be out of order (default: 1s)"},
    [OPT_DURATION] = {"duration", "TIME", "stop, in order, after this long"},
    [OPT_INGEST_CORES] = {"ingest-cores", "LIST", "cores for ingest threads, one each: 0 or 0,1"},
    [OPT_WORKER_CORES] = {"worker-cores", "LIST",
                          "cores for workers, one each; a core may be shared"},
    [OPT_IDLE] = {"idle", "HOW", "spin, yield or park when there is nothing to do (default: auto)"},
    [OPT_RING_DEPTH] = {"ring-depth", "ROWS", "rows a ring holds, a power of two (default: 16384)"},
    [OPT_STATE_MEMORY] = {"state-memory", "SIZE",
                          "keyed state of a worker: 64M, 4G (default: 256M)"},
    [OPT_EXPLAIN] = {"explain", NULL, "print the graph, its threads and rings, and run nothing"},
    [OPT_JSON] = {"json", NULL, "print the summary as one JSON object on the last line"},
    [OPT_QUIET] = {"quiet", NULL, "no start-up page, live line or summary; only warnings"},
    [OPT_HELP] = {"help", NULL, "print this page"},
    [OPT_VERSION] = {"version", NULL, "print the version"},
};

/* The help page's headings, each above its first option. */
static const struct {
    const char *heading;
    option_id_t first;
} sections[] = {
    {"Live feeds", OPT_CONNECT},
    {"Replays", OPT_REPLAY},
    {"Recording", OPT_JOURNAL},
    {"Checkpoints", OPT_CHECKPOINTS},
    {"Results", OPT_OUT},
    {"Time", OPT_WATERMARK_BOUND},
    {"Threads and memory", OPT_INGEST_CORES},
    {"What it prints", OPT_EXPLAIN},
};

void tm_options_help(FILE *out, const char *program)
{
    fprintf(out,
            "usage: %s (--connect URL | --replay FILE) [--out DIR] [options]\n\n"
            "Times are 500ms, 1s, 2m, 1h; of --from and --to 2024-08-08T23:54:14.5Z (or a front\n"
            "part of it), 19 digits of nanoseconds, or @<Unix seconds>. Cores are numbers and\n"
            "ranges: 0,2-3.\n",
            program);
    for (size_t i = 0; i < TM_ARRAY_CNT(sections); i++) {
        const bool last = i + 1 == TM_ARRAY_CNT(sections);
        const size_t end = last ? TM_ARRAY_CNT(table) : sections[i + 1].first;
        fprintf(out, "\n%s\n", sections[i].heading);
        tm_flags_help(out, &table[sections[i].first], (uint32_t)(end - sections[i].first));
    }
}

static int list_add(const char **list, uint32_t *cnt, const char *name, const char *value)
{
    if (*cnt == TM_OPTION_LIST_MAX)
        return tm_error_set(TM_E_CONFIG, "--%s: at most %d may be given", name, TM_OPTION_LIST_MAX);
    list[(*cnt)++] = value;
    return 0;
}

static int cores_parse(const char *name, const char *text, uint32_t *cores, uint32_t *cnt)
{
    int n = tm_cpu_list_parse(text, cores, TM_OPTION_CORE_MAX);
    if (n < 0) return tm_error_context(n, "--%s", name);
    *cnt = (uint32_t)n;
    return 0;
}

static int idle_parse(const char *text, tm_idle_kind_t *kind)
{
    static const char *const names[] = {"auto", "spin", "yield", "park"};
    for (size_t i = 0; i < TM_ARRAY_CNT(names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *kind = (tm_idle_kind_t)i;
        return 0;
    }
    return tm_error_set(TM_E_CONFIG, "--idle '%s': choose spin, yield, park or auto", text);
}

static int retries_parse(const char *text, uint32_t *max)
{
    uint64_t v;
    TM_TRY(tm_number_parse("retries", text, 0, RETRIES_MAX, &v));
    *max = v == 0 ? UINT32_MAX : (uint32_t)v;
    return 0;
}

static int on_close_parse(const char *text, bool *reconnect)
{
    *reconnect = strcmp(text, "reconnect") == 0;
    if (*reconnect || strcmp(text, "end") == 0) return 0;
    return tm_error_set(TM_E_CONFIG, "--on-close '%s': choose end or reconnect", text);
}

static int ring_depth_parse(const char *text, uint32_t *depth)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || !tm_is_pow2(v) || v < RING_DEPTH_MIN || v > RING_DEPTH_MAX)
        return tm_error_set(TM_E_CONFIG, "--ring-depth '%s': a power of two from %d to %d", text,
                            RING_DEPTH_MIN, RING_DEPTH_MAX);
    *depth = (uint32_t)v;
    return 0;
}

static int state_memory_parse(const char *text, uint64_t *sz)
{
    char *end;
    double v = strtod(text, &end);
    bool giga = strcmp(end, "G") == 0;
    uint64_t bytes = v > 0 && v < 1e6 ? (uint64_t)(v * (giga ? 1 << 30 : 1 << 20)) : 0;
    if (end == text || !(giga || strcmp(end, "M") == 0) || bytes < STATE_MEMORY_MIN ||
        bytes > STATE_MEMORY_MAX)
        return tm_error_set(TM_E_CONFIG, "--state-memory '%s': write 1M to 32G", text);
    *sz = bytes;
    return 0;
}

static int duration_option(const char *name, const char *text, int64_t *out_ns)
{
    int err = tm_duration_parse(text, out_ns);
    return err < 0 ? tm_error_context(err, "--%s", name) : 0;
}

static int flag_set(bool *out)
{
    *out = true;
    return 0;
}

static int stamp_option(tm_options_t *o, bool from, const char *text)
{
    int err = tm_stamp_parse(text, from ? &o->replay_from_ns : &o->replay_to_ns);
    return err < 0 ? tm_error_context(err, from ? "--from" : "--to") : 0;
}

static int text_option(const char **option, const char *arg)
{
    *option = arg;
    return 0;
}

static int transport_option(tm_transport_options_t *o, uint32_t id, const char *arg)
{
    if (id == OPT_PROXY) return tm_transport_take_proxy(o, arg);
    return id == OPT_TCP ? tm_transport_take_tcp(o, arg) : tm_transport_take_deflate(o, arg);
}

/* The options that are a duration. */
static int time_option(tm_options_t *o, uint32_t id, const char *arg)
{
    if (id == OPT_IDLE_TIMEOUT) return duration_option("idle-timeout", arg, &o->idle_timeout_ns);
    if (id == OPT_RETRY_DELAY) return duration_option("retry-delay", arg, &o->retry_delay_ns);
    if (id == OPT_ROTATE) return duration_option("rotate", arg, &o->rotate_ns);
    if (id == OPT_STREAM_TIMEOUT)
        return duration_option("stream-timeout", arg, &o->stream_timeout_ns);
    if (id == OPT_DURATION) return duration_option("duration", arg, &o->duration_ns);
    return duration_option("watermark-bound", arg, &o->watermark_bound_ns);
}

/* Where rows come from: --connect to --journal-keep. */
static int input_option(tm_options_t *o, uint32_t id, const char *arg)
{
    switch (id) {
    case OPT_CONNECT:
        return list_add(o->connects, &o->connect_cnt, "connect", arg);
    case OPT_STREAM:
        return list_add(o->streams, &o->stream_cnt, "stream", arg);
    case OPT_REPLAY:
        return list_add(o->replays, &o->replay_cnt, "replay", arg);
    case OPT_VENUE:
        return text_option(&o->venue, arg);
    case OPT_CA_FILE:
        return text_option(&o->ca_file, arg);
    case OPT_PROXY:
    case OPT_DEFLATE:
    case OPT_TCP:
        return transport_option(&o->transport, id, arg);
    case OPT_RETRIES:
        return retries_parse(arg, &o->retry_max);
    case OPT_ON_CLOSE:
        return on_close_parse(arg, &o->reconnect_on_close);
    case OPT_SPEED:
        return tm_speed_parse(arg, &o->speed);
    case OPT_FROM:
    case OPT_TO:
        return stamp_option(o, id == OPT_FROM, arg);
    case OPT_JOURNAL:
        return text_option(&o->journal_dir, arg);
    case OPT_JOURNAL_KEEP:
        return tm_limit_parse("journal-keep", arg, &o->journal_keep_sz, &o->journal_keep_ns);
    default:
        return time_option(o, id, arg);
    }
}

/* Where results go: --out to --dead-letter-journal. */
static int output_option(tm_options_t *o, uint32_t id, const char *arg)
{
    switch (id) {
    case OPT_OUT:
        return text_option(&o->out_dir, arg);
    case OPT_DEAD_LETTERS:
        return text_option(&o->dead_letter_file, arg);
    case OPT_DEAD_LETTER_JOURNAL:
        return text_option(&o->dead_letter_dir, arg);
    default:
        return time_option(o, id, arg);
    }
}

/* How the job runs and what it says. */
static int run_option(tm_options_t *o, uint32_t id, const char *arg)
{
    switch (id) {
    case OPT_INGEST_CORES:
        return cores_parse("ingest-cores", arg, o->ingest_cores, &o->ingest_core_cnt);
    case OPT_WORKER_CORES:
        return cores_parse("worker-cores", arg, o->worker_cores, &o->worker_core_cnt);
    case OPT_IDLE:
        return idle_parse(arg, &o->idle);
    case OPT_RING_DEPTH:
        return ring_depth_parse(arg, &o->ring_depth);
    case OPT_STATE_MEMORY:
        return state_memory_parse(arg, &o->state_memory_sz);
    case OPT_EXPLAIN:
        return flag_set(&o->explain);
    case OPT_JSON:
        return flag_set(&o->json);
    case OPT_QUIET:
        return flag_set(&o->quiet);
    case OPT_HELP:
        return tm_options_help(stdout, o->program), 1;
    case OPT_VERSION:
        return printf("tidemark %s\n", TM_VERSION) > 0;
    default:
        return time_option(o, id, arg);
    }
}

static int apply(void *ctx, uint32_t id, const char *arg)
{
    tm_options_t *o = ctx;
    if (id < OPT_CHECKPOINTS) return input_option(o, id, arg);
    if (id <= OPT_ALLOW_DROPPED)
        return tm_checkpoint_options_take(&o->checkpoint,
                                          (tm_checkpoint_option_t)(id - OPT_CHECKPOINTS), arg);
    if (id >= OPT_FORMAT && id <= OPT_COMPACT_SIZE)
        return tm_part_flags_take(&o->parts, (tm_part_flag_t)(id - OPT_FORMAT), arg);
    if (id <= OPT_DEAD_LETTER_JOURNAL) return output_option(o, id, arg);
    return run_option(o, id, arg);
}

/* The last part of the path: what a person calls the job, however it was started. */
static const char *program_name(int argc, char **argv)
{
    if (argc == 0) return "job";
    const char *slash = strrchr(argv[0], '/');
    return slash ? slash + 1 : argv[0];
}

int tm_options_parse(tm_options_t *opts, int argc, char **argv)
{
    *opts = (tm_options_t){
        .program = program_name(argc, argv),
        .out_dir = "out",
        .watermark_bound_ns = -1,
        .retry_max = RETRIES_DEFAULT,
        .idle_timeout_ns = -1,
        .ring_depth = RING_DEPTH_DEFAULT,
        .state_memory_sz = STATE_MEMORY_DEFAULT,
        .checkpoint = tm_checkpoint_options_default(),
    };
    int first = tm_flags_parse(table, TM_ARRAY_CNT(table), argc, argv, apply, opts);
    if (first <= 0) return first < 0 ? first : 1;
    if (first < argc)
        return tm_error_set(TM_E_CONFIG, "'%s' is not an option; see --help", argv[first]);
    if (opts->connect_cnt > 0 && opts->replay_cnt > 0)
        return tm_error_set(TM_E_CONFIG, "--connect and --replay exclude each other");
    if (opts->replay_cnt == 0 && (opts->replay_from_ns || opts->replay_to_ns))
        return tm_error_set(TM_E_CONFIG, "--from and --to choose from a recording: give --replay");
    if (opts->replay_to_ns && opts->replay_to_ns <= opts->replay_from_ns)
        return tm_error_set(TM_E_CONFIG, "--to must be later than --from");
    return tm_checkpoint_options_check(&opts->checkpoint);
}
