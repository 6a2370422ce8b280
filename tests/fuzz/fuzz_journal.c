/* A segment of any content. The first byte chooses: bit 0 puts right checksums on whatever the
   bytes claim to be, so that lengths, indexes and seals of a hostile writer are reached; bit 1: not
   the last segment; bit 2: cold; bit 3: the input brings its own header page. */
#include "state/crc32c.h"
#include "state/journal/journal_cold.h"
#include "state/journal/journal_cursor.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REPAIR = 1, NOT_LAST = 2, COLD = 4, OWN_HEADER = 8, SZ_MAX = 1 << 20 };

static void repair_records(uint8_t *seg, size_t sz, uint32_t seed)
{
    size_t off = TM_JOURNAL_HEADER_SZ;
    while (off + sizeof(tm_journal_rec_t) <= sz) {
        tm_journal_rec_t rec;
        memcpy(&rec, seg + off, sizeof rec);
        if (rec.kind == 0 || tm_journal_span(rec.sz) > sz - off) {
            off += 8;
            continue;
        }
        rec.body_crc = tm_crc32c(seed, seg + off + sizeof rec, tm_journal_body_sz(rec.sz));
        rec.head_crc = tm_journal_rec_head_crc(seed, &rec);
        memcpy(seg + off, &rec, sizeof rec);
        off += tm_journal_span(rec.sz);
    }
}

static void repair_blocks(uint8_t *seg, size_t sz, uint32_t seed)
{
    size_t off = TM_JOURNAL_HEADER_SZ;
    while (off + sizeof(tm_journal_block_t) <= sz) {
        tm_journal_block_t b;
        memcpy(&b, seg + off, sizeof b);
        const uint64_t body_sz = tm_journal_body_sz(b.packed_sz);
        if (memcmp(b.magic, "TMJ", 3) != 0 || body_sz > sz - off - sizeof b) {
            off += 8;
            continue;
        }
        b.raw_sz &= 0xfffff8; /* a hostile size may cost 256 MiB, which is allowed but slow */
        b.body_crc = tm_crc32c(seed, seg + off + sizeof b, body_sz);
        b.head_crc = tm_journal_block_head_crc(seed, &b);
        memcpy(seg + off, &b, sizeof b);
        off += sizeof b + body_sz;
    }
}

static void repair(uint8_t *seg, size_t sz, bool cold)
{
    const uint8_t id[TM_JOURNAL_ID_SZ] = {0};
    const uint32_t seed = tm_journal_seed(id, 0);
    tm_journal_trailer_t t;
    if (cold)
        repair_blocks(seg, sz, seed);
    else
        repair_records(seg, sz, seed);
    if (sz < TM_JOURNAL_HEADER_SZ + sizeof t) return;
    memcpy(&t, seg + sz - sizeof t, sizeof t);
    if (memcmp(t.magic, tm_journal_magic_trailer, sizeof t.magic) != 0) return;
    tm_journal_trailer_write(&t, seed, t.seal_off, sz);
    memcpy(seg + sz - sizeof t, &t, sizeof t);
}

static uint64_t read_all(const char *path, bool last, int64_t seek_ns, uint64_t *payload_sz)
{
    const uint8_t id[TM_JOURNAL_ID_SZ] = {0};
    tm_journal_cursor_t *c;
    tm_journal_view_t views[16];
    const tm_journal_cursor_cfg_t cfg = {.path = path, .journal_id = id, .last = last};
    uint64_t cnt = 0, next = 0, sum = 0;
    if (tm_journal_cursor_open(&c, &cfg) < 0) return 0;
    if (seek_ns) TM_MUST(tm_journal_cursor_seek_ns(c, seek_ns) == 0);
    for (int n; (n = tm_journal_cursor_read(c, views, 16)) != 0;) {
        if (n < 0) break;
        for (int i = 0; i < n; i++) {
            TM_MUST(cnt == 0 || views[i].seq >= next);
            next = views[i].seq + 1;
            for (uint32_t k = 0; k < views[i].frame.sz + TM_FRAME_PAD; k += 7)
                sum += views[i].frame.data[k];
            *payload_sz += views[i].frame.sz;
            cnt++;
        }
    }
    TM_MUST(cnt == 0 || tm_journal_cursor_next_seq(c) >= next || tm_journal_cursor_torn_sz(c) > 0);
    tm_journal_cursor_close(c);
    return cnt + (sum & 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    const uint8_t how = tm_fuzz_byte(&data, &sz);
    if (sz > SZ_MAX) return 0;
    const size_t head_sz = how & OWN_HEADER ? 0 : TM_JOURNAL_HEADER_SZ;
    uint8_t *seg = malloc(head_sz + sz + 1);
    TM_MUST(seg);
    if (head_sz) {
        const tm_journal_head_t head = {.prior_max_ns = INT64_MIN,
                                        .flags = how & COLD ? TM_JOURNAL_COLD : 0,
                                        .raw_sz = how & COLD ? 64 << 10 : 0};
        tm_journal_head_write(seg, &head);
    }
    if (sz) memcpy(seg + head_sz, data, sz);
    if (how & REPAIR) repair(seg, head_sz + sz, how & COLD);

    const int fd = memfd_create("fuzz-journal", MFD_CLOEXEC);
    char path[64];
    TM_MUST(fd >= 0 && write(fd, seg, head_sz + sz) == (ssize_t)(head_sz + sz));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    uint64_t payload_sz = 0, ignored = 0;
    const uint64_t cnt = read_all(path, !(how & NOT_LAST), 0, &payload_sz);
    if (!(how & COLD)) TM_MUST(cnt * sizeof(tm_journal_rec_t) + payload_sz <= head_sz + sz);
    read_all(path, true, 1700000000000000000, &ignored);
    close(fd);
    free(seg);
    return 0;
}
