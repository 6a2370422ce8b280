#include "net/simulated/venue.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/simulated/venue_fault.h"
#include "net/simulated/venue_listen.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SLOT_TLS = TM_VENUE_CLIENT_MAX, /* slots of the listeners, behind the clients' */
    SLOT_PLAIN,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_NORMAL = 1000,
    WS_CODE_INTERNAL = 1011,
    ROUND_MESSAGES = 512, /* of the source, then clients and events have their turn */
};

static const int64_t wait_max_ns = 100 * TM_NS_PER_MS;
static const int64_t tick_ns = 10 * TM_NS_PER_MS; /* how exact the clients' times are kept */
static const int64_t stop_ns = TM_NS_PER_S;       /* for close frames to pass after a stop */

typedef struct listener {
    int fd;
    bool armed;
    int64_t again_ns; /* after an error */
} listener_t;

typedef struct venue {
    const tm_venue_cfg_t *cfg;
    const _Atomic bool *stop;
    tm_venue_shared_t shared;
    tm_tls_ctx_t *tls_ctx, *bad_ctxs[TM_VENUE_BAD_CERT_CNT];
    tm_venue_faults_t faults;
    uint32_t conn_nr;        /* connections accepted so far */
    int64_t outage_end_ns;   /* nobody is served until then; 0 = no outage */
    listener_t listeners[2]; /* TLS, plain */
    tm_venue_ports_t ports;
    tm_venue_client_t *clients[TM_VENUE_CLIENT_MAX];
    uint32_t gens[TM_VENUE_CLIENT_MAX];
    uint32_t client_cnt;

    tm_venue_source_t source;
    bool source_open, started;
    bool ended; /* nothing more comes from the source */
    int source_err;
    char source_text[TM_ERROR_TEXT_MAX];
    tm_venue_message_t held; /* a message that waits for a client's room */
    bool holds;
    bool unwanted_yet; /* nobody has wanted the message so far, for none of its streams */
    int64_t due_ns;    /* when the source has its next message */
    int64_t tick_due_ns;
    tm_counter_t *accepted, *refused, *slow, *messages, *unwanted;
    tm_counter_t unread[12 + TM_FAULT_WHAT_CNT]; /* counts where the caller gave no set */
} venue_t;

static bool is_stopped(const venue_t *v)
{
    return atomic_load_explicit(v->stop, memory_order_relaxed); /* a flag that orders nothing */
}

/* Ends a client for a reason; its memory goes when its last operation is done. */
static void client_end(tm_venue_client_t *c, int code)
{
    if (tm_venue_client_is_over(c)) return;
    if (code == TM_E_CLOSED)
        TM_LOG_D("venue", "%s: closed", tm_venue_client_name(c));
    else
        TM_LOG_I("venue", "%s: %s", tm_venue_client_name(c), tm_error_text());
    tm_venue_client_abort(c);
}

static void clients_sweep(venue_t *v)
{
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++) {
        tm_venue_client_t *c = v->clients[i];
        if (!c || !tm_venue_client_is_over(c) || !tm_venue_client_is_idle(c)) continue;
        tm_venue_client_free(c);
        v->clients[i] = NULL;
        v->client_cnt--;
    }
}

/* What happens to a connection before it is anybody's. Returns the rule, NULL = nothing. */
static const tm_fault_rule_t *accept_fault(venue_t *v)
{
    const tm_fault_rule_t *rule = tm_fault_plan_find(v->cfg->faults, ++v->conn_nr, TM_FAULT_ACCEPT);
    if (rule) tm_venue_faults_note(&v->faults, rule, v->conn_nr, 0);
    return rule;
}

/* TLS for a new connection: with the certificate it should have, or not, or none at all. */
static int tls_open(venue_t *v, const tm_fault_rule_t *rule, tm_tls_t **tls)
{
    if (!rule) return tm_tls_open(tls, v->tls_ctx, NULL);
    if (rule->what != TM_FAULT_BAD_CERT) return 0;
    return tm_tls_open(tls, v->bad_ctxs[rule->arg], NULL);
}

/* The certificates that the plan asks for. */
static int bad_certs_open(venue_t *v)
{
    const tm_fault_plan_t *plan = v->cfg->faults;
    for (uint32_t i = 0; plan && i < plan->rule_cnt; i++) {
        const tm_fault_rule_t *rule = &plan->rules[i];
        if (rule->what != TM_FAULT_BAD_CERT || v->bad_ctxs[rule->arg]) continue;
        TM_TRY(tm_venue_tls_bad(&v->bad_ctxs[rule->arg], v->cfg->state_dir,
                                (tm_venue_bad_cert_t)rule->arg));
    }
    return 0;
}

