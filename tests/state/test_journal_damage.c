/* Every byte of small segments flipped, and every length cut: what is damaged is named by file and
   offset, and everything else is read. The expectation comes from the layout of the undamaged file.
   */
#include "base/error.h"
#include "state/crc32c.h"
#include "state/journal/journal_cold.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REC_MAX = 64 };

static const tm_make_t make = {.seed = 21, .payload_sz_max = 300};

typedef struct layout {
    char dir[256];
    char path[TM_JOURNAL_PATH_MAX]; /* of the segment under test */
    uint8_t *bytes;
    size_t sz;
    uint64_t first_seq;
    uint32_t cnt;
    uint64_t off[REC_MAX + 1]; /* of each record; behind the last one */
} layout_t;

static void layout_take(layout_t *l, uint32_t file_idx)
{
    tm_journal_list_t list;
    tm_journal_cursor_t *c;
    tm_journal_view_t views[REC_MAX];
    tm_assert_eq(tm_journal_list(&list, l->dir), 0);
    tm_assert(file_idx < list.cnt);
    snprintf(l->path, sizeof l->path, "%s", list.files[file_idx].path);
    l->first_seq = list.files[file_idx].first_seq;
    tm_assert_eq(
        tm_journal_cursor_open(&c, &(tm_journal_cursor_cfg_t){.path = l->path, .last = true}), 0);
    int cnt;
    l->cnt = 0;
    while ((cnt = tm_journal_cursor_read(c, views, REC_MAX)) > 0) {
        for (int i = 0; i < cnt; i++) {
            tm_assert(l->cnt < REC_MAX);
            l->off[l->cnt++] = views[i].off;
            l->off[l->cnt] = views[i].off + tm_journal_span(views[i].frame.sz);
        }
    }
    tm_journal_cursor_close(c);
    tm_journal_list_free(&list);
    l->bytes = tm_make_load(l->path, &l->sz);
}

/* Three segments of one record each around 40 of them: the one under test has neighbours. */
static void layout_make(layout_t *l, bool last, bool sealed)
{
    tm_journal_writer_t *w;
    tm_make_dir(l->dir, "damage");
    const tm_journal_writer_cfg_t cfg = {.dir = l->dir, .buffer_sz = 64 << 10, .roll_sz = 32 << 10};
    uint64_t seq = 0;
    const uint64_t cnts[3] = {5, 40, 5};
    for (int i = 0; i < (last ? 2 : 3); i++) {
        tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
        tm_make_append(w, &make, seq, seq + cnts[i]);
        seq += cnts[i];
        if (i == 1 && !sealed) {
            size_t sz;
            char path[TM_JOURNAL_PATH_MAX];
            tm_assert_eq(tm_journal_sync(w), 0);
            tm_assert_eq(tm_journal_path(path, l->dir, 5, false), 0);
            uint8_t *bytes = tm_make_load(path, &sz);
            tm_assert_eq(tm_journal_writer_close(w), 0);
            tm_make_store(path, bytes, sz);
            free(bytes);
        } else {
            tm_assert_eq(tm_journal_writer_close(w), 0);
        }
    }
    layout_take(l, 1);
    if (!sealed) { /* most of the reserved zeros say the same thing */
        l->sz = l->off[l->cnt] + 600;
        tm_make_store(l->path, l->bytes, l->sz);
    }
}

static void layout_free(layout_t *l)
{
    free(l->bytes);
    tm_make_dir_remove(l->dir);
}

/* Reads the whole journal. Returns damages; seen[i] tells whether record i of the segment came
   back. */
static void read_damaged(const layout_t *l, bool seen[REC_MAX], tm_make_damages_t *damages)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[16];
    memset(seen, 0, REC_MAX);
    damages->cnt = 0;
    const tm_journal_reader_cfg_t cfg = {
        .path = l->dir, .on_damage = tm_make_damage_note, .on_damage_ctx = damages};
    tm_assert_eq(tm_journal_reader_open(&r, &cfg), 0);
    int cnt;
    uint64_t before = 0, other = 0;
    while ((cnt = tm_journal_reader_read(r, views, 16)) > 0) {
        for (int i = 0; i < cnt; i++) {
            tm_assert(tm_make_same(&make, &views[i]));
            tm_assert(views[i].seq >= before);
            before = views[i].seq + 1;
            if (views[i].seq >= l->first_seq && views[i].seq < l->first_seq + l->cnt)
                seen[views[i].seq - l->first_seq] = true;
            else
                other++;
        }
    }
    tm_assert_eq(cnt, 0);
    tm_assert(other == 5 || other == 10); /* the neighbours are whole */
    for (uint32_t i = 0; i < damages->cnt && i < 64; i++)
        damages->list[i].path = NULL; /* gone with the reader */
    tm_journal_reader_close(r);
}

