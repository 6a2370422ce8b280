/* tidemark journal pack and unpack. */
#include "base/error.h"
#include "base/log.h"
#include "engine/cli/journal_verbs.h"
#include "engine/job/flags.h"
#include "state/journal/journal_cold.h"
#include "state/journal/journal_dir.h"
#include "state/journal/journal_reader.h"

#include <inttypes.h>
#include <stdio.h>

typedef enum pack_flag { FLAG_LEVEL, FLAG_KEEP, FLAG_HELP } pack_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_LEVEL] = {"level", "N", "zstd level, 1 to 19 (default: 3)"},
    [FLAG_KEEP] = {"keep", NULL, "leave the original beside the new file"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

typedef struct job {
    const char *verb;
    bool pack;
    tm_journal_pack_t how;
} job_t;

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    job_t *j = ctx;
    uint64_t v;
    switch ((pack_flag_t)idx) {
    case FLAG_LEVEL:
        TM_TRY(tm_number_parse("level", arg, 1, 19, &v));
        j->how.level = (int)v;
        return 0;
    case FLAG_KEEP:
        j->how.keep = true;
        return 0;
    case FLAG_HELP:
        printf(
            "usage: tidemark journal %s [OPTION...] JOURNAL\n\n"
            "JOURNAL is a folder or one segment. A segment is read back and compared before its\n"
            "other form is removed. Packed segments are read like any other.\n\n",
            j->verb);
        tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
        return 1;
    }
    return 0;
}

static int run(const job_t *j, const char *path)
{
    tm_journal_list_t list;
    tm_journal_progress_t progress;
    uint64_t raw_sz = 0, cold_sz = 0, done_sz = 0, total_sz = 0;
    uint32_t cnt = 0;
    int code = 0;
    TM_TRY(tm_journal_list(&list, path));
    for (uint32_t i = 0; i < list.cnt; i++) total_sz += list.files[i].sz;
    tm_journal_progress_start(&progress, j->verb);
    for (uint32_t i = 0; i < list.cnt && code == 0; i++) {
        const tm_journal_file_t *f = &list.files[i];
        tm_journal_pack_t how = j->how;
        tm_journal_about_t about;
        tm_journal_progress_show(&progress, done_sz, total_sz, cnt);
        done_sz += f->sz;
        if (f->cold == j->pack) continue;
        if (j->pack) {
            code = tm_journal_about(&about, f, i + 1 == list.cnt);
            if (code < 0) break;
            if (!about.sealed && i + 1 == list.cnt) continue; /* being written */
        }
        code = j->pack ? tm_journal_cold_pack(f->path, &how)
                       : tm_journal_cold_restore(f->path, &how);
        if (code < 0) break;
        cnt++;
        raw_sz += how.raw_sz;
        cold_sz += j->pack ? how.cold_sz : f->sz;
    }
    tm_journal_progress_end(&progress);
    tm_journal_list_free(&list);
    if (code < 0) return code;
    printf("%s: %u segments, %" PRIu64 " bytes plain, %" PRIu64 " packed", path, cnt, raw_sz,
           cold_sz);
    if (cold_sz) printf(" (%.2fx)", (double)raw_sz / (double)cold_sz);
    printf("\n");
    return 0;
}

static int verb_run(job_t *j, int argc, char **argv)
{
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, j);
    if (first == 0) return 0;
    if (first == argc) first = tm_error_set(TM_E_CONFIG, "which journal? see --help");
    if (first < 0) return tm_journal_verb_failed(j->verb, first);
    for (int i = first; i < argc; i++) {
        const int code = run(j, argv[i]);
        if (code < 0) return tm_journal_verb_failed(j->verb, code);
    }
    return 0;
}

int tm_journal_verb_pack(int argc, char **argv)
{
    return verb_run(&(job_t){.verb = "pack", .pack = true}, argc, argv);
}

int tm_journal_verb_unpack(int argc, char **argv)
{
    return verb_run(&(job_t){.verb = "unpack"}, argc, argv);
}
