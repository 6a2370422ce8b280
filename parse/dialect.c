#include "parse/dialect.h"

#include "base/check.h"
#include "base/schema.h"

#include <stdlib.h>

typedef struct key_list {
    char text[TM_KEY_CNT_MAX][TM_KEY_SZ_MAX + 1];
    uint32_t cnt;
} key_list_t;

static void list_add(key_list_t *list, const char *key, size_t sz)
{
    TM_CHECK(sz > 0 && sz <= TM_KEY_SZ_MAX, "key '%.*s'", (int)sz, key);
    for (uint32_t i = 0; i < list->cnt; i++)
        if (strlen(list->text[i]) == sz && memcmp(list->text[i], key, sz) == 0) return;
    TM_CHECK(list->cnt < TM_KEY_CNT_MAX, "too many keys");
    memcpy(list->text[list->cnt++], key, sz);
}

/* Calls list_add for each word of a list separated by spaces. */
static void list_add_words(key_list_t *list, const char *words)
{
    if (!words) return;
    for (size_t sz; *words; words += sz + (words[sz] == ' ')) {
        sz = strcspn(words, " ");
        list_add(list, words, sz);
    }
}

static void list_add_venue(key_list_t *list, const tm_venue_t *venue)
{
    list_add_words(list, venue->tag_key);
    list_add_words(list, venue->topic_key);
    list_add_words(list, venue->payload_key);
    list_add_words(list, venue->topic_tag_key);
    list_add_words(list, venue->position_key);
    list_add_words(list, venue->seq_key);
    for (uint32_t k = 0; k < venue->kind_cnt; k++) {
        const tm_venue_kind_t *kind = &venue->kinds[k];
        list_add_words(list, kind->keys);
        list_add_words(list, kind->part);
        for (uint32_t i = 0; i < kind->field_cnt; i++) list_add_words(list, kind->fields[i].key);
        for (uint32_t i = 0; i < kind->level_cnt; i++) list_add_words(list, kind->levels[i].key);
    }
}

static int by_size(const void *a, const void *b)
{
    size_t a_sz = strlen(a), b_sz = strlen(b);
    return a_sz != b_sz ? (a_sz < b_sz ? -1 : 1) : strcmp(a, b);
}

static void table_init(tm_key_table_t *table, key_list_t *list)
{
    qsort(list->text, list->cnt, sizeof list->text[0], by_size);
    for (uint32_t i = 0; i < list->cnt; i++) {
        size_t sz = strlen(list->text[i]);
        memcpy(table->text[i], list->text[i], sz);
        if (sz == 1) table->one[(uint8_t)list->text[i][0]] = (uint8_t)(i + 1);
        for (size_t s = sz + 1; s < TM_ARRAY_CNT(table->first); s++)
            table->first[s] = (uint8_t)(i + 1);
    }
}

/* tm_key_find on text without padding. */
static uint8_t id_of(const tm_key_table_t *table, const char *key, size_t sz)
{
    uint8_t text[TM_KEY_SZ_MAX] = {0};
    memcpy(text, key, sz);
    return (uint8_t)tm_key_find(table, text, (uint32_t)sz);
}

static uint8_t id_of_text(const tm_key_table_t *table, const char *key)
{
    return key ? id_of(table, key, strlen(key)) : TM_KEY_NONE;
}

/* Bits of the keys of a list separated by spaces. */
static uint64_t bits_of_words(const tm_key_table_t *table, const char *p)
{
    uint64_t bits = 0;
    for (size_t sz; *p; p += sz + (p[sz] == ' ')) {
        sz = strcspn(p, " ");
        bits |= 1ull << id_of(table, p, sz);
    }
    return bits;
}

