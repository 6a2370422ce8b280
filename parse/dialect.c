#include "parse/dialect.h"

#include "base/check.h"

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
    for (size_t sz; *words; words += sz + (words[sz] == ' ')) {
        sz = strcspn(words, " ");
        list_add(list, words, sz);
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

static void kind_init(tm_kind_t *kind, const tm_venue_kind_t *decl, const tm_key_table_t *table)
{
    kind->decl = decl;
    if (decl->tag) {
        uint8_t tag[16] = {0};
        kind->tag_sz = (uint32_t)strlen(decl->tag);
        TM_CHECK(kind->tag_sz > 0 && kind->tag_sz <= sizeof tag, "tag '%s'", decl->tag);
        memcpy(tag, decl->tag, kind->tag_sz);
        tm_key_load(tag, kind->tag_sz, kind->tag);
    } else {
        const char *p = decl->keys;
        for (size_t sz; *p; p += sz + (p[sz] == ' ')) {
            sz = strcspn(p, " ");
            kind->keys |= 1ull << id_of(table, p, sz);
        }
    }
    TM_CHECK(decl->field_cnt <= TM_KIND_FIELD_MAX, "kind %s: too many fields", decl->counter);
    kind->field_cnt = (uint8_t)decl->field_cnt;
    kind->blank.row.kind = TM_ROW_INSERT;
    kind->blank.row.schema_id = decl->schema_id;
    kind->blank.row.symbol = TM_SYMBOL_NONE;
    for (uint32_t i = 0; i < decl->field_cnt; i++) {
        const tm_venue_field_t *f = &decl->fields[i];
        const int64_t none = TM_TIME_NONE;
        kind->field_key[i] = id_of(table, f->key, strlen(f->key));
        if (f->required) kind->required |= 1ull << kind->field_key[i];
        if (f->form == TM_FORM_SYMBOL) kind->symbol_key = kind->field_key[i];
        if (f->form == TM_FORM_BUYER_MAKER) {
            kind->flag_key = kind->field_key[i];
            kind->flag = (uint8_t)i;
        }
        if (f->form <= TM_FORM_DECIMAL) kind->numbers[kind->number_cnt++] = (uint8_t)i;
        TM_CHECK(f->off + (f->form <= TM_FORM_DECIMAL ? 8u : 1u) <= sizeof kind->blank,
                 "field %s: no such place", f->key);
        if (f->form == TM_FORM_TIME) memcpy((uint8_t *)&kind->blank + f->off, &none, sizeof none);
    }
    TM_CHECK(kind->number_cnt <= 8, "kind %s: too many numbers", decl->counter);
}

void tm_dialect_init(tm_dialect_t *dialect, const tm_venue_t *venue)
{
    key_list_t list = {0};
    memset(dialect, 0, sizeof *dialect);
    list_add_words(&list, venue->tag_key);
    list_add_words(&list, venue->topic_key);
    list_add_words(&list, venue->payload_key);
    for (uint32_t k = 0; k < venue->kind_cnt; k++) {
        const tm_venue_kind_t *kind = &venue->kinds[k];
        if (!kind->tag) list_add_words(&list, kind->keys);
        for (uint32_t i = 0; i < kind->field_cnt; i++) list_add_words(&list, kind->fields[i].key);
    }
    table_init(&dialect->keys, &list);
    dialect->tag_key = id_of(&dialect->keys, venue->tag_key, strlen(venue->tag_key));
    dialect->topic_key = id_of(&dialect->keys, venue->topic_key, strlen(venue->topic_key));
    dialect->payload_key = id_of(&dialect->keys, venue->payload_key, strlen(venue->payload_key));
    TM_CHECK(venue->kind_cnt <= TM_KIND_CNT_MAX, "venue %s: too many kinds", venue->name);
    dialect->kind_cnt = venue->kind_cnt;
    for (uint32_t k = 0; k < venue->kind_cnt; k++) {
        dialect->kinds[k].idx = (uint8_t)k;
        kind_init(&dialect->kinds[k], &venue->kinds[k], &dialect->keys);
    }
}
