#include "state/table/page_track.h"
#include "tests/state/page_track_rig.h"
#include "tests/state/pages_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Both sides in one thread, step by step in random order: every interleaving of whole calls. */
static void interleave(uint32_t spare_cnt, uint32_t fail_one_in, uint64_t seed)
{
    rig_t rig;
    uint64_t rng = seed * 31;
    printf("# %u spare frames, seed %llu\n", spare_cnt, (unsigned long long)seed);
    rig_open(&rig, 60, spare_cnt, seed);
    for (uint32_t i = 0; i < 60000; i++) {
        /* Now the one, now the other is faster. */
        if (pages_bed_random(&rng) % 16 < (i / 2000 % 2 ? 3 : 12))
            rig_worker_step(&rig, pages_bed_random(&rng) % 40 == 0);
        else
            rig_snap_step(&rig, fail_one_in);
    }
    tm_assert(!rig.differs);
    tm_assert(rig.good > 50);
    tm_assert(rig.given_up == 0 || spare_cnt < 60);
    tm_assert(rig.failed > 0 || fail_one_in == 0);
    tm_page_track_counts_t counts = tm_page_track_counts(rig.track);
    tm_assert(counts.copied > 100 && counts.logged > 1000);
    printf(
        "# %llu good, %llu given up, %llu failed, %llu pages, %llu copied by the worker, %llu lines"
        " logged\n",
        (unsigned long long)rig.good, (unsigned long long)rig.given_up,
        (unsigned long long)rig.failed, (unsigned long long)rig.pages,
        (unsigned long long)counts.copied, (unsigned long long)counts.logged);
    rig_close(&rig);
}

Test(page_track, snapshots_hold_what_the_arena_held_at_the_flip)
{
    for (uint64_t seed = 1; seed <= 4; seed++) interleave(64, 0, seed);
}

Test(page_track, pages_of_a_failed_snapshot_are_part_of_the_next)
{
    for (uint64_t seed = 1; seed <= 4; seed++) interleave(64, 200, seed);
}

Test(page_track, a_worker_without_spare_frames_gives_the_snapshot_up_and_goes_on)
{
    for (uint64_t seed = 1; seed <= 4; seed++) interleave(16, 200, seed);
}

/* Between the look at a tag and the slow path the snapshot thread may have saved the page, which
   then has the tag of the epoch. */
Test(page_track, a_page_that_is_saved_on_the_way_to_the_slow_path_is_listed_once)
{
    rig_t rig;
    uint32_t cnt, page;
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    rig_open(&rig, 100, 16, 1);
    uint8_t *bytes = tm_page_ptr(&rig.arena, 7);
    tm_span_touch(&rig.arena, bytes, 1);
    tm_assert_eq(tm_page_track_flip(rig.track), 0);
    tm_span_touch(&rig.arena, bytes, 1);
    tm_assert(tm_page_snap_begin(rig.track, &cnt));
    tm_assert_eq(tm_page_snap_next(rig.track, copy, &page), 1);
    tm_page_touch_first(&rig.arena, 7);
    tm_span_touch_first(&rig.arena, bytes, 1);
    tm_page_snap_end(rig.track, true);
    tm_assert(tm_page_track_work(rig.track) > 0);
    tm_assert_eq(tm_page_track_flip(rig.track), 0);
    tm_assert(tm_page_snap_begin(rig.track, &cnt));
    tm_assert_eq(cnt, 1u);
    tm_assert_eq(tm_page_snap_next(rig.track, copy, &page), 1);
    tm_assert_eq(tm_page_snap_next(rig.track, copy, &page), 0);
    tm_page_snap_end(rig.track, true);
    rig_close(&rig);
}

/* All of the lines of a page many times over: beyond a limit the page is copied, and what was
   logged before holds for the copy. */
Test(page_track, a_page_written_again_and_again_is_copied_in_the_end)
{
    rig_t rig;
    uint32_t cnt, page;
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64))), truth[TM_PAGE_SZ];
    rig_open(&rig, 100, 16, 1);
    uint8_t *bytes = tm_page_ptr(&rig.arena, 7);
    for (uint32_t round = 0; round < 3; round++) {
        tm_page_track_counts_t before = tm_page_track_counts(rig.track);
        tm_span_touch(&rig.arena, bytes, 1);
        bytes[0]++;
        memcpy(truth, bytes, sizeof truth);
        tm_assert_eq(tm_page_track_flip(rig.track), 0);
        for (uint32_t i = 0; i < 100000; i++) {
            uint8_t *at = bytes + i * 177 % TM_PAGE_SZ;
            tm_span_touch(&rig.arena, at, 1);
            *at = (uint8_t)(i + round);
        }
        tm_page_track_counts_t after = tm_page_track_counts(rig.track);
        tm_assert_eq(after.copied - before.copied, 1u);
        tm_assert(after.logged - before.logged < 1000);
        tm_assert(tm_page_snap_begin(rig.track, &cnt) && cnt == 1);
        tm_assert(tm_page_snap_next(rig.track, copy, &page) == 1 && page == 7);
        tm_assert(memcmp(copy, truth, sizeof truth) == 0);
        tm_assert_eq(tm_page_snap_next(rig.track, copy, &page), 0);
        tm_page_snap_end(rig.track, true);
    }
    rig_close(&rig);
}

Test(page_track, only_pages_that_changed_are_part_of_a_snapshot)
{
    rig_t rig;
    uint32_t cnt, page;
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    rig_open(&rig, 100, 16, 1);
    tm_page_touch(&rig.arena, 7);
    tm_page_touch(&rig.arena, 9);
    tm_page_touch(&rig.arena, 7);
    tm_assert_eq(tm_page_track_flip(rig.track), 0);
    tm_assert_eq(tm_page_track_flip(rig.track), -EAGAIN);
    tm_assert(tm_page_snap_begin(rig.track, &cnt) && cnt == 2);
    tm_assert(tm_page_snap_next(rig.track, copy, &page) == 1 && page == 7);
    tm_assert(tm_page_snap_next(rig.track, copy, &page) == 1 && page == 9);
    tm_assert_eq(tm_page_snap_next(rig.track, copy, &page), 0);
    tm_page_snap_end(rig.track, true);
    tm_assert(!tm_page_snap_begin(rig.track, &cnt));
    tm_page_touch(&rig.arena, 9);
    tm_assert_eq(tm_page_track_flip(rig.track), 0);
    tm_assert(tm_page_snap_begin(rig.track, &cnt) && cnt == 1);
    tm_assert_eq(tm_page_track_counts(rig.track).copied, 0u);
    rig_close(&rig);
}
