/* The end of the records is known from the trailer where that is sound, else found by reading.
   Damage is never skipped by trust in a length: a record header counts only with its own seeded
   checksum, so a search may stop at any multiple of eight, also inside a payload that imitates a
   record. */
#include "state/journal/journal_cursor.h"

#include "base/error.h"
#include "state/journal/journal_cursor_private.h"

#include <string.h>

enum { REC_SZ = sizeof(tm_journal_rec_t), TRAILER_SZ = sizeof(tm_journal_trailer_t) };

/* The rule "valid" of the format, but for what lies behind the window. */
static inline bool rec_ok(const tm_journal_cursor_t *c, const tm_journal_rec_t *rec, uint64_t off)
{
    if (rec->kind == 0 || rec->sz > TM_JOURNAL_PAYLOAD_SZ_MAX || rec->idx < c->expect) return false;
    if (rec->idx == UINT32_MAX) return false; /* the one behind it could not be numbered */
    if (tm_journal_span(rec->sz) > c->limit - off) return false;
    if (rec->idx - c->expect > (off - c->good_off) / REC_SZ) return false;
    return rec->head_crc == c->crc(c->seed, rec, offsetof(tm_journal_rec_t, head_crc));
}

typedef struct found {
    bool rec;             /* a valid record starts at off */
    uint64_t off;         /* else: the limit */
    uint32_t idx;         /* of it */
    uint64_t nonzero_end; /* behind the last byte before off that is not zero */
} found_t;

/* Makes bytes at q visible. Returns how many of `need`, 0 where q lies behind the end or in a gap
   that was stepped over (*next), or an error. */
static int64_t show(tm_journal_cursor_t *c, uint64_t q, uint64_t need, uint64_t *next)
{
    const bool cold = c->w.cold != NULL;
    if (!tm_journal_window_has(&c->w, q, cold ? 1 : need)) {
        const int code = tm_journal_window_fill(&c->w, q, need);
        if (code < 0) return code;
        *next = code == 1 ? c->w.off : q;
        if (code == 1) c->gap_known = true;
        if (c->limit > c->w.end_off) c->limit = c->w.end_off; /* cut while it was read */
        if (code == 1 || !tm_journal_window_has(&c->w, q, 1)) return 0;
    }
    const uint64_t there = c->w.off + c->w.sz - q;
    return (int64_t)(need < there ? need : there);
}

/* Looks for the next valid record behind `from`. */
static int search(tm_journal_cursor_t *c, uint64_t from, found_t *found)
{
    *found = (found_t){.off = c->limit, .nonzero_end = from};
    for (uint64_t q = from; q < c->limit;) {
        const uint64_t left = c->limit - q;
        const int64_t n = show(c, q, left < REC_SZ ? left : REC_SZ, &q);
        if (n < 0) return (int)n;
        if (n == 0) {
            found->nonzero_end = q; /* a gap of a cold segment; at the end the loop ends */
            continue;
        }
        const uint8_t *p = tm_journal_window_at(&c->w, q);
        const tm_journal_rec_t *rec = (const tm_journal_rec_t *)(const void *)p;
        if (n == REC_SZ && q != from && rec_ok(c, rec, q)) {
            found->rec = true;
            found->off = q;
            found->idx = rec->idx;
            return 0;
        }
        const uint64_t step = n < 8 ? (uint64_t)n : 8;
        for (uint64_t i = 0; i < step; i++)
            if (p[i]) found->nonzero_end = q + i + 1;
        q += step;
    }
    found->off = c->limit;
    return 0;
}

static void end_here(tm_journal_cursor_t *c)
{
    c->ended = true;
    if (!c->sealed && !c->cfg.last)
        tm_journal_cursor_report(c, TM_JOURNAL_NOT_SEALED, c->off, c->off, 0);
}

/* At the end of a sealed segment: the records that its seal counts and that were not met. */
static uint64_t seal_lost(tm_journal_cursor_t *c)
{
    if (!c->have_seal) return 0;
    if (c->seal.record_cnt >= c->expect) return c->seal.record_cnt - c->expect;
    tm_journal_cursor_report(c, TM_JOURNAL_BAD_SEAL, c->limit, c->w.end_off, 0);
    c->have_seal = false; /* it counts fewer than there are */
    return 0;
}

