/* tests/parse/capture.h - recorded feeds for tests: lines "<receive time> <message>" out of gzip
   files.
   Flow     $TM_SHARED/captures -> [capture] -> frames whose bytes end at the end of a page
   Memory   open/close; a frame is valid until the next one
   Threads  one */
#ifndef TM_TESTS_PARSE_CAPTURE_H
#define TM_TESTS_PARSE_CAPTURE_H

#include "base/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct capture {
    gzFile file;
    size_t line_max;
    char *line;
} capture_t;

/* The folder of recordings; NULL where there is none. */
static inline const char *capture_dir(char *room, size_t room_sz)
{
    const char *shared = getenv("TM_SHARED"), *root = getenv("TM_SOURCE_ROOT");
    if (shared)
        snprintf(room, room_sz, "%s/captures", shared);
    else
        snprintf(room, room_sz, "%s/../shared/captures", root ? root : ".");
    FILE *f = fopen(room, "r");
    if (!f) return NULL;
    fclose(f);
    return room;
}

static inline bool capture_open(capture_t *c, const char *path)
{
    c->line_max = 1 << 20;
    c->line = malloc(c->line_max + TM_FRAME_PAD);
    c->file = gzopen(path, "rb");
    if (c->file) gzbuffer(c->file, 1 << 17);
    return c->line && c->file;
}

static inline void capture_close(capture_t *c)
{
    if (c->file) gzclose(c->file);
    free(c->line);
}

/* The next message. Times of 16 digits are microseconds. */
static inline bool capture_next(capture_t *c, tm_frame_t *frame)
{
    if (!gzgets(c->file, c->line, (int)c->line_max)) return false;
    size_t sz = strcspn(c->line, "\r\n");
    char *message = memchr(c->line, ' ', sz);
    if (!message) return false;
    long long time = atoll(c->line);
    message++;
    *frame = (tm_frame_t){
        .data = (const uint8_t *)message,
        .sz = (uint32_t)(sz - (size_t)(message - c->line)),
        .recv_ns = message - c->line == 17 ? time * 1000 : time,
    };
    return true;
}

#endif
