#include "state/table/keyed_table.h"

#include "base/check.h"

enum { REF_EMPTY = 0, REF_ERASED = 1, BUCKETS_MIN = TM_KEYED_REACH, DIR_WORDS = 1 << 12 };

void tm_keyed_init(tm_keyed_table_t *table, tm_page_arena_t *arena, uint32_t entry_sz)
{
    TM_CHECK(entry_sz >= 16 && entry_sz % 16 == 0 && entry_sz <= TM_KEYED_ENTRY_SZ_MAX,
             "entry size %u", entry_sz);
    *table = (tm_keyed_table_t){
        .arena = arena, .entry_sz = entry_sz, .page_entries = TM_PAGE_SZ / entry_sz};
}

void tm_keyed_clear(tm_keyed_table_t *table)
{
    tm_page_list_free(table->arena, &table->entry_pages);
    tm_page_list_free(table->arena, &table->segment_pages);
    tm_page_list_free(table->arena, &table->dir_pages);
    tm_keyed_init(table, table->arena, table->entry_sz);
}

static uint32_t homes_of(const tm_keyed_table_t *table)
{
    return table->buckets - (TM_KEYED_REACH - 1);
}

static uint32_t home_idx(uint32_t tag, uint32_t homes)
{
    return ((tag & 0xffff) * homes) >> 16;
}

/* Puts a pair into the first free place in reach of its home, in a page that was touched. */
static bool pair_put(tm_keyed_bucket_t *home, uint32_t tag, uint32_t ref)
{
    for (uint32_t i = 0; i < TM_KEYED_REACH; i++) {
        uint32_t mask = tm_keyed_match(home[i].refs, REF_EMPTY);
        if (!mask) mask = tm_keyed_match(home[i].refs, REF_ERASED);
        if (!mask) continue;
        uint32_t way = (uint32_t)__builtin_ctz(mask);
        home[i].tags[way] = tag;
        home[i].refs[way] = ref;
        return true;
    }
    return false;
}

/* A rebuild of a segment, or of one into two. */
typedef struct spread {
    const tm_keyed_bucket_t *old;
    uint32_t old_buckets;
    tm_keyed_bucket_t *low, *high; /* the same where nothing is split */
    uint32_t bit;                  /* pairs with this bit of the tag go to high */
    uint32_t homes;                /* of low and high */
} spread_t;

static bool spread_pair(const spread_t *s, uint32_t tag, uint32_t ref)
{
    tm_keyed_bucket_t *to = tag & s->bit ? s->high : s->low;
    return pair_put(to + home_idx(tag, s->homes), tag, ref);
}

/* In order of place: one pass. Nearly always succeeds, for pairs lie near their homes. */
static bool spread_fast(const spread_t *s)
{
    for (uint32_t b = 0; b < s->old_buckets; b++)
        for (uint32_t way = 0; way < TM_KEYED_WAYS; way++)
            if (s->old[b].refs[way] > REF_ERASED &&
                !spread_pair(s, s->old[b].tags[way], s->old[b].refs[way]))
                return false;
    return true;
}

/* In order of home: first fit then finds a place for all wherever there is one for all (earliest
   deadline first), so splitting in two cannot fail; only another number of homes can. */
static bool spread_exact(const spread_t *s)
{
    uint32_t old_homes = s->old_buckets - (TM_KEYED_REACH - 1);
    for (uint32_t h = 0; h < old_homes; h++) {
        for (uint32_t i = 0; i < TM_KEYED_REACH * TM_KEYED_WAYS; i++) {
            const tm_keyed_bucket_t *b = &s->old[h + i / TM_KEYED_WAYS];
            uint32_t tag = b->tags[i % TM_KEYED_WAYS], ref = b->refs[i % TM_KEYED_WAYS];
            if (ref <= REF_ERASED || home_idx(tag, old_homes) != h) continue;
            if (!spread_pair(s, tag, ref)) return false;
        }
    }
    return true;
}

