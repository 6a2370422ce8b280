#include "base/error.h"
#include "net/conn/tls_private.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Adds ", <name>" behind what is there; bytes that are no printable ASCII become '?'. */
static void add_name(char *out, size_t out_sz, const uint8_t *name, int sz)
{
    size_t at = strlen(out);
    if (at > 0 && at + 2 < out_sz) at += (size_t)snprintf(out + at, out_sz - at, ", ");
    for (int i = 0; i < sz && at + 1 < out_sz; i++) {
        out[at] = '?';
        if (name[i] > 0x20 && name[i] < 0x7f) out[at] = (char)name[i];
        at++;
    }
    out[at] = '\0';
}

/* Lists whom a certificate is made out to: names and addresses. */
static void note_names(tm_tls_t *tls, X509 *cert)
{
    tls->verify_names[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char address[INET6_ADDRSTRLEN];
        if (name->type == GEN_DNS) {
            add_name(tls->verify_names, sizeof tls->verify_names,
                     ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int af = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
            if (af == AF_INET6 && ASN1_STRING_length(name->d.iPAddress) != 16) continue;
            inet_ntop(af, ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof address);
            add_name(tls->verify_names, sizeof tls->verify_names, (const uint8_t *)address,
                     (int)strlen(address));
        }
    }
    GENERAL_NAMES_free(names);
    if (tls->verify_names[0] == '\0')
        snprintf(tls->verify_names, sizeof tls->verify_names, "nobody");
}

static void note_date(tm_tls_t *tls, const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1) return;
    snprintf(tls->verify_date, sizeof tls->verify_date, "%04d-%02d-%02d %02d:%02d UTC",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

int tm_tls_on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok) return ok;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    tm_tls_t *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    tls->verify_err = X509_STORE_CTX_get_error(store);
    if (cert) {
        note_names(tls, cert);
        bool early = tls->verify_err == X509_V_ERR_CERT_NOT_YET_VALID;
        note_date(tls, early ? X509_get0_notBefore(cert) : X509_get0_notAfter(cert));
    }
    return ok;
}

static int explain_certificate(const tm_tls_t *tls)
{
    switch (tls->verify_err) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return tm_error_set(TM_E_TLS,
                            "certificate of %s is made out to %s, not to this host name; check "
                            "the host in the URL",
                            tls->host, tls->verify_names);
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return tm_error_set(TM_E_TLS,
                            "certificate of %s expired on %s; the server must renew it, or this "
                            "machine's clock is wrong",
                            tls->host, tls->verify_date);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return tm_error_set(TM_E_TLS,
                            "certificate of %s is not valid before %s; is this machine's clock "
                            "right?",
                            tls->host, tls->verify_date);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return tm_error_set(TM_E_TLS,
                            "certificate of %s is not signed by a CA in %s; pass --ca-file with "
                            "the CA's certificate if you trust it",
                            tls->host, tls->trust);
    default:
        return tm_error_set(TM_E_TLS, "certificate of %s was refused: %s", tls->host,
                            X509_verify_cert_error_string(tls->verify_err));
    }
}

static int explain_alert(const tm_tls_t *tls, int alert)
{
    if (alert == SSL_AD_PROTOCOL_VERSION) {
        return tm_error_set(TM_E_TLS, "%s speaks no TLS version that we allow (%s)", tls->host,
                            tls->server ? "see version_min of this server" : "1.2 or later");
    }
    return tm_error_set(TM_E_TLS, "%s %s with the TLS alert \"%s\"%s", tls->host,
                        tls->state == TM_TLS_HANDSHAKING ? "refused the handshake" : "gave up",
                        SSL_alert_desc_string_long(alert),
                        alert == SSL_AD_UNKNOWN_CA ? "; it does not trust our certificate" : "");
}

const char *tm_tls_openssl_words(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code)) return strerror((int)ERR_GET_REASON(code));
    const char *words = ERR_reason_error_string(code);
    return words ? words : "no reason given";
}

int tm_tls_explain(tm_tls_t *tls)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    if (tls->verify_err != X509_V_OK) return explain_certificate(tls);
    bool is_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (is_ssl && reason >= SSL_AD_REASON_OFFSET)
        return explain_alert(tls, reason - SSL_AD_REASON_OFFSET);
    /* Behind the handshake a peer that keeps to the rules gives nothing to complain about: which
       byte was hit decides whether it is the record's tag, its type, version or length. */
    if (tls->state != TM_TLS_HANDSHAKING)
        return tm_error_set(TM_E_TLS, "a TLS record of %s was damaged or forged on its way: %s",
                            tls->host, tm_tls_openssl_words());
    switch (is_ssl ? reason : 0) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
        return explain_alert(tls, SSL_AD_PROTOCOL_VERSION);
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return tm_error_set(TM_E_TLS, "%s does not speak TLS here%s", tls->host,
                            tls->server ? "; it must use wss:// or https://"
                                        : "; check the port, or use ws:// where that is meant");
    default:
        break;
    }
    return tm_error_set(TM_E_TLS, "TLS with %s failed: %s", tls->host, tm_tls_openssl_words());
}