static bool names_byte(const tm_make_damages_t *d, uint64_t off)
{
    for (uint32_t i = 0; i < d->cnt && i < 64; i++)
        if (off >= d->list[i].off && off < d->list[i].off + d->list[i].sz) return true;
    return false;
}

static void flips_hold(layout_t *l)
{
    static bool seen[REC_MAX];
    static tm_make_damages_t damages;
    const bool all_bits = getenv("TM_SLOW") != NULL;
    read_damaged(l, seen, &damages);
    tm_assert_eq(damages.cnt, 0u);
    FILE *f = fopen(l->path, "r+b");
    tm_assert(f != NULL);
    setbuf(f, NULL);
    for (size_t at = 0; at < l->sz; at++) {
        for (int bit = 0; bit < 8; bit++) {
            if (!all_bits && (uint64_t)bit != tm_make_mix(at) % 8) continue;
            const uint8_t bad = (uint8_t)(l->bytes[at] ^ (1u << bit));
            fseek(f, (long)at, SEEK_SET);
            fwrite(&bad, 1, 1, f);
            read_damaged(l, seen, &damages);
            if (damages.cnt == 0 || !names_byte(&damages, at))
                fprintf(stderr, "# byte %zu bit %d: %u damages\n", at, bit, damages.cnt);
            tm_assert(damages.cnt >= 1);
            tm_assert(names_byte(&damages, at));
            for (uint32_t i = 0; i < l->cnt; i++)
                tm_assert_eq(seen[i], !(at >= l->off[i] && at < l->off[i + 1]));
        }
        fseek(f, (long)at, SEEK_SET);
        fwrite(&l->bytes[at], 1, 1, f);
    }
    fclose(f);
    read_damaged(l, seen, &damages);
    tm_assert_eq(damages.cnt, 0u);
}

Test(journal_damage, a_flip_of_any_byte_of_a_sealed_segment_is_named_and_costs_one_record_at_most)
{
    layout_t l;
    layout_make(&l, false, true);
    flips_hold(&l);
    layout_free(&l);
}

Test(journal_damage, a_flip_of_any_byte_of_an_open_segment_is_named_and_costs_one_record_at_most)
{
    layout_t l;
    layout_make(&l, true, false);
    flips_hold(&l);
    layout_free(&l);
}

Test(journal_damage, a_segment_cut_at_any_byte_gives_its_whole_records_and_names_the_cut)
{
    static bool seen[REC_MAX];
    static tm_make_damages_t damages;
    layout_t l;
    layout_make(&l, false, true);
    for (size_t sz = l.sz; sz-- > 0;) {
        tm_assert_eq(truncate(l.path, (off_t)sz), 0);
        read_damaged(&l, seen, &damages);
        tm_assert(damages.cnt >= 1);
        for (uint32_t i = 0; i < l.cnt; i++) {
            const bool whole = sz >= l.off[i + 1];
            tm_assert_eq(seen[i], whole);
        }
    }
    layout_free(&l);
}

/* Records of the folder, all as the formula says; damage is allowed only in a copy of a header. */
static uint64_t read_whole(const char *dir)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    tm_make_damages_t damages = {0};
    const tm_journal_reader_cfg_t cfg = {
        .path = dir, .on_damage = tm_make_damage_note, .on_damage_ctx = &damages};
    uint64_t seq = 0;
    int cnt;
    tm_assert_eq(tm_journal_reader_open(&r, &cfg), 0);
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0)
        for (int i = 0; i < cnt; i++, seq++)
            tm_assert(views[i].seq == seq && tm_make_same(&make, &views[i]));
    for (uint32_t i = 0; i < damages.cnt; i++)
        tm_assert(damages.list[i].kind == TM_JOURNAL_BAD_HEADER_COPY);
    tm_journal_reader_close(r);
    return seq;
}

