/* Runs a fuzz target once over every file of the folders named on the command line: what fuzzing
   has found stays found, in builds without libFuzzer too. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static uint8_t *read_file(const char *path, size_t *sz)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    *sz = (size_t)st.st_size;
    /* Exactly as long as the input: a sanitizer sees a read behind it. */
    uint8_t *data = malloc(*sz > 0 ? *sz : 1);
    TM_MUST(data && fread(data, 1, *sz, f) == *sz);
    fclose(f);
    return data;
}

int main(int argc, char **argv)
{
    int cnt = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            fprintf(stderr, "cannot open %s\n", argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
            char path[4096];
            size_t sz;
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            uint8_t *data = read_file(path, &sz);
            fprintf(stderr, "%s\n", path); /* tells which one, should it crash */
            LLVMFuzzerTestOneInput(data, sz);
            free(data);
            cnt++;
        }
        closedir(dir);
    }
    printf("%d inputs\n", cnt);
    return cnt > 0 ? 0 : 1;
}
