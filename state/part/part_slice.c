/* Rows into the parts of their buckets, a slice at a time. */
#include "base/error.h"
#include "base/row.h"
#include "state/part/part_sink_private.h"

#include <errno.h>
#include <stdio.h>

static int64_t now_of(const tm_part_sink_t *s)
{
    return s->cfg.clock ? s->cfg.clock(s->cfg.clock_ctx) : s->tick_ns;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15ull;
    return h ^ (h >> 32);
}

static uint32_t name_hash(const char *name)
{
    uint64_t h = 0;
    for (; *name; name++) h = mix(h, (uint8_t)*name);
    return (uint32_t)h;
}

static void close_part(tm_part_sink_t *s, tm_part_file_t *part)
{
    if (part->row_cnt == 0) { /* its first slice could not be taken */
        tm_part_file_free(part);
        return;
    }
    part->phase = TM_PART_CLOSING;
    part->next = s->closing;
    s->closing = part;
}

void tm_part_slice_roll(tm_part_sink_t *s, uint32_t idx)
{
    close_part(s, s->buckets[idx].part);
    s->buckets[idx] = s->buckets[--s->bucket_cnt];
    s->era++;
}

static int new_part(tm_part_sink_t *s, const char *bucket, tm_part_file_t **part)
{
    char name[TM_PART_NAME_MAX];
    TM_TRY(tm_part_name_make(name, bucket, &s->naming, s->next_counter));
    TM_TRY(tm_part_file_new(part, s->enc, &s->log, name));
    s->next_counter++;
    (*part)->opened_ns = now_of(s);
    return 0;
}

static void add_bucket(tm_part_sink_t *s, const char *name, tm_part_file_t *part)
{
    tm_part_bucket_t *b = &s->buckets[s->bucket_cnt++];
    *b = (tm_part_bucket_t){.hash = name_hash(name), .part = part};
    snprintf(b->name, sizeof b->name, "%s", name);
}

/* Index of the bucket, or -1; the least recently used one to *oldest. */
static int find_name(const tm_part_sink_t *s, const char *name, uint32_t *oldest)
{
    const uint32_t hash = name_hash(name);
    *oldest = 0;
    for (uint32_t i = 0; i < s->bucket_cnt; i++) {
        const tm_part_bucket_t *b = &s->buckets[i];
        if (b->used_seq < s->buckets[*oldest].used_seq) *oldest = i;
        if (b->hash == hash && strcmp(b->name, name) == 0) return (int)i;
    }
    return -1;
}

void tm_part_slice_adopt(tm_part_sink_t *s, tm_part_file_t *part)
{
    char name[TM_PART_NAME_MAX];
    uint32_t oldest;
    tm_part_name_bucket(name, part->name);
    if (s->bucket_cnt == s->cfg.bucket_max || strlen(name) >= TM_PART_BUCKET_NAME_MAX ||
        find_name(s, name, &oldest) >= 0)
        close_part(s, part);
    else
        add_bucket(s, name, part);
}

/* The bucket of a key. -EAGAIN where this slice has taken all: it then ends before the row. */
static int find_bucket(tm_part_sink_t *s, const tm_part_bucket_key_t *key, uint32_t *idx)
{
    char name[TM_PART_BUCKET_NAME_MAX];
    tm_part_file_t *part;
    uint32_t oldest;
    const uint64_t h = mix(mix(mix((uint64_t)key->span, key->values[0]), key->values[1]),
                           key->flags);
    tm_part_key_slot_t *slot = &s->slots[h % TM_PART_KEY_CACHE_CNT];
    if (slot->era == s->era && memcmp(&slot->key, key, sizeof *key) == 0) {
        *idx = slot->idx;
        return 0;
    }
    TM_TRY(tm_part_bucketer_name(&s->bucketer, key, name));
    int found = find_name(s, name, &oldest);
    if (found < 0 && s->bucket_cnt == s->cfg.bucket_max) {
        if (s->buckets[oldest].used_seq == s->slice_seq) return -EAGAIN;
        /* The last bucket moves into the freed place; this slice must not have numbered it. */
        if (s->buckets[s->bucket_cnt - 1].used_seq == s->slice_seq) return -EAGAIN;
        tm_part_slice_roll(s, oldest);
    }
    if (found < 0) {
        TM_TRY(new_part(s, name, &part));
        found = (int)s->bucket_cnt;
        add_bucket(s, name, part);
    }
    *slot = (tm_part_key_slot_t){.key = *key, .era = s->era, .idx = (uint32_t)found};
    *idx = (uint32_t)found;
    return 0;
}

