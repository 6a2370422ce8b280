/* tidemark journal import: a capture taken elsewhere becomes a journal. */
#include "base/error.h"
#include "base/log.h"
#include "engine/cli/journal_text.h"
#include "engine/cli/journal_verbs.h"
#include "engine/job/flags.h"
#include "net/replay/archive.h"
#include "state/journal/frame_parquet.h"
#include "state/journal/journal_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SZ = 1 << 20, LINE_SZ_MAX = 64 << 20, CONN_MAX = 256, ROWS_A_FLUSH = 4096 };

typedef enum import_flag {
    FLAG_FORMAT,
    FLAG_LABEL,
    FLAG_CONN,
    FLAG_SEGMENT,
    FLAG_SKIP,
    FLAG_HELP
} import_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_FORMAT] = {"format", "NAME",
                     "lines, cryptofeed, tardis, json, parquet (default: by the first line)"},
    [FLAG_LABEL] = {"label", "TEXT", "name put into the segments"},
    [FLAG_CONN] = {"conn", "N", "connection of the first file, the next has N + 1 (default: 0)"},
    [FLAG_SEGMENT] = {"segment", "MIB", "size of a segment (default: 256)"},
    [FLAG_SKIP] = {"skip-bad", NULL, "leave out lines that cannot be read, with a warning"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

typedef struct job {
    tm_journal_form_t form;
    bool skip_bad;
    uint64_t conn_first, segment_mib;
    tm_journal_writer_cfg_t cfg;
    tm_journal_writer_t *w;
    tm_journal_progress_t progress;
    uint64_t record_cnt, bad_cnt, done_sz;
} job_t;

/* One file being read. */
typedef struct input {
    job_t *job;
    const char *path;
    tm_archive_t *archive;
    tm_journal_form_t form;
    uint32_t conn_idx;
    uint64_t line_cnt;
    uint8_t *buf;
    size_t cap_sz, sz;
    tm_journal_line_t scratch;
} input_t;

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    job_t *j = ctx;
    switch ((import_flag_t)idx) {
    case FLAG_FORMAT:
        return tm_journal_form_parse(arg, &j->form);
    case FLAG_LABEL:
        j->cfg.label = arg;
        return 0;
    case FLAG_CONN:
        return tm_number_parse("conn", arg, 0, UINT32_MAX - CONN_MAX, &j->conn_first);
    case FLAG_SEGMENT:
        return tm_number_parse("segment", arg, 1, 16384, &j->segment_mib);
    case FLAG_SKIP:
        j->skip_bad = true;
        return 0;
    case FLAG_HELP:
        printf(
            "usage: tidemark journal import [OPTION...] FILE... JOURNAL\n\n"
            "Reads captures, plain, gzip or xz, and appends their messages to JOURNAL, a folder\n"
            "that is made where it is missing. Receive times are kept to the nanosecond. Forms:\n"
            "  lines       <ns, 19 digits, or us, 16 digits> <message>      (hftbacktest)\n"
            "  cryptofeed  <seconds>: <message>, and its connect and subscribe lines\n"
            "  tardis      2024-08-08T23:54:14.0247230Z <message>\n"
            "  json        what export --format json writes\n"
            "  parquet     columns recv_time and message, or all that export writes\n\n");
        tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
        return 1;
    }
    return 0;
}

static int entry_append(job_t *j, const tm_journal_entry_t *e)
{
    int64_t seq;
    while ((seq = tm_journal_append(j->w, e)) == -EAGAIN) TM_TRY(tm_journal_flush_work(j->w));
    if (seq < 0) return (int)seq;
    j->record_cnt++;
    return 0;
}

static int line_import(job_t *j, input_t *in, const char *line, size_t sz)
{
    tm_journal_said_t said;
    in->line_cnt++;
    if (sz > 0 && line[sz - 1] == '\r') sz--;
    if (sz == 0) return 0;
    int code = 0;
    if (in->form == TM_JOURNAL_FORM_AUTO) {
        in->form = tm_journal_form_guess(line, sz);
        if (in->form == TM_JOURNAL_FORM_AUTO)
            code = tm_error_set(TM_E_SYNTAX, "not a line of a known form; --help lists them");
    }
    if (code == 0) code = tm_journal_text_take(&said, in->form, line, sz, &in->scratch);
    if (code == 0 && said.payload_sz > UINT32_MAX)
        code = tm_error_set(TM_E_LIMIT, "a message of %zu bytes", said.payload_sz);
    if (code == 0) {
        const tm_journal_entry_t e = {.data = said.payload,
                                      .sz = (uint32_t)said.payload_sz,
                                      .conn_idx = in->conn_idx + said.conn_idx,
                                      .recv_ns = said.recv_ns,
                                      .stream = said.stream,
                                      .kind = said.kind,
                                      .flags = said.flags};
        code = entry_append(j, &e);
    }
    if (code == 0) return 0;
    tm_error_context(code, "%s:%" PRIu64, in->path, in->line_cnt);
    if (!j->skip_bad || (code != TM_E_SYNTAX && code != TM_E_LIMIT)) return code;
    j->bad_cnt++;
    TM_LOG_W("journal", "%s; left out", tm_error_text());
    return 0;
}

