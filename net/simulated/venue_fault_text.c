#include "net/simulated/venue_fault_text.h"

#include <string.h>

enum { MS_DIGITS = 13, US_DIGITS = 16, DEPTH = 2000 };

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static void shift(char *digits, size_t cnt, int64_t ns)
{
    int64_t unit = cnt == MS_DIGITS ? TM_NS_PER_MS : TM_NS_PER_US, value = 0, limit = 1;
    if (cnt != MS_DIGITS && cnt != US_DIGITS) return;
    for (size_t i = 0; i < cnt; i++) {
        value = value * 10 + (digits[i] - '0');
        limit *= 10;
    }
    value += ns / unit;
    if (value < limit / 10 || value >= limit) return;
    for (size_t i = cnt; i-- > 0; value /= 10) digits[i] = (char)('0' + value % 10);
}

void tm_venue_fault_text_jump(char *text, size_t sz, int64_t ns)
{
    for (size_t i = 0; i + 4 < sz; i++) {
        if (text[i] != '"' || (text[i + 1] != 'E' && text[i + 1] != 'T')) continue;
        if (text[i + 2] != '"' || text[i + 3] != ':') continue;
        size_t first = i + 4, end = first;
        while (end < sz && is_digit(text[end])) end++;
        shift(text + first, end - first, ns);
        i = end - 1;
    }
}

/* True for the bytes of a character behind its first. */
static bool is_continued(char ch)
{
    return (ch & 0xc0) == 0x80;
}

static bool is_ascii(const char *text, size_t sz)
{
    size_t i = 0;
    while (i < sz && (text[i] & 0x80) == 0) i++;
    return i == sz;
}

/* A word where a number or a string of digits stood, and no half of a character behind it. */
static void spoil_number(char *text, size_t sz)
{
    static const char word[] = "NaN";
    for (size_t i = 1; i + sizeof word < sz; i++) {
        if (!is_digit(text[i]) || text[i - 1] != ':') continue;
        if (!is_ascii(text + i, sizeof word - 1)) continue;
        memcpy(text + i, word, sizeof word - 1);
        return;
    }
    size_t i = 0; /* there is none: not even the first character is what it was */
    do text[i++] = '?';
    while (i < sz && is_continued(text[i]));
}

size_t tm_venue_fault_text_spoil(char *text, size_t sz, tm_fault_json_t how, uint64_t *random)
{
    if (how == TM_FAULT_JSON_ANY)
        how = (tm_fault_json_t)(1 + tm_fault_random_next(random) % (TM_FAULT_JSON_CNT - 1));
    switch (how) {
    case TM_FAULT_JSON_EMPTY:
        return 0;
    case TM_FAULT_JSON_NUMBER:
        spoil_number(text, sz);
        return sz;
    case TM_FAULT_JSON_DEEP:
        memset(text, '[', DEPTH);
        return DEPTH;
    case TM_FAULT_JSON_GARBAGE:
        for (size_t i = 0; i < sz; i++)
            text[i] = (char)('!' + tm_fault_random_next(random) % ('~' - '!' + 1));
        return sz;
    case TM_FAULT_JSON_ANY:
    case TM_FAULT_JSON_TRUNCATED:
    case TM_FAULT_JSON_CNT:
        break;
    }
    size_t left = sz > 2 ? 1 + tm_fault_random_next(random) % (sz - 2) : sz / 2;
    while (left > 0 && is_continued(text[left])) left--; /* not inside a character */
    return left;
}
