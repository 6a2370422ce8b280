#include "base/row.h"
#include "base/symbol.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

Test(symbol, numbers_count_up_in_order_of_first_sight)
{
    tm_symbols_t *s;
    tm_assert_eq(tm_symbols_open(&s), 0);
    tm_assert_eq(tm_symbols_intern(s, "BTCUSDT", 7), 0u);
    tm_assert_eq(tm_symbols_intern(s, "ETHUSDT", 7), 1u);
    tm_assert_eq(tm_symbols_intern(s, "BTCUSDT", 7), 0u);
    tm_assert_eq(tm_symbols_find(s, "ETHUSDT", 7), 1u);
    tm_assert_eq(tm_symbols_find(s, "ETHUSD", 6), TM_SYMBOL_NONE);
    tm_assert_str(tm_symbols_name(s, 1, NULL), "ETHUSDT");
    tm_assert_str(tm_symbols_name(s, 2, NULL), "");
    tm_symbols_close(s);
}

Test(symbol, a_full_table_and_bad_sizes_give_none)
{
    tm_symbols_t *s;
    char name[80];
    memset(name, 'x', sizeof name);
    tm_assert_eq(tm_symbols_open(&s), 0);
    tm_assert_eq(tm_symbols_intern(s, "", 0), TM_SYMBOL_NONE);
    tm_assert_eq(tm_symbols_intern(s, name, TM_SYMBOL_SZ_MAX + 1), TM_SYMBOL_NONE);
    for (uint32_t i = 0; i < TM_SYMBOL_CNT_MAX; i++) {
        int n = snprintf(name, sizeof name, "S%u", i);
        tm_assert_eq(tm_symbols_intern(s, name, (size_t)n), i);
    }
    tm_assert_eq(tm_symbols_intern(s, "ONE-MORE", 8), TM_SYMBOL_NONE);
    tm_assert_eq(tm_symbols_find(s, "S65535", 6), 65535u);
    tm_symbols_close(s);
}
