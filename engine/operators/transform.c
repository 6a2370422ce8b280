#include "engine/operators/transform.h"

#include "base/check.h"
#include "base/error.h"

#include <string.h>

enum { BATCH_ROWS = 64 };

typedef struct batch {
    uint8_t *rows;
    uint32_t cnt, stride;
    uint16_t schema_id;
} batch_t;

struct tm_out {
    tm_operator_t op;
    tm_transform_cfg_t cfg;
    tm_emitter_t emitters[TM_OPERATOR_OUTPUT_MAX];
    batch_t batches[TM_OPERATOR_OUTPUT_MAX];
    const tm_row_t *at; /* the row at hand */
};

static void flush(tm_out_t *t, uint32_t output)
{
    batch_t *b = &t->batches[output];
    tm_emit_rows(&t->emitters[output], b->rows, b->cnt, b->stride);
    b->cnt = 0;
}

/* Room for one more row; what it holds is undefined. */
static uint8_t *claim(tm_out_t *t, uint32_t output)
{
    batch_t *b = &t->batches[output];
    if (b->cnt == BATCH_ROWS) flush(t, output);
    return b->rows + (size_t)b->cnt++ * b->stride;
}

void *tm_out_row(tm_out_t *out, uint32_t output)
{
    TM_CHECK(output < out->cfg.out_cnt, "output %u of %u", output, out->cfg.out_cnt);
    uint8_t *row = claim(out, output);
    const batch_t *b = &out->batches[output];
    tm_row_t head = *out->at;
    head.phase = 0;
    head.schema_id = b->schema_id;
    memcpy(row, &head, sizeof head);
    memset(row + sizeof head, 0, b->stride - sizeof head);
    return row;
}

static void filter_rows(tm_out_t *t, const uint8_t *rows, uint32_t cnt, uint32_t stride)
{
    const batch_t *b = &t->batches[0];
    uint32_t copy_sz = b->stride < stride ? b->stride : stride;
    for (uint32_t i = 0; i < cnt; i++, rows += stride)
        if (t->cfg.filter(t->cfg.ctx, rows)) memcpy(claim(t, 0), rows, copy_sz);
}

static void on_rows(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                    uint32_t stride)
{
    tm_out_t *t = (tm_out_t *)op;
    const uint8_t *at = rows;
    switch (t->cfg.kind) {
    case TM_TRANSFORM_FILTER:
        filter_rows(t, at, cnt, stride);
        break;
    case TM_TRANSFORM_MAP:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            t->at = (const void *)at;
            t->cfg.map(t->cfg.ctx, at, tm_out_row(t, 0));
        }
        break;
    case TM_TRANSFORM_FLAT_MAP:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            t->at = (const void *)at;
            t->cfg.flat_map[input](t->cfg.ctx, at, t);
        }
        break;
    }
    for (uint32_t i = 0; i < t->cfg.out_cnt; i++)
        if (t->batches[i].cnt) flush(t, i);
}

static void on_watermark(tm_operator_t *op, int64_t wm_ns)
{
    tm_out_t *t = (tm_out_t *)op;
    tm_emit_watermark(&t->emitters[0], wm_ns);
}

static uint32_t work(tm_operator_t *op)
{
    (void)op; /* nothing is ever left over */
    return 0;
}

static void on_end(tm_operator_t *op)
{
    (void)op; /* holds nothing */
}

#define TRANSFORM_OPS(name)                                                                        \
    {                                                                                              \
        .kind = (name), .on_rows = on_rows, .on_watermark = on_watermark, .work = work,            \
        .on_end = on_end, .fini = on_end                                                           \
    }

static const tm_operator_ops_t ops[] = {TRANSFORM_OPS("filter"), TRANSFORM_OPS("map"),
                                        TRANSFORM_OPS("flat_map")};

static uint32_t stride_of(const tm_schema_t *schema)
{
    return (uint32_t)tm_align_up(schema->row_sz, TM_CACHE_LINE);
}

size_t tm_transform_footprint(const tm_transform_cfg_t *cfg)
{
    if (cfg->out_cnt == 0 || cfg->out_cnt > TM_OPERATOR_OUTPUT_MAX) {
        tm_error_set(TM_E_CONFIG, "%s: %u outputs, expected 1..%d", ops[cfg->kind].kind,
                     cfg->out_cnt, TM_OPERATOR_OUTPUT_MAX);
        return 0;
    }
    size_t sz = tm_align_up(sizeof(tm_out_t), TM_CACHE_LINE);
    for (uint32_t i = 0; i < cfg->out_cnt; i++) sz += (size_t)stride_of(cfg->outs[i]) * BATCH_ROWS;
    return sz;
}

tm_operator_t *tm_transform_init(void *mem, const tm_transform_cfg_t *cfg,
                                 const tm_operator_env_t *env)
{
    tm_out_t *t = mem;
    *t = (tm_out_t){.op.ops = &ops[cfg->kind], .cfg = *cfg};
    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *t, TM_CACHE_LINE);
    for (uint32_t i = 0; i < cfg->out_cnt; i++) {
        t->emitters[i] = env->outs[i];
        t->batches[i] = (batch_t){
            .rows = at, .stride = stride_of(cfg->outs[i]), .schema_id = cfg->outs[i]->id};
        at += (size_t)t->batches[i].stride * BATCH_ROWS;
    }
    return &t->op;
}
