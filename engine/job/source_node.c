/* Builders of sources. */
#include "engine/job/nodes.h"

#include <string.h>

static void feed_print(const struct tm_stream *node, FILE *out)
{
    fprintf(out, "  %s rows", node->schema.name);
}

const tm_node_ops_t tm_feed_node = {
    .kind = "source_feed", .role = TM_ROLE_SOURCE, .print = feed_print, .layout = TM_SOURCE_LAYOUT};

static void generator_print(const struct tm_stream *node, FILE *out)
{
    const tm_generator_node_spec_t *spec = node->spec;
    fprintf(out, "  %u partition%s of %s rows", spec->partitions, spec->partitions == 1 ? "" : "s",
            node->schema.name);
}

static void generator_schema(const struct tm_stream *node, FILE *out)
{
    const tm_generator_node_spec_t *spec = node->spec;
    fprintf(out, "  positions of %u partition%s, in rows\n", spec->partitions,
            spec->partitions == 1 ? "" : "s");
}

const tm_node_ops_t tm_generator_node = {.kind = "source_generator",
                                         .role = TM_ROLE_SOURCE,
                                         .print = generator_print,
                                         .layout = TM_SOURCE_LAYOUT,
                                         .schema = generator_schema};

bool tm_feed_url_take(const struct tm_stream *node, tm_feed_node_spec_t *feed, const char *url)
{
    if (url && strlen(url) >= sizeof feed->url)
        return tm_job_fail(node->job, "%s %s: the url is longer than %zu bytes", node->ops->kind,
                           node->name, sizeof feed->url - 1),
               false;
    if (url) snprintf(feed->url, sizeof feed->url, "%s", url);
    return true;
}

tm_stream_t *tm_source_feed(tm_job_t *job, const tm_feed_spec_t *spec)
{
    struct tm_stream *node = tm_job_add(job, &tm_feed_node, spec->name ? spec->name : "feed", NULL,
                                        0);
    tm_feed_node_spec_t *feed = node ? tm_job_alloc(job, sizeof *feed) : NULL;
    if (!feed) return &job->broken;
    node->spec = feed;
    feed->rows = spec->rows;
    const tm_schema_t *schema = tm_schema_market((uint16_t)spec->rows);
    if (!schema)
        return tm_job_fail(
            job, "source_feed %s: rows must be one of TM_ROWS_*, TM_ROWS_TRADE to begin with",
            node->name);
    node->schema = *schema;
    return tm_feed_url_take(node, feed, spec->url) ? node : &job->broken;
}

/* What arrays and generators have in common. */
static tm_generator_node_spec_t *memory_source(tm_job_t *job, const char *name,
                                               const tm_struct_t *type, uint32_t partitions,
                                               struct tm_stream **out)
{
    struct tm_stream *node = tm_job_add(job, &tm_generator_node, name, NULL, 0);
    tm_generator_node_spec_t *spec = node ? tm_job_alloc(job, sizeof *spec) : NULL;
    if (!spec) return NULL;
    node->spec = spec;
    *out = node;
    spec->partitions = partitions ? partitions : 1;
    if (spec->partitions > TM_SOURCE_PARTITION_MAX) {
        tm_job_fail(job, "source %s: at most %d partitions", node->name, TM_SOURCE_PARTITION_MAX);
        return NULL;
    }
    return tm_job_struct(job, node, type, tm_node_schema_id(node, 0), &node->schema) ? spec : NULL;
}

tm_stream_t *tm_source_array(tm_job_t *job, const tm_array_spec_t *spec)
{
    struct tm_stream *node;
    tm_generator_node_spec_t *to = memory_source(job, spec->name ? spec->name : "array", spec->type,
                                                 spec->partitions, &node);
    if (!to) return &job->broken;
    if (!spec->rows && spec->row_cnt > 0)
        return tm_job_fail(job, "source_array %s: there are no rows", node->name);
    to->array = *spec;
    return node;
}

tm_stream_t *tm_source_generator(tm_job_t *job, const tm_generator_spec_t *spec)
{
    struct tm_stream *node;
    tm_generator_node_spec_t *to = memory_source(job, spec->name ? spec->name : "generator",
                                                 spec->type, spec->partitions, &node);
    if (!to) return &job->broken;
    if (!spec->next) return tm_job_fail(job, "source_generator %s: give next()", node->name);
    to->next = spec->next;
    to->seek = spec->seek;
    to->ctx = spec->ctx;
    return node;
}

const struct tm_stream *tm_job_next_feed(const tm_job_t *job, uint32_t node_idx)
{
    for (uint32_t i = node_idx; i < job->node_cnt; i++)
        if (tm_stream_is_feed(&job->nodes[i])) return &job->nodes[i];
    return NULL;
}

const struct tm_stream *tm_job_next(const tm_job_t *job, const tm_node_ops_t *ops,
                                    uint32_t node_idx)
{
    for (uint32_t i = node_idx; i < job->node_cnt; i++)
        if (job->nodes[i].ops == ops) return &job->nodes[i];
    return NULL;
}
