/* net/feed/feed_private.h - what the files of a feed share: feed_plan.c (addresses and streams to
   lines), feed.c (the source), feed_slot.c (the life of a connection), feed_line.c (rotation, and
   what is told), feed_resync.c (books whose stream is asked for anew), feed_books.c (books that are
   asked for beside the streams). Nobody else includes it.
   Flow     feed.c steps slots and reads from those that stream
   Lines    one line is one address with its streams. It has two slots, because a connection is
            replaced by another one beside it: `main` says which slot is the one, the other rests.
            Slot i belongs to line i % line_cnt, so lines and their first slots have equal numbers
   Units    *_ns: nanoseconds, mono
   Memory   one block a feed; a slot owns its connection
   Threads  the feed's */
#ifndef TM_NET_FEED_PRIVATE_H
#define TM_NET_FEED_PRIVATE_H

#include "base/error.h"
#include "net/conn/conn.h"
#include "net/feed/feed.h"
#include "net/feed/feed_venue.h"
#include "net/feed/stream_watch.h"

enum { TM_FEED_SLOT_MAX = 2 * TM_FEED_LINE_MAX, TM_FEED_ROW_MAX = 1024 };

typedef enum tm_slot_state {
    TM_SLOT_RESTS, /* nothing is wanted of it; a connection that is left winds down */
    TM_SLOT_WAITS, /* for its next attempt; the connection before winds down meanwhile */
    TM_SLOT_OPENS,
    TM_SLOT_STREAMS,
    TM_SLOT_ENDED, /* for good; the connection winds down */
} tm_slot_state_t;

/* A place for one connection at a time, again and again. */
typedef struct tm_slot {
    tm_slot_state_t state;
    tm_conn_t *conn; /* NULL = none */
    uint32_t gen;    /* of the connection before */
    tm_retry_t retry;
    int64_t due_ns;   /* WAITS: the next attempt */
    int64_t leave_ns; /* WAITS, ENDED: what is left of the connection is cut then */
    int64_t heard_ns; /* STREAMS: the last byte */
    int64_t up_ns;    /* STREAMS: since when */
    int64_t frame_ns; /* STREAMS: the last message for the parser; 0 = none yet */
    int64_t dry_ns;   /* STREAMS: when all that had come was read, the last time */
    int64_t lost_ns;  /* when the last stream ended */
    bool cut;         /* what is left of the connection was cut: its last events are to come */
    bool held;        /* the next attempt waits for the address' quota */
    bool told;        /* UP was told, DOWN was not */
    int end;          /* why the last connection ended, with its text; 0 = none has */
    char end_text[TM_ERROR_TEXT_MAX];
    tm_stream_watch_t *watch; /* NULL once all streams have spoken or were told */
} tm_slot_t;

typedef struct tm_line {
    tm_url_t url;
    const tm_feed_venue_t *exchange;
    const char *const *streams; /* a part of the feed's */
    uint32_t stream_cnt;
    uint32_t entry; /* number of its address in the configuration */
    uint32_t group;
    uint32_t endpoint; /* of the group: 0 = A, 1 = B */
    uint32_t endpoint_cnt;
    uint32_t main;      /* slot number of the one that counts */
    int64_t idle_ns;    /* 0 = never cut for silence */
    int64_t rotate_ns;  /* when it is to be replaced; INT64_MAX = never */
    int64_t overlap_ns; /* both stream until then; INT64_MAX = not both */
    bool proven;        /* it has streamed before: address and streams are right */
} tm_line_t;

/* A stream whose book was, or is to be, asked for anew. */
typedef struct tm_resync {
    int64_t asked_ns; /* the last time; 0 = never */
    int64_t pause_ns; /* until it may be asked for again */
    uint32_t slot_idx;
    bool waits;
} tm_resync_t;

/* The book of a symbol that is asked for beside the streams. */
typedef struct tm_book_want {
    const char *stream; /* of its changes, in the feed's names or in an address */
    uint16_t stream_sz, symbol_sz;
    uint32_t line_idx; /* the first that has the stream */
    uint32_t slot_idx; /* the connection that wants the book */
    bool begun;        /* it has been wanted before */
    bool has_gap;      /* it is wanted because of one */
    bool waits;
    int64_t due_ns;   /* waits: not before */
    int64_t asked_ns; /* the last time that it came; 0 = never */
    int64_t pause_ns; /* from then on until it may be asked for again */
} tm_book_want_t;

typedef struct tm_books {
    tm_book_want_t *wants;
    uint32_t want_cnt;
    int64_t due_ns;        /* when to look who waits; INT64_MAX = nobody does */
    int64_t hold_ns;       /* nobody is asked before */
    uint32_t fail_cnt;     /* requests that failed, in a row */
    tm_book_want_t *asked; /* whose request is under way */
    tm_conn_t *conn;       /* its connection; without `asked` it winds down */
    uint32_t gen;
    bool is_ready; /* a message waits to be given */
    tm_frame_t frame;
    uint8_t *bytes; /* of it, until it is released */
} tm_books_t;

