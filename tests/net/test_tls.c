#include "base/error.h"
#include "net/conn/tls.h"
#include "net/conn/tls_selfsigned.h"
#include "tests/tm_test.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A folder with certificates for one test, and both ends of a connection in memory. */
typedef struct tm_pair {
    char dir[64], ca[80], cert[80], key[80];
    tm_tls_ctx_t *client_ctx, *server_ctx;
    tm_tls_t *client, *server;
    int client_err, server_err; /* last result of read */
    char client_text[TM_ERROR_TEXT_MAX], server_text[TM_ERROR_TEXT_MAX];
} tm_pair_t;

static void pair_files(tm_pair_t *p, tm_selfsigned_cfg_t cfg)
{
    *p = (tm_pair_t){0};
    snprintf(p->dir, sizeof p->dir, "/tmp/tm_tls_XXXXXX");
    tm_assert(mkdtemp(p->dir));
    snprintf(p->ca, sizeof p->ca, "%s/ca", p->dir);
    snprintf(p->cert, sizeof p->cert, "%s/cert", p->dir);
    snprintf(p->key, sizeof p->key, "%s/key", p->dir);
    cfg.ca_file = p->ca;
    cfg.cert_file = p->cert;
    cfg.key_file = p->key;
    tm_assert_eq(tm_selfsigned_make(&cfg), 0);
}

static void pair_open(tm_pair_t *p, tm_tls_ctx_cfg_t client, tm_tls_ctx_cfg_t server,
                      const char *host)
{
    server.server = true;
    server.cert_file = p->cert;
    server.key_file = p->key;
    tm_assert_eq(tm_tls_ctx_open(&p->client_ctx, &client), 0);
    tm_assert_eq(tm_tls_ctx_open(&p->server_ctx, &server), 0);
    tm_assert_eq(tm_tls_open(&p->client, p->client_ctx, host), 0);
    tm_assert_eq(tm_tls_open(&p->server, p->server_ctx, NULL), 0);
}

static void pair_free(tm_pair_t *p)
{
    tm_tls_free(p->client);
    tm_tls_free(p->server);
    tm_tls_ctx_close(p->client_ctx);
    tm_tls_ctx_close(p->server_ctx);
    unlink(p->ca);
    unlink(p->cert);
    unlink(p->key);
    rmdir(p->dir);
}

/* Carries what one end has to send to the other, in pieces of chop bytes. True where any went. */
static bool carry(tm_tls_t *from, tm_tls_t *to, size_t chop, int *err, char *text)
{
    uint8_t wire[TM_TLS_OUT_MAX], plain[64];
    size_t sz = tm_tls_pull(from, wire, sizeof wire);
    for (size_t at = 0; at < sz && *err >= 0; at += chop) {
        tm_tls_feed(to, wire + at, sz - at < chop ? sz - at : chop);
        *err = tm_tls_read(to, plain, sizeof plain);
        if (*err < 0) snprintf(text, TM_ERROR_TEXT_MAX, "%s", tm_error_text());
        tm_assert(*err <= 0); /* the handshake carries no plaintext */
        tm_assert_eq(tm_tls_fed_sz(to), (size_t)0);
    }
    return sz > 0;
}

static void shake(tm_pair_t *p, size_t chop)
{
    bool moved = true;
    while (moved) {
        moved = carry(p->client, p->server, chop, &p->server_err, p->server_text);
        moved |= carry(p->server, p->client, chop, &p->client_err, p->client_text);
    }
}

static const char *const loopback_hosts[] = {"localhost", "127.0.0.1", "::1", "localhost."};

Test(tls, client_and_server_agree_for_each_certified_name_however_the_bytes_are_cut)
{
    static const size_t chops[] = {1, 5, 1 << 20};
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    for (size_t i = 0; i < TM_ARRAY_CNT(loopback_hosts) * TM_ARRAY_CNT(chops); i++) {
        pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0},
                  loopback_hosts[i / TM_ARRAY_CNT(chops)]);
        tm_assert(tm_tls_state(p.client) == TM_TLS_HANDSHAKING);
        tm_assert_str(tm_tls_describe(p.client), "");
        shake(&p, chops[i % TM_ARRAY_CNT(chops)]);
        tm_assert(tm_tls_state(p.client) == TM_TLS_OPEN);
        tm_assert(tm_tls_state(p.server) == TM_TLS_OPEN);
        tm_assert_str(tm_tls_describe(p.client), "TLSv1.3 TLS_AES_128_GCM_SHA256");
        tm_tls_free(p.client);
        tm_tls_free(p.server);
        tm_tls_ctx_close(p.client_ctx);
        tm_tls_ctx_close(p.server_ctx);
    }
    p.client = p.server = NULL;
    p.client_ctx = p.server_ctx = NULL;
    pair_free(&p);
}

