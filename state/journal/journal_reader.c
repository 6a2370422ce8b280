#include "state/journal/journal_reader.h"

#include "base/check.h"
#include "base/error.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tm_journal_reader {
    tm_journal_reader_cfg_t cfg;
    tm_journal_list_t list;
    uint32_t file_idx; /* of the cursor */
    tm_journal_cursor_t *cursor;
    uint8_t journal_id[TM_JOURNAL_ID_SZ];
    bool have_id;
    bool started; /* the start of the range was found */
    bool ended;   /* its end was */
    bool follows; /* next_seq is where the next segment has to start */
    bool sought;  /* the next cursor is to be moved towards the start */
    uint64_t next_seq, epoch;
    uint64_t done_sz;
    uint64_t damage_cnt, strict_cnt;
    char why[TM_ERROR_TEXT_MAX]; /* the first damage of a read, for strict mode */
};

static void damage_note(void *ctx, const tm_journal_damage_t *damage)
{
    tm_journal_reader_t *r = ctx;
    if (r->damage_cnt++ == r->strict_cnt) tm_journal_damage_text(r->why, sizeof r->why, damage);
    if (r->cfg.on_damage) r->cfg.on_damage(r->cfg.on_damage_ctx, damage);
}

static bool head_look(const char *path, tm_journal_head_t *head)
{
    uint8_t page[TM_JOURNAL_HEADER_SZ];
    bool bad[2];
    int fd = tm_file_open(path, O_RDONLY);
    if (fd < 0) return false;
    const bool ok = tm_file_read(fd, path, page, sizeof page, 0) == sizeof page &&
                    tm_journal_head_read(head, page, bad) == 0;
    tm_file_close(fd);
    return ok;
}

/* The segment in which the range starts: the last one that begins at or before it. */
static uint32_t first_file(tm_journal_reader_t *r)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < r->list.cnt && r->cfg.from_seq; i++)
        if (r->list.files[i].first_seq <= r->cfg.from_seq) at = i;
    for (uint32_t i = at + 1; i < r->list.cnt && r->cfg.from_ns; i++) {
        tm_journal_head_t head;
        if (!head_look(r->list.files[i].path, &head)) continue;
        if (head.prior_max_ns >= r->cfg.from_ns) break;
        at = i;
    }
    return at;
}

/* The id that seeds the checksums, for segments whose own header is broken. */
static void id_find(tm_journal_reader_t *r)
{
    for (uint32_t i = r->list.cnt; i-- > 0 && !r->have_id;) {
        tm_journal_head_t head;
        if (!head_look(r->list.files[i].path, &head)) continue;
        memcpy(r->journal_id, head.journal_id, sizeof r->journal_id);
        r->have_id = true;
    }
}