Test(journal_damage, the_last_segment_cut_anywhere_is_recovered_and_written_on)
{
    layout_t l;
    layout_make(&l, true, true);
    for (size_t sz = 0; sz < l.sz; sz += sz < 4090 ? 1023 : 37) {
        tm_journal_writer_t *w = NULL;
        tm_journal_recovery_t rec;
        const tm_journal_writer_cfg_t cfg = {
            .dir = l.dir, .buffer_sz = 64 << 10, .roll_sz = 32 << 10};
        uint32_t whole = 0;
        while (whole < l.cnt && sz >= l.off[whole + 1]) whole++;
        tm_make_store(l.path, l.bytes, sz);
        const int code = tm_journal_writer_open(&w, &cfg, &rec);
        if (sz < 2048) { /* no copy of the header: nothing can be told, nothing is thrown away */
            tm_assert_eq(code, TM_E_CORRUPT);
            tm_assert(strstr(tm_error_text(), l.path) != NULL);
            continue;
        }
        tm_assert_eq(code, 0);
        tm_assert_eq(rec.next_seq, 5 + whole);
        if (rec.resealed) tm_assert_eq(rec.kept_cnt, whole);
        if (sz >= TM_JOURNAL_HEADER_SZ) tm_assert(rec.torn_sz <= sz - l.off[whole]);
        tm_make_append(w, &make, rec.next_seq, rec.next_seq + 3);
        tm_assert_eq(tm_journal_writer_close(w), 0);
        tm_assert_eq(read_whole(l.dir), 5 + whole + 3);
        char path[TM_JOURNAL_PATH_MAX];
        tm_assert_eq(tm_journal_path(path, l.dir, 5 + whole, false), 0);
        unlink(path);
    }
    layout_free(&l);
}

Test(journal_damage, a_missing_segment_is_named_with_what_it_held)
{
    static bool seen[REC_MAX];
    static tm_make_damages_t damages;
    layout_t l;
    layout_make(&l, false, true);
    unlink(l.path);
    read_damaged(&l, seen, &damages);
    tm_assert_eq(damages.cnt, 1u);
    tm_assert(damages.list[0].kind == TM_JOURNAL_MISSING);
    tm_assert_eq(damages.list[0].seq, 5u);
    tm_assert_eq(damages.list[0].lost_cnt, 40u);
    layout_free(&l);
}

Test(journal_damage, a_message_that_imitates_a_record_is_not_taken_for_one)
{
    char dir[256], path[TM_JOURNAL_PATH_MAX];
    size_t sz;
    tm_make_dir(dir, "forge");
    const tm_journal_writer_cfg_t cfg = {.dir = dir, .buffer_sz = 64 << 10, .roll_sz = 32 << 10};
    tm_journal_writer_t *w;
    /* A peer that knows the format, but not the journal's random id, sends a whole record. */
    tm_journal_rec_t rec = {.sz = 8, .idx = 1, .recv_ns = 5, .kind = TM_JOURNAL_TEXT};
    const uint8_t id[TM_JOURNAL_ID_SZ] = {0};
    const uint32_t seed = tm_journal_seed(id, 0);
    uint8_t forged[64] = {0};
    rec.head_crc = tm_journal_rec_head_crc(seed, &rec);
    memcpy(forged + 8, &rec, sizeof rec);
    tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
    for (int i = 0; i < 3; i++) {
        const tm_journal_entry_t e = {.data = forged, .sz = sizeof forged, .recv_ns = i, .kind = 1};
        tm_assert_eq(tm_journal_append(w, &e), i);
    }
    tm_assert_eq(tm_journal_writer_close(w), 0);
    tm_assert_eq(tm_journal_path(path, dir, 0, false), 0);
    uint8_t *bytes = tm_make_load(path, &sz);
    bytes[TM_JOURNAL_HEADER_SZ] ^= 1; /* the length of the first record */
    tm_make_store(path, bytes, sz);
    free(bytes);
    tm_journal_reader_t *r;
    tm_journal_view_t views[8];
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    tm_assert_eq(tm_journal_reader_read(r, views, 8), 2);
    tm_assert_eq(views[0].seq, 1u);
    tm_assert_eq(views[1].seq, 2u);
    tm_assert_eq(tm_journal_reader_damage_cnt(r), 1u);
    tm_journal_reader_close(r);
    tm_make_dir_remove(dir);
}

