/* What a checkpoint keeps of a feed: where it stands in its recording or journal, and what had come
   until there, so that behind a restart a copy is a copy and a gap is told once. */
#include "base/log.h"
#include "engine/runtime/source/feed_state.h"
#include "engine/runtime/source/journal_source.h"

#include <string.h>

enum { VERSION = 2, OLD_MARK_SZ = 272 }; /* version 1 was the position alone, and had no number */

typedef struct feed_mark {
    uint32_t version, feed_cnt;
    uint64_t pos;   /* of a recording, or of the journal that a live feed is recorded in */
    uint64_t epoch; /* opening of its writer */
    uint8_t live, recorded, unused[6];
    uint16_t groups[TM_ARBITER_CONN_MAX];
    uint64_t arbiter_sz, books_sz; /* 0 = there is none; feeds, arbiter and books follow */
} feed_mark_t;

static_assert(sizeof(feed_mark_t) == 304 && sizeof(feed_mark_t) > OLD_MARK_SZ, "no padding");

/* ---- where it is ----------------------------------------------------------------------------- */

uint64_t tm_feed_position(const feed_source_t *f)
{
    if (!f->path && f->reader->journal && !f->backlog)
        return f->unpolled ? f->opened_seq : tm_journal_next_seq(f->reader->journal);
    return f->source ? tm_source_position(f->source) : f->from_pos;
}

uint64_t tm_feed_epoch(const feed_source_t *f)
{
    if (!f->path && f->reader->journal && !f->backlog) return tm_journal_epoch(f->reader->journal);
    return f->source ? tm_journal_source_epoch(f->source) : f->epoch;
}

uint64_t tm_feed_recorded(const tm_row_source_t *src)
{
    const feed_source_t *f = (const feed_source_t *)src;
    return f->path || !f->reader->journal ? UINT64_MAX : tm_feed_position(f);
}

/* ---- save ------------------------------------------------------------------------------------ */

int tm_feed_save(const tm_row_source_t *src, tm_buffer_t *blob)
{
    const feed_source_t *f = (const feed_source_t *)src;
    const size_t at = blob->sz;
    feed_mark_t mark = {.version = VERSION,
                        .feed_cnt = f->path ? 0 : f->group_cnt,
                        .pos = tm_feed_position(f),
                        .epoch = tm_feed_epoch(f),
                        .live = !f->path,
                        .recorded = f->reader->journal != NULL};
    memcpy(mark.groups, f->groups, sizeof mark.groups);
    TM_TRY(tm_buffer_append(blob, &mark, sizeof mark));
    for (uint32_t i = 0; i < mark.feed_cnt; i++)
        TM_TRY(tm_buffer_append(blob, f->feeds[i].text, sizeof f->feeds[i].text));
    const size_t arbiter_at = blob->sz;
    if (f->arbiter) TM_TRY(tm_arbiter_save(f->arbiter, blob));
    const size_t books_at = blob->sz;
    if (f->books) TM_TRY(tm_book_check_save(f->books, blob));
    mark.arbiter_sz = books_at - arbiter_at;
    mark.books_sz = blob->sz - books_at;
    memcpy(blob->data + at, &mark, sizeof mark);
    return 0;
}

/* ---- restore --------------------------------------------------------------------------------- */

/* What came is known by feed and symbol, so feeds have to be what they were. A lone one may get
   other streams: symbols tell them apart. */