/* Where one segment stands alone, its neighbours in the folder still know the id. */
static int id_find_beside(tm_journal_reader_t *r, const char *path)
{
    char dir[TM_JOURNAL_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    else
        snprintf(dir, sizeof dir, ".");
    tm_journal_list_t mine = r->list;
    TM_TRY(tm_journal_list(&r->list, dir[0] ? dir : "/"));
    id_find(r);
    tm_journal_list_free(&r->list);
    r->list = mine;
    return 0;
}

int tm_journal_reader_open(tm_journal_reader_t **out, const tm_journal_reader_cfg_t *cfg)
{
    tm_journal_reader_t *r = calloc(1, sizeof *r);
    if (!r) return tm_error_set(-ENOMEM, "journal %s: no memory", cfg->path);
    r->cfg = *cfg;
    int code = tm_journal_list(&r->list, cfg->path);
    if (code == 0 && r->list.cnt == 0)
        code = tm_error_set(
            TM_E_MISSING, "%s: no segment of a journal (journal-*.tmj) in this folder", cfg->path);
    if (code == 0) {
        id_find(r);
        if (!r->have_id && r->list.cnt == 1) code = id_find_beside(r, r->list.files[0].path);
    }
    if (code < 0) {
        tm_journal_reader_close(r);
        return code;
    }
    r->file_idx = first_file(r);
    if (cfg->run_up && r->file_idx > 0) r->file_idx--;
    r->sought = !cfg->run_up && (cfg->from_seq || cfg->from_ns);
    r->next_seq = r->list.files[r->file_idx].first_seq;
    *out = r;
    return 0;
}

void tm_journal_reader_close(tm_journal_reader_t *r)
{
    if (!r) return;
    tm_journal_cursor_close(r->cursor);
    tm_journal_list_free(&r->list);
    free(r);
}

/* Steps over a file that cannot be read at all. */
static int file_lost(tm_journal_reader_t *r, const tm_journal_file_t *f, int code)
{
    if (code != TM_E_CORRUPT && code != -ENOENT) return code;
    if (code == -ENOENT && r->file_idx != 0 && r->follows)
        damage_note(r, &(tm_journal_damage_t){
                           .kind = TM_JOURNAL_MISSING, .path = f->path, .seq = r->next_seq});
    r->done_sz += f->sz;
    r->file_idx++;
    return 0;
}

/* Opens the next segment. Returns 0, or an error. */
static int file_open(tm_journal_reader_t *r)
{
    const tm_journal_file_t *f = &r->list.files[r->file_idx];
    const tm_journal_cursor_cfg_t cfg = {.path = f->path,
                                         .name_seq = f->first_seq,
                                         .journal_id = r->have_id ? r->journal_id : NULL,
                                         .last = r->file_idx + 1 == r->list.cnt,
                                         .stop = r->cfg.strict,
                                         .on_damage = damage_note,
                                         .on_damage_ctx = r};
    const int code = tm_journal_cursor_open(&r->cursor, &cfg);
    if (code < 0) return file_lost(r, f, code);
    const uint64_t first_seq = tm_journal_cursor_head(r->cursor)->first_seq;
    if (r->follows && first_seq > r->next_seq)
        damage_note(r, &(tm_journal_damage_t){.kind = TM_JOURNAL_MISSING,
                                              .path = f->path,
                                              .off = 0,
                                              .seq = r->next_seq,
                                              .lost_cnt = first_seq - r->next_seq});
    r->next_seq = first_seq;
    r->epoch = tm_journal_cursor_head(r->cursor)->epoch;
    if (!r->sought) return 0;
    r->sought = false;
    if (r->cfg.from_ns && (!r->cfg.from_seq || r->cfg.from_seq <= first_seq))
        return tm_journal_cursor_seek_ns(r->cursor, r->cfg.from_ns);
    return tm_journal_cursor_seek_seq(r->cursor, r->cfg.from_seq);
}

static void file_close(tm_journal_reader_t *r)
{
    r->next_seq = tm_journal_cursor_next_seq(r->cursor);
    r->follows = true;
    tm_journal_cursor_close(r->cursor);
    r->cursor = NULL;
    r->done_sz += r->list.files[r->file_idx].sz;
    r->file_idx++;
}

static bool chosen(const tm_journal_reader_cfg_t *cfg, const tm_journal_view_t *v)
{
    if (cfg->messages && (!tm_journal_is_message(v->kind) || v->flags & TM_JOURNAL_SENT))
        return false;
    if (cfg->by_conn && v->frame.conn_idx != cfg->conn_idx) return false;
    return !cfg->by_stream || v->stream == cfg->stream;
}

static bool is_before(const tm_journal_reader_cfg_t *cfg, const tm_journal_view_t *v)
{
    return v->seq < cfg->from_seq || (cfg->from_ns && v->frame.recv_ns < cfg->from_ns);
}

/* Moves the chosen views of the range to the front. Returns how many. */
static uint32_t choose(tm_journal_reader_t *r, tm_journal_view_t *views, uint32_t cnt)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_journal_view_t *v = &views[i];
        const bool before = !r->started && is_before(&r->cfg, v);
        r->started = !before;
        if (before && !r->cfg.run_up) continue;
        if (r->cfg.run_up ? !before : r->cfg.to_ns && v->frame.recv_ns >= r->cfg.to_ns) {
            r->ended = true;
            r->next_seq = v->seq;
            return kept;
        }
        if (!chosen(&r->cfg, v)) continue;
        if (kept != i) views[kept] = *v;
        kept++;
    }
    r->next_seq = views[cnt - 1].seq + 1;
    return kept;
}

