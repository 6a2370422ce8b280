#include "parse/json/json.h"

#include "tests/parse/exact_frame.h"
#include "tests/parse/messages.h"
#include "tests/tm_test.h"

#include <stdio.h>

/* Readers of one spec: every instruction set, with and without shapes. */
enum { READER_CNT = 6 };

typedef struct readers {
    tm_json_t *json[READER_CNT];
    exact_t exact;
    uint32_t field_cnt;
} readers_t;

static void readers_open(readers_t *r, const tm_json_spec_t *spec)
{
    exact_open(&r->exact);
    r->field_cnt = spec->field_cnt;
    for (uint32_t i = 0; i < READER_CNT; i++) {
        r->json[i] = tm_json_open(spec);
        if (!r->json[i]) fprintf(stderr, "# %s\n", tm_json_open_error());
        tm_assert(r->json[i] != NULL);
        tm_json_restrict(r->json[i], tm_kernels_get((tm_isa_t)(i % 3)), i >= 3);
    }
}

static void readers_close(readers_t *r)
{
    for (uint32_t i = 0; i < READER_CNT; i++) tm_json_close(r->json[i]);
    exact_close(&r->exact);
}

static bool values_equal(const readers_t *r, const tm_json_value_t *a, const tm_json_value_t *b)
{
    for (uint32_t i = 0; i < r->field_cnt; i++) {
        bool text = r->json[0]->paths.fields[i].type == TM_JSON_TEXT;
        if (a[i].state != b[i].state || a[i].text_sz != b[i].text_sz) return false;
        if (text && a[i].text_sz && memcmp(a[i].text, b[i].text, a[i].text_sz) != 0) return false;
        if (!text && a[i].u64 != b[i].u64) return false;
    }
    return true;
}

/* Reads with all of them, twice, so that shapes come into play; all must agree. NULL: refused. */
static const tm_json_value_t *read_sz(readers_t *r, const void *text, size_t sz)
{
    const tm_json_value_t *first = NULL;
    for (uint32_t i = 0; i < 2 * READER_CNT; i++) {
        tm_json_t *j = r->json[i % READER_CNT];
        /* Of one place, so that texts of all readers stay valid. */
        tm_frame_t f = exact_at_end(&r->exact, text, sz, (uint8_t) "\0\"}9"[i % 4]);
        const tm_json_value_t *v = tm_json_read(j, f.data, f.sz);
        if (i == 0) first = v;
        const tm_json_fault_t *a = tm_json_fault(r->json[0]), *b = tm_json_fault(j);
        tm_assert((v == NULL) == (first == NULL));
        tm_assert(a->kind == b->kind && (v || (a->off == b->off && a->field == b->field)));
        tm_assert(!v || values_equal(r, first, v));
    }
    return first;
}

static const tm_json_value_t *read_text(readers_t *r, const char *text)
{
    return read_sz(r, text, strlen(text));
}

/* One field "/v" read from {"v":TEXT}. */
static const tm_json_value_t *one(readers_t *r, const char *text)
{
    char message[600];
    snprintf(message, sizeof message, "{\"v\":%s}", text);
    return read_text(r, message);
}

static const char *refused(readers_t *r, const char *text)
{
    return one(r, text) ? "" : tm_json_fault(r->json[0])->kind;
}

static void open_one(readers_t *r, tm_json_type_t type, uint8_t scale, int64_t unit_ns)
{
    const tm_json_field_t field = {.path = "/v", .type = type, .scale = scale, .unit_ns = unit_ns};
    readers_open(r, &(tm_json_spec_t){.fields = &field, .field_cnt = 1});
}

static readers_t readers;

