#include "engine/job/plan.h"

#include <string.h>

/* What is known of an edge while its producer is looked for, from the consumer upwards. */
typedef struct search {
    uint16_t to;
    uint8_t input;
    tm_route_t route;
    const struct tm_stream *key_by;
} search_t;

const tm_schema_t *tm_node_output(const struct tm_stream *node, uint32_t output)
{
    return output == 0 ? &node->schema : &node->sides[output - 1].schema;
}

uint32_t tm_plan_inputs(const tm_plan_t *plan, uint32_t node_idx)
{
    uint32_t cnt = 0;
    for (uint32_t e = 0; e < plan->edge_cnt; e++) cnt += plan->edges[e].to == node_idx;
    return cnt;
}

const char *tm_route_name(tm_route_t route)
{
    static const char *const names[] = {"in turn", "by key", "to all", "to one"};
    return names[route];
}

static bool node_runs(const struct tm_stream *node)
{
    return node->ops->role == TM_ROLE_SOURCE || node->ops->role == TM_ROLE_OPERATOR ||
           node->ops->role == TM_ROLE_SINK;
}

static int edge_add(tm_plan_t *plan, const search_t *s, uint32_t from, uint32_t output,
                    tm_route_t routes[], const struct tm_stream *key_bys[])
{
    if (plan->edge_cnt == TM_PLAN_EDGE_MAX)
        return tm_error_set(TM_E_CONFIG, "a job has at most %d edges", TM_PLAN_EDGE_MAX);
    routes[plan->edge_cnt] = s->route;
    key_bys[plan->edge_cnt] = s->key_by;
    plan->edges[plan->edge_cnt++] = (tm_plan_edge_t){.from = (uint16_t)from,
                                                     .to = s->to,
                                                     .output = (uint8_t)output,
                                                     .input = s->input,
                                                     .exchange_idx = -1};
    return 0;
}

/* Follows an input through nodes that only say how rows travel, to those that put them out. The
   one nearest to the consumer decides the route. */
static int edges_find(tm_plan_t *plan, search_t s, uint32_t at, tm_route_t routes[],
                      const struct tm_stream *key_bys[])
{
    const struct tm_stream *node = &plan->job->nodes[at];
    switch (node->ops->role) {
    case TM_ROLE_KEY_BY:
        if (s.route == TM_ROUTE_FORWARD) {
            s.route = TM_ROUTE_KEY;
            s.key_by = node;
        }
        break;
    case TM_ROLE_BROADCAST:
        if (s.route == TM_ROUTE_FORWARD) s.route = TM_ROUTE_BROADCAST;
        break;
    case TM_ROLE_UNION:
        break;
    case TM_ROLE_SIDE:
        return edge_add(plan, &s, node->ins[0], node->side_idx, routes, key_bys);
    case TM_ROLE_SOURCE:
    case TM_ROLE_OPERATOR:
    case TM_ROLE_SINK:
        return edge_add(plan, &s, at, 0, routes, key_bys);
    }
    for (uint32_t i = 0; i < node->in_cnt; i++)
        TM_TRY(edges_find(plan, s, node->ins[i], routes, key_bys));
    return 0;
}

/* The exchange that an edge takes: one that is there, or a new one. */
static int exchange_get(tm_plan_t *plan, const tm_plan_edge_t *edge, tm_route_t route,
                        const struct tm_stream *key_by)
{
    for (uint32_t i = 0; i < plan->exchange_cnt; i++) {
        const tm_exchange_t *x = &plan->exchanges[i];
        if (x->from == edge->from && x->output == edge->output && x->route == route &&
            x->key_by == key_by)
            return (int)i;
    }
    if (plan->exchange_cnt == TM_PLAN_EXCHANGE_MAX)
        return tm_error_set(TM_E_CONFIG, "a job has at most %d exchanges", TM_PLAN_EXCHANGE_MAX);
    const struct tm_stream *from = &plan->job->nodes[edge->from];
    const tm_schema_t *rows = tm_node_output(from, edge->output);
    tm_exchange_t *x = &plan->exchanges[plan->exchange_cnt];
    *x = (tm_exchange_t){.from = edge->from,
                         .output = edge->output,
                         .route = (uint8_t)route,
                         .stage = (uint16_t)(plan->nodes[edge->from].stage + 1),
                         .key_by = key_by,
                         .row_sz = rows->row_sz,
                         .stride = (uint32_t)tm_align_up(rows->row_sz, TM_CACHE_LINE)};
    if (key_by) TM_TRY(tm_key_compile(&x->key, rows, key_by->key_fields));
    return (int)plan->exchange_cnt++;
}

