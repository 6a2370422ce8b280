#include "net/simulated/venue_fault.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/simulated/fault_frame.h"
#include "net/simulated/venue_client_private.h"
#include "net/simulated/venue_fault_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXTRA_SZ = 4 << 10, /* of the queue, for a bad frame or a spoilt message's deep nesting */
    FLOOD_ROUND = 256,  /* pings a step */
};

/* A message that is sent later. */
typedef struct kept {
    char *text;
    size_t sz, cap;
    uint64_t left; /* messages that go first; 0 = none is kept */
} kept_t;

typedef struct rule_state {
    bool fired;
    uint64_t random;
} rule_state_t;

struct tm_venue_fault {
    tm_venue_faults_t *faults;
    uint32_t conn_nr;
    int64_t begin_ns; /* of the stream; 0 = not yet */
    uint64_t message_cnt;
    const tm_fault_rule_t *byte_rule; /* the next one by bytes */

    uint64_t gap_left;
    int64_t duplicate_cnt;
    uint64_t random;    /* of the rule that fired last */
    int64_t json;       /* how the next message is spoilt; -1 = not */
    int64_t jump_ns;    /* of the clock in messages */
    kept_t late, stale; /* reorder: one held back; stale: one to be sent again */
    char *text;         /* a message as it is changed */
    size_t text_cap;
    uint64_t ping_left;
    int64_t quiet_end_ns; /* stalled until then; 0 = not */
    int64_t drip_rate, drip_ns;
    double drip_left;
    bool half_open, silent;
    tm_fault_what_t end; /* CUT or RST once what is queued has left; WHAT_CNT = no */
    rule_state_t rules[];
};

tm_venue_fault_t *tm_venue_fault_open(tm_venue_faults_t *faults, uint32_t conn_nr)
{
    const tm_fault_plan_t *plan = faults->plan;
    tm_venue_fault_t *f = calloc(1, sizeof *f + plan->rule_cnt * sizeof f->rules[0]);
    if (!f) return NULL;
    f->faults = faults;
    f->conn_nr = conn_nr;
    f->json = -1;
    f->end = TM_FAULT_WHAT_CNT;
    for (uint32_t i = 0; i < plan->rule_cnt; i++)
        f->rules[i].random = tm_fault_random_start(plan->seed, conn_nr, i);
    return f;
}

void tm_venue_fault_close(tm_venue_fault_t *f)
{
    if (!f) return;
    free(f->late.text);
    free(f->stale.text);
    free(f->text);
    free(f);
}

void tm_venue_faults_note(tm_venue_faults_t *faults, const tm_fault_rule_t *rule, uint32_t conn_nr,
                          uint64_t message_nr)
{
    char line[TM_FAULT_LINE_MAX];
    tm_counter_add(faults->fired[rule->what], 1);
    TM_LOG_I("venue", "fault: connection %u, message %llu: %s", conn_nr,
             (unsigned long long)message_nr, tm_fault_rule_show(rule, line));
}

static void skip(tm_venue_fault_t *f, const char *what)
{
    tm_counter_add(f->faults->skipped, 1);
    TM_LOG_D("venue", "fault: connection %u: no room for %s", f->conn_nr, what);
}

const tm_fault_rule_t *tm_venue_fault_upgrade(tm_venue_fault_t *f)
{
    const tm_fault_rule_t *rule = tm_fault_plan_find(f->faults->plan, f->conn_nr, TM_FAULT_UPGRADE);
    if (rule) tm_venue_faults_note(f->faults, rule, f->conn_nr, 0);
    return rule;
}

/* Lets the link send up to the next rule's byte. */
void tm_venue_fault_watch(tm_venue_fault_t *f, tm_venue_client_t *c)
{
    const tm_fault_plan_t *plan = f->faults->plan;
    uint64_t sent_sz = tm_link_sent_sz(c->link);
    f->byte_rule = NULL;
    for (uint32_t i = 0; i < plan->rule_cnt; i++) {
        const tm_fault_rule_t *rule = &plan->rules[i];
        if (rule->when != TM_FAULT_BYTE || f->rules[i].fired) continue;
        if (!tm_fault_rule_meets(rule, f->conn_nr)) continue;
        if (!f->byte_rule || rule->at < f->byte_rule->at) f->byte_rule = rule;
    }
    if (!f->byte_rule)
        tm_link_allow(c->link, UINT64_MAX);
    else
        tm_link_allow(c->link, f->byte_rule->at > sent_sz ? f->byte_rule->at - sent_sz : 0);
}

void tm_venue_fault_begin(tm_venue_fault_t *f, int64_t now_ns)
{
    f->begin_ns = now_ns;
}