static void client_add(venue_t *v, int fd, bool tls)
{
    const tm_fault_rule_t *rule = accept_fault(v);
    if (rule && rule->what == TM_FAULT_REFUSE) {
        const struct linger now = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd); /* with RST */
        return;
    }
    uint16_t slot = 0;
    while (slot < TM_VENUE_CLIENT_MAX && v->clients[slot]) slot++;
    tm_tls_t *session = NULL;
    int err = 0;
    if (slot == TM_VENUE_CLIENT_MAX)
        err = tm_error_set(TM_E_LIMIT, "%d clients are connected already", TM_VENUE_CLIENT_MAX);
    if (v->ended || is_stopped(v)) err = tm_error_set(TM_E_CLOSED, "the venue is closing");
    if (err == 0 && tls) err = tls_open(v, rule, &session);
    if (err < 0) {
        tm_counter_add(v->refused, 1);
        TM_LOG_W("venue", "client refused: %s", tm_error_text());
        close(fd);
        return;
    }
    const tm_uring_owner_t owner = {.slot = slot, .gen = ++v->gens[slot]};
    err = tm_venue_client_open(&v->clients[slot], &v->shared, owner, fd, session);
    if (v->clients[slot]) v->client_cnt++;
    if (err == 0 && v->cfg->faults) err = tm_venue_client_spoil(v->clients[slot], v->conn_nr, rule);
    if (err == 0) {
        tm_counter_add(v->accepted, 1);
        return;
    }
    tm_counter_add(v->refused, 1);
    TM_LOG_W("venue", "client refused: %s", tm_error_text());
    if (v->clients[slot]) client_end(v->clients[slot], err);
}

static void on_accept(venue_t *v, const tm_uring_event_t *ev)
{
    listener_t *l = &v->listeners[ev->owner.slot - SLOT_TLS];
    l->armed = ev->more;
    if (ev->res >= 0) {
        client_add(v, ev->res, ev->owner.slot == SLOT_TLS);
    } else if (ev->res != -ECANCELED && v->outage_end_ns == 0) {
        TM_LOG_W("venue", "accept: %s", strerror(-ev->res));
        l->again_ns = ev->mono_ns + wait_max_ns; /* out of descriptors, say: not at once again */
    }
}

static void on_event(venue_t *v, const tm_uring_event_t *ev)
{
    if (ev->op == TM_URING_ACCEPT) {
        on_accept(v, ev);
        return;
    }
    tm_venue_client_t *c = v->clients[ev->owner.slot];
    /* A client is freed only when idle, so events of an earlier one cannot come. */
    int rc = tm_venue_client_on_event(c, ev);
    if (rc < 0) client_end(c, rc);
}

/* Cuts everybody off and stops listening, or listens again: connects are refused between. */
static int outage_step(venue_t *v, int64_t now_ns)
{
    if (v->faults.outage_ns > 0) {
        v->outage_end_ns = now_ns + v->faults.outage_ns;
        v->faults.outage_ns = 0;
        /* First of all, or who is cut off could be back before. */
        for (int i = 0; i < 2; i++)
            if (v->listeners[i].fd >= 0) shutdown(v->listeners[i].fd, SHUT_RDWR);
        for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++)
            if (v->clients[i]) tm_venue_client_abort(v->clients[i]);
    }
    if (v->outage_end_ns == 0 || now_ns < v->outage_end_ns) return 0;
    v->outage_end_ns = 0;
    for (int i = 0; i < 2; i++) {
        /* The descriptor keeps its port while it does not listen. */
        if (v->listeners[i].fd >= 0) TM_TRY(tm_venue_listen_again(v->listeners[i].fd));
        v->listeners[i].again_ns = 0;
    }
    return 0;
}

static int listeners_arm(venue_t *v, int64_t now_ns)
{
    TM_TRY(outage_step(v, now_ns));
    if (v->outage_end_ns > 0) return 0;
    for (uint16_t i = 0; i < 2; i++) {
        listener_t *l = &v->listeners[i];
        if (l->fd < 0 || l->armed || now_ns < l->again_ns) continue;
        const tm_uring_owner_t owner = {.slot = (uint16_t)(SLOT_TLS + i)};
        TM_TRY(tm_uring_accept(v->shared.ring, owner, l->fd));
        l->armed = true;
    }
    return 0;
}

