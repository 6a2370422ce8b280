#include "state/table/timer_queue.h"

#include "base/check.h"
#include "base/error.h"

#include <assert.h>
#include <string.h>

enum { LEAF_MAX = 41, FANOUT = 36, NODE_SZ = 1008 };

/* Timers lie at [first, first + cnt): taking from the front moves none. */
typedef struct leaf {
    uint32_t first, cnt;
    uint32_t reserved[2];
    tm_timer_t timers[LEAF_MAX];
} leaf_t;

/* kids[i] holds what is below bounds[i], kids[i + 1] what is not. */
typedef struct inner {
    uint32_t cnt; /* of kids */
    uint32_t reserved[3];
    tm_timer_t bounds[FANOUT - 1];
    tm_ref_t kids[FANOUT];
} inner_t;
static_assert(sizeof(leaf_t) <= NODE_SZ && sizeof(inner_t) <= NODE_SZ, "nodes fit their blocks");

/* The way to a leaf: inner nodes from the root down, and which kid was taken. */
typedef struct path {
    tm_ref_t nodes[TM_TIMER_HEIGHT_MAX];
    uint32_t kids[TM_TIMER_HEIGHT_MAX];
    uint32_t cnt;
    tm_ref_t leaf;
} path_t;

/* Without branches, for what a search compares with is not to be foreseen. */
static inline bool before(const tm_timer_t *a, const tm_timer_t *b)
{
    return (a->time_ns < b->time_ns) |
           ((a->time_ns == b->time_ns) &
            ((a->key < b->key) | ((a->key == b->key) & (a->name < b->name))));
}

/* How many of a sorted run are below x, or (upto) not above it. */
static uint32_t below_cnt(const tm_timer_t *run, uint32_t cnt, const tm_timer_t *x, bool upto)
{
    uint32_t at = 0;
    while (cnt > 0) {
        uint32_t half = (cnt + 1) / 2;
        const tm_timer_t *probe = &run[at + half - 1];
        bool low = upto ? !before(x, probe) : before(probe, x);
        at += low ? half : 0;
        cnt = low ? cnt - half : half - 1;
    }
    return at;
}

static void *node_at(const tm_timer_queue_t *q, tm_ref_t ref)
{
    return tm_ref_ptr(q->slab->arena, ref);
}

static void *node_edit(const tm_timer_queue_t *q, tm_ref_t ref)
{
    tm_ref_touch(q->slab->arena, ref);
    return tm_ref_ptr(q->slab->arena, ref);
}

void tm_timer_queue_init(tm_timer_queue_t *queue, tm_slab_t *slab)
{
    *queue = (tm_timer_queue_t){.slab = slab};
}

/* Splits a full kid of `parent`, which has room; the new node becomes kid at + 1. A node at the end
   of its level gives away only its last entry: timers mostly come in order of time, and nodes then
   stay full. False = no room. */
static bool kid_split(tm_timer_queue_t *q, tm_ref_t parent_ref, uint32_t at, bool leaves, bool last)
{
    tm_ref_t fresh_ref = tm_slab_alloc(q->slab, NODE_SZ);
    if (fresh_ref == 0) return false;
    inner_t *parent = node_edit(q, parent_ref);
    tm_timer_t bound;
    if (leaves) {
        leaf_t *kid = node_edit(q, parent->kids[at]), *fresh = node_at(q, fresh_ref);
        uint32_t keep = last ? kid->cnt - 1 : kid->cnt / 2;
        *fresh = (leaf_t){.cnt = kid->cnt - keep};
        memcpy(fresh->timers, &kid->timers[kid->first + keep], fresh->cnt * sizeof(tm_timer_t));
        kid->cnt = keep;
        bound = fresh->timers[0];
    } else {
        inner_t *kid = node_edit(q, parent->kids[at]), *fresh = node_at(q, fresh_ref);
        uint32_t keep = last ? kid->cnt - 1 : kid->cnt / 2;
        *fresh = (inner_t){.cnt = kid->cnt - keep};
        bound = kid->bounds[keep - 1];
        memcpy(fresh->bounds, &kid->bounds[keep], (fresh->cnt - 1) * sizeof(tm_timer_t));
        memcpy(fresh->kids, &kid->kids[keep], fresh->cnt * sizeof(tm_ref_t));
        kid->cnt = keep;
    }
    uint32_t after = parent->cnt - at - 1;
    memmove(&parent->bounds[at + 1], &parent->bounds[at], after * sizeof(tm_timer_t));
    memmove(&parent->kids[at + 2], &parent->kids[at + 1], after * sizeof(tm_ref_t));
    parent->bounds[at] = bound;
    parent->kids[at + 1] = fresh_ref;
    parent->cnt++;
    q->hot = 0;
    return true;
}

