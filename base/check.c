#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void tm_check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "tidemark: bug at %s:%d: '%s' does not hold: ", file, line, cond);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
