#include "parse/json/json_path.h"

#include "base/error.h"

#include <string.h>

/* The next key of a pointer, unescaped: ~1 is /, ~0 is ~. Returns what follows it, or NULL where
   it is too long or escaped badly. */
static const char *key_take(const char *p, tm_json_node_t *node)
{
    for (p++; *p && *p != '/'; p++) {
        char c = *p;
        if (c == '~') {
            c = p[1] == '0' ? '~' : p[1] == '1' ? '/' : '\0';
            if (!c) return NULL;
            p++;
        }
        if (node->key_sz == TM_JSON_KEY_SZ_MAX) return NULL;
        node->key[node->key_sz++] = c;
    }
    return p;
}

/* "0", "17": no sign, no leading zeros. */
static uint32_t idx_of(const tm_json_node_t *node)
{
    uint32_t v = 0;
    if (node->key_sz == 0 || node->key_sz > 9) return UINT32_MAX;
    if (node->key[0] == '0' && node->key_sz > 1) return UINT32_MAX;
    for (uint32_t i = 0; i < node->key_sz; i++) {
        uint32_t digit = (uint32_t)(uint8_t)node->key[i] - '0';
        if (digit > 9) return UINT32_MAX;
        v = v * 10 + digit;
    }
    return v;
}

uint32_t tm_json_child_at(const tm_json_paths_t *paths, uint32_t node, uint32_t idx)
{
    uint32_t i = paths->nodes[node].child;
    while (i != TM_JSON_NODE_NONE && paths->nodes[i].idx != idx) i = paths->nodes[i].next;
    return i;
}

static bool is_each(const tm_json_node_t *node)
{
    return node->key_sz == 1 && node->key[0] == '-';
}

/* The child of that key, made where it is not there: behind its siblings, so that they stand in the
   order of the fields. */
static uint32_t child_make(tm_json_paths_t *paths, uint32_t parent, const tm_json_node_t *like)
{
    const uint8_t *key = (const uint8_t *)like->key;
    const uint64_t word = tm_swar_load(key);
    uint32_t found = tm_json_child(paths, parent, key, like->key_sz);
    if (found || paths->node_cnt == TM_JSON_NODE_MAX) return found;
    uint16_t made = (uint16_t)paths->node_cnt++, *link = &paths->nodes[parent].child;
    while (*link) link = &paths->nodes[*link].next;
    *link = made;
    paths->nodes[made] = *like;
    paths->nodes[made].idx = idx_of(like);
    paths->nodes[made].word = word;
    paths->nodes[made].parent = parent;
    uint32_t slot = tm_json_slot(parent, like->key_sz, word);
    while (paths->slots[slot % TM_JSON_SLOT_CNT] != TM_JSON_NODE_NONE) slot++;
    paths->slots[slot % TM_JSON_SLOT_CNT] = made;
    paths->nodes[made].each = is_each(like);
    if (is_each(like)) paths->nodes[made].each_idx = (uint8_t)paths->each_cnt++;
    return made;
}

static int field_check(const tm_json_field_t *f)
{
    const char *path = f->path;
    if (!path || (*path && *path != '/'))
        return tm_error_set(TM_E_CONFIG, "field '%s': a path is empty or starts with '/'",
                            path ? path : "(null)");
    if (f->type < TM_JSON_BOOL || f->type > TM_JSON_TEXT)
        return tm_error_set(TM_E_CONFIG, "field '%s': type %d does not exist", path, (int)f->type);
    if (f->scale > (f->type == TM_JSON_DECIMAL ? TM_JSON_SCALE_MAX : 0))
        return tm_error_set(TM_E_CONFIG, "field '%s': scale %u; decimals have 0 to %d, others none",
                            path, f->scale, TM_JSON_SCALE_MAX);
    bool unit = f->unit_ns == 0 || f->unit_ns == 1 || f->unit_ns == TM_NS_PER_US ||
                f->unit_ns == TM_NS_PER_MS || f->unit_ns == TM_NS_PER_S;
    if (!unit || (f->unit_ns && f->type != TM_JSON_TIME))
        return tm_error_set(TM_E_CONFIG,
                            "field '%s': unit %lld ns; times may have 1, 1000, "
                            "1000000 or 1000000000",
                            path, (long long)f->unit_ns);
    return 0;
}

/* "-" leaves no room for siblings: an element is one of each, or it is found by its place. */
static int each_check(const tm_json_paths_t *paths, uint32_t parent, const tm_json_node_t *like,
                      const char *path)
{
    uint32_t child = paths->nodes[parent].child;
    if (child == TM_JSON_NODE_NONE || paths->nodes[child].each == is_each(like)) return 0;
    return tm_error_set(TM_E_CONFIG, "field '%s': one path has '-' where another has a key", path);
}

