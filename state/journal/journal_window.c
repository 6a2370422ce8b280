#include "state/journal/journal_window.h"

#include "base/error.h"
#include "base/frame.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_SZ = 512 << 10,
    AHEAD_SZ = 2 << 20, /* on their way from the disk behind the window: a paced replay must not
                           wait for it when a record is due */
    SECTOR_SZ = 4096,
    FILLER = 0xdb
};

int tm_journal_window_open(tm_journal_window_t *w, int fd, const char *path, uint64_t file_sz)
{
    const size_t cap = file_sz < WINDOW_SZ ? tm_align_up(file_sz + 1, SECTOR_SZ) : WINDOW_SZ;
    *w = (tm_journal_window_t){.fd = fd, .path = path, .end_off = file_sz, .cap_sz = cap};
    w->buf = aligned_alloc(TM_CACHE_LINE, cap + TM_FRAME_PAD);
    if (!w->buf) {
        tm_file_close(fd);
        return tm_error_set(-ENOMEM, "%s: no memory for a read buffer", path);
    }
    memset(w->buf, 0, cap + TM_FRAME_PAD);
    w->data = w->buf;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint: may fail */
    return 0;
}

void tm_journal_window_close(tm_journal_window_t *w)
{
    if (!w->buf) return;
    tm_journal_cold_close(w->cold);
    free(w->buf);
    tm_file_close(w->fd);
    *w = (tm_journal_window_t){.fd = -1};
}

static int grow(tm_journal_window_t *w, uint64_t need)
{
    if (need <= w->cap_sz) return 0;
    const size_t cap = tm_align_up(need, SECTOR_SZ);
    uint8_t *buf = aligned_alloc(TM_CACHE_LINE, cap + TM_FRAME_PAD);
    if (!buf) return tm_error_set(-ENOMEM, "%s: no memory for a record of %zu bytes", w->path, cap);
    memcpy(buf, w->buf, w->cap_sz);
    memset(buf + w->cap_sz, 0, cap + TM_FRAME_PAD - w->cap_sz);
    if (w->data == w->buf) w->data = buf;
    free(w->buf);
    w->buf = buf;
    w->cap_sz = cap;
    return 0;
}

/* A chunk that the device refuses is read again in sectors, so that only bad ones are given up. */
static void read_sectors(tm_journal_window_t *w, uint8_t *dst, uint64_t off, uint64_t sz)
{
    for (uint64_t at = 0; at < sz;) {
        uint64_t n = SECTOR_SZ - (off + at) % SECTOR_SZ;
        if (n > sz - at) n = sz - at;
        if (tm_file_read(w->fd, w->path, dst + at, n, (int64_t)(off + at)) != (int64_t)n) {
            memset(dst + at, FILLER, n);
            if (w->on_damage)
                w->on_damage(w->on_damage_ctx, &(tm_journal_damage_t){.kind = TM_JOURNAL_UNREADABLE,
                                                                      .path = w->path,
                                                                      .off = off + at,
                                                                      .sz = n});
        }
        at += n;
    }
}

/* Each byte is asked for once: the kernel looks at every page of a range, also at those it has. */
static void read_ahead(tm_journal_window_t *w)
{
    const uint64_t from = w->off + w->sz;
    const bool moved = w->asked_off < from || w->asked_off > from + AHEAD_SZ;
    if (from >= w->end_off || (!moved && w->asked_off - from > AHEAD_SZ / 2)) return;
    if (moved) w->asked_off = from;
    posix_fadvise(w->fd, (off_t)w->asked_off, (off_t)(from + AHEAD_SZ - w->asked_off),
                  POSIX_FADV_WILLNEED); /* a hint: may fail */
    w->asked_off = from + AHEAD_SZ;
}

static int fill_plain(tm_journal_window_t *w, uint64_t off, uint64_t need)
{
    const uint64_t slack = off %
                           TM_CACHE_LINE; /* records stay aligned in the buffer as in the file */
    uint64_t keep = 0;
    off -= slack;
    need += slack;
    if (off >= w->off && off < w->off + w->sz) keep = w->off + w->sz - off;
    uint64_t want = need > WINDOW_SZ ? need : WINDOW_SZ;
    if (want > w->end_off - off) want = w->end_off - off;
    const uint8_t *old = keep ? tm_journal_window_at(w, off) : NULL;
    const bool inside = keep != 0;
    const size_t old_pos = inside ? (size_t)(old - w->buf) : 0;
    TM_TRY(grow(w, want));
    if (keep > want) keep = want;
    if (inside) memmove(w->buf, w->buf + old_pos, keep);
    w->data = w->buf;
    w->off = off;
    w->sz = keep;
    const uint64_t more = want - keep;
    if (more == 0) return 0;
    int64_t n = tm_file_read(w->fd, w->path, w->buf + keep, more, (int64_t)(off + keep));
    if (n == -EIO || n == -ENODATA || n == -EBADMSG || n == -EILSEQ) {
        read_sectors(w, w->buf + keep, off + keep, more);
        n = (int64_t)more;
    }
    if (n < 0) return (int)n;
    w->sz = keep + (uint64_t)n;
    read_ahead(w);
    if ((uint64_t)n < more) w->end_off = off + w->sz; /* the file was cut while it was read */
    return 0;
}

static int fill_cold(tm_journal_window_t *w, uint64_t off)
{
    const uint32_t cnt = tm_journal_cold_block_cnt(w->cold);
    uint32_t lo = 0, hi = cnt; /* first block that ends behind off */
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        const tm_journal_block_mark_t *m = tm_journal_cold_mark(w->cold, mid);
        if (m->raw_off + m->raw_sz <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (bool skipped = false; lo < cnt; lo++) {
        const tm_journal_block_mark_t *m = tm_journal_cold_mark(w->cold, lo);
        TM_TRY(grow(w, m->raw_sz));
        const int code = tm_journal_cold_unpack(w->cold, lo, w->buf);
        if (code < 0 && code != TM_E_CORRUPT) return code;
        if (code == 0) {
            skipped |= m->raw_off > off;
            w->off = m->raw_off;
            w->sz = m->raw_sz;
            return skipped;
        }
        skipped = true;
    }
    w->off = w->end_off;
    w->sz = 0;
    return 1;
}

int tm_journal_window_fill(tm_journal_window_t *w, uint64_t off, uint64_t need)
{
    return w->cold ? fill_cold(w, off) : fill_plain(w, off, need);
}
