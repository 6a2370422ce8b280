/* tidemark journal ls and verify. */
#include "base/error.h"
#include "base/log.h"
#include "base/stamp.h"
#include "engine/cli/journal_verbs.h"
#include "engine/job/flags.h"
#include "state/journal/journal_event.h"
#include "state/journal/journal_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VIEW_CNT = 512, CHANNEL_MAX = 4096, NAME_MAX_SZ = 96 };

/* Connections and streams share the table: both are a number, a name and what came over them. */
typedef struct channel {
    uint32_t number;
    bool is_stream;
    char name[NAME_MAX_SZ];
    uint64_t cnt, sz, sent_cnt;
    int64_t first_ns, last_ns;
} channel_t;

typedef struct census {
    channel_t *channels;
    uint32_t cnt;
    uint64_t event_cnt, lost_cnt, step_cnt;
} census_t;

/* ---- ls -----------------------------------------------------------------------------------------
   */

typedef enum ls_flag { LS_STREAMS, LS_HELP } ls_flag_t;

static const tm_flag_t ls_flags[] = {
    [LS_STREAMS] = {"streams", NULL, "also read everything and list connections and streams"},
    [LS_HELP] = {"help", NULL, "print this page"},
};

static int ls_flag_take(void *ctx, uint32_t idx, const char *arg)
{
    (void)arg;
    if (idx == LS_STREAMS) {
        *(bool *)ctx = true;
        return 0;
    }
    printf("usage: tidemark journal ls [OPTION...] JOURNAL\n\n"
           "JOURNAL is a folder or one segment.\n\n");
    tm_flags_help(stdout, ls_flags, TM_ARRAY_CNT(ls_flags));
    return 1;
}

static const char *state_name(const tm_journal_about_t *a)
{
    if (!a->readable) return "broken";
    if (a->head.flags & TM_JOURNAL_COLD) return "packed";
    if (!a->sealed) return "open";
    return a->seal.flags & TM_JOURNAL_RECOVERED ? "recovered" : "sealed";
}

static int segments_print(const char *path)
{
    tm_journal_list_t list;
    TM_TRY(tm_journal_list(&list, path));
    if (list.cnt == 0) {
        tm_journal_list_free(&list);
        return tm_error_set(TM_E_MISSING, "%s: no segment of a journal in this folder", path);
    }
    printf("%-20s %10s %10s %11s %-9s %-30s %-30s %s\n", "first sequence", "records", "messages",
           "bytes", "state", "first received", "last received", "label");
    int code = 0;
    for (uint32_t i = 0; i < list.cnt && code == 0; i++) {
        tm_journal_about_t a;
        char first[32] = "-", last[32] = "-", cnt[24] = "-", frames[24] = "-";
        code = tm_journal_about(&a, &list.files[i], i + 1 == list.cnt);
        if (code < 0) break;
        if (a.sealed) {
            snprintf(cnt, sizeof cnt, "%" PRIu64, a.seal.record_cnt);
            snprintf(frames, sizeof frames, "%" PRIu64, a.seal.frame_cnt);
            tm_stamp_text(first, a.seal.first_ns);
            tm_stamp_text(last, a.seal.last_ns);
        }
        printf("%-20" PRIu64 " %10s %10s %11" PRIu64 " %-9s %-30s %-30s %s\n",
               list.files[i].first_seq, cnt, frames, list.files[i].sz, state_name(&a), first, last,
               a.readable ? a.head.label : "");
    }
    tm_journal_list_free(&list);
    return code;
}

static channel_t *channel_find(census_t *c, uint32_t number, bool is_stream)
{
    for (uint32_t i = 0; i < c->cnt; i++)
        if (c->channels[i].number == number && c->channels[i].is_stream == is_stream)
            return &c->channels[i];
    if (c->cnt == CHANNEL_MAX) return &c->channels[CHANNEL_MAX]; /* counted together */
    channel_t *ch = &c->channels[c->cnt++];
    *ch = (channel_t){
        .number = number, .is_stream = is_stream, .first_ns = INT64_MAX, .last_ns = INT64_MIN};
    return ch;
}