/* No record is valid at c->off: goes to the next one, or ends. */
static int lost_place(tm_journal_cursor_t *c)
{
    found_t found;
    const uint64_t from = c->off;
    TM_TRY(search(c, from, &found));
    if (found.rec) {
        const uint64_t lost = c->gap_known ? 0 : found.idx - c->expect;
        if (!c->gap_known || found.nonzero_end > from)
            tm_journal_cursor_report(c, TM_JOURNAL_BAD_BYTES, from, found.off, lost);
        c->off = found.off;
        c->expect = found.idx;
        c->gap_known = false;
        c->good_off = found.off;
        return 0;
    }
    if (c->trailed) {
        const uint64_t lost = seal_lost(c);
        tm_journal_cursor_report(c, TM_JOURNAL_BAD_BYTES, from, c->limit, lost);
        c->expect += (uint32_t)lost;
        c->off = c->limit;
    } else if (found.nonzero_end > from) {
        c->torn_sz = found.nonzero_end - from;
        tm_journal_cursor_report(c, c->cfg.last ? TM_JOURNAL_TORN_TAIL : TM_JOURNAL_BAD_BYTES, from,
                                 found.nonzero_end, 0);
    }
    end_here(c);
    return 0;
}

/* A seal was met while the trailer at the end of the file is not sound: the trailer may still be
   there, before space that was reserved and not yet cut off. */
static int seal_met(tm_journal_cursor_t *c)
{
    const uint64_t off = c->off;
    const tm_journal_rec_t rec = *(const tm_journal_rec_t *)(const void *)tm_journal_window_at(
        &c->w, off);
    const uint64_t trailer_off = off + tm_journal_span(rec.sz);
    const int ok = tm_journal_cursor_take_seal(c, off);
    if (ok < 0) return ok;
    tm_journal_trailer_t t = {0};
    const int seen = tm_journal_cursor_see(c, trailer_off, TRAILER_SZ);
    if (seen < 0) return seen;
    if (seen) memcpy(&t, tm_journal_window_at(&c->w, trailer_off), sizeof t);
    const bool trailer_ok = seen && tm_journal_trailer_ok(&t, c->seed) && t.seal_off == off &&
                            t.file_sz == trailer_off + TRAILER_SZ;
    found_t found = {.nonzero_end = trailer_off};
    if (seen && trailer_ok) TM_TRY(search(c, trailer_off + TRAILER_SZ, &found));
    const bool clean_rest = trailer_ok && !found.rec &&
                            found.nonzero_end == trailer_off + TRAILER_SZ;
    if (ok && clean_rest && c->cfg.last) { /* the cut to size was interrupted */
        c->sealed = c->have_seal = true;
    } else if (!ok && !trailer_ok && c->cfg.last) { /* sealing was interrupted */
        return lost_place(c);
    } else {
        c->sealed = true;
        c->have_seal = ok;
        if (!ok) tm_journal_cursor_report(c, TM_JOURNAL_BAD_SEAL, off, trailer_off, 0);
        if (!clean_rest || !c->cfg.last)
            tm_journal_cursor_report(c, TM_JOURNAL_BAD_TRAILER, trailer_off, c->w.end_off, 0);
    }
    c->limit = off;
    if (rec.idx > c->expect && !c->gap_known)
        tm_journal_cursor_report(c, TM_JOURNAL_MISSING, off, off, rec.idx - c->expect);
    c->expect = rec.idx;
    c->ended = true;
    return 0;
}

static int finish(tm_journal_cursor_t *c)
{
    if (c->off < c->limit) return lost_place(c); /* fewer bytes than a record has */
    const uint64_t lost = seal_lost(c);
    if (lost > 0 && !c->gap_known)
        tm_journal_cursor_report(c, TM_JOURNAL_MISSING, c->off, c->off, lost);
    c->expect += (uint32_t)lost;
    end_here(c);
    return 0;
}

static inline void view_set(const tm_journal_cursor_t *c, tm_journal_view_t *v,
                            const tm_journal_rec_t *rec, uint64_t off)
{
    v->frame = (tm_frame_t){.data = (const uint8_t *)rec + REC_SZ,
                            .sz = rec->sz,
                            .conn_idx = rec->conn,
                            .recv_ns = rec->recv_ns};
    v->seq = c->first_seq + rec->idx;
    v->off = off;
    v->stream = rec->stream;
    v->kind = rec->kind;
    v->flags = rec->flags;
}

/* Brings [off, off + need) into the window. Returns 1 when it is there, 0 where the cursor moved (a
   gap of a cold segment) or has to look for its place, or an error. */
static int bring(tm_journal_cursor_t *c, uint64_t need)
{
    const int code = tm_journal_window_fill(&c->w, c->off, need);
    if (code < 0) return code;
    if (code == 1) {
        c->gap_known = true;
        c->off = c->w.off < c->limit ? c->w.off : c->limit;
        return 0;
    }
    if (tm_journal_window_has(&c->w, c->off, need)) return 1;
    if (c->limit > c->w.end_off) c->limit = c->w.end_off; /* cut while it was read */
    return lost_place(c);
}

