#include "engine/runtime/source/ingest.h"

#include "base/clock.h"
#include "engine/job/nodes.h"
#include "engine/operators/function_error.h"
#include "engine/runtime/checkpoint/restore.h"
#include "engine/runtime/idle.h"
#include "engine/runtime/source/row_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SOURCE_MAX = TM_ROW_SOURCE_PARTITION_MAX + 1,
    SOURCE_WAIT_NS = 20 *
                     TM_NS_PER_MS, /* how long one poll may sleep: bounds the reaction to stop */
};

struct tm_ingest {
    tm_thread_t thread;
    tm_ingest_cfg_t cfg;
    tm_task_t *task;
    tm_frame_reader_t *reader; /* NULL: the graph has no feed */
    tm_row_source_t *sources[SOURCE_MAX];
    uint32_t source_cnt;
    tm_journal_writer_t *journal; /* NULL = frames are not recorded; not owned */
    tm_checkpoint_slot_t *slot;   /* NULL = no checkpoints */
    uint64_t barrier_id;          /* the last that was seen */
    uint8_t partition_was[TM_ROW_SOURCE_PARTITION_MAX]; /* in the checkpoint restored from */
    tm_idle_t idle;
};

tm_thread_t *tm_ingest_thread(tm_ingest_t *ingest)
{
    return &ingest->thread;
}

int tm_ingest_record(tm_ingest_t *ingest, tm_journal_writer_t *journal, const char *dir)
{
    ingest->journal = journal;
    return ingest->reader ? tm_frame_reader_record(ingest->reader, journal, dir) : 0;
}

void tm_ingest_bury(tm_ingest_t *ingest, tm_journal_writer_t *journal)
{
    if (ingest->reader) tm_frame_reader_bury(ingest->reader, journal);
}

/* ---- the end of sources ---------------------------------------------------------------------- */

/* Ends the source nodes that no open source feeds any more. */
static void nodes_end(tm_ingest_t *in)
{
    const tm_job_t *job = in->cfg.topo->job;
    uint64_t fed = 0;
    for (uint32_t s = 0; s < in->source_cnt; s++)
        if (!in->sources[s]->ended) fed |= in->sources[s]->nodes;
    for (uint32_t i = 0; i < job->node_cnt; i++)
        if (job->nodes[i].ops->role == TM_ROLE_SOURCE && !(fed >> i & 1))
            tm_task_source_end(in->task, i);
}