static void spread_clear(const spread_t *s)
{
    size_t sz = (s->homes + TM_KEYED_REACH - 1) * sizeof(tm_keyed_bucket_t);
    memset(s->low, 0, sz);
    memset(s->high, 0, sz);
}

static bool spread_run(const spread_t *s)
{
    spread_clear(s);
    if (spread_fast(s)) return true;
    spread_clear(s);
    return spread_exact(s);
}

static bool index_start(tm_keyed_table_t *table, uint32_t buckets)
{
    table->only = tm_page_push(table->arena, &table->segment_pages);
    if (table->only == TM_PAGE_NONE) return false;
    table->buckets = buckets;
    memset(tm_page_ptr(table->arena, table->only), 0, buckets * sizeof(tm_keyed_bucket_t));
    return true;
}

/* Two thirds full, nearly every key is in its home bucket. */
void tm_keyed_expect(tm_keyed_table_t *table, uint32_t keys)
{
    uint32_t buckets = BUCKETS_MIN;
    if (table->buckets > 0 || keys == 0) return;
    while (buckets < TM_KEYED_BUCKETS && (uint64_t)keys * 3 > (uint64_t)buckets * TM_KEYED_WAYS * 2)
        buckets *= 2;
    (void)index_start(table, buckets); /* the first key tries again */
}

/* Doubles the buckets of the only segment within its page, more often where an unlucky set of tags
   does not fit. False, and nothing has changed, where it does not fit in the whole page. */
static bool only_grow(tm_keyed_table_t *table)
{
    tm_keyed_bucket_t old[TM_KEYED_BUCKETS / 2];
    tm_keyed_bucket_t *now = tm_page_ptr(table->arena, table->only);
    tm_page_touch(table->arena, table->only);
    uint32_t old_buckets = table->buckets;
    memcpy(old, now, old_buckets * sizeof *now);
    while (table->buckets < TM_KEYED_BUCKETS) {
        table->buckets *= 2;
        spread_t s = {old, old_buckets, now, now, 0, homes_of(table)};
        if (spread_run(&s)) return true;
    }
    table->buckets = old_buckets;
    memcpy(now, old, old_buckets * sizeof *now);
    return false;
}

/* To be written, or about to be. */
static uint32_t *dir_word(const tm_keyed_table_t *table, uint32_t no)
{
    tm_page_touch(table->arena, table->dir[no / DIR_WORDS]);
    uint32_t *words = tm_page_ptr(table->arena, table->dir[no / DIR_WORDS]);
    return &words[no % DIR_WORDS];
}

/* One more bit: every word is written twice, from the back so that it works in place. */
static bool dir_double(tm_keyed_table_t *table)
{
    if (table->depth == TM_KEYED_DEPTH_MAX) return false;
    uint32_t words = 1u << table->depth, pages = (2 * words + DIR_WORDS - 1) / DIR_WORDS;
    for (uint32_t i = table->dir_pages.cnt; i < pages; i++) {
        table->dir[i] = tm_page_push(table->arena, &table->dir_pages);
        if (table->dir[i] == TM_PAGE_NONE) return false;
    }
    if (table->depth == 0) {
        *dir_word(table, 0) = *dir_word(table, 1) = table->only << 8;
    } else {
        for (uint32_t no = words; no-- > 0;) {
            uint32_t word = *dir_word(table, no);
            *dir_word(table, 2 * no + 1) = word;
            *dir_word(table, 2 * no) = word;
        }
    }
    table->depth++;
    return true;
}

