/* tests/state/journal_make.h - journals with known content for tests: every record follows from its
   sequence and a seed, so that a reader is checked against the formula and not against what was
   written. */
#ifndef TM_TESTS_STATE_JOURNAL_MAKE_H
#define TM_TESTS_STATE_JOURNAL_MAKE_H

#include "state/journal/journal_cursor.h"
#include "state/journal/journal_reader.h"
#include "state/journal/journal_writer.h"

enum { TM_MAKE_PAYLOAD_MAX = 4096 };

typedef struct tm_make {
    uint64_t seed;
    uint32_t payload_sz_max; /* sizes are 0..max, most of them small */
    bool plain_kinds;        /* only text messages */
} tm_make_t;

uint64_t tm_make_mix(uint64_t x);

/* Fills the entry of that sequence; the payload goes to `buf`. */
void tm_make_entry(const tm_make_t *make, uint64_t seq, tm_journal_entry_t *entry, uint8_t *buf);

/* Whether a record that was read is exactly the one of its sequence. */
bool tm_make_same(const tm_make_t *make, const tm_journal_view_t *view);

/* A new empty folder under $TMPDIR or /tmp; removed with its files by tm_make_dir_remove. */
void tm_make_dir(char dir[256], const char *name);
void tm_make_dir_remove(const char *dir);

/* Appends records [from, to), flushing as needed. Aborts the test on errors. */
void tm_make_append(tm_journal_writer_t *w, const tm_make_t *make, uint64_t from, uint64_t to);

/* A whole file, malloc'ed. */
uint8_t *tm_make_load(const char *path, size_t *sz);
void tm_make_store(const char *path, const void *src, size_t sz);

/* Damages that a reading met. */
typedef struct tm_make_damages {
    uint32_t cnt;
    tm_journal_damage_t list[64];
} tm_make_damages_t;
void tm_make_damage_note(void *ctx, const tm_journal_damage_t *damage);

#endif
