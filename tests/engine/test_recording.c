#include "base/clock.h"
#include "base/error.h"
#include "engine/runtime/source/lane.h"
#include "engine/runtime/source/recorded.h"
#include "engine/runtime/source/recorder.h"
#include "state/journal/journal_reader.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A message with the room behind it that frames have. */
typedef struct message {
    char text[256 + TM_FRAME_PAD];
    tm_frame_t frame;
} message_t;

static const tm_frame_t *message(message_t *m, const char *text, int64_t recv_ns, int64_t mono_ns)
{
    snprintf(m->text, sizeof m->text, "%s", text);
    m->frame = (tm_frame_t){.data = (uint8_t *)m->text,
                            .sz = (uint32_t)strlen(text),
                            .recv_ns = recv_ns,
                            .ingress_ns = mono_ns};
    return &m->frame;
}

typedef struct bed {
    char dir[256];
    tm_journal_writer_t *journal;
    tm_recorder_t *recorder;
} bed_t;

static void bed_open(bed_t *b, const char *name)
{
    tm_make_dir(b->dir, name);
    tm_assert_eq(
        tm_journal_writer_open(&b->journal, &(tm_journal_writer_cfg_t){.dir = b->dir}, NULL), 0);
    tm_assert_eq(
        tm_recorder_open(&b->recorder, &(tm_recorder_cfg_t){.journal = b->journal, .live = true}),
        0);
}

static void bed_write(bed_t *b)
{
    tm_recorder_close(b->recorder);
    tm_assert_eq(tm_journal_writer_close(b->journal), 0);
}

/* One line a record: "kind stream conn payload". */
static void records_text(const char *dir, char *out, size_t cap)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[16];
    size_t sz = 0;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    for (int n; (n = tm_journal_reader_read(r, views, 16)) > 0;)
        for (int i = 0; i < n; i++) {
            const tm_journal_view_t *v = &views[i];
            const uint32_t skip = v->kind == TM_JOURNAL_DISCONNECT   ? 8
                                  : v->kind == TM_JOURNAL_CLOCK_STEP ? 16
                                                                     : 0;
            sz += (size_t)snprintf(out + sz, cap - sz, "%s %u %u %.*s\n",
                                   tm_journal_kind_name(v->kind), v->stream, v->frame.conn_idx,
                                   (int)(v->frame.sz - skip), (const char *)v->frame.data + skip);
        }
    tm_journal_reader_close(r);
}

Test(recorder, puts_streams_and_events_in_their_places)
{
    bed_t b;
    message_t m;
    char text[2048];
    static const char trade[] = "{\"stream\":\"btcusdt@trade\",\"data\":{}}";
    static const char quote[] = "{\"stream\":\"btcusdt@bookTicker\",\"data\":{}}";
    bed_open(&b, "recorder");
    const tm_feed_link_t up = {.conn_idx = 2, .up = true, .real_ns = 1, .text = "wss://x/y"};
    const tm_feed_link_t down = {.conn_idx = 2, .code = -104, .real_ns = 9, .text = "cut"};
    tm_recorder_link(b.recorder, &up);
    tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, trade, 1000, 500), 0), 0);
    tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, "{\"e\":\"trade\"}", 1001, 501), 0), 0);
    tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, quote, 1002, 502), 0), 0);
    tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, trade, 1003, 503), 0), 0);
    /* The wall clock goes 2 ms ahead of the other one: somebody set it. */
    tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, quote, 2001004, 504), 0), 0);
    tm_recorder_link(b.recorder, &down);
    bed_write(&b);
    records_text(b.dir, text, sizeof text);
    tm_assert_str(text, "connect 0 2 wss://x/y\n"
                        "stream 1 0 btcusdt@trade\n"
                        "text 1 0 {\"stream\":\"btcusdt@trade\",\"data\":{}}\n"
                        "text 0 0 {\"e\":\"trade\"}\n"
                        "stream 2 0 btcusdt@bookTicker\n"
                        "text 2 0 {\"stream\":\"btcusdt@bookTicker\",\"data\":{}}\n"
                        "text 1 0 {\"stream\":\"btcusdt@trade\",\"data\":{}}\n"
                        "clock_step 0 0 \n"
                        "text 2 0 {\"stream\":\"btcusdt@bookTicker\",\"data\":{}}\n"
                        "disconnect 0 2 cut\n");
    tm_make_dir_remove(b.dir);
}

