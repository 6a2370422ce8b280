#include "parse/dead_letter.h"

#include "base/error.h"
#include "parse/scan/quoted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct letter {
    int64_t time_ns;
    uint32_t conn_idx, sz, offset, kept_sz;
    tm_reason_t reason;
    uint8_t text[TM_DEAD_LETTER_TEXT_MAX];
} letter_t;

struct tm_dead_letters {
    uint32_t cap;
    uint64_t seq; /* letters ever added */
    letter_t slots[];
};

int tm_dead_letters_open(tm_dead_letters_t **out, uint32_t cap)
{
    if (cap == 0 || cap > TM_DEAD_LETTER_CNT_MAX)
        return tm_error_set(-EINVAL, "dead letters: %u kept messages asked for, 1 to %d can be",
                            cap, TM_DEAD_LETTER_CNT_MAX);
    tm_dead_letters_t *d = malloc(sizeof *d + cap * sizeof d->slots[0]);
    if (!d) return tm_error_set(-ENOMEM, "dead letters: no memory for %u messages", cap);
    d->cap = cap;
    d->seq = 0;
    *out = d;
    return 0;
}

void tm_dead_letters_close(tm_dead_letters_t *letters)
{
    free(letters);
}

void tm_dead_letters_add(tm_dead_letters_t *letters, const tm_frame_t *frame, tm_reason_t reason,
                         uint32_t offset)
{
    letter_t *l = &letters->slots[letters->seq++ % letters->cap];
    l->time_ns = frame->recv_ns;
    l->conn_idx = frame->conn_idx;
    l->sz = frame->sz;
    l->offset = offset;
    l->reason = reason;
    l->kept_sz = frame->sz < TM_DEAD_LETTER_TEXT_MAX ? frame->sz : TM_DEAD_LETTER_TEXT_MAX;
    if (l->kept_sz > 0) memcpy(l->text, frame->data, l->kept_sz);
}

uint32_t tm_dead_letters_cnt(const tm_dead_letters_t *letters)
{
    return letters->seq < letters->cap ? (uint32_t)letters->seq : letters->cap;
}

static void write_text(const uint8_t *p, uint32_t sz, FILE *out)
{
    for (uint32_t i = 0; i < sz;) {
        uint32_t step = tm_quoted_utf8(p + i, sz - i);
        if (step == 0) {
            fputs("\\ufffd", out);
            step = 1;
        } else if (p[i] < 0x20) {
            fprintf(out, "\\u%04x", p[i]);
        } else {
            if (p[i] == '"' || p[i] == '\\') fputc('\\', out);
            fwrite(p + i, 1, step, out);
        }
        i += step;
    }
}

int tm_dead_letters_write(const tm_dead_letters_t *letters, FILE *out)
{
    uint64_t cnt = tm_dead_letters_cnt(letters);
    errno = 0;
    for (uint64_t seq = letters->seq - cnt; seq < letters->seq; seq++) {
        const letter_t *l = &letters->slots[seq % letters->cap];
        fprintf(out,
                "{\"time\":%" PRId64 ",\"conn\":%u,\"reason\":\"%s\",\"offset\":%u,\"size\":%u,"
                "\"text\":\"",
                l->time_ns, l->conn_idx, tm_reason_name(l->reason), l->offset, l->sz);
        write_text(l->text, l->kept_sz, out);
        fputs("\"}\n", out);
    }
    if (fflush(out) == 0 && !ferror(out)) return 0;
    return tm_error_set(errno ? -errno : -EIO, "dead letters: cannot write them");
}
