#include "engine/operators/function_error.h"

#include "base/error.h"
#include "engine/tidemark_flow.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char sentence[TM_ERROR_TEXT_MAX];
static _Thread_local bool failed;

void tm_fail(const char *fmt, ...)
{
    va_list ap;
    if (failed) return;
    failed = true;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
}

void tm_function_error_clear(void)
{
    failed = false;
}

int tm_function_error(void)
{
    return TM_LIKELY(!failed) ? 0 : tm_error_set(TM_E_FUNCTION, "%s", sentence);
}
