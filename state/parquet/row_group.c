#include "state/parquet/row_group.h"

#include "base/error.h"
#include "base/row.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { COL_GAP_SZ = 9 * TM_CACHE_LINE };

static tm_store_t store_of(tm_type_t type)
{
    switch (type) {
    case TM_TYPE_BOOL:
    case TM_TYPE_SIDE:
        return TM_STORE_U8;
    case TM_TYPE_SYMBOL:
        return TM_STORE_U32;
    case TM_TYPE_F64:
        return TM_STORE_F64;
    case TM_TYPE_DECIMAL128:
        return TM_STORE_I128;
    case TM_TYPE_I32:
    case TM_TYPE_I64:
    case TM_TYPE_U64:
    case TM_TYPE_DECIMAL64:
    case TM_TYPE_TIME_NS:
        return TM_STORE_I64;
    }
    return TM_STORE_I64;
}

static uint32_t store_sz(tm_store_t store)
{
    static const uint8_t sz[] = {1, 4, 8, 8, 16};
    return sz[store];
}

static int layout(tm_row_pool_t *pool)
{
    const tm_schema_t *schema = pool->schema;
    size_t off = 0;
    if (schema->field_cnt == 0 || schema->field_cnt > TM_SCHEMA_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "schema %s has %u fields", schema->name,
                            schema->field_cnt);
    for (uint32_t i = 0; i < schema->field_cnt; i++) {
        const tm_field_t *field = &schema->fields[i];
        tm_store_col_t *col = &pool->cols[i];
        *col = (tm_store_col_t){.field = field, .store = store_of(field->type)};
        if (field->off + tm_type_sz(field->type) > schema->row_sz)
            return tm_error_set(TM_E_CONFIG, "schema %s: field %s lies behind the row's end",
                                schema->name, field->name);
        if (field->nullable && (schema->null_off == 0 || field->null_bit >= 64))
            return tm_error_set(TM_E_CONFIG, "schema %s: field %s is nullable but has no null bit",
                                schema->name, field->name);
        if (field->type == TM_TYPE_TIME_NS || field->type == TM_TYPE_SYMBOL)
            col->absence = TM_ABSENT_VALUE;
        if (field->nullable) col->absence = TM_ABSENT_BIT;
        col->elem_sz = store_sz(col->store);
        col->off = (uint32_t)off;
        /* Columns a power of two apart would all fight for the same few cache lines. */
        off = tm_align_up(off + (size_t)col->elem_sz * pool->block_rows, 64) + COL_GAP_SZ;
        pool->row_sz += col->elem_sz;
        if (col->absence == TM_ABSENT_BIT) {
            col->valid_off = (uint32_t)off;
            off += pool->block_rows;
            pool->row_sz++;
        }
    }
    pool->block_sz = sizeof(tm_row_block_t) + off;
    return 0;
}

