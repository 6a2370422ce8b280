#include "engine/runtime/sink/part_origin.h"

#include "base/check.h"
#include "engine/job/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(tm_part_origin_t *o, const char *key, const char *value)
{
    TM_CHECK(o->kv_cnt < TM_PART_ORIGIN_KEY_MAX, "no room for %s", key);
    o->kv[o->kv_cnt++] = (tm_parquet_kv_t){key, value};
}

void tm_part_origin_init(tm_part_origin_t *o, const tm_topology_t *topo,
                         const tm_coordinator_t *coordinator)
{
    const tm_options_t *opts = &topo->job->opts;
    memset(o, 0, sizeof *o);
    o->coordinator = coordinator;
    o->journal_cnt = opts->journal_dir ? topo->ingest_cnt : 0;
    put(o, "tidemark.job", opts->program ? opts->program : "");
    put(o, "tidemark.version", TM_VERSION);
    if (opts->journal_dir) put(o, "tidemark.journal", opts->journal_dir);
    if (!coordinator) return;
    put(o, "tidemark.epoch", o->epoch);
    if (opts->journal_dir) put(o, "tidemark.journal_range", o->range);
}

void tm_part_origin_from(tm_part_origin_t *o, uint32_t ingest_idx, uint64_t seq)
{
    o->from[ingest_idx] = seq;
}

void tm_part_origin_epoch(tm_part_origin_t *o, uint64_t id)
{
    int at = 0;
    if (!o->coordinator) return;
    snprintf(o->epoch, sizeof o->epoch, "%" PRIu64, id);
    for (uint32_t i = 0; i < o->journal_cnt; i++) {
        const char *gap = i > 0 ? " " : "";
        char *out = o->range + at;
        uint64_t to;
        if (tm_coordinator_journal_seq(o->coordinator, i, id, &to)) {
            at += snprintf(out, TM_PART_ORIGIN_RANGE_MAX, "%s[%" PRIu64 ",%" PRIu64 ")", gap,
                           o->from[i], to);
            o->from[i] = to;
        } else {
            at += snprintf(out, TM_PART_ORIGIN_RANGE_MAX, "%s[%" PRIu64 ",?)", gap, o->from[i]);
        }
    }
}