static uint32_t subscribed_cnt(const venue_t *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++)
        if (v->clients[i] && tm_venue_client_is_open(v->clients[i]) &&
            tm_venue_client_stream_cnt(v->clients[i]) > 0)
            n++;
    return n;
}

/* Who gets a message. */
static uint64_t mask_of(const venue_t *v, const tm_venue_message_t *m)
{
    if (m->stream) return tm_venue_streams_mask(v->shared.streams, m->stream, m->stream_sz);
    uint64_t mask = 0;
    for (uint32_t i = 0; v->cfg->snapshots && i < TM_VENUE_CLIENT_MAX; i++)
        if (v->clients[i] && tm_venue_client_is_open(v->clients[i])) mask |= UINT64_C(1) << i;
    return mask;
}

/* True where every client of the mask can take the message. A paced source does not wait: who
   cannot is cut. */
static bool room_for(venue_t *v, uint64_t *mask, const tm_venue_message_t *m)
{
    for (uint64_t left = *mask; left; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        tm_venue_client_t *c = v->clients[i];
        if (!tm_venue_client_is_open(c)) {
            *mask &= ~(UINT64_C(1) << i);
            continue;
        }
        if (tm_venue_client_has_room(c, m)) continue;
        int rc = tm_venue_client_pump(c);
        if (rc < 0)
            client_end(c, rc);
        else if (tm_venue_client_has_room(c, m))
            continue;
        else if (!v->source.paced)
            return false;
        else {
            tm_counter_add(v->slow, 1);
            client_end(c,
                       tm_error_set(TM_E_LIMIT, "reads slower than the market; its queue is full"));
        }
        *mask &= ~(UINT64_C(1) << i);
    }
    return true;
}

/* True where the source may give its next message. */
static bool may_publish(venue_t *v)
{
    if (v->ended) return false;
    uint32_t wanted = v->started ? 0 : v->cfg->wait_client_cnt;
    if (!v->source.paced && wanted == 0) wanted = 1;
    if (wanted > 0 && subscribed_cnt(v) < wanted) return false;
    v->started = true;
    return true;
}

/* Counts the message before where nobody wanted it, and the new one where there is one. */
static void message_count(venue_t *v, bool more)
{
    if (v->unwanted_yet) tm_counter_add(v->unwanted, 1);
    if (more) tm_counter_add(v->messages, 1);
    v->unwanted_yet = more;
}

/* Publishes what is due. Returns true where it stopped only to give others their turn. */
static bool publish(venue_t *v, int64_t now_ns)
{
    if (!may_publish(v)) {
        v->due_ns = INT64_MAX;
        return false;
    }
    for (int n = 0; n < ROUND_MESSAGES; n++) {
        if (!v->holds) {
            int rc = tm_venue_source_next(&v->source, now_ns, &v->held, &v->due_ns);
            if (rc == 0) return false;
            if (rc < 0 || !v->held.again) message_count(v, rc > 0);
            if (rc < 0) {
                v->ended = true;
                v->source_err = rc == TM_E_CLOSED ? 0 : rc;
                snprintf(v->source_text, sizeof v->source_text, "%s", tm_error_text());
                return true;
            }
        }
        uint64_t mask = mask_of(v, &v->held);
        v->holds = !room_for(v, &mask, &v->held);
        if (v->holds) {
            v->due_ns = INT64_MAX; /* until a client has read */
            return false;
        }
        if (mask) v->unwanted_yet = false;
        for (; mask; mask &= mask - 1)
            tm_venue_client_send(v->clients[__builtin_ctzll(mask)], &v->held);
    }
    return true;
}

/* Steps who has something to do; everybody's queue moves on. */
static void clients_step(venue_t *v, int64_t now_ns)
{
    bool tick = now_ns >= v->tick_due_ns;
    if (tick) v->tick_due_ns = now_ns + tick_ns;
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++) {
        tm_venue_client_t *c = v->clients[i];
        if (!c || tm_venue_client_is_over(c)) continue;
        int rc = tick || tm_venue_client_is_due(c, now_ns) ? tm_venue_client_step(c, now_ns)
                                                           : tm_venue_client_pump(c);
        if (rc < 0) client_end(c, rc);
    }
    clients_sweep(v);
}