static void channel_name(channel_t *ch, const tm_journal_event_t *ev)
{
    snprintf(ch->name, sizeof ch->name, "%.*s",
             (int)(ev->text_sz < NAME_MAX_SZ ? ev->text_sz : NAME_MAX_SZ), ev->text);
}

static void channel_count(channel_t *ch, const tm_journal_view_t *v)
{
    if (v->flags & TM_JOURNAL_SENT) {
        ch->sent_cnt++;
        return;
    }
    ch->cnt++;
    ch->sz += v->frame.sz;
    if (v->frame.recv_ns < ch->first_ns) ch->first_ns = v->frame.recv_ns;
    if (v->frame.recv_ns > ch->last_ns) ch->last_ns = v->frame.recv_ns;
}

static void census_add(census_t *c, const tm_journal_view_t *v)
{
    tm_journal_event_t ev;
    if (tm_journal_is_message(v->kind)) {
        channel_count(channel_find(c, v->frame.conn_idx, false), v);
        if (v->stream) channel_count(channel_find(c, v->stream, true), v);
        return;
    }
    c->event_cnt++;
    if (!tm_journal_event_take(&ev, v)) return;
    if (v->kind == TM_JOURNAL_CONNECT) channel_name(channel_find(c, v->frame.conn_idx, false), &ev);
    if (v->kind == TM_JOURNAL_STREAM) channel_name(channel_find(c, v->stream, true), &ev);
    if (v->kind == TM_JOURNAL_GAP) c->lost_cnt += ev.lost_cnt;
    if (v->kind == TM_JOURNAL_CLOCK_STEP) c->step_cnt++;
}

static void census_print(const census_t *c)
{
    printf("\n%-10s %10s %12s %8s %-30s %-30s %s\n", "channel", "messages", "bytes", "sent",
           "first received", "last received", "name");
    for (uint32_t i = 0; i < c->cnt; i++) {
        const channel_t *ch = &c->channels[i];
        char what[24], first[32] = "-", last[32] = "-";
        snprintf(what, sizeof what, "%s %u", ch->is_stream ? "stream" : "conn", ch->number);
        if (ch->cnt) {
            tm_stamp_text(first, ch->first_ns);
            tm_stamp_text(last, ch->last_ns);
        }
        printf("%-10s %10" PRIu64 " %12" PRIu64 " %8" PRIu64 " %-30s %-30s %s\n", what, ch->cnt,
               ch->sz, ch->sent_cnt, first, last, ch->name);
    }
    printf("%" PRIu64 " events, %" PRIu64 " messages known to be lost, %" PRIu64 " clock steps\n",
           c->event_cnt, c->lost_cnt, c->step_cnt);
}

/* ---- verify -------------------------------------------------------------------------------------
   */

typedef struct check {
    uint64_t record_cnt, payload_sz, damage_cnt, torn_sz, lost_cnt;
    /* The last damage, where it is a payload: its size, and how many records came before it. */
    uint64_t payload_damage_sz, payload_damage_at;
} check_t;

static void damage_print(void *ctx, const tm_journal_damage_t *d)
{
    check_t *k = ctx;
    char text[1400];
    tm_log_status(NULL);
    tm_journal_damage_text(text, sizeof text, d);
    printf("%s\n", text);
    if (d->kind == TM_JOURNAL_TORN_TAIL)
        k->torn_sz += d->sz;
    else
        k->damage_cnt++;
    k->lost_cnt += d->lost_cnt;
    if (d->kind == TM_JOURNAL_TORN_TAIL) return;
    k->payload_damage_sz = d->kind == TM_JOURNAL_BAD_PAYLOAD ? d->sz : 0;
    k->payload_damage_at = k->record_cnt;
}

/* A last record whose payload did not arrive is a part of the torn tail, as for recovery. */
static int tail_judge(check_t *k, const char *path)
{
    tm_journal_list_t list;
    tm_journal_about_t about;
    if (k->payload_damage_sz == 0 || k->payload_damage_at != k->record_cnt) return 0;
    TM_TRY(tm_journal_list(&list, path));
    const int code = tm_journal_about(&about, &list.files[list.cnt - 1], true);
    tm_journal_list_free(&list);
    if (code < 0 || about.sealed) return code;
    k->torn_sz += k->payload_damage_sz;
    k->damage_cnt--;
    k->lost_cnt--;
    return 0;
}

