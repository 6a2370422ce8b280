/* tests/net/capture_text.h - a shared capture as the system's own zcat or xz unpacks it: the
   independent source that replay and the feed are compared with. */
#ifndef TM_TESTS_NET_CAPTURE_TEXT_H
#define TM_TESTS_NET_CAPTURE_TEXT_H

#include "base/types.h"

typedef struct tm_capture_name {
    const char *file;
    uint32_t line_cnt; /* as its README says */
} tm_capture_name_t;

enum { TM_CAPTURE_CNT = 6 };
extern const tm_capture_name_t tm_captures[TM_CAPTURE_CNT];

/* Full path of a shared capture, or NULL where there is none (skip the test then). */
const char *tm_capture_path(const char *file, char out[4096]);

/* Everything `command` prints; the caller frees it. Fails the test where the command fails. */
char *tm_capture_run(const char *command, size_t *sz);

/* The whole capture, unpacked by the system's tools; the caller frees it. */
char *tm_capture_text(const char *path, size_t *sz);

/* The next line of an unpacked capture, without its time stamp and newline; NULL at the end. */
const char *tm_capture_line(const char **pos, const char *end, size_t *sz);

#endif
