/* tidemark venue: the simulated exchange as a program. */
#include "net/simulated/venue.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/cli/commands.h"
#include "engine/job/flags.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef enum venue_flag {
    FLAG_PORT,
    FLAG_PLAIN_PORT,
    FLAG_NO_PLAIN,
    FLAG_HOST,
    FLAG_TLS_DIR,
    FLAG_REPLAY,
    FLAG_SPEED,
    FLAG_SNAPSHOTS,
    FLAG_SEED,
    FLAG_SYMBOLS,
    FLAG_RATE,
    FLAG_TRADES,
    FLAG_DEPTH,
    FLAG_FUTURES,
    FLAG_MESSAGES,
    FLAG_DURATION,
    FLAG_WAIT_CLIENTS,
    FLAG_FAULTS,
    FLAG_DEFLATE,
    FLAG_HELP,
} venue_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_PORT] = {"port", "N", "TLS port; 0 = any free one (default: 9443)"},
    [FLAG_PLAIN_PORT] = {"plain-port", "N", "port without TLS; 0 = any free one (default: 9080)"},
    [FLAG_NO_PLAIN] = {"no-plain", NULL, "listen with TLS only"},
    [FLAG_HOST] = {"host", "ADDR", "address to listen on (default: 127.0.0.1)"},
    [FLAG_TLS_DIR] = {"tls-dir", "DIR",
                      "its CA and certificate; made at the first run (default: venue-tls)"},
    [FLAG_REPLAY] = {"replay", "FILE", "serve a captured feed instead of a generated one"},
    [FLAG_SPEED] = {"speed", "max|Nx", "pace of the capture; max = as clients drain (default: 1x)"},
    [FLAG_SNAPSHOTS] = {"snapshots", NULL, "send lines that name no stream to every client"},
    [FLAG_SEED] = {"seed", "N",
                   "seed of the market (default: 1), and, without --faults, of misbehaviour"},
    [FLAG_SYMBOLS] = {"symbols", "N", "symbols of the generated market (default: 8)"},
    [FLAG_RATE] = {"rate", "N",
                   "generated messages a second; 0 = as clients drain (default: 2000)"},
    [FLAG_TRADES] = {"trades", "PERCENT",
                     "share of trades among them, the rest are quotes (default: 30)"},
    [FLAG_DEPTH] = {"depth", "PERCENT",
                    "share of changes of books, whose whole is served under /api/v3/depth"},
    [FLAG_FUTURES] = {"futures", NULL, "books as on futures: pu, and /fapi/v1/depth"},
    [FLAG_MESSAGES] = {"messages", "N", "end after N generated messages"},
    [FLAG_DURATION] = {"duration", "TIME", "end the generated feed after this long"},
    [FLAG_WAIT_CLIENTS] = {"wait-clients", "N", "start once N clients have subscribed"},
    [FLAG_FAULTS] = {"faults", "FILE|random|none",
                     "misbehave as a script says, as the seed says, or never; docs/faults.md"},
    [FLAG_DEFLATE] = {"deflate", "LEVEL",
                      "compress for clients that offer it, 1 to 9; 0 = never (default: 1)"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

enum { PORT_TLS = 9443, PORT_PLAIN = 9080, RATE_DEFAULT = 2000 };

static _Atomic bool stop;

static void on_signal(int sig)
{
    (void)sig;
    atomic_store_explicit(&stop, true, memory_order_relaxed); /* the only shared word */
}

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: tidemark venue [OPTION...]\n\n"
        "A simulated exchange that speaks Binance's stream protocol: /ws/<stream>,\n"
        "/stream?streams=a/b, SUBSCRIBE and UNSUBSCRIBE, pings; GET /api/v3/depth of its books.\n"
        "Clients trust DIR/ca.pem. "
        "It misbehaves as a script or a seed says: docs/faults.md.\n\n");
    tm_flags_help(out, flags, TM_ARRAY_CNT(flags));
}

static int port_parse(const char *name, const char *text, uint16_t *port)
{
    uint64_t v;
    TM_TRY(tm_number_parse(name, text, 0, UINT16_MAX, &v));
    *port = (uint16_t)v;
    return 0;
}

static int count_parse(const char *name, const char *text, uint64_t max, uint32_t *out)
{
    uint64_t v;
    TM_TRY(tm_number_parse(name, text, 1, max, &v));
    *out = (uint32_t)v;
    return 0;
}