void tm_venue_fault_silence(tm_venue_fault_t *f)
{
    f->silent = true;
}

bool tm_venue_fault_is_quiet(const tm_venue_fault_t *f)
{
    return f->silent || f->half_open || f->quiet_end_ns > 0;
}

/* ---- Into the queue -------------------------------------------------------------------------- */

static bool put_bytes(tm_venue_fault_t *f, tm_venue_client_t *c, const void *bytes, size_t sz)
{
    if (!tm_venue_client_make_room(c, sz, 0)) {
        skip(f, "bytes");
        return false;
    }
    memcpy(c->queue + c->queue_end, bytes, sz);
    c->queue_end += sz;
    return true;
}

static void put_text(tm_venue_fault_t *f, tm_venue_client_t *c, const char *text, size_t sz)
{
    if (tm_venue_client_reply(c, text, sz) < 0) {
        skip(f, "a message");
        return;
    }
    tm_counter_add(c->shared->sent, 1);
    tm_counter_add(c->shared->sent_bytes, sz);
}

static bool keep(kept_t *k, const char *text, size_t sz, uint64_t left)
{
    if (sz > k->cap) {
        char *bigger = realloc(k->text, sz);
        if (!bigger) return false;
        k->text = bigger;
        k->cap = sz;
    }
    memcpy(k->text, text, sz);
    k->sz = sz;
    k->left = left;
    return true;
}

/* The beginning of a message: what ends behind it was cut. */
static void put_half(tm_venue_fault_t *f, tm_venue_client_t *c)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'e', '"'};
    (void)put_bytes(f, c, half, sizeof half);
}

static void put_frame(tm_venue_fault_t *f, tm_venue_client_t *c, int64_t kind)
{
    uint8_t bytes[TM_FAULT_FRAME_MAX];
    if (kind < 0) kind = (int64_t)(tm_fault_random_next(&f->random) % tm_fault_frame_cnt());
    TM_LOG_I("venue", "fault: connection %u: frame %s", f->conn_nr,
             tm_fault_frame_name((uint32_t)kind));
    (void)put_bytes(f, c, bytes, tm_fault_frame_write((uint32_t)kind, bytes));
}

/* One message of sz equal bytes, compressed to a thousandth where the client allows it. */
static void put_bomb(tm_venue_fault_t *f, tm_venue_client_t *c, size_t sz)
{
    uint8_t *in = malloc(sz);
    size_t cap = tm_ws_frame_sz(c->ws, sz);
    uint8_t *out = in ? malloc(cap) : NULL;
    if (out) {
        memset(in, ' ', sz);
        const tm_ws_message_t msg = {.data = in, .sz = sz, .op = TM_WS_TEXT};
        int n = tm_ws_write(c->ws, &msg, NULL, out, cap);
        if (n > 0) (void)put_bytes(f, c, out, (size_t)n);
    } else {
        skip(f, "a bomb");
    }
    free(in);
    free(out);
}

static void put_shutdown(tm_venue_fault_t *f, tm_venue_client_t *c)
{
    char raw[64], text[128];
    snprintf(raw, sizeof raw, "{\"e\":\"serverShutdown\",\"E\":%lld}",
             (long long)(tm_clock_real_ns() / TM_NS_PER_MS));
    int n = snprintf(text, sizeof text,
                     c->combined ? "{\"stream\":\"!serverShutdown\",\"data\":%s}" : "%s", raw);
    put_text(f, c, text, (size_t)n);
}

/* ---- Firing ---------------------------------------------------------------------------------- */

static void do_end(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    f->end = rule->what;
    if (rule->when != TM_FAULT_BYTE) put_half(f, c);
}

static void do_stall(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    f->quiet_end_ns = tm_clock_mono_ns() + rule->arg;
    tm_link_allow(c->link, 0);
}

static void do_drip(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    f->drip_rate = rule->arg;
    f->drip_ns = tm_clock_mono_ns();
    tm_link_allow(c->link, 0);
}

static void do_half_open(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)rule;
    f->half_open = true;
    tm_link_allow(c->link, 0);
}

static void do_corrupt(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)f, (void)rule;
    tm_link_corrupt(c->link);
}

static void do_close(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)f;
    tm_venue_client_finish(c, (uint16_t)rule->arg, "as the script says", tm_clock_mono_ns());
}

static void do_frame(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    put_frame(f, c, rule->arg);
}

static void do_bomb(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    put_bomb(f, c, (size_t)rule->arg);
}

static void do_ping_flood(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->ping_left += (uint64_t)rule->arg;
}

static void do_duplicate(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->duplicate_cnt = rule->arg;
}

static void do_gap(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->gap_left = (uint64_t)rule->arg;
}

