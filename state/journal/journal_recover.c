#include "state/journal/journal_recover.h"

#include "base/clock.h"
#include "base/error.h"
#include "state/file.h"
#include "state/journal/journal_cursor.h"
#include "state/journal/journal_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { VIEW_CNT = 256 };

typedef struct recover {
    tm_journal_recovery_t *out;
    tm_journal_tally_t tally;
    tm_journal_damage_fn_t on_damage;
    void *on_damage_ctx;
    uint64_t good_off, good_seq; /* behind the last record that is whole */
    uint64_t good_damage_cnt;    /* damages before it */
    bool head_broken;
    bool have_id;
} recover_t;

static void damage_note(void *ctx, const tm_journal_damage_t *damage)
{
    recover_t *r = ctx;
    if (damage->kind != TM_JOURNAL_TORN_TAIL) r->out->damage_cnt++;
    if (damage->kind == TM_JOURNAL_BAD_HEADER) r->head_broken = true;
    if (r->on_damage) r->on_damage(r->on_damage_ctx, damage);
}

/* Takes id and epoch from the newest segment whose header can be read. */
static int id_find(recover_t *r, const tm_journal_list_t *list)
{
    for (uint32_t i = list->cnt; i-- > 0;) {
        uint8_t page[TM_JOURNAL_HEADER_SZ] = {0};
        tm_journal_head_t head;
        bool bad[2];
        int fd = tm_file_open(list->files[i].path, O_RDONLY);
        if (fd < 0) return fd;
        const int64_t n = tm_file_read(fd, list->files[i].path, page, sizeof page, 0);
        tm_file_close(fd);
        if (n != (int64_t)sizeof page || tm_journal_head_read(&head, page, bad) != 0) continue;
        memcpy(r->out->journal_id, head.journal_id, TM_JOURNAL_ID_SZ);
        r->out->epoch = head.epoch;
        r->have_id = true;
        return 0;
    }
    return 0;
}

/* Reads the segment as a whole and counts what is in it. */
static int tally_take(recover_t *r, tm_journal_cursor_t *c)
{
    tm_journal_view_t views[VIEW_CNT];
    const uint64_t first = tm_journal_cursor_head(c)->first_seq;
    int cnt;
    tm_journal_tally_init(&r->tally, tm_journal_cursor_head(c)->prior_max_ns);
    r->good_off = TM_JOURNAL_HEADER_SZ;
    r->good_seq = first;
    while ((cnt = tm_journal_cursor_read(c, views, VIEW_CNT)) > 0) {
        r->out->kept_cnt += (uint64_t)cnt;
        for (int i = 0; i < cnt; i++) {
            const tm_journal_rec_t rec = {.sz = views[i].frame.sz,
                                          .idx = (uint32_t)(views[i].seq - first),
                                          .recv_ns = views[i].frame.recv_ns,
                                          .kind = views[i].kind};
            tm_journal_tally_add(&r->tally, &rec, views[i].off);
        }
        r->good_off = views[cnt - 1].off + tm_journal_span(views[cnt - 1].frame.sz);
        r->good_seq = views[cnt - 1].seq + 1;
        r->good_damage_cnt = r->out->damage_cnt;
    }
    return cnt;
}

static int reseal(recover_t *r, const tm_journal_cursor_t *c, const char *path)
{
    const uint64_t end_off = r->good_off;
    const tm_journal_head_t *head = tm_journal_cursor_head(c);
    uint8_t *seal = malloc(TM_JOURNAL_SEAL_SZ_MAX);
    if (!seal) return tm_error_set(-ENOMEM, "%s: no memory for a seal", path);
    r->tally.seal.real_ns = tm_clock_real_ns();
    r->tally.seal.flags = TM_JOURNAL_RECOVERED;
    const uint32_t seed = tm_journal_seed(head->journal_id, head->first_seq);
    const size_t sz = tm_journal_seal_write(seal, &r->tally, seed, end_off);
    int fd = tm_file_open(path, O_WRONLY), code = fd;
    if (fd >= 0) {
        /* The cut is durable before the seal is: a crash between leaves an open segment again. */
        code = tm_file_truncate(fd, path, (int64_t)end_off);
        if (code == 0) code = tm_file_sync(fd, path);
        if (code == 0) code = tm_file_write(fd, path, seal, sz, (int64_t)end_off);
        if (code == 0) code = tm_file_sync(fd, path);
        tm_file_close(fd);
    }
    free(seal);
    r->out->resealed = code == 0;
    return code;
}

