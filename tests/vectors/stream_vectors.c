/* stream_vectors FILE... - runs files of the format stream-vectors/1 through the public interface.

   Prints one line a case and, last, `N passed, N failed, N skipped`. Exits 1 where a case failed or
   is of a kind that it does not know, 2 where a file cannot be read. */
#include "tests/vectors/vector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t passed, failed;
static char said[512];

void vector_say(const char *fmt, ...)
{
    if (said[0]) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
}

const char *vector_said(void)
{
    return said;
}

static bool has(const tm_json_t *c, const char *name)
{
    return tm_json_get(c, name) != NULL;
}

/* Part files: steps are objects, pairs or sentences. */
static vector_verdict_t parts(const tm_json_t *c)
{
    const tm_json_t *step = tm_json_at(tm_json_get(c, "steps"), 0);
    if (has(c, "subtask0_writes")) return vector_parts_counter(c);
    if (has(c, "writer_a_buckets")) return vector_parts_merge(c);
    if (has(c, "resumable")) return vector_parts_restore(c);
    if (!step) return VECTOR_UNKNOWN;
    if (step->type == TM_JSON_ARRAY) return vector_parts_bucket(c);
    if (step->type == TM_JSON_OBJECT) return vector_parts(c);
    return has(c, "committed") ? vector_txn(c) : vector_parts_sentences(c);
}

static vector_verdict_t run(const tm_json_t *c, const tm_json_t *doc, const char *section)
{
    if (c->type != TM_JSON_OBJECT) return VECTOR_UNKNOWN;
    if (has(c, "pane_of") || has(c, "split") || has(c, "last_window_of_pane")) {
        char kind[32];
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(section, "_"), section);
        return vector_panes(c, tm_json_text(c, "kind", kind));
    }
    if (has(c, "merge_calls")) return vector_merge(c);
    if (has(c, "channels") && has(c, "events")) return vector_barrier(c);
    if (has(c, "channels")) return vector_valve(c);
    if (has(c, "bound") && has(c, "events")) return vector_bounded(c);
    if (has(c, "assign")) return vector_assign(c);
    if (has(c, "window") && has(c, "steps")) return vector_operator(c, doc);
    if (has(c, "policy") || has(c, "committed") || has(c, "resumable") ||
        has(c, "discarded_resume_points") || has(c, "subtask0_writes") ||
        has(c, "writer_a_buckets"))
        return parts(c);
    if (strstr(section, "invalid") && has(c, "params")) return vector_invalid(c);
    return VECTOR_UNKNOWN;
}

static void case_run(const char *file, const tm_json_t *c, const tm_json_t *doc,
                     const char *section, size_t idx)
{
    char place[64];
    snprintf(place, sizeof place, "%s[%zu]", section, idx);
    const char *name = tm_json_text(c, "case", tm_json_text(c, "name", place));
    said[0] = 0;
    vector_verdict_t verdict = run(c, doc, section);
    if (verdict == VECTOR_PASSED) {
        passed++;
        printf("passed  %s %s%s%s\n", file, name, said[0] ? ": " : "", said);
    } else {
        failed++;
        if (verdict == VECTOR_UNKNOWN && !said[0]) vector_say("a kind that is not known");
        printf("FAILED  %s %s: %s\n", file, name, said[0] ? said : "it does not hold");
    }
}

/* Members of a document that say something about it and hold no case. */
static bool is_about(const tm_json_t *member)
{
    static const char *const names[] = {"format",  "title",    "unit",       "window",
                                        "order",   "rules",    "source",     "notes",
                                        "comment", "defaults", "event_forms"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(member->key, names[i]) == 0) return true;
    return member->type == TM_JSON_STRING || member->type == TM_JSON_NULL;
}

static bool file_run(const char *path)
{
    tm_json_t *doc = tm_json_load(path);
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    if (!doc || strcmp(tm_json_text(doc, "format", ""), "stream-vectors/1") != 0) {
        fprintf(stderr, "%s: not a file of the format stream-vectors/1\n", path);
        tm_json_free(doc);
        return false;
    }
    for (const tm_json_t *m = doc->kid; m; m = m->next) {
        if (is_about(m)) continue;
        size_t idx = 0;
        if (m->type != TM_JSON_ARRAY)
            case_run(file, m, doc, m->key, 0);
        else
            for (const tm_json_t *c = tm_json_at(m, 0); c; c = c->next)
                case_run(file, c, doc, m->key, idx++);
    }
    tm_json_free(doc);
    return true;
}

int main(int argc, char **argv)
{
    bool read = true;
    if (argc < 2) {
        fprintf(stderr, "usage: stream_vectors FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) read &= file_run(argv[i]);
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return !read ? 2 : failed ? 1 : 0;
}