/* Reads the journal as a whole. */
static int walk(const char *verb, const char *path, check_t *k, census_t *census)
{
    const tm_journal_reader_cfg_t cfg = {
        .path = path, .on_damage = census ? NULL : damage_print, .on_damage_ctx = k};
    tm_journal_view_t views[VIEW_CNT];
    tm_journal_progress_t progress;
    tm_journal_reader_t *r;
    TM_TRY(tm_journal_reader_open(&r, &cfg));
    tm_journal_progress_start(&progress, verb);
    int cnt;
    while ((cnt = tm_journal_reader_read(r, views, VIEW_CNT)) > 0) {
        k->record_cnt += (uint64_t)cnt;
        for (int i = 0; i < cnt; i++) {
            k->payload_sz += views[i].frame.sz;
            if (census) census_add(census, &views[i]);
        }
        tm_journal_progress_show(&progress, tm_journal_reader_done_sz(r),
                                 tm_journal_reader_total_sz(r), k->record_cnt);
    }
    tm_journal_progress_end(&progress);
    tm_journal_reader_close(r);
    return cnt;
}

int tm_journal_verb_ls(int argc, char **argv)
{
    bool streams = false;
    int first = tm_flags_parse(ls_flags, TM_ARRAY_CNT(ls_flags), argc, argv, ls_flag_take,
                               &streams);
    if (first == 0) return 0;
    if (first == argc) first = tm_error_set(TM_E_CONFIG, "which journal? see --help");
    if (first < 0) return tm_journal_verb_failed("ls", first);
    for (int i = first; i < argc; i++) {
        check_t k = {0};
        census_t c = {0};
        int code = segments_print(argv[i]);
        if (code == 0 && streams) {
            c.channels = calloc(CHANNEL_MAX + 1, sizeof *c.channels);
            code = c.channels ? walk("ls", argv[i], &k, &c) : tm_error_set(-12, "no memory");
            if (code == 0) census_print(&c);
            free(c.channels);
        }
        if (code < 0) return tm_journal_verb_failed("ls", code);
    }
    return 0;
}

static const tm_flag_t verify_flags[] = {{"help", NULL, "print this page"}};

static int verify_flag_take(void *ctx, uint32_t idx, const char *arg)
{
    (void)ctx, (void)idx, (void)arg;
    printf(
        "usage: tidemark journal verify JOURNAL...\n\n"
        "Reads every record and checks every byte. One line a damage: file, offset, what it is,\n"
        "which sequences are lost. Exit status 0 where all is sound (a torn tail behind the last\n"
        "record is normal after a crash and removed by the next writer), 1 where not.\n\n");
    tm_flags_help(stdout, verify_flags, TM_ARRAY_CNT(verify_flags));
    return 1;
}

int tm_journal_verb_verify(int argc, char **argv)
{
    int first = tm_flags_parse(verify_flags, TM_ARRAY_CNT(verify_flags), argc, argv,
                               verify_flag_take, NULL);
    int status = 0;
    if (first == 0) return 0;
    if (first == argc) first = tm_error_set(TM_E_CONFIG, "which journal? see --help");
    if (first < 0) return tm_journal_verb_failed("verify", first);
    for (int i = first; i < argc; i++) {
        check_t k = {0};
        int code = walk("verify", argv[i], &k, NULL);
        if (code == 0) code = tail_judge(&k, argv[i]);
        if (code < 0) return tm_journal_verb_failed("verify", code);
        printf("%s: %" PRIu64 " records, %" PRIu64 " payload bytes: ", argv[i], k.record_cnt,
               k.payload_sz);
        if (k.damage_cnt)
            printf("%" PRIu64 " damages, %" PRIu64 " records lost", k.damage_cnt, k.lost_cnt);
        else
            printf("sound");
        if (k.torn_sz) printf(", a torn tail of %" PRIu64 " bytes", k.torn_sz);
        printf("\n");
        if (k.damage_cnt) status = 1;
    }
    return status;
}