static int node_plan(tm_plan_t *plan, uint32_t idx)
{
    tm_route_t routes[TM_PLAN_EDGE_MAX];
    const struct tm_stream *key_bys[TM_PLAN_EDGE_MAX];
    const struct tm_stream *node = &plan->job->nodes[idx];
    tm_plan_node_t *p = &plan->nodes[idx];
    uint32_t first = plan->edge_cnt;
    p->runs = true;
    for (uint32_t i = 0; i < node->in_cnt; i++) {
        const search_t s = {.to = (uint16_t)idx,
                            .input = (uint8_t)i,
                            .route = node->ops->single ? TM_ROUTE_ONE : TM_ROUTE_FORWARD};
        TM_TRY(edges_find(plan, s, node->ins[i], routes, key_bys));
    }
    bool at_source = node->ops->role == TM_ROLE_SOURCE || node->ops->at_source;
    for (uint32_t e = first; e < plan->edge_cnt; e++)
        at_source &= routes[e] == TM_ROUTE_FORWARD &&
                     plan->nodes[plan->edges[e].from].place == TM_AT_SOURCE;
    p->place = at_source ? TM_AT_SOURCE : TM_AT_WORKER;
    for (uint32_t e = first; e < plan->edge_cnt; e++) {
        tm_plan_edge_t *edge = &plan->edges[e];
        const tm_plan_node_t *from = &plan->nodes[edge->from];
        uint16_t stage = from->stage;
        if (routes[e] != TM_ROUTE_FORWARD || from->place != p->place) {
            int x = exchange_get(plan, edge, routes[e], key_bys[e]);
            if (x < 0) return x;
            edge->exchange_idx = (int16_t)x;
            stage++;
        }
        if (stage > p->stage) p->stage = stage;
    }
    return 0;
}

int tm_plan_build(tm_plan_t *plan, const tm_job_t *job)
{
    memset(plan, 0, sizeof *plan);
    plan->job = job;
    /* Nodes are numbered in the order of the flow. */
    for (uint32_t i = 0; i < job->node_cnt; i++)
        if (node_runs(&job->nodes[i])) TM_TRY(node_plan(plan, i));
    return 0;
}

static void node_print(const tm_plan_t *plan, uint32_t idx, FILE *out)
{
    const struct tm_stream *node = &plan->job->nodes[idx];
    const tm_plan_node_t *p = &plan->nodes[idx];
    char place[24] = "-";
    if (p->runs && p->place == TM_AT_SOURCE)
        snprintf(place, sizeof place, "source");
    else if (p->runs)
        snprintf(place, sizeof place, "worker %u", p->stage);
    fprintf(out, "  %2u %-9s %-16s %-12s", idx, place, node->ops->kind, node->name);
    for (uint32_t i = 0; i < node->in_cnt; i++)
        fprintf(out, "%s %u", i ? "," : " <-", node->ins[i]);
    if (node->ops->print) node->ops->print(node, out);
    fputc('\n', out);
}

void tm_plan_print(const tm_plan_t *plan, FILE *out)
{
    fprintf(out, "graph\n");
    for (uint32_t i = 0; i < plan->job->node_cnt; i++) node_print(plan, i, out);
}
