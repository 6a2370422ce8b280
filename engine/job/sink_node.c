/* Builders of sinks. */
#include "engine/job/nodes.h"

#include <string.h>

static const char *const formats[] = {"parquet", "csv", "jsonl"};

static void parts_print(const struct tm_stream *node, FILE *out)
{
    const tm_parts_node_spec_t *spec = node->spec;
    fprintf(out, "  %s/%s %s, ", node->job->opts.out_dir, spec->folder,
            formats[spec->parts.format]);
    if (spec->parts.folder)
        fputs("buckets of the job's own", out);
    else
        fprintf(out, "buckets %s", spec->parts.bucket_format);
}

/* Where its files are found once the job knows it no more. */
static void parts_schema(const struct tm_stream *node, FILE *out)
{
    fprintf(out, "  folder %s\n", ((const tm_parts_node_spec_t *)node->spec)->folder);
}

const tm_node_ops_t tm_parts_node = {.kind = "sink_parts",
                                     .role = TM_ROLE_SINK,
                                     .print = parts_print,
                                     .layout = TM_SINK_LAYOUT,
                                     .schema = parts_schema};
const tm_node_ops_t tm_callback_node = {.kind = "sink_callback", .role = TM_ROLE_SINK};
const tm_node_ops_t tm_two_phase_node = {
    .kind = "sink_two_phase", .role = TM_ROLE_SINK, .layout = TM_SINK_LAYOUT};

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

/* Keeps a text of the caller's. */
static const char *keep(tm_job_t *job, char to[TM_PART_FOLDER_MAX], const char *text)
{
    if (!text) return NULL;
    if (strlen(text) >= TM_PART_FOLDER_MAX)
        tm_job_fail(job, "sink_parts: '%s' is longer than %d bytes", text, TM_PART_FOLDER_MAX - 1);
    snprintf(to, TM_PART_FOLDER_MAX, "%s", text);
    return to;
}

/* What the command line says comes first. */
static void apply_options(tm_parts_node_spec_t *node, const tm_part_flags_t *flags)
{
    tm_parts_spec_t *parts = &node->parts;
    if (flags->has_format) parts->format = flags->format;
    if (flags->bucket) parts->bucket_format = flags->bucket;
    if (flags->bucket) parts->folder = NULL;
    if (flags->roll_interval_ns > 0) parts->roll_interval_ns = flags->roll_interval_ns;
    if (flags->roll_idle_ns > 0) parts->roll.idle_ns = flags->roll_idle_ns;
    if (flags->roll_sz > 0) parts->roll.max_sz = flags->roll_sz;
    if (flags->compact_checkpoints > 0)
        parts->compact.checkpoints = (uint32_t)flags->compact_checkpoints;
    if (flags->byte_ns > 0) parts->byte_ns = (uint32_t)flags->byte_ns;
    if (flags->compact_sz > 0) parts->compact.max_sz = flags->compact_sz;
    if (parts->roll_interval_ns > 0) parts->roll.age_ns = parts->roll_interval_ns;
}

static void take_parts(tm_job_t *job, tm_parts_node_spec_t *node, const tm_parts_spec_t *spec)
{
    const tm_part_flags_t *flags = &job->opts.parts;
    tm_parts_spec_t *parts = &node->parts;
    const char *compression = flags->compression ? flags->compression : spec->compression;
    *parts = *spec;
    parts->bucket_field = keep(job, node->text[0], spec->bucket_field);
    parts->bucket_format = keep(job, node->text[1],
                                spec->bucket_format ? spec->bucket_format : "%Y-%m-%d--%H");
    parts->bucket_zone = keep(job, node->text[2], spec->bucket_zone);
    parts->prefix = keep(job, node->text[3], spec->prefix);
    parts->suffix = keep(job, node->text[4], spec->suffix);
    parts->bloom_fields = keep(job, node->text[5],
                               flags->bloom_fields ? flags->bloom_fields : spec->bloom_fields);
    parts->compression = NULL;
    if (tm_part_compression_parse(compression ? compression : "zstd", &node->compression) < 0)
        tm_job_fail(job, "sink_parts: compression '%s': choose zstd, lz4, mixed or none",
                    compression);
    if ((unsigned)spec->format >= TM_ARRAY_CNT(formats))
        tm_job_fail(job, "sink_parts: unknown format %d", (int)spec->format);
    apply_options(node, flags);
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
    take_parts(job, parts, spec);
    /* The command line means every sink that it fits. */
    if (job->opts.parts.book_lists && in->schema.id == TM_SCHEMA_ID_LEVEL)
        parts->parts.book_lists = true;
}

void tm_sink_two_phase(tm_stream_t *in, const tm_sink_spec_t *spec)
{
    struct tm_stream *node = tm_job_add(in->job, &tm_two_phase_node, spec->name, &in, 1);
    tm_sink_node_spec_t *to = node ? tm_job_alloc(in->job, sizeof *to) : NULL;
    if (!to) return;
    to->sink = *spec;
    node->spec = to;
    if (!spec->open) tm_job_fail(in->job, "sink_two_phase %s: give open()", node->name);
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
