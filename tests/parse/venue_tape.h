/* tests/parse/venue_tape.h - recordings of the other venues: xz files of lines "<time>: <message>",
   with what the client sent and the address between them.
   Flow     $TM_SHARED/captures -> [tape] -> frames
   Memory   the whole text, from open to close; messages are followed by the rest of the text and by
            TM_FRAME_PAD bytes at the end
   Threads  one */
#ifndef TM_TESTS_PARSE_VENUE_TAPE_H
#define TM_TESTS_PARSE_VENUE_TAPE_H

#include "tests/parse/capture.h"

#include <lzma.h>

enum { TAPE_SZ_MAX = 64 << 20 };

typedef struct recording {
    uint8_t *text;
    size_t sz, pos;
} tape_t;

static inline bool tape_open(tape_t *r, const char *name)
{
    char dir[512], path[600];
    *r = (tape_t){0};
    if (!capture_dir(dir, sizeof dir)) return false;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    uint8_t *packed = malloc(TAPE_SZ_MAX);
    r->text = malloc(TAPE_SZ_MAX + TM_FRAME_PAD);
    size_t packed_sz = f && packed ? fread(packed, 1, TAPE_SZ_MAX, f) : 0, in = 0;
    uint64_t memory = 1u << 30;
    if (f) fclose(f);
    bool fine = packed_sz > 0 && r->text &&
                lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, packed_sz, r->text, &r->sz,
                                          TAPE_SZ_MAX) == LZMA_OK;
    free(packed);
    if (fine) memset(r->text + r->sz, 0, TM_FRAME_PAD);
    return fine;
}

static inline void tape_close(tape_t *r)
{
    free(r->text);
}

/* The next message that the venue sent. */
static inline bool tape_next(tape_t *r, tm_frame_t *frame)
{
    while (r->pos < r->sz) {
        uint8_t *line = r->text + r->pos;
        uint8_t *end = memchr(line, '\n', r->sz - r->pos);
        size_t sz = end ? (size_t)(end - line) : r->sz - r->pos;
        r->pos += sz + 1;
        char *behind;
        double time_s = sz > 0 && *line >= '0' && *line <= '9' ? strtod((char *)line, &behind) : 0;
        if (time_s <= 0 || behind[0] != ':' || behind[1] != ' ') continue;
        *frame = (tm_frame_t){
            .data = (uint8_t *)behind + 2,
            .sz = (uint32_t)(sz - (size_t)((uint8_t *)behind + 2 - line)),
            .recv_ns = (int64_t)(time_s * 1e9),
        };
        return true;
    }
    return false;
}

#endif
