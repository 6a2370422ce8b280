#include "engine/runtime/sink/callback_sink.h"

#include "base/error.h"
#include "state/part/row_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct callback_sink {
    tm_sink_t sink;
    const struct tm_stream *node;
    tm_callback_spec_t callback;
    uint32_t subtask_idx;
    tm_row_text_t text; /* where rows are printed */
    uint32_t row_sz;
    uint8_t *line;
} callback_sink_t;

/* ---- the sink -------------------------------------------------------------------------------- */

static int print(const callback_sink_t *s, const void *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        const size_t sz = tm_row_text_put(&s->text, s->line,
                                          (const uint8_t *)rows + (size_t)i * s->row_sz);
        if (fwrite(s->line, 1, sz, stdout) != sz)
            return tm_error_set(-errno, "%s, to standard output: %s", s->node->name,
                                strerror(errno));
    }
    return 0;
}

static int sink_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    callback_sink_t *s = (callback_sink_t *)sink;
    if (!s->callback.rows) return print(s, rows, cnt);
    int err = s->callback.rows(s->callback.ctx, s->subtask_idx, rows, cnt, s->row_sz);
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
    free(((callback_sink_t *)sink)->line);
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
                           .row_sz = schema->row_sz};
    int err = tm_row_text_open(&s->text, TM_ROW_JSON, schema, symbols);
    if (err == 0 && !(s->line = malloc(s->text.row_sz_max)))
        err = tm_error_set(-ENOMEM, "sink %s: out of memory", node->name);
    if (err < 0) {
        sink_close(&s->sink);
        return err;
    }
    *out = &s->sink;
    return 0;
}
