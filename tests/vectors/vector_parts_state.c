/* What a writer of part files holds: open parts, prepared ones, points that newer ones outdate; and
   what a restart makes of them. */
#include "tests/vectors/parts_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_same(const char *what, int64_t have, int64_t want)
{
    if (have != want) vector_say("%s: %lld", what, (long long)have);
    return have == want;
}

/* ---- one bucket: ["write", time], ["prepare_commit", {...}], ... ----------------------------- */

static bool is_prepared(const parts_bed_t *bed, const tm_json_t *want)
{
    const tm_part_sink_state_t s = parts_bed_state(bed, NULL);
    const tm_json_t *pending = tm_json_get(want, "pending");
    const tm_json_t *clean = tm_json_get(want, "in_progress_to_clean");
    return (!pending || is_same("pending", s.prepared.ready_cnt, pending->number)) &&
           (!clean || is_same("to clean", s.prepared.superseded_cnt, clean->number));
}

static vector_verdict_t bucket_step(parts_bed_t *bed, const tm_json_t *s, uint64_t id)
{
    const tm_json_t *name = tm_json_at(s, 0), *arg = tm_json_at(s, 1);
    if (!name || !arg || name->type != TM_JSON_STRING) return VECTOR_UNKNOWN;
    const char *op = name->text;
    bool fine;
    if (strcmp(op, "write") == 0) {
        bed->now = arg->number;
        fine = parts_bed_write(bed, 0, "bucket", "record") == 0;
    } else if (strcmp(op, "proc_time") == 0) {
        fine = parts_bed_time(bed, 0, arg->number) == 0;
    } else if (strncmp(op, "prepare_commit", strlen("prepare_commit")) == 0) {
        if (strstr(op, "end_of_input")) (void)bed->sinks[0]->ops->end(bed->sinks[0]);
        fine = parts_bed_snapshot(bed, 0, id) == 0 && is_prepared(bed, arg);
    } else if (strcmp(op, "in_progress") == 0) {
        fine = is_same(op, parts_bed_state(bed, NULL).in_progress_cnt > 0, arg->number);
    } else if (strcmp(op, "in_progress_in_state") == 0) {
        fine = is_same(op, parts_bed_state(bed, NULL).prepared.point_cnt > 0, arg->number);
    } else {
        vector_say("'%s' is not known", op);
        return VECTOR_UNKNOWN;
    }
    return fine ? VECTOR_PASSED : VECTOR_FAILED;
}

vector_verdict_t vector_parts_bucket(const tm_json_t *c)
{
    parts_bed_t bed;
    vector_verdict_t verdict = VECTOR_PASSED;
    uint64_t id = 1;
    parts_bed_open(&bed);
    if (!parts_bed_policy(&bed, tm_json_get(c, "policy")))
        verdict = VECTOR_UNKNOWN;
    else if (parts_bed_start(&bed, 0) < 0)
        verdict = VECTOR_FAILED;
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && verdict == VECTOR_PASSED; s = s->next) verdict = bucket_step(&bed, s, id++);
    parts_bed_close(&bed);
    return verdict;
}

/* ---- steps as sentences: "write B", "snapshot 1", "notify 1", "restore 1", "prepareCommit"
   ---- */

static bool sentence(parts_bed_t *bed, const char *text, uint64_t *id)
{
    const char *at;
    if ((at = parts_bed_after(text, "write")))
        return parts_bed_write(bed, 0, *at ? at : "bucket", "record") == 0;
    if (parts_bed_after(text, "prepareCommit")) return parts_bed_snapshot(bed, 0, ++*id) == 0;
    if ((at = parts_bed_after(text, "proc_time")))
        return parts_bed_time(bed, 0, strtoll(at, NULL, 10)) == 0;
    if ((at = parts_bed_after(text, "notify")))
        return parts_bed_notify(bed, 0, strtoull(at, NULL, 10)) == 0;
    if ((at = parts_bed_after(text, "snapshot")))
        /* Behind a prepareCommit it has nothing to add: a prepare records both. */
        return *id > 0 || parts_bed_snapshot(bed, 0, strtoull(at, NULL, 10)) == 0;
    if ((at = parts_bed_after(text, "restore"))) {
        parts_bed_stop(bed, 0);
        return parts_bed_start(bed, 0) == 0 &&
               parts_bed_recover(bed, 0, strtoull(at, NULL, 10)) == 0;
    }
    vector_say("'%s' is not known", text);
    return false;
}

