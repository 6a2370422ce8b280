#include "engine/job/restart_options.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/job/flags.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 32, WORDS_MAX = 4 };

#define MINUTE_NS (60 * TM_NS_PER_S)

typedef struct words {
    char text[WORDS_MAX][WORD_MAX];
    uint32_t cnt;
} words_t;

static int bad(const char *text)
{
    return tm_error_set(TM_E_CONFIG,
                        "--restart '%s': write none, fixed:ATTEMPTS,DELAY (fixed:3,10s), "
                        "rate:FAILURES,INTERVAL,DELAY (rate:3,10m,1s) or "
                        "exponential:FIRST,MAX,FACTOR,RESET (exponential:1s,1m,1.5,1h)",
                        text);
}

static bool split(words_t *w, const char *text)
{
    w->cnt = 0;
    while (*text) {
        size_t sz = strcspn(text, ",");
        if (w->cnt == WORDS_MAX || sz == 0 || sz >= WORD_MAX) return false;
        memcpy(w->text[w->cnt], text, sz);
        w->text[w->cnt++][sz] = '\0';
        text += sz;
        if (*text == ',' && *++text == '\0') return false;
    }
    return true;
}

static bool count_take(const char *text, uint64_t max, uint32_t *cnt)
{
    uint64_t v;
    if (tm_number_parse("restart", text, 1, max, &v) < 0) return false;
    *cnt = (uint32_t)v;
    return true;
}

static bool times_take(const words_t *w, uint32_t first, int64_t *const *out, uint32_t out_cnt)
{
    for (uint32_t i = 0; i < out_cnt; i++)
        if (tm_duration_parse(w->text[first + i], out[i]) < 0) return false;
    return true;
}

static bool fixed_take(tm_restart_options_t *o, const words_t *w)
{
    o->kind = TM_RESTART_FIXED;
    return w->cnt == 2 && count_take(w->text[0], TM_RESTART_MAX, &o->restart_max) &&
           times_take(w, 1, (int64_t *const[]){&o->delay_ns}, 1);
}

static bool rate_take(tm_restart_options_t *o, const words_t *w)
{
    o->kind = TM_RESTART_RATE;
    return w->cnt == 3 && count_take(w->text[0], TM_RESTART_RATE_MAX, &o->restart_max) &&
           times_take(w, 1, (int64_t *const[]){&o->interval_ns, &o->delay_ns}, 2);
}

/* Flink's numbers where none are given. */
static bool exponential_take(tm_restart_options_t *o, const words_t *w)
{
    char *end = NULL;
    *o = (tm_restart_options_t){.kind = TM_RESTART_EXPONENTIAL,
                                .delay_ns = TM_NS_PER_S,
                                .delay_max_ns = MINUTE_NS,
                                .factor = 1.5,
                                .reset_ns = 60 * MINUTE_NS};
    if (w->cnt == 0) return true;
    if (w->cnt == 1 || !times_take(w, 0, (int64_t *const[]){&o->delay_ns, &o->delay_max_ns}, 2))
        return false;
    if (w->cnt > 2) {
        o->factor = strtod(w->text[2], &end);
        if (end == w->text[2] || *end || !(o->factor >= 1 && o->factor <= 100)) return false;
    }
    if (w->cnt > 3 && !times_take(w, 3, (int64_t *const[]){&o->reset_ns}, 1)) return false;
    return o->delay_max_ns >= o->delay_ns;
}

int tm_restart_options_parse(tm_restart_options_t *o, const char *text)
{
    static const struct {
        const char *name;
        bool (*take)(tm_restart_options_t *o, const words_t *w);
    } kinds[] = {{"fixed", fixed_take}, {"rate", rate_take}, {"exponential", exponential_take}};
    words_t w;
    *o = (tm_restart_options_t){.kind = TM_RESTART_NONE};
    if (strcmp(text, "none") == 0) return 0;
    const size_t name_sz = strcspn(text, ":");
    if (!split(&w, text[name_sz] ? text + name_sz + 1 : "")) return bad(text);
    for (size_t i = 0; i < TM_ARRAY_CNT(kinds); i++)
        if (strlen(kinds[i].name) == name_sz && memcmp(kinds[i].name, text, name_sz) == 0)
            return kinds[i].take(o, &w) ? 0 : bad(text);
    return bad(text);
}

/* A rate, as a job that lives for months has its share of bad days; three within ten minutes are a
   cause that does not pass. */
tm_restart_options_t tm_restart_options_resolve(const tm_restart_options_t *o, bool checkpoints)
{
    if (o->kind != TM_RESTART_DEFAULT) return *o;
    if (!checkpoints) return (tm_restart_options_t){.kind = TM_RESTART_NONE};
    return (tm_restart_options_t){.kind = TM_RESTART_RATE,
                                  .restart_max = 3,
                                  .interval_ns = 10 * MINUTE_NS,
                                  .delay_ns = TM_NS_PER_S};
}
