#include "state/checkpoint/checkpoint_pages.h"

#include "base/error.h"
#include "state/crc32c.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
    PIECE = 1 << 20,
    RECORD_MAX = sizeof(tm_checkpoint_record_t) + TM_PAGE_SZ,
};

static uint32_t record_crc(uint32_t seed, const tm_checkpoint_record_t *record, const void *stored)
{
    uint32_t crc = tm_crc32c(seed, record, offsetof(tm_checkpoint_record_t, crc));
    return tm_crc32c(crc, stored, record->stored_sz);
}

/* ---- Writing --------------------------------------------------------------------------------- */

int tm_pages_writer_open(tm_pages_writer_t *w, const char *path,
                         const tm_checkpoint_pages_head_t *head, tm_parquet_codec_t kind)
{
    *w = (tm_pages_writer_t){.fd = -1, .head = *head, .kind = kind};
    snprintf(w->path, sizeof w->path, "%s", path);
    memcpy(w->head.magic, TM_CHECKPOINT_PAGES_MAGIC, sizeof w->head.magic);
    w->head.version = TM_CHECKPOINT_VERSION;
    w->head.header_sz = sizeof w->head;
    w->head.page_sz = TM_PAGE_SZ;
    w->seed = w->head.crc = tm_crc32c(0, &w->head, offsetof(tm_checkpoint_pages_head_t, crc));
    TM_TRY(tm_codec_open(&w->codec, 1));
    TM_TRY(tm_buffer_reserve(&w->buf, PIECE + RECORD_MAX + TM_PAGE_SZ));
    w->fd = tm_file_open(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (w->fd < 0) return w->fd;
    tm_buffer_put(&w->buf, &w->head, sizeof w->head);
    return 0;
}

static int flush(tm_pages_writer_t *w)
{
    TM_TRY(tm_file_write(w->fd, w->path, w->buf.data, w->buf.sz, w->off));
    w->off += (int64_t)w->buf.sz;
    tm_buffer_clear(&w->buf);
    return 0;
}

int tm_pages_writer_copy(tm_pages_writer_t *w, const tm_checkpoint_record_t *record,
                         const void *stored)
{
    static const uint8_t zeros[8];
    tm_checkpoint_record_t head = *record;
    head.crc = record_crc(w->seed, &head, stored);
    tm_buffer_put(&w->buf, &head, sizeof head);
    tm_buffer_put(&w->buf, stored, head.stored_sz);
    tm_buffer_put(&w->buf, zeros, tm_align_up(head.stored_sz, 8) - head.stored_sz);
    w->record_cnt++;
    return w->buf.sz >= PIECE ? flush(w) : 0;
}

int tm_pages_writer_put(tm_pages_writer_t *w, uint32_t page, const void *bytes)
{
    uint8_t packed[TM_PAGE_SZ + 1024];
    tm_checkpoint_record_t record = {.page = page, .stored_sz = TM_PAGE_SZ};
    const void *stored = bytes;
    if (w->kind != TM_PARQUET_CODEC_NONE && tm_codec_bound(w->kind, TM_PAGE_SZ) <= sizeof packed) {
        size_t sz = tm_codec_compress(&w->codec, w->kind, packed, bytes, TM_PAGE_SZ);
        if (sz > 0 && sz < TM_PAGE_SZ - TM_PAGE_SZ / 8) {
            record.codec = w->kind;
            record.stored_sz = (uint32_t)sz;
            stored = packed;
        }
    }
    return tm_pages_writer_copy(w, &record, stored);
}

int tm_pages_writer_finish(tm_pages_writer_t *w, int64_t *sz)
{
    tm_checkpoint_trailer_t trailer = {.record_cnt = w->record_cnt,
                                       .body_sz = (uint64_t)w->off + w->buf.sz};
    memcpy(trailer.magic, TM_CHECKPOINT_TRAILER_MAGIC, sizeof trailer.magic);
    trailer.crc = tm_crc32c(w->seed, &trailer, offsetof(tm_checkpoint_trailer_t, crc));
    tm_buffer_put(&w->buf, &trailer, sizeof trailer);
    TM_TRY(flush(w));
    TM_TRY(tm_file_sync(w->fd, w->path));
    *sz = w->off;
    return 0;
}

void tm_pages_writer_close(tm_pages_writer_t *w)
{
    if (w->fd >= 0) tm_file_close(w->fd);
    tm_codec_close(&w->codec);
    tm_buffer_free(&w->buf);
    *w = (tm_pages_writer_t){.fd = -1};
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int corrupt(const tm_pages_reader_t *r, const char *what)
{
    return tm_error_set(TM_E_CORRUPT, "%s: %s at offset %lld; the checkpoint cannot be used",
                        r->path, what, (long long)r->off - (long long)r->buf.sz + (long long)r->at);
}

/* Makes at least `need` bytes readable at `at`, fewer only at the end of the file. */
static int fill(tm_pages_reader_t *r, size_t need)
{
    if (r->buf.sz - r->at >= need) return 0;
    memmove(r->buf.data, r->buf.data + r->at, r->buf.sz - r->at);
    r->buf.sz -= r->at;
    r->at = 0;
    int64_t got = tm_file_read(r->fd, r->path, r->buf.data + r->buf.sz, r->buf.cap_sz - r->buf.sz,
                               r->off);
    if (got < 0) return (int)got;
    r->buf.sz += (size_t)got;
    r->off += got;
    return 0;
}

int tm_pages_reader_open(tm_pages_reader_t *r, const char *path)
{
    *r = (tm_pages_reader_t){.fd = -1};
    snprintf(r->path, sizeof r->path, "%s", path);
    TM_TRY(tm_codec_open(&r->codec, 1));
    TM_TRY(tm_buffer_reserve(&r->buf, PIECE + RECORD_MAX));
    r->fd = tm_file_open(path, O_RDONLY);
    if (r->fd < 0) return r->fd;
    TM_TRY(fill(r, sizeof r->head));
    if (r->buf.sz < sizeof r->head) return corrupt(r, "the header is cut off");
    memcpy(&r->head, r->buf.data, sizeof r->head);
    if (memcmp(r->head.magic, TM_CHECKPOINT_PAGES_MAGIC, sizeof r->head.magic) != 0)
        return corrupt(r, "this is no page file");
    if (r->head.crc != tm_crc32c(0, &r->head, offsetof(tm_checkpoint_pages_head_t, crc)))
        return corrupt(r, "the header's checksum does not hold");
    if (r->head.version != TM_CHECKPOINT_VERSION || r->head.header_sz != sizeof r->head)
        return tm_error_set(TM_E_UNSUPPORTED,
                            "%s: version %u of page files is not known; use a"
                            " newer build",
                            path, r->head.version);
    if (r->head.page_sz != TM_PAGE_SZ)
        return tm_error_set(TM_E_UNSUPPORTED, "%s: pages of %u bytes, this build has %d", path,
                            r->head.page_sz, TM_PAGE_SZ);
    r->seed = r->head.crc;
    r->at = sizeof r->head;
    return 0;
}

/* Whether what is at hand is the trailer, in order, and the end. */
static int trailer_check(tm_pages_reader_t *r)
{
    tm_checkpoint_trailer_t t;
    memcpy(&t, r->buf.data + r->at, sizeof t);
    uint64_t body_sz = (uint64_t)(r->off - (int64_t)r->buf.sz) + r->at;
    if (t.crc != tm_crc32c(r->seed, &t, offsetof(tm_checkpoint_trailer_t, crc)))
        return corrupt(r, "the trailer's checksum does not hold");
    if (t.record_cnt != r->record_cnt || t.body_sz != body_sz)
        return corrupt(r, "the trailer counts other records");
    TM_TRY(fill(r, sizeof t + 1));
    if (r->buf.sz - r->at != sizeof t) return corrupt(r, "bytes behind the trailer");
    return 0;
}

int tm_pages_reader_next(tm_pages_reader_t *r, tm_checkpoint_record_t *record, const void **stored)
{
    TM_TRY(fill(r, RECORD_MAX));
    size_t left = r->buf.sz - r->at;
    const uint8_t *at = r->buf.data + r->at;
    if (left >= sizeof(tm_checkpoint_trailer_t) && memcmp(at, TM_CHECKPOINT_TRAILER_MAGIC, 8) == 0)
        return trailer_check(r);
    if (left < sizeof *record) return corrupt(r, "a record is cut off");
    memcpy(record, at, sizeof *record);
    if (record->stored_sz == 0 || record->stored_sz > TM_PAGE_SZ ||
        record->page >= r->head.page_cnt)
        return corrupt(r, "a record makes no sense");
    size_t sz = sizeof *record + tm_align_up(record->stored_sz, 8);
    if (left < sz) return corrupt(r, "a record is cut off");
    *stored = at + sizeof *record;
    if (record->crc != record_crc(r->seed, record, *stored))
        return corrupt(r, "a record's checksum does not hold");
    r->at += sz;
    r->record_cnt++;
    return 1;
}

int tm_pages_reader_expand(tm_pages_reader_t *r, const tm_checkpoint_record_t *record,
                           const void *stored, void *page)
{
    if (record->codec == TM_PARQUET_CODEC_NONE) {
        if (record->stored_sz != TM_PAGE_SZ) return corrupt(r, "a page of another size");
        memcpy(page, stored, TM_PAGE_SZ);
        return 0;
    }
    int err = tm_codec_decompress(&r->codec, (tm_parquet_codec_t)record->codec, page, TM_PAGE_SZ,
                                  stored, record->stored_sz);
    return err < 0 ? tm_error_context(err, "%s: page %u", r->path, record->page) : 0;
}

void tm_pages_reader_close(tm_pages_reader_t *r)
{
    if (r->fd >= 0) tm_file_close(r->fd);
    tm_codec_close(&r->codec);
    tm_buffer_free(&r->buf);
    *r = (tm_pages_reader_t){.fd = -1};
}