static void tag_init(tm_kind_t *kind, const char *tag)
{
    uint8_t text[TM_KEY_SZ_MAX] = {0};
    size_t sz = strlen(tag);
    kind->tag_open = sz > 1 && tag[sz - 1] == '*';
    kind->tag_sz = (uint32_t)(sz - kind->tag_open);
    TM_CHECK(kind->tag_sz > 0 && kind->tag_sz <= TM_KEY_SZ_MAX, "tag '%s'", tag);
    memcpy(text, tag, kind->tag_sz);
    tm_key_load(text, kind->tag_sz, kind->tag);
}

static uint32_t form_sz(tm_form_t form)
{
    switch (form) {
    case TM_FORM_WIDE:
    case TM_FORM_TOP:
        return 16;
    case TM_FORM_LAST_ID:
    case TM_FORM_SYMBOL:
    case TM_FORM_STREAM:
    case TM_FORM_TAIL:
        return 4;
    case TM_FORM_BUYER_MAKER:
    case TM_FORM_FLAG:
    case TM_FORM_SIDE:
    case TM_FORM_MAKER:
    case TM_FORM_SNAPSHOT:
    case TM_FORM_PARTIAL:
        return 1;
    case TM_FORM_TIME:
    case TM_FORM_ID:
    case TM_FORM_DECIMAL:
    case TM_FORM_TIME_TEXT:
    case TM_FORM_TIME_S:
    case TM_FORM_SEQ:
    case TM_FORM_SIGNED:
    case TM_FORM_LABEL:
    case TM_FORM_CRC:
    case TM_FORM_TRADE_ID:
    case TM_FORM_INTERVAL:
        break;
    }
    return 8;
}

static bool form_is_time(tm_form_t form)
{
    return form == TM_FORM_TIME || form == TM_FORM_TIME_TEXT || form == TM_FORM_TIME_S;
}

static void field_init(tm_kind_t *kind, uint32_t i, const tm_key_table_t *table)
{
    const tm_venue_field_t *f = &kind->decl->fields[i];
    const tm_schema_t *schema = tm_schema_market(kind->decl->schema_id);
    bool of_level = kind->decl->level_cnt > 0 && f->scope == TM_SCOPE_PART;
    uint32_t room = of_level ? sizeof(tm_level_t) : kind->line_cnt * (uint32_t)TM_CACHE_LINE;
    TM_CHECK(f->off >= 4 && f->off + form_sz(f->form) <= room, "field %s: no such place", f->key);
    kind->field_key[i] = id_of_text(table, f->key);
    kind->scoped[f->scope][kind->scoped_cnt[f->scope]++] = (uint8_t)i;
    if (f->scope != TM_SCOPE_EVENT || f->form > TM_FORM_BUYER_MAKER) kind->plain = false;
    if (f->scope == TM_SCOPE_EVENT && f->required) kind->required |= 1ull << kind->field_key[i];
    if (f->form == TM_FORM_SYMBOL) kind->symbol_key = kind->field_key[i];
    if (f->form == TM_FORM_BUYER_MAKER) {
        kind->flag_key = kind->field_key[i];
        kind->flag = (uint8_t)i;
    }
    if (f->form <= TM_FORM_LAST_ID) kind->numbers[kind->number_cnt++] = (uint8_t)i;
    if (of_level) return;
    const int64_t none = TM_TIME_NONE;
    if (form_is_time(f->form)) memcpy((uint8_t *)kind->blank + f->off, &none, sizeof none);
    for (uint32_t k = 0; kind->null_off && k < schema->field_cnt; k++)
        if (schema->fields[k].off == f->off && schema->fields[k].nullable)
            kind->null_mask[i] = 1ull << schema->fields[k].null_bit;
}

