#include "tests/net/capture_text.h"

#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const tm_capture_name_t tm_captures[TM_CAPTURE_CNT] = {
    {"spot_btcusdt_20240808.gz", 41249},     {"spot_ethusdt_20240808.gz", 33618},
    {"usdm_btcusdt_20240808.gz", 93954},     {"cm_btcusd_perp_20240808.gz", 48270},
    {"spot_btcusdt_20230405.dat.gz", 15088}, {"usdm_btcusdt_20230405.dat.gz", 60381},
};

const char *tm_capture_path(const char *file, char out[4096])
{
    const char *shared = getenv("TM_SHARED");
    const char *root = getenv("TM_SOURCE_ROOT");
    if (shared) {
        snprintf(out, 4096, "%s/captures/%s", shared, file);
        if (access(out, R_OK) == 0) return out;
    }
    snprintf(out, 4096, "%s/../shared/captures/%s", root ? root : ".", file);
    return access(out, R_OK) == 0 ? out : NULL;
}

char *tm_capture_run(const char *command, size_t *sz)
{
    FILE *f = popen(command, "r");
    tm_assert(f != NULL);
    size_t cap = 1 << 20;
    char *buf = malloc(cap);
    *sz = 0;
    for (size_t n; (n = fread(buf + *sz, 1, cap - *sz, f)) > 0;) {
        *sz += n;
        if (*sz == cap) buf = realloc(buf, cap *= 2);
    }
    tm_assert_eq(pclose(f), 0);
    return buf;
}

char *tm_capture_text(const char *path, size_t *sz)
{
    char command[4200];
    const char *tool = strstr(path, ".xz") ? "xz -dc" : "gzip -dc";
    snprintf(command, sizeof command, "%s '%s'", tool, path);
    return tm_capture_run(command, sz);
}

const char *tm_capture_line(const char **pos, const char *end, size_t *sz)
{
    if (*pos >= end) return NULL;
    const char *nl = memchr(*pos, '\n', (size_t)(end - *pos));
    if (!nl) nl = end;
    const char *json = memchr(*pos, ' ', (size_t)(nl - *pos));
    tm_assert(json != NULL);
    json++;
    *sz = (size_t)(nl - json);
    *pos = nl + 1;
    return json;
}
