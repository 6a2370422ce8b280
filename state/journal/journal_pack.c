/* Packing reads a segment through the cursor, so only what is sound is packed, and reads the result
   back before the original goes. */
#include "base/error.h"
#include "state/crc32c.h"
#include "state/file.h"
#include "state/journal/journal_cold.h"
#include "state/journal/journal_cursor.h"
#include "state/journal/journal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3, VIEW_CNT = 512, HEAD_SZ = sizeof(tm_journal_block_t) };

typedef struct pack {
    const char *path; /* of the segment */
    int raw_fd, fd;
    char to[TM_JOURNAL_PATH_MAX], tmp[TM_JOURNAL_PATH_MAX];
    char dir[TM_JOURNAL_PATH_MAX];
    uint32_t seed;
    int level;
    uint64_t raw_sz, off; /* off: end of the new file so far */
    int64_t max_ns;
    uint64_t idx;
    ZSTD_CCtx *zstd;
    uint8_t *raw, *packed;
    size_t raw_cap_sz, packed_cap_sz;
    tm_journal_block_mark_t *marks;
    uint32_t mark_cnt, mark_cap;
    tm_journal_block_t block; /* under way */
} pack_t;

static int room(uint8_t **buf, size_t *cap, size_t need, const char *path)
{
    if (need <= *cap) return 0;
    free(*buf);
    *buf = malloc(need);
    *cap = *buf ? need : 0;
    return *buf ? 0 : tm_error_set(-ENOMEM, "%s: no memory for a block of %zu bytes", path, need);
}

static int mark_add(pack_t *p, const tm_journal_block_t *b)
{
    if (p->mark_cnt == p->mark_cap) {
        const uint32_t cap = p->mark_cap ? p->mark_cap * 2 : 256;
        tm_journal_block_mark_t *marks = realloc(p->marks, cap * sizeof *marks);
        if (!marks) return tm_error_set(-ENOMEM, "%s: no memory for the index", p->path);
        p->marks = marks;
        p->mark_cap = cap;
    }
    tm_journal_block_mark_t *m = &p->marks[p->mark_cnt++];
    m->off = p->off;
    memcpy(&m->packed_sz, b, sizeof *m - sizeof m->off);
    return 0;
}

/* Header, body of `sz` bytes at p->packed, padding. */
static int block_write(pack_t *p, tm_journal_block_t *b)
{
    const size_t body_sz = tm_journal_body_sz(b->packed_sz);
    memset(p->packed + b->packed_sz, 0, body_sz - b->packed_sz);
    b->body_crc = tm_crc32c(p->seed, p->packed, body_sz);
    b->head_crc = tm_journal_block_head_crc(p->seed, b);
    TM_TRY(tm_file_write(p->fd, p->tmp, b, HEAD_SZ, (int64_t)p->off));
    TM_TRY(tm_file_write(p->fd, p->tmp, p->packed, body_sz, (int64_t)p->off + HEAD_SZ));
    p->off += HEAD_SZ + body_sz;
    return 0;
}

/* Packs the raw bytes [p->block.raw_off, raw_end). */
static int block_close(pack_t *p, uint64_t raw_end)
{
    tm_journal_block_t *b = &p->block;
    b->raw_sz = (uint32_t)(raw_end - b->raw_off);
    if (b->raw_sz == 0) return 0;
    const size_t bound = ZSTD_compressBound(b->raw_sz);
    TM_TRY(room(&p->raw, &p->raw_cap_sz, b->raw_sz, p->path));
    TM_TRY(room(&p->packed, &p->packed_cap_sz, bound + 8, p->path));
    const int64_t n = tm_file_read(p->raw_fd, p->path, p->raw, b->raw_sz, (int64_t)b->raw_off);
    if (n < 0) return (int)n;
    if (n != b->raw_sz) return tm_error_set(TM_E_CORRUPT, "%s: became shorter", p->path);
    const size_t sz = ZSTD_compressCCtx(p->zstd, p->packed, bound, p->raw, b->raw_sz, p->level);
    if (ZSTD_isError(sz))
        return tm_error_set(-ENOMEM, "%s: zstd: %s", p->path, ZSTD_getErrorName(sz));
    b->packed_sz = (uint32_t)sz;
    memcpy(b->magic, tm_journal_magic_block, sizeof b->magic);
    TM_TRY(mark_add(p, b));
    TM_TRY(block_write(p, b));
    *b = (tm_journal_block_t){
        .raw_off = raw_end, .idx = (uint32_t)p->idx, .prior_max_ns = p->max_ns};
    return 0;
}