Test(json, integers_take_all_of_their_range_and_nothing_else)
{
    open_one(&readers, TM_JSON_U64, 0, 0);
    tm_assert_eq(one(&readers, "0")->u64, 0u);
    tm_assert_eq(one(&readers, "18446744073709551615")->u64, UINT64_MAX);
    tm_assert_eq(one(&readers, "\"18446744073709551615\"")->u64, UINT64_MAX);
    tm_assert_eq(one(&readers, "1.5e1")->u64, 15u);
    tm_assert_eq(one(&readers, "7.000")->u64, 7u);
    tm_assert_str(refused(&readers, "18446744073709551616"), "range");
    tm_assert_str(refused(&readers, "-1"), "range");
    tm_assert_str(refused(&readers, "7.5"), "range");
    tm_assert_str(refused(&readers, "\"\""), "number");
    tm_assert_str(refused(&readers, "\"x\""), "number");
    tm_assert_str(refused(&readers, "true"), "type");
    tm_assert_str(refused(&readers, "[1]"), "type");
    tm_assert_str(refused(&readers, "{}"), "type");
    tm_assert_str(refused(&readers, "007"), "syntax");
    tm_assert_eq(one(&readers, "\"007\"")->u64, 7u);
    readers_close(&readers);
    open_one(&readers, TM_JSON_I64, 0, 0);
    tm_assert_eq(one(&readers, "9223372036854775807")->i64, INT64_MAX);
    tm_assert_eq(one(&readers, "-9223372036854775808")->i64, INT64_MIN);
    tm_assert_eq(one(&readers, "-0")->i64, 0);
    tm_assert_eq(one(&readers, "-123")->i64, -123);
    tm_assert_str(refused(&readers, "9223372036854775808"), "range");
    tm_assert_str(refused(&readers, "-9223372036854775809"), "range");
    readers_close(&readers);
}

Test(json, decimals_are_exact_at_every_scale_or_an_error)
{
    for (uint8_t scale = 0; scale <= TM_JSON_SCALE_MAX; scale++) {
        char text[64], value[80];
        open_one(&readers, TM_JSON_DECIMAL, scale, 0);
        /* The last digit that fits, a zero behind it, and one that does not fit. */
        int64_t unit = 1;
        for (uint32_t i = 0; i < scale; i++) unit *= 10;
        snprintf(text, sizeof text, scale ? "7.%0*d" : "7.%.*d", scale, scale > 0);
        snprintf(value, sizeof value, "%s0", text);
        tm_assert_eq(one(&readers, value)->i64, 7 * unit + (scale > 0));
        snprintf(value, sizeof value, "-%s0", text);
        tm_assert_eq(one(&readers, value)->i64, -7 * unit - (scale > 0));
        snprintf(value, sizeof value, "1.%0*d", scale + 1, 1);
        tm_assert_str(refused(&readers, value), "range");
        snprintf(value, sizeof value, "1e-%u", scale);
        tm_assert_eq(one(&readers, value)->i64, 1);
        snprintf(value, sizeof value, "1e-%u", scale + 1);
        tm_assert_str(refused(&readers, value), "range");
        snprintf(value, sizeof value, "%lld", (long long)(INT64_MAX / unit));
        tm_assert_eq(one(&readers, value)->i64, INT64_MAX / unit * unit);
        tm_assert_str(refused(&readers, "92233720368547758080"), "range");
        readers_close(&readers);
    }
}

Test(json, times_are_dated_text_or_numbers_of_their_unit)
{
    open_one(&readers, TM_JSON_TIME, 0, TM_NS_PER_S);
    tm_assert_eq(one(&readers, "\"2024-08-09T00:54:15.342123Z\"")->i64, 1723164855342123000);
    tm_assert_eq(one(&readers, "1723164855.342123456")->i64, 1723164855342123456);
    tm_assert_eq(one(&readers, "\"1723164855.342\"")->i64, 1723164855342000000);
    tm_assert_eq(one(&readers, "1723164855")->i64, 1723164855000000000);
    tm_assert_eq(one(&readers, "-1.5")->i64, -1500000000);
    tm_assert_str(refused(&readers, "1.0000000001"), "range");
    tm_assert_str(refused(&readers, "9223372037"), "range");
    tm_assert_str(refused(&readers, "\"2024-08-09 noon\""), "number");
    readers_close(&readers);
    open_one(&readers, TM_JSON_TIME, 0, 0);
    tm_assert_str(refused(&readers, "1723164855"), "type");
    tm_assert_str(refused(&readers, "\"\""), "type");
    tm_assert_eq(one(&readers, "\"2024-08-09T00:54:15\\u005a\"")->i64, 1723164855000000000);
    readers_close(&readers);
}

Test(json, texts_have_their_escapes_resolved)
{
    open_one(&readers, TM_JSON_TEXT, 0, 0);
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain text\"", "plain text"},
        {"\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\"", "a\"b\\c/d\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\xc3\xa9\xe5\xb8\x81\"", "\xc3\xa9\xe5\xb8\x81"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        const tm_json_value_t *v = one(&readers, cases[i].in);
        tm_assert(v && v->text_sz == strlen(cases[i].out));
        tm_assert(memcmp(v->text, cases[i].out, v->text_sz) == 0);
    }
    tm_assert_str(refused(&readers, "\"\\ud83d\""), "utf8");
    tm_assert_str(refused(&readers, "\"\\ude00\\ud83d\""), "utf8");
    tm_assert_str(refused(&readers, "\"\xff\""), "utf8");
    tm_assert_str(refused(&readers, "\"\\x\""), "syntax");
    tm_assert_str(refused(&readers, "5"), "type");
    readers_close(&readers);
}

