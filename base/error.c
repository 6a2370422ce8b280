#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char trail[TM_ERROR_TEXT_MAX];
static _Thread_local char name_buf[128];

char *tm_error_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f) *p = '?';
        if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
            p[0] = p[1] = '?';
    }
    return text;
}

int tm_error_set(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(trail, sizeof trail, fmt, ap);
    va_end(ap);
    tm_error_printable(trail);
    return code;
}

int tm_error_context(int code, const char *fmt, ...)
{
    char prefix[TM_ERROR_TEXT_MAX / 2];
    char old[TM_ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(old, trail, sizeof old);
    int n = snprintf(trail, sizeof trail, "%s: ", prefix);
    snprintf(trail + n, sizeof trail - (size_t)n, "%.*s", (int)(sizeof trail - (size_t)n - 1),
             old[0] ? old : tm_error_name(code));
    tm_error_printable(trail);
    return code;
}

const char *tm_error_text(void)
{
    return trail;
}

void tm_error_clear(void)
{
    trail[0] = '\0';
}

const char *tm_error_name(int code)
{
    static const char *const names[] = {
        "protocol error",     "TLS error",          "HTTP error",      "name not resolved",
        "timed out",          "closed by peer",     "limit exceeded",  "syntax error",
        "value out of range", "field missing",      "unknown kind",    "file is corrupt",
        "bad configuration",  "not supported here", "function failed",
    };
    if (code == 0) return "no error";
    if (code < 0 && code > -4096) {
        const char *sym = strerrorname_np(-code);
        snprintf(name_buf, sizeof name_buf, "%s: %s", sym ? sym : "errno", strerror(-code));
        return name_buf;
    }
    int idx = code - TM_E_PROTOCOL;
    if (idx >= 0 && idx < (int)TM_ARRAY_CNT(names)) return names[idx];
    return "unknown error";
}
