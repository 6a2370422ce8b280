/* state/journal/journal_cold.h - cold segments: a sealed segment as independent zstd blocks with an
   index.
   Flow     sealed .tmj -> pack -> .tmz -> [cold] -> window
   Units    raw_*: of the plain segment; off: in the cold file
   Memory   reading: the index (48 bytes a block) and one packed block. Packing: two blocks and
            zstd's context
   Threads  one owner; pack may run on any thread that may take a second
   Errors   -errno or TM_E_* with a text; damage is reported through the callback and costs its
            block
   Limits   raw_sz of a block up to TM_JOURNAL_BLOCK_RAW_MAX, checked before allocation
   Tests    tests/state/test_journal_cold.c */
#ifndef TM_STATE_JOURNAL_COLD_H
#define TM_STATE_JOURNAL_COLD_H

#include "state/journal/journal_damage.h"
#include "state/journal/journal_format.h"

enum { TM_JOURNAL_BLOCK_RAW_MAX = TM_JOURNAL_PAYLOAD_SZ_MAX + (1 << 20) };

typedef struct tm_journal_cold tm_journal_cold_t;

typedef struct tm_journal_cold_cfg {
    int fd;           /* stays the caller's */
    const char *path; /* not owned */
    uint64_t file_sz;
    uint32_t seed;
    uint64_t first_seq;
    tm_journal_damage_fn_t on_damage;
    void *on_damage_ctx;
} tm_journal_cold_cfg_t;

/* Reads the index; where that is damaged, finds the blocks by their headers. */
int tm_journal_cold_open(tm_journal_cold_t **out, const tm_journal_cold_cfg_t *cfg) TM_MUST_CHECK;
void tm_journal_cold_close(tm_journal_cold_t *cold);

/* Size of the plain segment: from the index, else the end of the last block that was found. */
uint64_t tm_journal_cold_raw_sz(const tm_journal_cold_t *cold);
uint32_t tm_journal_cold_block_cnt(const tm_journal_cold_t *cold);
const tm_journal_block_mark_t *tm_journal_cold_mark(const tm_journal_cold_t *cold,
                                                    uint32_t block_idx);

/* Unpacks a block into dst (mark->raw_sz bytes). Returns 0, TM_E_CORRUPT where it is damaged
   (reported), or another error. */
int tm_journal_cold_unpack(tm_journal_cold_t *cold, uint32_t block_idx, uint8_t *dst) TM_MUST_CHECK;

typedef struct tm_journal_pack {
    int level;        /* of zstd; 0 = 3 */
    bool keep;        /* leave the plain segment where it is */
    uint64_t raw_sz;  /* out */
    uint64_t cold_sz; /* out */
} tm_journal_pack_t;

/* Packs the sealed segment at `path` (.tmj) beside itself, reads the result back and compares every
   byte, fsyncs, and removes the original. TM_E_CORRUPT where the segment is damaged or not sealed.
   */
int tm_journal_cold_pack(const char *path, tm_journal_pack_t *pack) TM_MUST_CHECK;

/* The way back: `path` (.tmz) becomes the byte-identical .tmj, and is removed unless keep. */
int tm_journal_cold_restore(const char *path, tm_journal_pack_t *pack) TM_MUST_CHECK;

#endif
