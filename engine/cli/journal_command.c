/* tidemark journal: looks into captures, checks them, turns them into other forms and back. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/cli/commands.h"
#include "engine/cli/journal_verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verb_t;

static const verb_t verbs[] = {
    {"ls", tm_journal_verb_ls, "list segments: sequences, times, counts, state, connections"},
    {"verify", tm_journal_verb_verify, "read everything and name each damage by file and offset"},
    {"cat", tm_journal_verb_cat, "print records as JSON lines"},
    {"export", tm_journal_verb_export, "write records in the form of another recorder"},
    {"import", tm_journal_verb_import, "make a journal of captures taken elsewhere"},
    {"pack", tm_journal_verb_pack, "compress finished segments (zstd blocks)"},
    {"unpack", tm_journal_verb_unpack, "restore packed segments byte for byte"},
};

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: tidemark journal VERB [OPTION...]\n\n");
    for (size_t i = 0; i < TM_ARRAY_CNT(verbs); i++)
        fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
    fprintf(out, "\ntidemark journal VERB --help explains each.\n");
    return status;
}

int tm_command_journal(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    tm_clock_init();
    for (size_t i = 0; i < TM_ARRAY_CNT(verbs); i++)
        if (strcmp(verb, verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0) return usage(stdout, 0);
    if (verb[0]) fprintf(stderr, "tidemark journal: there is no verb '%s'\n\n", verb);
    return usage(stderr, 2);
}

int tm_journal_verb_failed(const char *verb, int code)
{
    tm_log_status(NULL);
    fprintf(stderr, "tidemark journal %s: %s\n", verb, tm_error_text());
    return code == TM_E_CONFIG ? 2 : 1;
}

void tm_journal_progress_start(tm_journal_progress_t *p, const char *verb)
{
    *p = (tm_journal_progress_t){.verb = verb, .start_ns = tm_clock_mono_ns()};
}

void tm_journal_progress_show(tm_journal_progress_t *p, uint64_t done_sz, uint64_t total_sz,
                              uint64_t record_cnt)
{
    const int64_t now_ns = tm_clock_mono_ns();
    if (now_ns - p->shown_ns < 100 * TM_NS_PER_MS) return;
    p->shown_ns = now_ns;
    const double s = (double)(now_ns - p->start_ns) / 1e9, mb = (double)done_sz / 1e6;
    char bar[21], text[200];
    const uint64_t full = total_sz ? done_sz * 20 / total_sz : 0;
    for (uint64_t i = 0; i < 20; i++) bar[i] = i < full ? '#' : '.';
    bar[20] = '\0';
    if (total_sz)
        snprintf(text, sizeof text, "%s [%s] %3u %%  %.0f MB  %.0f MB/s  %" PRIu64 " records",
                 p->verb, bar, (unsigned)(done_sz * 100 / total_sz), mb, s > 0 ? mb / s : 0,
                 record_cnt);
    else
        snprintf(text, sizeof text, "%s  %.0f MB  %.0f MB/s  %" PRIu64 " records", p->verb, mb,
                 s > 0 ? mb / s : 0, record_cnt);
    tm_log_status(text);
}

void tm_journal_progress_end(tm_journal_progress_t *p)
{
    (void)p;
    tm_log_status(NULL);
}
