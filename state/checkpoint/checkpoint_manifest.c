#include "state/checkpoint/checkpoint_manifest.h"

#include "base/check.h"
#include "base/error.h"
#include "state/crc32c.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void tm_manifest_path(char out[TM_CHECKPOINT_PATH_MAX], const char *dir, uint64_t id)
{
    snprintf(out, TM_CHECKPOINT_PATH_MAX, "%s/manifest-%020" PRIu64 ".tmc", dir, id);
}

void tm_manifest_path_hidden(char out[TM_CHECKPOINT_PATH_MAX], const char *dir, uint64_t id)
{
    snprintf(out, TM_CHECKPOINT_PATH_MAX, "%s/.manifest-%020" PRIu64 ".tmc", dir, id);
}

void tm_manifest_start(tm_manifest_t *m, uint64_t id, int64_t created_ns)
{
    tm_buffer_clear(&m->body);
    m->head = (tm_checkpoint_manifest_head_t){.version = TM_CHECKPOINT_VERSION,
                                              .header_sz = sizeof m->head,
                                              .id = id,
                                              .created_ns = created_ns};
    memcpy(m->head.magic, TM_CHECKPOINT_MANIFEST_MAGIC, sizeof m->head.magic);
}

void tm_manifest_free(tm_manifest_t *m)
{
    tm_buffer_free(&m->body);
    *m = (tm_manifest_t){0};
}

int tm_manifest_add(tm_manifest_t *m, const tm_checkpoint_entry_head_t *head, const char *name,
                    const void *data)
{
    static const uint8_t zeros[8];
    tm_checkpoint_entry_head_t e = *head;
    size_t name_sz = strlen(name), data_sz = data ? head->data_sz : 0;
    if (name_sz == 0 || name_sz > TM_CHECKPOINT_NAME_MAX)
        return tm_error_set(TM_E_LIMIT, "checkpoint: names have 1 to %d bytes: '%.40s'",
                            TM_CHECKPOINT_NAME_MAX, name);
    if (m->head.entry_cnt == TM_CHECKPOINT_ENTRY_MAX ||
        m->body.sz + data_sz + 512 > TM_CHECKPOINT_BODY_MAX)
        return tm_error_set(TM_E_LIMIT, "checkpoint: more than %d entries or %d bytes with '%s'",
                            TM_CHECKPOINT_ENTRY_MAX, TM_CHECKPOINT_BODY_MAX, name);
    e.name_sz = (uint32_t)name_sz;
    TM_TRY(tm_buffer_append(&m->body, &e, sizeof e));
    TM_TRY(tm_buffer_append(&m->body, name, name_sz));
    if (data_sz > 0) TM_TRY(tm_buffer_append(&m->body, data, data_sz));
    TM_TRY(tm_buffer_append(&m->body, zeros, tm_align_up(m->body.sz, 8) - m->body.sz));
    m->head.entry_cnt++;
    return 0;
}

bool tm_manifest_next(const tm_manifest_t *m, size_t *at, tm_manifest_entry_t *entry)
{
    if (*at >= m->body.sz) return false;
    const uint8_t *from = m->body.data + *at;
    memcpy(&entry->head, from, sizeof entry->head);
    entry->name = (const char *)from + sizeof entry->head;
    entry->data = from + sizeof entry->head + entry->head.name_sz;
    size_t data_sz = entry->head.kind == TM_CHECKPOINT_BLOB ? entry->head.data_sz : 0;
    *at += tm_align_up(sizeof entry->head + entry->head.name_sz + data_sz, 8);
    return true;
}

bool tm_manifest_find(const tm_manifest_t *m, tm_checkpoint_kind_t kind, const char *name,
                      tm_manifest_entry_t *entry)
{
    size_t at = 0, name_sz = strlen(name);
    while (tm_manifest_next(m, &at, entry))
        if (entry->head.kind == kind && entry->head.name_sz == name_sz &&
            memcmp(entry->name, name, name_sz) == 0)
            return true;
    return false;
}

