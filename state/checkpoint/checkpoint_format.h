/* state/checkpoint/checkpoint_format.h - the bytes of checkpoints, as docs/checkpoints.md states
   them.
   Units    *_sz, off: bytes; all integers little-endian, as on every machine this is built for
   Tests    tests/state/test_checkpoint.c, tests/reference/checkpoint_reader.py */
#ifndef TM_STATE_CHECKPOINT_FORMAT_H
#define TM_STATE_CHECKPOINT_FORMAT_H

#include "base/types.h"

#include <assert.h>

#define TM_CHECKPOINT_PAGES_MAGIC    "TMP1\r\n\x1a\n"
#define TM_CHECKPOINT_TRAILER_MAGIC  "TMPE\r\n\x1a\n"
#define TM_CHECKPOINT_MANIFEST_MAGIC "TMC1\r\n\x1a\n"

enum {
    TM_CHECKPOINT_VERSION = 1,
    TM_CHECKPOINT_WORKER_MAX = 256,
    TM_CHECKPOINT_ENTRY_MAX = 1024,
    TM_CHECKPOINT_BODY_MAX = 256 << 20,
    TM_CHECKPOINT_NAME_MAX = 255,
    TM_CHECKPOINT_FLAG_BASE = 1,
};

typedef enum tm_checkpoint_kind {
    TM_CHECKPOINT_PAGES = 1,
    TM_CHECKPOINT_BLOB = 2,
} tm_checkpoint_kind_t;

typedef struct tm_checkpoint_pages_head {
    uint8_t magic[8];     /* 00-07 */
    uint32_t version;     /* 08-11 */
    uint32_t header_sz;   /* 12-15 */
    uint64_t id;          /* 16-23 */
    uint32_t worker;      /* 24-27 */
    uint32_t page_sz;     /* 28-31 */
    uint32_t page_cnt;    /* 32-35 */
    uint32_t flags;       /* 36-39 */
    uint8_t reserved[20]; /* 40-59 */
    uint32_t crc;         /* 60-63 */
} tm_checkpoint_pages_head_t;
static_assert(sizeof(tm_checkpoint_pages_head_t) == 64, "docs/checkpoints.md");
static_assert(offsetof(tm_checkpoint_pages_head_t, crc) == 60, "docs/checkpoints.md");

typedef struct tm_checkpoint_record {
    uint32_t page;      /* 00-03 */
    uint32_t stored_sz; /* 04-07 */
    uint32_t codec;     /* 08-11: tm_parquet_codec_t */
    uint32_t crc;       /* 12-15 */
} tm_checkpoint_record_t;
static_assert(sizeof(tm_checkpoint_record_t) == 16, "docs/checkpoints.md");

typedef struct tm_checkpoint_trailer {
    uint8_t magic[8];    /* 00-07 */
    uint32_t record_cnt; /* 08-11 */
    uint32_t zero;       /* 12-15 */
    uint64_t body_sz;    /* 16-23 */
    uint32_t zero_too;   /* 24-27 */
    uint32_t crc;        /* 28-31 */
} tm_checkpoint_trailer_t;
static_assert(sizeof(tm_checkpoint_trailer_t) == 32, "docs/checkpoints.md");

typedef struct tm_checkpoint_manifest_head {
    uint8_t magic[8];     /* 00-07 */
    uint32_t version;     /* 08-11 */
    uint32_t header_sz;   /* 12-15 */
    uint64_t id;          /* 16-23 */
    int64_t created_ns;   /* 24-31 */
    uint64_t body_sz;     /* 32-39 */
    uint32_t entry_cnt;   /* 40-43 */
    uint32_t body_crc;    /* 44-47 */
    uint8_t reserved[12]; /* 48-59 */
    uint32_t crc;         /* 60-63 */
} tm_checkpoint_manifest_head_t;
static_assert(sizeof(tm_checkpoint_manifest_head_t) == 64, "docs/checkpoints.md");

typedef struct tm_checkpoint_entry_head {
    uint32_t kind;     /* 00-03: tm_checkpoint_kind_t */
    uint32_t name_sz;  /* 04-07 */
    uint64_t data_sz;  /* 08-15 */
    uint64_t file_id;  /* 16-23 */
    uint32_t worker;   /* 24-27 */
    uint32_t file_crc; /* 28-31 */
} tm_checkpoint_entry_head_t;
static_assert(sizeof(tm_checkpoint_entry_head_t) == 32, "docs/checkpoints.md");

#endif
