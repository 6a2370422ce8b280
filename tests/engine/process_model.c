#include "tests/engine/process_model.h"

#include "base/error.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <string.h>

/* ---- Values ---------------------------------------------------------------------------------- */

static void blob_fill(const blob_t *b, uint8_t *bytes)
{
    uint64_t seed = b->seed;
    for (uint32_t i = 0; i < b->sz; i += 8) {
        uint64_t word = pages_bed_random(&seed);
        memcpy(bytes + i, &word, b->sz - i < 8 ? b->sz - i : 8);
    }
}

static bool blob_is(const blob_t *b, const void *bytes, size_t sz)
{
    uint8_t want[BLOB_MAX + 8];
    blob_fill(b, want);
    return sz == b->sz && memcmp(want, bytes, sz) == 0;
}

/* The rules of time to live, as tidemark.h states them. */
static bool is_gone(const rig_t *r, const blob_t *b)
{
    return !b->on || (r->ttl_ns > 0 && b->stamp + r->ttl_ns <= r->clock[r->domain]);
}

static int64_t stamp_now(const rig_t *r)
{
    int64_t now = r->clock[r->domain];
    return r->domain == TM_EVENT_TIME && r->row_ns > now ? r->row_ns : now;
}

static void is_read(rig_t *r, blob_t *b)
{
    if (r->update == TM_TTL_ON_READ_AND_WRITE) b->stamp = stamp_now(r);
}

static blob_t blob_make(rig_t *r, uint32_t sz)
{
    return (blob_t){
        .on = true, .stamp = stamp_now(r), .sz = sz, .seed = pages_bed_random(&r->seed)};
}

static bool done(rig_t *r, int err)
{
    tm_assert(err == 0 || err == TM_E_LIMIT);
    r->refused += err != 0;
    return err == 0;
}

static void on_single(rig_t *r, tm_process_t *p, uint32_t state, blob_t *b, uint32_t sz)
{
    uint8_t bytes[BLOB_MAX + 8];
    uint64_t what = pages_bed_random(&r->seed) % 8;
    if (what < 4) {
        blob_t fresh = blob_make(r, sz);
        blob_fill(&fresh, bytes);
        if (done(r, tm_value_set(p, state, bytes, sz))) *b = fresh;
    } else if (what == 4) {
        tm_state_clear(p, state);
        b->on = false;
    } else {
        size_t got_sz;
        const void *got = tm_value_get(p, state, &got_sz);
        tm_assert_eq(got == NULL, is_gone(r, b));
        if (got) tm_assert(blob_is(b, got, got_sz));
        if (got) is_read(r, b);
    }
}

static void on_list(rig_t *r, tm_process_t *p, model_key_t *k)
{
    uint8_t bytes[BLOB_MAX + 8];
    uint64_t what = pages_bed_random(&r->seed) % 16;
    if (what < 10 && k->list_cnt < LIST_MAX) {
        blob_t fresh = blob_make(r,
                                 (uint32_t)(pages_bed_random(&r->seed) % (what ? 60 : BLOB_MAX)));
        blob_fill(&fresh, bytes);
        if (done(r, tm_list_add(p, LIST, bytes, fresh.sz))) k->list[k->list_cnt++] = fresh;
    } else if (what < 11 || k->list_cnt == LIST_MAX) {
        tm_state_clear(p, LIST);
        k->list_cnt = 0;
    } else {
        tm_state_iter_t at = {.state = LIST};
        const void *got;
        size_t sz;
        for (uint32_t i = 0; i < k->list_cnt; i++) {
            if (is_gone(r, &k->list[i])) continue;
            tm_assert(tm_list_next(p, &at, &got, &sz));
            tm_assert(blob_is(&k->list[i], got, sz));
            is_read(r, &k->list[i]);
        }
        tm_assert(!tm_list_next(p, &at, &got, &sz));
    }
}

static void on_map_walk(rig_t *r, tm_process_t *p, model_key_t *k)
{
    tm_state_iter_t at = {.state = MAP};
    tm_map_entry_t got;
    uint64_t last = 0;
    uint32_t cnt = 0, want = 0;
    for (uint32_t i = 0; i < MAP_MAX; i++) want += !is_gone(r, &k->map[i]);
    for (; tm_map_next(p, &at, &got); cnt++) {
        char text[64];
        tm_assert(got.key_sz < sizeof text);
        memcpy(text, got.key, got.key_sz);
        text[got.key_sz] = 0;
        uint32_t i = (uint32_t)atoi(text + 1);
        tm_assert(i < MAP_MAX && !is_gone(r, &k->map[i]));
        tm_assert(blob_is(&k->map[i], got.value, got.value_sz));
        tm_assert(k->map_order[i] > last);
        last = k->map_order[i];
        is_read(r, &k->map[i]);
        if (pages_bed_random(&r->seed) % 16 == 0) {
            tm_assert(tm_map_remove(p, MAP, text, strlen(text)));
            k->map[i].on = false;
        }
    }
    tm_assert_eq(cnt, want);
}

