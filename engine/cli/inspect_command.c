/* tidemark inspect: what part files hold, as a page for a person or as CSV for a program. */
#include "state/parquet/inspect.h"

#include "base/error.h"
#include "engine/cli/commands.h"
#include "engine/job/flags.h"
#include "state/parquet/parquet_reader.h"

#include <errno.h>
#include <string.h>

typedef enum inspect_flag {
    FLAG_ROWS,
    FLAG_NO_ROWS,
    FLAG_GROUPS,
    FLAG_CSV,
    FLAG_HELP
} inspect_flag_t;

static const tm_flag_t flags[] = {
    [FLAG_ROWS] = {"rows", "N", "first rows to show (default: 10)"},
    [FLAG_NO_ROWS] = {"no-rows", NULL, "show no rows"},
    [FLAG_GROUPS] = {"groups", "N", "row groups to describe (default: 4)"},
    [FLAG_CSV] = {"csv", NULL, "all rows of all files as CSV, with one header; nothing else"},
    [FLAG_HELP] = {"help", NULL, "print this page"},
};

typedef struct inspect_options {
    tm_parquet_inspect_cfg_t cfg;
    bool csv;
} inspect_options_t;

static int count_parse(const char *name, const char *text, uint32_t *out)
{
    uint64_t v;
    TM_TRY(tm_number_parse(name, text, 1, 1000000000, &v));
    *out = (uint32_t)v;
    return 0;
}

static int flag_take(void *ctx, uint32_t idx, const char *arg)
{
    inspect_options_t *o = ctx;
    switch ((inspect_flag_t)idx) {
    case FLAG_ROWS:
        return count_parse("rows", arg, &o->cfg.row_cnt);
    case FLAG_NO_ROWS:
        o->cfg.hide_rows = true;
        return 0;
    case FLAG_GROUPS:
        return count_parse("groups", arg, &o->cfg.group_cnt);
    case FLAG_CSV:
        o->csv = true;
        return 0;
    case FLAG_HELP:
        printf("usage: tidemark inspect [OPTION...] FILE...\n\n");
        tm_flags_help(stdout, flags, TM_ARRAY_CNT(flags));
        return 1;
    }
    return 0;
}

/* RFC 4180: quoted where it must be, quotes doubled, absent values empty. */
static void cell_write(FILE *out, const char *text)
{
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static int row_write(void *ctx, uint64_t row_idx, const char *const *cells, uint32_t cell_cnt)
{
    (void)row_idx;
    FILE *out = ctx;
    for (uint32_t i = 0; i < cell_cnt; i++) {
        if (i > 0) fputc(',', out);
        cell_write(out, cells[i]);
    }
    fputc('\n', out);
    return 0;
}

/* The header line of a file; the files of one call must share it. */
static int header_take(const tm_parquet_meta_t *meta, const char *path, char *header,
                       size_t header_sz)
{
    char line[4096];
    size_t n = 0;
    for (uint32_t i = 0; i < meta->col_cnt && n < sizeof line; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%s", i ? "," : "", meta->cols[i].name);
    if (header[0] == '\0') {
        snprintf(header, header_sz, "%s", line);
        printf("%s\n", header);
    } else if (strcmp(header, line) != 0) {
        return tm_error_set(TM_E_CONFIG, "%s has other columns than the files before it", path);
    }
    return 0;
}

static int file_csv(const char *path, char *header, size_t header_sz)
{
    tm_parquet_reader_t *reader;
    TM_TRY(tm_parquet_reader_open(&reader, path));
    int err = header_take(tm_parquet_reader_meta(reader), path, header, header_sz);
    if (err == 0) err = tm_parquet_reader_rows(reader, 0, UINT64_MAX, row_write, stdout);
    tm_parquet_reader_close(reader);
    return err;
}

int tm_command_inspect(int argc, char **argv)
{
    inspect_options_t o = {0};
    char header[4096] = "";
    int first = tm_flags_parse(flags, TM_ARRAY_CNT(flags), argc, argv, flag_take, &o);
    if (first == 0) return 0;
    if (first == argc) first = tm_error_set(TM_E_CONFIG, "which file? see --help");
    if (first < 0) {
        fprintf(stderr, "tidemark inspect: %s\n", tm_error_text());
        return 2;
    }
    int status = 0;
    for (int i = first; i < argc; i++) {
        int err = o.csv ? file_csv(argv[i], header, sizeof header)
                        : tm_parquet_inspect(stdout, argv[i], &o.cfg);
        if (err == 0) continue;
        fprintf(stderr, "tidemark inspect: %s\n", tm_error_text());
        status = 1;
    }
    if (fflush(stdout) == 0) return status;
    fprintf(stderr, "tidemark inspect: standard output: %s\n", strerror(errno));
    return 1;
}
