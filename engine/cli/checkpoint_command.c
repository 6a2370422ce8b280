/* tidemark checkpoint: looks into a folder of checkpoints and checks them, without taking part: it
   locks and removes nothing, and may run beside the job that writes there. */
#include "base/error.h"
#include "base/stamp.h"
#include "engine/cli/commands.h"
#include "engine/runtime/checkpoint/restore.h"
#include "state/checkpoint/checkpoint_manifest.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_MAX = 4096 };

typedef struct totals {
    uint64_t files, file_bytes, blobs, blob_bytes;
} totals_t;

static const char help[] =
    "usage: tidemark checkpoint ls DIR\n"
    "       tidemark checkpoint verify DIR [ID]\n"
    "       tidemark checkpoint show DIR [ID]\n\n"
    "  ls      list complete checkpoints, oldest first\n"
    "  verify  read every page of every checkpoint (or of one) and name each damage\n"
    "  show    what the newest checkpoint (or one) is made of, and the state in it: operators\n"
    "          with ids, keys, states and their fields, windows, aggregates\n\n"
    "The format is in docs/checkpoints.md. Exit status: 0 done, 1 damage found, 2 bad usage.\n";

static int failed(const char *verb, int code)
{
    fprintf(stderr, "tidemark checkpoint %s: %s\n", verb, tm_error_text());
    return code == TM_E_CONFIG ? 2 : 1;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Ids of the manifests there, ascending. */
static int ids_read(const char *dir, uint64_t *ids, uint32_t *cnt)
{
    DIR *d = opendir(dir);
    if (!d) return tm_error_set(-errno, "%s: %s", dir, tm_error_name(-errno));
    *cnt = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL && *cnt < CHECKPOINT_MAX;) {
        char *end;
        if (strncmp(e->d_name, "manifest-", 9) != 0 || strlen(e->d_name) != 33) continue;
        uint64_t id = strtoull(e->d_name + 9, &end, 10);
        if (strcmp(end, ".tmc") == 0) ids[(*cnt)++] = id;
    }
    closedir(d);
    qsort(ids, *cnt, sizeof *ids, by_id);
    if (*cnt > 0) return 0;
    return tm_error_set(TM_E_MISSING, "%s: there is no complete checkpoint", dir);
}

static totals_t totals_of(const tm_manifest_t *m)
{
    totals_t t = {0};
    tm_manifest_entry_t e;
    for (size_t at = 0; tm_manifest_next(m, &at, &e);) {
        bool pages = e.head.kind == TM_CHECKPOINT_PAGES;
        *(pages ? &t.files : &t.blobs) += 1;
        *(pages ? &t.file_bytes : &t.blob_bytes) += e.head.data_sz;
    }
    return t;
}

static int ls(const char *dir, uint64_t id)
{
    tm_manifest_t m;
    char path[TM_CHECKPOINT_PATH_MAX], when[32];
    tm_manifest_path(path, dir, id);
    TM_TRY(tm_manifest_read(&m, path));
    totals_t t = totals_of(&m);
    tm_stamp_text(when, m.head.created_ns);
    printf("%12" PRIu64 "  %s  %4" PRIu64 " files %12" PRIu64 " B  %3" PRIu64 " blobs %9" PRIu64
           " B\n",
           id, when, t.files, t.file_bytes, t.blobs, t.blob_bytes);
    tm_manifest_free(&m);
    return 0;
}

