#include "engine/runtime/callback_sink.h"

#include "base/decimal.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct callback_sink {
    tm_sink_t sink;
    const struct tm_stream *node;
    tm_callback_spec_t callback;
    uint32_t subtask_idx;
    const tm_schema_t *schema;
    const tm_symbols_t *symbols;
} callback_sink_t;

/* ---- text ------------------------------------------------------------------------------------ */

static void text_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void decimal_json(FILE *out, tm_i128_t value, uint32_t scale)
{
    char text[TM_DECIMAL_TEXT_MAX];
    tm_decimal_format(text, value, scale);
    fputs(text, out);
}

static void double_json(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.17g", value);
    else
        fputs("null", out); /* JSON has no word for it */
}

static void time_json(FILE *out, int64_t time_ns, const tm_field_t *field)
{
    char text[TM_TIME_TEXT_MAX];
    if (time_ns == TM_TIME_NONE) {
        fputs("null", out);
        return;
    }
    tm_time_format(text, time_ns, field->unit_ns ? field->unit_ns : 1);
    fprintf(out, "\"%s\"", text);
}

static void value_json(FILE *out, const tm_field_t *field, const tm_symbols_t *symbols,
                       const uint8_t *at)
{
    static const char *const sides[] = {"unknown", "buy", "sell"};
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    tm_i128_t wide;
    double f64;
    switch (field->type) {
    case TM_TYPE_BOOL:
        fputs(*at ? "true" : "false", out);
        break;
    case TM_TYPE_SIDE:
        fprintf(out, "\"%s\"", sides[*at <= TM_SIDE_SELL ? *at : 0]);
        break;
    case TM_TYPE_I32:
        memcpy(&u32, at, sizeof u32);
        fprintf(out, "%" PRId32, (int32_t)u32);
        break;
    case TM_TYPE_SYMBOL:
        memcpy(&u32, at, sizeof u32);
        text_json(out, tm_symbols_name(symbols, u32, NULL));
        break;
    case TM_TYPE_F64:
        memcpy(&f64, at, sizeof f64);
        double_json(out, f64);
        break;
    case TM_TYPE_I64:
        memcpy(&u64, at, sizeof u64);
        fprintf(out, "%" PRId64, (int64_t)u64);
        break;
    case TM_TYPE_U64:
        memcpy(&u64, at, sizeof u64);
        fprintf(out, "%" PRIu64, u64);
        break;
    case TM_TYPE_DECIMAL64:
        memcpy(&u64, at, sizeof u64);
        decimal_json(out, (int64_t)u64, field->scale);
        break;
    case TM_TYPE_DECIMAL128:
        memcpy(&wide, at, sizeof wide);
        decimal_json(out, wide, field->scale);
        break;
    case TM_TYPE_TIME_NS:
        memcpy(&u64, at, sizeof u64);
        time_json(out, (int64_t)u64, field);
        break;
    }
}

void tm_row_json(FILE *out, const tm_schema_t *schema, const tm_symbols_t *symbols, const void *row)
{
    uint64_t nulls = 0;
    if (schema->null_off) memcpy(&nulls, (const uint8_t *)row + schema->null_off, sizeof nulls);
    fputc('{', out);
    for (uint32_t i = 0; i < schema->field_cnt; i++) {
        const tm_field_t *field = &schema->fields[i];
        if (i > 0) fputc(',', out);
        text_json(out, field->name);
        fputc(':', out);
        if (field->nullable && (nulls >> field->null_bit & 1))
            fputs("null", out);
        else
            value_json(out, field, symbols, (const uint8_t *)row + field->off);
    }
    fputc('}', out);
}

/* ---- the sink -------------------------------------------------------------------------------- */

static int print(const callback_sink_t *s, const void *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        tm_row_json(stdout, s->schema, s->symbols,
                    (const uint8_t *)rows + (size_t)i * s->schema->row_sz);
        if (fputc('\n', stdout) == EOF)
            return tm_error_set(-errno, "%s, to standard output: %s", s->node->name,
                                strerror(errno));
    }
    return 0;
}

static int sink_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    callback_sink_t *s = (callback_sink_t *)sink;
    if (!s->callback.rows) return print(s, rows, cnt);
    int err = s->callback.rows(s->callback.ctx, s->subtask_idx, rows, cnt, s->schema->row_sz);
    return err < 0 ? tm_error_set(err, "sink_callback %s: rows() returned %d", s->node->name, err)
                   : 0;
}

static int sink_tick(tm_sink_t *sink, int64_t real_ns)
{
    (void)real_ns;
    const callback_sink_t *s = (const callback_sink_t *)sink;
    if (s->callback.rows || fflush(stdout) == 0) return 0;
    return tm_error_set(-errno, "%s, to standard output: %s", s->node->name, strerror(errno));
}

static int sink_txn(tm_sink_t *sink, uint64_t txn_id)
{
    (void)txn_id; /* what was given is given */
    return sink_tick(sink, 0);
}

static int sink_abort(tm_sink_t *sink)
{
    (void)sink;
    return 0;
}

static void sink_close(tm_sink_t *sink)
{
    free(sink);
}

static const tm_sink_ops_t callback_ops = {.write = sink_write,
                                           .tick = sink_tick,
                                           .prepare = sink_txn,
                                           .commit = sink_txn,
                                           .abort = sink_abort,
                                           .recover = sink_txn,
                                           .close = sink_close};

int tm_callback_sink_open(tm_sink_t **out, const struct tm_stream *node, uint32_t subtask_idx,
                          const tm_schema_t *schema, const tm_symbols_t *symbols)
{
    const tm_callback_node_spec_t *spec = node->spec;
    callback_sink_t *s = malloc(sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "sink %s: out of memory", node->name);
    *s = (callback_sink_t){.sink.ops = &callback_ops,
                           .node = node,
                           .callback = spec->callback,
                           .subtask_idx = subtask_idx,
                           .schema = schema,
                           .symbols = symbols};
    *out = &s->sink;
    return 0;
}
