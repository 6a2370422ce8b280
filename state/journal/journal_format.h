/* state/journal/journal_format.h - the journal's bytes as structs: docs/journal.md, version 1.
   Flow     journal writer, reader, cold -> [format] -> file
   Units    *_sz, *_off: bytes; *_ns: Unix time; seq: counts records of a journal, idx: of a segment
   Memory   structs are laid over file bytes; all fields little-endian (checked at build time)
   Threads  no state
   Errors   checks return false; who reads says where
   Limits   TM_JOURNAL_*_MAX. Tests tests/state/test_journal_golden.c,
            tests/reference/journal_reader.py */
#ifndef TM_STATE_JOURNAL_FORMAT_H
#define TM_STATE_JOURNAL_FORMAT_H

#include "base/types.h"

#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

enum {
    TM_JOURNAL_VERSION = 1,
    TM_JOURNAL_HEADER_SZ = 4096, /* two copies of tm_journal_head_t */
    TM_JOURNAL_PAGE_SZ = 4096,   /* unit of direct writes */
    TM_JOURNAL_PAYLOAD_SZ_MAX = 1 << 28,
    TM_JOURNAL_LABEL_SZ = 64,
    TM_JOURNAL_ID_SZ = 16,
    TM_JOURNAL_INDEX_MAX = 4096,      /* entries in a seal */
    TM_JOURNAL_INDEX_GAP = 256 << 10, /* bytes between entries, at least */
    TM_JOURNAL_BLOCK_SZ = 1 << 20     /* raw bytes in a block of a cold segment */
};

#define TM_JOURNAL_SEGMENT_SZ_MAX ((uint64_t)16 << 30)
#define TM_JOURNAL_RECORD_CNT_MAX ((uint32_t)1 << 31)

typedef enum tm_journal_kind {
    TM_JOURNAL_TEXT = 1,
    TM_JOURNAL_BINARY = 2,
    TM_JOURNAL_MESSAGE_LAST = 15, /* kinds up to here are messages, behind it events */
    TM_JOURNAL_CONNECT = 16,
    TM_JOURNAL_DISCONNECT = 17,
    TM_JOURNAL_GAP = 18,
    TM_JOURNAL_CLOCK_STEP = 19,
    TM_JOURNAL_STREAM = 20,
    TM_JOURNAL_NOTE = 21,
    TM_JOURNAL_LANE = 22,
    TM_JOURNAL_SEAL = 255
} tm_journal_kind_t;

/* Record flags: client to server; its rows did not count. */
enum { TM_JOURNAL_SENT = 1, TM_JOURNAL_LEFT_OUT = 2 };
enum { TM_JOURNAL_COLD = 1 };      /* segment flag: zstd blocks */
enum { TM_JOURNAL_RECOVERED = 1 }; /* seal flag */

/* One of the two copies of the segment header. */
typedef struct tm_journal_head {
    uint8_t magic[8];
    uint32_t version, header_sz;
    uint8_t journal_id[TM_JOURNAL_ID_SZ];
    uint64_t epoch, first_seq;
    int64_t real_ns, mono_ns, prior_max_ns;
    uint32_t flags, block_sz;
    uint64_t raw_sz;
    char label[TM_JOURNAL_LABEL_SZ];
    uint8_t zero[2044 - 152];
    uint32_t crc;
} tm_journal_head_t;

typedef struct tm_journal_rec {
    uint32_t sz, idx;
    int64_t recv_ns;
    uint32_t conn;
    uint16_t stream;
    uint8_t kind, flags;
    uint32_t body_crc, head_crc;
} tm_journal_rec_t;

typedef struct tm_journal_seal {
    uint64_t record_cnt, frame_cnt, payload_sz;
    int64_t first_ns, last_ns, max_ns, real_ns, mono_ns;
    uint32_t index_cnt, flags;
} tm_journal_seal_t;

typedef struct tm_journal_mark { /* index entry */
    uint64_t off;
    int64_t prior_max_ns;
    uint64_t idx;
} tm_journal_mark_t;

