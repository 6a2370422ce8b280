/* engine/cli/journal_text.h - records as lines of text, in the forms that other recorders use, both
   ways.
   Flow     journal reader -> [text] -> lines; lines -> [text] -> journal writer
   Forms    lines      "<ns, 19 digits, or us, 16 digits> <message>" (hftbacktest)
            cryptofeed "<seconds>: <message>", "<url> <- <seconds>: <sent message>",
                       "<url> <-> <seconds>"
            tardis     "2024-08-08T23:54:14.0247230Z <message>"
            json       one object a line with everything the journal knows; the only form that keeps
                       events and binary messages
            raw        the message alone (export only)
            parquet    a file, not lines: known here by its name only
   Units    *_ns: Unix time, exact in every form (no floating point on the way)
   Memory   the caller's buffers
   Errors   TM_E_SYNTAX with a text that says what was expected; the caller adds file and line
   Threads  no state.  Tests tests/engine/test_journal_text.c, tests/e2e/journal_tool.py */
#ifndef TM_ENGINE_JOURNAL_TEXT_H
#define TM_ENGINE_JOURNAL_TEXT_H

#include "state/journal/journal_event.h"

typedef enum tm_journal_form {
    TM_JOURNAL_FORM_AUTO,
    TM_JOURNAL_FORM_LINES,
    TM_JOURNAL_FORM_CRYPTOFEED,
    TM_JOURNAL_FORM_TARDIS,
    TM_JOURNAL_FORM_JSON,
    TM_JOURNAL_FORM_RAW,
    TM_JOURNAL_FORM_PARQUET, /* no lines: state/journal/frame_parquet.h */
} tm_journal_form_t;

/* "lines", "cryptofeed", "tardis", "json", "raw", "parquet"; TM_E_CONFIG with a text otherwise. */
int tm_journal_form_parse(const char *name, tm_journal_form_t *form) TM_MUST_CHECK;
const char *tm_journal_form_name(tm_journal_form_t form);

/* What the first line of a file is written in; TM_JOURNAL_FORM_AUTO where it is none of them. */
tm_journal_form_t tm_journal_form_guess(const char *line, size_t sz);

/* A growing text. */
typedef struct tm_journal_line {
    char *text;
    size_t sz, cap;
} tm_journal_line_t;

/* Puts the record as one line with its newline into `line` (replaced). Returns 1, 0 where the form
   has no words for it (an event, a binary message), or -ENOMEM. `url`: of the record's connection,
   for cryptofeed. */
int tm_journal_text_put(tm_journal_line_t *line, tm_journal_form_t form,
                        const tm_journal_view_t *view, const char *url) TM_MUST_CHECK;

/* What a line says. payload points into the line, or into `scratch` (json). */
typedef struct tm_journal_said {
    uint8_t kind, flags;
    uint16_t stream;
    uint32_t conn_idx;
    int64_t recv_ns;
    const uint8_t *payload;
    size_t payload_sz;
} tm_journal_said_t;

/* Reads one line (without its newline). */
int tm_journal_text_take(tm_journal_said_t *said, tm_journal_form_t form, const char *line,
                         size_t sz, tm_journal_line_t *scratch) TM_MUST_CHECK;

#endif
