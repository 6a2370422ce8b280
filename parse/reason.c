#include "parse/reason.h"

static const struct {
    const char *name, *counter;
} reasons[TM_REASON_CNT] = {
    [TM_REASON_NONE] = {"none", "bad_none"},
    [TM_REASON_TRUNCATED] = {"truncated", "bad_truncated"},
    [TM_REASON_SYNTAX] = {"syntax", "bad_syntax"},
    [TM_REASON_UTF8] = {"utf8", "bad_utf8"},
    [TM_REASON_NESTING] = {"nesting", "bad_nesting"},
    [TM_REASON_NUMBER] = {"number", "bad_number"},
    [TM_REASON_RANGE] = {"range", "bad_range"},
    [TM_REASON_MISSING] = {"missing", "bad_missing"},
    [TM_REASON_TYPE] = {"type", "bad_type"},
    [TM_REASON_SYMBOL] = {"symbol", "bad_symbol"},
    [TM_REASON_LIMIT] = {"limit", "bad_limit"},
    [TM_REASON_TWICE] = {"twice", "bad_twice"},
    [TM_REASON_UNKNOWN] = {"unknown", "unknown"},
};

const char *tm_reason_name(tm_reason_t reason)
{
    return reasons[reason].name;
}

const char *tm_reason_counter(tm_reason_t reason)
{
    return reasons[reason].counter;
}
