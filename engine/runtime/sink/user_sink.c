#include "engine/runtime/sink/user_sink.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

typedef struct user_sink {
    tm_sink_t sink;
    const struct tm_stream *node;
    tm_sink_t *user;
} user_sink_t;

static int said(const struct tm_stream *node, const char *what, int err)
{
    if (err >= 0) return 0;
    return tm_error_set(err, "sink %s: its %s() returned %d (%s)", node->name, what, err,
                        tm_error_name(err));
}

static user_sink_t *of(tm_sink_t *sink)
{
    return (user_sink_t *)sink;
}

static int sink_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "write", s->user->ops->write(s->user, rows, cnt));
}

static int sink_tick(tm_sink_t *sink, int64_t real_ns)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "tick", s->user->ops->tick(s->user, real_ns));
}

static int sink_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "prepare", s->user->ops->prepare(s->user, txn_id));
}

static int sink_commit(tm_sink_t *sink, uint64_t txn_id)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "commit", s->user->ops->commit(s->user, txn_id));
}

static int sink_abort(tm_sink_t *sink)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "abort", s->user->ops->abort(s->user));
}

static int sink_recover(tm_sink_t *sink, uint64_t txn_id)
{
    const user_sink_t *s = of(sink);
    return said(s->node, "recover", s->user->ops->recover(s->user, txn_id));
}

static int sink_end(tm_sink_t *sink)
{
    const user_sink_t *s = of(sink);
    return s->user->ops->end ? said(s->node, "end", s->user->ops->end(s->user)) : 0;
}

static void sink_close(tm_sink_t *sink)
{
    user_sink_t *s = of(sink);
    if (s->user) s->user->ops->close(s->user);
    free(s);
}

static const tm_sink_ops_t user_ops = {
    .write = sink_write,
    .tick = sink_tick,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .abort = sink_abort,
    .recover = sink_recover,
    .close = sink_close,
    .end = sink_end,
};

static const char *name_of(const void *symbols, uint32_t symbol)
{
    return tm_symbols_name(symbols, symbol, NULL);
}

int tm_user_sink_open(tm_sink_t **out, const struct tm_stream *node, const tm_user_sink_at_t *at)
{
    const tm_sink_node_spec_t *spec = node->spec;
    const tm_sink_at_t to = {.subtask_idx = at->subtask_idx,
                             .subtask_cnt = at->subtask_cnt,
                             .schema = at->schema,
                             .symbol_name = name_of,
                             .symbols = at->symbols};
    tm_sink_t *user = NULL;
    TM_TRY(said(node, "open", spec->sink.open(spec->sink.ctx, &to, &user)));
    const tm_sink_ops_t *ops = user ? user->ops : NULL;
    if (!ops || !ops->write || !ops->tick || !ops->prepare || !ops->commit || !ops->abort ||
        !ops->recover || !ops->close)
        return tm_error_set(TM_E_CONFIG,
                            "sink %s: its open() made no sink, or one that lacks a function",
                            node->name);
    user_sink_t *s = malloc(sizeof *s);
    if (!s) {
        ops->close(user);
        return tm_error_set(-ENOMEM, "sink %s: out of memory", node->name);
    }
    *s = (user_sink_t){.sink.ops = &user_ops, .node = node, .user = user};
    *out = &s->sink;
    return 0;
}