typedef struct tm_journal_trailer {
    uint64_t seal_off, file_sz;
    uint8_t magic[8];
    uint32_t zero, crc;
} tm_journal_trailer_t;

typedef struct tm_journal_block {
    uint32_t packed_sz, raw_sz;
    uint64_t raw_off;
    uint32_t idx, record_cnt;
    int64_t prior_max_ns;
    uint8_t magic[8];
    uint32_t body_crc, head_crc;
} tm_journal_block_t;

typedef struct tm_journal_block_mark { /* entry of the index of a cold segment */
    uint64_t off;
    uint32_t packed_sz, raw_sz;
    uint64_t raw_off;
    uint32_t idx, record_cnt;
    int64_t prior_max_ns;
    uint8_t magic[8];
} tm_journal_block_mark_t;

static_assert(sizeof(tm_journal_head_t) == 2048 && offsetof(tm_journal_head_t, label) == 88 &&
                  offsetof(tm_journal_head_t, prior_max_ns) == 64,
              "segment header");
static_assert(sizeof(tm_journal_rec_t) == 32 && offsetof(tm_journal_rec_t, conn) == 16 &&
                  offsetof(tm_journal_rec_t, kind) == 22 &&
                  offsetof(tm_journal_rec_t, body_crc) == 24,
              "record header");
static_assert(sizeof(tm_journal_seal_t) == 72 && offsetof(tm_journal_seal_t, index_cnt) == 64,
              "seal");
static_assert(sizeof(tm_journal_mark_t) == 24 && sizeof(tm_journal_trailer_t) == 32,
              "index, trailer");
static_assert(sizeof(tm_journal_block_t) == 48 && offsetof(tm_journal_block_t, magic) == 32,
              "block");
static_assert(sizeof(tm_journal_block_mark_t) == 48, "block mark");

extern const uint8_t tm_journal_magic_head[8], tm_journal_magic_trailer[8];
extern const uint8_t tm_journal_magic_block[8], tm_journal_magic_index[8];

/* Bytes that a payload takes in the file, and a record with it. */
static inline uint64_t tm_journal_body_sz(uint32_t payload_sz)
{
    return ((uint64_t)payload_sz + 7) & ~7ull;
}
static inline uint64_t tm_journal_span(uint32_t payload_sz)
{
    return sizeof(tm_journal_rec_t) + tm_journal_body_sz(payload_sz);
}

/* The start value of all checksums inside a segment. */
uint32_t tm_journal_seed(const uint8_t journal_id[TM_JOURNAL_ID_SZ], uint64_t first_seq);

/* Fills both copies of a header page from *head: magic, version, sizes and checksums are set here.
   */
void tm_journal_head_write(uint8_t page[TM_JOURNAL_HEADER_SZ], const tm_journal_head_t *head);

/* Takes the first good copy. bad[i] tells which copies failed. Returns 0, TM_E_CORRUPT where both
   failed, TM_E_UNSUPPORTED for a version of another age; no text is set. */
int tm_journal_head_read(tm_journal_head_t *head, const uint8_t page[TM_JOURNAL_HEADER_SZ],
                         bool bad[2]);

/* Sums over the header only; body: over payload and padding. */
uint32_t tm_journal_rec_head_crc(uint32_t seed, const tm_journal_rec_t *rec);
uint32_t tm_journal_block_head_crc(uint32_t seed, const tm_journal_block_t *block);

void tm_journal_trailer_write(tm_journal_trailer_t *trailer, uint32_t seed, uint64_t seal_off,
                              uint64_t file_sz);
bool tm_journal_trailer_ok(const tm_journal_trailer_t *trailer, uint32_t seed);

/* Whether the bytes are all zero. */
bool tm_journal_is_zero(const void *src, size_t sz);

static inline bool tm_journal_is_message(uint8_t kind)
{
    return kind != 0 && kind <= TM_JOURNAL_MESSAGE_LAST;
}

#endif
