#include "bench/part/peer_duckdb.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool answer(tm_duckdb_t *db, char *line, size_t sz)
{
    fflush(db->to);
    if (!fgets(line, (int)sz, db->from)) return false;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "error", 5) != 0) return true;
    fprintf(stderr, "duckdb: %s\n", line);
    return false;
}

bool tm_duckdb_open(tm_duckdb_t *db, const char *script, const char *modules)
{
    int in[2], out[2];
    char line[256];
    *db = (tm_duckdb_t){0};
    if (pipe(in) != 0 || pipe(out) != 0) return false;
    signal(SIGPIPE, SIG_IGN);
    db->pid = fork();
    if (db->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; fd++) close(fd);
        execlp("node", "node", script, modules, (char *)NULL);
        perror("node");
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    db->to = fdopen(in[1], "w");
    db->from = fdopen(out[0], "r");
    if (db->pid > 0 && db->to && db->from && answer(db, line, sizeof line)) {
        snprintf(db->version, sizeof db->version, "%.63s", line);
        return true;
    }
    tm_duckdb_close(db);
    return false;
}

void tm_duckdb_close(tm_duckdb_t *db)
{
    if (db->to) fclose(db->to); /* the end of its input ends it */
    if (db->from) fclose(db->from);
    if (db->pid > 0) waitpid(db->pid, NULL, 0);
    *db = (tm_duckdb_t){0};
}

bool tm_duckdb_load(tm_duckdb_t *db, const char *name, const char *path, const char *order)
{
    char line[256];
    if (!db->to) return false;
    fprintf(db->to, "load\t%s\t%s\t%s\n", name, path, order);
    return answer(db, line, sizeof line);
}

bool tm_duckdb_copy(tm_duckdb_t *db, const char *name, const char *path, const char *compression,
                    double *seconds, uint64_t *file_sz)
{
    char line[256];
    unsigned long long sz;
    if (!db->to) return false;
    fprintf(db->to, "copy\t%s\t%s\t%s\n", name, path, compression);
    if (!answer(db, line, sizeof line) || sscanf(line, "%lf %llu", seconds, &sz) != 2) return false;
    *file_sz = sz;
    return true;
}