/* What the options say. */
typedef struct command {
    tm_venue_cfg_t venue; /* first */
    tm_deflate_cfg_t deflate;
    const char *faults; /* NULL = not said */
    bool seeded;
    tm_fault_plan_t *plan;
} command_t;

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    command_t *command = ctx;
    tm_venue_cfg_t *cfg = &command->venue;
    tm_venue_generator_cfg_t *g = &cfg->source.generator;
    uint64_t v;
    switch ((venue_flag_t)idx) {
    case FLAG_PORT:
        return port_parse("port", arg, &cfg->tls_port);
    case FLAG_PLAIN_PORT:
        return port_parse("plain-port", arg, &cfg->plain_port);
    case FLAG_NO_PLAIN:
        cfg->plain_off = true;
        return 0;
    case FLAG_HOST:
        cfg->host = arg;
        return 0;
    case FLAG_TLS_DIR:
        cfg->state_dir = arg;
        return 0;
    case FLAG_REPLAY:
        cfg->source.capture = arg;
        return 0;
    case FLAG_SPEED:
        return tm_speed_parse(arg, &cfg->source.speed);
    case FLAG_SNAPSHOTS:
        cfg->snapshots = true;
        return 0;
    case FLAG_SEED:
        command->seeded = true;
        return tm_number_parse("seed", arg, 0, UINT64_MAX, &g->seed);
    case FLAG_SYMBOLS:
        return count_parse("symbols", arg, TM_VENUE_SYMBOL_MAX, &g->symbol_cnt);
    case FLAG_RATE:
        TM_TRY(tm_number_parse("rate", arg, 0, 100000000, &v));
        g->rate = (double)v;
        return 0;
    case FLAG_TRADES:
        return count_parse("trades", arg, 100, &g->trade_percent);
    case FLAG_DEPTH:
        return count_parse("depth", arg, 100, &g->depth_percent);
    case FLAG_FUTURES:
        g->futures = true;
        return 0;
    case FLAG_MESSAGES:
        return tm_number_parse("messages", arg, 1, UINT64_MAX, &g->message_cnt);
    case FLAG_DURATION:
        return tm_duration_parse(arg, &g->duration_ns);
    case FLAG_WAIT_CLIENTS:
        return count_parse("wait-clients", arg, TM_VENUE_CLIENT_MAX, &cfg->wait_client_cnt);
    case FLAG_FAULTS:
        command->faults = arg;
        return 0;
    case FLAG_DEFLATE:
        TM_TRY(tm_number_parse("deflate", arg, 0, 9, &v));
        command->deflate.level = (uint8_t)v;
        return 0;
    case FLAG_HELP:
        help(stdout);
        return 1;
    }
    return 0;
}

/* A script that was made up is shown as one: it can be kept, changed and given as a file. */
static void faults_show(const tm_fault_plan_t *plan)
{
    char line[TM_FAULT_LINE_MAX];
    printf("misbehaving by %u rules, seed %" PRIu64 "\n", plan->rule_cnt, plan->seed);
    for (uint32_t i = 0; i < plan->rule_cnt; i++)
        printf("  %s\n", tm_fault_rule_show(&plan->rules[i], line));
}

static int faults_take(command_t *command)
{
    uint64_t seed = command->venue.source.generator.seed;
    if (command->deflate.level > 0) command->venue.deflate = &command->deflate;
    const char *faults = command->faults;
    if (!faults) faults = command->seeded ? "random" : "none";
    if (strcmp(faults, "none") == 0) return 0;
    if (strcmp(faults, "random") == 0) {
        command->plan = tm_fault_plan_random(seed);
        if (!command->plan) return tm_error_set(-ENOMEM, "out of memory");
    } else {
        TM_TRY(tm_fault_plan_load(&command->plan, faults, seed));
    }
    command->venue.faults = command->plan;
    return 0;
}

/* Scripts wait for this line, so it goes out at once. */
static void on_listen(void *ctx, const tm_venue_ports_t *ports)
{
    const tm_venue_cfg_t *cfg = ctx;
    if (ports->tls)
        printf("listening on wss://localhost:%u (trust %s/ca.pem)\n", ports->tls, cfg->state_dir);
    if (ports->plain) printf("listening on ws://localhost:%u\n", ports->plain);
    if (cfg->source.capture)
        printf("serving %s\n", cfg->source.capture);
    else
        printf("serving a generated market, seed %" PRIu64 "\n", cfg->source.generator.seed);
    if (cfg->faults) faults_show(cfg->faults);
    fflush(stdout);
}

static int complain(int status)
{
    fprintf(stderr, "tidemark venue: %s\n", tm_error_text());
    return status;
}

int tm_command_venue(int argc, char **argv)
{
    command_t command = {
        .venue = {.tls_port = PORT_TLS,
                  .plain_port = PORT_PLAIN,
                  .state_dir = "venue-tls",
                  .source = {.speed = 1, .generator = {.seed = 1, .rate = RATE_DEFAULT}},
                  .on_listen = on_listen},
        .deflate = {.level = 1},
    };
    tm_venue_cfg_t *cfg = &command.venue;
    cfg->ctx = cfg;
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &command);
    if (first < 0) return complain(2);
    if (first == 0) return 0;
    if (first < argc) {
        (void)tm_error_set(TM_E_CONFIG, "'%s' is not an option; see --help", argv[first]);
        return complain(2);
    }
    if (faults_take(&command) < 0) return complain(2);
    tm_clock_init();
    const struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    cfg->counters = tm_counter_set_new("venue");
    if (!cfg->counters) {
        (void)tm_error_set(-ENOMEM, "out of memory");
        return complain(1);
    }
    int err = tm_venue_run(cfg, &stop);
    free(command.plan);
    if (err < 0) return complain(1);
    printf("served %" PRIu64 " messages of %" PRIu64 " to %" PRIu64 " clients\n",
           tm_counter_sum("sent"), tm_counter_sum("messages"), tm_counter_sum("clients"));
    tm_counter_set_free(cfg->counters);
    return 0;
}
