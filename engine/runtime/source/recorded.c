#include "engine/runtime/source/recorded.h"

#include "engine/runtime/source/journal_source.h"
#include "net/replay/replay.h"

int tm_recording_open(tm_source_t **out, const tm_recording_cfg_t *cfg)
{
    if (tm_journal_source_is(cfg->path)) return tm_journal_source_open(out, cfg);
    const tm_replay_cfg_t capture = {.path = cfg->path,
                                     .speed = cfg->speed,
                                     .conn_idx = cfg->conn_idx,
                                     .from_ns = cfg->from_ns,
                                     .to_ns = cfg->to_ns,
                                     .from_pos = cfg->from_pos,
                                     .streams = cfg->streams,
                                     .stream_cnt = cfg->stream_cnt,
                                     .counters = cfg->counters};
    return tm_replay_open(out, &capture);
}