static void do_reorder(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    if (f->late.left == 0) f->late.left = (uint64_t)rule->arg + 1;
}

static void do_stale(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    if (f->stale.left == 0) f->stale.left = (uint64_t)rule->arg + 1;
}

static void do_json(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->json = rule->arg;
}

static void do_shutdown(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)rule;
    put_shutdown(f, c);
}

static void do_jump(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->jump_ns = rule->arg;
}

static void do_outage(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    (void)c;
    f->faults->outage_ns = rule->arg;
}

/* Those of the accept and the upgrade are done where these happen. */
static void (*const doers[TM_FAULT_WHAT_CNT])(tm_venue_fault_t *, tm_venue_client_t *,
                                              const tm_fault_rule_t *) = {
    [TM_FAULT_CUT] = do_end,
    [TM_FAULT_RST] = do_end,
    [TM_FAULT_STALL] = do_stall,
    [TM_FAULT_DRIP] = do_drip,
    [TM_FAULT_HALF_OPEN] = do_half_open,
    [TM_FAULT_CORRUPT] = do_corrupt,
    [TM_FAULT_CLOSE] = do_close,
    [TM_FAULT_FRAME] = do_frame,
    [TM_FAULT_BOMB] = do_bomb,
    [TM_FAULT_PING_FLOOD] = do_ping_flood,
    [TM_FAULT_DUPLICATE] = do_duplicate,
    [TM_FAULT_GAP] = do_gap,
    [TM_FAULT_REORDER] = do_reorder,
    [TM_FAULT_STALE] = do_stale,
    [TM_FAULT_JSON] = do_json,
    [TM_FAULT_SHUTDOWN] = do_shutdown,
    [TM_FAULT_JUMP] = do_jump,
    [TM_FAULT_OUTAGE] = do_outage,
};

static void fire(tm_venue_fault_t *f, tm_venue_client_t *c, uint32_t idx)
{
    const tm_fault_rule_t *rule = &f->faults->plan->rules[idx];
    tm_venue_faults_note(f->faults, rule, f->conn_nr, f->message_cnt);
    f->rules[idx].fired = true;
    f->random = f->rules[idx].random;
    doers[rule->what](f, c, rule);
    f->rules[idx].random = f->random;
}

static bool fits_message(tm_venue_fault_t *f, uint32_t idx)
{
    const tm_fault_rule_t *rule = &f->faults->plan->rules[idx];
    if (rule->when == TM_FAULT_MESSAGE) return f->message_cnt == rule->at;
    if (rule->when == TM_FAULT_EVERY) return f->message_cnt % rule->at == 0;
    if (rule->when != TM_FAULT_SOME) return false;
    return tm_fault_random_next(&f->rules[idx].random) % rule->at == 0;
}

/* ---- Messages -------------------------------------------------------------------------------- */

size_t tm_venue_fault_room(const tm_venue_fault_t *f, size_t frame_sz)
{
    size_t extra = (size_t)(f->duplicate_cnt + 2) * frame_sz + EXTRA_SZ;
    return extra + (f->late.left ? f->late.sz : 0) + (f->stale.left ? f->stale.sz : 0);
}

/* Applies what changes the text. Returns false where the text stays as it is. */
static bool change(tm_venue_fault_t *f, const char **text, size_t *sz)
{
    if (f->json < 0 && f->jump_ns == 0) return false;
    size_t cap = *sz + TM_VENUE_FAULT_TEXT_EXTRA;
    if (cap > f->text_cap) {
        char *bigger = realloc(f->text, cap);
        if (!bigger) return false;
        f->text = bigger;
        f->text_cap = cap;
    }
    memcpy(f->text, *text, *sz);
    if (f->jump_ns) tm_venue_fault_text_jump(f->text, *sz, f->jump_ns);
    if (f->json >= 0)
        *sz = tm_venue_fault_text_spoil(f->text, *sz, (tm_fault_json_t)f->json, &f->random);
    f->json = -1;
    *text = f->text;
    return true;
}

/* Sends what was kept once enough others have gone. `left` counts one more at first: the message
   that is kept itself. */
static void put_kept(tm_venue_fault_t *f, tm_venue_client_t *c, kept_t *k)
{
    if (k->left == 0 || --k->left > 0) return;
    put_text(f, c, k->text, k->sz);
}

