/* state/part/part_name.h - how part files are called, and where the counter goes on.
   Flow     part_file, part_sink -> [part name] -> paths
   Form     <dir>/<bucket>/<prefix>-<writer>-<counter><suffix>, finished;
            <dir>/<bucket>/.<that name>.inprogress.<id>, not yet
   Threads  no state
   Errors   TM_E_CONFIG where a path is too long; scan: -errno with the folder
   Limits   paths of TM_PART_PATH_MAX - 1 bytes; folders TM_PART_DEPTH_MAX deep
   Tests    tests/state/test_part_sink.c */
#ifndef TM_STATE_PART_NAME_H
#define TM_STATE_PART_NAME_H

#include "base/types.h"

enum { TM_PART_PATH_MAX = 1024, TM_PART_NAME_MAX = 256, TM_PART_DEPTH_MAX = 8 };
enum { TM_PART_WRITER_MAX = 24, TM_PART_AFFIX_MAX = 64 };

typedef struct tm_part_naming {
    char prefix[TM_PART_AFFIX_MAX], suffix[TM_PART_AFFIX_MAX];
    char writer[TM_PART_WRITER_MAX]; /* number of the subtask, or an id of this run */
} tm_part_naming_t;

/* Whether a text may be a piece of a name: no spaces, control characters, slashes; it is not
   hidden where it begins a name. */
bool tm_part_name_is_piece(const char *text, bool begins);

/* "<bucket>/part-3-17.parquet", or without a folder where bucket is "". */
int tm_part_name_make(char out[TM_PART_NAME_MAX], const char *bucket,
                      const tm_part_naming_t *naming, uint64_t counter) TM_MUST_CHECK;

/* Another number at each call, in this process and in others. */
uint64_t tm_part_id_make(void);

/* Reads decimal digits; returns what follows them, NULL where there are none or too many. */
const char *tm_part_number_read(const char *at, uint64_t *v);

/* Full paths of a name in a folder: finished, in progress. */
void tm_part_path_finished(char out[TM_PART_PATH_MAX], const char *dir, const char *name);
void tm_part_path_hidden(char out[TM_PART_PATH_MAX], const char *dir, const char *name,
                         uint64_t id);

/* The folder that a name lies in, and that folder's part of the name ("" = none). */
void tm_part_path_folder(char out[TM_PART_PATH_MAX], const char *dir, const char *name);
void tm_part_name_bucket(char out[TM_PART_NAME_MAX], const char *name);

/* The counter in a name of the form <prefix>-<number>-<counter>..., and the first number. */
bool tm_part_name_parse(const char *name, const char *prefix, uint64_t *subtask_idx,
                        uint64_t *counter);

/* Raises *next behind the largest counter under `dir`: finished files of all subtasks, hidden ones
   of all but `subtask_idx`, whose log knows them. */
int tm_part_counter_scan(const char *dir, const char *prefix, uint32_t subtask_idx,
                         uint64_t *next) TM_MUST_CHECK;

#endif
