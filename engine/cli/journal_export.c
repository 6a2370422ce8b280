/* tidemark journal cat and export. */
#include "base/error.h"
#include "base/log.h"
#include "base/stamp.h"
#include "engine/cli/journal_text.h"
#include "engine/cli/journal_verbs.h"
#include "engine/cli/line_out.h"
#include "engine/job/flags.h"
#include "net/replay/stream_filter.h"
#include "net/ws/utf8.h"
#include "state/journal/frame_parquet.h"
#include "state/journal/journal_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VIEW_CNT = 512, CONN_MAX = 256, URL_SZ = 400 };

typedef enum export_flag {
    FLAG_FORMAT,
    FLAG_OUT,
    FLAG_FROM,
    FLAG_TO,
    FLAG_FROM_SEQ,
    FLAG_CONN,
    FLAG_STREAM,
    FLAG_LIMIT,
    FLAG_STRICT,
    FLAG_HELP
} export_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_FORMAT] = {"format", "NAME",
                     "lines, cryptofeed, tardis, json, raw, parquet (default: json, lines)"},
    [FLAG_OUT] = {"out", "FILE",
                  "write there; gzip where the name ends in .gz (default: standard output)"},
    [FLAG_FROM] = {"from", "TIME", "start at the first record received at or after TIME"},
    [FLAG_TO] = {"to", "TIME", "end before the first record received at or after TIME"},
    [FLAG_FROM_SEQ] = {"from-seq", "N", "start at sequence N"},
    [FLAG_CONN] = {"conn", "N", "only this connection"},
    [FLAG_STREAM] = {"stream", "N|NAME",
                     "only this stream: its number, btcusdt@trade or btcusdt@*"},
    [FLAG_LIMIT] = {"limit", "N", "end after N records"},
    [FLAG_STRICT] = {"strict", NULL, "end at the first damage instead of reading past it"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

typedef struct job {
    const char *verb;
    tm_journal_form_t form;
    tm_journal_reader_cfg_t cfg;
    const char *out_path;
    const char *stream_name; /* only messages of this one; NULL = all */
    tm_stream_filter_t filter;
    uint64_t limit;
    tm_line_out_t out;
    tm_frame_parquet_t *parquet; /* instead of out */
    tm_journal_line_t line;
    uint64_t record_cnt, left_out_cnt;
    char (*urls)[URL_SZ];
} job_t;

static int help(const char *verb)
{
    printf(
        "usage: tidemark journal %s [OPTION...] JOURNAL\n\n"
        "JOURNAL is a folder or one segment. TIME is 2024-08-08T23:54:14.5Z (or a front part of\n"
        "it), 19 digits of nanoseconds, or @<Unix seconds>.\n\n",
        verb);
    tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
    return 1;
}

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    job_t *j = ctx;
    uint64_t v;
    switch ((export_flag_t)idx) {
    case FLAG_FORMAT:
        return tm_journal_form_parse(arg, &j->form);
    case FLAG_OUT:
        j->out_path = arg;
        return 0;
    case FLAG_FROM:
        return tm_stamp_parse(arg, &j->cfg.from_ns);
    case FLAG_TO:
        return tm_stamp_parse(arg, &j->cfg.to_ns);
    case FLAG_FROM_SEQ:
        return tm_number_parse("from-seq", arg, 0, INT64_MAX, &j->cfg.from_seq);
    case FLAG_CONN:
        TM_TRY(tm_number_parse("conn", arg, 0, UINT32_MAX, &v));
        j->cfg.by_conn = true;
        j->cfg.conn_idx = (uint32_t)v;
        return 0;
    case FLAG_STREAM:
        if (tm_number_parse("stream", arg, 0, UINT16_MAX, &v) < 0) {
            j->stream_name = arg;
            return 0;
        }
        j->cfg.by_stream = true;
        j->cfg.stream = (uint16_t)v;
        return 0;
    case FLAG_LIMIT:
        return tm_number_parse("limit", arg, 1, UINT64_MAX / 2, &j->limit);
    case FLAG_STRICT:
        j->cfg.strict = true;
        return 0;
    case FLAG_HELP:
        return help(j->verb);
    }
    return 0;
}

static void damage_print(void *ctx, const tm_journal_damage_t *d)
{
    (void)ctx;
    char text[1400];
    tm_journal_damage_text(text, sizeof text, d);
    TM_LOG_W("journal", "%s", text);
}