/* Sends sz bytes one way and compares; the wire is cut into pieces of chop bytes. */
static void send_through(tm_tls_t *from, tm_tls_t *to, size_t sz, size_t chop)
{
    uint8_t *plain = malloc(sz), *got = malloc(sz + 1), wire[4096];
    for (size_t i = 0; i < sz; i++) plain[i] = (uint8_t)(i * 31 + i / 251);
    size_t sent = 0, came = 0;
    while (came < sz) {
        int n = tm_tls_write(from, plain + sent, sz - sent);
        tm_assert(n >= 0);
        sent += (size_t)n;
        size_t wire_sz = tm_tls_pull(from, wire, chop < sizeof wire ? chop : sizeof wire);
        tm_assert(wire_sz > 0);
        tm_tls_feed(to, wire, wire_sz);
        while ((n = tm_tls_read(to, got + came, sz + 1 - came)) > 0) came += (size_t)n;
        tm_assert_eq(n, 0);
    }
    tm_assert_eq(tm_tls_pull_sz(from), (size_t)0);
    tm_assert(memcmp(plain, got, sz) == 0);
    free(plain);
    free(got);
}

Test(tls, what_is_written_is_read_in_both_directions_and_both_versions)
{
    static const size_t sizes[] = {1, 150, 16384, 16385, 1000000};
    for (int v = TM_TLS_1_2; v <= TM_TLS_1_3; v++) {
        tm_pair_t p;
        pair_files(&p, (tm_selfsigned_cfg_t){0});
        pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca},
                  (tm_tls_ctx_cfg_t){.version_max = (tm_tls_version_t)v}, "localhost");
        shake(&p, 1000);
        tm_assert(strstr(tm_tls_describe(p.client), v == TM_TLS_1_2 ? "TLSv1.2" : "TLSv1.3"));
        for (size_t i = 0; i < TM_ARRAY_CNT(sizes); i++) {
            send_through(p.client, p.server, sizes[i], sizes[i] < 1000 ? 1 : 4000);
            send_through(p.server, p.client, sizes[i], sizes[i] < 1000 ? 1 : 4000);
        }
        pair_free(&p);
    }
}

Test(tls, a_full_queue_takes_less_and_goes_on_after_a_pull)
{
    tm_pair_t p;
    static uint8_t big[2 * TM_TLS_OUT_MAX], wire[TM_TLS_OUT_MAX];
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    shake(&p, 1 << 20);
    int taken = tm_tls_write(p.client, big, sizeof big);
    tm_assert(taken > TM_TLS_OUT_MAX / 2 && taken < TM_TLS_OUT_MAX);
    tm_assert_eq(tm_tls_write(p.client, big, TM_TLS_RECORD_MAX), 0);
    tm_assert(tm_tls_pull_sz(p.client) <= TM_TLS_OUT_MAX);
    tm_assert(tm_tls_pull(p.client, wire, sizeof wire) > (size_t)taken);
    tm_assert_eq(tm_tls_write(p.client, big, 100), 100);
    pair_free(&p);
}

/* Shakes hands and expects the client to fail with a text that holds all the words. */
static void client_fails(tm_pair_t *p, const char *const *words)
{
    shake(p, 1 << 20);
    tm_assert_eq(p->client_err, (int)TM_E_TLS);
    tm_assert(tm_tls_state(p->client) == TM_TLS_FAILED);
    for (; *words; words++) {
        if (!strstr(p->client_text, *words)) fprintf(stderr, "# %s\n", p->client_text);
        tm_assert(strstr(p->client_text, *words));
    }
    uint8_t byte = 0;
    tm_assert_eq(tm_tls_read(p->client, &byte, 1), (int)TM_E_TLS);
    tm_assert_eq(tm_tls_write(p->client, &byte, 1), (int)TM_E_TLS);
    tm_assert(tm_tls_state(p->server) != TM_TLS_OPEN || p->server_err < 0);
}

