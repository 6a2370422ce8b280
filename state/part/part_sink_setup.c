/* What a part sink is made of: counters, names, encoder and buckets, as the configuration says. */
#include "base/error.h"
#include "state/part/part_sink_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS_BY_TIME = 64,
    BUCKETS_BY_FIELD = 1024,
    BUFFER_SZ_DEFAULT = 64 << 10,
    COMPACT_SZ_DEFAULT = 128 << 20,
};

static void open_counters(tm_part_sink_t *s)
{
    if (!s->cfg.counters) return;
    s->finished = tm_counter_get(s->cfg.counters, "parts_finished");
    s->rows = tm_counter_get(s->cfg.counters, "part_rows");
    s->bytes = tm_counter_get(s->cfg.counters, "part_bytes");
    s->syncs = tm_counter_get(s->cfg.counters, "fsyncs");
    s->errors = tm_counter_get(s->cfg.counters, "part_errors");
}

static int open_names(tm_part_sink_t *s)
{
    tm_part_naming_t *n = &s->naming;
    const char *prefix = s->cfg.prefix ? s->cfg.prefix : "part";
    const char *suffix = s->cfg.suffix ? s->cfg.suffix : s->enc->suffix;
    if (!tm_part_name_is_piece(prefix, true) || strlen(prefix) >= sizeof n->prefix)
        return tm_error_set(TM_E_CONFIG, "prefix '%s' of part files cannot begin a name", prefix);
    if (!tm_part_name_is_piece(suffix, false) || strlen(suffix) >= sizeof n->suffix)
        return tm_error_set(TM_E_CONFIG, "suffix '%s' of part files cannot end a name", suffix);
    snprintf(n->prefix, sizeof n->prefix, "%s", prefix);
    snprintf(n->suffix, sizeof n->suffix, "%s", suffix);
    if (s->cfg.names_by_id)
        snprintf(n->writer, sizeof n->writer, "%016llx", (unsigned long long)tm_part_id_make());
    else
        snprintf(n->writer, sizeof n->writer, "%u", s->cfg.subtask_idx);
    return 0;
}

static int open_encoder(tm_part_sink_t *s)
{
    const tm_part_sink_cfg_t *cfg = &s->cfg;
    if (cfg->format == TM_PART_PARQUET)
        return tm_part_parquet_open(
            &s->enc, &(tm_part_parquet_cfg_t){.writer = {.schema = &s->schema,
                                                         .symbols = cfg->symbols,
                                                         .cluster_field = cfg->cluster_field,
                                                         .compression = cfg->compression,
                                                         .byte_ns = cfg->byte_ns,
                                                         .book_lists = cfg->book_lists,
                                                         .bloom_fields = cfg->bloom_fields,
                                                         .group_rows = cfg->group_rows},
                                              .kv = cfg->kv,
                                              .kv_cnt = cfg->kv_cnt,
                                              .part_max = cfg->bucket_max});
    return tm_part_text_open(
        &s->enc,
        &(tm_part_text_cfg_t){.format = cfg->format == TM_PART_CSV ? TM_ROW_CSV : TM_ROW_JSON,
                              .schema = &s->schema,
                              .symbols = cfg->symbols,
                              .buffer_sz = cfg->buffer_sz,
                              .headless = cfg->headless});
}

static int open_buckets(tm_part_sink_t *s)
{
    TM_TRY(tm_part_bucketer_open(&s->bucketer, &s->schema, s->cfg.symbols, &s->cfg.bucket));
    if (s->cfg.bucket_max == 0)
        s->cfg.bucket_max = s->bucketer.field_cnt > 0 || s->cfg.bucket.folder ? BUCKETS_BY_FIELD
                                                                              : BUCKETS_BY_TIME;
    if (s->cfg.bucket_max > TM_PART_BUCKET_MAX)
        return tm_error_set(TM_E_CONFIG, "%u open buckets are more than %d", s->cfg.bucket_max,
                            TM_PART_BUCKET_MAX);
    s->buckets = calloc(s->cfg.bucket_max, sizeof *s->buckets);
    s->slots = calloc(TM_PART_KEY_CACHE_CNT, sizeof *s->slots);
    if (s->buckets && s->slots) return 0;
    return tm_error_set(-ENOMEM, "out of memory for %u buckets", s->cfg.bucket_max);
}

static int check_compact(tm_part_sink_t *s)
{
    tm_part_compact_cfg_t *c = &s->cfg.compact;
    if (c->checkpoints == 0) return 0;
    if (c->max_sz == 0) c->max_sz = COMPACT_SZ_DEFAULT;
    if (s->cfg.format == TM_PART_PARQUET && s->cfg.checkpointed) return 0;
    return tm_error_set(TM_E_CONFIG, "part files are merged where every checkpoint ends one: this "
                                     "takes Parquet and checkpoints");
}

/* Lists are not read back here, so parts with them are not merged. */
static int check_lists(const tm_part_sink_t *s)
{
    if (!s->cfg.book_lists) return 0;
    if (s->cfg.format == TM_PART_PARQUET && s->cfg.compact.checkpoints == 0) return 0;
    return tm_error_set(TM_E_CONFIG, "levels of a book as lists take Parquet, and parts that are "
                                     "not merged");
}

int tm_part_sink_setup(tm_part_sink_t *s)
{
    if (s->cfg.buffer_sz == 0) s->cfg.buffer_sz = BUFFER_SZ_DEFAULT;
    open_counters(s);
    TM_TRY(check_compact(s));
    TM_TRY(check_lists(s));
    TM_TRY(open_buckets(s));
    TM_TRY(open_encoder(s));
    return open_names(s);
}
