#include "tests/state/journal_make.h"

#include "base/check.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t tm_make_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u; /* splitmix64 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void tm_make_entry(const tm_make_t *make, uint64_t seq, tm_journal_entry_t *e, uint8_t *buf)
{
    static const uint8_t kinds[8] = {TM_JOURNAL_TEXT,       TM_JOURNAL_TEXT, TM_JOURNAL_TEXT,
                                     TM_JOURNAL_BINARY,     TM_JOURNAL_TEXT, TM_JOURNAL_CONNECT,
                                     TM_JOURNAL_CLOCK_STEP, TM_JOURNAL_NOTE};
    const uint64_t r = tm_make_mix(make->seed ^ seq * 0x100000001b3u);
    const uint32_t max = make->payload_sz_max;
    uint32_t sz = (uint32_t)(r % (max + 1));
    if ((r >> 40) % 8 != 0) sz = sz % (max / 8 + 1);
    for (uint32_t i = 0; i < sz; i += 8) {
        const uint64_t v = tm_make_mix(r + i);
        memcpy(buf + i, &v, sz - i < 8 ? sz - i : 8);
    }
    *e = (tm_journal_entry_t){.data = buf,
                              .sz = sz,
                              .conn_idx = (uint32_t)(r >> 32) % 3,
                              .recv_ns = 1700000000000000000 + (int64_t)seq * 1000 -
                                         (int64_t)(r % 5000),
                              .stream = (uint16_t)(r % 4),
                              .kind = make->plain_kinds ? TM_JOURNAL_TEXT : kinds[(r >> 20) % 8],
                              .flags = make->plain_kinds ? 0 : (uint8_t)((r >> 24) % 16 == 0)};
}

bool tm_make_same(const tm_make_t *make, const tm_journal_view_t *v)
{
    uint8_t *buf = malloc(make->payload_sz_max + 8);
    tm_journal_entry_t e;
    tm_make_entry(make, v->seq, &e, buf);
    const bool same = v->frame.sz == e.sz && v->frame.conn_idx == e.conn_idx &&
                      v->frame.recv_ns == e.recv_ns && v->stream == e.stream && v->kind == e.kind &&
                      v->flags == e.flags && memcmp(v->frame.data, e.data, e.sz) == 0;
    free(buf);
    return same;
}

void tm_make_dir(char dir[256], const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, 256, "%s/tm-%s-XXXXXX", base ? base : "/tmp", name);
    TM_CHECK(mkdtemp(dir) != NULL, "%s: %s", dir, strerror(errno));
}

void tm_make_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[1024];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
    rmdir(dir);
}

void tm_make_append(tm_journal_writer_t *w, const tm_make_t *make, uint64_t from, uint64_t to)
{
    uint8_t *buf = malloc(make->payload_sz_max + 8);
    for (uint64_t seq = from; seq < to; seq++) {
        tm_journal_entry_t e;
        tm_make_entry(make, seq, &e, buf);
        int64_t got;
        while ((got = tm_journal_append(w, &e)) == -EAGAIN)
            TM_CHECK(tm_journal_flush_work(w) >= 0, "%s", tm_error_text());
        TM_CHECK(got == (int64_t)seq, "appended %lld, expected %llu: %s", (long long)got,
                 (unsigned long long)seq, tm_error_text());
    }
    free(buf);
}

uint8_t *tm_make_load(const char *path, size_t *sz)
{
    FILE *f = fopen(path, "rb");
    TM_CHECK(f, "%s: %s", path, strerror(errno));
    fseek(f, 0, SEEK_END);
    *sz = (size_t)ftell(f);
    rewind(f);
    uint8_t *buf = malloc(*sz + 1);
    TM_CHECK(fread(buf, 1, *sz, f) == *sz, "%s", path);
    fclose(f);
    return buf;
}

void tm_make_store(const char *path, const void *src, size_t sz)
{
    FILE *f = fopen(path, "wb");
    TM_CHECK(f && fwrite(src, 1, sz, f) == sz, "%s: %s", path, strerror(errno));
    fclose(f);
}

void tm_make_damage_note(void *ctx, const tm_journal_damage_t *damage)
{
    tm_make_damages_t *d = ctx;
    if (d->cnt < TM_ARRAY_CNT(d->list)) d->list[d->cnt] = *damage;
    d->cnt++;
}