/* Runs the sentences; -1 discarded points or active buckets = the case does not say. */
vector_verdict_t vector_parts_sentences(const tm_json_t *c)
{
    parts_bed_t bed;
    uint64_t id = 0;
    const tm_json_t *discarded = tm_json_get(c, "discarded_resume_points");
    const tm_json_t *active = tm_json_get(c, "active_buckets_after");
    parts_bed_open(&bed);
    bool fine = parts_bed_policy(&bed, tm_json_get(c, "policy")) && parts_bed_start(&bed, 0) == 0;
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && fine; s = s->next) fine = sentence(&bed, s->text, &id);
    if (fine) {
        const tm_part_sink_state_t state = parts_bed_state(&bed, NULL);
        if (discarded) fine = is_same("discarded", (int64_t)state.outdated_cnt, discarded->number);
        if (active) fine = fine && is_same("active buckets", state.bucket_cnt, active->number);
    }
    parts_bed_close(&bed);
    return fine ? VECTOR_PASSED : VECTOR_FAILED;
}

/* ---- restarts -------------------------------------------------------------------------------- */

/* Writers a, b, ... become one. */
vector_verdict_t vector_parts_merge(const tm_json_t *c)
{
    parts_bed_t bed;
    bool fine = true;
    uint32_t writer_cnt = 0;
    parts_bed_open(&bed);
    parts_bed_policy(&bed, tm_json_get(c, "policy"));
    for (; writer_cnt < PARTS_BED_SINK_MAX && fine; writer_cnt++) {
        char name[32];
        snprintf(name, sizeof name, "writer_%c_buckets", 'a' + (int)writer_cnt);
        const tm_json_t *b = tm_json_at(tm_json_get(c, name), 0);
        if (!b) break;
        fine = parts_bed_start(&bed, writer_cnt) == 0;
        for (; b && fine; b = b->next) fine = parts_bed_write(&bed, writer_cnt, b->text, "x") == 0;
        fine = fine && parts_bed_snapshot(&bed, writer_cnt, 1) == 0;
    }
    for (uint32_t i = 0; i < writer_cnt; i++) parts_bed_stop(&bed, i);
    bed.cfg.subtask_cnt = 1;
    fine = fine && parts_bed_start(&bed, 0) == 0 && parts_bed_recover(&bed, 0, 1) == 0;
    const tm_json_t *after = tm_json_get(c, "after_restore_of_both_states");
    for (const tm_json_t *m = after ? after->kid : NULL; m && fine; m = m->next) {
        if (strcmp(m->key, "active_buckets") == 0) {
            fine = is_same(m->key, parts_bed_state(&bed, NULL).bucket_cnt, m->number);
            continue;
        }
        const tm_part_sink_state_t state = parts_bed_state(&bed, m->key);
        fine = is_same(m->key, state.in_progress_cnt > 0, tm_json_int(m, "in_progress", 0)) &&
               is_same(m->key, state.pending_cnt, tm_json_int(m, "pending", 0));
    }
    parts_bed_close(&bed);
    return !after ? VECTOR_UNKNOWN : fine ? VECTOR_PASSED : VECTOR_FAILED;
}

/* A state of so many pending parts and perhaps one in progress, restored by a writer that can or
   cannot go on with a file. */
vector_verdict_t vector_parts_restore(const tm_json_t *c)
{
    parts_bed_t bed;
    const tm_json_t *state = tm_json_get(c, "state"), *after = tm_json_get(c, "after");
    if (!state || !after) return VECTOR_UNKNOWN;
    parts_bed_open(&bed);
    parts_bed_policy(&bed, tm_json_get(c, "policy"));
    bed.cfg.roll.age_ns = 10;
    bool fine = parts_bed_start(&bed, 0) == 0;
    for (int64_t i = tm_json_int(state, "pending", 0); i > 0 && fine; i--)
        fine = parts_bed_write(&bed, 0, "bucket", "pending") == 0 &&
               parts_bed_time(&bed, 0, bed.now + 10) == 0;
    if (tm_json_int(state, "in_progress", 0) > 0)
        fine = fine && parts_bed_write(&bed, 0, "bucket", "open") == 0;
    fine = fine && parts_bed_snapshot(&bed, 0, 1) == 0;
    parts_bed_stop(&bed, 0);
    bed.cfg.no_resume = !tm_json_int(c, "resumable", 1);
    fine = fine && parts_bed_start(&bed, 0) == 0 && parts_bed_recover(&bed, 0, 1) == 0;
    if (fine) {
        const tm_part_sink_state_t s = parts_bed_state(&bed, NULL);
        fine = is_same("in progress", s.in_progress_cnt > 0,
                       tm_json_int(after, "in_progress", s.in_progress_cnt > 0)) &&
               is_same("resumed", s.resumed_cnt,
                       tm_json_int(after, "recover_calls", s.resumed_cnt)) &&
               is_same("finished", s.finished_cnt,
                       tm_json_int(after, "recover_for_commit_calls", s.finished_cnt));
    }
    parts_bed_close(&bed);
    return fine ? VECTOR_PASSED : VECTOR_FAILED;
}
