#include "base/error.h"
#include "state/file.h"
#include "state/journal/journal_cursor_private.h"
#include "state/journal/journal_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { REC_SZ = sizeof(tm_journal_rec_t), TRAILER_SZ = sizeof(tm_journal_trailer_t) };

static void damage_pass(void *ctx, const tm_journal_damage_t *damage)
{
    tm_journal_cursor_t *c = ctx;
    c->damage_cnt++;
    if (c->cfg.on_damage) c->cfg.on_damage(c->cfg.on_damage_ctx, damage);
}

void tm_journal_cursor_report(tm_journal_cursor_t *c, tm_journal_damage_kind_t kind, uint64_t off,
                              uint64_t end, uint64_t lost_cnt)
{
    damage_pass(c, &(tm_journal_damage_t){.kind = kind,
                                          .path = c->cfg.path,
                                          .off = off,
                                          .sz = end - off,
                                          .seq = c->first_seq + c->expect,
                                          .lost_cnt = lost_cnt});
}

static int head_take(tm_journal_cursor_t *c, int fd, uint64_t file_sz)
{
    uint8_t page[TM_JOURNAL_HEADER_SZ] = {0};
    bool bad[2];
    int64_t n = tm_file_read(fd, c->cfg.path, page, sizeof page, 0);
    if (n < 0) tm_journal_cursor_report(c, TM_JOURNAL_UNREADABLE, 0, sizeof page, 0);
    const int code = tm_journal_head_read(&c->head, page, bad);
    if (code == TM_E_UNSUPPORTED)
        return tm_error_set(code, "%s: journal version %u; this build reads version %d",
                            c->cfg.path, c->head.version, TM_JOURNAL_VERSION);
    if (code == 0) {
        for (uint32_t i = 0; i < 2; i++)
            if (bad[i])
                tm_journal_cursor_report(c, TM_JOURNAL_BAD_HEADER_COPY, i * 2048u,
                                         i * 2048u + 2048u, 0);
        c->first_seq = c->head.first_seq;
        return 0;
    }
    c->first_seq = c->cfg.name_seq;
    tm_journal_cursor_report(c, TM_JOURNAL_BAD_HEADER, 0,
                             file_sz < sizeof page ? file_sz : sizeof page, 0);
    if (!c->cfg.journal_id)
        return tm_error_set(
            TM_E_CORRUPT,
            "%s: offset 0: both copies of the header are damaged and no other segment "
            "of the journal is beside it: its records cannot be told from noise",
            c->cfg.path);
    c->head = (tm_journal_head_t){.first_seq = c->first_seq, .prior_max_ns = INT64_MIN};
    memcpy(c->head.journal_id, c->cfg.journal_id, TM_JOURNAL_ID_SZ);
    const size_t path_sz = strlen(c->cfg.path);
    if (path_sz > 4 && strcmp(c->cfg.path + path_sz - 4, ".tmz") == 0)
        c->head.flags = TM_JOURNAL_COLD;
    return 0;
}

int tm_journal_cursor_see(tm_journal_cursor_t *c, uint64_t off, uint64_t need)
{
    if (tm_journal_window_has(&c->w, off, need)) return true;
    if (off > c->w.end_off || need > c->w.end_off - off) return false;
    TM_TRY(tm_journal_window_fill(&c->w, off, need));
    return tm_journal_window_has(&c->w, off, need);
}

static bool marks_ok(const tm_journal_cursor_t *c)
{
    uint64_t off = TM_JOURNAL_HEADER_SZ, idx = 0;
    for (uint32_t i = 0; i < c->seal.index_cnt; i++) {
        const tm_journal_mark_t *m = &c->marks[i];
        if (m->off < off || m->off % 8 != 0 || m->idx < idx || m->idx > c->seal.record_cnt)
            return false;
        off = m->off;
        idx = m->idx;
    }
    return off <= c->limit;
}

int tm_journal_cursor_take_seal(tm_journal_cursor_t *c, uint64_t off)
{
    TM_TRY(tm_journal_cursor_see(c, off, REC_SZ));
    if (!tm_journal_window_has(&c->w, off, REC_SZ)) return 0;
    tm_journal_rec_t rec;
    memcpy(&rec, tm_journal_window_at(&c->w, off), sizeof rec);
    if (rec.kind != TM_JOURNAL_SEAL || rec.sz < sizeof c->seal || rec.sz > TM_JOURNAL_SEAL_SZ_MAX ||
        rec.head_crc != tm_journal_rec_head_crc(c->seed, &rec))
        return 0;
    const uint64_t span = tm_journal_span(rec.sz);
    TM_TRY(tm_journal_cursor_see(c, off, span));
    if (!tm_journal_window_has(&c->w, off, span)) return 0;
    const uint8_t *body = tm_journal_window_at(&c->w, off) + REC_SZ;
    if (rec.body_crc != c->crc(c->seed, body, tm_journal_body_sz(rec.sz))) return 0;
    memcpy(&c->seal, body, sizeof c->seal);
    if (c->seal.index_cnt > TM_JOURNAL_INDEX_MAX || c->seal.record_cnt != rec.idx ||
        rec.sz != sizeof c->seal + c->seal.index_cnt * sizeof *c->marks)
        return 0;
    free(c->marks);
    c->marks = malloc(c->seal.index_cnt * sizeof *c->marks + 1);
    if (!c->marks) return tm_error_set(-ENOMEM, "%s: no memory for the index", c->cfg.path);
    memcpy(c->marks, body + sizeof c->seal, c->seal.index_cnt * sizeof *c->marks);
    return marks_ok(c);
}