static int blocks_write(pack_t *p, tm_journal_cursor_t *c)
{
    tm_journal_view_t views[VIEW_CNT];
    uint64_t end = TM_JOURNAL_HEADER_SZ;
    int cnt;
    p->max_ns = tm_journal_cursor_head(c)->prior_max_ns;
    p->block = (tm_journal_block_t){.raw_off = end, .prior_max_ns = p->max_ns};
    while ((cnt = tm_journal_cursor_read(c, views, VIEW_CNT)) > 0) {
        for (int i = 0; i < cnt; i++) {
            end = views[i].off + tm_journal_span(views[i].frame.sz);
            if (end - p->block.raw_off > TM_JOURNAL_BLOCK_SZ) TM_TRY(block_close(p, views[i].off));
            if (views[i].frame.recv_ns > p->max_ns) p->max_ns = views[i].frame.recv_ns;
            p->idx++;
            p->block.record_cnt++;
        }
    }
    if (cnt < 0) return cnt;
    if (p->raw_sz - p->block.raw_off > TM_JOURNAL_BLOCK_SZ) TM_TRY(block_close(p, end));
    return block_close(p, p->raw_sz); /* seal and trailer stay together in the last block */
}

static int index_write(pack_t *p)
{
    const size_t sz = p->mark_cnt * sizeof *p->marks;
    tm_journal_block_t b = {.packed_sz = (uint32_t)sz,
                            .raw_sz = (uint32_t)sz,
                            .raw_off = p->raw_sz,
                            .idx = (uint32_t)p->idx,
                            .record_cnt = p->mark_cnt,
                            .prior_max_ns = p->max_ns};
    tm_journal_trailer_t t;
    const uint64_t index_off = p->off;
    memcpy(b.magic, tm_journal_magic_index, sizeof b.magic);
    TM_TRY(room(&p->packed, &p->packed_cap_sz, sz + 8, p->path));
    memcpy(p->packed, p->marks, sz);
    TM_TRY(block_write(p, &b));
    tm_journal_trailer_write(&t, p->seed, index_off, p->off + sizeof t);
    TM_TRY(tm_file_write(p->fd, p->tmp, &t, sizeof t, (int64_t)p->off));
    p->off += sizeof t;
    return 0;
}

static int head_write(pack_t *p, const tm_journal_head_t *from, bool cold)
{
    uint8_t page[TM_JOURNAL_HEADER_SZ];
    tm_journal_head_t head = *from;
    head.flags = cold ? head.flags | TM_JOURNAL_COLD : head.flags & ~(uint32_t)TM_JOURNAL_COLD;
    head.block_sz = cold ? TM_JOURNAL_BLOCK_SZ : 0;
    head.raw_sz = cold ? p->raw_sz : 0;
    tm_journal_head_write(page, &head);
    return tm_file_write(p->fd, p->tmp, page, sizeof page, 0);
}