Test(tls, a_certificate_of_another_ca_is_refused_with_the_option_that_helps)
{
    tm_pair_t p, other;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_files(&other, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = other.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    client_fails(&p, (const char *[]){"certificate of localhost is not signed by a CA in ",
                                      other.ca, "--ca-file", NULL});
    tm_assert_eq(p.server_err, (int)TM_E_TLS); /* the alert reached the server */
    tm_assert(strstr(p.server_text, "unknown CA"));
    tm_assert(strstr(p.server_text, "does not trust our certificate"));
    pair_free(&p);
    pair_free(&other);
}

Test(tls, a_certificate_that_the_systems_bundle_does_not_know_is_refused)
{
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){0}, (tm_tls_ctx_cfg_t){0}, "localhost");
    client_fails(&p,
                 (const char *[]){"not signed by a CA in the system's bundle", "--ca-file", NULL});
    pair_free(&p);
}

Test(tls, a_certificate_for_another_host_is_refused_and_says_for_whom_it_is)
{
    static const char *const names[] = {"stream.example.com", "*.example.org", "10.0.0.1"};
    static const char *const hosts[] = {"localhost", "127.0.0.1", "a.b.example.org", "example.com"};
    for (size_t i = 0; i < TM_ARRAY_CNT(hosts); i++) {
        tm_pair_t p;
        pair_files(&p, (tm_selfsigned_cfg_t){.names = names, .name_cnt = TM_ARRAY_CNT(names)});
        pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, hosts[i]);
        client_fails(&p, (const char *[]){hosts[i],
                                          "made out to stream.example.com, *.example.org, 10.0.0.1",
                                          "check the host", NULL});
        pair_free(&p);
    }
}

Test(tls, a_wildcard_stands_for_one_whole_label)
{
    static const char *const names[] = {"*.example.org"};
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){.names = names, .name_cnt = 1});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "a.example.org");
    shake(&p, 1 << 20);
    tm_assert(tm_tls_state(p.client) == TM_TLS_OPEN);
    pair_free(&p);
}

Test(tls, an_expired_certificate_is_refused_with_its_last_day)
{
    tm_pair_t p;
    char year[8];
    time_t then = time(NULL) - 400L * 86400;
    struct tm day;
    strftime(year, sizeof year, "%Y-", gmtime_r(&then, &day));
    pair_files(&p, (tm_selfsigned_cfg_t){.begin_s = -500L * 86400, .end_s = -400L * 86400});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    client_fails(&p, (const char *[]){"certificate of localhost expired on ", year, "clock", NULL});
    pair_free(&p);
}

Test(tls, a_certificate_of_tomorrow_is_refused)
{
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){.begin_s = 86400, .end_s = 2L * 86400});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    client_fails(&p, (const char *[]){"certificate of localhost is not valid before ", NULL});
    pair_free(&p);
}

Test(tls, a_server_that_only_speaks_tls_1_1_is_refused)
{
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca},
              (tm_tls_ctx_cfg_t){.version_min = TM_TLS_1_1, .version_max = TM_TLS_1_1},
              "localhost");
    client_fails(&p, (const char *[]){"localhost speaks no TLS version that we allow",
                                      "1.2 or later", NULL});
    pair_free(&p);
}

Test(tls, a_client_cannot_be_talked_into_an_old_version)
{
    tm_tls_ctx_t *ctx;
    tm_tls_ctx_cfg_t old = {.version_min = TM_TLS_1_1};
    tm_tls_ctx_cfg_t crossed = {.version_min = TM_TLS_1_3, .version_max = TM_TLS_1_2};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &old), (int)TM_E_CONFIG);
    tm_assert_eq(tm_tls_ctx_open(&ctx, &crossed), (int)TM_E_CONFIG);
}

Test(tls, versions_that_do_not_meet_are_named_on_both_sides)
{
    tm_pair_t p;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca, .version_min = TM_TLS_1_3},
              (tm_tls_ctx_cfg_t){.version_max = TM_TLS_1_2}, "localhost");
    client_fails(&p, (const char *[]){"localhost speaks no TLS version that we allow", NULL});
    tm_assert(strstr(p.server_text, "the client speaks no TLS version that we allow"));
    pair_free(&p);
}