static int feeds_compare(const feed_source_t *f, const feed_mark_t *mark, const uint8_t *texts)
{
    if (mark->feed_cnt != (f->path ? 0 : f->group_cnt))
        return tm_error_set(TM_E_CONFIG,
                            "the checkpoint was taken of %u feeds, and now there are %u: which "
                            "messages had come could not be told: start with the addresses and "
                            "streams as they were, or with --restore none",
                            mark->feed_cnt, f->group_cnt);
    for (uint32_t i = 0; i < mark->feed_cnt; i++) {
        char was[TM_FEED_GROUP_TEXT_MAX];
        const char *is = f->feeds[i].text;
        memcpy(was, texts + (size_t)i * sizeof was, sizeof was);
        was[sizeof was - 1] = '\0';
        const size_t sz = mark->feed_cnt == 1 ? strcspn(is, ":") + 1 : sizeof was;
        if (strncmp(was, is, sz) == 0) continue;
        return tm_error_set(TM_E_CONFIG,
                            "feed %u is '%s', and was '%s': which of its messages had come could "
                            "not be told: start with the addresses and streams as they were, or "
                            "with --restore none",
                            i + 1, is, was);
    }
    return 0;
}

/* Which version, which kind, and whether all is there that the mark says. */
static int mark_take(feed_mark_t *mark, const feed_source_t *f, const void *bytes, size_t sz)
{
    if (sz == OLD_MARK_SZ)
        return tm_error_set(TM_E_CONFIG,
                            "the checkpoint does not say which messages of its feeds had come, as "
                            "older versions did not keep that: go on with the version that wrote "
                            "it, or start with --restore none");
    if (sz < sizeof *mark) return tm_error_set(TM_E_CORRUPT, "feed: a position of %zu bytes", sz);
    memcpy(mark, bytes, sizeof *mark);
    if (mark->version != VERSION)
        return tm_error_set(TM_E_CONFIG,
                            "the checkpoint has its feeds in version %u, this build reads %d",
                            mark->version, VERSION);
    if (mark->live != !f->path)
        return tm_error_set(TM_E_CONFIG, "the checkpoint was taken of a %s, and this is a %s",
                            mark->live ? "live feed" : "replay", f->path ? "replay" : "live feed");
    const uint64_t left = sz - sizeof *mark,
                   texts = (uint64_t)mark->feed_cnt * TM_FEED_GROUP_TEXT_MAX;
    if (mark->feed_cnt > TM_FEED_LINE_MAX || texts > left || mark->arbiter_sz > left - texts ||
        mark->books_sz != left - texts - mark->arbiter_sz)
        return tm_error_set(TM_E_CORRUPT, "feed: %zu bytes are not what they say", sz);
    return 0;
}

/* What had come, and whose copies may come still. */
static int past_take(feed_source_t *f, const feed_mark_t *mark, const uint8_t *at)
{
    if (mark->arbiter_sz > 0) {
        TM_TRY(tm_feed_arbiter_open(f));
        TM_TRY(tm_arbiter_restore(f->arbiter, at, mark->arbiter_sz));
        for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++)
            f->streaming[i] = tm_arbiter_streams(f->arbiter, i);
    }
    TM_TRY(tm_feed_books_open(f));
    if (f->books && mark->books_sz > 0)
        TM_TRY(tm_book_check_restore(f->books, at + mark->arbiter_sz, mark->books_sz));
    f->restored = true;
    return 0;
}

int tm_feed_restore(tm_row_source_t *src, const void *bytes, size_t sz)
{
    feed_source_t *f = (feed_source_t *)src;
    const uint8_t *at = bytes;
    feed_mark_t mark = {0}; /* what is refused leaves it */
    TM_TRY(mark_take(&mark, f, bytes, sz));
    TM_TRY(feeds_compare(f, &mark, at + sizeof mark));
    TM_TRY(past_take(f, &mark, at + sizeof mark + (size_t)mark.feed_cnt * TM_FEED_GROUP_TEXT_MAX));
    f->from_pos = mark.pos;
    f->epoch = mark.epoch;
    for (uint32_t i = 0; i < TM_ARBITER_CONN_MAX; i++)
        f->groups[i] = mark.groups[i] % TM_FEED_LINE_MAX;
    f->backlog = mark.live && mark.recorded && f->reader->journal;
    if (mark.live && !f->backlog)
        TM_LOG_W("engine", "without a journal of the live feed, messages since the checkpoint are "
                           "missing: give --journal");
    return 0;
}
