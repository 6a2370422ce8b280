/* Arrays whose elements are told one by one: what is told, in which order, and what is wrong. */
#include "parse/json/json.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <stdio.h>

/* What was told of the elements, as text: "array:value,value;". */
typedef struct told {
    char text[16384];
    uint32_t sz;
    uint32_t field_cnt;
} told_t;

static void tell(void *ctx, uint32_t array, const tm_json_value_t *values)
{
    told_t *t = ctx;
    t->sz += (uint32_t)snprintf(t->text + t->sz, sizeof t->text - t->sz, "%u:", array);
    for (uint32_t i = 0; i < t->field_cnt; i++) {
        char end = i + 1 < t->field_cnt ? ',' : ';';
        if (values[i].state == TM_JSON_PRESENT)
            t->sz += (uint32_t)snprintf(t->text + t->sz, sizeof t->text - t->sz, "%lld%c",
                                        (long long)values[i].i64, end);
        else
            t->sz += (uint32_t)snprintf(t->text + t->sz, sizeof t->text - t->sz, "%c%c",
                                        values[i].state == TM_JSON_NULL ? 'n' : '-', end);
    }
}

/* What is told of a message by every instruction set, twice each; NULL where it is refused. */
static const char *each_told(const tm_json_field_t *fields, uint32_t cnt, const char *text,
                             tm_json_fault_t *fault)
{
    static told_t told, first;
    exact_t exact;
    bool fine = true;
    exact_open(&exact);
    for (uint32_t i = 0; i < 6; i++) {
        told = (told_t){.field_cnt = cnt};
        tm_json_t *j = tm_json_open(
            &(tm_json_spec_t){.fields = fields, .field_cnt = cnt, .each = tell, .each_ctx = &told});
        tm_assert(j != NULL);
        tm_json_restrict(j, tm_kernels_get((tm_isa_t)(i % 3)), false);
        for (uint32_t k = 0; k < 2; k++) {
            tm_frame_t f = exact_at_end(&exact, text, strlen(text), (uint8_t) "]\""[k]);
            told.sz = 0;
            told.text[0] = '\0';
            fine = tm_json_read(j, f.data, f.sz) != NULL;
            *fault = *tm_json_fault(j);
            if (i == 0 && k == 0) first = told;
            tm_assert_str(told.text, first.text);
        }
        tm_json_close(j);
    }
    exact_close(&exact);
    return fine ? first.text : NULL;
}

Test(json_each, each_element_of_an_array_is_told_in_its_order)
{
    static const tm_json_field_t fields[] = {
        {.path = "/id", .type = TM_JSON_I64},
        {.path = "/d/-/p", .type = TM_JSON_DECIMAL, .scale = 2, .required = true},
        {.path = "/d/-/q/0", .type = TM_JSON_I64},
        {.path = "/e/-", .type = TM_JSON_I64},
    };
    static const struct {
        const char *text, *told, *kind;
        uint32_t off;
        int32_t field;
    } cases[] = {
        {"{\"id\":7,\"d\":[{\"p\":1.5,\"q\":[3,4]},{\"q\":null,\"p\":\"-2\"}],\"e\":[8,9]}",
         "0:7,150,3,-;0:7,-200,-,-;1:7,-,-,8;1:7,-,-,9;", "none", 0, 0},
        {"{\"d\":[ {\"p\":1} , {\"x\":[{\"p\":5}],\"p\":2} ] ,\"id\":1}",
         "0:-,100,-,-;0:-,200,-,-;", "none", 0, 0},
        {"{\"d\":[],\"e\":[ ],\"id\":1}", "", "none", 0, 0},
        {"{\"d\":{\"-\":{\"p\":1},\"0\":{\"p\":1}},\"e\":7}", "", "none", 0, 0},
        {"{\"d\":null,\"e\":\"x\"}", "", "none", 0, 0},
        {"[1,2]", "", "none", 0, 0},
        {"{\"e\":[1,null,[2],3]}", NULL, "type", 13, 3},
        {"{\"e\":[1,null,3]}", "1:-,-,-,1;1:-,-,-,n;1:-,-,-,3;", "none", 0, 0},
        {"{\"d\":[{\"p\":1},{\"q\":[2]}]}", NULL, "missing", 14, 1},
        {"{\"d\":[{\"p\":1},{\"p\":0.001}],\"id\":\"x\"}", NULL, "range", 19, 1},
        {"{\"id\":\"x\",\"d\":[{\"p\":0.001}]}", NULL, "number", 7, 0},
        {"{\"d\":[{\"p\":0.001,\"p\":1}]}", "0:-,100,-,-;", "none", 0, 0},
        {"{\"d\":[{\"p\":1}],\"d\":[]}", NULL, "twice", 16, -1},
        {"{\"d\":[{\"p\":1},]}", NULL, "syntax", 14, -1},
        {"{\"d\":[{\"p\":1}", NULL, "truncated", 13, -1},
    };
    for (uint32_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_json_fault_t fault;
        const char *told = each_told(fields, TM_ARRAY_CNT(fields), cases[i].text, &fault);
        if (!told || !cases[i].told) {
            fprintf(stderr, "# %s: %s at %zu of %d\n", cases[i].text, fault.kind, fault.off,
                    fault.field);
            tm_assert(told == cases[i].told);
            tm_assert_eq(fault.off, cases[i].off);
            tm_assert_eq(fault.field, cases[i].field);
        } else {
            tm_assert_str(told, cases[i].told);
        }
        tm_assert_str(fault.kind, cases[i].kind);
    }
}