Test(tls, a_peer_that_does_not_speak_tls_is_told_apart)
{
    tm_pair_t p;
    uint8_t plain[16];
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n", get[] = "GET / HTTP/1.1\r\n\r\n";
    tm_tls_feed(p.client, (const uint8_t *)http, sizeof http - 1);
    tm_assert_eq(tm_tls_read(p.client, plain, sizeof plain), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "localhost does not speak TLS here; check the port"));
    tm_tls_feed(p.server, (const uint8_t *)get, sizeof get - 1);
    tm_assert_eq(tm_tls_read(p.server, plain, sizeof plain), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "the client does not speak TLS here"));
    pair_free(&p);
}

Test(tls, a_record_damaged_at_any_byte_ends_the_connection_and_is_named)
{
    enum { RECORDS = 200 }; /* a length that reads as a longer one takes up to 16 KiB of others */
    static uint8_t wire[TM_TLS_OUT_MAX];
    static const tm_tls_version_t versions[] = {TM_TLS_1_2, TM_TLS_1_3};
    const uint8_t text[100] = "price";
    uint8_t plain[100];
    tm_pair_t p;
    for (size_t i = 0; i < TM_ARRAY_CNT(versions); i++) {
        size_t record_sz = 1;
        for (size_t at = 0; at < record_sz; at++) {
            pair_files(&p, (tm_selfsigned_cfg_t){0});
            pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca, .version_max = versions[i]},
                      (tm_tls_ctx_cfg_t){0}, "localhost");
            shake(&p, 1 << 20);
            tm_assert_eq(tm_tls_write(p.server, text, sizeof text), (int)sizeof text);
            record_sz = tm_tls_pull_sz(p.server);
            for (int k = 1; k < RECORDS; k++)
                tm_assert_eq(tm_tls_write(p.server, text, sizeof text), (int)sizeof text);
            size_t sz = tm_tls_pull(p.server, wire, sizeof wire);
            wire[at] ^= 0x55;
            tm_tls_feed(p.client, wire, sz);
            tm_assert_eq(tm_tls_read(p.client, plain, sizeof plain), (int)TM_E_TLS);
            if (!strstr(tm_error_text(), "damaged or forged"))
                printf("# byte %zu: %s\n", at, tm_error_text());
            tm_assert(strstr(tm_error_text(), "damaged or forged"));
            pair_free(&p);
        }
        tm_assert(record_sz > sizeof text);
    }
}

Test(tls, the_end_is_told_apart_from_a_cut)
{
    tm_pair_t p;
    uint8_t wire[1000], plain[100];
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca}, (tm_tls_ctx_cfg_t){0}, "localhost");
    tm_assert_eq(tm_tls_end(p.client), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "during the TLS handshake"));
    tm_tls_free(p.client);
    tm_tls_free(p.server);
    tm_assert_eq(tm_tls_open(&p.client, p.client_ctx, "localhost"), 0);
    tm_assert_eq(tm_tls_open(&p.server, p.server_ctx, NULL), 0);
    shake(&p, 1 << 20);
    tm_tls_shutdown(p.server);
    tm_assert_eq(tm_tls_write(p.server, plain, 1), (int)TM_E_CLOSED);
    tm_tls_feed(p.client, wire, tm_tls_pull(p.server, wire, sizeof wire));
    tm_assert_eq(tm_tls_read(p.client, plain, sizeof plain), (int)TM_E_CLOSED);
    tm_assert(tm_tls_state(p.client) == TM_TLS_CLOSING);
    tm_assert_eq(tm_tls_end(p.client), (int)TM_E_CLOSED);
    tm_assert_eq(tm_tls_end(p.server), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "without ending TLS"));
    pair_free(&p);
}

Test(tls, files_that_cannot_be_used_are_named)
{
    tm_tls_ctx_t *ctx;
    tm_tls_ctx_cfg_t no_ca = {.ca_file = "/nonexistent/ca.pem"};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &no_ca), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "/nonexistent/ca.pem: No such file"));
    tm_tls_ctx_cfg_t no_pem = {.ca_file = "/etc/passwd"};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &no_pem), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "/etc/passwd"));

    tm_pair_t p, other;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    pair_files(&other, (tm_selfsigned_cfg_t){0});
    tm_tls_ctx_cfg_t mixed = {.server = true, .cert_file = p.cert, .key_file = other.key};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &mixed), (int)TM_E_TLS);
    tm_assert(strstr(tm_error_text(), other.key));
    tm_tls_ctx_cfg_t bare = {.server = true};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &bare), (int)TM_E_CONFIG);
    pair_free(&p);
    pair_free(&other);
}

