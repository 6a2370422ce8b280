/* Arrays and generators as sources: for tests, examples and what a program makes itself. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/job/nodes.h"
#include "engine/runtime/source/row_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BURST_ROWS = 256 };

typedef struct memory_source {
    tm_row_source_t src;
    const struct tm_stream *node;
    const tm_generator_node_spec_t *spec;
    uint32_t partition; /* of the node */
    uint32_t partition_idx;
    size_t next;    /* array: the row to give next */
    uint64_t given; /* rows so far */
    uint64_t skip;  /* of a generator that is asked again after a restart */
    tm_counter_t *rows_in;
    alignas(TM_CACHE_LINE) uint8_t rows[]; /* BURST_ROWS */
} memory_source_t;

static int source_open(tm_row_source_t *src)
{
    const memory_source_t *m = (const memory_source_t *)src;
    if (m->spec->seek) m->spec->seek(m->spec->ctx, m->partition, m->given);
    return 0;
}

static int32_t array_next(memory_source_t *m)
{
    const tm_array_spec_t *a = &m->spec->array;
    size_t row_sz = m->node->schema.row_sz;
    int32_t n = 0;
    if (m->next >= a->row_cnt) return TM_SOURCE_END;
    for (; n < BURST_ROWS && m->next < a->row_cnt; n++, m->next += m->spec->partitions)
        memcpy(m->rows + (size_t)n * row_sz, (const uint8_t *)a->rows + m->next * row_sz, row_sz);
    return n;
}

static int32_t generator_next(memory_source_t *m)
{
    memset(m->rows, 0, (size_t)BURST_ROWS * m->node->schema.row_sz);
    return m->spec->next(m->spec->ctx, m->partition, m->rows, BURST_ROWS);
}

/* Rows that were given before the restart are passed over; what is behind them is put in front and
   given with the next poll's. */
static int source_skip(memory_source_t *m, uint32_t cnt)
{
    uint32_t row_sz = m->node->schema.row_sz, over = m->skip < cnt ? (uint32_t)m->skip : cnt;
    m->skip -= over;
    m->given += cnt;
    cnt -= over;
    if (cnt == 0) return (int)over;
    tm_counter_add(m->rows_in, cnt);
    tm_task_ingress(m->src.task, tm_clock_mono_ns());
    tm_task_rows(m->src.task, m->node->node_idx, m->partition_idx, m->rows + (size_t)over * row_sz,
                 cnt, row_sz);
    return (int)cnt;
}

static int source_poll(tm_row_source_t *src, int64_t wait_ns)
{
    (void)wait_ns; /* memory is never waited for */
    memory_source_t *m = (memory_source_t *)src;
    uint32_t row_sz = m->node->schema.row_sz;
    int32_t n = m->spec->next ? generator_next(m) : array_next(m);
    if (n == TM_SOURCE_END) return TM_E_CLOSED;
    if (n < 0 || n > BURST_ROWS)
        return tm_error_set(TM_E_RANGE, "source %s: next() returned %d of at most %d rows",
                            m->node->name, n, BURST_ROWS);
    for (int32_t i = 0; i < n; i++) {
        tm_row_t *row = (tm_row_t *)(void *)(m->rows + (size_t)i * row_sz);
        if (tm_row_is_control(row))
            return tm_error_set(TM_E_RANGE, "source %s: rows are inserts, updates and deletes",
                                m->node->name);
        row->phase = 0;
        row->schema_id = m->node->schema.id;
    }
    if (m->skip > 0) return source_skip(m, (uint32_t)n);
    m->given += (uint64_t)n;
    if (n == 0) return 0;
    tm_counter_add(m->rows_in, (uint64_t)n);
    tm_task_ingress(src->task, tm_clock_mono_ns());
    tm_task_rows(src->task, m->node->node_idx, m->partition_idx, m->rows, (uint32_t)n, row_sz);
    return n;
}

static int source_save(const tm_row_source_t *src, tm_buffer_t *blob)
{
    const memory_source_t *m = (const memory_source_t *)src;
    const uint64_t given = m->given + m->skip;
    return tm_buffer_append(blob, &given, sizeof given);
}

/* Generators that cannot be set are asked again for what they gave, and have to give the same. */
static int source_restore(tm_row_source_t *src, const void *bytes, size_t sz)
{
    memory_source_t *m = (memory_source_t *)src;
    uint64_t given;
    if (sz != sizeof given)
        return tm_error_set(TM_E_CORRUPT, "source %s: a position of %zu bytes", m->node->name, sz);
    memcpy(&given, bytes, sizeof given);
    if (m->spec->next && !m->spec->seek)
        m->skip = given;
    else
        m->given = given, m->next = m->partition + given * m->spec->partitions;
    return 0;
}

static void source_close(tm_row_source_t *src)
{
    (void)src; /* nothing is open */
}

static void source_free(tm_row_source_t *src)
{
    free(src);
}

static const tm_row_source_ops_t memory_ops = {.open = source_open,
                                               .poll = source_poll,
                                               .close = source_close,
                                               .free = source_free,
                                               .save = source_save,
                                               .restore = source_restore};

int tm_memory_source_make(tm_row_source_t **out, const struct tm_stream *node, uint32_t partition,
                          uint32_t partition_idx, tm_counter_set_t *counters)
{
    size_t sz = sizeof(memory_source_t) + (size_t)BURST_ROWS * node->schema.row_sz;
    memory_source_t *m = aligned_alloc(TM_CACHE_LINE, tm_align_up(sz, TM_CACHE_LINE));
    if (!m) return tm_error_set(-ENOMEM, "source %s: out of memory", node->name);
    *m = (memory_source_t){.src = {.ops = &memory_ops,
                                   .partitions = UINT64_C(1) << partition_idx,
                                   .nodes = UINT64_C(1) << node->node_idx,
                                   .input_idx = partition},
                           .node = node,
                           .spec = node->spec,
                           .partition = partition,
                           .partition_idx = partition_idx,
                           .next = partition,
                           .rows_in = tm_counter_get(counters, "rows_in")};
    *out = &m->src;
    return 0;
}