/* Splits the segment that `tag` belongs to. */
static bool segment_split(tm_keyed_table_t *table, uint32_t tag)
{
    uint32_t word = table->depth ? *dir_word(table, tag >> (32 - table->depth)) : table->only << 8;
    uint32_t depth = word & 0xff;
    if (depth == table->depth && !dir_double(table)) return false;
    uint32_t page = tm_page_push(table->arena, &table->segment_pages);
    if (page == TM_PAGE_NONE) return false;

    tm_keyed_bucket_t old[TM_KEYED_BUCKETS];
    tm_keyed_bucket_t *low = tm_page_ptr(table->arena, word >> 8);
    tm_keyed_bucket_t *high = tm_page_ptr(table->arena, page);
    memcpy(old, low, sizeof old);
    tm_page_touch(table->arena, word >> 8);
    spread_t s = {old, TM_KEYED_BUCKETS, low, high, 1u << (31 - depth), homes_of(table)};
    TM_CHECK(spread_run(&s), "keyed table: a split lost its place");

    /* The words of the old segment are one run, aligned to its length. */
    uint32_t run = 1u << (table->depth - depth);
    uint32_t first = (tag >> (32 - table->depth)) & ~(run - 1);
    for (uint32_t i = 0; i < run; i++)
        *dir_word(table, first + i) = (i < run / 2 ? word >> 8 : page) << 8 | (depth + 1);
    return true;
}

/* Makes room in reach of the tag's home. */
static bool index_grow(tm_keyed_table_t *table, uint32_t tag)
{
    if (table->depth == 0 && table->buckets < TM_KEYED_BUCKETS) return only_grow(table);
    return segment_split(table, tag);
}

/* The place of a key in the index: its bucket, with *way set; NULL where it has none. */
static tm_keyed_bucket_t *pair_find(const tm_keyed_table_t *table, uint64_t key, uint32_t tag,
                                    uint32_t *way)
{
    tm_keyed_bucket_t *b = tm_keyed_home(table, tag);
    for (uint32_t i = 0; i < TM_KEYED_REACH; i++, b++) {
        for (uint32_t mask = tm_keyed_match(b->tags, tag); mask; mask &= mask - 1) {
            *way = (uint32_t)__builtin_ctz(mask);
            uint32_t ref = b->refs[*way];
            if (ref > REF_ERASED && tm_keyed_key(tm_ref_ptr(table->arena, ref)) == key) return b;
        }
        if (tm_keyed_match(b->refs, REF_EMPTY)) break;
    }
    return NULL;
}

void *tm_keyed_find(const tm_keyed_table_t *table, uint64_t key, uint32_t tag)
{
    uint32_t way;
    if (table->cnt == 0) return NULL;
    const tm_keyed_bucket_t *b = pair_find(table, key, tag, &way);
    return b ? tm_ref_ptr(table->arena, b->refs[way]) : NULL;
}

/* Room for one more entry at the top; 0 = no page. */
static tm_ref_t entry_push(tm_keyed_table_t *table)
{
    if (table->entry_pages.cnt == 0 || table->fill == table->page_entries) {
        if (tm_page_push(table->arena, &table->entry_pages) == TM_PAGE_NONE) return 0;
        table->fill = 0;
    }
    tm_page_touch(table->arena, table->entry_pages.head);
    uint32_t off = table->fill * table->entry_sz;
    return tm_page_ref(table->entry_pages.head) + (off >> TM_REF_SHIFT);
}

static void entry_page_pop(tm_keyed_table_t *table)
{
    if (table->sweep_page == table->entry_pages.head) {
        table->sweep_page = tm_page_below(table->arena, table->sweep_page);
        table->sweep_left = table->sweep_page == TM_PAGE_NONE ? 0 : table->page_entries;
    }
    tm_page_pop(table->arena, &table->entry_pages);
    table->fill = table->entry_pages.cnt ? table->page_entries : 0;
}

void *tm_keyed_get(tm_keyed_table_t *table, uint64_t key, uint32_t tag, bool *added)
{
    *added = false;
    void *entry = tm_keyed_find(table, key, tag);
    if (entry) return entry;
    if (table->buckets == 0 && !index_start(table, BUCKETS_MIN)) return NULL;
    tm_ref_t ref = entry_push(table);
    if (ref == 0) return NULL;
    for (;;) {
        tm_keyed_bucket_t *home = tm_keyed_home(table, tag);
        tm_span_touch(table->arena, home, TM_KEYED_REACH * sizeof *home);
        if (pair_put(home, tag, ref)) break;
        if (index_grow(table, tag)) continue;
        if (table->fill == 0) entry_page_pop(table);
        return NULL;
    }
    table->fill++;
    table->cnt++;
    entry = tm_ref_ptr(table->arena, ref);
    memcpy(entry, &key, sizeof key);
    *added = true;
    return entry;
}