Test(json_each, arrays_inside_of_elements_are_told_before_their_element)
{
    static const tm_json_field_t fields[] = {
        {.path = "/-/k", .type = TM_JSON_I64},
        {.path = "/-/v/-/-", .type = TM_JSON_I64},
    };
    tm_json_fault_t fault;
    const char *told = each_told(fields, 2, "[{\"k\":1,\"v\":[[2,3],[]]},{\"v\":[[4]]},5]", &fault);
    tm_assert(told != NULL);
    /* Arrays count in the order in which fields lead through them: 0 the message, 1 v, 2 in v. */
    tm_assert_str(told, "2:1,2;2:1,3;1:1,-;1:1,-;0:1,-;2:-,4;1:-,-;0:-,-;0:-,-;");
}

Test(json_each, elements_nest_to_the_limit_and_no_further)
{
    static const tm_json_field_t field = {.path = "/-", .type = TM_JSON_I64};
    static char text[2 * TM_JSON_DEPTH_MAX + 8];
    tm_json_fault_t fault;
    for (uint32_t depth = TM_JSON_DEPTH_MAX - 1; depth <= TM_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        (void)each_told(&field, 1, text, &fault);
        /* An array is no number; how deep it may be is a matter of form, which comes first. */
        tm_assert_str(fault.kind, depth <= TM_JSON_DEPTH_MAX ? "type" : "nesting");
    }
}

/* ---- tuples of numbers ----------------------------------------------------------------------- */

/* What the two numbers of an element must be, worked out by hand. */
static uint32_t tuple_text(char *out, size_t room, uint64_t *seed, char *told, uint32_t *told_sz)
{
    static const struct {
        const char *text;
        const char *value; /* at scale 3; NULL: too fine for it */
    } numbers[] = {
        {"\"1\"", "1000"},
        {"\"0.25\"", "250"},
        {"\"-0.25\"", "-250"},
        {"\"12345678.125\"", "12345678125"},
        {"\"1234567.12500000\"", "1234567125"},
        {"\"007.1\"", "7100"},
        {"\"1e-3\"", "1"},
        {"\"0.00000000\"", "0"},
        {"\"99999999999999\"", "99999999999999000"},
        {"3.5", "3500"},
        {"-7", "-7000"},
    };
    static const struct {
        const char *text, *value;
    } counts[] = {{"\"5\"", "5"},  {"\"9007199254740993\"", "9007199254740993"},
                  {"17", "17"},    {"\"1.0\"", "1"},
                  {"\"00\"", "0"}, {"\"18446744073709551615\"", "-1"}};
    static const char *const tails[] = {"", "", "", ",\"x\"", ",\"\",\"4\"", ",[1]", " "};
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    /* Mostly plain ones, so that runs are long. */
    uint32_t r = (uint32_t)(*seed >> 33), pick = r % 4 ? r / 4 % 2 : r / 4 % TM_ARRAY_CNT(numbers);
    uint32_t count = r / 64 % 4 ? 0 : r / 256 % TM_ARRAY_CNT(counts);
    uint32_t tail = r / 2048 % 4 ? 0 : r / 8192 % TM_ARRAY_CNT(tails);
    *told_sz += (uint32_t)snprintf(told + *told_sz, 16384 - *told_sz, "0:%s,%s;",
                                   numbers[pick].value, counts[count].value);
    const char *space = r % 23 == 0 ? " " : "";
    return (uint32_t)snprintf(out, room, "[%s%s,%s%s%s]", space, numbers[pick].text, space,
                              counts[count].text, tails[tail]);
}

