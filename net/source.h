/* net/source.h - anything that yields frames: a set of live connections, a replayed capture.
   Flow     wire or file -> [source] -> parse
   Threads  one ingest thread owns a source; request_stop: any thread
   Errors   poll returns frames given (0 = none now), TM_E_CLOSED once the input has ended and all
            its frames were given, any other negative code where the source cannot go on (with a
            text) */
#ifndef TM_NET_SOURCE_H
#define TM_NET_SOURCE_H

#include "base/feed_row.h"
#include "base/frame.h"

typedef struct tm_source tm_source_t;

typedef struct tm_source_ops {
    /* Fills up to `cap` frames. They stay valid until the next poll. Waits up to wait_ns for the
       first one; 0 never waits. */
    int (*poll)(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns);
    /* Gives up to `cap` control rows: what happened to connections since the last call. A DOWN
       comes after all frames of its connection, everything else belongs before the frames of the
       same poll. NULL = nothing ever happens, as in a file. */
    uint32_t (*rows)(tm_source_t *source, tm_feed_row_t *rows, uint32_t cap);
    /* The book of a symbol is not whole on a connection: asks for it anew where its venue sends
       whole books to who asks. NULL = nobody can be asked. */
    void (*resync)(tm_source_t *source, uint32_t conn_idx, const char *symbol);
    /* Where the next frame begins, between polls: the sequence of a journal, the line of a capture;
       opening it there again gives what would have followed. NULL = there is no way back. */
    uint64_t (*position)(const tm_source_t *source);
    /* Releases everything, politely (close frames are sent) within a second. */
    void (*close)(tm_source_t *source);
} tm_source_ops_t;

/* Implementations embed this as their first member. */
struct tm_source {
    const tm_source_ops_t *ops;
};

static inline int tm_source_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap,
                                 int64_t wait_ns)
{
    return source->ops->poll(source, frames, cap, wait_ns);
}

static inline uint32_t tm_source_rows(tm_source_t *source, tm_feed_row_t *rows, uint32_t cap)
{
    return source->ops->rows ? source->ops->rows(source, rows, cap) : 0;
}

static inline void tm_source_resync(tm_source_t *source, uint32_t conn_idx, const char *symbol)
{
    if (source->ops->resync) source->ops->resync(source, conn_idx, symbol);
}

static inline uint64_t tm_source_position(const tm_source_t *source)
{
    return source->ops->position ? source->ops->position(source) : 0;
}

static inline void tm_source_close(tm_source_t *source)
{
    if (source) source->ops->close(source);
}

#endif