/* A root above the root, so that this can be split. */
static bool root_raise(tm_timer_queue_t *q)
{
    TM_CHECK(q->height + 1 < TM_TIMER_HEIGHT_MAX, "timer queue: height");
    tm_ref_t ref = tm_slab_alloc(q->slab, NODE_SZ);
    if (ref == 0) return false;
    inner_t *root = node_at(q, ref);
    *root = (inner_t){.cnt = 1, .kids = {q->root}};
    q->root = ref;
    q->height++;
    return true;
}

static bool is_full(const tm_timer_queue_t *q, tm_ref_t ref, uint32_t level)
{
    return level == 0 ? ((const leaf_t *)node_at(q, ref))->cnt == LEAF_MAX
                      : ((const inner_t *)node_at(q, ref))->cnt == FANOUT;
}

/* The leaf where x belongs, with room for it; remembered as the hot one. 0 = no room. */
static tm_ref_t descend_to_add(tm_timer_queue_t *q, const tm_timer_t *x)
{
    if (is_full(q, q->root, q->height) && !root_raise(q)) return 0;
    bool has_low = false, has_high = false;
    tm_timer_t low = {0}, high = {0};
    tm_ref_t ref = q->root;
    for (uint32_t level = q->height; level > 0; level--) {
        const inner_t *node = node_at(q, ref);
        uint32_t at = below_cnt(node->bounds, node->cnt - 1, x, true);
        if (is_full(q, node->kids[at], level - 1)) {
            bool last = !has_high && at == node->cnt - 1;
            if (!kid_split(q, ref, at, level == 1, last)) return 0;
            at += !before(x, &node->bounds[at]);
        }
        if (at > 0) low = node->bounds[at - 1], has_low = true;
        if (at < node->cnt - 1) high = node->bounds[at], has_high = true;
        ref = node->kids[at];
    }
    q->hot = ref;
    q->hot_low = low, q->hot_high = high;
    q->hot_has_low = has_low, q->hot_has_high = has_high;
    return ref;
}

static tm_ref_t leaf_to_add(tm_timer_queue_t *q, const tm_timer_t *x)
{
    if (q->root == 0) {
        tm_ref_t ref = tm_slab_alloc(q->slab, NODE_SZ);
        if (ref == 0) return 0;
        *(leaf_t *)node_at(q, ref) = (leaf_t){0};
        q->root = q->front = ref;
    }
    if (q->hot != 0 && (!q->hot_has_low || !before(x, &q->hot_low)) &&
        (!q->hot_has_high || before(x, &q->hot_high)) && !is_full(q, q->hot, 0))
        return q->hot;
    return descend_to_add(q, x);
}

int tm_timer_add(tm_timer_queue_t *queue, int64_t time_ns, uint64_t key, uint32_t name)
{
    const tm_timer_t x = {time_ns, key, name, 0};
    tm_ref_t ref = leaf_to_add(queue, &x);
    if (ref == 0) return TM_E_LIMIT;
    leaf_t *leaf = node_at(queue, ref);
    tm_timer_t *run = &leaf->timers[leaf->first];
    uint32_t at = below_cnt(run, leaf->cnt, &x, false);
    if (at < leaf->cnt && !before(&x, &run[at])) return 0;
    tm_ref_touch(queue->slab->arena, ref);
    if (leaf->first > 0 && (at < leaf->cnt / 2 || leaf->first + leaf->cnt == LEAF_MAX)) {
        memmove(run - 1, run, at * sizeof *run);
        run--;
        leaf->first--;
    } else {
        memmove(run + at + 1, run + at, (leaf->cnt - at) * sizeof *run);
    }
    run[at] = x;
    leaf->cnt++;
    queue->cnt++;
    return 1;
}

