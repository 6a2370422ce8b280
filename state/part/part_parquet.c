/* Parquet part files: rows wait as columns until a row group is full or memory is short. */
#include "base/error.h"
#include "state/part/part_encoder.h"

#include <errno.h>
#include <stdlib.h>

enum { SLICE_MAX = 4096 };

typedef struct part_parquet {
    tm_part_encoder_t base;
    tm_schema_t schema;
    tm_row_pool_t pool;
    tm_parquet_writer_t *writer;
    tm_part_parquet_cfg_t cfg;
} part_parquet_t;

static part_parquet_t *of(tm_part_encoder_t *enc)
{
    return (part_parquet_t *)enc;
}

static int parquet_reserve(tm_part_encoder_t *enc, tm_part_file_t *part, uint32_t cnt)
{
    part_parquet_t *p = of(enc);
    if (!part->group.pool)
        tm_row_group_init(&part->group, &p->pool, tm_parquet_writer_group_rows(p->writer));
    if (cnt <= part->group.row_max - part->group.row_cnt) return 0;
    return tm_part_file_flush(part);
}

static void parquet_take(tm_part_encoder_t *enc, tm_part_file_t *part, const void *rows,
                         uint32_t cnt)
{
    const uint32_t got = tm_row_group_append(&part->group, rows, cnt);
    TM_CHECK(got == cnt, "%u of %u rows taken after room was made", got, cnt);
    part->held_sz += (size_t)cnt * of(enc)->pool.row_sz;
}

static int parquet_begin(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    int err = tm_parquet_file_begin(of(enc)->writer, &part->file, part->fd, part->hidden);
    if (err < 0) tm_parquet_file_free(&part->file);
    return err;
}

static int parquet_flush(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    TM_TRY(tm_parquet_file_append(of(enc)->writer, &part->file, &part->group));
    tm_row_group_clear(&part->group);
    part->held_sz = 0;
    part->off = part->file.off;
    return 0;
}

static int parquet_finish(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    const part_parquet_t *p = of(enc);
    const tm_parquet_kv_t *kv = part->kv ? part->kv : p->cfg.kv;
    const uint32_t kv_cnt = part->kv ? part->kv_cnt : p->cfg.kv_cnt;
    TM_TRY(tm_parquet_file_finish(p->writer, &part->file, kv, kv_cnt));
    part->off = part->file.off;
    return 0;
}

static void parquet_clear(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    (void)enc;
    if (part->group.pool) tm_row_group_clear(&part->group);
    tm_parquet_file_free(&part->file);
    part->held_sz = 0;
}

/* A part's rows may begin and end within a block. */
static bool parquet_fits(const tm_part_encoder_t *enc, uint32_t cnt, uint32_t part_cnt)
{
    const part_parquet_t *p = (const part_parquet_t *)enc;
    return p->pool.free_cnt >= cnt / p->pool.block_rows + part_cnt;
}

static void parquet_close(tm_part_encoder_t *enc)
{
    part_parquet_t *p = of(enc);
    tm_parquet_writer_close(p->writer);
    tm_row_pool_close(&p->pool);
    free(p);
}

static const tm_part_encoder_ops_t ops = {
    .reserve = parquet_reserve,
    .take = parquet_take,
    .begin = parquet_begin,
    .flush = parquet_flush,
    .finish = parquet_finish,
    .clear = parquet_clear,
    .fits = parquet_fits,
    .close = parquet_close,
};

/* Where many parts are open each holds few rows: smaller blocks waste less. */
static uint32_t block_rows(uint32_t part_max)
{
    return part_max <= 64 ? TM_ROW_BLOCK_CNT : part_max <= 512 ? 1024 : 256;
}

int tm_part_parquet_open(tm_part_encoder_t **out, const tm_part_parquet_cfg_t *cfg)
{
    part_parquet_t *p = calloc(1, sizeof *p);
    int err;
    if (!p) return tm_error_set(-ENOMEM, "out of memory for a Parquet encoder");
    *p = (part_parquet_t){.schema = *cfg->writer.schema, .cfg = *cfg};
    p->cfg.writer.schema = &p->schema;
    TM_GOTO(err, tm_parquet_writer_open(&p->writer, &p->cfg.writer), failed);
    const uint32_t group_rows = tm_parquet_writer_group_rows(p->writer);
    const uint32_t rows = block_rows(cfg->part_max);
    /* One full row group, a block for each open part and a merged one, as many for the slice. */
    TM_GOTO(err,
            tm_row_pool_open(&p->pool, &p->schema, rows,
                             group_rows / rows + 1 + 2 * (cfg->part_max + 1)),
            failed);
    p->base = (tm_part_encoder_t){.ops = &ops,
                                  .suffix = ".parquet",
                                  .slice_max = group_rows < SLICE_MAX ? group_rows : SLICE_MAX};
    *out = &p->base;
    return 0;
failed:
    parquet_close(&p->base);
    return err;
}