static void source_end(tm_ingest_t *in, tm_row_source_t *src)
{
    src->ops->close(src);
    src->ended = true;
    for (uint32_t p = 0; p < TM_ROW_SOURCE_PARTITION_MAX; p++)
        if (src->partitions >> p & 1) tm_task_partition_end(in->task, p);
    nodes_end(in);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* A source within the slot's blob; its position follows. */
typedef struct source_mark {
    uint64_t sz;
    uint64_t nodes;
    uint64_t partitions;
    uint32_t input_idx, unused;
} source_mark_t;

uint64_t tm_ingest_journal_seq(const tm_ingest_t *in)
{
    uint64_t seq = in->journal ? tm_journal_next_seq(in->journal) : 0;
    for (uint32_t s = 0; s < in->source_cnt; s++) {
        const tm_row_source_t *src = in->sources[s];
        const uint64_t at = src->ops->recorded ? src->ops->recorded(src) : UINT64_MAX;
        if (at < seq) seq = at;
    }
    return seq;
}

/* Operators, then one position a source. */
static int state_save(tm_ingest_t *in, tm_checkpoint_state_t *state)
{
    tm_buffer_t *blob = &state->blob;
    tm_buffer_clear(blob);
    atomic_store_explicit(&state->journal_seq, tm_ingest_journal_seq(in),
                          memory_order_release); /* K9 */
    TM_TRY(tm_task_save(in->task, blob));
    for (uint32_t s = 0; s < in->source_cnt; s++) {
        const tm_row_source_t *src = in->sources[s];
        size_t at = blob->sz;
        source_mark_t mark = {
            .nodes = src->nodes, .partitions = src->partitions, .input_idx = src->input_idx};
        TM_TRY(tm_buffer_append(blob, &mark, sizeof mark));
        TM_TRY(src->ops->save(src, blob));
        mark.sz = blob->sz - at - sizeof mark;
        memcpy(blob->data + at, &mark, sizeof mark);
    }
    return 0;
}

/* Sends a barrier that is due, behind all that was read. *last: nothing is to be read any more. */
static int barrier_look(tm_ingest_t *in, bool *last)
{
    *last = false;
    if (!in->slot) return 0;
    uint64_t id = tm_coordinator_triggered(in->cfg.coordinator, last);
    if (id == in->barrier_id) return 0;
    in->barrier_id = id;
    if (tm_coordinator_gave_up(in->cfg.coordinator, id)) return 0;
    TM_TRY(state_save(in, &in->slot->at_barrier));
    tm_checkpoint_ack(in->slot, id);
    tm_task_barrier(in->task, id);
    return 0;
}

/* Behind the checkpoint that ends the job: until it is complete, or is to be taken again. */
static int halt_await(tm_ingest_t *in)
{
    const struct timespec nap = {0, TM_NS_PER_MS};
    bool last;
    while (!tm_coordinator_halted(in->cfg.coordinator)) {
        if (atomic_load_explicit(in->cfg.abort, memory_order_acquire)) break; /* A1 */
        TM_TRY(barrier_look(in, &last));
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* A source of the checkpoint. */
typedef struct source_was {
    source_mark_t mark;
    const uint8_t *at; /* its position */
    uint64_t nodes;    /* that it feeds, as they are numbered now */
    bool taken;
} source_was_t;

static int source_read(source_was_t *was, const tm_graph_match_t *match, const uint8_t *at,
                       size_t sz)
{
    *was = (source_was_t){.at = at + sizeof was->mark};
    if (sz < sizeof was->mark)
        return tm_error_set(TM_E_CORRUPT, "positions of sources are missing");
    memcpy(&was->mark, at, sizeof was->mark);
    if (was->mark.sz > sz - sizeof was->mark)
        return tm_error_set(TM_E_CORRUPT, "positions of sources are cut");
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++)
        if ((was->mark.nodes >> i & 1) && match->nodes[i] >= 0)
            was->nodes |= UINT64_C(1) << match->nodes[i];
    return 0;
}

/* What a source was, by what it feeds; NULL = the checkpoint does not know it. */
static source_was_t *source_find(source_was_t *list, uint32_t cnt, const tm_row_source_t *src)
{
    for (uint32_t i = 0; i < cnt; i++)
        if ((list[i].nodes & src->nodes) && list[i].mark.input_idx == src->input_idx)
            return &list[i];
    return NULL;
}

/* The partitions of a source, in their order; where it feeds others than it did, all are new. */
static void partitions_map(uint8_t *map, const source_was_t *was, uint64_t is)
{
    uint64_t old = was->mark.partitions;
    if (__builtin_popcountll(old) != __builtin_popcountll(is)) return;
    for (; is; is &= is - 1, old &= old - 1)
        map[__builtin_ctzll(is)] = (uint8_t)__builtin_ctzll(old);
}

/* A source that is new begins where it begins; one whose operator was there before is known. */
static int sources_match(tm_ingest_t *in, const tm_graph_match_t *match, source_was_t *list,
                         uint32_t cnt)
{
    uint64_t known = 0;
    uint8_t *map = in->partition_was;
    memset(map, TM_PARTITION_NEW, TM_ROW_SOURCE_PARTITION_MAX);
    for (uint32_t i = 0; i < cnt; i++) known |= list[i].nodes;
    for (uint32_t s = 0; s < in->source_cnt; s++) {
        tm_row_source_t *src = in->sources[s];
        source_was_t *was = source_find(list, cnt, src);
        if ((!was && (known & src->nodes)) || (!was && !match->changed) ||
            (was && !match->changed && was->nodes != src->nodes))
            return tm_error_set(TM_E_CONFIG, "the inputs of the job are others than they were");
        if (!was) continue;
        was->taken = true;
        partitions_map(map, was, src->partitions);
        TM_TRY(src->ops->restore(src, was->at, was->mark.sz));
    }
    for (uint32_t i = 0; i < cnt; i++)
        if (!list[i].taken && list[i].nodes)
            return tm_error_set(TM_E_CONFIG, "the checkpoint has more inputs than the job now");
    return 0;
}

int tm_ingest_restore(tm_ingest_t *ingest, tm_restore_t *restore)
{
    const void *bytes;
    size_t sz;
    source_was_t list[SOURCE_MAX];
    uint32_t cnt = 0;
    const tm_graph_match_t *match = &restore->match;
    TM_TRY(tm_restore_blob(restore, TM_BLOB_INGEST, ingest->cfg.ingest_idx, &bytes, &sz));
    const int64_t ops_sz = tm_task_blob_sz(bytes, sz);
    if (ops_sz < 0) return (int)ops_sz;
    for (size_t at = (size_t)ops_sz; at < sz; cnt++) {
        if (cnt == SOURCE_MAX) return tm_error_set(TM_E_CORRUPT, "more sources than there can be");
        TM_TRY(source_read(&list[cnt], match, (const uint8_t *)bytes + at, sz - at));
        at += sizeof list[cnt].mark + list[cnt].mark.sz;
    }
    TM_TRY(sources_match(ingest, match, list, cnt));
    if (match->changed) tm_task_partitions_were(ingest->task, ingest->partition_was);
    const int64_t done = tm_task_restore(ingest->task, match, bytes, (size_t)ops_sz);
    return done < 0 ? (int)done : 0;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* A source waits where all of its partitions do; one that holds the others back goes on. */
static bool source_is_held(tm_ingest_t *in, const tm_row_source_t *src)
{
    for (uint32_t p = 0; p < TM_ROW_SOURCE_PARTITION_MAX; p++)
        if ((src->partitions >> p & 1) && !tm_task_is_held(in->task, p)) return false;
    return src->partitions != 0;
}

/* Polls every open source once. The only one may sleep in its poll; several take turns. */
static int round_run(tm_ingest_t *in, uint32_t *open_cnt, uint64_t *work_cnt)
{
    bool spin = in->idle.kind == TM_IDLE_SPIN;
    int64_t wait_ns = in->source_cnt == 1 && !spin ? SOURCE_WAIT_NS : 0;
    *open_cnt = 0;
    *work_cnt = 0;
    for (uint32_t s = 0; s < in->source_cnt; s++) {
        tm_row_source_t *src = in->sources[s];
        if (src->ended) continue;
        if (source_is_held(in, src)) {
            ++*open_cnt;
            continue;
        }
        int n = src->ops->poll(src, wait_ns);
        if (n == TM_E_CLOSED)
            source_end(in, src);
        else if (n < 0)
            return n;
        else
            *work_cnt += (uint64_t)n;
        *open_cnt += !src->ended;
        *work_cnt += tm_task_work(in->task, tm_clock_mono_ns());
    }
    return 0;
}

static int sources_open(tm_ingest_t *in)
{
    for (uint32_t s = 0; s < in->source_cnt; s++) {
        TM_TRY(in->sources[s]->ops->open(in->sources[s]));
        in->sources[s]->opened = true;
    }
    nodes_end(in);
    return 0;
}

static void sources_close(tm_ingest_t *in)
{
    for (uint32_t s = 0; s < in->source_cnt; s++)
        if (in->sources[s]->opened && !in->sources[s]->ended)
            in->sources[s]->ops->close(in->sources[s]);
}

/* All that was read has been sent: what stands now stands for good. */
static int end_tell(tm_ingest_t *in)
{
    if (!in->slot) return 0;
    TM_TRY(state_save(in, &in->slot->at_end));
    tm_checkpoint_end(in->slot);
    return 0;
}

static int ingest_body(void *arg)
{
    tm_ingest_t *in = arg;
    int err = tm_thread_pin(&in->thread);
    tm_function_error_clear();
    if (err == 0) err = sources_open(in);
    bool last = false;
    if (err == -EINTR) /* told to stop while still connecting: it stays where it is */
        err = 0, last = in->slot != NULL;
    else if (err == 0)
        tm_thread_is_running(&in->thread);
    bool sleeps = in->source_cnt == 1 && in->sources[0]->ops->sleeps;
    uint32_t open_cnt = in->source_cnt;
    while (err == 0 && open_cnt > 0 && !last &&
           !atomic_load_explicit(in->cfg.stop, memory_order_acquire)) { /* R1 */
        uint64_t work_cnt;
        err = barrier_look(in, &last);
        if (err < 0 || last) break;
        err = round_run(in, &open_cnt, &work_cnt);
        if (err == -EINTR && in->slot) err = 0, last = true; /* likewise, behind a backlog */
        if (err == 0) err = tm_function_error();
        tm_thread_cycle(&in->thread, tm_clock_mono_ns(), work_cnt == 0);
        if (!sleeps || in->idle.kind == TM_IDLE_SPIN) tm_idle_round(&in->idle, work_cnt);
    }
    if (err == 0 && last) err = halt_await(in);
    /* Closing may log and replace the trail; the text that explains err must survive it. */
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", tm_error_text());
    sources_close(in);
    bool ends = !in->slot || (err == 0 && open_cnt == 0);
    if (ends) tm_task_end(in->task); /* else the next run goes on from the last checkpoint */
    if (ends && err == 0) err = end_tell(in);
    return err < 0 ? tm_error_set(err, "%s", text) : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The partitions of arrays and generators that belong to this thread. */
static int memory_sources_make(tm_ingest_t *in, uint32_t *partition_cnt, uint64_t *partitions)
{
    const tm_topology_t *t = in->cfg.topo;
    const tm_options_t *o = &t->job->opts;
    uint32_t input = 0; /* number among the inputs of the job */
    if (tm_job_next_feed(t->job, 0))
        input = o->connect_cnt + o->replay_cnt ? o->connect_cnt + o->replay_cnt : 1;
    for (const struct tm_stream *n = tm_job_next(t->job, &tm_generator_node, 0); n;
         n = tm_job_next(t->job, &tm_generator_node, n->node_idx + 1)) {
        const tm_generator_node_spec_t *spec = n->spec;
        for (uint32_t p = 0; p < spec->partitions; p++, input++) {
            if (input % t->ingest_cnt != in->cfg.ingest_idx) continue;
            if (*partition_cnt == TM_ROW_SOURCE_PARTITION_MAX)
                return tm_error_set(
                    TM_E_CONFIG, "an ingest thread has at most %d inputs: give more --ingest-cores",
                    TM_ROW_SOURCE_PARTITION_MAX);
            TM_TRY(tm_memory_source_make(&in->sources[in->source_cnt], n, p, *partition_cnt,
                                         in->thread.counters));
            in->source_cnt++;
            partitions[n->node_idx] |= UINT64_C(1) << (*partition_cnt)++;
        }
    }
    return 0;
}

static int feeds_make(tm_ingest_t *in, uint32_t *partition_cnt, uint64_t *partitions)
{
    const tm_frame_reader_cfg_t cfg = {.topo = in->cfg.topo,
                                       .ingest_idx = in->cfg.ingest_idx,
                                       .symbols = in->cfg.symbols,
                                       .counters = in->thread.counters,
                                       .idle = in->idle.kind,
                                       .stop = in->cfg.leaving,
                                       .abort = in->cfg.abort};
    TM_TRY(tm_frame_reader_open(&in->reader, &cfg));
    int n = tm_feed_sources_make(in->reader, in->sources, SOURCE_MAX, partition_cnt, partitions);
    if (n < 0) return n;
    in->source_cnt = (uint32_t)n;
    return 0;
}

int tm_ingest_open(tm_ingest_t **out, const tm_ingest_cfg_t *cfg)
{
    tm_ingest_t *in = calloc(1, sizeof *in);
    if (!in) return tm_error_set(-ENOMEM, "ingest: out of memory");
    *out = in;
    in->cfg = *cfg;
    const tm_thread_plan_t *plan = &cfg->topo->ingests[cfg->ingest_idx];
    in->idle.kind = plan->idle;
    TM_TRY(tm_thread_init(&in->thread, plan, ingest_body, in));

    uint64_t partitions[TM_JOB_NODE_MAX] = {0};
    uint32_t partition_cnt = 0;
    if (tm_job_next_feed(cfg->topo->job, 0)) TM_TRY(feeds_make(in, &partition_cnt, partitions));
    TM_TRY(memory_sources_make(in, &partition_cnt, partitions));
    if (cfg->coordinator) in->slot = tm_coordinator_ingest(cfg->coordinator, cfg->ingest_idx);
    const tm_task_cfg_t task = {.topo = cfg->topo,
                                .place = TM_AT_SOURCE,
                                .subtask_idx = cfg->ingest_idx,
                                .x_rings = cfg->x_rings,
                                .abort = cfg->abort,
                                .idle = in->idle.kind,
                                .counters = in->thread.counters,
                                .alignment = cfg->alignment,
                                .coordinator = cfg->coordinator,
                                .slot = in->slot,
                                .partition_cnt = partition_cnt,
                                .partitions = partitions};
    TM_TRY(tm_task_open(&in->task, &task));
    for (uint32_t s = 0; s < in->source_cnt; s++) in->sources[s]->task = in->task;
    return 0;
}

void tm_ingest_close(tm_ingest_t *ingest)
{
    if (!ingest) return;
    for (uint32_t s = 0; s < SOURCE_MAX; s++)
        if (ingest->sources[s]) ingest->sources[s]->ops->free(ingest->sources[s]);
    tm_task_close(ingest->task);
    tm_frame_reader_close(ingest->reader);
    tm_thread_fini(&ingest->thread);
    free(ingest);
}

int tm_ingest_dead_letters_write(const tm_ingest_t *ingest, FILE *out)
{
    return ingest->reader ? tm_frame_reader_dead_letters(ingest->reader, out) : 0;
}