Test(journal_damage, a_seal_that_counts_fewer_records_than_there_are_is_named_and_costs_none)
{
    static bool seen[REC_MAX];
    static tm_make_damages_t damages;
    layout_t l;
    tm_journal_head_t head;
    tm_journal_rec_t rec;
    bool bad[2];
    layout_make(&l, false, true);
    tm_assert_eq(tm_journal_head_read(&head, l.bytes, bad), 0);
    const uint32_t seed = tm_journal_seed(head.journal_id, head.first_seq);
    uint8_t *at = l.bytes + l.off[l.cnt];
    memcpy(&rec, at, sizeof rec);
    tm_assert_eq(rec.kind, TM_JOURNAL_SEAL);
    rec.idx -= 3;
    const uint64_t record_cnt = rec.idx;
    memcpy(at + sizeof rec, &record_cnt, sizeof record_cnt); /* the first field of the seal */
    rec.body_crc = tm_crc32c(seed, at + sizeof rec, tm_journal_body_sz(rec.sz));
    rec.head_crc = tm_journal_rec_head_crc(seed, &rec);
    memcpy(at, &rec, sizeof rec);
    tm_make_store(l.path, l.bytes, l.sz);
    read_damaged(&l, seen, &damages);
    tm_assert_eq(damages.cnt, 1u);
    tm_assert(damages.list[0].kind == TM_JOURNAL_BAD_SEAL);
    tm_assert_eq(damages.list[0].off, l.off[l.cnt]);
    for (uint32_t i = 0; i < l.cnt; i++) tm_assert(seen[i]);
    layout_free(&l);
}

Test(journal_damage, strict_reading_stops_at_damage_with_file_and_offset_and_can_go_on)
{
    layout_t l;
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    layout_make(&l, false, true);
    l.bytes[l.off[10] + 40] ^= 4;
    tm_make_store(l.path, l.bytes, l.sz);
    char where[64];
    snprintf(where, sizeof where, "offset %llu", (unsigned long long)l.off[10]);
    tm_assert_eq(
        tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = l.dir, .strict = true}), 0);
    int cnt, total = 0;
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) total += cnt;
    tm_assert_eq(cnt, TM_E_CORRUPT);
    tm_assert_eq(total, 15);
    tm_assert(strstr(tm_error_text(), l.path) != NULL && strstr(tm_error_text(), where) != NULL);
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) total += cnt;
    tm_assert_eq(cnt, 0);
    tm_assert_eq(total, 49);
    tm_journal_reader_close(r);
    layout_free(&l);
}

Test(journal_damage, a_flip_of_any_byte_of_a_cold_segment_is_named_and_costs_one_block_at_most)
{
    static bool seen[REC_MAX];
    static tm_make_damages_t damages;
    layout_t l;
    tm_journal_pack_t pack = {0};
    layout_make(&l, false, true);
    tm_assert_eq(tm_journal_cold_pack(l.path, &pack), 0);
    free(l.bytes);
    l.path[strlen(l.path) - 1] = 'z';
    l.bytes = tm_make_load(l.path, &l.sz);
    read_damaged(&l, seen, &damages);
    tm_assert_eq(damages.cnt, 0u);
    for (size_t at = 0; at < l.sz; at++) {
        const uint8_t good = l.bytes[at];
        l.bytes[at] ^= (uint8_t)(1u << tm_make_mix(at) % 8);
        tm_make_store(l.path, l.bytes, l.sz);
        l.bytes[at] = good;
        read_damaged(&l, seen, &damages);
        if (!names_byte(&damages, at)) fprintf(stderr, "# byte %zu of %zu\n", at, l.sz);
        tm_assert(damages.cnt >= 1);
        tm_assert(names_byte(&damages, at));
        uint32_t cnt = 0;
        for (uint32_t i = 0; i < l.cnt; i++) cnt += seen[i];
        tm_assert(cnt == 0 || cnt == l.cnt); /* all of them share one block */
        if (at < TM_JOURNAL_HEADER_SZ) tm_assert_eq(cnt, l.cnt);
    }
    layout_free(&l);
}
