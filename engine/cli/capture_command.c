/* tidemark capture: records any feed into a journal. */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/cli/capture_run.h"
#include "engine/cli/commands.h"
#include "engine/job/flags.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { RETRIES_MAX = 1000000 };

typedef enum capture_flag {
    FLAG_CONNECT,
    FLAG_STREAM,
    FLAG_VENUE,
    FLAG_CA_FILE,
    FLAG_RETRIES,
    FLAG_ON_CLOSE,
    FLAG_IDLE_TIMEOUT,
    FLAG_DURATION,
    FLAG_MESSAGES,
    FLAG_LABEL,
    FLAG_ROTATE,
    FLAG_KEEP,
    FLAG_SYNC,
    FLAG_BUFFER,
    FLAG_CORES,
    FLAG_DURABLE,
    FLAG_JSON,
    FLAG_QUIET,
    FLAG_HELP,
} capture_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_CONNECT] = {"connect", "URL[,URL]",
                      "feed, wss:// or ws://, and a second address of it; repeatable"},
    [FLAG_STREAM] = {"stream", "NAME",
                     "subscribe to this stream as well, on the first connection; repeatable"},
    [FLAG_VENUE] = {"venue", "NAME",
                    "how to talk to the exchange (default: by the host of the address)"},
    [FLAG_CA_FILE] = {"ca-file", "FILE", "trust the certificates in FILE instead of the system's"},
    [FLAG_RETRIES] = {"retries", "N",
                      "attempts in a row to open a connection again (default: 0 = for ever)"},
    [FLAG_ON_CLOSE] = {"on-close", "HOW",
                       "reconnect or end when it closes with 1000 (default: reconnect)"},
    [FLAG_IDLE_TIMEOUT] =
        {"idle-timeout", "TIME",
         "cut a connection that is silent so long; 0 = never (default: by venue)"},
    [FLAG_DURATION] = {"duration", "TIME", "stop this long after the first message"},
    [FLAG_MESSAGES] = {"messages", "N", "stop after N messages"},
    [FLAG_LABEL] = {"label", "TEXT", "name put into the segments (default: the first URL's host)"},
    [FLAG_ROTATE] = {"rotate", "LIMIT",
                     "begin a new segment at this size (256M) or age (1h); repeatable"},
    [FLAG_KEEP] = {"keep", "LIMIT",
                   "remove oldest segments above this size (500G) or age (7d); repeatable"},
    [FLAG_SYNC] = {"sync", "WHEN",
                   "fsync after a time, a size or each write: 100ms, 4M, each (100ms)"},
    [FLAG_BUFFER] = {"buffer", "SIZE", "memory between wire and disk, a power of 2 (default: 64M)"},
    [FLAG_CORES] = {"cores", "LIST", "cores of the receiving and the writing thread: 2,3"},
    [FLAG_DURABLE] = {"durable", "FILE",
                      "keep in FILE (8 bytes, mapped) from which sequence on a crash may cost"},
    [FLAG_JSON] = {"json", NULL, "print the summary as one JSON object"},
    [FLAG_QUIET] = {"quiet", NULL, "no start-up line, live line or summary; only warnings"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

typedef struct job {
    tm_capture_cfg_t cfg;
    const char *urls[TM_FEED_CONN_MAX];
    const char *streams[TM_FEED_STREAM_MAX];
    char label[64];
    bool json;
} job_t;

static int help(void)
{
    printf("usage: tidemark capture --connect URL [OPTION...] JOURNAL\n\n"
           "Records every message of a feed with its receive time in JOURNAL, a folder that is\n"
           "made where it is missing and continued where it holds a journal. SIGINT, SIGTERM,\n"
           "--duration or --messages end it in order. Times are 500ms, 1s, 2m, 1h, 7d; sizes 64K,\n"
           "256M, 4G.\n\n");
    tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
    return 1;
}

static int sync_parse(const char *text, tm_journal_writer_cfg_t *journal)
{
    if (strcmp(text, "each") == 0) {
        journal->sync_each = true;
        return 0;
    }
    return tm_limit_parse("sync", text, &journal->sync_sz, &journal->sync_interval_ns);
}

static int list_add(const char **list, uint32_t *cnt, uint32_t max, const char *name,
                    const char *arg)
{
    if (*cnt == max) return tm_error_set(TM_E_CONFIG, "--%s: at most %u", name, max);
    list[(*cnt)++] = arg;
    return 0;
}

static int cores_parse(const char *text, tm_capture_cfg_t *cfg)
{
    uint32_t cores[2];
    const int n = tm_cpu_list_parse(text, cores, 2);
    if (n < 0) return tm_error_context(n, "--cores");
    cfg->receive_cpu_idx = cores[0];
    if (n > 1) cfg->file_cpu_idx = cores[1];
    return 0;
}

static int retries_parse(const char *text, uint32_t *max)
{
    uint64_t v;
    TM_TRY(tm_number_parse("retries", text, 0, RETRIES_MAX, &v));
    *max = v ? (uint32_t)v : TM_RETRY_FOREVER;
    return 0;
}

static int on_close_parse(const char *text, bool *reconnect)
{
    *reconnect = strcmp(text, "reconnect") == 0;
    if (*reconnect || strcmp(text, "end") == 0) return 0;
    return tm_error_set(TM_E_CONFIG, "--on-close '%s': choose reconnect or end", text);
}

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    job_t *j = ctx;
    tm_feed_cfg_t *feed = &j->cfg.feed;
    tm_journal_writer_cfg_t *journal = &j->cfg.journal;
    switch ((capture_flag_t)idx) {
    case FLAG_CONNECT:
        return list_add(j->urls, &feed->url_cnt, TM_FEED_CONN_MAX, "connect", arg);
    case FLAG_STREAM:
        return list_add(j->streams, &feed->stream_cnt, TM_FEED_STREAM_MAX, "stream", arg);
    case FLAG_VENUE:
        feed->venue = arg;
        return 0;
    case FLAG_CA_FILE:
        feed->ca_file = arg;
        return 0;
    case FLAG_RETRIES:
        return retries_parse(arg, &feed->retry_max);
    case FLAG_ON_CLOSE:
        return on_close_parse(arg, &feed->reconnect_on_close);
    case FLAG_IDLE_TIMEOUT:
        return tm_duration_parse(arg, &feed->idle_ns);
    case FLAG_DURATION:
        return tm_duration_parse(arg, &j->cfg.duration_ns);
    case FLAG_MESSAGES:
        return tm_number_parse("messages", arg, 1, INT64_MAX, &j->cfg.message_max);
    case FLAG_LABEL:
        snprintf(j->label, sizeof j->label, "%s", arg);
        return 0;
    case FLAG_ROTATE:
        return tm_limit_parse("rotate", arg, &journal->roll_sz, &journal->roll_age_ns);
    case FLAG_KEEP:
        return tm_limit_parse("keep", arg, &journal->retain_sz, &journal->retain_age_ns);
    case FLAG_SYNC:
        return sync_parse(arg, journal);
    case FLAG_BUFFER:
        return tm_size_parse("buffer", arg, &journal->buffer_sz);
    case FLAG_CORES:
        return cores_parse(arg, &j->cfg);
    case FLAG_DURABLE:
        j->cfg.durable_path = arg;
        return 0;
    case FLAG_JSON:
        j->json = true;
        return 0;
    case FLAG_QUIET:
        j->cfg.quiet = true;
        return 0;
    case FLAG_HELP:
        return help();
    }
    return 0;
}

