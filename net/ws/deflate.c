/* zlib in raw mode. Its streams live as long as the connection: a message begins with a reset at
   most, and zlib's memory comes out of the arena behind the struct. */
#define ZLIB_CONST /* zlib's input pointer is one to const then */
#include "net/ws/deflate.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    TAIL_SZ = 4,
    JOIN_SZ = 1024,   /* last pieces up to this size are joined with the tail */
    CHUNK_ALIGN = 64, /* as builds of zlib with SIMD want it */
    /* Beside its windows and tables zlib keeps its state: 7 KiB to inflate, 6 KiB to deflate. Other
       builds of it round up more and keep larger hash tables; what is not used is not touched. */
    INFLATE_ARENA_SZ = (1 << TM_DEFLATE_WINDOW_BITS_MAX) + (24 << 10),
    DEFLATE_EXTRA_SZ = 160 << 10,
    MEM_LEVEL_MAX = 9,
    LEVEL_MAX = 9,
};

/* What a flush ends with: the end of an empty stored block. */
static const uint8_t tail[TAIL_SZ] = {0x00, 0x00, 0xff, 0xff};

typedef struct zarena {
    uint8_t *base;
    size_t cap_sz, used_sz;
} zarena_t;

struct tm_inflater {
    z_stream strm;
    zarena_t arena;
    bool takeover;
    const char *wrong; /* what is, once something is */
    bool is_busy;      /* take has more to give */
    bool any;          /* the message has a byte */
    bool is_last;      /* its last piece was given */
    bool at_boundary;  /* what was used of it ends with a block and a byte */
    bool has_ended;    /* zlib has seen a block marked as final and must be told to go on */
    bool tail_due;     /* the tail follows when the input is used up */
    uint8_t tail_sz;   /* how many bytes of the input at its end are the tail */
    uint8_t join[JOIN_SZ + TAIL_SZ];
};

struct tm_deflater {
    z_stream strm;
    zarena_t arena;
    bool takeover;
};

static void *zarena_alloc(void *opaque, unsigned cnt, unsigned sz)
{
    zarena_t *arena = opaque;
    size_t want = tm_align_up((size_t)cnt * sz, CHUNK_ALIGN);
    if (want > arena->cap_sz - arena->used_sz) return NULL;
    void *chunk = arena->base + arena->used_sz;
    arena->used_sz += want;
    return chunk;
}

/* zlib frees only at the end of a stream, and the arena goes as a whole. */
static void zarena_drop(void *opaque, void *chunk)
{
    (void)opaque;
    (void)chunk;
}

static uint8_t mem_level_of(const tm_deflate_terms_t *terms)
{
    return terms->mem_level ? terms->mem_level : TM_DEFLATE_MEM_LEVEL_DEFAULT;
}

static size_t deflate_arena_sz(const tm_deflate_terms_t *terms)
{
    return ((size_t)1 << (terms->out_window_bits + 2)) + ((size_t)1 << (mem_level_of(terms) + 9)) +
           DEFLATE_EXTRA_SZ;
}

/* The struct and its arena in one block. The arena is not cleared: pages never touched cost
   nothing. */
static void *block_new(size_t struct_sz, size_t arena_sz, zarena_t *arena)
{
    struct_sz = tm_align_up(struct_sz, CHUNK_ALIGN);
    uint8_t *block = aligned_alloc(CHUNK_ALIGN, tm_align_up(struct_sz + arena_sz, CHUNK_ALIGN));
    if (!block) return NULL;
    memset(block, 0, struct_sz);
    *arena = (zarena_t){.base = block + struct_sz, .cap_sz = arena_sz};
    return block;
}

static int open_failed(int rc, const char *what)
{
    return tm_error_set(rc == Z_STREAM_ERROR ? -EINVAL : -ENOMEM,
                        "permessage-deflate: zlib %s cannot start a stream to %s", zlibVersion(),
                        what);
}

int tm_inflater_open(tm_inflater_t **out, const tm_deflate_terms_t *terms)
{
    *out = NULL;
    uint8_t bits = terms->in_window_bits;
    if (bits < TM_DEFLATE_WINDOW_BITS_MIN || bits > TM_DEFLATE_WINDOW_BITS_MAX) return -EINVAL;
    zarena_t arena;
    tm_inflater_t *z = block_new(sizeof *z, INFLATE_ARENA_SZ, &arena);
    if (!z) return -ENOMEM;
    z->arena = arena;
    z->takeover = terms->in_takeover;
    z->strm = (z_stream){.zalloc = zarena_alloc, .zfree = zarena_drop, .opaque = &z->arena};
    /* The largest window, whatever was agreed: zlib holds a peer to a smaller one only where a
       piece of the message ends between, so what it accepts would depend on how the bytes arrive.
       It also reads old zlibs, which were asked for 8 bits, used 9 and said so nowhere. */
    int rc = inflateInit2(&z->strm, -TM_DEFLATE_WINDOW_BITS_MAX);
    if (rc != Z_OK) {
        free(z);
        return open_failed(rc, "inflate");
    }
    *out = z;
    return 0;
}

void tm_inflater_free(tm_inflater_t *z)
{
    free(z);
}

void tm_inflater_begin(tm_inflater_t *z)
{
    if (!z->takeover) {
        inflateReset(&z->strm);
        z->has_ended = false;
    }
    z->strm.avail_in = 0;
    z->any = z->is_last = z->tail_due = z->at_boundary = false;
    z->tail_sz = 0;
}

