#include "engine/job/graph.h"

#include "engine/operators/window.h"
#include "engine/operators/window_assign.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tm_node_kind_name(tm_node_kind_t kind)
{
    static const char *const names[] = {"source_feed", "watermarks", "key_by", "window_aggregate",
                                        "sink_parts"};
    return names[kind];
}

void tm_job_init(tm_job_t *job, const tm_options_t *opts)
{
    memset(job, 0, sizeof *job);
    job->opts = *opts;
    job->broken.job = job;
}

static tm_stream_t *job_fail(tm_job_t *job, const char *fmt, ...) TM_PRINTF(2, 3);

static tm_stream_t *job_fail(tm_job_t *job, const char *fmt, ...)
{
    if (job->err == 0) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(job->err_text, sizeof job->err_text, fmt, ap);
        va_end(ap);
        job->err = TM_E_CONFIG;
    }
    return &job->broken;
}

/* A new node reading `in` (NULL for a source), or NULL where the job is already broken or full. */
static struct tm_stream *node_add(tm_job_t *job, tm_stream_t *in, tm_node_kind_t kind,
                                  const char *name)
{
    if (job->err) return NULL;
    if (job->node_cnt == TM_JOB_NODE_MAX) {
        job_fail(job, "%s: a job has at most %d operators", tm_node_kind_name(kind),
                 TM_JOB_NODE_MAX);
        return NULL;
    }
    if (in && in->kind == TM_NODE_PARTS) {
        job_fail(job, "%s: a sink has no output to read", tm_node_kind_name(kind));
        return NULL;
    }
    struct tm_stream *node = &job->nodes[job->node_cnt];
    memset(node, 0, sizeof *node);
    node->job = job;
    node->node_idx = job->node_cnt++;
    node->kind = kind;
    node->in_idx = in ? (int32_t)in->node_idx : -1;
    snprintf(node->name, sizeof node->name, "%s", name);
    if (in) node->schema = in->schema;
    return node;
}

tm_stream_t *tm_source_feed(tm_job_t *job, const tm_feed_spec_t *spec)
{
    struct tm_stream *node = node_add(job, NULL, TM_NODE_FEED, spec->name ? spec->name : "feed");
    if (!node) return &job->broken;
    const tm_schema_t *schema = tm_schema_market((uint16_t)spec->rows);
    if (!schema)
        return job_fail(
            job, "source_feed %s: rows must be one of TM_ROWS_*, TM_ROWS_TRADE to begin with",
            node->name);
    node->schema = *schema;
    node->feed.rows = spec->rows;
    if (spec->url && strlen(spec->url) >= sizeof node->feed.url)
        return job_fail(job, "source_feed %s: the url is longer than %zu bytes", node->name,
                        sizeof node->feed.url - 1);
    if (spec->url) snprintf(node->feed.url, sizeof node->feed.url, "%s", spec->url);
    return node;
}

tm_stream_t *tm_watermarks(tm_stream_t *in, const tm_watermark_spec_t *spec)
{
    tm_job_t *job = in->job;
    bool again = tm_job_find(job, TM_NODE_WATERMARKS) != NULL;
    struct tm_stream *node = node_add(job, in, TM_NODE_WATERMARKS, "watermarks");
    if (!node) return &job->broken;
    if (again)
        return job_fail(job, "watermarks: a job makes them once; let every path start behind them");
    node->watermarks.bound_ns = job->opts.watermark_bound_ns >= 0 ? job->opts.watermark_bound_ns
                                                                  : spec->bound_ns;
    if (in->kind != TM_NODE_FEED)
        return job_fail(
            job, "watermarks: they are made where rows enter; put them right behind the feed");
    if (node->watermarks.bound_ns < 0)
        return job_fail(job, "watermarks: bound_ns must not be negative");
    return node;
}

tm_stream_t *tm_key_by(tm_stream_t *in, const char *field)
{
    tm_job_t *job = in->job;
    struct tm_stream *node = node_add(job, in, TM_NODE_KEY_BY, field);
    if (!node) return &job->broken;
    int idx = tm_schema_find(&in->schema, field);
    if (idx < 0) return job_fail(job, "key_by: %s rows have no field '%s'", in->schema.name, field);
    if (in->schema.fields[idx].type != TM_TYPE_SYMBOL)
        return job_fail(job, "key_by: field '%s' is a %s; this version keys by symbol fields only",
                        field, tm_type_name(in->schema.fields[idx].type));
    if (tm_job_upstream(job, in, TM_NODE_KEY_BY))
        return job_fail(job,
                        "key_by: the stream is keyed already; this version exchanges rows once");
    node->key_by.field_idx = (uint16_t)idx;
    return node;
}

/* Copies the aggregate list, whose strings the caller may free. */
static void aggs_copy(struct tm_stream *node, const tm_agg_spec_t *aggs, size_t agg_cnt)
{
    for (size_t i = 0; i < agg_cnt; i++) {
        const char *const from[3] = {aggs[i].as, aggs[i].field, aggs[i].by};
        for (int k = 0; k < 3; k++)
            snprintf(node->window.agg_text[i][k], TM_SCHEMA_NAME_MAX, "%s", from[k] ? from[k] : "");
        tm_agg_spec_t *to = &node->window.aggs[i];
        to->fn = aggs[i].fn;
        to->as = node->window.agg_text[i][0];
        to->field = aggs[i].field ? node->window.agg_text[i][1] : NULL;
        to->by = aggs[i].by ? node->window.agg_text[i][2] : NULL;
    }
    node->window.agg_cnt = (uint32_t)agg_cnt;
}

