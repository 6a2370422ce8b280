#include "base/error.h"
#include "net/conn/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

static int protocol_of(tm_tls_version_t version, int otherwise)
{
    switch (version) {
    case TM_TLS_1_1:
        return TLS1_1_VERSION;
    case TM_TLS_1_2:
        return TLS1_2_VERSION;
    case TM_TLS_1_3:
        return TLS1_3_VERSION;
    case TM_TLS_DEFAULT:
        break;
    }
    return otherwise;
}

static int set_versions(SSL_CTX *ssl_ctx, const tm_tls_ctx_cfg_t *cfg)
{
    int min = protocol_of(cfg->version_min, TLS1_2_VERSION);
    int max = protocol_of(cfg->version_max, TLS1_3_VERSION);
    if (min > max) return tm_error_set(TM_E_CONFIG, "the oldest TLS version is above the newest");
    if (min < TLS1_2_VERSION && !cfg->server) {
        return tm_error_set(TM_E_CONFIG, "a TLS client speaks version 1.2 or later");
    }
    /* Suites with forward secrecy and authenticated encryption; the smallest AES first, because it
       is the fastest. An outdated peer needs what was current then, SHA-1 included. */
    const char *suites = min < TLS1_2_VERSION ? "DEFAULT:@SECLEVEL=0"
                                              : "ECDHE+AESGCM:ECDHE+CHACHA20";
    bool ok = SSL_CTX_set_min_proto_version(ssl_ctx, min) == 1 &&
              SSL_CTX_set_max_proto_version(ssl_ctx, max) == 1 &&
              SSL_CTX_set_cipher_list(ssl_ctx, suites) == 1 &&
              SSL_CTX_set_ciphersuites(ssl_ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                                "TLS_CHACHA20_POLY1305_SHA256") == 1;
    if (!ok) return tm_error_set(TM_E_TLS, "OpenSSL: %s", tm_tls_openssl_words());
    return 0;
}

static int load_trust(tm_tls_ctx_t *ctx, const char *ca_file)
{
    SSL_CTX_set_verify(ctx->ssl_ctx, SSL_VERIFY_PEER, tm_tls_on_verify);
    if (ca_file) {
        snprintf(ctx->trust, sizeof ctx->trust, "%s", ca_file);
        if (SSL_CTX_load_verify_file(ctx->ssl_ctx, ca_file) == 1) return 0;
        return tm_error_set(TM_E_TLS,
                            "cannot take CA certificates from %s: %s; it must hold them "
                            "as PEM",
                            ca_file, tm_tls_openssl_words());
    }
    snprintf(ctx->trust, sizeof ctx->trust, "the system's bundle (%s)",
             X509_get_default_cert_dir());
    if (SSL_CTX_set_default_verify_paths(ctx->ssl_ctx) == 1) return 0;
    return tm_error_set(TM_E_TLS, "cannot use the system's CA bundle: %s; pass --ca-file",
                        tm_tls_openssl_words());
}

static int load_certificate(tm_tls_ctx_t *ctx, const char *cert_file, const char *key_file)
{
    if (!cert_file || !key_file) {
        return tm_error_set(TM_E_CONFIG, "a TLS server needs a certificate and a key file");
    }
    if (SSL_CTX_use_certificate_chain_file(ctx->ssl_ctx, cert_file) != 1) {
        return tm_error_set(TM_E_TLS, "cannot take the server certificate from %s: %s", cert_file,
                            tm_tls_openssl_words());
    }
    if (SSL_CTX_use_PrivateKey_file(ctx->ssl_ctx, key_file, SSL_FILETYPE_PEM) != 1) {
        return tm_error_set(TM_E_TLS, "cannot take the private key of %s from %s: %s", cert_file,
                            key_file, tm_tls_openssl_words());
    }
    /* Without tickets nothing is sent behind the handshake that a client would have to store. */
    SSL_CTX_set_num_tickets(ctx->ssl_ctx, 0);
    return 0;
}

int tm_tls_ctx_open(tm_tls_ctx_t **out, const tm_tls_ctx_cfg_t *cfg)
{
    *out = NULL;
    ERR_clear_error();
    tm_tls_ctx_t *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return -ENOMEM;
    int err = -ENOMEM;
    ctx->server = cfg->server;
    ctx->ssl_ctx = SSL_CTX_new(cfg->server ? TLS_server_method() : TLS_client_method());
    if (!ctx->ssl_ctx) goto out;
    SSL_CTX_set_options(ctx->ssl_ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx->ssl_ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx->ssl_ctx, SSL_SESS_CACHE_OFF);
    TM_GOTO(err, set_versions(ctx->ssl_ctx, cfg), out);
    err = cfg->server ? load_certificate(ctx, cfg->cert_file, cfg->key_file)
                      : load_trust(ctx, cfg->ca_file);
out:
    if (err < 0) {
        tm_tls_ctx_close(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}

void tm_tls_ctx_close(tm_tls_ctx_t *ctx)
{
    if (!ctx) return;
    SSL_CTX_free(ctx->ssl_ctx); /* counted: connections hold their own reference */
    free(ctx);
}