/* Gives whole lines of the buffer on and moves the rest to its front. */
static int lines_import(job_t *j, input_t *in, bool last)
{
    size_t at = 0;
    while (at < in->sz) {
        const char *line = (const char *)in->buf + at;
        const char *nl = memchr(line, '\n', in->sz - at);
        if (!nl && !last) break;
        const size_t sz = nl ? (size_t)(nl - line) : in->sz - at;
        TM_TRY(line_import(j, in, line, sz));
        at += sz + (nl != NULL);
    }
    memmove(in->buf, in->buf + at, in->sz - at);
    in->sz -= at;
    if (in->sz < in->cap_sz) return 0;
    if (in->cap_sz >= LINE_SZ_MAX)
        return tm_error_set(TM_E_LIMIT, "%s:%" PRIu64 ": a line of more than %d MiB", in->path,
                            in->line_cnt + 1, LINE_SZ_MAX >> 20);
    uint8_t *buf = realloc(in->buf, in->cap_sz * 2);
    if (!buf) return tm_error_set(-ENOMEM, "%s: no memory for a line", in->path);
    in->buf = buf;
    in->cap_sz *= 2;
    return 0;
}

static int input_run(job_t *j, input_t *in)
{
    for (;;) {
        const int64_t n = tm_archive_read(in->archive, in->buf + in->sz, in->cap_sz - in->sz);
        if (n < 0) { /* what came before a damage is kept */
            char why[TM_ERROR_TEXT_MAX];
            snprintf(why, sizeof why, "%s", tm_error_text());
            TM_TRY(lines_import(j, in, false));
            return tm_error_set((int)n, "%s", why);
        }
        in->sz += (size_t)n;
        TM_TRY(lines_import(j, in, n == 0));
        TM_TRY(tm_journal_flush_work(j->w));
        tm_journal_progress_show(&j->progress, tm_archive_done_sz(in->archive),
                                 tm_archive_file_sz(in->archive), j->record_cnt);
        if (n == 0) return 0;
    }
}

/* A row of a Parquet file; the file's own connection numbers count from this file's. */
static int row_import(void *ctx, const tm_journal_entry_t *entry)
{
    input_t *in = ctx;
    job_t *j = in->job;
    tm_journal_entry_t e = *entry;
    e.conn_idx += in->conn_idx;
    TM_TRY(entry_append(j, &e));
    if (j->record_cnt % ROWS_A_FLUSH == 0) {
        TM_TRY(tm_journal_flush_work(j->w));
        tm_journal_progress_show(&j->progress, j->done_sz, 0, j->record_cnt);
    }
    j->done_sz += e.sz;
    return 0;
}

static bool is_parquet(const char *path)
{
    char head[4];
    FILE *f = fopen(path, "rb");
    const bool is = f && fread(head, 1, sizeof head, f) == sizeof head &&
                    memcmp(head, "PAR1", sizeof head) == 0;
    if (f) fclose(f);
    return is;
}

static int file_import(job_t *j, const char *path, uint32_t conn_idx)
{
    input_t in = {
        .job = j, .path = path, .form = j->form, .conn_idx = conn_idx, .cap_sz = BLOCK_SZ};
    if (j->form == TM_JOURNAL_FORM_PARQUET || (j->form == TM_JOURNAL_FORM_AUTO && is_parquet(path)))
        return tm_frame_parquet_read(path, row_import, &in);
    TM_TRY(tm_archive_open(&in.archive, path));
    in.buf = malloc(in.cap_sz);
    const int code = in.buf ? input_run(j, &in) : tm_error_set(-ENOMEM, "%s: no memory", path);
    tm_archive_close(in.archive);
    free(in.buf);
    free(in.scratch.text);
    return code;
}

static int run(job_t *j, int argc, char **argv)
{
    tm_journal_recovery_t rec;
    j->cfg.dir = argv[argc - 1];
    j->cfg.roll_sz = j->segment_mib << 20;
    j->cfg.sync_interval_ns = -1; /* the end is what counts */
    TM_TRY(tm_journal_writer_open(&j->w, &j->cfg, &rec));
    tm_journal_progress_start(&j->progress, "import");
    int code = 0;
    for (int i = 0; i + 1 < argc && code == 0; i++)
        code = file_import(j, argv[i], (uint32_t)j->conn_first + (uint32_t)i);
    char why[TM_ERROR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", tm_error_text());
    tm_journal_progress_end(&j->progress);
    const uint64_t first_seq = rec.next_seq;
    const int closed = tm_journal_writer_close(j->w);
    if (code < 0)
        return tm_error_set(code, "%s (%" PRIu64 " records before it are in the journal)", why,
                            j->record_cnt);
    if (closed < 0) return closed;
    printf("%s: %" PRIu64 " records, sequences %" PRIu64 " to %" PRIu64 "\n", j->cfg.dir,
           j->record_cnt, first_seq, first_seq + j->record_cnt - (j->record_cnt > 0));
    if (j->bad_cnt) printf("%" PRIu64 " lines left out\n", j->bad_cnt);
    return 0;
}

int tm_journal_verb_import(int argc, char **argv)
{
    job_t j = {0};
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &j);
    if (first == 0) return 0;
    if (first > 0 && argc - first < 2)
        first = tm_error_set(TM_E_CONFIG, "which FILE, and into which JOURNAL? see --help");
    if (first > 0 && j.form == TM_JOURNAL_FORM_RAW)
        first = tm_error_set(TM_E_CONFIG,
                             "--format raw has no receive times and cannot be imported");
    if (first < 0) return tm_journal_verb_failed("import", first);
    const int code = run(&j, argc - first, argv + first);
    return code < 0 ? tm_journal_verb_failed("import", code) : 0;
}