static void on_map(rig_t *r, tm_process_t *p, model_key_t *k)
{
    uint8_t bytes[BLOB_MAX + 8];
    char key[64];
    uint64_t what = pages_bed_random(&r->seed) % 16;
    uint32_t i = (uint32_t)(pages_bed_random(&r->seed) % MAP_MAX);
    blob_t *b = &k->map[i];
    size_t sz, key_sz = (size_t)snprintf(key, sizeof key, "k%u-%.*s", i, (int)i,
                                         "abcdefghijklmnopqrstuvwxyz");
    if (what < 8) {
        blob_t fresh = blob_make(r,
                                 (uint32_t)(pages_bed_random(&r->seed) % (what ? 100 : BLOB_MAX)));
        blob_fill(&fresh, bytes);
        if (!done(r, tm_map_put(p, MAP, &(tm_map_entry_t){key, key_sz, bytes, fresh.sz}))) {
            /* What had expired may be gone by now; nothing else. */
            return;
        }
        if (is_gone(r, b)) k->map_order[i] = ++r->added;
        *b = fresh;
    } else if (what < 10) {
        tm_assert_eq((bool)tm_map_remove(p, MAP, key, key_sz), !is_gone(r, b));
        b->on = false;
    } else if (what < 13) {
        const void *got = tm_map_get(p, MAP, key, key_sz, &sz);
        tm_assert_eq(got == NULL, is_gone(r, b));
        if (got) tm_assert(blob_is(b, got, sz));
        if (got) is_read(r, b);
    } else if (what == 13 && i == 0) {
        tm_state_clear(p, MAP);
        for (uint32_t n = 0; n < MAP_MAX; n++) k->map[n].on = false;
    } else {
        on_map_walk(r, p, k);
    }
}

static void sum_reduce(void *value, const void *input)
{
    *(int64_t *)value += *(const int64_t *)input;
}

typedef struct mean {
    int64_t sum, cnt;
} mean_t;

static void mean_init(void *acc)
{
    *(mean_t *)acc = (mean_t){1000, 0}; /* a start that zeros would not give */
}

static void mean_add(void *acc, const void *input)
{
    ((mean_t *)acc)->sum += *(const int64_t *)input;
    ((mean_t *)acc)->cnt++;
}

static void mean_result(const void *acc, void *out)
{
    *(double *)out = (double)((const mean_t *)acc)->sum / (double)((const mean_t *)acc)->cnt;
}

