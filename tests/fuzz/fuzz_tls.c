/* TLS against a hostile peer and a hostile wire. Input: a mode, the size of the pieces, then
   modes 0 and 1: bytes that a client or a server receives in place of a handshake;
   mode 2: edits of the bytes between our client and our server, (skip low, skip high, xor) each.
   Whatever is read must be what was written, up to the place where the connection failed. */
#include "base/error.h"
#include "net/conn/tls.h"
#include "net/conn/tls_selfsigned.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

static tm_tls_ctx_t *client_ctx, *server_ctx;

static void prepare(void)
{
    if (client_ctx) return;
    char dir[] = "/tmp/tm_fuzz_tls_XXXXXX", ca[64], cert[64], key[64];
    TM_MUST(mkdtemp(dir));
    snprintf(ca, sizeof ca, "%s/ca", dir);
    snprintf(cert, sizeof cert, "%s/cert", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    tm_selfsigned_cfg_t cfg = {.ca_file = ca, .cert_file = cert, .key_file = key};
    tm_tls_ctx_cfg_t client = {.ca_file = ca};
    tm_tls_ctx_cfg_t server = {.server = true, .cert_file = cert, .key_file = key};
    TM_MUST(tm_selfsigned_make(&cfg) == 0);
    TM_MUST(tm_tls_ctx_open(&client_ctx, &client) == 0);
    TM_MUST(tm_tls_ctx_open(&server_ctx, &server) == 0);
    unlink(ca);
    unlink(cert);
    unlink(key);
    rmdir(dir);
}

/* One end, and what it has read so far of the counting bytes that the other end writes. */
typedef struct tm_end {
    tm_tls_t *tls;
    size_t written, came;
    bool failed;
} tm_end_t;

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void receive(tm_end_t *end, const uint8_t *wire, size_t sz, size_t chop)
{
    for (size_t at = 0; at < sz && !end->failed; at += chop) {
        uint8_t plain[512];
        int n;
        tm_tls_feed(end->tls, wire + at, sz - at < chop ? sz - at : chop);
        while ((n = tm_tls_read(end->tls, plain, sizeof plain)) > 0) {
            for (int i = 0; i < n; i++) TM_MUST(plain[i] == pattern(end->came + (size_t)i));
            end->came += (size_t)n;
        }
        end->failed = n < 0;
        TM_MUST(n == 0 || n == TM_E_TLS || n == TM_E_CLOSED);
        TM_MUST(n == 0 || tm_error_text()[0] != '\0');
        TM_MUST(tm_tls_fed_sz(end->tls) == 0 || tm_tls_pull_sz(end->tls) == TM_TLS_OUT_MAX);
        if (tm_tls_fed_sz(end->tls) > 0) end->failed = true; /* its answers are not taken here */
    }
}

static void send_some(tm_end_t *end)
{
    uint8_t plain[300];
    if (tm_tls_state(end->tls) != TM_TLS_OPEN || end->written > 2000) return;
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = pattern(end->written + i);
    int n = tm_tls_write(end->tls, plain, sizeof plain);
    if (n > 0) end->written += (size_t)n;
}

typedef struct tm_edits {
    const uint8_t *data;
    size_t sz, skip;
    uint8_t flip;
} tm_edits_t;

static void next_edit(tm_edits_t *edits)
{
    if (edits->sz < 3) {
        edits->skip = SIZE_MAX;
        return;
    }
    edits->skip = (size_t)edits->data[0] | (size_t)edits->data[1] << 8;
    edits->flip = edits->data[2];
    edits->data += 3;
    edits->sz -= 3;
}

static bool carry(tm_end_t *from, tm_end_t *to, size_t chop, tm_edits_t *edits)
{
    uint8_t wire[8192];
    size_t sz = tm_tls_pull(from->tls, wire, sizeof wire);
    size_t at = 0;
    while (edits->skip < sz - at) {
        at += edits->skip;
        wire[at] ^= edits->flip;
        next_edit(edits);
    }
    if (edits->skip != SIZE_MAX) edits->skip -= sz - at;
    receive(to, wire, sz, chop);
    return sz > 0;
}

static void run_pair(const uint8_t *data, size_t sz, size_t chop)
{
    tm_end_t client = {0}, server = {0};
    tm_edits_t edits = {.data = data, .sz = sz};
    bool edited = sz >= 3;
    next_edit(&edits);
    TM_MUST(tm_tls_open(&client.tls, client_ctx, "localhost") == 0);
    TM_MUST(tm_tls_open(&server.tls, server_ctx, NULL) == 0);
    for (bool moved = true; moved;) {
        moved = carry(&client, &server, chop, &edits);
        moved |= carry(&server, &client, chop, &edits);
        send_some(&client);
        send_some(&server);
    }
    if (!edited) TM_MUST(client.came == server.written && server.came == client.written);
    TM_MUST(client.came <= server.written && server.came <= client.written);
    tm_tls_free(client.tls);
    tm_tls_free(server.tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    prepare();
    uint8_t mode = tm_fuzz_byte(&data, &sz) % 3;
    size_t chop = 1 + 16u * tm_fuzz_byte(&data, &sz);
    if (mode == 2) {
        run_pair(data, sz, chop);
        return 0;
    }
    tm_end_t end = {0};
    TM_MUST(tm_tls_open(&end.tls, mode ? server_ctx : client_ctx, mode ? NULL : "localhost") == 0);
    receive(&end, data, sz, chop);
    if (end.failed) TM_MUST(tm_tls_state(end.tls) != TM_TLS_OPEN);
    TM_MUST(end.came == 0); /* nobody who has not finished a handshake is listened to */
    tm_tls_free(end.tls);
    return 0;
}
