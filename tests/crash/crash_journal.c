/* crash_journal - the journal whose power is cut: crash_journal DIR N

   Opens the journal for writing, says on standard output what recovery found ("next SEQ torn
   BYTES"), and goes on up to record N; every record follows from its number. Says on standard
   error what is durable: "acked SEQ", the first one that is not. Ends the journal, reads all of
   it, checks each record, and prints the runs of those that are there: "have FROM TO". */
#include "base/error.h"
#include "tests/state/journal_make.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VIEW_CNT = 64 };

static const tm_make_t make = {.seed = 815, .payload_sz_max = 2400, .plain_kinds = true};

static void need(int64_t code)
{
    if (code >= 0) return;
    fprintf(stderr, "%s\n", tm_error_text());
    exit(2);
}

static void ack(uint64_t seq)
{
    char line[32];
    const int sz = snprintf(line, sizeof line, "acked %" PRIu64 "\n", seq);
    if (write(STDERR_FILENO, line, (size_t)sz) != sz) exit(2);
}

/* Small buffers, so that few records do all that a day of a feed does. */
static void write_all(const char *dir, uint64_t to)
{
    static uint8_t payload[TM_MAKE_PAYLOAD_MAX];
    const tm_journal_writer_cfg_t cfg = {
        .dir = dir, .buffer_sz = 64 << 10, .roll_sz = 96 << 10, .sync_sz = 24 << 10};
    tm_journal_recovery_t found;
    tm_journal_writer_t *w;
    need(tm_journal_writer_open(&w, &cfg, &found));
    printf("next %" PRIu64 " torn %" PRIu64 "\n", found.next_seq, found.torn_sz);
    uint64_t acked = found.next_seq;
    while (tm_journal_next_seq(w) < to) {
        tm_journal_entry_t e;
        tm_make_entry(&make, tm_journal_next_seq(w), &e, payload);
        const int64_t seq = tm_journal_append(w, &e);
        if (seq >= 0 && seq % 4 != 0) continue; /* some at a time */
        need(seq == -EAGAIN ? 0 : seq);
        need(tm_journal_flush_work(w));
        if (tm_journal_durable_seq(w) > acked) ack(acked = tm_journal_durable_seq(w));
    }
    need(tm_journal_writer_close(w));
    ack(to);
}

static void read_all(const char *dir)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[VIEW_CNT];
    uint64_t from = 0, next = 0;
    int cnt;
    need(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}));
    while ((cnt = tm_journal_reader_read(r, views, VIEW_CNT)) > 0) {
        for (int i = 0; i < cnt; i++) {
            if (!tm_make_same(&make, &views[i])) {
                fprintf(stderr, "record %" PRIu64 " is another one\n", views[i].seq);
                exit(3);
            }
            if (views[i].seq != next) {
                if (next > from) printf("have %" PRIu64 " %" PRIu64 "\n", from, next);
                from = views[i].seq;
            }
            next = views[i].seq + 1;
        }
    }
    need(cnt);
    printf("have %" PRIu64 " %" PRIu64 "\n", from, next);
    tm_journal_reader_close(r);
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    write_all(argv[1], strtoull(argv[2], NULL, 10));
    read_all(argv[1]);
    return 0;
}
