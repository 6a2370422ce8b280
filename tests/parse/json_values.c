/* Reads messages by declared paths, one a line of standard input, and prints what it found: a line
   of values by tabs (- absent, null, an integer, or the hexadecimal digits of a text behind a
   quote), or ! and the fault. Arguments: [--lazy] PATH:TYPE..., where TYPE is bool, i64, u64, text,
   time, time-<unit in ns> or decimal-<scale>. A reader that differs from the first one is an
   error. */
#include "base/check.h"
#include "parse/json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READER_CNT = 4 };

static tm_json_field_t fields[TM_JSON_FIELD_MAX];
static uint32_t field_cnt;
static bool lazy;

static void field_add(char *arg)
{
    tm_json_field_t *f = &fields[field_cnt++];
    char *type = strrchr(arg, ':');
    TM_CHECK(type, "%s", arg);
    *type++ = '\0';
    const char *more = strchr(type, '-');
    long number = more ? atol(more + 1) : 0;
    *f = (tm_json_field_t){.path = arg};
    if (strcmp(type, "bool") == 0) f->type = TM_JSON_BOOL;
    if (strcmp(type, "i64") == 0) f->type = TM_JSON_I64;
    if (strcmp(type, "u64") == 0) f->type = TM_JSON_U64;
    if (strcmp(type, "text") == 0) f->type = TM_JSON_TEXT;
    if (strncmp(type, "time", 4) == 0) f->type = TM_JSON_TIME, f->unit_ns = number;
    if (strncmp(type, "decimal", 7) == 0) f->type = TM_JSON_DECIMAL, f->scale = (uint8_t)number;
}

static void put(FILE *out, const tm_json_value_t *v, tm_json_type_t type)
{
    if (v->state != TM_JSON_PRESENT)
        fputs(v->state == TM_JSON_NULL ? "null" : "-", out);
    else if (type == TM_JSON_U64)
        fprintf(out, "%" PRIu64, v->u64);
    else if (type != TM_JSON_TEXT)
        fprintf(out, "%" PRId64, v->i64);
    else
        fputc('"', out);
    for (uint32_t i = 0; v->state == TM_JSON_PRESENT && i < v->text_sz; i++)
        fprintf(out, "%02x", (uint8_t)v->text[i]);
}

/* One reader's answer as a line. */
static char *answer(tm_json_t *json, const char *line, size_t sz)
{
    char *text;
    size_t text_sz;
    FILE *out = open_memstream(&text, &text_sz);
    const tm_json_value_t *v = tm_json_read_copy(json, line, sz);
    const tm_json_fault_t *fault = tm_json_fault(json);
    if (!v) fprintf(out, "! %s %zu %d", fault->kind, fault->off, fault->field);
    for (uint32_t i = 0; v && i < field_cnt; i++) {
        if (i) fputc('\t', out);
        put(out, &v[i], fields[i].type);
    }
    fclose(out);
    return text;
}

int main(int argc, char **argv)
{
    tm_json_t *readers[READER_CNT];
    char *line = NULL;
    size_t cap = 0;
    ssize_t sz;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--lazy") == 0)
            lazy = true;
        else
            field_add(argv[i]);
    }
    for (uint32_t i = 0; i < READER_CNT; i++) {
        const tm_json_spec_t spec = {.fields = fields, .field_cnt = field_cnt, .lazy = lazy};
        readers[i] = tm_json_open(&spec);
        TM_CHECK(readers[i], "%s", tm_json_open_error());
        tm_json_restrict(readers[i], tm_kernels_get((tm_isa_t)(i % 3)), i == 3);
    }
    while ((sz = getline(&line, &cap, stdin)) > 0) {
        if (line[sz - 1] == '\n') sz--;
        char *first = answer(readers[0], line, (size_t)sz);
        for (uint32_t i = 1; i < READER_CNT; i++) {
            char *other = answer(readers[i], line, (size_t)sz);
            TM_CHECK(strcmp(first, other) == 0, "'%s' and '%s' of %s", first, other, line);
            free(other);
        }
        puts(first);
        free(first);
    }
    free(line);
    for (uint32_t i = 0; i < READER_CNT; i++) tm_json_close(readers[i]);
    return 0;
}