static void on_sums(rig_t *r, tm_process_t *p, model_key_t *k)
{
    int64_t add = (int64_t)(pages_bed_random(&r->seed) % 1000);
    if (add % 3 == 0) {
        const int64_t *got = tm_value_get(p, SUM, NULL);
        tm_assert_eq(got == NULL, is_gone(r, &k->sum_is));
        if (got) tm_assert_eq(*got, k->sum);
        if (got) is_read(r, &k->sum_is);
        double mean = -1, want = (double)k->mean_sum / (double)k->mean_cnt;
        tm_assert_eq((bool)tm_value_result(p, MEAN, &mean), !is_gone(r, &k->mean_is));
        if (!is_gone(r, &k->mean_is)) tm_assert(mean == want);
        if (!is_gone(r, &k->mean_is)) is_read(r, &k->mean_is);
        return;
    }
    bool fresh = is_gone(r, &k->sum_is);
    if (done(r, tm_value_add(p, SUM, &add))) {
        k->sum = fresh ? add : k->sum + add;
        k->sum_is = (blob_t){.on = true, .stamp = stamp_now(r)};
    }
    fresh = is_gone(r, &k->mean_is);
    if (done(r, tm_value_add(p, MEAN, &add))) {
        k->mean_sum = fresh ? 1000 + add : k->mean_sum + add;
        k->mean_cnt = fresh ? 1 : k->mean_cnt + 1;
        k->mean_is = (blob_t){.on = true, .stamp = stamp_now(r)};
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

/* The number of a key in the order of timers is not the model's for wide keys: only time counts. */
static uint32_t timer_find(const rig_t *r, uint32_t domain, int64_t time_ns, uint32_t name)
{
    uint32_t i = 0;
    while (i < r->timer_cnt[domain] &&
           (r->timers[domain][i].time_ns != time_ns || r->timers[domain][i].key != r->key ||
            r->timers[domain][i].name != name))
        i++;
    return i;
}

static void on_timers(rig_t *r, tm_process_t *p)
{
    uint64_t rnd = pages_bed_random(&r->seed);
    uint32_t domain = rnd >> 20 & 1, name = rnd >> 21 & 1;
    int64_t time_ns = r->clock[domain] + (int64_t)(rnd >> 32) % 3000 - 200;
    time_ns -= time_ns % 50;
    if (r->clock[domain] == INT64_MIN) time_ns = 0;
    if (r->clock[domain] == INT64_MAX) return; /* the end: nothing fires after it */
    uint32_t at = timer_find(r, domain, time_ns, name);
    bool there = at < r->timer_cnt[domain];
    if (rnd % 4 < 3) {
        if (r->timer_cnt[domain] == TIMER_MAX) return;
        if (!done(r, tm_timer_set(p, domain, time_ns, name)) || there) return;
        r->timers[domain][r->timer_cnt[domain]++] = (tm_timer_t){
            .time_ns = time_ns, .key = r->key, .name = name};
    } else {
        if (!there && r->timer_cnt[domain] > 0) {
            /* One that is there, if this key has any. */
            for (at = 0; at < r->timer_cnt[domain]; at++)
                if (r->timers[domain][at].key == r->key) break;
            there = at < r->timer_cnt[domain];
            if (there) time_ns = r->timers[domain][at].time_ns, name = r->timers[domain][at].name;
        }
        tm_assert_eq((bool)tm_timer_delete(p, domain, time_ns, name), there);
        if (there) r->timers[domain][at] = r->timers[domain][--r->timer_cnt[domain]];
    }
}

static void step(rig_t *r, tm_process_t *p)
{
    model_key_t *k = &r->keys[r->key];
    r->process = p;
    uint32_t no;
    memcpy(&no, tm_process_key(p, 0, NULL), sizeof no);
    tm_assert_eq(no, r->key);
    for (uint32_t n = 0; n < 4; n++, r->ops++) switch (pages_bed_random(&r->seed) % 8) {
        case 0:
            on_single(r, p, VALUE, &k->value, 24);
            break;
        case 1:
            on_single(r, p, BLOB, &k->blob,
                      (uint32_t)(pages_bed_random(&r->seed) >> 40) % (r->ops % 9 ? 120 : BLOB_MAX));
            break;
        case 2:
        case 3:
            on_list(r, p, k);
            break;
        case 4:
        case 5:
            on_map(r, p, k);
            break;
        case 6:
            on_sums(r, p, k);
            break;
        default:
            on_timers(r, p);
        }
    ((tm_trade_t *)tm_process_emit(p))->trade_id = r->key;
}

void model_on_row(tm_process_t *p, const void *row)
{
    rig_t *r = tm_process_user(p);
    r->key = ((const tm_row_t *)row)->symbol;
    r->row_ns = ((const tm_row_t *)row)->event_ns;
    step(r, p);
}

void model_on_timer(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    rig_t *r = tm_process_user(p);
    uint32_t no;
    memcpy(&no, tm_process_key(p, 0, NULL), sizeof no);
    r->key = no;
    uint32_t at = timer_find(r, domain, time_ns, name);
    tm_assert(at < r->timer_cnt[domain] && time_ns <= r->clock[domain]);
    for (uint32_t i = 0; i < r->timer_cnt[domain]; i++)
        tm_assert(r->timers[domain][i].time_ns >= time_ns);
    r->timers[domain][at] = r->timers[domain][--r->timer_cnt[domain]];
    int64_t before = r->clock[TM_EVENT_TIME];
    if (domain == TM_EVENT_TIME)
        r->clock[TM_EVENT_TIME] = time_ns > r->handed_ns ? time_ns : r->handed_ns;
    r->row_ns = domain == TM_EVENT_TIME ? time_ns : INT64_MIN;
    r->fired++;
    step(r, p);
    if (domain == TM_EVENT_TIME) r->clock[TM_EVENT_TIME] = before;
}

void model_states(const rig_t *r, tm_state_spec_t states[STATES])
{
    const tm_state_spec_t plain[STATES] = {
        [VALUE] = {.name = "value", .kind = TM_STATE_VALUE, .value_sz = 24},
        [BLOB] = {.name = "blob", .kind = TM_STATE_VALUE},
        [LIST] = {.name = "list", .kind = TM_STATE_LIST},
        [MAP] = {.name = "map", .kind = TM_STATE_MAP},
        [SUM] = {.name = "sum", .kind = TM_STATE_REDUCING, .value_sz = 8, .reduce = sum_reduce},
        [MEAN] = {.name = "mean",
                  .kind = TM_STATE_AGGREGATING,
                  .value_sz = sizeof(mean_t),
                  .init = mean_init,
                  .add = mean_add,
                  .result = mean_result},
    };
    for (uint32_t i = 0; i < STATES; i++) {
        states[i] = plain[i];
        states[i].ttl_ns = r->ttl_ns;
        states[i].ttl_time = r->domain;
        states[i].ttl_update = r->update;
    }
}