static int show(const char *dir, uint64_t id)
{
    tm_manifest_t m;
    tm_manifest_entry_t e;
    char path[TM_CHECKPOINT_PATH_MAX], when[32];
    tm_manifest_path(path, dir, id);
    TM_TRY(tm_manifest_read(&m, path));
    tm_stamp_text(when, m.head.created_ns);
    printf("checkpoint %" PRIu64 ", %s\n", id, when);
    for (size_t at = 0; tm_manifest_next(&m, &at, &e);)
        if (e.head.kind == TM_CHECKPOINT_PAGES)
            printf("  worker %-3u %-44.*s %12" PRIu64 " B, of %" PRIu64 "\n", e.head.worker,
                   (int)e.head.name_sz, e.name, e.head.data_sz, e.head.file_id);
        else
            printf("  blob       %-44.*s %12" PRIu64 " B\n", (int)e.head.name_sz, e.name,
                   e.head.data_sz);
    if (tm_manifest_find(&m, TM_CHECKPOINT_BLOB, TM_BLOB_SCHEMA, &e))
        printf("\n%.*s", (int)e.head.data_sz, (const char *)e.data);
    tm_manifest_free(&m);
    return 0;
}

/* Reads and expands every page of a file. */
static int file_verify(const char *path, uint32_t file_crc, uint64_t *pages)
{
    static uint8_t page[TM_PAGE_SZ];
    tm_pages_reader_t r;
    tm_checkpoint_record_t record;
    const void *stored;
    int err = tm_pages_reader_open(&r, path);
    if (err == 0 && r.head.crc != file_crc)
        err = tm_error_set(TM_E_CORRUPT, "%s: it is another file of this name", path);
    while (err >= 0 && (err = tm_pages_reader_next(&r, &record, &stored)) == 1) {
        err = tm_pages_reader_expand(&r, &record, stored, page);
        ++*pages;
    }
    tm_pages_reader_close(&r);
    return err;
}

static int verify(const char *dir, uint64_t id)
{
    tm_manifest_t m;
    tm_manifest_entry_t e;
    char path[TM_CHECKPOINT_PATH_MAX];
    uint64_t pages = 0;
    int bad = 0;
    tm_manifest_path(path, dir, id);
    TM_TRY(tm_manifest_read(&m, path));
    for (size_t at = 0; tm_manifest_next(&m, &at, &e);) {
        if (e.head.kind != TM_CHECKPOINT_PAGES) continue;
        snprintf(path, sizeof path, "%.*s/%.*s", TM_CHECKPOINT_DIR_MAX, dir, (int)e.head.name_sz,
                 e.name);
        int err = file_verify(path, e.head.file_crc, &pages);
        if (err < 0) printf("checkpoint %" PRIu64 ": %s\n", id, tm_error_text());
        if (err < 0) bad = err;
    }
    tm_manifest_free(&m);
    if (bad == 0) printf("checkpoint %" PRIu64 ": %" PRIu64 " pages, in order\n", id, pages);
    return bad < 0 ? tm_error_set(bad, "checkpoint %" PRIu64 " is damaged", id) : 0;
}

typedef struct verb {
    const char *name;
    int (*run)(const char *dir, uint64_t id);
    bool newest; /* without an id: of the newest alone */
} verb_t;

static const verb_t verbs[] = {{"ls", ls, false}, {"verify", verify, false}, {"show", show, true}};

static int verb_run(const verb_t *verb, const char *dir, const char *id_text)
{
    static uint64_t ids[CHECKPOINT_MAX];
    uint32_t cnt = 0;
    int worst = 0, err = ids_read(dir, ids, &cnt);
    if (err < 0) return failed(verb->name, err);
    if (id_text || verb->newest) {
        char *end = NULL;
        uint64_t id = id_text ? strtoull(id_text, &end, 10) : ids[cnt - 1];
        if (id_text && (end == id_text || *end))
            return failed(verb->name, tm_error_set(TM_E_CONFIG, "'%s' is no number", id_text));
        ids[0] = id;
        cnt = 1;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        err = verb->run(dir, ids[i]);
        if (err < 0) worst = failed(verb->name, err);
    }
    return worst;
}

int tm_command_checkpoint(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    for (size_t i = 0; i < TM_ARRAY_CNT(verbs); i++)
        if (strcmp(name, verbs[i].name) == 0 && (argc == 3 || (argc == 4 && i > 0)))
            return verb_run(&verbs[i], argv[2], argc == 4 ? argv[3] : NULL);
    fputs(help, stderr);
    return 2;
}