/* Frees the empty leaf at the end of the path, and the nodes above that become empty with it. */
static void leaf_drop(tm_timer_queue_t *q, path_t *path)
{
    tm_slab_free(q->slab, path->leaf);
    q->hot = 0;
    bool gone = true; /* the kid of the node under way */
    while (gone && path->cnt > 0) {
        tm_ref_t ref = path->nodes[--path->cnt];
        inner_t *node = node_edit(q, ref);
        uint32_t at = path->kids[path->cnt], bound = at > 0 ? at - 1 : 0;
        if (node->cnt > 1) {
            memmove(&node->bounds[bound], &node->bounds[bound + 1],
                    (node->cnt - 2 - bound) * sizeof(tm_timer_t));
            memmove(&node->kids[at], &node->kids[at + 1], (node->cnt - 1 - at) * sizeof(tm_ref_t));
        }
        gone = --node->cnt == 0;
        if (gone) tm_slab_free(q->slab, ref);
    }
    if (gone) {
        tm_timer_queue_init(q, q->slab);
        return;
    }
    for (inner_t *root = node_at(q, q->root); q->height > 0 && root->cnt == 1;
         root = node_at(q, q->root)) {
        tm_ref_t old = q->root;
        q->root = root->kids[0];
        q->height--;
        tm_slab_free(q->slab, old);
    }
    q->front = q->root;
    for (uint32_t level = q->height; level > 0; level--)
        q->front = ((const inner_t *)node_at(q, q->front))->kids[0];
}

/* The way to the leaf where x is, if it is anywhere; NULL: to the first leaf. */
static void descend(const tm_timer_queue_t *q, const tm_timer_t *x, path_t *path)
{
    path->cnt = 0;
    path->leaf = q->root;
    for (uint32_t level = q->height; level > 0; level--) {
        const inner_t *node = node_at(q, path->leaf);
        uint32_t at = x ? below_cnt(node->bounds, node->cnt - 1, x, true) : 0;
        path->nodes[path->cnt] = path->leaf;
        path->kids[path->cnt++] = at;
        path->leaf = node->kids[at];
    }
}

bool tm_timer_remove(tm_timer_queue_t *queue, int64_t time_ns, uint64_t key, uint32_t name)
{
    const tm_timer_t x = {time_ns, key, name, 0};
    path_t path;
    if (queue->root == 0) return false;
    descend(queue, &x, &path);
    leaf_t *leaf = node_at(queue, path.leaf);
    tm_timer_t *run = &leaf->timers[leaf->first];
    uint32_t at = below_cnt(run, leaf->cnt, &x, false);
    if (at == leaf->cnt || before(&x, &run[at])) return false;
    tm_ref_touch(queue->slab->arena, path.leaf);
    memmove(run + at, run + at + 1, (leaf->cnt - at - 1) * sizeof *run);
    queue->cnt--;
    if (--leaf->cnt == 0) leaf_drop(queue, &path);
    return true;
}

const tm_timer_t *tm_timer_first(const tm_timer_queue_t *queue)
{
    if (queue->cnt == 0) return NULL;
    const leaf_t *leaf = node_at(queue, queue->front);
    return &leaf->timers[leaf->first];
}

bool tm_timer_pop(tm_timer_queue_t *queue, int64_t upto_ns, tm_timer_t *timer)
{
    const tm_timer_t *first = tm_timer_first(queue);
    if (!first || first->time_ns > upto_ns) return false;
    *timer = *first;
    leaf_t *leaf = node_edit(queue, queue->front);
    leaf->first++;
    queue->cnt--;
    if (--leaf->cnt == 0) {
        path_t path;
        descend(queue, NULL, &path);
        leaf_drop(queue, &path);
    }
    return true;
}