Test(json_each, tuples_in_runs_of_any_length_are_what_they_say)
{
    static const tm_json_field_t fields[] = {
        {.path = "/b/-/0", .type = TM_JSON_DECIMAL, .scale = 3, .required = true},
        {.path = "/b/-/1", .type = TM_JSON_U64, .required = true},
    };
    static char text[32768], told[16384];
    uint64_t seed = 20240808;
    fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
    for (uint32_t cnt = 0; cnt < 60; cnt++) {
        uint32_t n = (uint32_t)snprintf(text, sizeof text, "{\"b\":["), told_sz = 0;
        told[0] = '\0';
        for (uint32_t i = 0; i < cnt; i++) {
            if (i) n += (uint32_t)snprintf(text + n, sizeof text - n, "%s", i % 19 ? "," : " , ");
            n += tuple_text(text + n, sizeof text - n, &seed, told, &told_sz);
        }
        snprintf(text + n, sizeof text - n, "]}");
        tm_json_fault_t fault;
        const char *found = each_told(fields, 2, text, &fault);
        if (!found || strcmp(found, told) != 0) fprintf(stderr, "# %s\n", text);
        tm_assert(found != NULL);
        tm_assert_str(found, told);
    }
}

Test(json_each, faults_in_a_run_of_tuples_name_their_place)
{
    static const tm_json_field_t fields[] = {
        {.path = "/-/0", .type = TM_JSON_DECIMAL, .scale = 12, .required = true},
        {.path = "/-/1", .type = TM_JSON_DECIMAL, .scale = 2},
    };
    static const struct {
        const char *text, *kind;
        uint32_t off;
        int32_t field;
    } cases[] = {
        {"[[\"1\",\"2\"],[\"1\",\"0.125\"]]", "range", 17, 1},
        {"[[\"1\",\"2\"],[\"9999999\",\"0.12\"],[\"9999999.1\",\"x\"]]", "range", 13, 0},
        {"[[\"1\",\"2\"],[\"\",\"3\"]]", "number", 13, 0},
        {"[[\"1\",\"2\"],[\"1\",\"2024-\"]]", "number", 17, 1},
        {"[[\"1\",\"2\"],[]]", "missing", 11, 0},
        {"[[\"1\",\"2\"],[\"1\",\"3\"}]", "syntax", 19, -1},
        {"[[\"1\",\"2\"],[\"1\" \"3\"]]", "syntax", 16, -1},
        {"[[\"1\",\"2\"],[\"1\",\"3\"]", "truncated", 20, -1},
        {"[[\"1\",\"2\"],[\"1\",\"3\"", "truncated", 19, -1},
        {"[[\"1\",\"2\"],[\"1\",\"3", "truncated", 18, -1},
        {"[[\"1\",\"2\"],", "truncated", 11, -1},
        {"[[\"1\",\"2\"],]", "syntax", 11, -1},
        {"[[\"1\",\"2\",]]", "syntax", 10, -1},
    };
    for (uint32_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_json_fault_t fault;
        const char *found = each_told(fields, 2, cases[i].text, &fault);
        if (found || fault.off != cases[i].off)
            fprintf(stderr, "# %s: %s at %zu of %d\n", cases[i].text, fault.kind, fault.off,
                    fault.field);
        tm_assert(found == NULL);
        tm_assert_str(fault.kind, cases[i].kind);
        tm_assert_eq(fault.off, cases[i].off);
        tm_assert_eq(fault.field, cases[i].field);
    }
}
