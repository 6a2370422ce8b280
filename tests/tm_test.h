/* tests/tm_test.h - the test vocabulary: Criterion, or in-process under ThreadSanitizer.
   Why      Criterion forks a worker per test through a helper that does not start under
            ThreadSanitizer, so -Db_sanitize=thread builds run the same tests in one process here
   Use      Test(suite, sentence_that_holds) { tm_assert(cond); tm_assert_eq(a, b); }
   Skip     tm_skip("reason") ends the test and counts it as skipped */
#ifndef TM_TESTS_TM_TEST_H
#define TM_TESTS_TM_TEST_H

#if defined(__SANITIZE_THREAD__)
#    define TM_TEST_IN_PROCESS 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define TM_TEST_IN_PROCESS 1
#    endif
#endif

#ifdef TM_TEST_IN_PROCESS

#    include <stdio.h>
#    include <stdlib.h>

typedef struct tm_test {
    const char *suite, *name;
    void (*fn)(void);
    struct tm_test *next;
} tm_test_t;

void tm_test_register(tm_test_t *test);
void tm_test_fail(const char *file, int line, const char *what);
void tm_test_skip(const char *reason) __attribute__((noreturn));

#    define Test(suite_, name_, ...)                                                               \
        static void suite_##_##name_##_fn(void);                                                   \
        __attribute__((constructor)) static void suite_##_##name_##_register(void)                 \
        {                                                                                          \
            static tm_test_t test = {#suite_, #name_, suite_##_##name_##_fn, NULL};                \
            tm_test_register(&test);                                                               \
        }                                                                                          \
        static void suite_##_##name_##_fn(void)

#    define tm_assert(cond)                                                                        \
        do {                                                                                       \
            if (!(cond)) tm_test_fail(__FILE__, __LINE__, #cond);                                  \
        } while (0)
#    define tm_assert_eq(a, b)                                                                     \
        do {                                                                                       \
            if ((a) != (b)) tm_test_fail(__FILE__, __LINE__, #a " == " #b);                        \
        } while (0)
#    define tm_assert_str(a, b)                                                                    \
        do {                                                                                       \
            if (__builtin_strcmp(a, b) != 0) tm_test_fail(__FILE__, __LINE__, #a " is " #b);       \
        } while (0)
#    define tm_skip(reason) tm_test_skip(reason)

#else

#    include <criterion/criterion.h>

#    define tm_assert(cond)     cr_assert(cond, "%s", #    cond)
#    define tm_assert_str(a, b) cr_assert_str_eq(a, b)
#    define tm_skip(reason)     cr_skip_test(reason)

/* Both sides are evaluated once and shown as signed 64-bit numbers where they differ. */
#    define tm_assert_eq(a, b)                                                                     \
        do {                                                                                       \
            __auto_type tm_a_ = (a);                                                               \
            __auto_type tm_b_ = (b);                                                               \
            cr_assert(tm_a_ == tm_b_, "%s == %s: %lld is not %lld", #a, #b, (long long)tm_a_,      \
                      (long long)tm_b_);                                                           \
        } while (0)

#endif
#endif