Test(json, texts_beyond_their_room_are_refused)
{
    const tm_json_field_t field = {.path = "/v", .type = TM_JSON_TEXT};
    readers_open(&readers, &(tm_json_spec_t){.fields = &field, .field_cnt = 1, .text_sz_max = 8});
    tm_assert_eq(one(&readers, "\"a much longer plain text needs no room\"")->text_sz, 38u);
    tm_assert_eq(one(&readers, "\"\\n\\n\\n\\n\"")->text_sz, 4u);
    tm_assert_str(refused(&readers, "\"\\n\\n\\n\\n\\n\\n\\n\\n\\n\""), "limit");
    readers_close(&readers);
}

Test(json, booleans_and_null)
{
    open_one(&readers, TM_JSON_BOOL, 0, 0);
    tm_assert_eq(one(&readers, "true")->i64, 1);
    tm_assert_eq(one(&readers, "false")->i64, 0);
    tm_assert_eq(one(&readers, "null")->state, TM_JSON_NULL);
    tm_assert_str(refused(&readers, "1"), "type");
    tm_assert_str(refused(&readers, "\"true\""), "type");
    tm_assert_str(refused(&readers, "truth"), "syntax");
    readers_close(&readers);
}

static const tm_json_field_t nested[] = {
    {.path = "/data/price", .type = TM_JSON_DECIMAL, .scale = 8},
    {.path = "/data/levels/1/0", .type = TM_JSON_DECIMAL, .scale = 2},
    {.path = "/a~1b/m~0n", .type = TM_JSON_I64},
    {.path = "/", .type = TM_JSON_I64},
    {.path = "/data/0", .type = TM_JSON_I64, .required = true},
};

Test(json, paths_lead_through_objects_and_arrays_in_any_order)
{
    readers_open(&readers, &(tm_json_spec_t){.fields = nested, .field_cnt = 5});
    const tm_json_value_t *v = read_text(
        &readers, " { \"x\" : [ { \"data\" : 1 } , [ ] , { } ] , \"\" : 3 ,\n\t\"a/b\":{\"m~n\":4},"
                  "\"data\":{\"levels\":[[\"9\"],[\"1.25\",\"2\"],3],\"0\":5,\"price\":\"0.5\"}}");
    tm_assert(v != NULL);
    tm_assert_eq(v[0].i64, 50000000);
    tm_assert_eq(v[1].i64, 125);
    tm_assert_eq(v[2].i64, 4);
    tm_assert_eq(v[3].i64, 3);
    tm_assert_eq(v[4].i64, 5);
    /* An index is a key where there is an object, and the other way round. */
    v = read_text(&readers, "{\"data\":[6],\"\\u0061\\/b\":{\"m\\u007en\":7}}");
    tm_assert(v && v[4].i64 == 6 && v[2].i64 == 7 && v[0].state == TM_JSON_ABSENT);
    v = read_text(&readers, "{\"data\":{\"levels\":{\"1\":{\"0\":2}},\"0\":1}}");
    tm_assert(v && v[1].i64 == 200);
    tm_assert(!read_text(&readers, "{\"data\":{\"price\":1}}"));
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "missing");
    tm_assert_eq(tm_json_fault(readers.json[0])->field, 4);
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":null}}"));
    tm_assert(!read_text(&readers, "{\"data\":5}"));
    readers_close(&readers);
}

Test(json, of_a_key_that_comes_twice_the_last_counts_or_it_is_refused)
{
    const char *text = "{\"data\":{\"0\":1,\"price\":\"2\",\"0\":3},\"data\":{\"0\":4}}";
    readers_open(&readers, &(tm_json_spec_t){.fields = nested, .field_cnt = 5});
    const tm_json_value_t *v = read_text(&readers, text);
    tm_assert(v && v[4].i64 == 4 && v[0].state == TM_JSON_ABSENT);
    /* What was wrong with the first one does not count either. */
    v = read_text(&readers, "{\"data\":{\"0\":true,\"0\":3,\"price\":[]},\"data\":{\"0\":5}}");
    tm_assert(v && v[4].i64 == 5);
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":1,\"0\":true}}"));
    readers_close(&readers);
    readers_open(&readers,
                 &(tm_json_spec_t){.fields = nested, .field_cnt = 5, .refuse_twice = true});
    tm_assert(!read_text(&readers, text));
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "twice");
    tm_assert_eq(tm_json_fault(readers.json[0])->field, 4);
    tm_assert(read_text(&readers, "{\"data\":{\"0\":1},\"other\":1,\"other\":2}"));
    readers_close(&readers);
}

