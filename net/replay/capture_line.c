#include "net/replay/capture_line.h"

#include "base/error.h"
#include "base/stamp.h"

#include <string.h>

static int bad(const char *what)
{
    return tm_error_set(TM_E_SYNTAX, "expected %s", what);
}

static int payload_set(tm_capture_line_t *line, const char *p, const char *end)
{
    line->payload = (const uint8_t *)p;
    line->payload_sz = (size_t)(end - p);
    return 0;
}

/* Eight ASCII digits at once; false where one of them is none. */
static bool digits8(const char *p, uint64_t *out)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    if ((v & 0xf0f0f0f0f0f0f0f0u) != 0x3030303030303030u) return false;
    if (((v + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) != 0x3030303030303030u) return false;
    v = (v & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    v = (v & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    *out = (v & 0x0000ffff0000ffffu) * 42949672960001 >> 32;
    return true;
}

/* Reads "<19 or 16 digits> ". Returns the bytes taken, 0 where it is something else. */
static size_t stamp_take(const char *p, size_t sz, int64_t *recv_ns)
{
    uint64_t hi, lo;
    if (sz < 17 || !digits8(p, &hi) || !digits8(p + 8, &lo)) return 0;
    uint64_t v = hi * 100000000 + lo;
    if (p[16] == ' ') { /* microseconds */
        if (v > (uint64_t)INT64_MAX / 1000) return 0;
        *recv_ns = (int64_t)v * 1000;
        return 17;
    }
    if (sz < 20 || p[19] != ' ') return 0;
    for (int i = 16; i < 19; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    if (v > (uint64_t)INT64_MAX) return 0;
    *recv_ns = (int64_t)v;
    return 20;
}

static int take_lines(tm_capture_line_t *line, const char *p, size_t sz)
{
    const size_t n = stamp_take(p, sz, &line->recv_ns);
    if (n == 0 || n == sz) return bad("\"<receive time: 19 digits of ns or 16 of us> <message>\"");
    return payload_set(line, p + n, p + sz);
}

static int take_tardis(tm_capture_line_t *line, const char *p, size_t sz)
{
    const size_t n = tm_stamp_iso(p, sz, &line->recv_ns);
    if (n < 20 || p[n - 1] != 'Z' || n + 1 >= sz || p[n] != ' ')
        return bad("\"2024-08-08T23:54:14.0247230Z <message>\"");
    return payload_set(line, p + n + 1, p + sz);
}

static int take_cryptofeed(tm_capture_line_t *line, const char *p, size_t sz)
{
    static const char want[] = "\"<seconds>: <message>\", \"<url> <- <seconds>: <message>\" or "
                               "\"<url> <-> <seconds>\"";
    const char *end = p + sz;
    if (sz && (*p < '0' || *p > '9')) {
        const char *url = p, *blank = memchr(p, ' ', sz);
        const size_t left = blank ? (size_t)(end - blank) : 0;
        if (left > 5 && memcmp(blank, " <-> ", 5) == 0) {
            p = blank + 5;
            if (tm_stamp_seconds(p, (size_t)(end - p), &line->recv_ns) != (size_t)(end - p))
                return bad(want);
            line->kind = TM_CAPTURE_CONNECT;
            return payload_set(line, url, blank);
        }
        if (left < 5 || memcmp(blank, " <- ", 4) != 0) return bad(want);
        line->kind = TM_CAPTURE_SENT;
        p = blank + 4;
    }
    const size_t n = tm_stamp_seconds(p, (size_t)(end - p), &line->recv_ns);
    if (n == 0 || end - p < (ptrdiff_t)n + 3 || p[n] != ':' || p[n + 1] != ' ') return bad(want);
    return payload_set(line, p + n + 2, end);
}

int tm_capture_line_take(tm_capture_line_t *line, tm_capture_form_t form, const void *src,
                         size_t sz)
{
    line->kind = TM_CAPTURE_MESSAGE;
    switch (form) {
    case TM_CAPTURE_LINES:
        return take_lines(line, src, sz);
    case TM_CAPTURE_CRYPTOFEED:
        return take_cryptofeed(line, src, sz);
    case TM_CAPTURE_TARDIS:
        return take_tardis(line, src, sz);
    case TM_CAPTURE_AUTO:
        break;
    }
    return bad("a line of a known form");
}

tm_capture_form_t tm_capture_form_guess(const void *src, size_t sz)
{
    tm_capture_line_t line;
    for (tm_capture_form_t form = TM_CAPTURE_LINES; form <= TM_CAPTURE_TARDIS; form++)
        if (tm_capture_line_take(&line, form, src, sz) == 0) return form;
    return TM_CAPTURE_AUTO;
}