static int events_pass(venue_t *v, int64_t wait_ns)
{
    tm_uring_event_t events[TM_URING_EVENT_MAX];
    int n = tm_uring_reap(v->shared.ring, events, TM_URING_EVENT_MAX, wait_ns);
    for (int i = 0; i < n; i++) on_event(v, &events[i]);
    return n == -EINTR ? 0 : n; /* the stop flag is looked at after every pass */
}

static void finish_all(venue_t *v, uint16_t code, const char *reason)
{
    int64_t now_ns = tm_clock_mono_ns();
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++)
        if (v->clients[i]) tm_venue_client_finish(v->clients[i], code, reason, now_ns);
}

/* Serves until all clients are gone, the time is over or, where that counts, a stop comes. */
static int drain(venue_t *v, int64_t end_ns, bool until_stop)
{
    for (;;) {
        int64_t now_ns = tm_clock_mono_ns();
        clients_step(v, now_ns);
        if (v->client_cnt == 0 || now_ns >= end_ns || (until_stop && is_stopped(v))) return 0;
        int rc = events_pass(v, tick_ns);
        if (rc < 0) return rc;
    }
}

static int serve(venue_t *v)
{
    while (!is_stopped(v) && !v->ended) {
        int64_t now_ns = tm_clock_mono_ns();
        TM_TRY(listeners_arm(v, now_ns));
        bool more = publish(v, now_ns);
        clients_step(v, now_ns);
        int64_t wait_ns = more ? 0 : wait_max_ns;
        if (!more && v->due_ns != INT64_MAX) {
            int64_t left_ns = v->due_ns - tm_clock_mono_ns();
            wait_ns = left_ns < 0 ? 0 : left_ns < wait_max_ns ? left_ns : wait_max_ns;
        }
        int rc = events_pass(v, wait_ns);
        if (rc < 0) return rc;
    }
    if (v->source.invalid_cnt > 0)
        TM_LOG_W("venue", "%llu lines of the capture are not UTF-8 and were left out",
                 (unsigned long long)v->source.invalid_cnt);
    if (v->ended && v->source_err == 0) {
        TM_LOG_I("venue", "the source has ended: closing %u clients in order", v->client_cnt);
        finish_all(v, WS_CODE_NORMAL, "end of data");
        TM_TRY(drain(v, INT64_MAX, true));
    } else if (v->ended) {
        finish_all(v, WS_CODE_INTERNAL, "the capture cannot be read on");
        TM_TRY(drain(v, INT64_MAX, true));
    }
    finish_all(v, WS_CODE_GOING_AWAY, "the venue stops");
    TM_TRY(drain(v, tm_clock_mono_ns() + stop_ns, false));
    return v->source_err ? tm_error_set(v->source_err, "%s", v->source_text) : 0;
}

static int start(venue_t *v)
{
    const tm_venue_cfg_t *cfg = v->cfg;
    const char *host = cfg->host ? cfg->host : "127.0.0.1";
    const tm_uring_cfg_t ring_cfg = {.entry_cnt = 512, .buf_cnt = 128};
    if (cfg->tls_off && cfg->plain_off)
        return tm_error_set(TM_E_CONFIG, "neither TLS nor plain is to be served");
    TM_TRY(tm_venue_source_open(&v->source, &cfg->source));
    v->source_open = true;
    v->shared.rest.generator = v->source.generator;
    TM_TRY(tm_venue_streams_open(&v->shared.streams));
    TM_TRY(tm_uring_open(&v->shared.ring, &ring_cfg));
    if (!cfg->tls_off) {
        TM_TRY(tm_venue_tls(&v->tls_ctx, cfg->state_dir, host));
        TM_TRY(bad_certs_open(v));
        v->listeners[0].fd = tm_venue_listen(host, cfg->tls_port, &v->ports.tls);
        TM_TRY(v->listeners[0].fd);
    }
    if (!cfg->plain_off) {
        v->listeners[1].fd = tm_venue_listen(host, cfg->plain_port, &v->ports.plain);
        TM_TRY(v->listeners[1].fd);
    }
    TM_LOG_I("venue", "listening on %s: wss port %u, ws port %u", host, v->ports.tls,
             v->ports.plain);
    if (cfg->on_listen) cfg->on_listen(cfg->ctx, &v->ports);
    return 0;
}