void tm_inflater_give(tm_inflater_t *z, const uint8_t *in, size_t in_sz, bool is_last)
{
    TM_DCHECK(z->strm.avail_in == 0 && in_sz <= UINT32_MAX, "a piece while one is in use");
    z->any = z->any || in_sz > 0;
    z->is_last = is_last;
    /* Without a byte there is no block that the tail could end: such a message is empty. zlib makes
       them where nothing was written since the last flush, so peers do send them. */
    z->tail_due = is_last && z->any;
    if (z->tail_due && in_sz <= JOIN_SZ) {
        /* One call into zlib instead of two: the usual message is short. */
        if (in_sz > 0) memcpy(z->join, in, in_sz);
        memcpy(z->join + in_sz, tail, TAIL_SZ);
        in = z->join;
        in_sz += TAIL_SZ;
        z->tail_sz = TAIL_SZ;
        z->tail_due = false;
    }
    z->strm.next_in = in;
    z->strm.avail_in = (uInt)in_sz;
}

/* The message has blocks marked as final, which it may: what follows one still refers to the window
   before it, so zlib is told to go on with that. Returns false where nothing of the message
   follows; the tail, which ends a block that was left open, is dropped then. */
static bool goes_on(tm_inflater_t *z)
{
    if (z->strm.avail_in == z->tail_sz) {
        z->strm.avail_in = 0;
        z->tail_due = false;
        return false;
    }
    inflateResetKeep(&z->strm);
    z->has_ended = false;
    return true;
}

/* Goes on until the input is used up, out is full or something is wrong: then what, else NULL. */
static const char *inflate_on(tm_inflater_t *z)
{
    z_stream *strm = &z->strm;
    while (strm->avail_out > 0) {
        if (z->has_ended && !goes_on(z)) break;
        int rc = inflate(strm, Z_SYNC_FLUSH);
        /* 128: at the end of a block; the low bits: how many of the last byte are not used. A call
           that could do nothing (Z_BUF_ERROR) has forgotten the 128. */
        if (rc == Z_OK) z->at_boundary = (strm->data_type & (128 | 63)) == 128;
        if (rc == Z_STREAM_END) {
            if (strm->avail_in < z->tail_sz) return "ends inside a block";
            z->has_ended = true;
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return "is not DEFLATE";
        } else if (strm->avail_in > 0 || strm->avail_out == 0 || !z->tail_due) {
            break;
        } else {
            strm->next_in = tail;
            strm->avail_in = z->tail_sz = TAIL_SZ;
            z->tail_due = false;
        }
    }
    bool is_used_up = strm->avail_out > 0 && z->is_last && z->any;
    return is_used_up && !z->has_ended && !z->at_boundary ? "ends inside a block" : NULL;
}

int tm_inflater_take(tm_inflater_t *z, uint8_t *out, size_t out_sz)
{
    uInt room = (uInt)(out_sz < INT32_MAX ? out_sz : INT32_MAX);
    z->strm.next_out = out;
    z->strm.avail_out = room;
    if (!z->wrong) z->wrong = inflate_on(z);
    int made = (int)(room - z->strm.avail_out);
    z->is_busy = z->wrong || z->strm.avail_out == 0;
    if (!z->wrong || made > 0) return made;
    const char *msg = z->strm.msg;
    return tm_error_set(TM_E_PROTOCOL, "WebSocket peer sent a compressed message that %s%s%s",
                        z->wrong, msg ? ": " : "", msg ? msg : "");
}

bool tm_inflater_is_busy(const tm_inflater_t *z)
{
    return z->is_busy;
}

int tm_deflater_open(tm_deflater_t **out, const tm_deflate_terms_t *terms)
{
    *out = NULL;
    uint8_t bits = terms->out_window_bits, mem_level = mem_level_of(terms);
    if (bits < TM_DEFLATE_OUT_WINDOW_BITS_MIN || bits > TM_DEFLATE_WINDOW_BITS_MAX ||
        mem_level > MEM_LEVEL_MAX || terms->level < 1 || terms->level > LEVEL_MAX) {
        return -EINVAL;
    }
    zarena_t arena;
    tm_deflater_t *z = block_new(sizeof *z, deflate_arena_sz(terms), &arena);
    if (!z) return -ENOMEM;
    z->arena = arena;
    z->takeover = terms->out_takeover;
    z->strm = (z_stream){.zalloc = zarena_alloc, .zfree = zarena_drop, .opaque = &z->arena};
    int rc = deflateInit2(&z->strm, terms->level, Z_DEFLATED, -bits, mem_level, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        free(z);
        return open_failed(rc, "deflate");
    }
    *out = z;
    return 0;
}

void tm_deflater_free(tm_deflater_t *z)
{
    free(z);
}

/* Stored blocks are the worst that zlib falls back to; at memory level 1 it makes one for every 127
   bytes, five bytes each. The rest is for the flush. */
size_t tm_deflater_bound(size_t in_sz)
{
    return in_sz + in_sz / 8 + in_sz / 64 + 64;
}

size_t tm_deflater_message(tm_deflater_t *z, const uint8_t *in, size_t in_sz, uint8_t *out)
{
    z_stream *strm = &z->strm;
    if (!z->takeover) deflateReset(strm);
    uInt room = (uInt)tm_deflater_bound(in_sz);
    strm->next_in = in;
    strm->avail_in = (uInt)in_sz;
    strm->next_out = out;
    strm->avail_out = room;
    int rc = deflate(strm, Z_SYNC_FLUSH);
    TM_CHECK(rc == Z_OK && strm->avail_in == 0 && strm->avail_out > 0,
             "zlib took more than the bound for %zu bytes", in_sz);
    size_t sz = room - strm->avail_out;
    TM_CHECK(sz > TAIL_SZ && memcmp(out + sz - TAIL_SZ, tail, TAIL_SZ) == 0,
             "zlib ended a flush otherwise than with an empty stored block");
    return sz - TAIL_SZ;
}