Test(tls, a_host_that_is_no_name_is_refused)
{
    static const char *const bad[] = {"", "a b", "a/b", "[::1]", "a:443", "x\r\ny"};
    tm_tls_ctx_t *ctx;
    tm_tls_t *tls;
    tm_tls_ctx_cfg_t cfg = {0};
    tm_assert_eq(tm_tls_ctx_open(&ctx, &cfg), 0);
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_assert_eq(tm_tls_open(&tls, ctx, bad[i]), (int)TM_E_CONFIG);
    }
    tm_tls_ctx_close(ctx);
}

Test(tls, generated_files_are_for_their_owner_only_and_leave_no_other_behind)
{
    tm_pair_t p;
    struct stat st;
    pair_files(&p, (tm_selfsigned_cfg_t){0});
    tm_assert_eq(stat(p.key, &st), 0);
    tm_assert_eq(st.st_mode & 0777, 0600u);
    tm_assert_eq(stat(p.cert, &st), 0);
    tm_assert_eq(st.st_mode & 0777, 0600u);
    pair_free(&p); /* removes the three */
    tm_assert(stat(p.dir, &st) != 0);
    tm_selfsigned_cfg_t nowhere = {
        .ca_file = "/nonexistent/a", .cert_file = "/nonexistent/b", .key_file = "/nonexistent/c"};
    tm_assert_eq(tm_selfsigned_make(&nowhere), -2 /* ENOENT */);
    tm_assert(strstr(tm_error_text(), "/nonexistent/c"));
    static const char *const evil[] = {"a,IP:1.2.3.4"};
    nowhere.names = evil;
    nowhere.name_cnt = 1;
    tm_assert_eq(tm_selfsigned_make(&nowhere), (int)TM_E_CONFIG);
}

static size_t allocs, allocs_live; /* made in all, not freed yet */
static bool counts;

static void *counting_malloc(size_t sz, const char *file, int line)
{
    (void)file;
    (void)line;
    allocs++;
    allocs_live++;
    return malloc(sz);
}

static void *counting_realloc(void *p, size_t sz, const char *file, int line)
{
    (void)file;
    (void)line;
    allocs++;
    allocs_live += p == NULL;
    return realloc(p, sz);
}

static void plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    allocs_live -= p != NULL;
    free(p);
}

/* OpenSSL lets its allocator be replaced only before it allocates, and the test framework makes it
   do that early. */
__attribute__((constructor)) static void count_allocs(void)
{
    counts = CRYPTO_set_mem_functions(counting_malloc, counting_realloc, plain_free) == 1;
}

Test(tls, records_keep_no_memory_and_take_few_passing_blocks_of_openssl)
{
    if (!counts) tm_skip("OpenSSL had allocated before its allocator could be replaced");
    for (int v = TM_TLS_1_2; v <= TM_TLS_1_3; v++) {
        tm_pair_t p;
        static uint8_t wire[TM_TLS_OUT_MAX], plain[TM_TLS_RECORD_MAX];
        pair_files(&p, (tm_selfsigned_cfg_t){0});
        pair_open(&p, (tm_tls_ctx_cfg_t){.ca_file = p.ca},
                  (tm_tls_ctx_cfg_t){.version_max = (tm_tls_version_t)v}, "localhost");
        tm_assert(allocs > 0); /* it counts at all */
        shake(&p, 1 << 20);
        send_through(p.server, p.client, 1000, 4096); /* the first record may still make a buffer */
        size_t live = allocs_live;
        allocs = 0;
        for (int i = 0; i < 100; i++) {
            tm_assert_eq(tm_tls_write(p.server, plain, 1000), 1000);
        }
        tm_assert(allocs <= 300); /* OpenSSL's packet writer, per record; not ours to change */
        size_t sz = tm_tls_pull(p.server, wire, sizeof wire), came = 0;
        allocs = 0;
        for (size_t at = 0; at < sz; at += 700) {
            int n;
            tm_tls_feed(p.client, wire + at, sz - at < 700 ? sz - at : 700);
            while ((n = tm_tls_read(p.client, plain, sizeof plain)) > 0) came += (size_t)n;
        }
        tm_assert_eq(came, (size_t)100000);
        tm_assert(allocs <= (v == TM_TLS_1_2 ? 0 : 100));
        tm_assert_eq(allocs_live, live);
        pair_free(&p);
    }
}