void tm_keyed_erase(tm_keyed_table_t *table, void *entry)
{
    uint32_t way;
    uint64_t key = tm_keyed_key(entry);
    tm_keyed_bucket_t *b = pair_find(table, key, tm_keyed_tag(key), &way);
    TM_CHECK(b && tm_ref_ptr(table->arena, b->refs[way]) == entry, "keyed table: not its entry");
    /* A bucket that was full may have sent others on, so a search must not end in it now. */
    tm_ref_t ref = b->refs[way];
    tm_span_touch(table->arena, b, sizeof *b);
    b->refs[way] = tm_keyed_match(b->refs, REF_EMPTY) ? REF_EMPTY : REF_ERASED;

    uint8_t *page = tm_page_ptr(table->arena, table->entry_pages.head);
    void *last = page + (size_t)(table->fill - 1) * table->entry_sz;
    if (last != entry) {
        uint64_t last_key = tm_keyed_key(last);
        b = pair_find(table, last_key, tm_keyed_tag(last_key), &way);
        TM_CHECK(b != NULL, "keyed table: last entry has no place");
        tm_span_touch(table->arena, b, sizeof *b);
        tm_span_touch(table->arena, entry, table->entry_sz);
        b->refs[way] = ref;
        memcpy(entry, last, table->entry_sz);
    }
    table->cnt--;
    if (--table->fill == 0) entry_page_pop(table);
}

void tm_keyed_fetch_erase(const tm_keyed_table_t *table, uint32_t cnt)
{
    if (table->cnt == 0) return;
    const uint8_t *page = tm_page_ptr(table->arena, table->entry_pages.head);
    for (uint32_t i = table->fill; i > 0 && cnt > 0; i--, cnt--) {
        const uint64_t key = tm_keyed_key(page + (size_t)(i - 1) * table->entry_sz);
        __builtin_prefetch(tm_keyed_home(table, tm_keyed_tag(key)), 1);
    }
}

tm_keyed_cursor_t tm_keyed_scan(const tm_keyed_table_t *table)
{
    uint32_t page = table->entry_pages.head;
    return (tm_keyed_cursor_t){
        .page = page, .below = tm_page_below(table->arena, page), .left = table->fill};
}

uint32_t tm_keyed_next(const tm_keyed_table_t *table, tm_keyed_cursor_t *cursor, uint32_t max,
                       void **entries)
{
    if (cursor->left == 0) {
        if (cursor->below == TM_PAGE_NONE) return 0;
        cursor->page = cursor->below;
        cursor->below = tm_page_below(table->arena, cursor->page);
        cursor->left = table->page_entries;
    }
    uint32_t n = cursor->left < max ? cursor->left : max;
    cursor->left -= n;
    uint8_t *page = tm_page_ptr(table->arena, cursor->page);
    *entries = page + (size_t)cursor->left * table->entry_sz;
    return n;
}

uint32_t tm_keyed_sweep(tm_keyed_table_t *table, uint32_t max, void **entries)
{
    if (table->cnt == 0) return 0;
    if (table->sweep_left == 0) {
        uint32_t below = tm_page_below(table->arena, table->sweep_page);
        table->sweep_page = below != TM_PAGE_NONE ? below : table->entry_pages.head;
        table->sweep_left = table->page_entries;
    }
    bool newest = table->sweep_page == table->entry_pages.head;
    if (newest && table->sweep_left > table->fill) table->sweep_left = table->fill;
    uint32_t n = table->sweep_left < max ? table->sweep_left : max;
    table->sweep_left -= n;
    uint8_t *page = tm_page_ptr(table->arena, table->sweep_page);
    *entries = page + (size_t)table->sweep_left * table->entry_sz;
    return n;
}
