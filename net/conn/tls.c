#include "net/conn/tls.h"

#include "base/check.h"
#include "base/error.h"
#include "net/conn/tls_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one SSL_write may add to its plaintext: record headers, nonces, tags, the empty record in
   front of TLS 1.1's CBC, and an answer to a key update that was still to be sent. */
enum { WRITE_OVERHEAD_MAX = 512 };

static BIO_METHOD *filter;
static pthread_once_t filter_once = PTHREAD_ONCE_INIT;

/* OpenSSL asks for a record's header, then for its body: each is copied once, from where the kernel
   put it to where OpenSSL decrypts it. */
static int bio_read(BIO *bio, char *out, int out_sz)
{
    tm_tls_t *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t n = tls->in_sz < (size_t)out_sz ? tls->in_sz : (size_t)out_sz;
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->in, n);
    tls->in += n;
    tls->in_sz -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int sz)
{
    tm_tls_t *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t room = TM_TLS_OUT_MAX - tls->out_sz;
    size_t n = room < (size_t)sz ? room : (size_t)sz;
    if (n == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (tls->out_off + tls->out_sz + n > TM_TLS_OUT_MAX) {
        memmove(tls->out, tls->out + tls->out_off, tls->out_sz);
        tls->out_off = 0;
    }
    memcpy(tls->out + tls->out_off + tls->out_sz, data, n);
    tls->out_sz += n;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void filter_make(void)
{
    filter = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidemark");
    if (!filter) return;
    BIO_meth_set_read(filter, bio_read);
    BIO_meth_set_write(filter, bio_write);
    BIO_meth_set_ctrl(filter, bio_ctrl);
    BIO_meth_set_create(filter, bio_create);
}

/* Name or address that the certificate must carry. */
static int expect_host(tm_tls_t *tls, const char *host)
{
    size_t sz = strlen(host);
    if (sz > 1 && host[sz - 1] == '.') sz--; /* the root's dot is no part of a certificate's name */
    if (sz == 0 || sz > TM_TLS_HOST_MAX) {
        return tm_error_set(TM_E_CONFIG, "\"%.64s\" is no host name", host);
    }
    memcpy(tls->host, host, sz);
    tls->host[sz] = '\0';
    uint8_t address[16];
    if (inet_pton(AF_INET, tls->host, address) == 1 ||
        inet_pton(AF_INET6, tls->host, address) == 1) {
        /* An address goes into no SNI (RFC 6066, 3) and is compared with certified addresses. */
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host) == 1 ? 0
                                                                                       : -ENOMEM;
    }
    if (strspn(tls->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") !=
        sz) {
        return tm_error_set(TM_E_CONFIG, "\"%s\" is no host name", tls->host);
    }
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool ok = SSL_set1_host(tls->ssl, tls->host) == 1 &&
              SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
    return ok ? 0 : -ENOMEM;
}

static int attach(tm_tls_t *tls)
{
    pthread_once(&filter_once, filter_make);
    BIO *bio = filter ? BIO_new(filter) : NULL;
    if (!bio) return -ENOMEM;
    BIO_set_data(bio, tls);
    SSL_set_bio(tls->ssl, bio, bio); /* one reference serves both directions */
    return SSL_set_app_data(tls->ssl, tls) == 1 ? 0 : -ENOMEM;
}

int tm_tls_open(tm_tls_t **out, tm_tls_ctx_t *ctx, const char *host)
{
    *out = NULL;
    tm_tls_t *tls = calloc(1, sizeof *tls);
    if (!tls) return -ENOMEM;
    tls->server = ctx->server;
    snprintf(tls->trust, sizeof tls->trust, "%s", ctx->trust);
    snprintf(tls->host, sizeof tls->host, "the client");
    ERR_clear_error();
    tls->ssl = SSL_new(ctx->ssl_ctx);
    int err = tls->ssl ? attach(tls) : -ENOMEM;
    if (err == 0 && !ctx->server) {
        TM_CHECK(host, "a TLS client needs the name to verify");
        err = expect_host(tls, host);
    }
    if (err < 0) {
        tm_tls_free(tls);
        return err;
    }
    if (ctx->server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
        SSL_do_handshake(tls->ssl); /* makes the first flight, then wants to read */
    }
    *out = tls;
    return 0;
}

void tm_tls_free(tm_tls_t *tls)
{
    if (!tls) return;
    SSL_free(tls->ssl); /* with its BIO */
    free(tls);
}

tm_tls_state_t tm_tls_state(const tm_tls_t *tls)
{
    return tls->state;
}

void tm_tls_feed(tm_tls_t *tls, const uint8_t *data, size_t sz)
{
    TM_CHECK(tls->in_sz == 0, "%zu bytes fed before are not used up", tls->in_sz);
    tls->in = data;
    tls->in_sz = sz;
}

size_t tm_tls_fed_sz(const tm_tls_t *tls)
{
    return tls->in_sz;
}

/* SSL_get_error judges by the thread's queue of errors, so it must be empty before a call. Emptying
   it takes 107 ns, be it empty or not; looking takes 20. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0) ERR_clear_error();
}

/* What an OpenSSL call that gave no bytes means: 0 = wait, or the end, or failure with its text. */
static int outcome(tm_tls_t *tls, int ret)
{
    switch (SSL_get_error(tls->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        tls->state = TM_TLS_CLOSING;
        tls->close_came = true;
        tls->in_sz = 0; /* nothing may follow; what does is not ours to read */
        return tm_error_set(TM_E_CLOSED, "%s closed the TLS connection", tls->host);
    default:
        break;
    }
    int err = tm_tls_explain(tls);
    tls->state = TM_TLS_FAILED;
    tls->in_sz = 0;
    return err;
}

static int shake_hands(tm_tls_t *tls)
{
    int ret = SSL_do_handshake(tls->ssl);
    if (ret != 1) return outcome(tls, ret);
    tls->state = TM_TLS_OPEN;
    snprintf(tls->described, sizeof tls->described, "%s %s", SSL_get_version(tls->ssl),
             SSL_get_cipher_name(tls->ssl));
    return 0;
}

int tm_tls_read(tm_tls_t *tls, uint8_t *out, size_t out_sz)
{
    if (tls->state == TM_TLS_FAILED) return TM_E_TLS;
    if (tls->close_came) return TM_E_CLOSED;
    forget_errors();
    if (tls->state == TM_TLS_HANDSHAKING) {
        TM_TRY(shake_hands(tls));
        if (tls->state == TM_TLS_HANDSHAKING) return 0;
    }
    if (out_sz == 0) return 0;
    int n = SSL_read(tls->ssl, out, out_sz < INT32_MAX ? (int)out_sz : INT32_MAX);
    return n > 0 ? n : outcome(tls, n);
}

int tm_tls_write(tm_tls_t *tls, const uint8_t *data, size_t sz)
{
    if (tls->state == TM_TLS_FAILED) return TM_E_TLS;
    if (tls->shut) return TM_E_CLOSED;
    if (tls->state == TM_TLS_HANDSHAKING) return 0;
    if (sz > INT32_MAX) sz = INT32_MAX;
    size_t done = 0;
    while (done < sz) {
        size_t n = sz - done < TM_TLS_RECORD_MAX ? sz - done : TM_TLS_RECORD_MAX;
        /* OpenSSL keeps a record that did not leave whole and wants the same bytes again: a record
           is begun only where the queue takes all of it, so that never happens. */
        if (TM_TLS_OUT_MAX - tls->out_sz < n + WRITE_OVERHEAD_MAX) break;
        forget_errors();
        int ret = SSL_write(tls->ssl, data + done, (int)n);
        if (ret <= 0) {
            TM_TRY(outcome(tls, ret));
            break;
        }
        done += (size_t)ret;
    }
    return (int)done;
}

size_t tm_tls_pull(tm_tls_t *tls, uint8_t *out, size_t out_sz)
{
    size_t n = tls->out_sz < out_sz ? tls->out_sz : out_sz;
    memcpy(out, tls->out + tls->out_off, n);
    tls->out_sz -= n;
    tls->out_off = tls->out_sz > 0 ? tls->out_off + n : 0;
    return n;
}

size_t tm_tls_pull_sz(const tm_tls_t *tls)
{
    return tls->out_sz;
}

void tm_tls_shutdown(tm_tls_t *tls)
{
    if (tls->shut || tls->state == TM_TLS_FAILED) return;
    tls->shut = true;
    if (tls->state == TM_TLS_HANDSHAKING) return; /* OpenSSL has no alert to send yet */
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    tls->state = TM_TLS_CLOSING;
}

bool tm_tls_is_untrusted(const tm_tls_t *tls)
{
    return tls->state == TM_TLS_FAILED && tls->verify_err != 0;
}

int tm_tls_end(tm_tls_t *tls)
{
    if (tls->close_came) return TM_E_CLOSED;
    if (tls->state == TM_TLS_FAILED) return TM_E_TLS;
    bool early = tls->state == TM_TLS_HANDSHAKING;
    tls->state = TM_TLS_FAILED;
    if (early) {
        return tm_error_set(TM_E_TLS,
                            "%s ended the connection during the TLS handshake; the port may not "
                            "speak TLS, or the server refuses this client",
                            tls->host);
    }
    return tm_error_set(TM_E_TLS, "%s cut the connection without ending TLS; bytes may be missing",
                        tls->host);
}

const char *tm_tls_describe(const tm_tls_t *tls)
{
    return tls->described;
}
