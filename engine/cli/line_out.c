#include "engine/cli/line_out.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

enum { BUF_SZ = 256 << 10 };

static int failed(const tm_line_out_t *o)
{
    const int err = errno ? errno : EIO;
    return tm_error_set(-err, "write %s: %s", o->path ? o->path : "standard output",
                        tm_error_name(-err));
}

int tm_line_out_open(tm_line_out_t *o, const char *path)
{
    const size_t sz = path ? strlen(path) : 0;
    *o = (tm_line_out_t){.path = path};
    errno = 0;
    if (!path) {
        o->file = stdout;
    } else if (sz > 3 && strcmp(path + sz - 3, ".gz") == 0) {
        o->zip = gzopen(path, "wb6");
        if (!o->zip) return failed(o);
        gzbuffer(o->zip, BUF_SZ);
    } else {
        o->file = fopen(path, "wb");
        if (!o->file) return failed(o);
    }
    if (o->file) setvbuf(o->file, NULL, _IOFBF, BUF_SZ);
    return 0;
}

int tm_line_out_write(tm_line_out_t *o, const void *src, size_t sz)
{
    errno = 0;
    if (sz == 0) return 0;
    if (o->zip) return gzwrite(o->zip, src, (unsigned)sz) > 0 ? 0 : failed(o);
    return fwrite(src, 1, sz, o->file) == sz ? 0 : failed(o);
}

int tm_line_out_flush(tm_line_out_t *o)
{
    errno = 0;
    return !o->file || fflush(o->file) == 0 ? 0 : failed(o);
}

int tm_line_out_close(tm_line_out_t *o, int code)
{
    bool ok = true;
    errno = 0;
    if (o->zip) ok = gzclose(o->zip) == Z_OK;
    if (o->file) ok = o->file == stdout ? fflush(stdout) == 0 : fclose(o->file) == 0;
    o->zip = NULL;
    o->file = NULL;
    return code < 0 || ok ? code : failed(o);
}
