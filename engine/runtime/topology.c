#include "engine/runtime/topology.h"

#include "base/cpu.h"
#include "base/decimal.h"
#include "base/row.h"
#include "engine/job/nodes.h"
#include "engine/runtime/idle.h"

#include <string.h>

uint32_t tm_topology_inputs(const tm_job_t *job)
{
    uint32_t cnt = 0;
    if (tm_job_next_feed(job, 0)) {
        cnt = job->opts.connect_cnt + job->opts.replay_cnt;
        if (cnt == 0) cnt = 1; /* the job's own address */
    }
    for (const struct tm_stream *n = tm_job_next(job, &tm_generator_node, 0); n;
         n = tm_job_next(job, &tm_generator_node, n->node_idx + 1))
        cnt += ((const tm_generator_node_spec_t *)n->spec)->partitions;
    return cnt;
}

uint32_t tm_topology_producers(const tm_topology_t *topo, const tm_exchange_t *x)
{
    return topo->plan.nodes[x->from].place == TM_AT_SOURCE ? topo->ingest_cnt : topo->worker_cnt;
}

uint32_t tm_topology_sink(const tm_topology_t *topo, uint32_t node_idx)
{
    for (uint32_t s = 0; s < topo->sink_cnt; s++)
        if (topo->sinks[s]->node_idx == node_idx) return s;
    return UINT32_MAX;
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
        if (node->ops->role != TM_ROLE_SINK) continue;
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
    *topo = (tm_topology_t){.job = job, .ring_depth = o->ring_depth};
    uint32_t ingest_cnt = o->ingest_core_cnt ? o->ingest_core_cnt : 1;
    uint32_t worker_cnt = o->worker_core_cnt ? o->worker_core_cnt : 1;
    if (ingest_cnt > TM_TOPOLOGY_INGEST_MAX)
        return tm_error_set(TM_E_CONFIG, "--ingest-cores: at most %d", TM_TOPOLOGY_INGEST_MAX);
    if (worker_cnt > TM_TOPOLOGY_WORKER_MAX)
        return tm_error_set(TM_E_CONFIG, "--worker-cores: at most %d", TM_TOPOLOGY_WORKER_MAX);
    uint32_t inputs = tm_topology_inputs(job);
    TM_TRY(tm_plan_build(&topo->plan, job));
    /* Counts are set only now: whoever closes a plan that failed walks tables of these sizes. */
    topo->ingest_cnt = ingest_cnt < inputs ? ingest_cnt : inputs;
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
    topo->snapshot = topo->file;
    snprintf(topo->snapshot.name, sizeof topo->snapshot.name, "snapshot");
    return 0;
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
    fprintf(out, "tidemark %s on %s\n\n", TM_VERSION, cpu);
    tm_plan_print(&t->plan, out);
    fprintf(out, "\nthreads\n");
    for (uint32_t i = 0; i < t->ingest_cnt; i++) thread_print(&t->ingests[i], out);
    for (uint32_t i = 0; i < t->worker_cnt; i++) thread_print(&t->workers[i], out);
    thread_print(&t->file, out);
    if (t->job->opts.checkpoint.dir) thread_print(&t->snapshot, out);
    fprintf(out, "\nrings of %u rows\n", t->ring_depth);
    for (uint32_t i = 0; i < t->plan.exchange_cnt; i++) {
        const tm_exchange_t *x = &t->plan.exchanges[i];
        bool at_source = t->plan.nodes[x->from].place == TM_AT_SOURCE;
        char name[80];
        snprintf(name, sizeof name, "%s -> worker", at_source ? "ingest" : "worker");
        fprintf(out, "  %-24s %3u x %-4u B  stage %u, from %u %s\n", name,
                tm_topology_producers(t, x) * t->worker_cnt, x->stride, x->stage, x->from,
                tm_route_name((tm_route_t)x->route));
    }
    for (uint32_t s = 0; s < t->sink_cnt; s++) {
        char name[80];
        snprintf(name, sizeof name, "worker -> %s", t->sinks[s]->name);
        fprintf(out, "  %-24s %3u x %-4u B\n", name, t->worker_cnt, t->sink_strides[s]);
    }
    fprintf(out, "\nstate of %.0f MiB a worker, in pages of %d KiB\n\n",
            (double)t->job->opts.state_memory_sz / (1 << 20), TM_PAGE_SZ >> 10);
}