/* A process that died between seal and fsync leaves a segment that reads as whole and is not
   durable: what follows is built on it. */
static int make_durable(const char *path)
{
    int fd = tm_file_open(path, O_RDWR);
    if (fd < 0) return fd;
    const int code = tm_file_sync(fd, path);
    tm_file_close(fd);
    return code;
}

static int segment_end(recover_t *r, tm_journal_cursor_t *c, const char *dir, const char *path)
{
    tm_journal_recovery_t *out = r->out;
    if (tm_journal_cursor_closed(c)) TM_TRY(make_durable(path));
    const tm_journal_seal_t *seal = tm_journal_cursor_seal(c);
    if (tm_journal_cursor_closed(c) && seal) {
        out->next_seq = tm_journal_cursor_head(c)->first_seq + seal->record_cnt;
        out->max_ns = seal->max_ns;
        return 0;
    }
    TM_TRY(tally_take(r, c));
    out->max_ns = r->tally.seal.max_ns;
    out->next_seq = tm_journal_cursor_next_seq(c);
    if (tm_journal_cursor_closed(c)) return 0;
    /* A last record whose payload did not arrive is a part of the torn tail. */
    out->next_seq = r->good_seq;
    out->torn_sz = tm_journal_cursor_end_off(c) + tm_journal_cursor_torn_sz(c) - r->good_off;
    out->damage_cnt = r->good_damage_cnt;
    if (out->kept_cnt > 0) return reseal(r, c, path);
    if (r->head_broken)
        return tm_error_set(
            TM_E_CORRUPT,
            "%s: offset 0: the header is damaged and no record behind it can be read; "
            "move the file out of the folder to write on without it",
            path);
    TM_TRY(tm_file_unlink(path));
    out->removed_cnt++;
    return tm_file_sync_dir(dir);
}

static int recover_last(recover_t *r, const char *dir, const tm_journal_list_t *list)
{
    const tm_journal_file_t *last = &list->files[list->cnt - 1];
    TM_TRY(id_find(r, list));
    memcpy(r->out->path, last->path, sizeof r->out->path);
    const tm_journal_cursor_cfg_t cfg = {.path = last->path,
                                         .name_seq = last->first_seq,
                                         .journal_id = r->have_id ? r->out->journal_id : NULL,
                                         .last = true,
                                         .on_damage = damage_note,
                                         .on_damage_ctx = r};
    tm_journal_cursor_t *c;
    TM_TRY(tm_journal_cursor_open(&c, &cfg));
    const int code = segment_end(r, c, dir, last->path);
    tm_journal_cursor_close(c);
    return code;
}

int tm_journal_recover(const char *dir, tm_journal_recovery_t *out,
                       tm_journal_damage_fn_t on_damage, void *on_damage_ctx)
{
    tm_journal_list_t list;
    *out = (tm_journal_recovery_t){.max_ns = INT64_MIN};
    int code = tm_journal_dir_clean(dir);
    if (code < 0) return code;
    out->removed_cnt = (uint32_t)code;
    TM_TRY(tm_journal_list(&list, dir));
    if (list.cnt == 0) {
        out->fresh = true;
        if (getrandom(out->journal_id, sizeof out->journal_id, 0) == sizeof out->journal_id)
            return 0;
        return tm_error_set(-errno, "journal %s: no random numbers: %s", dir,
                            tm_error_name(-errno));
    }
    recover_t *r = calloc(1, sizeof *r);
    if (r) {
        r->out = out;
        r->on_damage = on_damage;
        r->on_damage_ctx = on_damage_ctx;
        code = recover_last(r, dir, &list);
    } else {
        code = tm_error_set(-ENOMEM, "journal %s: no memory to recover", dir);
    }
    free(r);
    tm_journal_list_free(&list);
    return code < 0 ? tm_error_context(code, "recover journal") : 0;
}