Test(json, faults_of_form_come_before_faults_of_values_and_name_their_byte)
{
    readers_open(&readers, &(tm_json_spec_t){.fields = nested, .field_cnt = 5});
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":true,\"x\":01}}"));
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "syntax");
    tm_assert_eq(tm_json_fault(readers.json[0])->off, 23u);
    tm_assert_eq(tm_json_fault(readers.json[0])->field, -1);
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":true,\"x\":1}}"));
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "type");
    tm_assert_eq(tm_json_fault(readers.json[0])->off, 13u);
    tm_assert_eq(tm_json_fault(readers.json[0])->field, 4);
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":1}} x"));
    tm_assert_eq(tm_json_fault(readers.json[0])->off, 17u);
    tm_assert(!read_text(&readers, "{\"data\":{\"0\":1}"));
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "truncated");
    tm_assert(read_text(&readers, "{\"data\":{\"0\":1}}") != NULL);
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "none");
    readers_close(&readers);
}

Test(json, nesting_ends_at_its_limit_wherever_the_path_leads)
{
    char text[4 * TM_JSON_DEPTH_MAX];
    const tm_json_field_t field = {.path = "/0/0/0/9", .type = TM_JSON_I64};
    readers_open(&readers, &(tm_json_spec_t){.fields = &field, .field_cnt = 1});
    for (uint32_t depth = 1; depth <= TM_JSON_DEPTH_MAX + 2; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool fine = read_sz(&readers, text, 2 * (size_t)depth) != NULL;
        tm_assert_eq(fine, depth <= TM_JSON_DEPTH_MAX);
    }
    tm_assert_str(tm_json_fault(readers.json[0])->kind, "nesting");
    readers_close(&readers);
}

Test(json, a_field_that_paths_lead_through_is_absent_where_it_holds_what_they_lead_into)
{
    static const tm_json_field_t fields[] = {{.path = "/a", .type = TM_JSON_I64},
                                             {.path = "/a/b", .type = TM_JSON_I64},
                                             {.path = "/a/1", .type = TM_JSON_I64}};
    static const struct {
        const char *text;
        uint8_t present;
        int64_t value;
    } cases[] = {
        {"{\"a\":5}", 1, 5},          {"{\"a\":{\"b\":6}}", 2, 6}, {"{\"a\":{}}", 0, 0},
        {"{\"a\":[0,7]}", 4, 7},      {"{\"a\":[]}", 0, 0},        {"{\"a\":{\"1\":8}}", 4, 8},
        {"{\"a\":4,\"a\":{}}", 0, 0},
    };
    for (uint32_t lazy = 0; lazy < 2; lazy++) {
        readers_open(&readers,
                     &(tm_json_spec_t){.fields = fields, .field_cnt = 3, .lazy = lazy != 0});
        /* The last one has a key twice, of which lazy mode takes the first. */
        for (uint32_t i = 0; i < TM_ARRAY_CNT(cases) - lazy; i++) {
            const tm_json_value_t *v = read_text(&readers, cases[i].text);
            tm_assert(v != NULL);
            for (uint32_t f = 0; f < 3; f++) {
                bool present = cases[i].present >> f & 1;
                tm_assert_eq(v[f].state == TM_JSON_PRESENT, present);
                if (present) tm_assert_eq(v[f].i64, cases[i].value);
            }
        }
        readers_close(&readers);
    }
}

Test(json, the_whole_message_can_be_a_field)
{
    const tm_json_field_t field = {.path = "", .type = TM_JSON_I64, .required = true};
    readers_open(&readers, &(tm_json_spec_t){.fields = &field, .field_cnt = 1});
    tm_assert_eq(read_text(&readers, " 42\n")->i64, 42);
    tm_assert(!read_text(&readers, ""));
    tm_assert(!read_text(&readers, "42 43"));
    readers_close(&readers);
}

