/* Files of the part sink, step by step: what is there, hidden and finished, and what it holds; how
   often a rolling policy was asked and said yes; and where counters go on. */
#include "tests/vectors/parts_bed.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 256 };

/* ---- expect_files ---------------------------------------------------------------------------- */

typedef struct listing {
    parts_bed_file_t files[FILE_MAX];
    bool used[FILE_MAX];
    uint32_t cnt, hidden_cnt;
} listing_t;

static void list_one(void *ctx, const parts_bed_file_t *file)
{
    listing_t *l = ctx;
    l->hidden_cnt += file->hidden;
    if (l->cnt < FILE_MAX) l->files[l->cnt++] = *file;
}

static bool is_content(const char *path, const char *want)
{
    char *text = parts_bed_text(path);
    const bool same = strcmp(text, want) == 0;
    free(text);
    return same;
}

/* A file that no other line of the case stands for. */
static bool is_there(listing_t *l, const char *bucket, const char *pattern, const char *text)
{
    for (uint32_t i = 0; i < l->cnt; i++) {
        const parts_bed_file_t *f = &l->files[i];
        if (l->used[i] || strcmp(f->bucket, bucket) != 0 || fnmatch(pattern, f->name, 0) != 0 ||
            !is_content(f->path, text))
            continue;
        l->used[i] = true;
        return true;
    }
    return false;
}

static vector_verdict_t expect_files(const parts_bed_t *bed, const tm_json_t *step)
{
    static listing_t l;
    l = (listing_t){0};
    parts_bed_files(bed, list_one, &l);
    const int64_t hidden = tm_json_int(step, "in_progress_or_pending", l.hidden_cnt);
    const int64_t finished = tm_json_int(step, "finished", l.cnt - l.hidden_cnt);
    if (hidden != l.hidden_cnt || finished != l.cnt - l.hidden_cnt) {
        vector_say("%u hidden and %u finished files", l.hidden_cnt, l.cnt - l.hidden_cnt);
        return VECTOR_FAILED;
    }
    const tm_json_t *c = tm_json_at(tm_json_get(step, "contents"), 0);
    for (; c; c = c->next) {
        const tm_json_t *bucket = tm_json_at(c, 0), *pattern = tm_json_at(c, 1),
                        *text = tm_json_at(c, 2);
        if (!bucket || !pattern || !text) return VECTOR_UNKNOWN;
        if (is_there(&l, bucket->text, pattern->text, text->text)) continue;
        vector_say("no file %s in %s holds what it should", pattern->text, bucket->text);
        return VECTOR_FAILED;
    }
    return VECTOR_PASSED;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static vector_verdict_t expect_counters(const parts_bed_t *bed, const tm_json_t *v)
{
    if (tm_json_cnt(v) != 6) return VECTOR_UNKNOWN;
    for (size_t i = 0; i < 3; i++) {
        const int64_t asked = tm_json_at(v, 2 * i)->number,
                      rolled = tm_json_at(v, 2 * i + 1)->number;
        if (bed->asked[i] == asked && bed->rolled[i] == rolled) continue;
        vector_say("question %zu: asked %lld times, rolled %lld times", i, (long long)bed->asked[i],
                   (long long)bed->rolled[i]);
        return VECTOR_FAILED;
    }
    return VECTOR_PASSED;
}

/* A record of so many bytes with its newline. */
static const char *record(const tm_json_t *c, char out[64])
{
    int64_t sz = tm_json_int(c, "record_bytes", 6);
    if (sz < 2 || sz > 60) sz = 6;
    memset(out, 'r', (size_t)sz - 1);
    out[sz - 1] = '\0';
    return out;
}

static int restart(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id)
{
    parts_bed_stop(bed, subtask_idx);
    const int err = parts_bed_start(bed, subtask_idx);
    return err < 0 ? err : parts_bed_recover(bed, subtask_idx, id);
}

static vector_verdict_t step(parts_bed_t *bed, const tm_json_t *c, const tm_json_t *s)
{
    const char *op = tm_json_text(s, "op", "");
    const uint32_t subtask = bed->cfg.subtask_idx;
    const uint64_t id = (uint64_t)tm_json_int(s, "id", 0);
    char text[64];
    int err;
    bed->now = tm_json_int(s, "now", bed->now);
    if (strcmp(op, "expect_files") == 0) return expect_files(bed, s);
    if (strcmp(op, "counters") == 0) return expect_counters(bed, tm_json_get(s, "v"));
    if (strcmp(op, "write") == 0)
        err = parts_bed_write(bed, subtask, tm_json_text(s, "bucket", "bucket"),
                              tm_json_text(s, "line", record(c, text)));
    else if (strcmp(op, "proc_time") == 0)
        err = parts_bed_time(bed, subtask, tm_json_int(s, "t", 0));
    else if (strcmp(op, "snapshot") == 0)
        err = parts_bed_snapshot(bed, subtask, id);
    else if (strcmp(op, "notify_complete") == 0)
        err = parts_bed_notify(bed, subtask, id);
    else if (strcmp(op, "crash_restore") == 0)
        err = restart(bed, subtask, id);
    else if (strcmp(op, "close") == 0)
        err = (parts_bed_stop(bed, subtask), 0);
    else
        return VECTOR_UNKNOWN;
    return err < 0 ? VECTOR_FAILED : VECTOR_PASSED;
}

vector_verdict_t vector_parts(const tm_json_t *c)
{
    parts_bed_t bed;
    vector_verdict_t verdict = VECTOR_PASSED;
    const uint32_t subtask = (uint32_t)tm_json_int(c, "subtask", 0);
    if (subtask >= PARTS_BED_SINK_MAX) return VECTOR_UNKNOWN;
    parts_bed_open(&bed);
    if (!parts_bed_policy(&bed, tm_json_get(c, "policy")))
        verdict = VECTOR_UNKNOWN;
    else if (parts_bed_start(&bed, subtask) < 0)
        verdict = VECTOR_FAILED;
    int no = 0;
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && verdict == VECTOR_PASSED; s = s->next, no++) {
        verdict = step(&bed, c, s);
        if (verdict != VECTOR_PASSED) vector_say("step %d: %s", no, tm_json_text(s, "op", ""));
    }
    parts_bed_close(&bed);
    return verdict;
}