/* The row before any value has come. */
static void blank_init(tm_kind_t *kind, const tm_schema_t *schema)
{
    tm_row_t *row = &kind->blank[0].row;
    *row = (tm_row_t){
        .kind = TM_ROW_INSERT, .schema_id = kind->decl->schema_id, .symbol = TM_SYMBOL_NONE};
    kind->line_cnt = (uint8_t)tm_market_lines(kind->decl->schema_id);
    kind->null_off = schema ? schema->null_off : 0;
    uint64_t nulls = 0;
    for (uint32_t k = 0; kind->null_off && k < schema->field_cnt; k++)
        if (schema->fields[k].nullable) nulls |= 1ull << schema->fields[k].null_bit;
    if (kind->null_off) memcpy((uint8_t *)kind->blank + kind->null_off, &nulls, sizeof nulls);
    if (kind->decl->preset_off)
        ((uint8_t *)kind->blank)[kind->decl->preset_off] = kind->decl->preset;
    if (kind->decl->schema_id != TM_SCHEMA_ID_DEPTH) return;
    kind->blank[0].depth.chain = kind->decl->chain;
    kind->blank[0].depth.price_digits = kind->blank[0].depth.qty_digits = TM_DIGITS_NONE;
}

static void kind_init(tm_kind_t *kind, const tm_venue_kind_t *decl, const tm_key_table_t *table)
{
    const tm_schema_t *schema = tm_schema_market(decl->schema_id);
    kind->decl = decl;
    TM_CHECK(!decl->schema_id || schema, "kind %s: no such schema", decl->counter);
    TM_CHECK(decl->field_cnt <= TM_KIND_FIELD_MAX, "kind %s: too many fields", decl->counter);
    TM_CHECK(decl->level_cnt <= TM_KIND_LEVELS_MAX, "kind %s: too many levels", decl->counter);
    if (decl->tag) tag_init(kind, decl->tag);
    if (decl->keys) kind->keys = bits_of_words(table, decl->keys);
    kind->part_key = id_of_text(table, decl->part);
    for (uint32_t i = 0; i < decl->level_cnt; i++)
        kind->level_key[i] = id_of_text(table, decl->levels[i].key);
    blank_init(kind, schema);
    kind->plain = !decl->part && !decl->level_cnt && !decl->also_next && kind->line_cnt == 1;
    for (uint32_t i = 0; i < decl->field_cnt; i++) field_init(kind, i, table);
    kind->plain &= kind->number_cnt <= 8;
}

void tm_dialect_init(tm_dialect_t *dialect, const tm_venue_t *venue, bool no_books)
{
    key_list_t list = {0};
    memset(dialect, 0, sizeof *dialect);
    dialect->decl = venue;
    list_add_venue(&list, venue);
    table_init(&dialect->keys, &list);
    dialect->tag_key = id_of_text(&dialect->keys, venue->tag_key);
    dialect->topic_key = id_of_text(&dialect->keys, venue->topic_key);
    dialect->payload_key = id_of_text(&dialect->keys, venue->payload_key);
    dialect->topic_tag_key = id_of_text(&dialect->keys, venue->topic_tag_key);
    dialect->position_key = id_of_text(&dialect->keys, venue->position_key);
    dialect->seq_key = id_of_text(&dialect->keys, venue->seq_key);
    dialect->envelope = 1ull << dialect->topic_key | 1ull << dialect->payload_key;
    TM_CHECK(venue->kind_cnt <= TM_KIND_CNT_MAX, "venue %s: too many kinds", venue->name);
    dialect->kind_cnt = venue->kind_cnt;
    for (uint32_t k = 0; k < venue->kind_cnt; k++) {
        dialect->kinds[k].idx = (uint8_t)k;
        kind_init(&dialect->kinds[k], &venue->kinds[k], &dialect->keys);
        bool left = no_books && venue->kinds[k].level_cnt > 0;
        dialect->kinds[k].schema_id = left ? 0 : venue->kinds[k].schema_id;
        /* The row of a kind that comes along with another one is half of what its message gives. */
        if (k > 0 && venue->kinds[k - 1].also_next) dialect->kinds[k].plain = false;
        bool is_pong = venue->pong && venue->kinds[k].tag &&
                       strcmp(venue->kinds[k].tag, venue->pong) == 0;
        if (is_pong) dialect->pong = &dialect->kinds[k];
    }
}
