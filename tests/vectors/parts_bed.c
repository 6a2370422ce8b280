#include "tests/vectors/parts_bed.h"

#include "base/check.h"
#include "base/error.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct line_row {
    tm_row_t row;
    uint32_t line, reserved;
} line_row_t;

static int folder_of(void *ctx, const void *row, int64_t now_ns, char *out, size_t out_sz)
{
    const parts_bed_t *bed = ctx;
    (void)now_ns;
    snprintf(out, out_sz, "%s",
             tm_symbols_name(bed->symbols, ((const tm_row_t *)row)->symbol, NULL));
    return 0;
}

static int64_t clock_of(void *ctx)
{
    return ((const parts_bed_t *)ctx)->now;
}

static bool count(parts_bed_t *bed, int which, bool rolls)
{
    bed->asked[which]++;
    bed->rolled[which] += rolls;
    return rolls;
}

static bool at_checkpoint(const tm_part_roll_t *roll, const tm_part_info_t *part)
{
    return count(roll->ctx, 0, tm_part_roll_at_checkpoint(roll, part));
}

static bool before_row(const tm_part_roll_t *roll, const tm_part_info_t *part)
{
    return count(roll->ctx, 1, tm_part_roll_before_row(roll, part));
}

static bool at_time(const tm_part_roll_t *roll, const tm_part_info_t *part, int64_t now_ns)
{
    return count(roll->ctx, 2, tm_part_roll_at_time(roll, part, now_ns));
}

