/* Accumulators that grow: the values of an exact distinct count, the counts of a quantile.

   Values are kept as a one-to-one mix of their bits in a tree with 16 branches, four bits a level;
   a leaf holds 14 and splits when it is full. The mix spreads any values, so the tree stays flat.

   A quantile counts values by size: 64 classes for each power of two and sign, so a class is 1/64
   as wide as its values are large, and its middle within 1/128 of each of them (the idea of
   DDSketch by Masson, Rim and Lee, 2019, with the classes of HdrHistogram, which need no
   logarithm). Powers that occur are a list in order; the prices of a window lie in one or two. */
#include "engine/operators/aggregate/agg_step.h"

#include <string.h>

enum { LEAF_VALUES = 14, BRANCHES = 16, CLASSES = 64, CLASS_BITS = 6, MANTISSA_BITS = 52 };

typedef struct leaf {
    bool is_inner; /* first in both: tells which it is */
    uint32_t cnt;
    uint64_t values[LEAF_VALUES];
} leaf_t;

typedef struct inner {
    bool is_inner;
    uint32_t unused;
    tm_ref_t kids[BRANCHES];
} inner_t;

typedef struct octave {
    tm_ref_t next;
    int32_t order; /* of the class numbers it starts with, in units of CLASSES */
    uint32_t cnts[CLASSES];
} octave_t;

static void *edit(const tm_agg_t *agg, tm_ref_t ref)
{
    tm_ref_touch(agg->slab->arena, ref);
    return tm_ref_ptr(agg->slab->arena, ref);
}

/* A zeroed block; 0 = no room, which the tree remembers. */
static tm_ref_t block_take(const tm_agg_t *agg, agg_tree_t *tree, uint32_t sz)
{
    tm_ref_t ref = tm_slab_alloc(agg->slab, sz);
    if (ref)
        memset(edit(agg, ref), 0, sz);
    else
        tree->lost = true;
    return ref;
}

/* ---- values ---------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t v)
{
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

/* A full leaf becomes a node whose leaves hold its values. False where there is no room. */
static bool leaf_split(const tm_agg_t *agg, agg_tree_t *tree, tm_ref_t *link, uint32_t shift)
{
    leaf_t old = *(const leaf_t *)edit(agg, *link);
    tm_ref_t ref = block_take(agg, tree, sizeof(inner_t));
    if (!ref) return false;
    inner_t *node = edit(agg, ref);
    node->is_inner = true;
    for (uint32_t i = 0; i < LEAF_VALUES; i++) {
        tm_ref_t *kid = &node->kids[old.values[i] >> shift & (BRANCHES - 1)];
        if (!*kid && !(*kid = block_take(agg, tree, sizeof(leaf_t)))) return false;
        leaf_t *to = edit(agg, *kid);
        to->values[to->cnt++] = old.values[i];
    }
    tm_slab_free(agg->slab, *link);
    *link = ref;
    return true;
}

static void value_add(const tm_agg_t *agg, agg_tree_t *tree, uint64_t value)
{
    tm_ref_t *link = &tree->root;
    for (uint32_t shift = 60; !tree->lost; shift -= 4) {
        if (!*link && !(*link = block_take(agg, tree, sizeof(leaf_t)))) return;
        leaf_t *leaf = edit(agg, *link);
        if (!leaf->is_inner) {
            for (uint32_t i = 0; i < leaf->cnt; i++)
                if (leaf->values[i] == value) return;
            if (leaf->cnt < LEAF_VALUES) {
                leaf->values[leaf->cnt++] = value;
                tree->cnt++;
                return;
            }
            if (!leaf_split(agg, tree, link, shift)) return;
        }
        inner_t *node = edit(agg, *link);
        link = &node->kids[value >> shift & (BRANCHES - 1)];
    }
}

/* Walks a tree without recursion: at most 16 levels of nodes. Frees it, or adds it to `into`, which
   is of `to`. */
static void values_walk(const tm_agg_t *agg, tm_ref_t root, const tm_agg_t *to, agg_tree_t *into)
{
    tm_ref_t stack[BRANCHES * BRANCHES];
    uint32_t depth = 0;
    if (root) stack[depth++] = root;
    while (depth > 0) {
        tm_ref_t ref = stack[--depth];
        const leaf_t *leaf = tm_ref_ptr(agg->slab->arena, ref);
        const inner_t *node = (const void *)leaf;
        for (uint32_t i = 0; leaf->is_inner && i < BRANCHES; i++)
            if (node->kids[i]) stack[depth++] = node->kids[i];
        for (uint32_t i = 0; into && !leaf->is_inner && i < leaf->cnt; i++)
            value_add(to, into, leaf->values[i]);
        if (!into) tm_slab_free(agg->slab, ref);
    }
}

