/* Which ids have come, against a table of all of them. */
#include "engine/runtime/source/id_set.h"
#include "tests/engine/test_seed.h"
#include "tests/tm_test.h"

#include <string.h>

enum { ID_MAX = 4000 };

Test(id_set, agrees_with_a_table_of_all_ids_as_long_as_its_holes_last)
{
    seed_take();
    for (int round = 0; round < 300; round++) {
        static bool came[ID_MAX];
        tm_id_set_t set = {0};
        memset(came, 0, sizeof came);
        uint64_t at = 1000, given_up_to = 0;
        for (int i = 0; i < 1500 && at < ID_MAX - 20; i++) {
            uint64_t id = draw(10) < 7 ? at + 1 : at + 5 - draw(60);
            tm_id_hole_t lost;
            tm_id_verdict_t verdict = tm_id_set_add(&set, id, i, &lost);
            if (lost.from > 0 && lost.to > given_up_to) given_up_to = lost.to;
            if (verdict != TM_ID_UNSURE) tm_assert_eq(verdict == TM_ID_SEEN, came[id]);
            if (id > given_up_to) tm_assert(verdict != TM_ID_UNSURE);
            if (verdict != TM_ID_SEEN) came[id] = true;
            if (id > at) at = id;
            uint32_t untold = 0;
            for (uint32_t k = 0; k < set.hole_cnt; k++) {
                untold += !set.holes[k].told;
                tm_assert(set.holes[k].from <= set.holes[k].to);
                tm_assert(k == 0 || set.holes[k - 1].to < set.holes[k].from);
                for (uint64_t h = set.holes[k].from; h <= set.holes[k].to; h++) tm_assert(!came[h]);
            }
            tm_assert_eq(untold, set.untold_cnt);
        }
    }
}