/* Most rows lie in the span of time of the row before them. Counts those at `rows` that do, where
   nothing else names the bucket. */
static uint32_t same_span(const tm_part_bucketer_t *b, const uint8_t *rows, uint32_t cnt,
                          const tm_part_bucket_key_t *last, size_t row_sz)
{
    const int64_t from_ns = b->from_ns, to_ns = b->to_ns;
    uint32_t run = 0;
    if (b->field_cnt > 0 || b->cfg.folder || b->cfg.by_clock || b->zone_ns != 0) return 0;
    if (last->flags != 0 || last->span != b->span) return 0;
    for (const uint8_t *at = rows + b->time_off; run < cnt; run++, at += row_sz) {
        int64_t t;
        memcpy(&t, at, sizeof t);
        if (t < from_ns || t >= to_ns) break;
    }
    return run;
}

/* Numbers the bucket of each row, up to a row that would need one too many. */
static int sort_slice(tm_part_sink_t *s, const uint8_t *rows, uint32_t cnt, uint32_t *taken)
{
    tm_part_bucket_key_t key, last = {0};
    const int64_t now_ns = now_of(s);
    const size_t row_sz = s->schema.row_sz;
    uint32_t idx = 0;
    s->slice_seq++;
    for (uint32_t i = 0; i < s->bucket_cnt; i++) s->buckets[i].slice_cnt = 0;
    for (*taken = 0; *taken < cnt;) {
        const uint8_t *row = rows + *taken * row_sz;
        TM_TRY(tm_part_bucketer_key(&s->bucketer, row, now_ns, &key));
        if (*taken == 0 || memcmp(&key, &last, sizeof key) != 0) {
            int err = find_bucket(s, &key, &idx);
            if (err == -EAGAIN && *taken > 0) return 0;
            if (err < 0) return err;
            s->buckets[idx].used_seq = s->slice_seq;
            last = key;
        }
        const uint32_t left = cnt - *taken - 1;
        const uint32_t run = 1 + same_span(&s->bucketer, row + row_sz, left, &last, row_sz);
        for (uint32_t i = 0; i < run; i++) s->row_bucket[*taken + i] = (uint16_t)idx;
        s->buckets[idx].slice_cnt += run;
        *taken += run;
    }
    return 0;
}

/* A full part of a bucket makes room for the next one. */
static int replace_part(tm_part_sink_t *s, tm_part_bucket_t *b)
{
    tm_part_file_t *part;
    TM_TRY(new_part(s, b->name, &part));
    close_part(s, b->part);
    b->part = part;
    return 0;
}

static bool rolls_before_row(const tm_part_sink_t *s, const tm_part_bucket_t *b)
{
    if (b->part->row_cnt == 0) return false;
    const tm_part_info_t info = tm_part_file_info(b->part, b->name);
    return s->cfg.roll.before_row(&s->cfg.roll, &info);
}

/* Bulk parts are only rolled between slices, and before they hold too many row groups. */
static int roll_bulk(tm_part_sink_t *s)
{
    for (uint32_t i = 0; i < s->bucket_cnt; i++) {
        tm_part_bucket_t *b = &s->buckets[i];
        if (b->slice_cnt == 0) continue;
        if (rolls_before_row(s, b) || b->part->file.meta.group_cnt == TM_PARQUET_GROUP_MAX)
            TM_TRY(replace_part(s, b));
    }
    return 0;
}