/* A sound trailer at the very end tells where the records end. */
static int trailer_take(tm_journal_cursor_t *c)
{
    tm_journal_trailer_t t;
    const uint64_t end = c->w.end_off;
    c->limit = end;
    if (end < TM_JOURNAL_HEADER_SZ + REC_SZ + TRAILER_SZ) return 0;
    TM_TRY(tm_journal_cursor_see(c, end - TRAILER_SZ, TRAILER_SZ));
    if (!tm_journal_window_has(&c->w, end - TRAILER_SZ, TRAILER_SZ)) return 0;
    memcpy(&t, tm_journal_window_at(&c->w, end - TRAILER_SZ), sizeof t);
    if (!tm_journal_trailer_ok(&t, c->seed) || t.file_sz != end || t.seal_off % 8 != 0 ||
        t.seal_off < TM_JOURNAL_HEADER_SZ || t.seal_off > end - TRAILER_SZ)
        return 0;
    c->trailed = c->sealed = true;
    c->limit = t.seal_off;
    const int ok = tm_journal_cursor_take_seal(c, t.seal_off);
    c->have_seal = ok == 1;
    if (ok == 0) tm_journal_cursor_report(c, TM_JOURNAL_BAD_SEAL, t.seal_off, end - TRAILER_SZ, 0);
    return ok;
}

static int prepare(tm_journal_cursor_t *c, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0) st.st_size = 0;
    const uint64_t file_sz = (uint64_t)st.st_size;
    int code = head_take(c, fd, file_sz);
    if (code < 0) {
        tm_file_close(fd);
        return code;
    }
    TM_TRY(tm_journal_window_open(&c->w, fd, c->cfg.path, file_sz));
    c->w.on_damage = damage_pass;
    c->w.on_damage_ctx = c;
    c->crc = tm_crc32c_kernel();
    c->seed = tm_journal_seed(c->head.journal_id, c->first_seq);
    c->off = c->good_off = TM_JOURNAL_HEADER_SZ;
    if (c->head.flags & TM_JOURNAL_COLD) {
        const tm_journal_cold_cfg_t cold = {.fd = fd,
                                            .path = c->cfg.path,
                                            .file_sz = file_sz,
                                            .seed = c->seed,
                                            .first_seq = c->first_seq,
                                            .on_damage = damage_pass,
                                            .on_damage_ctx = c};
        TM_TRY(tm_journal_cold_open(&c->w.cold, &cold));
        c->w.end_off = c->head.raw_sz ? c->head.raw_sz : tm_journal_cold_raw_sz(c->w.cold);
    }
    return trailer_take(c);
}

int tm_journal_cursor_open(tm_journal_cursor_t **out, const tm_journal_cursor_cfg_t *cfg)
{
    int fd = tm_file_open(cfg->path, O_RDONLY);
    if (fd < 0) return fd;
    tm_journal_cursor_t *c = calloc(1, sizeof *c);
    if (!c) {
        tm_file_close(fd);
        return tm_error_set(-ENOMEM, "%s: no memory for a cursor", cfg->path);
    }
    c->cfg = *cfg;
    const int code = prepare(c, fd);
    if (code < 0) {
        tm_journal_cursor_close(c);
        return code;
    }
    *out = c;
    return 0;
}

void tm_journal_cursor_close(tm_journal_cursor_t *c)
{
    if (!c) return;
    tm_journal_window_close(&c->w);
    free(c->marks);
    free(c);
}

const tm_journal_head_t *tm_journal_cursor_head(const tm_journal_cursor_t *c)
{
    return &c->head;
}

const tm_journal_seal_t *tm_journal_cursor_seal(const tm_journal_cursor_t *c)
{
    return c->have_seal ? &c->seal : NULL;
}

uint64_t tm_journal_cursor_next_seq(const tm_journal_cursor_t *c)
{
    return c->first_seq + c->expect;
}

uint64_t tm_journal_cursor_end_off(const tm_journal_cursor_t *c)
{
    return c->off;
}

uint64_t tm_journal_cursor_torn_sz(const tm_journal_cursor_t *c)
{
    return c->torn_sz;
}

bool tm_journal_cursor_closed(const tm_journal_cursor_t *c)
{
    return c->trailed;
}

uint64_t tm_journal_cursor_damage_cnt(const tm_journal_cursor_t *c)
{
    return c->damage_cnt;
}
