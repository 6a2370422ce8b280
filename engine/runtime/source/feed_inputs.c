/* Which inputs a feed has: addresses, what of them is to be told apart, and the partitions that
   these are. Connections that bring the same messages are one partition: one that is behind all
   others holds event time back, a copy of it does not. */
#include "base/error.h"
#include "engine/runtime/source/feed_state.h"

#include <errno.h>
#include <stdlib.h>

tm_feed_cfg_t tm_feed_cfg_of(feed_source_t *f)
{
    const tm_frame_reader_cfg_t *c = &f->reader->cfg;
    const tm_options_t *o = &c->topo->job->opts;
    f->transport = tm_transport_of(&o->transport);
    return (tm_feed_cfg_t){
        .urls = f->urls,
        .url_cnt = f->url_cnt,
        .venue = o->venue,
        .streams = c->ingest_idx == 0 ? o->streams : NULL,
        .stream_cnt = c->ingest_idx == 0 ? o->stream_cnt : 0,
        .ca_file = o->ca_file,
        .transport = &f->transport,
        .stop = c->stop,
        .counters = c->counters,
        .retry_max = o->retry_max,
        .retry_first_ns = o->retry_delay_ns,
        .idle_ns = o->idle_timeout_ns,
        .reconnect_on_close = o->reconnect_on_close,
        .life_ns = o->rotate_ns,
        .stream_ns = o->stream_timeout_ns,
        .books = f->reader->wants_books,
        .on_link = f->reader->recorder ? tm_recorder_link : NULL,
        .on_link_ctx = f->reader->recorder,
    };
}

static void conn_add(feed_source_t *f, const char *text, uint32_t entry)
{
    int only;
    const char *where = tm_frame_reader_strip(f->reader, text, &only);
    if (f->path)
        f->path = where;
    else
        f->urls[f->url_cnt++] = where;
    for (uint32_t t = 0; t < f->reader->target_cnt; t++)
        if (only < 0 || only == (int)t) f->asks[t] |= UINT64_C(1) << entry;
}

/* What there is to be told apart, and who takes it. */
static int groups_find(feed_source_t *f)
{
    f->group_cnt = f->path != NULL;
    if (f->url_cnt > 0) {
        const tm_feed_cfg_t cfg = tm_feed_cfg_of(f);
        int cnt = tm_feed_groups(&cfg, f->feeds);
        if (cnt < 0) return cnt;
        f->group_cnt = (uint32_t)cnt;
    }
    for (uint32_t t = 0; t < f->reader->target_cnt; t++)
        for (uint32_t g = 0; g < f->group_cnt; g++) {
            const uint64_t bit = UINT64_C(1) << g;
            if (!(f->asks[t] >> f->feeds[g].entry & 1)) continue;
            f->wants[t] |= bit;
            *(f->reader->targets[t].json ? &f->json : &f->market) |= bit;
        }
    return 0;
}

/* Numbers the partitions of a source: one a feed of the graph and group. Where these are too many,
   all groups of an address share one. */
static int partitions_take(feed_source_t *f, uint32_t *partition_cnt, uint64_t *partitions)
{
    TM_TRY(groups_find(f));
    const uint32_t room = TM_ROW_SOURCE_PARTITION_MAX - *partition_cnt;
    const bool shared = f->group_cnt * f->reader->target_cnt > room;
    const uint32_t parts = !shared ? f->group_cnt : f->path ? 1 : f->url_cnt;
    if (parts * f->reader->target_cnt > room)
        return tm_error_set(TM_E_CONFIG,
                            "an ingest thread has at most %d inputs: give more --ingest-cores",
                            TM_ROW_SOURCE_PARTITION_MAX);
    for (uint32_t g = 0; g < f->group_cnt; g++)
        f->part_of[g] = shared ? f->feeds[g].entry : (uint8_t)g;
    for (uint32_t t = 0; t < f->reader->target_cnt; t++) {
        uint32_t node_idx = f->reader->targets[t].node->node_idx;
        f->first[t] = *partition_cnt;
        f->src.nodes |= UINT64_C(1) << node_idx;
        for (uint32_t g = 0; g < f->group_cnt; g++)
            if (f->wants[t] >> g & 1) {
                const uint64_t bit = UINT64_C(1) << (*partition_cnt + f->part_of[g]);
                f->src.partitions |= bit;
                partitions[node_idx] |= bit;
            }
        *partition_cnt += parts;
    }
    return 0;
}

static feed_source_t *feed_make(tm_frame_reader_t *r)
{
    feed_source_t *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->src.ops = &tm_feed_source_ops;
    f->reader = r;
    return f;
}

int tm_feed_sources_make(tm_frame_reader_t *r, tm_row_source_t **list, uint32_t cap,
                         uint32_t *partition_cnt, uint64_t *partitions)
{
    const tm_topology_t *topo = r->cfg.topo;
    const tm_options_t *o = &topo->job->opts;
    uint32_t made = 0;
    for (uint32_t i = r->cfg.ingest_idx; i < o->replay_cnt && made < cap; i += topo->ingest_cnt) {
        feed_source_t *f = feed_make(r);
        if (!f) return tm_error_set(-ENOMEM, "feed: out of memory");
        list[made] = &f->src;
        f->path = o->replays[i];
        f->src.input_idx = i;
        f->replay_idx = made++;
        conn_add(f, o->replays[i], 0);
        TM_TRY(partitions_take(f, partition_cnt, partitions));
    }
    if (o->replay_cnt > 0 || r->target_cnt == 0) return (int)made;
    feed_source_t *f = feed_make(r);
    if (!f) return tm_error_set(-ENOMEM, "feed: out of memory");
    list[made++] = &f->src;
    f->src.input_idx = r->cfg.ingest_idx;
    for (uint32_t i = r->cfg.ingest_idx; i < o->connect_cnt; i += topo->ingest_cnt)
        conn_add(f, o->connects[i], f->url_cnt);
    /* The job's own addresses, each for its feed. */
    for (uint32_t t = 0; t < r->target_cnt && o->connect_cnt == 0; t++) {
        const tm_feed_node_spec_t *spec = r->targets[t].node->spec;
        if (!spec->url[0]) continue;
        f->asks[t] |= UINT64_C(1) << f->url_cnt;
        f->urls[f->url_cnt++] = spec->url;
    }
    TM_TRY(partitions_take(f, partition_cnt, partitions));
    return (int)made;
}
