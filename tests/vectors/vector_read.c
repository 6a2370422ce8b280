/* From words of a case to specs of the public interface. */
#include "tests/vectors/vector.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const tm_schema_t *vector_schema(void)
{
    static tm_schema_t s;
    static const char *const names[] = {"key", "value", "gap"};
    tm_schema_init(&s, "element", TM_SCHEMA_ID_USER);
    for (int i = 0; i < 3; i++) {
        tm_field_t like = {.type = i == 0 ? TM_TYPE_U64 : TM_TYPE_I64};
        snprintf(like.name, sizeof like.name, "%s", names[i]);
        if (tm_schema_add(&s, &like) < 0) abort();
    }
    static_assert(sizeof(vector_element_t) == sizeof(tm_row_t) + 24, "as the schema says");
    return &s;
}

uint64_t vector_key(const tm_json_t *object)
{
    static char names[VECTOR_KEY_MAX][64];
    static uint32_t cnt;
    const tm_json_t *key = tm_json_get(object, "key");
    char name[64] = "";
    if (key && key->type == TM_JSON_STRING) snprintf(name, sizeof name, "%s", key->text);
    if (key && key->type == TM_JSON_INT)
        snprintf(name, sizeof name, "#%lld", (long long)key->number);
    for (uint32_t i = 0; i < cnt; i++)
        if (strcmp(names[i], name) == 0) return i;
    if (cnt == VECTOR_KEY_MAX) abort();
    snprintf(names[cnt], sizeof names[cnt], "%s", name);
    return cnt++;
}

const tm_json_t *vector_any(const tm_json_t *object, const char *const *names)
{
    for (; *names; names++) {
        const tm_json_t *found = tm_json_get(object, *names);
        if (found) return found;
    }
    return NULL;
}

#define ANY(object, ...) vector_any(object, (const char *const[]){__VA_ARGS__, NULL})

static int64_t int_of(const tm_json_t *at, int64_t otherwise)
{
    return at && at->type == TM_JSON_INT ? at->number : otherwise;
}

static bool stagger_read(const tm_json_t *w, tm_window_spec_t *spec)
{
    const char *text = tm_json_text(w, "stagger", "aligned");
    if (strncmp(text, "natural", 7) == 0)
        spec->stagger = TM_STAGGER_NATURAL;
    else if (strncmp(text, "random", 6) == 0)
        spec->stagger = TM_STAGGER_RANDOM;
    else
        return strncmp(text, "aligned", 7) == 0;
    return true;
}

static bool kind_read(const char *kind, tm_window_spec_t *spec)
{
    static const struct {
        const char *word;
        tm_window_kind_t kind;
    } kinds[] = {{"tumbling", TM_WINDOW_TUMBLING}, {"sliding", TM_WINDOW_SLIDING},
                 {"hopping", TM_WINDOW_SLIDING},   {"cumul", TM_WINDOW_CUMULATIVE},
                 {"session", TM_WINDOW_SESSION},   {"global", TM_WINDOW_GLOBAL},
                 {"count", TM_WINDOW_COUNT}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strstr(kind, kinds[i].word)) {
            spec->kind = kinds[i].kind;
            return true;
        }
    vector_say("window kind '%s' is not known", kind);
    return false;
}

bool vector_window_read(const tm_json_t *w, const tm_json_t *c, tm_window_spec_t *spec)
{
    *spec = (tm_window_spec_t){0};
    const tm_json_t *params = tm_json_get(w, "params");
    const char *kind = w->type == TM_JSON_STRING ? w->text : tm_json_text(w, "kind", "");
    if (!params) params = w;
    if (!kind_read(kind, spec)) return false;
    const char *time = tm_json_text(params, "time", tm_json_text(w, "time", ""));
    if (!time[0]) time = tm_json_text(c, "time", "");
    if (strstr(time, "proc") || strstr(kind, "proc")) spec->time = TM_PROCESSING_TIME;
    spec->size_ns = int_of(ANY(params, "size", "max_size"), 0);
    spec->slide_ns = int_of(ANY(params, "slide", "step"), 0);
    spec->offset_ns = tm_json_int(params, "offset", 0);
    spec->lateness_ns = int_of(ANY(c, "lateness", "allowed_lateness"),
                               tm_json_int(params, "lateness", 0));
    if (spec->kind == TM_WINDOW_COUNT) {
        spec->count = int_of(ANY(params, "count", "size"), 0);
        spec->count_slide = int_of(ANY(params, "count_slide", "slide"), 0);
        spec->size_ns = spec->slide_ns = 0;
    }
    const tm_json_t *gap = tm_json_get(params, "gap");
    spec->gap_ns = int_of(gap, 0);
    if (spec->kind == TM_WINDOW_SESSION && (!gap || gap->type != TM_JSON_INT))
        spec->gap_field = "gap";
    if (!stagger_read(params, spec)) {
        vector_say("stagger is not known");
        return false;
    }
    return true;
}

