#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

#include <dirent.h>

static rig_t rig;

/* Well-formed as a whole, whatever it says. */
static bool well_formed(const void *bytes, size_t sz)
{
    const char *reason = rig_reason(&rig, bytes, sz);
    return *reason == '\0' || strcmp(reason, "unknown") == 0;
}

static size_t file_read(const char *dir, const char *name, char *room, size_t room_sz)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    tm_assert(f != NULL);
    size_t sz = fread(room, 1, room_sz, f);
    fclose(f);
    return sz;
}

Test(walk, the_json_test_suite_is_accepted_and_refused_as_it_says)
{
    const char *shared = getenv("TM_SHARED"), *root = getenv("TM_SOURCE_ROOT");
    char dir[512];
    if (shared)
        snprintf(dir, sizeof dir, "%s/suites/JSONTestSuite/test_parsing", shared);
    else
        snprintf(dir, sizeof dir, "%s/../shared/suites/JSONTestSuite/test_parsing",
                 root ? root : ".");
    DIR *d = opendir(dir);
    if (!d) tm_skip("no JSONTestSuite in ../shared");
    static char text[EXACT_SZ_MAX], inner[EXACT_SZ_MAX];
    uint32_t yes = 0, no = 0, wrong = 0;
    rig_open(&rig);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".json")) continue;
        size_t sz = file_read(dir, e->d_name, inner, sizeof inner - 64);
        bool fine = well_formed(inner, sz);
        /* As the value of an unknown key too; a trade around it must not suffer. */
        int n = snprintf(text, sizeof text, "{\"x\":");
        memcpy(text + n, inner, sz);
        memcpy(text + n + sz, "}", 1);
        bool fine_inside = well_formed(text, (size_t)n + sz + 1);
        char kind = e->d_name[0];
        yes += kind == 'y';
        no += kind == 'n';
        if ((kind == 'y' && !(fine && fine_inside)) || (kind == 'n' && (fine || fine_inside))) {
            fprintf(stderr, "# %s: %d %d\n", e->d_name, fine, fine_inside);
            wrong++;
        }
    }
    closedir(d);
    rig_close(&rig);
    tm_assert_eq(wrong, 0u);
    tm_assert(yes >= 90 && no >= 180);
}

Test(walk, nesting_is_taken_to_its_limit_and_no_further)
{
    static char text[EXACT_SZ_MAX];
    rig_open(&rig);
    for (uint32_t depth = 1; depth <= 520; depth += depth < 500 ? 100 : 1) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        /* TM_WALK_DEPTH_MAX, the outermost bracket included. */
        const char *want = depth > 512 ? "bad_nesting" : "unknown";
        tm_assert_str(rig_reason(&rig, text, 2 * depth), want);
    }
    memset(text, '[', sizeof text);
    tm_assert_str(rig_reason(&rig, text, sizeof text - 64), "bad_nesting");
    rig_close(&rig);
}

Test(walk, strings_and_escapes_cross_windows)
{
    static char text[3 * TM_SCAN_WINDOW];
    rig_open(&rig);
    for (uint32_t fill = TM_SCAN_WINDOW - 20; fill < TM_SCAN_WINDOW + 20; fill++) {
        for (uint32_t slashes = 0; slashes < 5; slashes++) {
            static const char before[] = "{\"x\":\"";
            size_t sz = sizeof before - 1;
            memcpy(text, before, sz);
            memset(text + sz, 'a', fill);
            sz += fill;
            memset(text + sz, '\\', slashes);
            sz += slashes;
            int n = snprintf(text + sz, sizeof text - sz,
                             "\"%s,\"e\":\"blockTrade\",\"b\":[[\"1\",\"2\"],[\"3\",\"4\"]]}",
                             slashes % 2 ? "\"" : "");
            sz += (size_t)n;
            const char *reason = rig_reason(&rig, text, sz);
            tm_assert_str(reason, "");
        }
    }
    rig_close(&rig);
}

Test(walk, arrays_of_pairs_are_checked_in_full)
{
    static const struct {
        const char *levels;
        bool fine;
    } examples[] = {
        {"[[\"1\",\"2\"],[\"3\",\"4\"],[\"5\",\"6\"]]", true},
        {"[[\"1\",\"2\"],[\"3\",\"4\"],[\"5\",\"6\"],]", false},
        {"[[\"1\",\"2\"],[\"3\",\"4\"][\"5\",\"6\"]]", false},
        {"[[\"1\",\"2\"],[\"3\",\"4\",],[\"5\",\"6\"]]", false},
        {"[[\"1\",\"2\"],[\"3\";\"4\"],[\"5\",\"6\"]]", false},
        {"[[\"1\",\"2\"],[\"3\",\"4\",\"5\"],[\"5\",\"6\"]]", true},
        {"[[\"1\",\"2\"],[\"3\"],[],[\"5\",\"6\"],[\"7\",8]]", true},
        {"[[\"1\",\"2\"], [\"3\" ,\"4\"],\n[\"5\",\"6\"]]", true},
        {"[[\"1\",\"2\"],{\"3\":\"4\"},[\"5\",\"6\"]]", true},
        {"{\"k\":[\"1\",\"2\"],[\"3\",\"4\"],\"l\":[\"5\",\"6\"]}", false},
        {"{\"k\":[\"1\",\"2\"],\"m\":[\"3\",\"4\"],\"l\":[\"5\",\"6\"]}", true},
        {"[[\"1\",\"2\"],[\"3\",\"4\"],[\"5\",\"6\"]", false},
        {"[[\"1\",\"2\"],[\"\\u0033\",\"4\"],[\"5\",\"6\"]]", true},
    };
    rig_open(&rig);
    for (size_t i = 0; i < TM_ARRAY_CNT(examples); i++) {
        char text[400];
        int n = snprintf(text, sizeof text, "{\"e\":\"blockTrade\",\"b\":%s}", examples[i].levels);
        if (well_formed(text, (size_t)n) != examples[i].fine) fprintf(stderr, "# %s\n", text);
        tm_assert(well_formed(text, (size_t)n) == examples[i].fine);
    }
    rig_close(&rig);
}
