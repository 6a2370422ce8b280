/* tests/vectors/vector.h - cases of the format stream-vectors/1, run through the public interface.
   Flow     JSON file -> stream_vectors.c (which kind is it?) -> [a runner] -> a verdict
   Kinds    told by what a case holds, never by its name: "assign" lists windows of times;
            "merge_calls" sessions that become one; "channels" watermarks of several inputs, with
            "events" barriers of several channels; "events" + "bound" watermarks made from times;
            "window" + "steps" a window operator; "subtask0_writes", "writer_a_buckets",
            "resumable", "discarded_resume_points", "policy" + "steps": part files; "committed" +
            "steps": transactions; "pane_of", "split", "last_window_of_pane" slices; parameters that
            must be refused
   Errors   vector_say keeps the first reason why a case fails
   Rows     keys are names, numbered as they are met; times are taken as they are, in ms */
#ifndef TM_TESTS_VECTOR_H
#define TM_TESTS_VECTOR_H

#include "base/row.h"
#include "base/schema.h"
#include "engine/tidemark.h"
#include "tests/tm_json.h"

enum { VECTOR_KEY_MAX = 4096, VECTOR_WINDOW_MAX = 4096 };

typedef struct vector_element {
    tm_row_t row;
    uint64_t key;
    int64_t value;
    int64_t gap;
} vector_element_t;

typedef enum vector_verdict { VECTOR_PASSED, VECTOR_FAILED, VECTOR_UNKNOWN } vector_verdict_t;

/* Each returns VECTOR_UNKNOWN where the case holds something that it does not know. */
vector_verdict_t vector_assign(const tm_json_t *c);
vector_verdict_t vector_invalid(const tm_json_t *c);
vector_verdict_t vector_merge(const tm_json_t *c);
vector_verdict_t vector_panes(const tm_json_t *c, const char *kind);
vector_verdict_t vector_valve(const tm_json_t *c);
vector_verdict_t vector_barrier(const tm_json_t *c);
vector_verdict_t vector_bounded(const tm_json_t *c);
vector_verdict_t vector_parts(const tm_json_t *c);
vector_verdict_t vector_parts_counter(const tm_json_t *c);
vector_verdict_t vector_parts_bucket(const tm_json_t *c);
vector_verdict_t vector_parts_sentences(const tm_json_t *c);
vector_verdict_t vector_parts_merge(const tm_json_t *c);
vector_verdict_t vector_parts_restore(const tm_json_t *c);
vector_verdict_t vector_txn(const tm_json_t *c);
vector_verdict_t vector_operator(const tm_json_t *c, const tm_json_t *doc);

/* What went wrong, for the line of the case. Keeps the first reason. */
void vector_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *vector_said(void);

/* The rows that all runners use. */
const tm_schema_t *vector_schema(void);

/* A key's number: text or integer. */
uint64_t vector_key(const tm_json_t *object);

/* A window from "kind" and parameters; false where something in it is unknown. `c` may add
   lateness. */
bool vector_window_read(const tm_json_t *w, const tm_json_t *c, tm_window_spec_t *spec);

/* "trigger" and "evictor" of a case. */
bool vector_trigger_read(const tm_json_t *c, tm_trigger_t *trigger);
bool vector_evictor_read(const tm_json_t *c, tm_evictor_t *evictor);

/* The first of several names that an object has. */
const tm_json_t *vector_any(const tm_json_t *object, const char *const *names);

#endif
