#include "state/part/part_roll.h"

#include "base/row.h"

enum { MAX_SZ_DEFAULT = 128 << 20, AGE_DEFAULT_S = 60, IDLE_DEFAULT_S = 60 };

void tm_part_roll_init(tm_part_roll_t *roll)
{
    if (roll->max_sz == 0) roll->max_sz = MAX_SZ_DEFAULT;
    if (roll->age_ns == 0) roll->age_ns = AGE_DEFAULT_S * TM_NS_PER_S;
    if (roll->idle_ns == 0) roll->idle_ns = IDLE_DEFAULT_S * TM_NS_PER_S;
    if (!roll->before_row) roll->before_row = tm_part_roll_before_row;
    if (!roll->at_checkpoint) roll->at_checkpoint = tm_part_roll_at_checkpoint;
    if (!roll->at_time) roll->at_time = tm_part_roll_at_time;
}

bool tm_part_roll_before_row(const tm_part_roll_t *roll, const tm_part_info_t *part)
{
    return part->file_sz > roll->max_sz;
}

bool tm_part_roll_at_checkpoint(const tm_part_roll_t *roll, const tm_part_info_t *part)
{
    return roll->on_checkpoint || part->file_sz > roll->max_sz;
}

static bool is_past(int64_t since_ns, int64_t span_ns, int64_t now_ns)
{
    return span_ns >= 0 && since_ns != TM_TIME_NONE && now_ns - since_ns >= span_ns;
}

bool tm_part_roll_at_time(const tm_part_roll_t *roll, const tm_part_info_t *part, int64_t now_ns)
{
    return is_past(part->opened_ns, roll->age_ns, now_ns) ||
           is_past(part->written_ns, roll->idle_ns, now_ns);
}
