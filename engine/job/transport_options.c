#include "engine/job/transport_options.h"

#include "base/error.h"
#include "engine/job/flags.h"

#include <stdio.h>
#include <string.h>

enum { BUSY_POLL_MAX_US = 1000000, RECEIVE_SZ_MIN = 4 << 10, RECEIVE_SZ_MAX = 1 << 30 };

int tm_transport_take_proxy(tm_transport_options_t *o, const char *text)
{
    if (tm_proxy_parse(&o->proxy, text) < 0) return tm_error_context(TM_E_CONFIG, "--proxy");
    o->proxy_on = true;
    return 0;
}

int tm_transport_take_deflate(tm_transport_options_t *o, const char *text)
{
    static const char *const names[] = {"off", "takeover", "no-takeover"};
    for (size_t i = 0; i < TM_ARRAY_CNT(names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        o->deflate_on = i > 0;
        o->deflate.server_no_context_takeover = i == 2;
        return 0;
    }
    return tm_error_set(TM_E_CONFIG, "--deflate '%s': choose off, takeover or no-takeover", text);
}

static int receive_parse(const char *text, uint32_t *sz)
{
    uint64_t v;
    TM_TRY(tm_size_parse("tcp rcvbuf", text, &v));
    if (v < RECEIVE_SZ_MIN || v > RECEIVE_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "--tcp rcvbuf=%s: expected 4K to 1G", text);
    *sz = (uint32_t)v;
    return 0;
}

static int tcp_take(tm_tcp_options_t *tcp, const char *word)
{
    uint64_t v;
    if (strcmp(word, "delay") == 0) {
        tcp->delay = true;
        return 0;
    }
    if (strcmp(word, "quickack") == 0) {
        tcp->quick_ack = true;
        return 0;
    }
    if (strncmp(word, "rcvbuf=", 7) == 0) return receive_parse(word + 7, &tcp->receive_sz);
    if (strncmp(word, "busy-poll=", 10) == 0) {
        TM_TRY(tm_number_parse("tcp busy-poll", word + 10, 1, BUSY_POLL_MAX_US, &v));
        tcp->busy_poll_us = (uint32_t)v;
        return 0;
    }
    return tm_error_set(TM_E_CONFIG,
                        "--tcp '%s': expected delay, quickack, busy-poll=MICROSECONDS or "
                        "rcvbuf=SIZE",
                        word);
}

int tm_transport_take_tcp(tm_transport_options_t *o, const char *text)
{
    for (;;) {
        char word[64];
        size_t sz = strcspn(text, ",");
        if (sz >= sizeof word)
            return tm_error_set(TM_E_CONFIG, "--tcp: a word of %zu bytes is none of its", sz);
        snprintf(word, sizeof word, "%.*s", (int)sz, text);
        TM_TRY(tcp_take(&o->tcp, word));
        if (text[sz] == '\0') return 0;
        text += sz + 1;
    }
}

tm_transport_t tm_transport_of(const tm_transport_options_t *o)
{
    return (tm_transport_t){.proxy = o->proxy_on ? &o->proxy : NULL,
                            .deflate = o->deflate_on ? &o->deflate : NULL,
                            .tcp = o->tcp};
}