/* Whatever is left is cut: the ring must be idle before its memory goes. */
static void stop_all(venue_t *v)
{
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++)
        if (v->clients[i]) tm_venue_client_abort(v->clients[i]);
    if (v->shared.ring && drain(v, tm_clock_mono_ns() + stop_ns, false) < 0)
        TM_LOG_W("venue", "%s", tm_error_text());
    for (uint32_t i = 0; i < TM_VENUE_CLIENT_MAX; i++) tm_venue_client_free(v->clients[i]);
    for (int i = 0; i < 2; i++) {
        if (v->listeners[i].fd < 0) continue;
        /* The armed accept holds the socket beyond close(), until the kernel takes the ring down at
           its leisure; shut down, it listens no more, and the next venue may have the port. */
        shutdown(v->listeners[i].fd, SHUT_RDWR);
        close(v->listeners[i].fd);
    }
    tm_uring_close(v->shared.ring);
    tm_tls_ctx_close(v->tls_ctx);
    for (int i = 0; i < TM_VENUE_BAD_CERT_CNT; i++) tm_tls_ctx_close(v->bad_ctxs[i]);
    tm_venue_streams_close(v->shared.streams);
    if (v->source_open) tm_venue_source_close(&v->source);
}

static void counters_get(venue_t *v)
{
    static const char *const names[] = {"clients",     "clients_refused",   "clients_slow",
                                        "messages",    "messages_unwanted", "sent",
                                        "sent_bytes",  "requests",          "clients_timeout",
                                        "books_shown", "books_refused"};
    tm_counter_t **at[] = {&v->accepted,
                           &v->refused,
                           &v->slow,
                           &v->messages,
                           &v->unwanted,
                           &v->shared.sent,
                           &v->shared.sent_bytes,
                           &v->shared.requests,
                           &v->shared.timeouts,
                           &v->shared.books,
                           &v->shared.books_refused};
    static_assert(TM_ARRAY_CNT(names) == TM_ARRAY_CNT(at), "a name for every counter");
    for (size_t i = 0; i < TM_ARRAY_CNT(names); i++)
        *at[i] = v->cfg->counters ? tm_counter_get(v->cfg->counters, names[i]) : &v->unread[i];
    if (!v->cfg->faults) return;
    size_t n = TM_ARRAY_CNT(names);
    v->faults.plan = v->cfg->faults;
    v->shared.faults = &v->faults;
    v->faults.skipped = v->cfg->counters ? tm_counter_get(v->cfg->counters, "faults_skipped")
                                         : &v->unread[n];
    for (int i = 0; i < TM_FAULT_WHAT_CNT; i++)
        v->faults.fired[i] = v->cfg->counters
                                 ? tm_counter_get(v->cfg->counters,
                                                  tm_fault_what_counter((tm_fault_what_t)i))
                                 : &v->unread[n + 1 + (size_t)i];
}

int tm_venue_run(const tm_venue_cfg_t *cfg, const _Atomic bool *stop)
{
    tm_clock_init();
    venue_t *v = calloc(1, sizeof *v);
    if (!v) return tm_error_set(-ENOMEM, "no memory for a venue");
    v->cfg = cfg;
    v->stop = stop;
    v->listeners[0].fd = v->listeners[1].fd = -1;
    v->shared.queue_sz = cfg->queue_sz ? cfg->queue_sz : TM_VENUE_QUEUE_SZ;
    if (v->shared.queue_sz < 64 << 10) v->shared.queue_sz = 64 << 10;
    v->shared.ping_ns = cfg->ping_ns ? cfg->ping_ns : 20 * TM_NS_PER_S;
    v->shared.pong_ns = cfg->pong_ns ? cfg->pong_ns : 60 * TM_NS_PER_S;
    v->shared.handshake_ns = 10 * TM_NS_PER_S;
    v->shared.close_ns = cfg->close_ns ? cfg->close_ns : 60 * TM_NS_PER_S;
    v->shared.deflate = cfg->deflate;
    v->shared.record_cnt = cfg->record_cnt;
    counters_get(v);
    int err = start(v);
    if (err >= 0) err = serve(v);
    char text[TM_ERROR_TEXT_MAX]; /* closing may record texts of its own */
    snprintf(text, sizeof text, "%s", tm_error_text());
    stop_all(v);
    free(v);
    return err < 0 ? tm_error_set(err, "venue: %s", text) : 0;
}