void parts_bed_open(parts_bed_t *bed)
{
    *bed = (parts_bed_t){0};
    snprintf(bed->dir, sizeof bed->dir, "%s/tm-vector-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    TM_CHECK(mkdtemp(bed->dir), "%s", bed->dir);
    TM_CHECK(tm_symbols_open(&bed->symbols) == 0, "symbols");
    tm_schema_init(&bed->schema, "line", TM_SCHEMA_ID_USER);
    const tm_field_t line = {.name = "line", .type = TM_TYPE_SYMBOL};
    TM_CHECK(tm_schema_add(&bed->schema, &line) >= 0, "schema");
    bed->schema.row_sz = sizeof(line_row_t);
    bed->cfg = (tm_part_sink_cfg_t){
        .dir = bed->dir,
        .schema = &bed->schema,
        .symbols = bed->symbols,
        .format = TM_PART_CSV,
        .headless = true,
        .suffix = "",
        .buffer_sz = 1,
        .bucket = {.folder = folder_of, .ctx = bed},
        .checkpointed = true,
        .keep_orphans = true,
        .clock = clock_of,
        .clock_ctx = bed,
    };
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void parts_bed_close(parts_bed_t *bed)
{
    for (uint32_t i = 0; i < PARTS_BED_SINK_MAX; i++) parts_bed_stop(bed, i);
    nftw(bed->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    tm_symbols_close(bed->symbols);
}

bool parts_bed_policy(parts_bed_t *bed, const tm_json_t *policy)
{
    tm_part_roll_t roll = {.max_sz = 128 << 20, .age_ns = 60000, .idle_ns = 60000};
    if (policy && policy->type == TM_JSON_STRING) {
        roll.on_checkpoint = strcmp(policy->text, "on_checkpoint") == 0;
        if (!roll.on_checkpoint && strcmp(policy->text, "default") != 0) return false;
        if (roll.on_checkpoint) roll.max_sz = UINT64_MAX;
        if (roll.on_checkpoint) roll.age_ns = roll.idle_ns = -1;
    } else if (policy && policy->type == TM_JSON_OBJECT) {
        roll.max_sz = (uint64_t)tm_json_int(policy, "max_part_size", (int64_t)roll.max_sz);
        roll.age_ns = tm_json_int(policy, "rollover_interval", roll.age_ns);
        roll.idle_ns = tm_json_int(policy, "inactivity_interval", roll.idle_ns);
        roll.check_interval_ns = tm_json_int(policy, "bucket_check_interval", 0);
    } else if (policy) {
        return false;
    }
    roll.at_checkpoint = at_checkpoint;
    roll.before_row = before_row;
    roll.at_time = at_time;
    roll.ctx = bed;
    bed->cfg.roll = roll;
    return true;
}

static int said(int err)
{
    if (err < 0) vector_say("%s", tm_error_text());
    return err;
}

int parts_bed_start(parts_bed_t *bed, uint32_t subtask_idx)
{
    TM_CHECK(subtask_idx < PARTS_BED_SINK_MAX, "subtask %u", subtask_idx);
    bed->cfg.subtask_idx = subtask_idx;
    return said(tm_part_sink_open(&bed->sinks[subtask_idx], &bed->cfg));
}

int parts_bed_write(parts_bed_t *bed, uint32_t subtask_idx, const char *bucket, const char *line)
{
    const line_row_t row = {
        .row = {.symbol = tm_symbols_intern(bed->symbols, bucket, strlen(bucket))},
        .line = tm_symbols_intern(bed->symbols, line, strlen(line)),
    };
    tm_sink_t *sink = bed->sinks[subtask_idx];
    return said(sink->ops->write(sink, &row, 1));
}

int parts_bed_time(parts_bed_t *bed, uint32_t subtask_idx, int64_t now)
{
    tm_sink_t *sink = bed->sinks[subtask_idx];
    bed->now = now;
    return said(sink->ops->tick(sink, now));
}

int parts_bed_snapshot(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id)
{
    tm_sink_t *sink = bed->sinks[subtask_idx];
    return said(sink->ops->prepare(sink, id));
}

int parts_bed_notify(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id)
{
    tm_sink_t *sink = bed->sinks[subtask_idx];
    return said(sink->ops->commit(sink, id));
}

int parts_bed_recover(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id)
{
    tm_sink_t *sink = bed->sinks[subtask_idx];
    return said(sink->ops->recover(sink, id));
}

void parts_bed_stop(parts_bed_t *bed, uint32_t subtask_idx)
{
    tm_sink_t *sink = bed->sinks[subtask_idx];
    if (sink) sink->ops->close(sink);
    bed->sinks[subtask_idx] = NULL;
}

tm_part_sink_state_t parts_bed_state(const parts_bed_t *bed, const char *bucket)
{
    tm_part_sink_state_t state;
    tm_part_sink_state(bed->sinks[0], bucket, &state);
    return state;
}

static void files_in(const parts_bed_t *bed, const char *bucket, parts_bed_file_fn *fn, void *ctx)
{
    char folder[384];
    snprintf(folder, sizeof folder, "%s/%s", bed->dir, bucket);
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        parts_bed_file_t file = {.hidden = e->d_name[0] == '.'};
        struct stat st;
        snprintf(file.bucket, sizeof file.bucket, "%s", bucket);
        snprintf(file.name, sizeof file.name, "%s", e->d_name);
        if (snprintf(file.path, sizeof file.path, "%s/%s", folder, e->d_name) < 0) continue;
        if (stat(file.path, &st) != 0) continue;
        const bool below = S_ISDIR(st.st_mode) && !file.hidden && !*bucket;
        const bool part = S_ISREG(st.st_mode) && strncmp(file.name, ".parts-", 7) != 0;
        if (below) files_in(bed, file.name, fn, ctx);
        if (part) fn(ctx, &file);
    }
    if (d) closedir(d);
}

void parts_bed_files(const parts_bed_t *bed, parts_bed_file_fn *fn, void *ctx)
{
    files_in(bed, "", fn, ctx);
}

char *parts_bed_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    TM_CHECK(f && text, "%s", path);
    (void)!fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    return text;
}

const char *parts_bed_after(const char *text, const char *word)
{
    const size_t sz = strlen(word);
    if (strncmp(text, word, sz) != 0 || (text[sz] != ' ' && text[sz] != '\0')) return NULL;
    return text[sz] == ' ' ? text + sz + 1 : text + sz;
}