static void on_signal(int sig)
{
    (void)sig;
    tm_capture_stop();
}

static void label_default(job_t *j)
{
    const char *host = strstr(j->urls[0], "://");
    host = host ? host + 3 : j->urls[0];
    snprintf(
        j->label, sizeof j->label, "%.*s",
        (int)(strcspn(host, "/?") < sizeof j->label ? strcspn(host, "/?") : sizeof j->label - 1),
        host);
}

/* A bad address is a mistake of the command line, to hear of before anything is made. */
static int urls_check(const job_t *j)
{
    for (uint32_t i = 0; i < j->cfg.feed.url_cnt; i++)
        if (strncmp(j->urls[i], "wss://", 6) != 0 && strncmp(j->urls[i], "ws://", 5) != 0)
            return tm_error_set(TM_E_CONFIG, "--connect '%.200s': begin it with wss:// or ws://",
                                j->urls[i]);
    return 0;
}

static void damage_print(void *ctx, const tm_journal_damage_t *d)
{
    (void)ctx;
    char text[1400];
    tm_journal_damage_text(text, sizeof text, d);
    TM_LOG_W("journal", "%s", text);
}

static void summary_json(const tm_capture_result_t *r)
{
    printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"elapsed_s\":%.6f,\"first_seq\":%" PRIu64 ",\"next_seq\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"disconnects\":%" PRIu64 ",\"reconnects\":%" PRIu64
           ",\"segments\":%" PRIu64 ",\"removed_segments\":%" PRIu64 ",\"fsyncs\":%" PRIu64
           ",\"file_bytes\":%" PRIu64 ",\"torn_bytes\":%" PRIu64 "}\n",
           r->message_cnt, r->message_sz, r->elapsed_s, r->recovery.next_seq, r->next_seq,
           r->lost_cnt, r->disconnect_cnt, r->reconnect_cnt, r->segment_cnt, r->retired_cnt,
           r->fsync_cnt, r->file_sz, r->recovery.torn_sz);
}