/* The part that holds most in memory, rolled ones included. */
static tm_part_file_t *fullest(tm_part_sink_t *s)
{
    tm_part_file_t *best = NULL;
    for (uint32_t i = 0; i < s->bucket_cnt; i++)
        if (!best || s->buckets[i].part->held_sz > best->held_sz) best = s->buckets[i].part;
    for (tm_part_file_t *p = s->closing; p; p = p->next)
        if (!best || p->held_sz > best->held_sz) best = p;
    tm_part_file_t *merged = tm_part_compact_part(s);
    if (merged && (!best || merged->held_sz > best->held_sz)) best = merged;
    return best;
}

int tm_part_slice_make_room(tm_part_sink_t *s, uint32_t cnt)
{
    while (!s->enc->ops->fits(s->enc, cnt, 1)) {
        tm_part_file_t *part = fullest(s);
        if (!part || part->held_sz == 0) return 0;
        TM_TRY(tm_part_file_flush(part));
    }
    return 0;
}

/* Makes sure that the whole slice fits, so that taking it cannot fail. */
static int make_room(tm_part_sink_t *s, uint32_t cnt)
{
    uint32_t part_cnt = 0;
    for (uint32_t i = 0; i < s->bucket_cnt; i++) {
        const tm_part_bucket_t *b = &s->buckets[i];
        if (b->slice_cnt == 0) continue;
        TM_TRY(s->enc->ops->reserve(s->enc, b->part, b->slice_cnt));
        part_cnt++;
    }
    while (!s->enc->ops->fits(s->enc, cnt, part_cnt)) {
        tm_part_file_t *part = fullest(s);
        TM_CHECK(part && part->held_sz > 0, "memory is short but no part holds rows");
        TM_TRY(tm_part_file_flush(part));
        /* A flushed part gives its buffer back, which a row of this slice may want. */
        TM_TRY(s->enc->ops->reserve(s->enc, part, cnt));
    }
    return 0;
}

static void take_run(tm_part_sink_t *s, tm_part_file_t *part, const uint8_t *rows, uint32_t cnt)
{
    s->enc->ops->take(s->enc, part, rows, cnt);
    part->row_cnt += cnt;
    part->written_ns = now_of(s);
}

/* Text is rolled at any row. Rows that were taken stay taken where the next part cannot be had. */
static int take_by_row(tm_part_sink_t *s, const uint8_t *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        tm_part_bucket_t *b = &s->buckets[s->row_bucket[i]];
        if (rolls_before_row(s, b)) {
            int err = replace_part(s, b);
            if (err == 0) err = s->enc->ops->reserve(s->enc, b->part, cnt - i);
            s->broken = s->broken || err < 0;
            if (err < 0) return err;
        }
        take_run(s, b->part, rows + (size_t)i * s->schema.row_sz, 1);
    }
    return 0;
}

static void take_by_run(tm_part_sink_t *s, const uint8_t *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt;) {
        uint32_t run = i + 1;
        while (run < cnt && s->row_bucket[run] == s->row_bucket[i]) run++;
        take_run(s, s->buckets[s->row_bucket[i]].part, rows + (size_t)i * s->schema.row_sz,
                 run - i);
        i = run;
    }
}

int tm_part_slice_take(tm_part_sink_t *s, const void *rows, uint32_t cnt)
{
    uint32_t taken = 0;
    if (cnt > s->enc->slice_max) cnt = s->enc->slice_max;
    TM_TRY(sort_slice(s, rows, cnt, &taken));
    if (!s->enc->by_row) TM_TRY(roll_bulk(s));
    TM_TRY(make_room(s, taken));
    if (s->enc->by_row)
        TM_TRY(take_by_row(s, rows, taken));
    else
        take_by_run(s, rows, taken);
    return (int)taken;
}

void tm_part_slice_drain(tm_part_sink_t *s)
{
    const size_t limit_sz = s->cfg.buffer_sz;
    if (!s->enc->by_row || limit_sz == 0) return;
    for (tm_part_file_t *p = s->closing; p; p = p->next)
        if (p->held_sz >= limit_sz && tm_part_file_flush(p) < 0) return;
    for (uint32_t i = 0; i < s->bucket_cnt; i++)
        if (s->buckets[i].part->held_sz >= limit_sz && tm_part_file_flush(s->buckets[i].part) < 0)
            return;
}
