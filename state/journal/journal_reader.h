/* state/journal/journal_reader.h - a whole journal in order: what replay, restart and the tools
   read.
   Flow     segments -> cursor -> [reader] -> engine's source, tidemark journal
   Range    a run of the log without holes: it starts at the first record at or after from_seq and
            from_ns, and ends before the first record at or after to_ns. Inside it the filters
            choose
   Units    *_ns: Unix receive time; seq: of the journal
   Memory   one window (journal_window.h) and the list of segments
   Threads  one owner. A journal that is being written may be read: the end is where it was on
            arrival
   Errors   read: records given; 0 = the end; TM_E_CORRUPT with file and offset in strict mode,
            behind the good records before it; the next read goes on behind the damage. -errno where
            files cannot be read
   Limits   as the format.  Tests tests/state/test_journal_reader.c */
#ifndef TM_STATE_JOURNAL_READER_H
#define TM_STATE_JOURNAL_READER_H

#include "state/journal/journal_cursor.h"
#include "state/journal/journal_dir.h"

typedef struct tm_journal_reader tm_journal_reader_t;

typedef struct tm_journal_reader_cfg {
    const char *path; /* the folder, or one segment */
    uint64_t from_seq;
    int64_t from_ns; /* 0 = from the start */
    int64_t to_ns;   /* 0 = to the end */
    bool run_up;     /* what lies before the range instead, from one segment before it on */
    bool messages;   /* only received messages: no events, nothing that we sent */
    bool by_conn;    /* only this connection */
    uint32_t conn_idx;
    bool by_stream; /* only this stream */
    uint16_t stream;
    bool strict;                      /* damage ends a read with TM_E_CORRUPT */
    tm_journal_damage_fn_t on_damage; /* each damage, when it is met; NULL = counted */
    void *on_damage_ctx;
} tm_journal_reader_cfg_t;

/* TM_E_MISSING where there is no journal. */
int tm_journal_reader_open(tm_journal_reader_t **out,
                           const tm_journal_reader_cfg_t *cfg) TM_MUST_CHECK;
void tm_journal_reader_close(tm_journal_reader_t *r);

/* Gives up to `cap` records; they and their payloads are valid until the next read. */
int tm_journal_reader_read(tm_journal_reader_t *r, tm_journal_view_t *views,
                           uint32_t cap) TM_MUST_CHECK;

/* The sequence behind the last record looked at, given or filtered out: the position to restart
   from. */
uint64_t tm_journal_reader_next_seq(const tm_journal_reader_t *r);

uint64_t tm_journal_reader_damage_cnt(const tm_journal_reader_t *r);

/* Which opening of the writer the records of the last read came from. */
uint64_t tm_journal_reader_epoch(const tm_journal_reader_t *r);

/* For progress: segments are read in order; bytes of their files, in all and left behind. */
uint64_t tm_journal_reader_total_sz(const tm_journal_reader_t *r);
uint64_t tm_journal_reader_done_sz(const tm_journal_reader_t *r);

/* The file that is being read, and its header; NULL before the first read and behind the end. */
const char *tm_journal_reader_path(const tm_journal_reader_t *r);

/* What one segment says about itself, without reading its records. */
typedef struct tm_journal_about {
    const tm_journal_file_t *file;
    tm_journal_head_t head;
    bool readable; /* the header is sound */
    bool sealed;   /* and so is the seal, which then is filled in */
    tm_journal_seal_t seal;
    uint32_t mark_cnt; /* index entries, or blocks */
} tm_journal_about_t;

int tm_journal_about(tm_journal_about_t *about, const tm_journal_file_t *file,
                     bool last) TM_MUST_CHECK;

#endif
