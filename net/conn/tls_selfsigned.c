#include "net/conn/tls_selfsigned.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SERIAL_SZ = 16, NAMES_TEXT_MAX = 8192 };

static const int64_t default_begin_s = -3600;
static const int64_t default_end_s = 10LL * 365 * 86400;

static int refused(const char *what)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());
    return tm_error_set(TM_E_TLS, "cannot make %s: %s", what,
                        words ? words : "OpenSSL gave no reason");
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* A random serial number also makes the CA's name its own, so that no two CAs are mistaken for each
   other by a client that trusts one of them. */
static bool set_serial(X509 *cert, char hex[2 * SERIAL_SZ + 1])
{
    uint8_t serial[SERIAL_SZ];
    if (RAND_bytes(serial, sizeof serial) != 1) return false;
    serial[0] &= 0x7f; /* positive */
    for (size_t i = 0; i < sizeof serial; i++) snprintf(hex + 2 * i, 3, "%02x", serial[i]);
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
    BN_free(bn);
    return ok;
}

/* The parts that CA and server certificate have in common. */
static X509 *begin_certificate(const tm_selfsigned_cfg_t *cfg, EVP_PKEY *key, const char *title)
{
    char hex[2 * SERIAL_SZ + 1], common_name[96];
    X509 *cert = X509_new();
    if (!cert) return NULL;
    bool ok = X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert, hex) &&
              X509_set_pubkey(cert, key) == 1;
    snprintf(common_name, sizeof common_name, "%s %.8s", title, hex);
    int64_t begin_s = cfg->begin_s ? cfg->begin_s : default_begin_s;
    int64_t end_s = cfg->end_s ? cfg->end_s : default_end_s;
    if (begin_s >= end_s) begin_s = end_s - 3600;
    ok = ok && X509_gmtime_adj(X509_getm_notBefore(cert), begin_s) &&
         X509_gmtime_adj(X509_getm_notAfter(cert), end_s) &&
         X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                    (const uint8_t *)common_name, -1, -1, 0) == 1;
    if (ok) return cert;
    X509_free(cert);
    return NULL;
}

static X509 *make_ca(const tm_selfsigned_cfg_t *cfg, EVP_PKEY *key)
{
    /* The CA itself is never out of date, so that an expired server shows as just that. */
    tm_selfsigned_cfg_t dates = {.begin_s = default_begin_s, .end_s = default_end_s};
    if (cfg->end_s < 0) dates.begin_s = cfg->end_s - 86400;
    X509 *ca = begin_certificate(&dates, key, "Tidemark throw-away CA");
    if (!ca) return NULL;
    bool ok = X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
              add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(ca, ca, NID_key_usage, "critical,keyCertSign") &&
              add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
              X509_sign(ca, key, EVP_sha256()) > 0;
    if (ok) return ca;
    X509_free(ca);
    return NULL;
}

/* "DNS:localhost,IP:127.0.0.1" */
static int list_names(const tm_selfsigned_cfg_t *cfg, char out[NAMES_TEXT_MAX])
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "::1"};
    const char *const *names = cfg->names ? cfg->names : loopback;
    uint32_t cnt = cfg->names ? cfg->name_cnt : (uint32_t)TM_ARRAY_CNT(loopback);
    if (cnt == 0 || cnt > TM_SELFSIGNED_NAME_MAX) {
        return tm_error_set(TM_E_CONFIG, "a certificate is made out to 1 to %d names",
                            TM_SELFSIGNED_NAME_MAX);
    }
    size_t at = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t address[16];
        bool is_address = inet_pton(AF_INET, names[i], address) == 1 ||
                          inet_pton(AF_INET6, names[i], address) == 1;
        size_t sz = strlen(names[i]);
        /* No comma or colon may reach the extension's own grammar. */
        if (sz == 0 || sz > 253 ||
            (!is_address && strspn(names[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789-._*") != sz)) {
            return tm_error_set(TM_E_CONFIG, "\"%.64s\" is no host name", names[i]);
        }
        at += (size_t)snprintf(out + at, NAMES_TEXT_MAX - at, "%s%s:%s", i ? "," : "",
                               is_address ? "IP" : "DNS", names[i]);
    }
    return 0;
}

static X509 *make_server(const tm_selfsigned_cfg_t *cfg, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                         const char *names)
{
    X509 *cert = begin_certificate(cfg, key, "Tidemark loopback server");
    if (!cert) return NULL;
    bool ok = X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
              add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca, NID_ext_key_usage, "serverAuth") &&
              add_extension(cert, ca, NID_subject_alt_name, names) &&
              add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
              X509_sign(cert, ca_key, EVP_sha256()) > 0;
    if (ok) return cert;
    X509_free(cert);
    return NULL;
}

/* Writes a certificate or a key under a temporary name and renames it. */
static int write_pem(const char *file, X509 *cert, EVP_PKEY *key)
{
    char tmp[4096];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp%d", file, (int)getpid());
    if (n >= (int)sizeof tmp) return tm_error_set(-ENAMETOOLONG, "%.64s...: name too long", file);
    unlink(tmp); /* of an earlier process that died */
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return tm_error_set(-errno, "cannot write %s: %s", tmp, strerror(errno));
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        unlink(tmp);
        return tm_error_set(-ENOMEM, "cannot write %s: out of memory", tmp);
    }
    bool ok = cert ? PEM_write_X509(f, cert) == 1
                   : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    errno = 0;
    ok = fclose(f) == 0 && ok && rename(tmp, file) == 0;
    if (ok) return 0;
    int err = errno ? -errno : -EIO;
    unlink(tmp);
    return tm_error_set(err, "cannot write %s: %s", file, strerror(-err));
}

int tm_selfsigned_make(const tm_selfsigned_cfg_t *cfg)
{
    char names[NAMES_TEXT_MAX];
    TM_TRY(list_names(cfg, names));
    ERR_clear_error();
    X509 *ca = NULL, *cert = NULL;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int err = 0;
    if (!ca_key || !key) {
        err = refused("a key pair");
        goto out;
    }
    ca = make_ca(cfg, ca_key);
    if (ca) cert = make_server(cfg, key, ca, ca_key, names);
    if (!cert) {
        err = refused("a certificate");
        goto out;
    }
    TM_GOTO(err, write_pem(cfg->key_file, NULL, key), out);
    TM_GOTO(err, write_pem(cfg->cert_file, cert, NULL), out);
    TM_GOTO(err, write_pem(cfg->ca_file, ca, NULL), out);
out:
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return err;
}