static void summary_text(const job_t *j, const tm_capture_result_t *r)
{
    const double s = r->elapsed_s > 0 ? r->elapsed_s : 0;
    printf("%" PRIu64 " messages, %.1f MB in %.2f s (%.0f messages/s)\n", r->message_cnt,
           (double)r->message_sz / 1e6, s, s > 0 ? (double)r->message_cnt / s : 0);
    printf("%s: sequences %" PRIu64 " to %" PRIu64 ", %" PRIu64
           " segments, %.1f MB written, %" PRIu64 " fsyncs\n",
           j->cfg.journal.dir, r->recovery.next_seq,
           r->next_seq - (r->next_seq > r->recovery.next_seq), r->segment_cnt,
           (double)r->file_sz / 1e6, r->fsync_cnt);
    if (r->disconnect_cnt)
        printf("%" PRIu64 " disconnects, %" PRIu64 " reconnects: the exchange does not repeat what "
               "it sent in between\n",
               r->disconnect_cnt, r->reconnect_cnt);
    if (r->retired_cnt) printf("%" PRIu64 " old segments removed\n", r->retired_cnt);
}

static int run(job_t *j)
{
    tm_capture_result_t r = {0};
    const struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    const int err = tm_capture_run(&j->cfg, &r);
    if (err < 0) fprintf(stderr, "tidemark capture: %s\n", tm_error_text());
    if (r.lost_cnt)
        fprintf(stderr, "tidemark capture: the last %" PRIu64 " records could not be written\n",
                r.lost_cnt);
    if (r.recovery.torn_sz && !j->cfg.quiet)
        fprintf(stderr,
                "tidemark capture: an earlier run had ended without warning: %" PRIu64
                " bytes of a torn tail were dropped, %" PRIu64 " records kept (%s)\n",
                r.recovery.torn_sz, r.recovery.kept_cnt, r.recovery.path);
    if (j->json)
        summary_json(&r);
    else if (!j->cfg.quiet)
        summary_text(j, &r);
    if (fflush(stdout) != 0) return 1;
    return err < 0 ? err == TM_E_CONFIG ? 2 : 1 : 0;
}

int tm_command_capture(int argc, char **argv)
{
    static job_t j = {.cfg = {.receive_cpu_idx = TM_CPU_ANY, .file_cpu_idx = TM_CPU_ANY}};
    j.cfg.feed = (tm_feed_cfg_t){.urls = j.urls,
                                 .streams = j.streams,
                                 .retry_max = TM_RETRY_FOREVER,
                                 .idle_ns = TM_FEED_IDLE_VENUE,
                                 .reconnect_on_close = true};
    j.cfg.journal.on_damage = damage_print;
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &j);
    if (first == 0) return 0;
    if (first > 0 && j.cfg.feed.url_cnt == 0)
        first = tm_error_set(TM_E_CONFIG, "where from? give --connect URL; see --help");
    if (first > 0 && argc - first != 1)
        first = tm_error_set(TM_E_CONFIG, "into which JOURNAL? see --help");
    if (first > 0 && urls_check(&j) < 0) first = TM_E_CONFIG;
    if (first < 0) {
        fprintf(stderr, "tidemark capture: %s\n", tm_error_text());
        return 2;
    }
    if (!j.label[0]) label_default(&j);
    j.cfg.journal.label = j.label;
    j.cfg.journal.dir = argv[first];
    if (j.cfg.quiet) tm_log_level_set(TM_LOG_WARN);
    tm_clock_init();
    return run(&j);
}