Test(recorder, says_lanes_again_behind_the_first_record_of_each_segment)
{
    char dir[256];
    tm_journal_writer_t *w;
    tm_recorder_t *recorder;
    message_t m;
    const tm_feed_row_t row = {.conn_idx = 3,
                               .group = 7,
                               .lane = 2,
                               .what = TM_FEED_UP,
                               .trade_rule = TM_ID_DENSE,
                               .quote_rule = TM_ID_SPARSE,
                               .entry = 5,
                               .endpoint_cnt = 2};
    const tm_feed_link_t up = {
        .conn_idx = 3, .up = true, .real_ns = 1, .text = "wss://x/y", .row = &row};
    tm_make_dir(dir, "lanes");
    const tm_journal_writer_cfg_t cfg = {.dir = dir, .roll_sz = 16 << 10};
    tm_assert_eq(tm_journal_writer_open(&w, &cfg, NULL), 0);
    tm_assert_eq(tm_recorder_open(&recorder, &(tm_recorder_cfg_t){.journal = w}), 0);
    tm_recorder_link(recorder, &up);
    for (int i = 0; i < 2000; i++)
        tm_assert_eq(tm_recorder_frame(recorder, message(&m, "{}", 1000, 500), 0), 0);
    tm_recorder_close(recorder);
    tm_assert_eq(tm_journal_writer_close(w), 0);

    tm_journal_reader_t *r;
    tm_journal_view_t views[16];
    tm_journal_list_t list;
    uint32_t lane_cnt = 0;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    for (int n; (n = tm_journal_reader_read(r, views, 16)) > 0;)
        for (int i = 0; i < n; i++) {
            tm_feed_row_t got;
            if (views[i].kind != TM_JOURNAL_LANE) continue;
            tm_assert_eq(views[i].off, (uint64_t)TM_JOURNAL_HEADER_SZ +
                                           (lane_cnt == 0 ? tm_journal_span(9) : 40));
            tm_assert(tm_lane_take(&got, (const char *)views[i].frame.data, views[i].frame.sz));
            tm_assert(got.group == 7 && got.lane == 2 && got.entry == 5 && got.endpoint_cnt == 2 &&
                      got.trade_rule == TM_ID_DENSE && got.quote_rule == TM_ID_SPARSE);
            lane_cnt++;
        }
    tm_journal_reader_close(r);
    tm_assert_eq(tm_journal_list(&list, dir), 0);
    tm_assert(list.cnt > 3);
    tm_assert_eq(lane_cnt, list.cnt);
    tm_journal_list_free(&list);
    tm_make_dir_remove(dir);
}

Test(recorder, takes_no_lane_from_a_text_that_is_none)
{
    static const char *const texts[] = {
        "",
        "group",
        "group 1 lane 2 of 2",
        "group 70000 lane 0 of 1 addresses, address 0, trades 1, quotes 1",
        "group 0 lane 999 of 1 addresses, address 0, trades 1, quotes 1",
        "group 0 lane 0 of 1 addresses, address 0, trades 9, quotes 1"};
    tm_feed_row_t row;
    for (size_t i = 0; i < TM_ARRAY_CNT(texts); i++)
        tm_assert(!tm_lane_take(&row, texts[i], (uint32_t)strlen(texts[i])));
}

Test(recorder, keeps_thousands_of_streams_apart)
{
    enum { STREAMS = 3000, ROUNDS = 3 };
    bed_t b;
    message_t m;
    uint32_t numbers[STREAMS] = {0};
    char text[128];
    bed_open(&b, "streams");
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < STREAMS; i++) {
            snprintf(text, sizeof text, "{\"stream\":\"symbol%d@trade\",\"data\":%d}", i, i);
            tm_assert_eq(tm_recorder_frame(b.recorder, message(&m, text, 1, 1), 0), 0);
        }
    bed_write(&b);
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    uint32_t message_cnt = 0, event_cnt = 0;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = b.dir}), 0);
    for (int n; (n = tm_journal_reader_read(r, views, 64)) > 0;)
        for (int i = 0; i < n; i++) {
            const char *digits = strpbrk((const char *)views[i].frame.data, "0123456789");
            const int stream = atoi(digits);
            tm_assert(stream >= 0 && stream < STREAMS);
            if (views[i].kind == TM_JOURNAL_STREAM) {
                tm_assert_eq(numbers[stream], 0u);
                numbers[stream] = views[i].stream;
                event_cnt++;
            } else {
                tm_assert_eq(views[i].stream, numbers[stream]);
                message_cnt++;
            }
        }
    tm_journal_reader_close(r);
    tm_assert_eq(event_cnt, (uint32_t)STREAMS);
    tm_assert_eq(message_cnt, (uint32_t)(STREAMS * ROUNDS));
    tm_make_dir_remove(b.dir);
}