static bool is_true(const tm_json_t *at)
{
    return at && (at->type == TM_JSON_BOOL || at->type == TM_JSON_INT) && at->number != 0;
}

static double real_of(const tm_json_t *at)
{
    return at && (at->type == TM_JSON_INT || at->type == TM_JSON_REAL) ? at->real : 0;
}

/* What a word says about a trigger; true where it says which. */
static bool trigger_word(const char *word, tm_trigger_t *t)
{
    bool proc = strstr(word, "proc") != NULL;
    if (strstr(word, "purg")) t->purge = true;
    if (strstr(word, "continuous"))
        t->kind = proc ? TM_TRIGGER_CONTINUOUS_PROCESSING_TIME : TM_TRIGGER_CONTINUOUS_EVENT_TIME;
    else if (strstr(word, "count"))
        t->kind = TM_TRIGGER_COUNT;
    else if (strstr(word, "delta"))
        t->kind = TM_TRIGGER_DELTA;
    else if (strstr(word, "never"))
        t->kind = TM_TRIGGER_NEVER;
    else if (proc)
        t->kind = TM_TRIGGER_PROCESSING_TIME;
    else if (strstr(word, "event"))
        t->kind = TM_TRIGGER_EVENT_TIME;
    else
        return false;
    return true;
}

static void trigger_number(const tm_json_t *at, tm_trigger_t *t)
{
    if (t->kind == TM_TRIGGER_COUNT) t->count = int_of(at, t->count);
    if (t->kind == TM_TRIGGER_DELTA) t->threshold = real_of(at);
    t->field = "value";
    if (t->kind == TM_TRIGGER_CONTINUOUS_EVENT_TIME ||
        t->kind == TM_TRIGGER_CONTINUOUS_PROCESSING_TIME)
        t->interval_ns = int_of(at, t->interval_ns);
}

static bool trigger_object(const tm_json_t *from, tm_trigger_t *t)
{
    bool known = trigger_word(tm_json_text(from, "kind", tm_json_text(from, "type", "")), t);
    for (const tm_json_t *m = from->kid; m; m = m->next) {
        if (strstr(m->key, "purg")) {
            t->purge = m->type == TM_JSON_OBJECT || is_true(m);
            if (m->type == TM_JSON_OBJECT) known = trigger_object(m, t) || known;
        } else if (!known && trigger_word(m->key, t)) {
            known = true;
            if (m->type == TM_JSON_OBJECT)
                for (const tm_json_t *k = m->kid; k; k = k->next) trigger_number(k, t);
            trigger_number(m, t);
        }
    }
    const tm_json_t *number = ANY(from, "count", "max_count", "max", "interval", "every", "period",
                                  "interval_ms", "ms", "size", "threshold", "n");
    if (number) trigger_number(number, t);
    return known;
}

bool vector_trigger_read(const tm_json_t *c, tm_trigger_t *trigger)
{
    *trigger = (tm_trigger_t){0};
    const tm_json_t *from = tm_json_get(c, "trigger");
    bool known = true;
    if (!from || from->type == TM_JSON_NULL) return true;
    if (from->type == TM_JSON_STRING) {
        bool bare = strcmp(from->text, "purging") == 0 || strcmp(from->text, "default") == 0;
        known = trigger_word(from->text, trigger) || bare;
        const char *digits = from->text + strcspn(from->text, "0123456789");
        tm_json_t number = {.type = TM_JSON_INT, .number = atoll(digits), .real = atof(digits)};
        const tm_json_t *beside = ANY(c, "trigger_count", "interval", "count", "threshold");
        if (digits[0] || beside) trigger_number(digits[0] ? &number : beside, trigger);
    } else {
        known = from->type == TM_JSON_OBJECT && trigger_object(from, trigger);
    }
    if (is_true(ANY(c, "purging", "purge"))) trigger->purge = true;
    if (!known) vector_say("trigger is not known");
    return known;
}

bool vector_evictor_read(const tm_json_t *c, tm_evictor_t *evictor)
{
    *evictor = (tm_evictor_t){0};
    const tm_json_t *from = tm_json_get(c, "evictor");
    if (!from || from->type == TM_JSON_NULL) return true;
    const char *kind = tm_json_text(from, "kind", "");
    const tm_json_t *number = ANY(from, "size", "count", "ms", "threshold", "keep", "window", "n");
    evictor->after = is_true(ANY(from, "after", "evict_after", "do_evict_after"));
    if (strcmp(kind, "count") == 0) {
        evictor->kind = TM_EVICT_COUNT;
        evictor->count = int_of(number, 0);
    } else if (strcmp(kind, "time") == 0) {
        evictor->kind = TM_EVICT_TIME;
        evictor->keep_ns = int_of(number, 0);
    } else if (strcmp(kind, "delta") == 0) {
        evictor->kind = TM_EVICT_DELTA;
        evictor->field = "value";
        evictor->threshold = real_of(number);
    } else {
        vector_say("evictor '%s' is not known", kind);
        return false;
    }
    return true;
}
