/* engine/cli/commands.h - the verbs of the program `tidemark`.
   Each takes its own argument vector (argv[0] is the verb) and returns the exit status: 0 done, 1
   failed, 2 bad usage */
#ifndef TM_ENGINE_COMMANDS_H
#define TM_ENGINE_COMMANDS_H

int tm_command_venue(int argc, char **argv);
int tm_command_inspect(int argc, char **argv);
int tm_command_capture(int argc, char **argv);
int tm_command_replay(int argc, char **argv);
int tm_command_journal(int argc, char **argv);
int tm_command_checkpoint(int argc, char **argv);
int tm_command_savepoint(int argc, char **argv);

#endif
