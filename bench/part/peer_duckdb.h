/* bench/part/peer_duckdb.h - DuckDB as a peer: a node process that holds the same rows as a table
   and writes them with COPY when asked.
   Flow     bench_part -> [peer] -> peer_duckdb.mjs (DuckDB, one thread) -> file
   Units    seconds, bytes
   Errors   open: false where node or the package is missing, with the reason on standard error */
#ifndef TM_BENCH_PART_PEER_DUCKDB_H
#define TM_BENCH_PART_PEER_DUCKDB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct tm_duckdb {
    int pid;
    FILE *to, *from;
    char version[64];
} tm_duckdb_t;

/* script: peer_duckdb.mjs; modules: the folder whose node_modules has the package. */
bool tm_duckdb_open(tm_duckdb_t *db, const char *script, const char *modules);
void tm_duckdb_close(tm_duckdb_t *db);

/* Loads a Parquet file as table `name`, in its order or ordered by a column ("" = its order). */
bool tm_duckdb_load(tm_duckdb_t *db, const char *name, const char *path, const char *order);

/* COPY of a table; compression "zstd" (level 1) or "uncompressed". False where it failed. */
bool tm_duckdb_copy(tm_duckdb_t *db, const char *name, const char *path, const char *compression,
                    double *seconds, uint64_t *file_sz);

#endif
