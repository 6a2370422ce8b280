#include "net/simulated/venue_source.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/replay/replay.h"
#include "net/ws/utf8.h"

#include <string.h>

int tm_venue_source_open(tm_venue_source_t *s, const tm_venue_source_cfg_t *cfg)
{
    memset(s, 0, sizeof *s);
    tm_venue_line_init(&s->line);
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
    tm_venue_line_fini(&s->line);
}

/* A text message that is not UTF-8 would end the connection of whoever gets it. */
static bool frame_is_text(const tm_venue_source_t *s)
{
    const tm_frame_t *f = &s->frames[s->frame_idx];
    return tm_utf8_is_valid(f->data, f->sz);
}

static int capture_next(tm_venue_source_t *s, tm_venue_message_t *m, int64_t *due_ns)
{
    if (tm_venue_line_next(&s->line, m)) return 1;
    while (s->frame_idx == s->frame_cnt || !frame_is_text(s)) {
        if (s->frame_idx < s->frame_cnt) {
            s->frame_idx++;
            s->invalid_cnt++;
            continue;
        }
        int n = tm_source_poll(s->replay, s->frames, TM_VENUE_BURST_MAX, 0);
        if (n <= 0) {
            *due_ns = tm_replay_due_ns(s->replay);
            return n;
        }
        s->frame_idx = 0;
        s->frame_cnt = (uint32_t)n;
    }
    const tm_frame_t *f = &s->frames[s->frame_idx++];
    tm_venue_line_set(&s->line, (const char *)f->data, f->sz, m);
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
