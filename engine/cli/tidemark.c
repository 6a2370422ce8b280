/* tidemark - the program around the library: a simulated exchange, a reader of part files,
   a recorder, tools for what it wrote. */
#include "base/types.h"
#include "engine/cli/commands.h"

#include <stdio.h>
#include <string.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verb_t;

static const verb_t verbs[] = {
    {"venue", tm_command_venue,
     "run a simulated exchange on loopback, from a generator or a capture"},
    {"inspect", tm_command_inspect,
     "show what part files hold: schema, encodings, statistics, rows"},
    {"capture", tm_command_capture, "record a live feed into a journal"},
    {"replay", tm_command_replay, "print a recording at its own pace, faster, or by range"},
    {"journal", tm_command_journal, "list, verify, print, export, import and pack captures"},
    {"checkpoint", tm_command_checkpoint, "list, verify and show checkpoints of keyed state"},
    {"savepoint", tm_command_savepoint, "keep a checkpoint for good, in a folder of its own"},
};

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: tidemark VERB [OPTION...]\n\n");
    for (size_t i = 0; i < TM_ARRAY_CNT(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    fprintf(out, "  %-10s %s\n  %-10s %s\n\n", "version", "print the version", "help",
            "print this page");
    fprintf(out, "tidemark VERB --help explains each.\n");
    return status;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < TM_ARRAY_CNT(verbs); i++)
        if (strcmp(verb, verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(verb, "version") == 0 || strcmp(verb, "--version") == 0) {
        printf("tidemark %s\n", TM_VERSION);
        return 0;
    }
    if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        return usage(stdout, 0);
    if (verb[0]) fprintf(stderr, "tidemark: there is no verb '%s'\n\n", verb);
    return usage(stderr, 2);
}
