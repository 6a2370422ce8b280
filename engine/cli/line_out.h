/* engine/cli/line_out.h - where lines of text go: standard output, a file, a gzip file.
   Flow     tidemark journal cat, export; tidemark replay -> [line out] -> file
   Memory   a buffer of 256 KiB
   Errors   -errno with the path; -EPIPE where the reader of standard output has seen enough.
            Nothing is lost in a buffer without a word: close tells
   Threads  one owner.  Tests tests/e2e/journal_tool.py */
#ifndef TM_ENGINE_LINE_OUT_H
#define TM_ENGINE_LINE_OUT_H

#include "base/types.h"

#include <stdio.h>
#include <zlib.h>

typedef struct tm_line_out {
    const char *path; /* NULL = standard output; gzip where it ends in .gz */
    FILE *file;
    gzFile zip;
} tm_line_out_t;

/* path: not copied. */
int tm_line_out_open(tm_line_out_t *out, const char *path) TM_MUST_CHECK;
int tm_line_out_write(tm_line_out_t *out, const void *src, size_t sz) TM_MUST_CHECK;

/* Hands on what is buffered, but for a gzip file, whose blocks it would cut short. */
int tm_line_out_flush(tm_line_out_t *out) TM_MUST_CHECK;

/* Returns `code` where that is an error, else what closing gives. */
int tm_line_out_close(tm_line_out_t *out, int code) TM_MUST_CHECK;

#endif