static const tm_json_field_t trade[] = {
    {.path = "/s", .type = TM_JSON_TEXT, .required = true},
    {.path = "/T", .type = TM_JSON_TIME, .unit_ns = TM_NS_PER_MS, .required = true},
    {.path = "/t", .type = TM_JSON_U64, .required = true},
    {.path = "/p", .type = TM_JSON_DECIMAL, .scale = 8, .required = true},
    {.path = "/q", .type = TM_JSON_DECIMAL, .scale = 5},
    {.path = "/m", .type = TM_JSON_BOOL},
};

Test(json, any_byte_of_a_message_may_change)
{
    readers_open(&readers, &(tm_json_spec_t){.fields = trade, .field_cnt = 6});
    char text[256];
    size_t sz = strlen(SPOT_TRADE);
    const tm_json_value_t *v = read_text(&readers, SPOT_TRADE);
    tm_assert(v && v[1].i64 == 1723161255342000000 && v[2].u64 == 3735683259u);
    tm_assert(v[3].i64 == 6183763000000 && v[4].i64 == 2000 && v[5].i64 == 1);
    for (size_t at = 0; at < sz; at++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            memcpy(text, SPOT_TRADE, sz);
            text[at] = (char)byte;
            (void)read_sz(&readers, text, sz);
        }
    }
    /* And it was not all the slow path's work. */
    tm_assert(readers.json[0]->shapes.learned_cnt > 0);
    readers_close(&readers);
}

Test(json, a_message_may_be_cut_anywhere)
{
    readers_open(&readers, &(tm_json_spec_t){.fields = trade, .field_cnt = 6});
    for (size_t sz = 0; sz < strlen(SPOT_TRADE); sz++) {
        tm_assert(!read_sz(&readers, SPOT_TRADE, sz));
        tm_assert_str(tm_json_fault(readers.json[0])->kind, "truncated");
    }
    readers_close(&readers);
}

Test(json, messages_in_tight_buffers_go_through_a_copy)
{
    tm_json_t *j = tm_json_open(
        &(tm_json_spec_t){.fields = trade, .field_cnt = 6, .copy_sz_max = strlen(SPOT_TRADE)});
    char *tight = malloc(strlen(SPOT_TRADE));
    memcpy(tight, SPOT_TRADE, strlen(SPOT_TRADE));
    for (uint32_t i = 0; i < 3; i++) {
        const tm_json_value_t *v = tm_json_read_copy(j, tight, strlen(SPOT_TRADE));
        tm_assert(v && v[0].text_sz == 7 && memcmp(v[0].text, "BTCUSDT", 7) == 0);
    }
    tm_assert(!tm_json_read_copy(j, SPOT_TRADE " ", strlen(SPOT_TRADE) + 1));
    tm_assert_str(tm_json_fault(j)->kind, "limit");
    free(tight);
    tm_json_close(j);
}

