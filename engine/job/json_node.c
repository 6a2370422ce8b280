/* Builder of sources whose messages a job declares by paths. */
#include "engine/job/nodes.h"
#include "parse/json/json_rows.h"

static void json_print(const struct tm_stream *node, FILE *out)
{
    const tm_feed_node_spec_t *spec = node->spec;
    fprintf(out, "  JSON to %s rows", node->schema.name);
    if (spec->json->where) fprintf(out, " where %s is %s", spec->json->where, spec->json->is);
}

const tm_node_ops_t tm_json_node = {
    .kind = "source_json", .role = TM_ROLE_SOURCE, .print = json_print, .layout = TM_SOURCE_LAYOUT};

/* Absent values of fields that have no null of their own. */
static bool nulls_declare(struct tm_stream *node, const tm_json_source_spec_t *spec)
{
    tm_schema_t *schema = &node->schema;
    if (spec->nulls_off == 0) return true;
    if (spec->nulls_off % 8 != 0 || spec->nulls_off < TM_ROW_HEADER_SZ ||
        spec->nulls_off + 8 > schema->row_sz)
        return tm_job_fail(node->job, "source_json %s: nulls_off is no uint64_t of the struct %s",
                           node->name, schema->name),
               false;
    schema->null_off = (uint16_t)spec->nulls_off;
    for (size_t i = 0; i < spec->path_cnt; i++) {
        const tm_json_path_t *p = &spec->paths[i];
        int idx = p->field && !p->required ? tm_schema_find(schema, p->field) : -1;
        if (idx < 0) continue;
        tm_field_t *f = &schema->fields[idx];
        f->nullable = f->type != TM_TYPE_TIME_NS && f->type != TM_TYPE_SYMBOL;
        f->null_bit = (uint8_t)idx;
    }
    return true;
}

/* The paths as the parser takes them, in memory of the job. */
static tm_json_rows_cfg_t *paths_copy(struct tm_stream *node, const tm_json_source_spec_t *spec)
{
    tm_job_t *job = node->job;
    tm_json_rows_cfg_t *cfg = tm_job_alloc(job, sizeof *cfg);
    tm_json_rows_field_t *fields = tm_job_alloc(job, (spec->path_cnt ? spec->path_cnt : 1) *
                                                         sizeof *fields);
    if (!cfg || !fields) return NULL;
    for (size_t i = 0; i < spec->path_cnt; i++)
        fields[i] = (tm_json_rows_field_t){.path = tm_job_text(job, spec->paths[i].path),
                                           .field = tm_job_text(job, spec->paths[i].field),
                                           .required = spec->paths[i].required,
                                           .unit_ns = spec->paths[i].unit_ns};
    *cfg = (tm_json_rows_cfg_t){.schema = &node->schema,
                                .fields = fields,
                                .field_cnt = (uint32_t)spec->path_cnt,
                                .where = tm_job_text(job, spec->where),
                                .is = tm_job_text(job, spec->is)};
    return cfg;
}

tm_stream_t *tm_source_json(tm_job_t *job, const tm_json_source_spec_t *spec)
{
    struct tm_stream *node = tm_job_add(job, &tm_json_node, spec->name ? spec->name : "json", NULL,
                                        0);
    tm_feed_node_spec_t *feed = node ? tm_job_alloc(job, sizeof *feed) : NULL;
    if (!feed) return &job->broken;
    node->spec = feed;
    if (!tm_job_struct(job, node, spec->type, tm_node_schema_id(node, 0), &node->schema) ||
        !nulls_declare(node, spec) || !tm_feed_url_take(node, feed, spec->url))
        return &job->broken;
    feed->json = paths_copy(node, spec);
    if (!feed->json) return &job->broken;
    tm_json_rows_t *tried;
    int err = tm_json_rows_open(&tried, feed->json);
    tm_json_rows_close(tried);
    if (err < 0) return tm_job_fail(job, "source_json %s: %s", node->name, tm_error_text());
    return node;
}