static uint8_t number_scale(const tm_json_field_t *f)
{
    uint8_t scale = f->scale;
    bool number = f->type == TM_JSON_I64 || f->type == TM_JSON_U64 || f->type == TM_JSON_DECIMAL;
    if (!number && f->unit_ns == 0) return TM_JSON_SCALE_NONE;
    for (int64_t unit = f->unit_ns; unit > 1; unit /= 10) scale++;
    return scale;
}

static int field_add(tm_json_paths_t *paths, uint32_t field_idx)
{
    tm_json_field_t *f = &paths->fields[field_idx];
    const char *p = f->path;
    uint32_t node = 0, depth = 0;
    uint32_t trail[TM_JSON_PATH_MAX + 1] = {0};
    const uint64_t bit = 1ull << field_idx;
    TM_TRY(field_check(f));
    paths->nodes[0].fields |= bit;
    while (*p) {
        tm_json_node_t like = {.field = TM_JSON_FIELD_NONE};
        p = key_take(p, &like);
        if (!p || depth++ == TM_JSON_PATH_MAX)
            return tm_error_set(TM_E_CONFIG,
                                "field '%s': a path has up to %d keys of up to %d "
                                "bytes, '~' is written ~0 and '/' ~1",
                                f->path, TM_JSON_PATH_MAX, TM_JSON_KEY_SZ_MAX);
        TM_TRY(each_check(paths, node, &like, f->path));
        node = child_make(paths, node, &like);
        if (!node)
            return tm_error_set(TM_E_CONFIG, "field '%s': the paths have more than %d keys",
                                f->path, TM_JSON_NODE_MAX);
        paths->nodes[node].fields |= bit;
        trail[depth] = node;
        for (uint32_t i = 0; i < depth; i++)
            paths->nodes[trail[i]].below[node / 64] |= 1ull << (node % 64);
        if (!paths->nodes[node].each) continue;
        paths->eaches |= bit;
        for (uint32_t i = 0; i < depth; i++) paths->nodes[trail[i]].holds_each = true;
    }
    if (paths->nodes[node].field != TM_JSON_FIELD_NONE)
        return tm_error_set(TM_E_CONFIG, "field '%s': another has this path", f->path);
    paths->nodes[node].field = (uint8_t)field_idx;
    paths->scales[field_idx] = number_scale(f);
    if (f->required) paths->required |= bit;
    f->path = NULL; /* the caller's */
    return 0;
}

/* Elements all of whose declared values are numbers that stand first in an array. */
static void tuple_make(tm_json_paths_t *paths, tm_json_node_t *each)
{
    uint32_t cnt = 0;
    if (each->field != TM_JSON_FIELD_NONE) return;
    for (uint32_t i = each->child; i != TM_JSON_NODE_NONE; i = paths->nodes[i].next, cnt++) {
        const tm_json_node_t *n = &paths->nodes[i];
        if (n->idx >= TM_JSON_TUPLE_MAX || n->child || n->field == TM_JSON_FIELD_NONE) return;
        if (paths->scales[n->field] == TM_JSON_SCALE_NONE) return;
        each->tuple[n->idx] = n->field;
    }
    for (uint32_t idx = 0; idx < cnt; idx++)
        if (tm_json_child_at(paths, (uint32_t)(each - paths->nodes), idx) == TM_JSON_NODE_NONE)
            return;
    each->tuple_cnt = (uint8_t)cnt;
}

int tm_json_paths_init(tm_json_paths_t *paths, const tm_json_spec_t *spec)
{
    memset(paths, 0, sizeof *paths);
    paths->node_cnt = 1;
    paths->nodes[0].idx = UINT32_MAX;
    paths->nodes[0].field = TM_JSON_FIELD_NONE;
    if (spec->field_cnt > TM_JSON_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "%u fields; a schema has up to %d", spec->field_cnt,
                            TM_JSON_FIELD_MAX);
    paths->field_cnt = spec->field_cnt;
    for (uint32_t i = 0; i < spec->field_cnt; i++) {
        paths->fields[i] = spec->fields[i];
        TM_TRY(field_add(paths, i));
    }
    for (uint32_t i = 0; i < paths->node_cnt; i++)
        if (paths->nodes[i].each) tuple_make(paths, &paths->nodes[i]);
    if (paths->each_cnt > 0 && (!spec->each || spec->lazy))
        return tm_error_set(TM_E_CONFIG, "a path with '-' needs a function for each element, and "
                                         "full mode");
    return 0;
}
