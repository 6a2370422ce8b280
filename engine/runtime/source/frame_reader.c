/* What the feeds of a thread share: parsers, the rows of each feed of the graph, journals. */
#include "base/symbol.h"
#include "engine/runtime/source/dead_journal.h"
#include "engine/runtime/source/feed_state.h"
#include "net/conn/url.h"
#include "net/feed/feed_venue.h"
#include "parse/venues/venues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *tm_frame_reader_strip(const tm_frame_reader_t *r, const char *text, int *only)
{
    *only = -1;
    for (uint32_t t = 0; t < r->target_cnt; t++) {
        size_t sz = strlen(r->targets[t].node->name);
        if (strncmp(text, r->targets[t].node->name, sz) != 0 || text[sz] != '=') continue;
        *only = (int)t;
        return text + sz + 1;
    }
    return text;
}

void tm_frame_reader_bury(tm_frame_reader_t *reader, tm_journal_writer_t *journal)
{
    reader->dead = journal;
}

static void on_dead_letter(void *ctx, const tm_dead_letter_t *letter)
{
    tm_frame_reader_t *r = ctx;
    if (r->dead) tm_dead_journal_put(r->dead, letter, r->dead_lost);
}

/* Whose messages these are: the venue that was named, or that of the first address. */
static const struct tm_venue *venue_of(const tm_frame_reader_t *r)
{
    const tm_options_t *o = &r->cfg.topo->job->opts;
    const char *address = NULL;
    char first[512];
    int only;
    tm_url_t url;
    if (o->venue) return tm_venue_find(o->venue);
    if (r->cfg.ingest_idx < o->connect_cnt)
        address = tm_frame_reader_strip(r, o->connects[r->cfg.ingest_idx], &only);
    for (uint32_t t = 0; t < r->target_cnt && o->connect_cnt == 0 && !address; t++) {
        const tm_feed_node_spec_t *spec = r->targets[t].node->spec;
        if (spec->url[0]) address = spec->url;
    }
    if (o->replay_cnt > 0 || !address) return tm_venue_binance();
    /* Of several that carry the same, the first. */
    snprintf(first, sizeof first, "%.*s", (int)strcspn(address, ","), address);
    if (tm_url_parse(&url, first) < 0) return tm_venue_binance();
    return tm_venue_find(tm_feed_venue_of_host(url.host)->name);
}

/* Where rows of one feed of the graph are gathered. */
static int target_add(tm_frame_reader_t *r, const struct tm_stream *node)
{
    const tm_feed_node_spec_t *spec = node->spec;
    if (r->target_cnt == TARGET_MAX)
        return tm_error_set(TM_E_CONFIG, "a job has at most %d feeds", TARGET_MAX);
    target_t *target = &r->targets[r->target_cnt++];
    target->node = node;
    target->row_sz = node->schema.row_sz;
    target->rows = aligned_alloc(TM_CACHE_LINE,
                                 tm_align_up((size_t)BATCH_ROWS * target->row_sz, TM_CACHE_LINE));
    if (!target->rows) return tm_error_set(-ENOMEM, "feed: out of memory");
    if (!spec->json) return 0;
    tm_json_rows_cfg_t json = *spec->json;
    json.symbols = r->cfg.symbols;
    json.counters = r->cfg.counters;
    json.on_dead_letter = on_dead_letter;
    json.on_dead_letter_ctx = r;
    return tm_json_rows_open(&target->json, &json);
}

/* The parser of an exchange's messages, where some feed takes rows of it. */
static int parser_open(tm_frame_reader_t *r)
{
    uint64_t wanted = 0; /* a bit a schema of an exchange's rows */
    for (uint32_t t = 0; t < r->target_cnt; t++)
        if (!r->targets[t].json) wanted |= UINT64_C(1) << r->targets[t].node->schema.id;
    if (wanted == 0) return 0;
    r->rows = aligned_alloc(TM_CACHE_LINE, sizeof r->rows[0] * TM_PARSER_ROW_MAX);
    if (!r->rows) return tm_error_set(-ENOMEM, "feed: out of memory");
    const struct tm_venue *venue = venue_of(r);
    r->wants_books = wanted & BOOK_SCHEMAS;
    if (venue == tm_venue_kraken()) r->checksum = TM_BOOK_CHECKSUM_KRAKEN;
    if (venue == tm_venue_okx()) r->checksum = TM_BOOK_CHECKSUM_OKX;
    const tm_parser_cfg_t parser = {.symbols = r->cfg.symbols,
                                    .counters = r->cfg.counters,
                                    .venue = venue,
                                    .no_books = !(wanted & BOOK_SCHEMAS),
                                    .on_dead_letter = on_dead_letter,
                                    .on_dead_letter_ctx = r};
    return tm_parser_open(&r->parser, &parser);
}

int tm_frame_reader_open(tm_frame_reader_t **out, const tm_frame_reader_cfg_t *cfg)
{
    tm_frame_reader_t *r = aligned_alloc(TM_CACHE_LINE, tm_align_up(sizeof *r, TM_CACHE_LINE));
    if (!r) return tm_error_set(-ENOMEM, "feed: out of memory");
    memset(r, 0, sizeof *r);
    *out = r;
    r->cfg = *cfg;
    const tm_job_t *job = cfg->topo->job;
    r->rows_in = tm_counter_get(cfg->counters, "rows_in");
    r->rows_other = tm_counter_get(cfg->counters, "rows_other");
    r->dead_lost = tm_counter_get(cfg->counters, "dead_letters_lost");
    for (const struct tm_stream *n = tm_job_next_feed(job, 0); n;
         n = tm_job_next_feed(job, n->node_idx + 1))
        TM_TRY(target_add(r, n));
    return parser_open(r);
}

void tm_frame_reader_close(tm_frame_reader_t *reader)
{
    if (!reader) return;
    for (uint32_t t = 0; t < reader->target_cnt; t++) {
        free(reader->targets[t].rows);
        tm_json_rows_close(reader->targets[t].json);
    }
    if (reader->parser) tm_parser_close(reader->parser);
    tm_recorder_close(reader->recorder);
    free(reader->journal_dir);
    free(reader->rows);
    free(reader);
}

int tm_frame_reader_record(tm_frame_reader_t *reader, struct tm_journal_writer *journal,
                           const char *dir)
{
    reader->journal = journal;
    reader->journal_dir = strdup(dir);
    if (!reader->journal_dir) return tm_error_set(-ENOMEM, "feed: out of memory");
    const tm_recorder_cfg_t cfg = {.journal = journal,
                                   .idle = reader->cfg.idle,
                                   .live = reader->cfg.topo->job->opts.replay_cnt == 0,
                                   .abort = reader->cfg.abort};
    return tm_recorder_open(&reader->recorder, &cfg);
}

int tm_frame_reader_dead_letters(const tm_frame_reader_t *reader, FILE *out)
{
    if (reader->parser) TM_TRY(tm_parser_dead_letters_write(reader->parser, out));
    for (uint32_t t = 0; t < reader->target_cnt; t++)
        TM_TRY(tm_json_rows_dead_letters_write(reader->targets[t].json, out));
    return 0;
}
