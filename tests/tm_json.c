#include "tests/tm_json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nodes are as many as there are characters at most; the text is unescaped where it lies. The root
   is the first node of the block, and the text hangs on the block's end. */
typedef struct reader {
    char *at;
    tm_json_t *nodes;
    size_t used;
    int depth;
} reader_t;

static tm_json_t *value_read(reader_t *r);

static void space_skip(reader_t *r)
{
    while (isspace((unsigned char)*r->at)) r->at++;
}

static size_t utf8_write(char *out, unsigned c)
{
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 63));
    out[2] = (char)(0x80 | (c & 63));
    return 3;
}

/* A string, unescaped in place and NUL-terminated; NULL where it does not end. */
static char *string_read(reader_t *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*r->at != '"') return NULL;
    char *start = ++r->at, *out = start;
    for (; *r->at && *r->at != '"'; r->at++) {
        if (*r->at != '\\') {
            *out++ = *r->at;
            continue;
        }
        const char *known = strchr(from, *++r->at);
        if (*r->at == 'u' && isxdigit((unsigned char)r->at[1])) {
            char hex[5] = {0};
            for (size_t i = 0; i < 4 && isxdigit((unsigned char)r->at[1 + i]); i++)
                hex[i] = r->at[1 + i];
            out += utf8_write(out, (unsigned)strtoul(hex, NULL, 16));
            r->at += strlen(hex);
        } else if (*r->at && known) {
            *out++ = to[known - from];
        } else {
            return NULL;
        }
    }
    if (*r->at != '"') return NULL;
    r->at++;
    *out = '\0';
    return start;
}

static bool list_read(reader_t *r, tm_json_t *list, char close)
{
    tm_json_t **link = &list->kid;
    r->at++;
    for (space_skip(r); *r->at != close; space_skip(r)) {
        if (list->kid) {
            if (*r->at++ != ',') return false;
            space_skip(r);
        }
        char *key = NULL;
        if (list->type == TM_JSON_OBJECT) {
            key = string_read(r);
            space_skip(r);
            if (!key || *r->at != ':') return false;
            *r->at++ = '\0';
        }
        tm_json_t *kid = value_read(r);
        if (!kid) return false;
        kid->key = key;
        *link = kid;
        link = &kid->next;
    }
    r->at++;
    return true;
}

static bool number_read(reader_t *r, tm_json_t *node)
{
    char *end, *real_end;
    errno = 0;
    node->type = TM_JSON_INT;
    node->number = strtoll(r->at, &end, 10);
    bool fits = errno == 0;
    node->real = strtod(r->at, &real_end);
    if (real_end == r->at) return false;
    if (real_end != end || !fits) node->type = TM_JSON_REAL;
    r->at = real_end;
    return true;
}

static bool word_read(reader_t *r, const char *word)
{
    if (strncmp(r->at, word, strlen(word)) != 0) return false;
    r->at += strlen(word);
    return true;
}

static tm_json_t *value_read(reader_t *r)
{
    tm_json_t *node = &r->nodes[r->used++];
    bool ok = true;
    space_skip(r);
    if (++r->depth > 100) return NULL;
    if (*r->at == '{') {
        node->type = TM_JSON_OBJECT;
        ok = list_read(r, node, '}');
    } else if (*r->at == '[') {
        node->type = TM_JSON_ARRAY;
        ok = list_read(r, node, ']');
    } else if (*r->at == '"') {
        node->type = TM_JSON_STRING;
        ok = (node->text = string_read(r)) != NULL;
    } else if (word_read(r, "true")) {
        node->type = TM_JSON_BOOL;
        node->number = 1;
    } else if (word_read(r, "false")) {
        node->type = TM_JSON_BOOL;
    } else if (!word_read(r, "null")) {
        ok = number_read(r, node);
    }
    r->depth--;
    return ok ? node : NULL;
}

/* The file behind `room` bytes of one zeroed block, NUL-terminated. */
static char *file_read(FILE *f, size_t *sz)
{
    if (fseek(f, 0, SEEK_END) != 0) return NULL;
    long end = ftell(f);
    if (end < 0 || end > 64 << 20) return NULL;
    rewind(f);
    *sz = (size_t)end;
    size_t room = (*sz + 1) * sizeof(tm_json_t);
    char *block = calloc(1, room + *sz + 1);
    if (block && fread(block + room, 1, *sz, f) == *sz) return block;
    free(block);
    return NULL;
}

tm_json_t *tm_json_load(const char *path)
{
    size_t sz;
    FILE *f = fopen(path, "rb");
    char *block = f ? file_read(f, &sz) : NULL;
    if (f) fclose(f);
    if (!block) {
        printf("# %s: cannot be read\n", path);
        return NULL;
    }
    char *text = block + (sz + 1) * sizeof(tm_json_t);
    reader_t r = {.at = text, .nodes = (tm_json_t *)(void *)block};
    tm_json_t *root = value_read(&r);
    if (root) {
        space_skip(&r);
        if (*r.at == '\0') return root;
    }
    printf("# %s: not JSON at byte %td\n", path, r.at - text);
    free(block);
    return NULL;
}

void tm_json_free(tm_json_t *root)
{
    free(root); /* the first node of the block */
}

const tm_json_t *tm_json_get(const tm_json_t *object, const char *key)
{
    const tm_json_t *kid = object && object->type == TM_JSON_OBJECT ? object->kid : NULL;
    while (kid && strcmp(kid->key, key) != 0) kid = kid->next;
    return kid;
}

int64_t tm_json_int(const tm_json_t *object, const char *key, int64_t otherwise)
{
    const tm_json_t *at = tm_json_get(object, key);
    return at && (at->type == TM_JSON_INT || at->type == TM_JSON_BOOL) ? at->number : otherwise;
}

const char *tm_json_text(const tm_json_t *object, const char *key, const char *otherwise)
{
    const tm_json_t *at = tm_json_get(object, key);
    return at && at->type == TM_JSON_STRING ? at->text : otherwise;
}

const tm_json_t *tm_json_at(const tm_json_t *array, size_t idx)
{
    const tm_json_t *kid = array ? array->kid : NULL;
    while (kid && idx-- > 0) kid = kid->next;
    return kid;
}

size_t tm_json_cnt(const tm_json_t *array)
{
    size_t n = 0;
    for (const tm_json_t *kid = array ? array->kid : NULL; kid; kid = kid->next) n++;
    return n;
}

const char *tm_json_shared(const char *name)
{
    static char path[4096];
    const char *shared = getenv("TM_SHARED"), *root = getenv("TM_SOURCE_ROOT");
    if (shared)
        snprintf(path, sizeof path, "%s/%s", shared, name);
    else
        snprintf(path, sizeof path, "%s/../shared/%s", root ? root : ".", name);
    return access(path, R_OK) == 0 ? path : NULL;
}