tm_stream_t *tm_window_aggregate(tm_stream_t *keyed, const char *name,
                                 const tm_window_spec_t *window, const tm_agg_spec_t *aggs,
                                 size_t agg_cnt)
{
    tm_job_t *job = keyed->job;
    struct tm_stream *node = node_add(job, keyed, TM_NODE_WINDOW, name);
    if (!node) return &job->broken;
    const struct tm_stream *key = tm_job_upstream(job, keyed, TM_NODE_KEY_BY);
    if (!key) return job_fail(job, "window %s: put key_by before it", name);
    if (tm_job_upstream(job, keyed, TM_NODE_WINDOW))
        return job_fail(job, "window %s: this version has one window on a path", name);
    if (agg_cnt == 0 || agg_cnt > TM_JOB_AGG_MAX)
        return job_fail(job, "window %s: give 1 to %d aggregates", name, TM_JOB_AGG_MAX);
    node->window.spec = *window;
    aggs_copy(node, aggs, agg_cnt);
    const tm_window_cfg_t cfg = {
        .what = {.window = *window, .aggs = node->window.aggs, .agg_cnt = agg_cnt},
        .in = &keyed->schema,
        .key_fields = {key->schema.fields[key->key_by.field_idx].name},
        .out_name = node->name,
        .out_id = (uint16_t)(TM_SCHEMA_ID_USER + node->node_idx),
    };
    if (tm_window_spec_check(window) < 0 || tm_window_schema_build(&cfg, &node->schema) < 0)
        return job_fail(job, "window %s: %s", name, tm_error_text());
    return node;
}

void tm_sink_parts(tm_stream_t *in, const tm_parts_spec_t *spec)
{
    static const tm_parts_spec_t none = {0};
    tm_job_t *job = in->job;
    if (!spec) spec = &none;
    struct tm_stream *node = node_add(job, in, TM_NODE_PARTS, spec->name ? spec->name : "parts");
    if (!node) return;
    if (spec->name && (strchr(spec->name, '/') || spec->name[0] == '.' ||
                       strlen(spec->name) >= sizeof node->parts.folder)) {
        job_fail(job, "sink_parts: name '%s' must be one folder, not hidden, of up to %zu bytes",
                 spec->name, sizeof node->parts.folder - 1);
        return;
    }
    for (uint32_t i = 0; i < node->node_idx; i++) {
        const struct tm_stream *other = &job->nodes[i];
        if (other->kind != TM_NODE_PARTS ||
            strcmp(other->parts.folder, spec->name ? spec->name : "") != 0)
            continue;
        job_fail(job, "sink_parts: two sinks write into the same folder; give each its own name");
        return;
    }
    if (spec->bucket_field) {
        int idx = tm_schema_find(&in->schema, spec->bucket_field);
        if (idx < 0 || in->schema.fields[idx].type != TM_TYPE_TIME_NS) {
            job_fail(job, "sink_parts: bucket_field '%s' is not a time field of %s rows",
                     spec->bucket_field, in->schema.name);
            return;
        }
    }
    snprintf(node->parts.folder, sizeof node->parts.folder, "%s", spec->name ? spec->name : "");
    snprintf(node->parts.bucket_field, sizeof node->parts.bucket_field, "%s",
             spec->bucket_field ? spec->bucket_field : "");
    snprintf(node->parts.bucket_format, sizeof node->parts.bucket_format, "%s",
             spec->bucket_format ? spec->bucket_format : "%Y-%m-%d--%H");
    node->parts.roll_interval_ns = job->opts.roll_interval_ns > 0 ? job->opts.roll_interval_ns
                                                                  : spec->roll_interval_ns;
}

const struct tm_stream *tm_job_upstream(const tm_job_t *job, const struct tm_stream *node,
                                        tm_node_kind_t kind)
{
    while (node->kind != kind) {
        if (node->in_idx < 0) return NULL;
        node = &job->nodes[node->in_idx];
    }
    return node;
}

const struct tm_stream *tm_job_find(const tm_job_t *job, tm_node_kind_t kind)
{
    for (uint32_t i = 0; i < job->node_cnt; i++)
        if (job->nodes[i].kind == kind) return &job->nodes[i];
    return NULL;
}

int tm_job_validate(tm_job_t *job)
{
    uint32_t feeds = 0, sinks = 0;
    for (uint32_t i = 0; i < job->node_cnt && job->err == 0; i++) {
        const struct tm_stream *node = &job->nodes[i];
        feeds += node->kind == TM_NODE_FEED;
        sinks += node->kind == TM_NODE_PARTS;
        bool read = node->kind == TM_NODE_PARTS;
        for (uint32_t k = i + 1; k < job->node_cnt; k++) read |= job->nodes[k].in_idx == (int32_t)i;
        if (!read)
            job_fail(job, "%s %s: nothing reads its output; end the path in a sink",
                     tm_node_kind_name(node->kind), node->name);
        else if (node->kind == TM_NODE_WINDOW && !tm_job_upstream(job, node, TM_NODE_WATERMARKS))
            job_fail(job, "window %s: put watermarks between the feed and it, or it never fires",
                     node->name);
        else if (node->kind == TM_NODE_PARTS && !tm_job_upstream(job, node, TM_NODE_KEY_BY))
            job_fail(job, "sink_parts %s: put key_by before it; that is where rows go to workers",
                     node->name);
    }
    if (job->err == 0 && feeds != 1)
        job_fail(job, "a job has one feed in this version; this one has %u", feeds);
    if (job->err == 0 && sinks == 0) job_fail(job, "the job has no sink");
    return job->err ? tm_error_set(job->err, "%s", job->err_text) : 0;
}
