/* The in-process runner of tests/tm_test.h: prints TAP, exits 1 where a test failed. */
#include "tests/tm_test.h"

#ifdef TM_TEST_IN_PROCESS

#    include <setjmp.h>
#    include <string.h>

static tm_test_t *first, **last = &first;
static jmp_buf out;
static const char *skip_reason;

void tm_test_register(tm_test_t *test)
{
    *last = test;
    last = &test->next;
}

void tm_test_fail(const char *file, int line, const char *what)
{
    printf("# %s:%d: %s does not hold\n", file, line, what);
    longjmp(out, 1);
}

void tm_test_skip(const char *reason)
{
    skip_reason = reason;
    longjmp(out, 2);
}

int main(void)
{
    volatile int cnt = 0, failed = 0; /* live across longjmp */
    for (const tm_test_t *t = first; t; t = t->next) cnt++;
    printf("TAP version 13\n1..%d\n", cnt);
    volatile int idx = 0;
    for (const tm_test_t *volatile t = first; t; t = t->next) {
        int how = setjmp(out);
        if (how == 0) t->fn();
        idx++;
        if (how == 1) failed++;
        printf("%s %d - %s::%s%s%s\n", how == 1 ? "not ok" : "ok", idx, t->suite, t->name,
               how == 2 ? " # SKIP " : "", how == 2 ? skip_reason : "");
        fflush(stdout);
    }
    return failed != 0;
}

#else

/* LeakSanitizer asks for it by name. Criterion's runner loses 48 bytes of its own in some runs, and
   with them the results, which are not flushed yet. */
const char *__lsan_default_suppressions(void); /* NOLINT(bugprone-reserved-identifier) */

const char *__lsan_default_suppressions(void) /* NOLINT(bugprone-reserved-identifier) */
{
    return "leak:libcriterion\n";
}

#endif