int tm_row_pool_open(tm_row_pool_t *pool, const tm_schema_t *schema, uint32_t block_rows,
                     uint32_t block_cnt)
{
    *pool = (tm_row_pool_t){
        .schema = schema, .block_rows = block_rows, .block_cnt = block_cnt, .free_cnt = block_cnt};
    TM_TRY(layout(pool));
    pool->map_sz = pool->block_sz * block_cnt;
    void *map = mmap(NULL, pool->map_sz, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return tm_error_set(-errno, "out of memory for %zu bytes of rows", pool->map_sz);
    (void)madvise(map, pool->map_sz, MADV_HUGEPAGE); /* a wish: fewer TLB misses while sorting */
    pool->map = map;
    return 0;
}

void tm_row_pool_close(tm_row_pool_t *pool)
{
    if (pool->map) munmap(pool->map, pool->map_sz);
    *pool = (tm_row_pool_t){0};
}

void tm_row_group_init(tm_row_group_t *group, tm_row_pool_t *pool, uint32_t row_max)
{
    *group = (tm_row_group_t){.pool = pool, .row_max = row_max};
}

void tm_row_group_clear(tm_row_group_t *group)
{
    tm_row_pool_t *pool = group->pool;
    while (group->first) {
        tm_row_block_t *block = group->first;
        group->first = block->next;
        block->next = pool->free;
        pool->free = block;
        pool->free_cnt++;
    }
    tm_row_group_init(group, pool, group->row_max);
}

static bool add_block(tm_row_group_t *group)
{
    tm_row_pool_t *pool = group->pool;
    tm_row_block_t *block = pool->free;
    if (block) {
        pool->free = block->next;
    } else if (pool->used_cnt < pool->block_cnt) {
        block = (tm_row_block_t *)(void *)(pool->map + pool->used_cnt++ * pool->block_sz);
    } else {
        return false;
    }
    pool->free_cnt--;
    block->next = NULL;
    block->cnt = 0;
    if (group->last)
        group->last->next = block;
    else
        group->first = block;
    group->last = block;
    return true;
}

static uint64_t copy_i64(int64_t *to, const uint8_t *from, size_t row_sz, uint32_t cnt,
                         bool sentinel)
{
    uint64_t null_cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) memcpy(&to[i], from + i * row_sz, 8);
    if (sentinel)
        for (uint32_t i = 0; i < cnt; i++) null_cnt += to[i] == TM_TIME_NONE;
    return null_cnt;
}

/* One column of a burst of rows; returns how many values are absent by their value. */
static uint64_t copy_col(const tm_store_col_t *col, uint8_t *to, const uint8_t *from, size_t row_sz,
                         uint32_t cnt)
{
    const bool sentinel = col->absence == TM_ABSENT_VALUE;
    uint64_t null_cnt = 0;
    switch (col->store) {
    case TM_STORE_U8:
        for (uint32_t i = 0; i < cnt; i++) to[i] = from[i * row_sz];
        return 0;
    case TM_STORE_U32:
        for (uint32_t i = 0; i < cnt; i++) {
            uint32_t v;
            memcpy(&v, from + i * row_sz, 4);
            memcpy(to + (size_t)i * 4, &v, 4);
            null_cnt += v >= TM_SYMBOL_CNT_MAX;
        }
        return sentinel ? null_cnt : 0;
    case TM_STORE_I64:
        if (col->field->type != TM_TYPE_I32)
            return copy_i64((int64_t *)(void *)to, from, row_sz, cnt, sentinel);
        for (uint32_t i = 0; i < cnt; i++) {
            int32_t v;
            memcpy(&v, from + i * row_sz, 4);
            ((int64_t *)(void *)to)[i] = v;
        }
        return 0;
    case TM_STORE_F64:
        return copy_i64((int64_t *)(void *)to, from, row_sz, cnt, false);
    case TM_STORE_I128:
        for (uint32_t i = 0; i < cnt; i++) memcpy(to + (size_t)i * 16, from + i * row_sz, 16);
        return 0;
    }
    return 0;
}

static void mark_valid(const tm_store_col_t *col, const void *values, uint8_t *valid, uint32_t cnt)
{
    const int64_t *wide = values;
    const uint32_t *narrow = values;
    if (col->field->type == TM_TYPE_SYMBOL)
        for (uint32_t i = 0; i < cnt; i++) valid[i] = narrow[i] < TM_SYMBOL_CNT_MAX;
    else if (col->field->type == TM_TYPE_TIME_NS)
        for (uint32_t i = 0; i < cnt; i++) valid[i] = wide[i] != TM_TIME_NONE;
    else
        memset(valid, 1, cnt);
}

