/* CSV and JSON part files: rows are text as soon as they are taken. */
#include "base/error.h"
#include "state/file.h"
#include "state/part/part_encoder.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum { BUFFER_SZ_DEFAULT = 64 << 10, SLICE_MAX = 256 };

typedef struct part_text {
    tm_part_encoder_t base;
    tm_schema_t schema;
    tm_row_text_t text;
    size_t buffer_sz;
    size_t held_sz;   /* of all parts */
    tm_buffer_t head; /* what each file begins with */
} part_text_t;

static part_text_t *of(tm_part_encoder_t *enc)
{
    return (part_text_t *)enc;
}

static void forget_held(part_text_t *t, tm_part_file_t *part)
{
    t->held_sz -= part->held_sz;
    part->held_sz = 0;
    tm_buffer_clear(&part->text);
}

static int text_reserve(tm_part_encoder_t *enc, tm_part_file_t *part, uint32_t cnt)
{
    part_text_t *t = of(enc);
    if (part->held_sz >= t->buffer_sz) TM_TRY(tm_part_file_flush(part));
    return tm_buffer_reserve(&part->text, t->head.sz + (size_t)cnt * t->text.row_sz_max);
}

static void text_take(tm_part_encoder_t *enc, tm_part_file_t *part, const void *rows, uint32_t cnt)
{
    part_text_t *t = of(enc);
    const size_t before_sz = part->text.sz;
    if (part->off == 0 && before_sz == 0) tm_buffer_put(&part->text, t->head.data, t->head.sz);
    for (uint32_t i = 0; i < cnt; i++)
        part->text.sz += tm_row_text_put(&t->text, part->text.data + part->text.sz,
                                         (const uint8_t *)rows + (size_t)i * t->schema.row_sz);
    t->held_sz += part->text.sz - before_sz;
    part->held_sz = part->text.sz;
}

static int text_begin(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    (void)enc, (void)part; /* the head goes out with the first rows */
    return 0;
}

/* What a failed write left behind is written over: the text stays until all of it is there. */
static int text_flush(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    part_text_t *t = of(enc);
    TM_TRY(tm_file_write(part->fd, part->hidden, part->text.data, part->text.sz, part->off));
    part->off += (int64_t)part->text.sz;
    forget_held(t, part);
    if (part->text.cap_sz > 4 * t->buffer_sz) tm_buffer_free(&part->text);
    return 0;
}

static int text_finish(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    (void)enc, (void)part; /* text has no end of its own */
    return 0;
}

static void text_clear(tm_part_encoder_t *enc, tm_part_file_t *part)
{
    forget_held(of(enc), part);
    tm_buffer_free(&part->text);
}

static bool text_fits(const tm_part_encoder_t *enc, uint32_t cnt, uint32_t part_cnt)
{
    const part_text_t *t = (const part_text_t *)enc;
    (void)part_cnt;
    return t->held_sz == 0 || t->held_sz + (size_t)cnt * t->text.row_sz_max <= TM_PART_TEXT_SZ_MAX;
}

static void text_close(tm_part_encoder_t *enc)
{
    tm_buffer_free(&of(enc)->head);
    free(enc);
}

static const tm_part_encoder_ops_t ops = {
    .reserve = text_reserve,
    .take = text_take,
    .begin = text_begin,
    .flush = text_flush,
    .finish = text_finish,
    .clear = text_clear,
    .fits = text_fits,
    .close = text_close,
};

/* Of everything that decides how a row looks: a file goes on only with rows of the same look. */
static uint32_t make_tag(const part_text_t *t)
{
    uLong crc = crc32(0, (const Bytef *)t->base.suffix, (uInt)strlen(t->base.suffix));
    crc = crc32(crc, t->head.data, (uInt)t->head.sz);
    for (uint32_t i = 0; i < t->schema.field_cnt; i++) {
        const tm_field_t *f = &t->schema.fields[i];
        const uint32_t look[] = {(uint32_t)f->type, f->scale, f->unit_ns, f->nullable};
        crc = crc32(crc, (const Bytef *)t->text.lead[i], t->text.lead_sz[i]);
        crc = crc32(crc, (const Bytef *)look, sizeof look);
    }
    return (uint32_t)crc;
}

int tm_part_text_open(tm_part_encoder_t **out, const tm_part_text_cfg_t *cfg)
{
    part_text_t *t = calloc(1, sizeof *t);
    int err;
    if (!t) return tm_error_set(-ENOMEM, "out of memory for a text encoder");
    t->schema = *cfg->schema;
    t->buffer_sz = cfg->buffer_sz ? cfg->buffer_sz : BUFFER_SZ_DEFAULT;
    TM_GOTO(err, tm_row_text_open(&t->text, cfg->format, &t->schema, cfg->symbols), failed);
    TM_GOTO(err, tm_buffer_reserve(&t->head, t->text.row_sz_max), failed);
    if (!cfg->headless) t->head.sz = tm_row_text_head(&t->text, t->head.data);
    t->base = (tm_part_encoder_t){.ops = &ops,
                                  .suffix = cfg->format == TM_ROW_CSV ? ".csv" : ".jsonl",
                                  .slice_max = SLICE_MAX,
                                  .by_row = true};
    t->base.tag = make_tag(t);
    *out = &t->base;
    return 0;
failed:
    text_close(&t->base);
    return err;
}