/* Reads the new file as a reader would and compares it with the old one. */
static int check(pack_t *p, uint64_t first_seq)
{
    const tm_journal_cold_cfg_t cfg = {
        .fd = p->fd, .path = p->tmp, .file_sz = p->off, .seed = p->seed, .first_seq = first_seq};
    tm_journal_cold_t *cold;
    uint64_t at = TM_JOURNAL_HEADER_SZ;
    TM_TRY(tm_journal_cold_open(&cold, &cfg));
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < tm_journal_cold_block_cnt(cold); i++) {
        const tm_journal_block_mark_t *m = tm_journal_cold_mark(cold, i);
        code = room(&p->raw, &p->raw_cap_sz, m->raw_sz, p->path);
        if (code == 0) code = room(&p->packed, &p->packed_cap_sz, m->raw_sz, p->path);
        if (code == 0) code = tm_journal_cold_unpack(cold, i, p->packed);
        if (code < 0) break;
        const int64_t n = tm_file_read(p->raw_fd, p->path, p->raw, m->raw_sz, (int64_t)at);
        if (m->raw_off != at || n != m->raw_sz || memcmp(p->raw, p->packed, m->raw_sz) != 0)
            code = TM_E_CORRUPT;
        at += m->raw_sz;
    }
    tm_journal_cold_close(cold);
    if (code == 0 && at != p->raw_sz) code = TM_E_CORRUPT;
    if (code == TM_E_CORRUPT)
        tm_error_set(code, "%s: what was packed does not read back; the original is kept", p->tmp);
    return code;
}

static int finish(pack_t *p, bool keep)
{
    TM_TRY(tm_file_sync(p->fd, p->tmp));
    TM_TRY(tm_file_rename(p->tmp, p->to));
    TM_TRY(tm_file_sync_dir(p->dir));
    if (keep) return 0;
    TM_TRY(tm_file_unlink(p->path));
    return tm_file_sync_dir(p->dir);
}

/* "<dir>/x.tmj" -> dir, "<dir>/x.<ext>" and "<dir>/.x.tmp". */
static int names(pack_t *p, const char *from_ext, const char *to_ext)
{
    const size_t sz = strlen(p->path);
    const char *slash = strrchr(p->path, '/');
    const char *name = slash ? slash + 1 : p->path;
    if (sz + 8 > TM_JOURNAL_PATH_MAX || strlen(name) < 5 || strcmp(p->path + sz - 4, from_ext) != 0)
        return tm_error_set(TM_E_CONFIG, "%s: the name of a segment ends in %s", p->path, from_ext);
    const int dir_sz = slash ? (int)(slash - p->path) : 1;
    snprintf(p->dir, sizeof p->dir, "%.*s", dir_sz ? dir_sz : 1, slash ? p->path : ".");
    snprintf(p->to, sizeof p->to, "%.*s%s", (int)sz - 4, p->path, to_ext);
    snprintf(p->tmp, sizeof p->tmp, "%.*s.%.*s.tmp", (int)(name - p->path), p->path,
             (int)strlen(name) - 4, name);
    return 0;
}

static int files_open(pack_t *p)
{
    p->raw_fd = tm_file_open(p->path, O_RDONLY);
    if (p->raw_fd < 0) return p->raw_fd;
    p->fd = tm_file_open(p->tmp, O_RDWR | O_CREAT | O_TRUNC);
    return p->fd < 0 ? p->fd : 0;
}

static void pack_free(pack_t *p, bool failed)
{
    if (failed && p->fd >= 0) (void)!tm_file_unlink(p->tmp);
    tm_file_close(p->fd);
    tm_file_close(p->raw_fd);
    ZSTD_freeCCtx(p->zstd);
    free(p->raw);
    free(p->packed);
    free(p->marks);
    free(p);
}

static int pack_run(pack_t *p, tm_journal_cursor_t *c, bool keep)
{
    const tm_journal_head_t *head = tm_journal_cursor_head(c);
    if (!tm_journal_cursor_closed(c) || !tm_journal_cursor_seal(c))
        return tm_error_set(TM_E_CORRUPT, "%s: not sealed; only finished segments are packed",
                            p->path);
    if (head->flags & TM_JOURNAL_COLD)
        return tm_error_set(TM_E_CONFIG, "%s: is cold already", p->path);
    TM_TRY(files_open(p));
    p->zstd = ZSTD_createCCtx();
    if (!p->zstd) return tm_error_set(-ENOMEM, "%s: no memory for zstd", p->path);
    const int64_t end = lseek(p->raw_fd, 0, SEEK_END);
    if (end < 0) return tm_error_set(-errno, "%s: %s", p->path, tm_error_name(-errno));
    p->raw_sz = (uint64_t)end;
    p->seed = tm_journal_seed(head->journal_id, head->first_seq);
    p->off = TM_JOURNAL_HEADER_SZ;
    TM_TRY(head_write(p, head, true));
    TM_TRY(blocks_write(p, c));
    if (tm_journal_cursor_damage_cnt(c) > 0)
        return tm_error_set(TM_E_CORRUPT, "%s: is damaged; verify it first, it is not packed",
                            p->path);
    TM_TRY(index_write(p));
    TM_TRY(check(p, head->first_seq));
    return finish(p, keep);
}