/* ---- counters after a restart ---------------------------------------------------------------- */

typedef struct next_name {
    uint32_t subtask;
    int64_t counter;
    bool found;
} next_name_t;

static void find_next(void *ctx, const parts_bed_file_t *file)
{
    next_name_t *n = ctx;
    char pattern[64];
    snprintf(pattern, sizeof pattern, ".part-%u-%lld.inprogress.*", n->subtask,
             (long long)n->counter);
    n->found = n->found || fnmatch(pattern, file->name, 0) == 0;
}

static int write_all(parts_bed_t *bed, uint32_t subtask, const tm_json_t *lines)
{
    int err = parts_bed_start(bed, subtask);
    for (const tm_json_t *l = tm_json_at(lines, 0); l && err == 0; l = l->next)
        err = parts_bed_write(bed, subtask, "test1", l->text);
    return err;
}

/* "... the next part counter is 3 ..." */
static bool wanted_counter(const tm_json_t *c, int64_t *counter)
{
    static const char words[] = "counter is ";
    const tm_json_t *next = tm_json_get(c, "next_counter");
    const char *at = strstr(tm_json_text(c, "then", ""), words);
    if (next) *counter = next->number;
    if (!next && at) *counter = strtoll(at + strlen(words), NULL, 10);
    return next || at;
}

/* Writes on several subtasks, restarts all, and looks what the next part of each is called. */
vector_verdict_t vector_parts_counter(const tm_json_t *c)
{
    parts_bed_t bed;
    next_name_t next = {0};
    const uint32_t subtask_cnt = tm_json_int(c, "two_subtasks", 1) ? 2 : 1;
    if (!wanted_counter(c, &next.counter)) return VECTOR_UNKNOWN;
    parts_bed_open(&bed);
    parts_bed_policy(&bed, c);
    int err = 0;
    for (uint32_t i = 0; i < subtask_cnt && err == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "subtask%u_writes", i);
        err = write_all(&bed, i, tm_json_get(c, name));
        if (err == 0) err = parts_bed_snapshot(&bed, i, 1);
    }
    for (uint32_t i = 0; i < subtask_cnt; i++) parts_bed_stop(&bed, i);
    for (uint32_t i = 0; i < subtask_cnt && err == 0; i++) err = parts_bed_start(&bed, i);
    for (uint32_t i = 0; i < subtask_cnt && err == 0; i++) err = parts_bed_recover(&bed, i, 1);
    for (uint32_t i = 0; i < subtask_cnt && err == 0; i++) {
        next.subtask = i;
        next.found = false;
        /* A bucket of its own, since one in progress may go on. */
        err = parts_bed_write(&bed, i, "other", "next");
        parts_bed_files(&bed, find_next, &next);
        if (err == 0 && !next.found) vector_say("subtask %u goes on at another counter", i);
        if (!next.found) err = -1;
    }
    parts_bed_close(&bed);
    return err < 0 ? VECTOR_FAILED : VECTOR_PASSED;
}