void tm_venue_fault_send(tm_venue_fault_t *f, tm_venue_client_t *c, const tm_venue_message_t *m)
{
    const char *text = c->combined ? m->text : m->data;
    size_t sz = c->combined ? m->sz : m->data_sz;
    uint64_t late_before = f->late.left, stale_before = f->stale.left;
    f->message_cnt++;
    for (uint32_t i = 0; i < f->faults->plan->rule_cnt && f->end == TM_FAULT_WHAT_CNT; i++)
        if (tm_fault_rule_meets(&f->faults->plan->rules[i], f->conn_nr) && fits_message(f, i))
            fire(f, c, i);
    if (f->end != TM_FAULT_WHAT_CNT || f->half_open || c->phase != TM_VENUE_CLIENT_OPEN) return;
    if (f->gap_left > 0) {
        f->gap_left--;
        return;
    }
    (void)change(f, &text, &sz);
    bool held = late_before == 0 && f->late.left > 0 && keep(&f->late, text, sz, f->late.left);
    if (stale_before == 0 && f->stale.left > 0 && !keep(&f->stale, text, sz, f->stale.left))
        f->stale.left = 0;
    for (int64_t n = f->duplicate_cnt; !held && n >= 0; n--) put_text(f, c, text, sz);
    if (!held) f->duplicate_cnt = 0;
    put_kept(f, c, &f->late);
    put_kept(f, c, &f->stale);
}

/* ---- Time and bytes -------------------------------------------------------------------------- */

static void flood(tm_venue_fault_t *f, tm_venue_client_t *c)
{
    uint8_t ping[2 + TM_WS_CONTROL_MAX] = {0x89, TM_WS_CONTROL_MAX};
    memset(ping + 2, 'p', TM_WS_CONTROL_MAX);
    for (int n = 0; n < FLOOD_ROUND && f->ping_left > 0; n++) {
        if (!tm_venue_client_make_room(c, sizeof ping, EXTRA_SZ)) return;
        memcpy(c->queue + c->queue_end, ping, sizeof ping);
        c->queue_end += sizeof ping;
        f->ping_left--;
    }
}

static void drip(tm_venue_fault_t *f, tm_venue_client_t *c, int64_t now_ns)
{
    f->drip_left += (double)(now_ns - f->drip_ns) / 1e9 * (double)f->drip_rate;
    f->drip_ns = now_ns;
    if (f->drip_left < 1) return;
    tm_link_allow(c->link, (uint64_t)f->drip_left);
    f->drip_left -= (double)(uint64_t)f->drip_left;
}

/* Everything that was queued before has left. */
static bool is_drained(const tm_venue_client_t *c)
{
    return c->queue_pos == c->queue_end && tm_link_is_sent(c->link);
}

static int end_now(tm_venue_fault_t *f, tm_venue_client_t *c)
{
    if (f->end == TM_FAULT_RST) tm_link_reset(c->link);
    return tm_error_set(TM_E_CLOSED, "ended by a fault");
}

bool tm_venue_fault_is_due(const tm_venue_fault_t *f, const tm_venue_client_t *c, int64_t now_ns)
{
    (void)now_ns;
    if (f->quiet_end_ns > 0 || f->ping_left > 0 || f->drip_rate > 0) return true;
    if (f->byte_rule && tm_link_sent_sz(c->link) >= f->byte_rule->at) return true;
    return f->end != TM_FAULT_WHAT_CNT;
}

int tm_venue_fault_step(tm_venue_fault_t *f, tm_venue_client_t *c, int64_t now_ns)
{
    const tm_fault_plan_t *plan = f->faults->plan;
    if (f->byte_rule && tm_link_sent_sz(c->link) >= f->byte_rule->at) {
        const tm_fault_rule_t *rule = f->byte_rule;
        fire(f, c, (uint32_t)(rule - plan->rules));
        if (f->end != TM_FAULT_WHAT_CNT) return end_now(f, c);
        f->byte_rule = NULL;
        if (!tm_venue_fault_is_quiet(f) && f->drip_rate == 0) tm_venue_fault_watch(f, c);
    }
    for (uint32_t i = 0; f->begin_ns > 0 && i < plan->rule_cnt; i++) {
        const tm_fault_rule_t *rule = &plan->rules[i];
        if (rule->when != TM_FAULT_AFTER || f->rules[i].fired) continue;
        if (!tm_fault_rule_meets(rule, f->conn_nr)) continue;
        if (now_ns - f->begin_ns >= (int64_t)rule->at) fire(f, c, i);
    }
    if (f->quiet_end_ns > 0 && now_ns >= f->quiet_end_ns) {
        f->quiet_end_ns = 0;
        if (!f->half_open && f->drip_rate == 0) tm_venue_fault_watch(f, c);
    }
    if (f->drip_rate > 0) drip(f, c, now_ns);
    if (f->ping_left > 0 && c->phase == TM_VENUE_CLIENT_OPEN) flood(f, c);
    if (f->end != TM_FAULT_WHAT_CNT && is_drained(c)) return end_now(f, c);
    return 0;
}
