#include "engine/runtime/topology.h"

#include "base/cpu.h"
#include "base/decimal.h"
#include "base/row.h"
#include "engine/runtime/idle.h"

#include <string.h>

/* Input i of the job (a URL or a file) belongs to ingest thread i modulo their number. */
static uint32_t input_cnt(const tm_job_t *job)
{
    uint32_t cnt = job->opts.connect_cnt + job->opts.replay_cnt;
    return cnt ? cnt : 1;
}

static bool core_is_shared(const tm_topology_t *t, uint32_t cpu_idx)
{
    uint32_t users = 0;
    for (uint32_t i = 0; i < t->ingest_cnt; i++) users += t->ingests[i].cpu_idx == cpu_idx;
    for (uint32_t i = 0; i < t->worker_cnt; i++) users += t->workers[i].cpu_idx == cpu_idx;
    return users > 1;
}

/* A thread may spin only where nobody else of ours needs its core. */
static tm_idle_kind_t idle_resolve(const tm_topology_t *t, const tm_thread_plan_t *plan)
{
    if (t->job->opts.idle != TM_IDLE_AUTO) return t->job->opts.idle;
    if (plan->cpu_idx == TM_CPU_ANY || core_is_shared(t, plan->cpu_idx)) return TM_IDLE_PARK;
    return TM_IDLE_SPIN;
}

static int sinks_plan(tm_topology_t *t)
{
    for (uint32_t i = 0; i < t->job->node_cnt; i++) {
        const struct tm_stream *node = &t->job->nodes[i];
        if (node->kind != TM_NODE_PARTS) continue;
        if (t->sink_cnt == TM_TOPOLOGY_SINK_MAX)
            return tm_error_set(TM_E_CONFIG, "a job has at most %d sinks", TM_TOPOLOGY_SINK_MAX);
        t->sink_strides[t->sink_cnt] = (uint32_t)tm_align_up(node->schema.row_sz, TM_CACHE_LINE);
        t->sinks[t->sink_cnt++] = node;
    }
    return 0;
}

int tm_topology_plan(tm_topology_t *topo, const tm_job_t *job)
{
    const tm_options_t *o = &job->opts;
    *topo = (tm_topology_t){.job = job, .ring_depth = o->ring_depth, .row_stride = TM_CACHE_LINE};
    const struct tm_stream *feed = tm_job_find(job, TM_NODE_FEED);
    if (feed) topo->row_stride = feed->schema.row_sz;
    uint32_t ingest_cnt = o->ingest_core_cnt ? o->ingest_core_cnt : 1;
    uint32_t worker_cnt = o->worker_core_cnt ? o->worker_core_cnt : 1;
    if (ingest_cnt > TM_TOPOLOGY_INGEST_MAX)
        return tm_error_set(TM_E_CONFIG, "--ingest-cores: at most %d", TM_TOPOLOGY_INGEST_MAX);
    if (worker_cnt > TM_TOPOLOGY_WORKER_MAX)
        return tm_error_set(TM_E_CONFIG, "--worker-cores: at most %d", TM_TOPOLOGY_WORKER_MAX);
    /* Counts are set only now: whoever closes a plan that failed walks tables of these sizes. */
    topo->ingest_cnt = ingest_cnt < input_cnt(job) ? ingest_cnt : input_cnt(job);
    topo->worker_cnt = worker_cnt;
    TM_TRY(sinks_plan(topo));

    for (uint32_t i = 0; i < topo->ingest_cnt; i++) {
        tm_thread_plan_t *p = &topo->ingests[i];
        snprintf(p->name, sizeof p->name, "ingest.%u", i);
        p->cpu_idx = o->ingest_core_cnt ? o->ingest_cores[i] : TM_CPU_ANY;
    }
    for (uint32_t i = 0; i < topo->worker_cnt; i++) {
        tm_thread_plan_t *p = &topo->workers[i];
        snprintf(p->name, sizeof p->name, "worker.%u", i);
        p->cpu_idx = o->worker_core_cnt ? o->worker_cores[i] : TM_CPU_ANY;
    }
    for (uint32_t i = 0; i < topo->ingest_cnt; i++)
        topo->ingests[i].idle = idle_resolve(topo, &topo->ingests[i]);
    for (uint32_t i = 0; i < topo->worker_cnt; i++)
        topo->workers[i].idle = idle_resolve(topo, &topo->workers[i]);
    topo->file = (tm_thread_plan_t){.name = "file", .cpu_idx = TM_CPU_ANY, .idle = TM_IDLE_PARK};
    return 0;
}

static const char *window_kind_name(tm_window_kind_t kind)
{
    static const char *const names[] = {"tumbling", "sliding", "cumulative", "session", "global",
                                        "count"};
    return names[kind];
}

static void node_print(const struct tm_stream *node, FILE *out)
{
    fprintf(out, "  %2u %-16s %-12s", node->node_idx, tm_node_kind_name(node->kind), node->name);
    if (node->in_idx >= 0) fprintf(out, " <- %d", node->in_idx);
    switch (node->kind) {
    case TM_NODE_FEED:
        fprintf(out, "  %s rows", node->schema.name);
        break;
    case TM_NODE_WATERMARKS:
        fprintf(out, "  bound %.3f s", (double)node->watermarks.bound_ns / 1e9);
        break;
    case TM_NODE_KEY_BY:
        break;
    case TM_NODE_WINDOW:
        fprintf(out, "  %s %.3f s, %u aggregates, rows of %u B",
                window_kind_name(node->window.spec.kind), (double)node->window.spec.size_ns / 1e9,
                node->window.agg_cnt, node->schema.row_sz);
        break;
    case TM_NODE_PARTS:
        fprintf(out, "  %s/%s buckets %s", node->job->opts.out_dir, node->parts.folder,
                node->parts.bucket_format);
        break;
    }
    fputc('\n', out);
}

static void thread_print(const tm_thread_plan_t *p, FILE *out)
{
    char core[16] = "any";
    if (p->cpu_idx != TM_CPU_ANY) snprintf(core, sizeof core, "%u", p->cpu_idx);
    fprintf(out, "  %-12s core %-4s idle %s\n", p->name, core, tm_idle_kind_name(p->idle));
}

void tm_topology_print(const tm_topology_t *t, FILE *out)
{
    char cpu[128];
    tm_cpu_describe(cpu, sizeof cpu);
    fprintf(out, "tidemark %s on %s\n\ngraph\n", TM_VERSION, cpu);
    for (uint32_t i = 0; i < t->job->node_cnt; i++) node_print(&t->job->nodes[i], out);
    fprintf(out, "\nthreads\n");
    for (uint32_t i = 0; i < t->ingest_cnt; i++) thread_print(&t->ingests[i], out);
    for (uint32_t i = 0; i < t->worker_cnt; i++) thread_print(&t->workers[i], out);
    thread_print(&t->file, out);
    fprintf(out, "\nrings of %u rows\n", t->ring_depth);
    fprintf(out, "  %-24s %3u x %-4u B\n", "ingest -> worker", t->ingest_cnt * t->worker_cnt,
            t->row_stride);
    for (uint32_t s = 0; s < t->sink_cnt; s++) {
        char name[80];
        snprintf(name, sizeof name, "worker -> %s", t->sinks[s]->name);
        fprintf(out, "  %-24s %3u x %-4u B\n", name, t->worker_cnt, t->sink_strides[s]);
    }
    fputc('\n', out);
}
