#include "state/journal/journal_seal.h"

#include "state/crc32c.h"

#include <string.h>

void tm_journal_tally_init(tm_journal_tally_t *tally, int64_t prior_max_ns)
{
    tally->seal = (tm_journal_seal_t){.max_ns = prior_max_ns};
    tally->gap_sz = TM_JOURNAL_INDEX_GAP;
    tally->next_mark_off = 0;
}

void tm_journal_tally_mark(tm_journal_tally_t *tally, uint64_t off, uint64_t idx)
{
    uint32_t cnt = tally->seal.index_cnt;
    if (cnt == TM_JOURNAL_INDEX_MAX) {
        for (uint32_t i = 0; i < cnt / 2; i++) tally->marks[i] = tally->marks[(size_t)i * 2];
        cnt /= 2;
        tally->gap_sz *= 2;
    }
    tally->marks[cnt] = (tm_journal_mark_t){off, tally->seal.max_ns, idx};
    tally->seal.index_cnt = cnt + 1;
    tally->next_mark_off = off + tally->gap_sz;
}

size_t tm_journal_seal_write(uint8_t *out, const tm_journal_tally_t *tally, uint32_t seed,
                             uint64_t end_off)
{
    const size_t index_sz = tally->seal.index_cnt * sizeof(tm_journal_mark_t);
    const size_t body_sz = sizeof(tm_journal_seal_t) + index_sz;
    tm_journal_rec_t rec = {.sz = (uint32_t)body_sz,
                            .idx = (uint32_t)tally->seal.record_cnt,
                            .recv_ns = tally->seal.last_ns,
                            .kind = TM_JOURNAL_SEAL};
    uint8_t *body = out + sizeof rec;
    memcpy(body, &tally->seal, sizeof tally->seal);
    memcpy(body + sizeof tally->seal, tally->marks, index_sz);
    rec.body_crc = tm_crc32c(seed, body, body_sz);
    rec.head_crc = tm_journal_rec_head_crc(seed, &rec);
    memcpy(out, &rec, sizeof rec);

    const size_t sz = sizeof rec + body_sz + sizeof(tm_journal_trailer_t);
    tm_journal_trailer_t trailer;
    tm_journal_trailer_write(&trailer, seed, end_off, end_off + sz);
    memcpy(body + body_sz, &trailer, sizeof trailer);
    return sz;
}
