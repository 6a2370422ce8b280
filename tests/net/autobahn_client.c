/* Speaks the protocol of Autobahn's fuzzing server: asks how many cases there are, runs each of
   them (every message is echoed until the server closes), and asks for the report. Handshake,
   frames and deflate are the product's; only the sockets are this program's own, plain and
   blocking. */
#include "base/error.h"
#include "net/conn/url.h"
#include "net/ws/http_extension.h"
#include "net/ws/http_upgrade.h"
#include "net/ws/ws.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_SZ = 1 << 20,
    FLUSH_SZ = 1 << 20, /* answers that wait for the end of the input are sent from here on */
    IDLE_S = 130,       /* no case of the suite is silent for as long */
    LINGER_S = 5,       /* for the server to end the connection once both have closed */
};

typedef struct settings {
    tm_url_t url;
    const char *agent;
    tm_deflate_cfg_t deflate;
} settings_t;

/* What one connection was like. */
typedef struct outcome {
    uint64_t message_cnt, byte_cnt;
    char text[TM_ERROR_TEXT_MAX]; /* how it ended */
    char first[32];               /* the first message, cut */
    bool in_order;                /* with close frames from both ends */
    bool deflates;
} outcome_t;

typedef struct peer {
    int fd;
    tm_ws_t *ws;
    uint8_t *in; /* IN_SZ and a pad */
    size_t in_sz;
    uint8_t *out;
    size_t out_sz, out_cap;
    bool echoes, deflates;
} peer_t;

/* ---- Sockets --------------------------------------------------------------------------------- */

static void set_timeout(int fd, int seconds)
{
    struct timeval tv = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int connect_to(const tm_url_t *url)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    snprintf(port, sizeof port, "%u", url->port);
    int rc = getaddrinfo(url->host, port, &hints, &list);
    if (rc != 0) return tm_error_set(TM_E_RESOLVE, "%s: %s", url->host, gai_strerror(rc));
    int fd = -1, err = 0, one = 1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        err = errno;
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0) return tm_error_set(-err, "connect to %s: %s", url->authority, strerror(err));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_timeout(fd, IDLE_S);
    return fd;
}

static int send_all(int fd, const uint8_t *bytes, size_t sz)
{
    while (sz > 0) {
        ssize_t n = send(fd, bytes, sz, MSG_NOSIGNAL);
        if (n < 0) return tm_error_set(-errno, "send: %s", strerror(errno));
        bytes += n;
        sz -= (size_t)n;
    }
    return 0;
}

/* Returns how many bytes came; 0 at the end of the stream. */
static int receive(peer_t *p)
{
    ssize_t n = recv(p->fd, p->in, IN_SZ, 0);
    if (n < 0) {
        if (errno == EAGAIN) return tm_error_set(TM_E_TIMEOUT, "the server is silent");
        return tm_error_set(-errno, "receive: %s", strerror(errno));
    }
    p->in_sz = (size_t)n;
    return (int)n;
}

/* ---- The opening handshake ------------------------------------------------------------------- */

static int send_request(peer_t *p, tm_http_upgrade_cfg_t *upgrade)
{
    char text[TM_URL_TARGET_MAX + 1024];
    if (getrandom(upgrade->nonce, sizeof upgrade->nonce, 0) != sizeof upgrade->nonce) return -EIO;
    int sz = tm_http_request_write(upgrade, text, sizeof text);
    return sz < 0 ? sz : send_all(p->fd, (const uint8_t *)text, (size_t)sz);
}

/* Leaves what came behind the head at the front of the input. */
static int read_head(peer_t *p, tm_http_head_t *head)
{
    int rc = 0;
    tm_http_head_init(head, TM_HTTP_RESPONSE);
    while (rc == 0) {
        size_t used;
        int n = receive(p);
        if (n == 0) return tm_error_set(TM_E_CLOSED, "ended instead of answering the upgrade");
        if (n < 0) return n;
        rc = tm_http_head_feed(head, p->in, p->in_sz, &used);
        p->in_sz -= used;
        memmove(p->in, p->in + used, p->in_sz);
    }
    return rc < 0 ? rc : 0;
}

