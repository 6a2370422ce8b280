#include "state/journal/journal_damage.h"

#include <inttypes.h>
#include <stdio.h>

const char *tm_journal_damage_name(tm_journal_damage_kind_t kind)
{
    static const char *const names[] = {
        [TM_JOURNAL_BAD_HEADER_COPY] = "bad copy of the header",
        [TM_JOURNAL_BAD_HEADER] = "bad header",
        [TM_JOURNAL_BAD_BYTES] = "bad bytes",
        [TM_JOURNAL_BAD_PAYLOAD] = "bad payload",
        [TM_JOURNAL_BAD_BLOCK] = "bad block",
        [TM_JOURNAL_BAD_SEAL] = "bad seal",
        [TM_JOURNAL_BAD_TRAILER] = "bad trailer",
        [TM_JOURNAL_TORN_TAIL] = "torn tail",
        [TM_JOURNAL_NOT_SEALED] = "cut: ends without a seal",
        [TM_JOURNAL_MISSING] = "missing records",
        [TM_JOURNAL_UNREADABLE] = "unreadable (input/output error)",
    };
    return (size_t)kind < TM_ARRAY_CNT(names) ? names[kind] : "damage";
}

void tm_journal_damage_text(char *out, size_t out_sz, const tm_journal_damage_t *damage)
{
    int n = snprintf(out, out_sz, "%s: offset %" PRIu64 ": %s, %" PRIu64 " bytes", damage->path,
                     damage->off, tm_journal_damage_name(damage->kind), damage->sz);
    if (n < 0 || (size_t)n >= out_sz) return;
    out += n;
    out_sz -= (size_t)n;
    if (damage->lost_cnt == 1) {
        snprintf(out, out_sz, ", sequence %" PRIu64 " lost", damage->seq);
    } else if (damage->lost_cnt > 1) {
        snprintf(out, out_sz, ", sequences %" PRIu64 " to %" PRIu64 " lost (%" PRIu64 ")",
                 damage->seq, damage->seq + damage->lost_cnt - 1, damage->lost_cnt);
    }
}
