/* net/replay/archive.h - the bytes of a file, unpacked on the way: plain, gzip or xz, told by its
   first bytes.
   Flow     file -> [archive] -> replay.c
   Units    *_sz: bytes
   Memory   256 KiB of input and the decoder's window (zlib 40 KiB; xz as the file says, at most
            TM_ARCHIVE_XZ_MEM_MAX); a plain file is read straight into the caller's buffer
   Threads  one owner
   Errors   open, read: -errno with the path; TM_E_CORRUPT for damaged or cut input, TM_E_LIMIT for
            an xz dictionary above the limit; a failed archive repeats its error. The good bytes
            before a damage are given first
   Limits   streams, so the unpacked size is not limited: the reader decides how much it takes */
#ifndef TM_NET_ARCHIVE_H
#define TM_NET_ARCHIVE_H

#include "base/types.h"

enum { TM_ARCHIVE_XZ_MEM_MAX = 256 << 20 };

typedef struct tm_archive tm_archive_t;

/* Opens `path` and looks at its first bytes. Joined gzip members and xz streams read as one. */
int tm_archive_open(tm_archive_t **out, const char *path) TM_MUST_CHECK;
void tm_archive_close(tm_archive_t *archive);

/* Fills up to `cap` bytes (cap > 0). Returns bytes given, 0 at the end, or an error. Short reads
   do not mean the end. */
int64_t tm_archive_read(tm_archive_t *archive, uint8_t *buf, size_t cap) TM_MUST_CHECK;

/* For progress: bytes of the file read so far, and in all (0 where that is not known). */
uint64_t tm_archive_done_sz(const tm_archive_t *archive);
uint64_t tm_archive_file_sz(const tm_archive_t *archive);

/* "plain", "gzip" or "xz". */
const char *tm_archive_form(const tm_archive_t *archive);

#endif