/* One byte a row from the null bitmap and, where the type has one, the value that means "none". */
static uint64_t copy_valid(const tm_store_col_t *col, tm_row_block_t *block, const uint8_t *bitmap,
                           size_t row_sz, uint32_t cnt)
{
    const uint8_t *values = block->data + col->off + (size_t)block->cnt * col->elem_sz;
    uint8_t *valid = block->data + col->valid_off + block->cnt;
    uint64_t null_cnt = 0;
    mark_valid(col, values, valid, cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t bits;
        memcpy(&bits, bitmap + i * row_sz, 8);
        valid[i] &= (uint8_t)(~(bits >> col->field->null_bit) & 1);
        null_cnt += valid[i] ^ 1;
    }
    return null_cnt;
}

uint32_t tm_row_group_append(tm_row_group_t *group, const void *rows, uint32_t cnt)
{
    const tm_schema_t *schema = group->pool->schema;
    const uint32_t block_rows = group->pool->block_rows;
    const uint8_t *from = rows;
    uint32_t done = 0;
    if (cnt > group->row_max - group->row_cnt) cnt = group->row_max - group->row_cnt;
    while (done < cnt) {
        if ((!group->last || group->last->cnt == block_rows) && !add_block(group)) break;
        tm_row_block_t *block = group->last;
        uint32_t some = block_rows - block->cnt;
        if (some > cnt - done) some = cnt - done;
        if (some > 256) some = 256; /* rows stay in the first-level cache while columns are cut */
        for (uint32_t c = 0; c < schema->field_cnt; c++) {
            const tm_store_col_t *col = &group->pool->cols[c];
            uint8_t *to = block->data + col->off + (size_t)block->cnt * col->elem_sz;
            group->null_cnt[c] += copy_col(col, to, from + col->field->off, schema->row_sz, some);
            if (col->absence == TM_ABSENT_BIT)
                group->null_cnt[c] += copy_valid(col, block, from + schema->null_off,
                                                 schema->row_sz, some);
        }
        block->cnt += some;
        done += some;
        from += (size_t)some * schema->row_sz;
    }
    group->row_cnt += done;
    return done;
}

/* Scattering writes one stream a symbol; gathering would read as many with a cache miss each. */
static void scatter(const void *from, void *to, const uint32_t *pos, uint32_t cnt, uint32_t elem_sz)
{
    const uint8_t *from1 = from;
    const uint32_t *from4 = from;
    const uint64_t *from8 = from;
    const tm_i128_t *from16 = from;
    switch (elem_sz) {
    case 1:
        for (uint32_t i = 0; i < cnt; i++) ((uint8_t *)to)[pos[i]] = from1[i];
        return;
    case 4:
        for (uint32_t i = 0; i < cnt; i++) ((uint32_t *)to)[pos[i]] = from4[i];
        return;
    case 8:
        for (uint32_t i = 0; i < cnt; i++) ((uint64_t *)to)[pos[i]] = from8[i];
        return;
    default:
        for (uint32_t i = 0; i < cnt; i++) ((tm_i128_t *)to)[pos[i]] = from16[i];
    }
}

void tm_row_group_gather(const tm_row_group_t *group, uint32_t col_idx, const uint32_t *pos,
                         void *values, uint8_t *valid)
{
    const tm_store_col_t *col = &group->pool->cols[col_idx];
    const bool bits = col->absence == TM_ABSENT_BIT && group->null_cnt[col_idx] > 0;
    size_t done = 0;
    for (const tm_row_block_t *b = group->first; b; done += b->cnt, b = b->next) {
        const void *from = tm_row_block_col(b, col);
        if (pos)
            scatter(from, values, pos + done, b->cnt, col->elem_sz);
        else
            memcpy((uint8_t *)values + done * col->elem_sz, from, (size_t)b->cnt * col->elem_sz);
        if (!bits) continue;
        if (pos)
            scatter(b->data + col->valid_off, valid, pos + done, b->cnt, 1);
        else
            memcpy(valid + done, b->data + col->valid_off, b->cnt);
    }
    if (!bits && group->null_cnt[col_idx] > 0) mark_valid(col, values, valid, group->row_cnt);
}