static int record_write(job_t *j, const tm_journal_view_t *v)
{
    if (j->parquet) {
        const bool text = v->kind != TM_JOURNAL_BINARY && v->kind != TM_JOURNAL_DISCONNECT &&
                          v->kind != TM_JOURNAL_GAP && v->kind != TM_JOURNAL_CLOCK_STEP;
        j->record_cnt++;
        return tm_frame_parquet_add(j->parquet, v,
                                    text && tm_utf8_is_valid(v->frame.data, v->frame.sz));
    }
    const uint32_t conn = v->frame.conn_idx < CONN_MAX ? v->frame.conn_idx : CONN_MAX - 1;
    if (v->kind == TM_JOURNAL_CONNECT)
        snprintf(j->urls[conn], URL_SZ, "%.*s",
                 (int)(v->frame.sz < URL_SZ ? v->frame.sz : URL_SZ - 1),
                 (const char *)v->frame.data);
    const char *url = j->urls[conn][0] ? j->urls[conn] : NULL;
    const int put = tm_journal_text_put(&j->line, j->form, v, url);
    if (put < 0) return put;
    if (put == 0) {
        j->left_out_cnt++;
        return 0;
    }
    j->record_cnt++;
    return tm_line_out_write(&j->out, j->line.text, j->line.sz);
}

static int out_open(job_t *j)
{
    if (j->form != TM_JOURNAL_FORM_PARQUET) return tm_line_out_open(&j->out, j->out_path);
    return tm_frame_parquet_open(&j->parquet, j->out_path);
}

static int out_close(job_t *j, int code)
{
    return j->parquet ? tm_frame_parquet_close(j->parquet, code) : tm_line_out_close(&j->out, code);
}

static int run(job_t *j)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[VIEW_CNT];
    tm_journal_progress_t progress;
    TM_TRY(tm_journal_reader_open(&r, &j->cfg));
    int code = out_open(j), cnt = 0;
    if (code < 0) {
        tm_journal_reader_close(r);
        return code;
    }
    tm_journal_progress_start(&progress, j->verb);
    while (code == 0 && j->record_cnt < j->limit &&
           (cnt = tm_journal_reader_read(r, views, VIEW_CNT)) > 0) {
        for (int i = 0; i < cnt && code == 0 && j->record_cnt < j->limit; i++)
            if (tm_stream_filter_takes(&j->filter, views[i].frame.data, views[i].frame.sz))
                code = record_write(j, &views[i]);
        if (j->out_path)
            tm_journal_progress_show(&progress, tm_journal_reader_done_sz(r),
                                     tm_journal_reader_total_sz(r), j->record_cnt);
    }
    tm_journal_progress_end(&progress);
    if (code == 0 && cnt < 0) code = cnt;
    tm_journal_reader_close(r);
    return out_close(j, code);
}

static int verb_run(const char *verb, tm_journal_form_t form, int argc, char **argv)
{
    job_t j = {.verb = verb, .form = form, .limit = UINT64_MAX};
    j.cfg.on_damage = damage_print;
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &j);
    if (first == 0) return 0;
    if (first > 0 && argc - first != 1)
        first = tm_error_set(TM_E_CONFIG, "one JOURNAL, please; see --help");
    if (first > 0 && j.form == TM_JOURNAL_FORM_PARQUET && !j.out_path)
        first = tm_error_set(TM_E_CONFIG,
                             "--format parquet makes a file: give it a name with --out");
    if (first < 0) return tm_journal_verb_failed(verb, first);
    j.cfg.path = argv[first];
    tm_stream_filter_init(&j.filter, &j.stream_name, j.stream_name != NULL);
    j.urls = calloc(CONN_MAX, sizeof *j.urls);
    const int code = j.urls ? run(&j) : tm_error_set(-ENOMEM, "no memory");
    free(j.urls);
    free(j.line.text);
    tm_stream_filter_fini(&j.filter);
    if (code == -EPIPE) return 0; /* head(1) has seen enough */
    if (code < 0) return tm_journal_verb_failed(verb, code);
    if (j.left_out_cnt)
        fprintf(stderr,
                "tidemark journal %s: %" PRIu64
                " records have no words in the form '%s' and were left out "
                "(events, sent or binary messages; json keeps all)\n",
                verb, j.left_out_cnt, tm_journal_form_name(j.form));
    return 0;
}

int tm_journal_verb_cat(int argc, char **argv)
{
    return verb_run("cat", TM_JOURNAL_FORM_JSON, argc, argv);
}

int tm_journal_verb_export(int argc, char **argv)
{
    return verb_run("export", TM_JOURNAL_FORM_LINES, argc, argv);
}