/* Takes the record at c->off. Returns 1 with *v, 0 to call again (the cursor moved or ended), 2
   where only a call without views at stake may go on, or an error. */
static inline int take(tm_journal_cursor_t *c, tm_journal_view_t *v, bool alone)
{
    const uint64_t off = c->off;
    if (off >= c->limit || c->limit - off < REC_SZ) return alone ? finish(c) : 2;
    if (!tm_journal_window_has(&c->w, off, REC_SZ)) {
        if (!alone) return 2;
        const int code = bring(c, REC_SZ);
        return code < 0 ? code : 0;
    }
    const tm_journal_rec_t *rec = (const tm_journal_rec_t *)(const void *)tm_journal_window_at(
        &c->w, off);
    if (TM_UNLIKELY(!rec_ok(c, rec, off))) {
        if (!alone) return 2;
        return lost_place(c);
    }
    const uint64_t span = tm_journal_span(rec->sz);
    if (!tm_journal_window_has(&c->w, off, span)) {
        if (!alone) return 2;
        const int code = bring(c, span);
        return code < 0 ? code : 0;
    }
    if (TM_UNLIKELY(rec->kind == TM_JOURNAL_SEAL)) return alone ? seal_met(c) : 2;
    const bool sound = rec->body_crc ==
                       c->crc(c->seed, (const uint8_t *)rec + REC_SZ, span - REC_SZ);
    if (TM_UNLIKELY(!sound || rec->idx != c->expect)) {
        if (!alone) return 2;
        if (rec->idx != c->expect && !c->gap_known)
            tm_journal_cursor_report(c, TM_JOURNAL_MISSING, off, off, rec->idx - c->expect);
        c->expect = rec->idx;
        if (!sound) tm_journal_cursor_report(c, TM_JOURNAL_BAD_PAYLOAD, off, off + span, 1);
    }
    c->gap_known = false;
    c->expect = rec->idx + 1;
    c->off = c->good_off = off + span;
    if (!sound) return 0;
    view_set(c, v, rec, off);
    return 1;
}

int tm_journal_cursor_read(tm_journal_cursor_t *c, tm_journal_view_t *views, uint32_t cap)
{
    uint32_t cnt = 0;
    while (cnt < cap && !c->ended) {
        const uint64_t damage_cnt = c->damage_cnt;
        const int code = take(c, &views[cnt], cnt == 0);
        if (code < 0) return code;
        if (code == 2) break;
        cnt += (uint32_t)code;
        if (c->cfg.stop && cnt == 0 && c->damage_cnt != damage_cnt) return TM_E_CORRUPT;
    }
    return (int)cnt;
}

static void go(tm_journal_cursor_t *c, uint64_t off, uint64_t idx)
{
    c->off = c->good_off = off;
    c->expect = (uint32_t)idx;
}

/* `before` tells whether an entry lies at or before the target. */
static int seek(tm_journal_cursor_t *c,
                bool (*before)(uint64_t idx, int64_t prior_ns, int64_t target), int64_t target)
{
    if (c->w.cold) {
        for (uint32_t i = tm_journal_cold_block_cnt(c->w.cold); i-- > 0;) {
            const tm_journal_block_mark_t *m = tm_journal_cold_mark(c->w.cold, i);
            if (!before(m->idx, m->prior_max_ns, target)) continue;
            go(c, m->raw_off, m->idx);
            break;
        }
    } else if (c->have_seal) {
        for (uint32_t i = c->seal.index_cnt; i-- > 0;) {
            if (!before(c->marks[i].idx, c->marks[i].prior_max_ns, target)) continue;
            go(c, c->marks[i].off, c->marks[i].idx);
            break;
        }
    }
    return 0;
}

static bool before_idx(uint64_t idx, int64_t prior_ns, int64_t target)
{
    (void)prior_ns;
    return idx <= (uint64_t)target;
}

static bool before_ns(uint64_t idx, int64_t prior_ns, int64_t target)
{
    (void)idx;
    return prior_ns < target;
}

int tm_journal_cursor_seek_seq(tm_journal_cursor_t *c, uint64_t seq)
{
    if (seq <= c->first_seq) return 0;
    const uint64_t idx = seq - c->first_seq;
    return seek(c, before_idx, idx < INT64_MAX ? (int64_t)idx : INT64_MAX);
}

int tm_journal_cursor_seek_ns(tm_journal_cursor_t *c, int64_t recv_ns)
{
    return seek(c, before_ns, recv_ns);
}
