#include "engine/runtime/source/id_set.h"

#include <string.h>

void tm_id_set_clear(tm_id_set_t *set)
{
    set->started = false;
    set->forgotten = 0;
    set->hole_cnt = set->untold_cnt = 0;
}

static void hole_remove(tm_id_set_t *set, uint32_t at)
{
    set->untold_cnt -= !set->holes[at].told;
    set->hole_cnt--;
    memmove(&set->holes[at], &set->holes[at + 1], (set->hole_cnt - at) * sizeof set->holes[0]);
}

static void hole_forget(tm_id_set_t *set, const tm_id_hole_t *hole, tm_id_hole_t *lost)
{
    if (hole->to > set->forgotten) set->forgotten = hole->to;
    if (!hole->told) *lost = *hole;
}

/* Room for one more, at the cost of the lowest. */
static void room_make(tm_id_set_t *set, tm_id_hole_t *lost)
{
    if (set->hole_cnt < TM_ID_HOLE_MAX) return;
    hole_forget(set, &set->holes[0], lost);
    hole_remove(set, 0);
}

static void hole_insert(tm_id_set_t *set, uint32_t at, const tm_id_hole_t *hole)
{
    memmove(&set->holes[at + 1], &set->holes[at], (set->hole_cnt - at) * sizeof set->holes[0]);
    set->holes[at] = *hole;
    set->hole_cnt++;
    set->untold_cnt += !hole->told;
}

/* Takes the id out of hole `at`, which holds it. */
static void hole_fill(tm_id_set_t *set, uint32_t at, uint64_t id, tm_id_hole_t *lost)
{
    tm_id_hole_t *hole = &set->holes[at];
    if (hole->from == hole->to) {
        hole_remove(set, at);
    } else if (id == hole->from) {
        hole->from++;
    } else if (id == hole->to) {
        hole->to--;
    } else {
        tm_id_hole_t lower = *hole;
        lower.to = id - 1;
        hole->from = id + 1;
        if (set->hole_cnt < TM_ID_HOLE_MAX) {
            hole_insert(set, at, &lower);
        } else if (at == 0) { /* the lowest hole is the one that would be new */
            hole_forget(set, &lower, lost);
        } else {
            room_make(set, lost);
            hole_insert(set, at - 1, &lower);
        }
    }
}

tm_id_verdict_t tm_id_set_add(tm_id_set_t *set, uint64_t id, int64_t now_ns, tm_id_hole_t *lost)
{
    lost->from = 0;
    if (!set->started) {
        set->started = true;
        set->base = set->last = id;
        return TM_ID_NEXT;
    }
    if (id > set->last) {
        uint64_t before = set->last;
        set->last = id;
        if (id == before + 1) return TM_ID_NEXT;
        const tm_id_hole_t hole = {.from = before + 1, .to = id - 1, .since_ns = now_ns};
        room_make(set, lost);
        hole_insert(set, set->hole_cnt, &hole);
        return TM_ID_JUMP;
    }
    if (id < set->base) {
        const tm_id_hole_t hole = {.from = id + 1, .to = set->base - 1, .since_ns = now_ns};
        set->base = id;
        if (hole.from > hole.to) return TM_ID_LOW;
        if (set->hole_cnt < TM_ID_HOLE_MAX)
            hole_insert(set, 0, &hole);
        else
            hole_forget(set, &hole, lost);
        return TM_ID_LOW;
    }
    for (uint32_t i = set->hole_cnt; i-- > 0 && id <= set->holes[i].to;) {
        if (id < set->holes[i].from) continue;
        bool told = set->holes[i].told;
        hole_fill(set, i, id, lost);
        return told ? TM_ID_LATE : TM_ID_FILL;
    }
    return id <= set->forgotten ? TM_ID_UNSURE : TM_ID_SEEN;
}
