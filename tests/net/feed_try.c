#include "tests/net/feed_try.h"

#include "base/error.h"
#include "net/conn/tls_selfsigned.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pki_make(pki_t *p, const char *name, int64_t begin_s, int64_t end_s)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/tm-pki-XXXXXX");
    tm_assert(mkdtemp(p->dir) != NULL);
    snprintf(p->ca, sizeof p->ca, "%s/ca.pem", p->dir);
    snprintf(p->cert, sizeof p->cert, "%s/cert.pem", p->dir);
    snprintf(p->key, sizeof p->key, "%s/key.pem", p->dir);
    const char *const names[] = {name};
    const tm_selfsigned_cfg_t cfg = {.ca_file = p->ca,
                                     .cert_file = p->cert,
                                     .key_file = p->key,
                                     .names = name ? names : NULL,
                                     .name_cnt = name ? 1 : 0,
                                     .begin_s = begin_s,
                                     .end_s = end_s};
    tm_assert_eq(tm_selfsigned_make(&cfg), 0);
}

void pki_drop(const pki_t *p)
{
    unlink(p->ca);
    unlink(p->cert);
    unlink(p->key);
    rmdir(p->dir);
}

int feed_try_open(tm_source_t **source, const feed_try_t *t)
{
    char url[128];
    const char *const urls[] = {url}, *const streams[] = {t->stream};
    snprintf(url, sizeof url, "%s://%s:%u/ws", t->scheme, t->host ? t->host : "127.0.0.1", t->port);
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .streams = streams,
                               .stream_cnt = t->stream ? 1 : 0,
                               .ca_file = t->ca_file,
                               .frame_sz_max = t->frame_sz_max,
                               .counters = t->counters,
                               .deadline_ms = t->deadline_ms ? t->deadline_ms : 3000};
    return tm_feed_open(source, &cfg);
}

void expect_text(const char *part)
{
    if (!strstr(tm_error_text(), part)) printf("# text is: %s\n", tm_error_text());
    tm_assert(strstr(tm_error_text(), part) != NULL);
}

void expect_refusal(const feed_try_t *t, int code, const char *const *words)
{
    tm_source_t *source = NULL;
    int rc = feed_try_open(&source, t);
    if (rc != code) printf("# %d: %s\n", rc, tm_error_text());
    tm_assert_eq(rc, code);
    tm_assert(source == NULL);
    for (; *words; words++) expect_text(*words);
}
