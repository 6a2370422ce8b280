/* Builders of sinks. */
#include "engine/job/nodes.h"

#include <string.h>

static void parts_print(const struct tm_stream *node, FILE *out)
{
    const tm_parts_node_spec_t *parts = node->spec;
    fprintf(out, "  %s/%s buckets %s", node->job->opts.out_dir, parts->folder,
            parts->bucket_format);
}

const tm_node_ops_t tm_parts_node = {
    .kind = "sink_parts", .role = TM_ROLE_SINK, .print = parts_print};
const tm_node_ops_t tm_callback_node = {.kind = "sink_callback", .role = TM_ROLE_SINK};

static bool folder_is_taken(const tm_job_t *job, uint32_t before, const char *folder)
{
    for (uint32_t i = 0; i < before; i++) {
        const struct tm_stream *other = &job->nodes[i];
        if (other->ops != &tm_parts_node) continue;
        const tm_parts_node_spec_t *parts = other->spec;
        if (strcmp(parts->folder, folder) == 0) return true;
    }
    return false;
}

void tm_sink_parts(tm_stream_t *in, const tm_parts_spec_t *spec)
{
    static const tm_parts_spec_t none = {0};
    tm_job_t *job = in->job;
    if (!spec) spec = &none;
    struct tm_stream *node = tm_job_add(job, &tm_parts_node, spec->name ? spec->name : "parts", &in,
                                        1);
    tm_parts_node_spec_t *parts = node ? tm_job_alloc(job, sizeof *parts) : NULL;
    if (!parts) return;
    node->spec = parts;
    if (spec->name && (strchr(spec->name, '/') || spec->name[0] == '.' ||
                       strlen(spec->name) >= sizeof parts->folder)) {
        tm_job_fail(job, "sink_parts: name '%s' must be one folder, not hidden, of up to %zu bytes",
                    spec->name, sizeof parts->folder - 1);
        return;
    }
    if (folder_is_taken(job, node->node_idx, spec->name ? spec->name : "")) {
        tm_job_fail(job,
                    "sink_parts: two sinks write into the same folder; give each its own name");
        return;
    }
    if (spec->bucket_field) {
        int idx = tm_schema_find(&in->schema, spec->bucket_field);
        if (idx < 0 || in->schema.fields[idx].type != TM_TYPE_TIME_NS) {
            tm_job_fail(job, "sink_parts: bucket_field '%s' is not a time field of %s rows",
                        spec->bucket_field, in->schema.name);
            return;
        }
    }
    snprintf(parts->folder, sizeof parts->folder, "%s", spec->name ? spec->name : "");
    snprintf(parts->bucket_field, sizeof parts->bucket_field, "%s",
             spec->bucket_field ? spec->bucket_field : "");
    snprintf(parts->bucket_format, sizeof parts->bucket_format, "%s",
             spec->bucket_format ? spec->bucket_format : "%Y-%m-%d--%H");
    parts->roll_interval_ns = job->opts.roll_interval_ns > 0 ? job->opts.roll_interval_ns
                                                             : spec->roll_interval_ns;
}

static struct tm_stream *callback_add(tm_stream_t *in, const tm_callback_spec_t *spec)
{
    struct tm_stream *node = tm_job_add(in->job, &tm_callback_node, spec->name, &in, 1);
    tm_callback_node_spec_t *to = node ? tm_job_alloc(in->job, sizeof *to) : NULL;
    if (!to) return NULL;
    to->callback = *spec;
    node->spec = to;
    return node;
}

void tm_sink_callback(tm_stream_t *in, const tm_callback_spec_t *spec)
{
    struct tm_stream *node = callback_add(in, spec);
    if (node && !spec->rows) tm_job_fail(in->job, "sink_callback %s: give rows()", node->name);
}

void tm_sink_print(tm_stream_t *in, const char *name)
{
    (void)callback_add(in, &(tm_callback_spec_t){.name = name ? name : "print"});
}