int tm_journal_cold_pack(const char *path, tm_journal_pack_t *pack)
{
    const tm_journal_cursor_cfg_t cfg = {.path = path, .last = true};
    tm_journal_cursor_t *c;
    TM_TRY(tm_journal_cursor_open(&c, &cfg));
    pack_t *p = calloc(1, sizeof *p);
    int code = p ? 0 : tm_error_set(-ENOMEM, "%s: no memory", path);
    if (p) {
        p->path = path;
        p->fd = p->raw_fd = -1;
        p->level = pack->level ? pack->level : LEVEL;
        code = names(p, ".tmj", ".tmz");
        if (code == 0) code = pack_run(p, c, pack->keep);
        pack->raw_sz = p->raw_sz;
        pack->cold_sz = p->off;
        pack_free(p, code < 0);
    }
    tm_journal_cursor_close(c);
    return code;
}

static int restore_run(pack_t *p, tm_journal_cursor_t *c, bool keep)
{
    const tm_journal_head_t *head = tm_journal_cursor_head(c);
    if (!(head->flags & TM_JOURNAL_COLD))
        return tm_error_set(TM_E_CONFIG, "%s: is not cold", p->path);
    TM_TRY(files_open(p));
    p->raw_sz = head->raw_sz;
    p->seed = tm_journal_seed(head->journal_id, head->first_seq);
    const int64_t file_sz = lseek(p->raw_fd, 0, SEEK_END);
    if (file_sz < 0) return tm_error_set(-errno, "%s: %s", p->path, tm_error_name(-errno));
    const tm_journal_cold_cfg_t cfg = {.fd = p->raw_fd,
                                       .path = p->path,
                                       .file_sz = (uint64_t)file_sz,
                                       .seed = p->seed,
                                       .first_seq = head->first_seq};
    tm_journal_cold_t *cold;
    TM_TRY(head_write(p, head, false));
    p->off = TM_JOURNAL_HEADER_SZ;
    TM_TRY(tm_journal_cold_open(&cold, &cfg));
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < tm_journal_cold_block_cnt(cold); i++) {
        const tm_journal_block_mark_t *m = tm_journal_cold_mark(cold, i);
        code = m->raw_off == p->off ? room(&p->raw, &p->raw_cap_sz, m->raw_sz, p->path)
                                    : TM_E_CORRUPT;
        if (code == 0) code = tm_journal_cold_unpack(cold, i, p->raw);
        if (code == 0) code = tm_file_write(p->fd, p->tmp, p->raw, m->raw_sz, (int64_t)p->off);
        p->off += m->raw_sz;
    }
    tm_journal_cold_close(cold);
    if (code == 0 && p->off != p->raw_sz) code = TM_E_CORRUPT;
    if (code == TM_E_CORRUPT)
        return tm_error_set(code, "%s: a block is damaged; verify it, it stays as it is", p->path);
    return code < 0 ? code : finish(p, keep);
}

int tm_journal_cold_restore(const char *path, tm_journal_pack_t *pack)
{
    const tm_journal_cursor_cfg_t cfg = {.path = path, .last = true};
    tm_journal_cursor_t *c;
    TM_TRY(tm_journal_cursor_open(&c, &cfg));
    pack_t *p = calloc(1, sizeof *p);
    int code = p ? 0 : tm_error_set(-ENOMEM, "%s: no memory", path);
    if (p) {
        p->path = path;
        p->fd = p->raw_fd = -1;
        code = names(p, ".tmz", ".tmj");
        if (code == 0) code = restore_run(p, c, pack->keep);
        pack->raw_sz = p->raw_sz;
        pack_free(p, code < 0);
    }
    tm_journal_cursor_close(c);
    return code;
}