/* ---- counts by size -------------------------------------------------------------------------- */

/* The class of a number, in the order of numbers: the first bits of it. */
static int32_t class_of(double v)
{
    int64_t bits;
    v += 0.0; /* one zero */
    memcpy(&bits, &v, sizeof bits);
    return (int32_t)(agg_f64_order(bits) >> (MANTISSA_BITS - CLASS_BITS));
}

/* The middle of a class. */
static double class_value(int32_t no)
{
    int64_t order = (int64_t)((uint64_t)(int64_t)no << (MANTISSA_BITS - CLASS_BITS));
    int64_t bits = agg_f64_order(order | INT64_C(1) << (MANTISSA_BITS - CLASS_BITS - 1));
    double v;
    if (no == 0) return 0;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void class_add(const tm_agg_t *agg, agg_tree_t *tree, int32_t order, uint32_t idx,
                      uint32_t cnt)
{
    tm_ref_t *link = &tree->root;
    while (*link && ((const octave_t *)edit(agg, *link))->order < order)
        link = &((octave_t *)edit(agg, *link))->next;
    if (!*link || ((const octave_t *)edit(agg, *link))->order != order) {
        tm_ref_t ref = block_take(agg, tree, sizeof(octave_t));
        if (!ref) return;
        octave_t *fresh = edit(agg, ref);
        fresh->next = *link;
        fresh->order = order;
        *link = ref;
    }
    octave_t *octave = edit(agg, *link);
    octave->cnts[idx] += cnt;
    tree->cnt += cnt;
}

static void number_add(const tm_agg_t *agg, agg_tree_t *tree, double v)
{
    int32_t no = class_of(v);
    if (v != v) return; /* not a number is no size */
    class_add(agg, tree, no >> CLASS_BITS, (uint32_t)no & (CLASSES - 1), 1);
}

double tm_agg_tree_quantile(const tm_agg_t *agg, const agg_tree_t *tree, double p)
{
    uint64_t rank = (uint64_t)(p * (double)(tree->cnt - 1)), seen = 0;
    for (tm_ref_t at = tree->root; at;) {
        const octave_t *octave = tm_ref_ptr(agg->slab->arena, at);
        for (int32_t i = 0; i < CLASSES; i++) {
            seen += octave->cnts[i];
            if (seen > rank)
                return class_value((int32_t)((uint32_t)octave->order << CLASS_BITS) + i);
        }
        at = octave->next;
    }
    return 0;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

void tm_agg_tree_run(const tm_agg_t *agg, const tm_agg_step_t *step, void *const *accs,
                     const agg_input_t *in)
{
    for (uint32_t i = 0; i < in->cnt; i++) {
        agg_tree_t *tree = (void *)((uint8_t *)accs[i] + step->acc_off);
        if (step->op == AGG_OP_DISTINCT)
            value_add(agg, tree, mixed((uint64_t)in->value[i]));
        else
            number_add(agg, tree, tm_agg_number(step, in->value[i]));
    }
}

/* Adds `from`, of `of`, to `into`, of `to`. */
static void tree_add(const tm_agg_t *to, agg_tree_t *into, const tm_agg_t *of,
                     const tm_agg_step_t *step, const agg_tree_t *from)
{
    into->lost |= from->lost;
    if (step->op == AGG_OP_DISTINCT) {
        values_walk(of, from->root, to, into);
        return;
    }
    for (tm_ref_t at = from->root; at;) {
        const octave_t *octave = tm_ref_ptr(of->slab->arena, at);
        for (uint32_t i = 0; i < CLASSES; i++)
            if (octave->cnts[i]) class_add(to, into, octave->order, i, octave->cnts[i]);
        at = octave->next;
    }
}

void tm_agg_tree_merge(const tm_agg_t *agg, const tm_agg_step_t *step, agg_tree_t *into,
                       const agg_tree_t *from)
{
    tree_add(agg, into, agg, step, from);
}

void tm_agg_tree_copy(const tm_agg_t *to, agg_tree_t *into, const tm_agg_t *of,
                      const tm_agg_step_t *step, const agg_tree_t *from)
{
    *into = (agg_tree_t){0};
    tree_add(to, into, of, step, from);
}

void tm_agg_tree_clear(const tm_agg_t *agg, const tm_agg_step_t *step, agg_tree_t *tree)
{
    if (step->op == AGG_OP_DISTINCT) {
        values_walk(agg, tree->root, agg, NULL);
    } else {
        for (tm_ref_t at = tree->root; at;) {
            tm_ref_t next = ((const octave_t *)tm_ref_ptr(agg->slab->arena, at))->next;
            tm_slab_free(agg->slab, at);
            at = next;
        }
    }
    *tree = (agg_tree_t){0};
}
