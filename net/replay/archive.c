#include "net/replay/archive.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { INPUT_SZ = 256 << 10 };

typedef enum form { PLAIN, GZIP, XZ } form_t;

struct tm_archive {
    char *path;
    int fd;
    form_t form;
    int error;       /* sticky: a damaged archive has no way on */
    char why[512];   /* the error's text, for who asks again */
    bool input_end;  /* the file has no more bytes */
    bool member_end; /* gzip: between two members, where the file may end */
    uint64_t in_off; /* bytes of the file read so far, for messages */
    size_t in_pos, in_end;
    uint8_t *in;
    z_stream z;
    lzma_stream x;
};

static int fail(tm_archive_t *a, int code)
{
    a->error = code;
    snprintf(a->why, sizeof a->why, "%s", tm_error_text());
    return code;
}

/* read(2) that repeats after a signal. */
static int64_t file_read(tm_archive_t *a, uint8_t *buf, size_t cap)
{
    ssize_t n;
    do n = read(a->fd, buf, cap);
    while (n < 0 && errno == EINTR);
    if (n < 0) return fail(a, tm_error_set(-errno, "read %s: %s", a->path, strerror(errno)));
    a->in_off += (uint64_t)n;
    if (n == 0) a->input_end = true;
    return n;
}

/* Makes sure that input is buffered unless the file has ended. */
static int input_fill(tm_archive_t *a)
{
    if (a->in_pos < a->in_end || a->input_end) return 0;
    int64_t n = file_read(a, a->in, INPUT_SZ);
    if (n < 0) return (int)n;
    a->in_pos = 0;
    a->in_end = (size_t)n;
    return 0;
}

static int cut(tm_archive_t *a)
{
    return fail(a, tm_error_set(TM_E_CORRUPT,
                                "%s: the %s archive ends in the middle (after %llu bytes); it was "
                                "cut, copy or record it again",
                                a->path, tm_archive_form(a), (unsigned long long)a->in_off));
}

static int damaged(tm_archive_t *a, const char *why)
{
    uint64_t off = a->in_off - (a->in_end - a->in_pos);
    return fail(a, tm_error_set(TM_E_CORRUPT, "%s: damaged %s archive near byte %llu: %s", a->path,
                                tm_archive_form(a), (unsigned long long)off, why));
}

static int64_t gzip_read(tm_archive_t *a, uint8_t *buf, size_t cap)
{
    a->z.next_out = buf;
    a->z.avail_out = (uInt)cap;
    while (a->z.avail_out == cap) {
        TM_TRY(input_fill(a));
        if (a->in_pos == a->in_end) return a->member_end ? 0 : cut(a);
        if (a->member_end && inflateReset(&a->z) != Z_OK) return damaged(a, "cannot start over");
        a->member_end = false;
        a->z.next_in = a->in + a->in_pos;
        a->z.avail_in = (uInt)(a->in_end - a->in_pos);
        int rc = inflate(&a->z, Z_NO_FLUSH);
        a->in_pos = a->in_end - a->z.avail_in;
        if (rc == Z_STREAM_END) {
            a->member_end = true;
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            int code = damaged(a, a->z.msg ? a->z.msg : zError(rc));
            size_t given = cap - a->z.avail_out;
            return given ? (int64_t)given : code;
        }
    }
    return (int64_t)(cap - a->z.avail_out);
}

static const char *xz_reason(lzma_ret rc)
{
    if (rc == LZMA_DATA_ERROR) return "its data or checksum is wrong";
    if (rc == LZMA_FORMAT_ERROR) return "what follows is not an xz stream";
    if (rc == LZMA_OPTIONS_ERROR) return "it uses a filter that is not known here";
    return "the decoder gave up";
}

static int64_t xz_read(tm_archive_t *a, uint8_t *buf, size_t cap)
{
    a->x.next_out = buf;
    a->x.avail_out = cap;
    while (a->x.avail_out == cap) {
        TM_TRY(input_fill(a));
        a->x.next_in = a->in + a->in_pos;
        a->x.avail_in = a->in_end - a->in_pos;
        lzma_ret rc = lzma_code(&a->x, a->input_end ? LZMA_FINISH : LZMA_RUN);
        a->in_pos = a->in_end - a->x.avail_in;
        if (rc == LZMA_STREAM_END) {
            a->member_end = true;
            break;
        }
        if (rc == LZMA_OK) continue;
        int code = TM_E_LIMIT;
        if (rc == LZMA_BUF_ERROR && a->input_end) {
            code = cut(a);
        } else if (rc == LZMA_MEMLIMIT_ERROR) {
            fail(a, tm_error_set(code, "%s: its dictionary needs more than %d MiB; recompress it",
                                 a->path, TM_ARCHIVE_XZ_MEM_MAX >> 20));
        } else {
            code = damaged(a, xz_reason(rc));
        }
        size_t given = cap - a->x.avail_out;
        return given ? (int64_t)given : code;
    }
    return (int64_t)(cap - a->x.avail_out);
}