Test(json, lazy_mode_passes_what_it_does_not_need_and_checks_what_it_does)
{
    static const tm_json_field_t fields[] = {
        {.path = "/a", .type = TM_JSON_I64, .required = true},
        {.path = "/b/c", .type = TM_JSON_TEXT, .required = true}};
    readers_open(&readers, &(tm_json_spec_t){.fields = fields, .field_cnt = 2, .lazy = true});
    static const struct {
        const char *text;
        const char *kind; /* "none": accepted */
    } cases[] = {
        {"{\"a\":1,\"b\":{\"c\":\"x\"}}", "none"},
        {"{\"b\":{\"c\":\"x\"},\"a\":1}", "none"},
        /* Nothing is read behind the last field. */
        {"{\"a\":1,\"b\":{\"c\":\"x\"", "none"},
        {"{\"a\":1,\"b\":{\"c\":\"x\"]]]] \xff \x01", "none"},
        /* What is skipped has brackets and quotes that balance, and is not looked at. */
        {"{\"z\":[01,nul,{]},\"y\":\"\xff\\x\",\"a\":1,\"b\":{\"c\":\"x\"}}", "none"},
        {"{\"z\":[\"]\"],\"a\":1,\"b\":{\"c\":\"x\"}}", "none"},
        {"{\"z\":[,\"a\":1,\"b\":{\"c\":\"x\"}}", "truncated"},
        {"{\"z\":\"open,\"a\":1,\"b\":{\"c\":\"x\"}}", "syntax"},
        /* Of a key that comes twice the first counts. */
        {"{\"a\":1,\"a\":true,\"b\":{\"c\":\"x\"}}", "none"},
        /* Declared values are checked as in full mode. */
        {"{\"a\":01,\"b\":{\"c\":\"x\"}}", "number"},
        {"{\"a\":1.5,\"b\":{\"c\":\"x\"}}", "range"},
        {"{\"a\":1,\"b\":{\"c\":\"\\x\"}}", "syntax"},
        {"{\"a\":1,\"b\":{\"c\":\"\xff\"}}", "utf8"},
        {"{\"a\":1,\"b\":{\"c\":5}}", "type"},
        {"{\"a\":,\"b\":{\"c\":\"x\"}}", "syntax"},
        {"{\"a\" 1,\"b\":{\"c\":\"x\"}}", "syntax"},
        {"{\"a\":1 \"b\":{\"c\":\"x\"}}", "syntax"},
        {"{\"a\":1,\"b\":{}}", "missing"},
        {"{\"a\":1,\"b\":{", "truncated"},
        {"", "truncated"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        const tm_json_value_t *v = read_text(&readers, cases[i].text);
        const char *kind = tm_json_fault(readers.json[0])->kind;
        if (strcmp(kind, cases[i].kind) != 0) fprintf(stderr, "# %s: %s\n", cases[i].text, kind);
        tm_assert_str(kind, cases[i].kind);
        tm_assert(!v || (v[0].i64 == 1 && v[1].text_sz == 1 && v[1].text[0] == 'x'));
    }
    readers_close(&readers);
}

#define FOREIGN                                                                                    \
    "{\"x\":{\"s\":\"no\"},\"s\":\"yes\",\"T\":1,\"t\":2,\"p\":\"3.5\","                           \
    "\"long\":[[[{\"T\":9}]]],\"m\":null}"

Test(json, lazy_mode_gives_what_full_mode_gives_on_sound_messages)
{
    static readers_t lazy;
    static const char *const messages[] = {SPOT_TRADE, USDM_TRADE, SPOT_TRADE_2023, AGG_TRADE,
                                           FOREIGN};
    readers_open(&readers, &(tm_json_spec_t){.fields = trade, .field_cnt = 6});
    readers_open(&lazy, &(tm_json_spec_t){.fields = trade, .field_cnt = 6, .lazy = true});
    for (size_t i = 0; i < TM_ARRAY_CNT(messages); i++) {
        const tm_json_value_t *a = read_text(&readers, messages[i]);
        const tm_json_value_t *b = read_text(&lazy, messages[i]);
        tm_assert((a == NULL) == (b == NULL));
        tm_assert(!a || values_equal(&readers, a, b));
    }
    readers_close(&lazy);
    readers_close(&readers);
}

Test(json, specs_that_make_no_sense_are_refused_with_a_reason)
{
    static const struct {
        tm_json_field_t fields[2];
        uint32_t cnt;
        const char *says;
    } cases[] = {
        {{{.path = "a", .type = TM_JSON_I64}}, 1, "starts with '/'"},
        {{{.path = NULL, .type = TM_JSON_I64}}, 1, "starts with '/'"},
        {{{.path = "/a"}}, 1, "type 0"},
        {{{.path = "/a", .type = TM_JSON_I64, .scale = 1}}, 1, "scale"},
        {{{.path = "/a", .type = TM_JSON_DECIMAL, .scale = 19}}, 1, "scale"},
        {{{.path = "/a", .type = TM_JSON_TIME, .unit_ns = 60}}, 1, "unit"},
        {{{.path = "/a~2", .type = TM_JSON_I64}}, 1, "~0"},
        {{{.path = "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0", .type = TM_JSON_I64}}, 1, "16 keys"},
        {{{.path = "/a", .type = TM_JSON_I64}, {.path = "/a", .type = TM_JSON_I64}}, 2, "another"},
        {{{.path = "/a/-", .type = TM_JSON_I64}}, 1, "a function for each"},
        {{{.path = "/-", .type = TM_JSON_I64}, {.path = "/1", .type = TM_JSON_I64}},
         2,
         "has a key"},
        {{{.path = "/1", .type = TM_JSON_I64}, {.path = "/-", .type = TM_JSON_I64}},
         2,
         "has a key"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        const tm_json_spec_t spec = {.fields = cases[i].fields, .field_cnt = cases[i].cnt};
        tm_assert(tm_json_open(&spec) == NULL);
        if (!strstr(tm_json_open_error(), cases[i].says))
            fprintf(stderr, "# '%s' does not say '%s'\n", tm_json_open_error(), cases[i].says);
        tm_assert(strstr(tm_json_open_error(), cases[i].says) != NULL);
    }
}