typedef struct tm_feed {
    tm_source_t source; /* first */
    tm_feed_cfg_t cfg;
    tm_uring_t *ring;
    tm_tls_ctx_t *tls_ctx; /* NULL where no address is wss */
    char **streams;        /* stream_cnt names, taken apart */
    uint32_t stream_cnt;
    tm_resync_t *resyncs; /* stream_cnt for each endpoint */
    uint32_t resync_wait_cnt;
    tm_books_t books;
    tm_line_t lines[TM_FEED_LINE_MAX];
    uint32_t line_cnt, group_cnt;
    tm_slot_t slots[TM_FEED_SLOT_MAX];
    uint32_t slot_cnt; /* twice line_cnt */
    uint32_t
        turn; /* which connection reads first, so that a busy one does not keep others waiting */
    /* While the feed opens nobody reads from a connection that streams already, so it must not take
       the buffers that the others shake hands with. */
    bool opening;
    int64_t polled_ns;
    uint64_t random; /* state, of the jitter of rotations */
    int over;        /* why the whole feed has ended; 0 = it goes on */
    char over_text[TM_ERROR_TEXT_MAX];
    tm_feed_row_t rows[TM_FEED_ROW_MAX]; /* told, and not given yet */
    uint32_t row_cnt;
    tm_counter_t *frames, *bytes, *attempts, *failures, *disconnects, *reconnects, *idle_cuts,
        *rotations, *silent, *missed, *venue_errors, *resynced, *addrs_tried, *addrs_failed,
        *addrs_outrun, *books_asked, *books_fetched, *books_failed;
    tm_counter_t unread[18]; /* counts where the caller gave no set */
} tm_feed_t;

static inline tm_line_t *tm_feed_line(tm_feed_t *feed, uint32_t slot_idx)
{
    return &feed->lines[slot_idx % feed->line_cnt];
}

/* The other slot of the same line. */
static inline uint32_t tm_feed_twin(const tm_feed_t *feed, uint32_t slot_idx)
{
    return (slot_idx + feed->line_cnt) % (2 * feed->line_cnt);
}

/* feed_plan.c: makes lines and slots of the configuration. */
int tm_feed_plan(tm_feed_t *feed) TM_MUST_CHECK;
void tm_feed_plan_free(tm_feed_t *feed);

/* feed_slot.c: does what is due: handshakes, deadlines, attempts, winding down. */
void tm_slot_step(tm_feed_t *feed, uint32_t idx, int64_t now_ns);

/* feed_slot.c: when tm_slot_step wants to be called at the latest; INT64_MAX = no such time. */
int64_t tm_slot_due_ns(const tm_feed_t *feed, uint32_t idx);

/* feed_slot.c: the connection failed or ended with this code and the trail's text: decides what
   comes next. */
void tm_slot_lost(tm_feed_t *feed, uint32_t idx, int code);

/* feed_slot.c: lets go of a connection that is not wanted any more. */
void tm_slot_leave(tm_feed_t *feed, uint32_t idx, int64_t time_ns);

/* feed_line.c: begins and ends rotations; when it wants to be called at the latest. */
void tm_line_step(tm_feed_t *feed, uint32_t line_idx, int64_t now_ns);
int64_t tm_line_due_ns(const tm_feed_t *feed, uint32_t line_idx);

/* feed_line.c: the end of a stream, where its beginning was told. */
void tm_line_down(tm_feed_t *feed, uint32_t slot_idx, int code);

/* feed_line.c: a slot came to stream; frames of it were read. */
void tm_line_up(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);
void tm_line_frames(tm_feed_t *feed, uint32_t slot_idx, const tm_frame_t *frames, uint32_t cnt);

/* feed_line.c: the slot is the line's only one from now on, and new. */
void tm_line_rotated(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);

/* feed_line.c: the replacement was lost; the old connection goes on until the next one streams. */
void tm_line_alone(tm_feed_t *feed, uint32_t slot_idx);

/* feed_line.c: what a connection's messages said about itself. */
void tm_line_notes(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);

/* feed_line.c: names the streams that have not spoken where their time is over. */
void tm_line_watch(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);

/* feed_resync.c: asks for what waits on this slot where its time has come; when that is; forgets
   all that waits on a slot: a new connection begins with whole books. */
void tm_resync_step(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);
int64_t tm_resync_due_ns(const tm_feed_t *feed, uint32_t slot_idx);
void tm_resync_drop(tm_feed_t *feed, uint32_t slot_idx);

/* feed_plan.c: the streams that an address names itself: "/ws/a/b", "...streams=a/b"; up to its end
   or the next '&'. */
const char *tm_feed_target_streams(const char *target);

/* feed_books.c: finds the books there are; begins to want those of a feed that came to stream, and
   the one of a symbol that has a gap. */
int tm_books_plan(tm_feed_t *feed) TM_MUST_CHECK;
void tm_books_up(tm_feed_t *feed, uint32_t slot_idx, int64_t now_ns);
void tm_books_resync(tm_feed_t *feed, uint32_t slot_idx, const char *symbol);

/* feed_books.c: asks, and goes on with who was asked; when it wants to be called at the latest. */
void tm_books_step(tm_feed_t *feed, int64_t now_ns);
int64_t tm_books_due_ns(const tm_feed_t *feed);

/* feed_books.c: an event of the request said that it has failed. */
void tm_books_broke(tm_feed_t *feed, int code);

/* feed_books.c: gives a book where one has come; it is not looked at any more. */
bool tm_books_take(tm_feed_t *feed, tm_frame_t *frame);
void tm_books_release(tm_feed_t *feed);

bool tm_books_are_gone(const tm_feed_t *feed);
void tm_books_close(tm_feed_t *feed);

/* feed_resync.c: tm_source_ops_t's. */
void tm_feed_resync(tm_source_t *source, uint32_t conn_idx, const char *symbol);

/* feed_line.c: puts a control row out. `like` says what, from_id, to_id and code. */
void tm_line_tell(tm_feed_t *feed, uint32_t slot_idx, const tm_feed_row_t *like);

#endif
