#include "state/journal/journal_format.h"

#include "base/error.h"
#include "state/crc32c.h"

#include <string.h>

const uint8_t tm_journal_magic_head[8] = {'T', 'M', 'J', '1', '\r', '\n', 0x1a, '\n'};
const uint8_t tm_journal_magic_trailer[8] = {'T', 'M', 'J', 'S', 'E', 'A', 'L', '\n'};
const uint8_t tm_journal_magic_block[8] = {'T', 'M', 'J', 'B', 'L', 'K', '\n', 0};
const uint8_t tm_journal_magic_index[8] = {'T', 'M', 'J', 'I', 'D', 'X', '\n', 0};

uint32_t tm_journal_seed(const uint8_t journal_id[TM_JOURNAL_ID_SZ], uint64_t first_seq)
{
    uint32_t crc = tm_crc32c(0, journal_id, TM_JOURNAL_ID_SZ);
    return tm_crc32c(crc, &first_seq, sizeof first_seq);
}

void tm_journal_head_write(uint8_t page[TM_JOURNAL_HEADER_SZ], const tm_journal_head_t *head)
{
    tm_journal_head_t copy = *head;
    memcpy(copy.magic, tm_journal_magic_head, sizeof copy.magic);
    copy.version = TM_JOURNAL_VERSION;
    copy.header_sz = TM_JOURNAL_HEADER_SZ;
    copy.crc = tm_crc32c(0, &copy, offsetof(tm_journal_head_t, crc));
    memcpy(page, &copy, sizeof copy);
    memcpy(page + sizeof copy, &copy, sizeof copy);
}

static int head_check(const tm_journal_head_t *head)
{
    if (memcmp(head->magic, tm_journal_magic_head, sizeof head->magic) != 0) return TM_E_CORRUPT;
    if (head->crc != tm_crc32c(0, head, offsetof(tm_journal_head_t, crc))) return TM_E_CORRUPT;
    if (head->version != TM_JOURNAL_VERSION) return TM_E_UNSUPPORTED;
    if (head->header_sz != TM_JOURNAL_HEADER_SZ) return TM_E_CORRUPT;
    if (head->label[TM_JOURNAL_LABEL_SZ - 1] != '\0') return TM_E_CORRUPT;
    return 0;
}

int tm_journal_head_read(tm_journal_head_t *head, const uint8_t page[TM_JOURNAL_HEADER_SZ],
                         bool bad[2])
{
    tm_journal_head_t copy[2];
    int code[2];
    for (int i = 0; i < 2; i++) {
        memcpy(&copy[i], page + (size_t)i * sizeof copy[i], sizeof copy[i]);
        code[i] = head_check(&copy[i]);
        bad[i] = code[i] != 0;
    }
    *head = copy[bad[0] && !bad[1] ? 1 : 0];
    if (!bad[0] || !bad[1]) return 0;
    return code[0] == TM_E_UNSUPPORTED || code[1] == TM_E_UNSUPPORTED ? TM_E_UNSUPPORTED
                                                                      : TM_E_CORRUPT;
}

uint32_t tm_journal_rec_head_crc(uint32_t seed, const tm_journal_rec_t *rec)
{
    return tm_crc32c(seed, rec, offsetof(tm_journal_rec_t, head_crc));
}

uint32_t tm_journal_block_head_crc(uint32_t seed, const tm_journal_block_t *block)
{
    return tm_crc32c(seed, block, offsetof(tm_journal_block_t, head_crc));
}

void tm_journal_trailer_write(tm_journal_trailer_t *trailer, uint32_t seed, uint64_t seal_off,
                              uint64_t file_sz)
{
    *trailer = (tm_journal_trailer_t){.seal_off = seal_off, .file_sz = file_sz};
    memcpy(trailer->magic, tm_journal_magic_trailer, sizeof trailer->magic);
    trailer->crc = tm_crc32c(seed, trailer, offsetof(tm_journal_trailer_t, crc));
}

bool tm_journal_trailer_ok(const tm_journal_trailer_t *trailer, uint32_t seed)
{
    return memcmp(trailer->magic, tm_journal_magic_trailer, sizeof trailer->magic) == 0 &&
           trailer->zero == 0 &&
           trailer->crc == tm_crc32c(seed, trailer, offsetof(tm_journal_trailer_t, crc));
}

bool tm_journal_is_zero(const void *src, size_t sz)
{
    const uint8_t *p = src;
    if (sz == 0) return true;
    return p[0] == 0 && memcmp(p, p + 1, sz - 1) == 0;
}
