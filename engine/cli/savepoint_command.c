/* tidemark savepoint: keeps a checkpoint for good, in a folder of its own. The job that writes
   checkpoints may run meanwhile. */
#include "base/error.h"
#include "engine/cli/commands.h"
#include "state/checkpoint/savepoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: tidemark savepoint DIR PATH [ID]\n\n"
    "Copies the newest complete checkpoint of DIR (or number ID) into the new folder PATH, which\n"
    "needs no other folder and is removed by nobody. The job that writes to DIR may run on. Go on\n"
    "from it with --restore PATH; look inside with tidemark checkpoint ls|verify|show PATH.\n"
    "Exit status: 0 done, 1 failed, 2 bad usage.\n";

static int bad_usage(void)
{
    fputs(help, stderr);
    return 2;
}

int tm_command_savepoint(int argc, char **argv)
{
    char *end = NULL;
    tm_savepoint_t s;
    if (argc == 2 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0))
        return fputs(help, stdout) < 0;
    if (argc < 3 || argc > 4) return bad_usage();
    const uint64_t id = argc == 4 ? strtoull(argv[3], &end, 10) : 0;
    if (argc == 4 && (id == 0 || *end)) return bad_usage();
    if (tm_savepoint_write(&s, argv[1], id, argv[2]) < 0) {
        fprintf(stderr, "tidemark savepoint: %s\n", tm_error_text());
        return 1;
    }
    printf("checkpoint %" PRIu64 " in %s: %" PRIu64 " pages, %" PRIu64 " B\n", s.id, argv[2],
           s.page_cnt, s.page_bytes);
    return 0;
}