static int open_ws(peer_t *p, const settings_t *s, const char *target)
{
    static tm_http_head_t head;
    char offer[TM_HTTP_EXTENSION_MAX];
    tm_http_answer_t answer;
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT};
    tm_http_upgrade_cfg_t upgrade = {
        .host = s->url.authority, .target = target, .extensions = offer};
    TM_TRY(tm_deflate_offer_write(&s->deflate, offer));
    TM_TRY(send_request(p, &upgrade));
    TM_TRY(read_head(p, &head));
    TM_TRY(tm_http_response_check(&head, &upgrade, &answer));
    TM_TRY(tm_deflate_answer_read(&s->deflate, answer.extensions, &cfg.deflate));
    p->deflates = cfg.deflate.on;
    return tm_ws_open(&p->ws, &cfg);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int flush_out(peer_t *p)
{
    size_t sz = p->out_sz;
    p->out_sz = 0;
    return send_all(p->fd, p->out, sz);
}

static int make_room(peer_t *p, size_t sz)
{
    if (p->out_sz + sz <= p->out_cap) return 0;
    size_t cap = 2 * (p->out_sz + sz);
    uint8_t *out = realloc(p->out, cap);
    if (!out) return tm_error_set(-ENOMEM, "no memory for %zu bytes", cap);
    p->out = out;
    p->out_cap = cap;
    return 0;
}

static int echo(peer_t *p, const tm_ws_message_t *msg)
{
    uint8_t key[4];
    size_t sz = tm_ws_frame_sz(p->ws, msg->sz);
    TM_TRY(make_room(p, sz));
    if (getrandom(key, sizeof key, 0) != sizeof key) return -EIO;
    int n = tm_ws_write(p->ws, msg, key, p->out + p->out_sz, sz);
    if (n == TM_E_CLOSED) return 0;
    if (n < 0) return n;
    p->out_sz += (size_t)n;
    return p->out_sz >= FLUSH_SZ ? flush_out(p) : 0;
}

/* Appends the pong or close frame that waits. */
static int reply(peer_t *p)
{
    uint8_t key[4];
    while (tm_ws_has_reply(p->ws)) {
        size_t sz = TM_WS_HEADER_MAX + TM_WS_CONTROL_MAX;
        TM_TRY(make_room(p, sz));
        if (getrandom(key, sizeof key, 0) != sizeof key) return -EIO;
        int n = tm_ws_reply(p->ws, key, p->out + p->out_sz, sz);
        if (n < 0) return n;
        p->out_sz += (size_t)n;
    }
    return 0;
}

static void note_message(outcome_t *o, const tm_ws_message_t *msg)
{
    if (o->message_cnt++ == 0) {
        snprintf(o->first, sizeof o->first, "%.*s", (int)(msg->sz < 31 ? msg->sz : 31),
                 (const char *)msg->data);
    }
    o->byte_cnt += msg->sz;
}

/* All events of the input at hand. Returns the last: TM_WS_MORE, TM_WS_CLOSED or an error. */
static int take_input(peer_t *p, outcome_t *o)
{
    size_t at = 0;
    int event, err = 0;
    do {
        size_t used;
        tm_ws_message_t msg;
        event = tm_ws_read(p->ws, p->in + at, p->in_sz - at, &used, &msg);
        at += used;
        if (event == TM_WS_MESSAGE) note_message(o, &msg);
        if (event == TM_WS_MESSAGE && p->echoes) err = echo(p, &msg);
        if (event < 0 && o->text[0] == '\0') {
            snprintf(o->text, sizeof o->text, "refused: %s", tm_error_text());
        }
        if (err == 0) err = reply(p);
    } while (err == 0 && event > TM_WS_MORE && event != TM_WS_CLOSED);
    tm_ws_release(p->ws);
    return err < 0 ? err : event;
}

/* Until the server has closed, or broken a rule, or gone. */
static int talk(peer_t *p, outcome_t *o)
{
    for (;;) {
        int event = take_input(p, o);
        int err = flush_out(p);
        if (event == TM_WS_CLOSED) {
            snprintf(o->text, sizeof o->text, "closed: %u %s", tm_ws_peer_code(p->ws),
                     tm_ws_peer_reason(p->ws));
            o->in_order = true;
            return 0;
        }
        if (event < 0 && tm_ws_is_done(p->ws)) return 0; /* an offence, answered */
        if (event < 0) return event;
        TM_TRY(err);
        int n = receive(p);
        if (n == 0) return tm_error_set(-ECONNRESET, "the server ended without a close frame");
        if (n < 0) return n;
    }
}