static int hidden_write(tm_manifest_t *m, const char *path)
{
    m->head.body_sz = m->body.sz;
    m->head.body_crc = tm_crc32c(0, m->body.data, m->body.sz);
    m->head.crc = tm_crc32c(0, &m->head, offsetof(tm_checkpoint_manifest_head_t, crc));
    int fd = tm_file_open(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) return fd;
    int err = tm_file_write(fd, path, &m->head, sizeof m->head, 0);
    if (err == 0 && m->body.sz > 0)
        err = tm_file_write(fd, path, m->body.data, m->body.sz, sizeof m->head);
    if (err == 0) err = tm_file_sync(fd, path);
    tm_file_close(fd);
    return err;
}

int tm_manifest_write(tm_manifest_t *m, const char *dir, bool *renamed)
{
    char hidden[TM_CHECKPOINT_PATH_MAX], path[TM_CHECKPOINT_PATH_MAX];
    *renamed = false;
    tm_manifest_path_hidden(hidden, dir, m->head.id);
    tm_manifest_path(path, dir, m->head.id);
    TM_TRY(hidden_write(m, hidden));
    TM_TRY(tm_file_rename(hidden, path));
    *renamed = true;
    return tm_file_sync_dir(dir);
}

/* Whether the entries fill the body exactly. */
static bool body_holds(const tm_manifest_t *m)
{
    uint32_t cnt = 0;
    for (size_t at = 0; at < m->body.sz; cnt++) {
        tm_checkpoint_entry_head_t e;
        if (m->body.sz - at < sizeof e) return false;
        memcpy(&e, m->body.data + at, sizeof e);
        if (e.name_sz == 0 || e.name_sz > TM_CHECKPOINT_NAME_MAX ||
            (e.kind != TM_CHECKPOINT_PAGES && e.kind != TM_CHECKPOINT_BLOB) ||
            e.worker >= TM_CHECKPOINT_WORKER_MAX || e.data_sz > INT64_MAX)
            return false;
        uint64_t sz = sizeof e + e.name_sz + (e.kind == TM_CHECKPOINT_BLOB ? e.data_sz : 0);
        sz = tm_align_up(sz, 8);
        if (sz > m->body.sz - at) return false;
        at += sz;
    }
    return cnt == m->head.entry_cnt;
}

static int body_read(tm_manifest_t *m, int fd, const char *path)
{
    int64_t got = tm_file_read(fd, path, &m->head, sizeof m->head, 0);
    if (got < 0) return (int)got;
    const tm_checkpoint_manifest_head_t *h = &m->head;
    if (got < (int64_t)sizeof *h || memcmp(h->magic, TM_CHECKPOINT_MANIFEST_MAGIC, 8) != 0 ||
        h->crc != tm_crc32c(0, h, offsetof(tm_checkpoint_manifest_head_t, crc)))
        return tm_error_set(TM_E_CORRUPT, "%s: the header does not hold", path);
    if (h->version != TM_CHECKPOINT_VERSION || h->header_sz != sizeof *h)
        return tm_error_set(TM_E_UNSUPPORTED,
                            "%s: version %u of checkpoints is not known; use a"
                            " newer build",
                            path, h->version);
    if (h->body_sz > TM_CHECKPOINT_BODY_MAX || h->entry_cnt > TM_CHECKPOINT_ENTRY_MAX)
        return tm_error_set(TM_E_CORRUPT, "%s: larger than any checkpoint may be", path);
    tm_buffer_clear(&m->body);
    TM_TRY(tm_buffer_reserve(&m->body, h->body_sz + 1));
    got = tm_file_read(fd, path, m->body.data, h->body_sz + 1, sizeof *h);
    if (got < 0) return (int)got;
    m->body.sz = h->body_sz;
    if (got != (int64_t)h->body_sz || h->body_crc != tm_crc32c(0, m->body.data, m->body.sz) ||
        !body_holds(m))
        return tm_error_set(TM_E_CORRUPT, "%s: its entries do not hold", path);
    return 0;
}

int tm_manifest_read(tm_manifest_t *m, const char *path)
{
    *m = (tm_manifest_t){0};
    int fd = tm_file_open(path, O_RDONLY);
    if (fd < 0) return fd;
    int err = body_read(m, fd, path);
    tm_file_close(fd);
    if (err < 0) tm_manifest_free(m);
    return err;
}
