#include "net/venue_source.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/replay.h"

#include <string.h>

int tm_venue_source_open(tm_venue_source_t *s, const tm_venue_source_cfg_t *cfg)
{
    memset(s, 0, sizeof *s);
    if (!cfg->capture) {
        s->paced = cfg->generator.rate > 0;
        return tm_venue_generator_open(&s->generator, &cfg->generator);
    }
    const tm_replay_cfg_t replay_cfg = {.path = cfg->capture, .speed = cfg->speed};
    s->paced = cfg->speed > 0;
    return tm_replay_open(&s->replay, &replay_cfg);
}

void tm_venue_source_close(tm_venue_source_t *s)
{
    tm_venue_generator_close(s->generator);
    tm_source_close(s->replay);
}

/* Finds stream and data in {"stream":"<name>","data":<data>}; other lines have neither. */
static void line_split(tm_venue_message_t *m, const char *text, uint32_t sz)
{
    static const char head[] = "{\"stream\":\"", middle[] = "\",\"data\":";
    enum { HEAD_SZ = sizeof head - 1, MIDDLE_SZ = sizeof middle - 1 };
    *m = (tm_venue_message_t){.text = text, .sz = sz, .data = text, .data_sz = sz};
    if (sz < HEAD_SZ + MIDDLE_SZ + 1 || memcmp(text, head, HEAD_SZ) != 0) return;
    const char *name = text + HEAD_SZ;
    const char *end = memchr(name, '"', sz - HEAD_SZ);
    if (!end || (size_t)(text + sz - end) < MIDDLE_SZ + 1 || memcmp(end, middle, MIDDLE_SZ) != 0)
        return;
    if (text[sz - 1] != '}') return;
    m->stream = name;
    m->stream_sz = (uint32_t)(end - name);
    m->data = end + MIDDLE_SZ;
    m->data_sz = (uint32_t)(text + sz - 1 - m->data);
}

static int capture_next(tm_venue_source_t *s, tm_venue_message_t *m, int64_t *due_ns)
{
    if (s->frame_idx == s->frame_cnt) {
        int n = tm_source_poll(s->replay, s->frames, TM_VENUE_BURST_MAX, 0);
        if (n <= 0) {
            *due_ns = tm_replay_due_ns(s->replay);
            return n;
        }
        s->frame_idx = 0;
        s->frame_cnt = (uint32_t)n;
    }
    const tm_frame_t *f = &s->frames[s->frame_idx++];
    line_split(m, (const char *)f->data, f->sz);
    return 1;
}

int tm_venue_source_next(tm_venue_source_t *s, int64_t now_ns, tm_venue_message_t *m,
                         int64_t *due_ns)
{
    if (s->replay) return capture_next(s, m, due_ns);
    if (!s->started) {
        tm_venue_generator_start(s->generator, now_ns, tm_clock_mono_to_real_ns(now_ns));
        s->started = true;
    }
    *due_ns = tm_venue_generator_due_ns(s->generator);
    if (*due_ns != INT64_MAX && *due_ns > now_ns) return 0;
    return tm_venue_generator_next(s->generator, now_ns, m) ? 1 : TM_E_CLOSED;
}