/* One connection from its beginning to its end. Returns below 0 where there was no conversation. */
static int run(const settings_t *s, const char *target, bool echoes, outcome_t *o)
{
    *o = (outcome_t){0};
    peer_t p = {.in = malloc(IN_SZ + TM_FRAME_PAD), .echoes = echoes, .fd = -1};
    int rc = p.in ? connect_to(&s->url) : -ENOMEM;
    if (rc >= 0) {
        p.fd = rc;
        rc = open_ws(&p, s, target);
    }
    if (rc >= 0) {
        o->deflates = p.deflates;
        int err = talk(&p, o);
        if (err < 0) snprintf(o->text, sizeof o->text, "cut: %s", tm_error_text());
        /* It is for the server to end the connection first (RFC 6455, section 7.1.1). */
        set_timeout(p.fd, LINGER_S);
        while (err == 0 && receive(&p) > 0) continue;
    }
    if (p.fd >= 0) close(p.fd);
    tm_ws_free(p.ws);
    free(p.in);
    free(p.out);
    return rc < 0 ? tm_error_context(rc, "%s", target) : 0;
}

/* ---- The run --------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int fail(void)
{
    fprintf(stderr, "autobahn_client: %s\n", tm_error_text());
    return 1;
}

static void target_of(const settings_t *s, char *out, size_t out_sz, const char *verb, long number)
{
    const char *base = strcmp(s->url.target, "/") == 0 ? "" : s->url.target;
    int n = snprintf(out, out_sz, "%s/%s", base, verb);
    if (number > 0) n += snprintf(out + n, out_sz - (size_t)n, "?case=%ld&", number);
    if (number >= 0) {
        snprintf(out + n, out_sz - (size_t)n, "%sagent=%s", number ? "" : "?", s->agent);
    }
}

static int run_cases(const settings_t *s, long first, long last)
{
    static outcome_t o;
    char target[TM_URL_TARGET_MAX + 64];
    long in_order = 0, refused = 0, cut = 0, not_run = 0;
    double begin = now_s();
    for (long i = first; i <= last; i++) {
        double start = now_s();
        target_of(s, target, sizeof target, "runCase", i);
        if (run(s, target, true, &o) < 0) {
            printf("case %ld: not run: %s\n", i, tm_error_text());
            not_run++;
            continue;
        }
        bool is_cut = strncmp(o.text, "cut", 3) == 0;
        printf("case %ld: %llu messages, %llu bytes%s, %.1f ms, %s\n", i,
               (unsigned long long)o.message_cnt, (unsigned long long)o.byte_cnt,
               o.deflates ? ", deflate" : "", (now_s() - start) * 1e3, o.text);
        fflush(stdout);
        in_order += o.in_order;
        cut += is_cut;
        refused += !o.in_order && !is_cut;
    }
    printf("%ld cases in %.1f s: %ld closed in order, %ld ended by an offence of the server, %ld "
           "cut, %ld not run\n",
           last - first + 1, now_s() - begin, in_order, refused, cut, not_run);
    target_of(s, target, sizeof target, "updateReports", 0);
    if (run(s, target, false, &o) < 0) return fail();
    return not_run > 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: autobahn_client [--agent NAME] [--level 0..9] ws://HOST:PORT "
                    "[FIRST [LAST]]\n"
                    "Runs the cases of an Autobahn fuzzing server: all of them, FIRST alone, or "
                    "FIRST to LAST.\n");
    return 2;
}

int main(int argc, char **argv)
{
    static settings_t s = {.agent = "tidemark", .deflate = {.level = 1}};
    static const struct option options[] = {
        {"agent", required_argument, NULL, 'a'}, {"level", required_argument, NULL, 'l'}, {0}};
    static outcome_t o;
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (opt != 'a' && opt != 'l') return usage();
        if (opt == 'a') s.agent = optarg;
        if (opt == 'l') s.deflate.level = (uint8_t)strtoul(optarg, NULL, 10);
    }
    if (optind >= argc || argc - optind > 3) return usage();
    if (tm_url_parse(&s.url, argv[optind]) < 0) return fail();
    if (s.url.tls) {
        tm_error_set(TM_E_CONFIG, "this client speaks plain ws only");
        return fail();
    }
    char target[TM_URL_TARGET_MAX + 64];
    target_of(&s, target, sizeof target, "getCaseCount", -1);
    if (run(&s, target, false, &o) < 0) return fail();
    long cnt = strtol(o.first, NULL, 10);
    if (cnt <= 0) {
        tm_error_set(TM_E_PROTOCOL, "%s did not tell how many cases there are (%s)",
                     s.url.authority, o.text);
        return fail();
    }
    long first = optind + 1 < argc ? strtol(argv[optind + 1], NULL, 10) : 1;
    long last = optind + 1 < argc ? first : cnt;
    if (optind + 2 < argc) last = strtol(argv[optind + 2], NULL, 10);
    if (first < 1 || last < first || last > cnt) return usage();
    return run_cases(&s, first, last);
}
