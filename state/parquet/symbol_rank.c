#include "state/parquet/symbol_rank.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int tm_symbol_rank_open(tm_symbol_rank_t *rank, const tm_symbols_t *symbols)
{
    const size_t cnt = TM_SYMBOL_CNT_MAX;
    *rank = (tm_symbol_rank_t){.symbols = symbols};
    rank->present = malloc(cnt * sizeof *rank->present);
    rank->rank = malloc(cnt * sizeof *rank->rank);
    rank->row_cnt = calloc(cnt, sizeof *rank->row_cnt);
    rank->first_pos = malloc((cnt + 1) * sizeof *rank->first_pos);
    rank->next_pos = malloc((cnt + 1) * sizeof *rank->next_pos);
    rank->dict.text = malloc(cnt * sizeof *rank->dict.text);
    rank->dict.text_sz = malloc(cnt);
    if (rank->present && rank->rank && rank->row_cnt && rank->first_pos && rank->next_pos &&
        rank->dict.text && rank->dict.text_sz)
        return 0;
    tm_symbol_rank_close(rank);
    return tm_error_set(-ENOMEM, "out of memory for the ranks of %zu symbols", cnt);
}

void tm_symbol_rank_close(tm_symbol_rank_t *rank)
{
    free(rank->present);
    free(rank->rank);
    free(rank->row_cnt);
    free(rank->first_pos);
    free(rank->next_pos);
    free(rank->dict.text);
    free(rank->dict.text_sz);
    *rank = (tm_symbol_rank_t){0};
}

/* Parquet orders strings by unsigned bytes. */
static int by_text(const void *a, const void *b, void *ctx)
{
    size_t a_sz, b_sz;
    const char *a_text = tm_symbols_name(ctx, *(const uint32_t *)a, &a_sz);
    const char *b_text = tm_symbols_name(ctx, *(const uint32_t *)b, &b_sz);
    int order = memcmp(a_text, b_text, a_sz < b_sz ? a_sz : b_sz);
    return order != 0 ? order : (a_sz > b_sz) - (a_sz < b_sz);
}

static const uint32_t *symbols_of(const tm_row_group_t *group, const tm_row_block_t *block,
                                  uint32_t col_idx)
{
    return tm_row_block_col(block, &group->pool->cols[col_idx]);
}

/* A row whose null bit is set is absent whatever its symbol says. */
static const uint8_t *bits_of(const tm_row_group_t *group, const tm_row_block_t *block,
                              uint32_t col_idx)
{
    const tm_store_col_t *col = &group->pool->cols[col_idx];
    return col->absence == TM_ABSENT_BIT ? block->data + col->valid_off : NULL;
}

void tm_symbol_rank_count(tm_symbol_rank_t *rank, const tm_row_group_t *group, uint32_t col_idx)
{
    uint32_t cnt = 0, null_cnt = 0;
    for (const tm_row_block_t *b = group->first; b; b = b->next) {
        const uint32_t *symbols = symbols_of(group, b, col_idx);
        const uint8_t *valid = bits_of(group, b, col_idx);
        for (uint32_t i = 0; i < b->cnt; i++) {
            uint32_t s = symbols[i];
            if (TM_UNLIKELY(s >= TM_SYMBOL_CNT_MAX || (valid && !valid[i]))) {
                null_cnt++;
                continue;
            }
            if (rank->row_cnt[s]++ == 0) rank->present[cnt++] = s;
        }
    }
    rank->null_cnt = null_cnt;
    rank->dict.cnt = cnt;
    qsort_r(rank->present, cnt, sizeof *rank->present, by_text, (void *)(uintptr_t)rank->symbols);
    uint32_t pos = 0;
    for (uint32_t r = 0; r < cnt; r++) {
        uint32_t s = rank->present[r];
        size_t sz;
        rank->rank[s] = r;
        rank->dict.text[r] = tm_symbols_name(rank->symbols, s, &sz);
        rank->dict.text_sz[r] = (uint8_t)sz;
        rank->first_pos[r] = pos;
        pos += rank->row_cnt[s];
        rank->row_cnt[s] = 0;
    }
    rank->first_pos[cnt] = pos;
}

void tm_symbol_rank_positions(tm_symbol_rank_t *rank, const tm_row_group_t *group, uint32_t col_idx,
                              uint32_t *pos)
{
    const uint32_t absent = rank->dict.cnt;
    memcpy(rank->next_pos, rank->first_pos, (absent + 1) * sizeof *rank->next_pos);
    for (const tm_row_block_t *b = group->first; b; b = b->next) {
        const uint32_t *symbols = symbols_of(group, b, col_idx);
        const uint8_t *valid = bits_of(group, b, col_idx);
        for (uint32_t i = 0; i < b->cnt; i++) {
            uint32_t s = symbols[i];
            bool none = s >= TM_SYMBOL_CNT_MAX || (valid && !valid[i]);
            *pos++ = rank->next_pos[none ? absent : rank->rank[s]]++;
        }
    }
}

void tm_symbol_rank_fill(const tm_symbol_rank_t *rank, uint32_t *values, uint8_t *valid)
{
    const uint32_t there_cnt = rank->first_pos[rank->dict.cnt];
    for (uint32_t r = 0; r < rank->dict.cnt; r++)
        for (uint32_t i = rank->first_pos[r]; i < rank->first_pos[r + 1]; i++) values[i] = r;
    if (rank->null_cnt == 0) return;
    memset(values + there_cnt, 0, rank->null_cnt * sizeof *values);
    memset(valid, 1, there_cnt);
    memset(valid + there_cnt, 0, rank->null_cnt);
}

void tm_symbol_rank_apply(const tm_symbol_rank_t *rank, uint32_t *values, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++)
        values[i] = values[i] < TM_SYMBOL_CNT_MAX ? rank->rank[values[i]] : 0;
}