/* What was read to look at the magic comes first, then the file itself. */
static int64_t plain_read(tm_archive_t *a, uint8_t *buf, size_t cap)
{
    size_t held = a->in_end - a->in_pos;
    if (held == 0) return a->input_end ? 0 : file_read(a, buf, cap);
    size_t n = held < cap ? held : cap;
    memcpy(buf, a->in + a->in_pos, n);
    a->in_pos += n;
    return (int64_t)n;
}

int64_t tm_archive_read(tm_archive_t *a, uint8_t *buf, size_t cap)
{
    if (a->error) return tm_error_set(a->error, "%s", a->why);
    if (cap > INT_MAX) cap = INT_MAX; /* zlib counts in 32 bits */
    if (a->form == PLAIN) return plain_read(a, buf, cap);
    if (a->form == GZIP) return gzip_read(a, buf, cap);
    return a->member_end ? 0 : xz_read(a, buf, cap);
}

const char *tm_archive_form(const tm_archive_t *a)
{
    static const char *const names[] = {"plain", "gzip", "xz"};
    return names[a->form];
}

/* Reads until six bytes (the longest magic) are there or the file ends: pipes give what they like.
   */
static int form_find(tm_archive_t *a)
{
    static const uint8_t gzip_magic[] = {0x1f, 0x8b}, xz_magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
    while (a->in_end < sizeof xz_magic && !a->input_end) {
        int64_t n = file_read(a, a->in + a->in_end, INPUT_SZ - a->in_end);
        if (n < 0) return (int)n;
        a->in_end += (size_t)n;
    }
    if (a->in_end >= sizeof gzip_magic && memcmp(a->in, gzip_magic, sizeof gzip_magic) == 0) {
        a->form = GZIP;
        if (inflateInit2(&a->z, 15 + 16) != Z_OK)
            return tm_error_set(-ENOMEM, "%s: no memory for the gzip decoder", a->path);
    } else if (a->in_end >= sizeof xz_magic && memcmp(a->in, xz_magic, sizeof xz_magic) == 0) {
        a->form = XZ;
        if (lzma_stream_decoder(&a->x, TM_ARCHIVE_XZ_MEM_MAX, LZMA_CONCATENATED) != LZMA_OK)
            return tm_error_set(-ENOMEM, "%s: no memory for the xz decoder", a->path);
    }
    return 0;
}

int tm_archive_open(tm_archive_t **out, const char *path)
{
    *out = NULL;
    tm_archive_t *a = calloc(1, sizeof *a);
    if (!a) return tm_error_set(-ENOMEM, "open %s: no memory", path);
    int err = 0;
    a->fd = -1;
    a->path = strdup(path);
    a->in = malloc(INPUT_SZ);
    if (!a->path || !a->in) {
        err = tm_error_set(-ENOMEM, "open %s: no memory", path);
        goto out;
    }
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (a->fd < 0) {
        err = tm_error_set(-errno, "open %s: %s", path, strerror(errno));
        goto out;
    }
    posix_fadvise(a->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint; pipes refuse it */
    TM_GOTO(err, form_find(a), out);
    *out = a;
    return 0;
out:
    tm_archive_close(a);
    return err;
}

void tm_archive_close(tm_archive_t *a)
{
    if (!a) return;
    if (a->form == GZIP) inflateEnd(&a->z);
    if (a->form == XZ) lzma_end(&a->x);
    if (a->fd >= 0) close(a->fd);
    free(a->in);
    free(a->path);
    free(a);
}

uint64_t tm_archive_done_sz(const tm_archive_t *a)
{
    return a->in_off;
}

uint64_t tm_archive_file_sz(const tm_archive_t *a)
{
    struct stat st;
    return fstat(a->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}
