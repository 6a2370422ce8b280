/* Two-phase commit: which rows are visible after which notification, and after restarts. */
#include "tests/vectors/parts_bed.h"

#include "state/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKET "rows"

typedef struct txns {
    parts_bed_t bed;
    uint64_t last_id;
    char *log; /* as it was behind the last snapshot: what a crash leaves at worst */
} txns_t;

/* ---- commits that fail ----------------------------------------------------------------------- */

/* Making a part visible is what fails: its rename, and the fsync of the folder it lies in. What the
   sink writes for itself is hidden, and lies elsewhere. */
static int refuse_fsync(int fd)
{
    char self[64], where[256] = "";
    struct stat st;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && readlink(self, where, sizeof where - 1) > 0) {
        const char *slash = strrchr(where, '/');
        errno = EIO;
        if (slash && strcmp(slash + 1, BUCKET) == 0) return -1;
    }
    return tm_file_ops_kernel()->fsync(fd);
}

static int refuse_rename(const char *from, const char *to)
{
    const char *slash = strrchr(to, '/');
    if (slash && slash[1] == '.') return tm_file_ops_kernel()->rename(from, to);
    errno = EIO;
    return -1;
}

static void set_throwing(bool throws)
{
    static tm_file_ops_t ops;
    ops = *tm_file_ops_kernel();
    ops.rename = refuse_rename;
    ops.fsync = refuse_fsync;
    tm_file_ops_set(throws ? &ops : NULL);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void log_path(const txns_t *t, char out[256])
{
    snprintf(out, 256, "%s/.parts-0.log", t->bed.dir);
}

static bool snapshot(txns_t *t, uint64_t id)
{
    char path[256];
    if (parts_bed_snapshot(&t->bed, 0, id) < 0) return false;
    log_path(t, path);
    free(t->log);
    t->log = parts_bed_text(path);
    t->last_id = id;
    return true;
}

/* Records that were not yet durable are lost: those of commits. */
static bool crash(txns_t *t)
{
    char path[256];
    parts_bed_stop(&t->bed, 0);
    log_path(t, path);
    FILE *f = t->log ? fopen(path, "w") : NULL;
    if (f) {
        fputs(t->log, f);
        fclose(f);
    }
    return true;
}

/* "at t=5 -> error": an error, or none, as it is said. "<id>": of that snapshot. The sink opens
   before commits fail: what fails is what it does for the transaction. */
static bool restore(txns_t *t, const char *how, bool throws)
{
    const char *time = strstr(how, "t=");
    const char *end = strstr(how, "->");
    const bool wants_error = end && strstr(end, "error") && !strstr(end, "ok");
    uint64_t id = t->last_id;
    if (how[0] >= '0' && how[0] <= '9') id = strtoull(how, NULL, 10);
    if (time) t->bed.now = strtoll(time + 2, NULL, 10);
    parts_bed_stop(&t->bed, 0);
    set_throwing(false);
    if (parts_bed_start(&t->bed, 0) < 0) return false;
    set_throwing(throws);
    tm_sink_t *sink = t->bed.sinks[0];
    const int err = sink->ops->recover(sink, id);
    set_throwing(false);
    if ((err < 0) == wants_error) return true;
    vector_say("restore %s: %d", how, err);
    return false;
}

static vector_verdict_t sentence(txns_t *t, const char *text, bool *throws)
{
    const char *at;
    bool fine = true;
    if (parts_bed_after(text, "open"))
        fine = parts_bed_start(&t->bed, 0) == 0;
    else if ((at = parts_bed_after(text, "write")))
        fine = parts_bed_write(&t->bed, 0, BUCKET, at) == 0;
    else if ((at = parts_bed_after(text, "snapshot")))
        fine = snapshot(t, strtoull(at, NULL, 10));
    else if ((at = parts_bed_after(text, "notify")))
        fine = parts_bed_notify(&t->bed, 0, strtoull(at, NULL, 10)) == 0;
    else if (parts_bed_after(text, "crash") || parts_bed_after(text, "close"))
        fine = crash(t);
    else if (strncmp(text, "commit now", strlen("commit now")) == 0)
        *throws = strstr(text, "throws") != NULL;
    else if ((at = parts_bed_after(text, "restore")))
        fine = restore(t, at, *throws);
    else
        return VECTOR_UNKNOWN;
    return fine ? VECTOR_PASSED : VECTOR_FAILED;
}

/* ---- what is visible ------------------------------------------------------------------------- */

typedef struct visible {
    char *texts[256]; /* by counter */
} visible_t;

static void see(void *ctx, const parts_bed_file_t *file)
{
    visible_t *v = ctx;
    unsigned subtask, counter;
    if (file->hidden || sscanf(file->name, "part-%u-%u", &subtask, &counter) != 2) return;
    if (counter < TM_ARRAY_CNT(v->texts)) v->texts[counter] = parts_bed_text(file->path);
}

/* Appends up to the room there is. */
static void append(char *to, size_t room, const char *text, const char *end)
{
    size_t sz = strlen(to);
    snprintf(to + sz, room - sz, "%s%s", text, end);
}

static bool is_committed(const txns_t *t, const tm_json_t *want)
{
    visible_t v = {0};
    char have[4096] = "", wanted[4096] = "";
    parts_bed_files(&t->bed, see, &v);
    for (size_t i = 0; i < TM_ARRAY_CNT(v.texts); i++) {
        if (v.texts[i]) append(have, sizeof have, v.texts[i], "");
        free(v.texts[i]);
    }
    for (const tm_json_t *l = tm_json_at(want, 0); l; l = l->next)
        append(wanted, sizeof wanted, l->text, "\n");
    if (strcmp(have, wanted) != 0) vector_say("committed: %s", have);
    return strcmp(have, wanted) == 0;
}

vector_verdict_t vector_txn(const tm_json_t *c)
{
    txns_t t = {0};
    vector_verdict_t verdict = VECTOR_PASSED;
    const tm_json_t *open = tm_json_get(c, "open_transactions");
    bool throws = false;
    parts_bed_open(&t.bed);
    t.bed.now = tm_json_int(c, "clock_start", 0);
    t.bed.cfg.txn_timeout_ns = tm_json_int(c, "transaction_timeout", 0);
    t.bed.cfg.roll.on_checkpoint = true;
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && verdict == VECTOR_PASSED; s = s->next) {
        verdict = sentence(&t, s->text, &throws);
        if (verdict != VECTOR_PASSED) vector_say("'%s'", s->text);
    }
    if (verdict == VECTOR_PASSED && !is_committed(&t, tm_json_get(c, "committed")))
        verdict = VECTOR_FAILED;
    if (verdict == VECTOR_PASSED && open) {
        /* Beside those that are prepared there is always the one that rows go to. */
        const uint32_t have = parts_bed_state(&t.bed, NULL).txn_cnt + 1;
        if (have != open->number) vector_say("%u open transactions", have);
        if (have != open->number) verdict = VECTOR_FAILED;
    }
    parts_bed_close(&t.bed);
    free(t.log);
    return verdict;
}