/* A journal of messages 10 ms apart: message i is "i". */
static void journal_of(char dir[256], const char *name, uint32_t cnt)
{
    tm_journal_writer_t *w;
    char text[16 + TM_FRAME_PAD];
    tm_make_dir(dir, name);
    tm_assert_eq(tm_journal_writer_open(&w, &(tm_journal_writer_cfg_t){.dir = dir}, NULL), 0);
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_journal_entry_t e = {.data = text,
                                      .sz = (uint32_t)snprintf(text, sizeof text, "%u", i),
                                      .conn_idx = i % 3,
                                      .recv_ns = INT64_C(1700000000) * TM_NS_PER_S +
                                                 i * 10 * TM_NS_PER_MS,
                                      .kind = TM_JOURNAL_TEXT,
                                      .flags = i % 10 == 4   ? TM_JOURNAL_SENT
                                               : i % 10 == 9 ? TM_JOURNAL_LEFT_OUT
                                                             : 0};
        tm_assert(tm_journal_append(w, &e) >= 0);
    }
    tm_assert_eq(tm_journal_writer_close(w), 0);
}

Test(recording, a_journal_comes_on_its_schedule_without_what_was_sent_or_did_not_count)
{
    char dir[256];
    journal_of(dir, "paced", 31);
    for (int speed = 1; speed <= 4; speed *= 4) {
        tm_source_t *source;
        tm_frame_t frames[8];
        int64_t first_ns = 0;
        uint32_t next = 0;
        int n;
        tm_assert_eq(tm_recording_open(&source, &(tm_recording_cfg_t){.path = dir, .speed = speed}),
                     0);
        while ((n = tm_source_poll(source, frames, 8, TM_NS_PER_S)) >= 0) {
            const int64_t now_ns = tm_clock_mono_ns();
            for (int i = 0; i < n; i++) {
                if (next % 5 == 4) next++;
                if (next == 0) first_ns = frames[i].ingress_ns;
                const int64_t due_ns = first_ns + next * 10 * TM_NS_PER_MS / speed;
                tm_assert_eq(strtoul((const char *)frames[i].data, NULL, 10), next);
                tm_assert_eq(frames[i].conn_idx, next % 3);
                tm_assert_eq(frames[i].ingress_ns, due_ns);
                tm_assert(now_ns >= due_ns && now_ns < due_ns + 500 * TM_NS_PER_MS);
                next++;
            }
        }
        tm_assert_eq(n, TM_E_CLOSED);
        tm_assert_eq(next, 31u);
        tm_source_close(source);
    }
    tm_make_dir_remove(dir);
}

Test(recording, a_slow_consumer_sees_lateness_and_the_schedule_goes_on)
{
    char dir[256];
    tm_source_t *source;
    tm_frame_t frames[64];
    journal_of(dir, "slow", 30);
    tm_assert_eq(tm_recording_open(&source, &(tm_recording_cfg_t){.path = dir, .speed = 1}), 0);
    tm_assert_eq(tm_source_poll(source, frames, 64, TM_NS_PER_S), 1);
    const int64_t first_ns = frames[0].ingress_ns;
    nanosleep(&(struct timespec){.tv_nsec = 205 * TM_NS_PER_MS}, NULL);
    const int n = tm_source_poll(source, frames, 64, 0);
    tm_assert(n >= 16); /* messages 1 to 20 but for those that were sent */
    tm_assert_eq(frames[0].ingress_ns, first_ns + 10 * TM_NS_PER_MS);
    tm_source_close(source);
    tm_make_dir_remove(dir);
}

Test(recording, is_a_journal_or_a_capture_by_what_the_path_holds)
{
    char dir[256], path[320], segment[512];
    tm_source_t *source;
    tm_frame_t frame;
    journal_of(dir, "which", 3);
    snprintf(segment, sizeof segment, "%s/journal-%020d.tmj", dir, 0);
    snprintf(path, sizeof path, "%s.txt", dir);
    FILE *f = fopen(path, "w");
    tm_assert(f != NULL);
    fputs("1700000000000000000 0\n", f);
    fclose(f);
    const char *const paths[] = {dir, segment, path};
    for (size_t i = 0; i < TM_ARRAY_CNT(paths); i++) {
        tm_assert_eq(tm_recording_open(&source, &(tm_recording_cfg_t){.path = paths[i]}), 0);
        tm_assert_eq(tm_source_poll(source, &frame, 1, 0), 1);
        tm_assert_eq(frame.data[0], '0');
        tm_assert_eq(frame.recv_ns, INT64_C(1700000000) * TM_NS_PER_S);
        tm_source_close(source);
    }
    tm_assert(tm_recording_open(&source, &(tm_recording_cfg_t){.path = "/nonexistent"}) < 0);
    tm_assert(strstr(tm_error_text(), "/nonexistent") != NULL);
    remove(path);
    tm_make_dir_remove(dir);
}