/* Whether every record of the range passes, so that a batch needs no look at each. */
static bool takes_all(const tm_journal_reader_t *r)
{
    const tm_journal_reader_cfg_t *c = &r->cfg;
    const bool from = r->started || (!c->from_seq && !c->from_ns);
    return from && !c->run_up && !c->to_ns && !c->messages && !c->by_conn && !c->by_stream;
}

int tm_journal_reader_read(tm_journal_reader_t *r, tm_journal_view_t *views, uint32_t cap)
{
    TM_CHECK(cap > 0, "%s", "");
    while (!r->ended) {
        if (r->cfg.strict && r->damage_cnt > r->strict_cnt) {
            r->strict_cnt = r->damage_cnt;
            return tm_error_set(TM_E_CORRUPT, "%s", r->why);
        }
        if (!r->cursor) {
            if (r->file_idx == r->list.cnt) break;
            TM_TRY(file_open(r));
            continue;
        }
        const int cnt = tm_journal_cursor_read(r->cursor, views, cap);
        if (cnt == TM_E_CORRUPT) continue; /* strict: the text was noted */
        if (cnt < 0) return cnt;
        if (cnt == 0) {
            file_close(r);
            continue;
        }
        uint32_t kept = (uint32_t)cnt;
        if (takes_all(r))
            r->next_seq = views[cnt - 1].seq + 1;
        else
            kept = choose(r, views, (uint32_t)cnt);
        if (kept > 0) return (int)kept;
    }
    return 0;
}

uint64_t tm_journal_reader_next_seq(const tm_journal_reader_t *r)
{
    return r->next_seq;
}

uint64_t tm_journal_reader_epoch(const tm_journal_reader_t *r)
{
    return r->epoch;
}

uint64_t tm_journal_reader_damage_cnt(const tm_journal_reader_t *r)
{
    return r->damage_cnt;
}

uint64_t tm_journal_reader_total_sz(const tm_journal_reader_t *r)
{
    uint64_t sz = 0;
    for (uint32_t i = 0; i < r->list.cnt; i++) sz += r->list.files[i].sz;
    return sz;
}

uint64_t tm_journal_reader_done_sz(const tm_journal_reader_t *r)
{
    if (!r->cursor) return r->done_sz;
    const uint64_t sz = r->list.files[r->file_idx].sz;
    const uint64_t off = tm_journal_cursor_end_off(r->cursor);
    return r->done_sz + (off < sz ? off : sz); /* a cold file is behind its records: an estimate */
}

const char *tm_journal_reader_path(const tm_journal_reader_t *r)
{
    return r->cursor ? r->list.files[r->file_idx].path : NULL;
}

int tm_journal_about(tm_journal_about_t *about, const tm_journal_file_t *file, bool last)
{
    const tm_journal_cursor_cfg_t cfg = {
        .path = file->path, .name_seq = file->first_seq, .last = last};
    tm_journal_cursor_t *c;
    *about = (tm_journal_about_t){.file = file};
    const int code = tm_journal_cursor_open(&c, &cfg);
    if (code == TM_E_CORRUPT) return 0;
    if (code < 0) return code;
    about->readable = true;
    about->head = *tm_journal_cursor_head(c);
    const tm_journal_seal_t *seal = tm_journal_cursor_seal(c);
    about->sealed = seal != NULL;
    if (seal) {
        about->seal = *seal;
        about->mark_cnt = seal->index_cnt;
    }
    tm_journal_cursor_close(c);
    return 0;
}
