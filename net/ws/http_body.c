#include "net/ws/http_body.h"

#include "base/error.h"

enum {
    DONE,
    UNTIL_END, /* of the connection */
    LENGTH,    /* bytes of a body whose length is known */
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_BYTES,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER,
    TRAILER_LF,
};

/* All lengths that are given, which must be one number. Returns 0 or TM_E_PROTOCOL. */
static int length_read(const tm_http_head_t *head, uint64_t *out)
{
    for (uint32_t i = 0; i < tm_http_head_cnt(head, "Content-Length"); i++) {
        tm_http_slice_t text = tm_http_head_get(head, "Content-Length", i);
        uint64_t v = 0;
        bool fine = text.sz > 0 && text.sz <= 15;
        for (size_t k = 0; fine && k < text.sz; k++) {
            fine = text.s[k] >= '0' && text.s[k] <= '9';
            v = v * 10 + (uint64_t)(text.s[k] - '0');
        }
        if (!fine || (i > 0 && v != *out))
            return tm_error_set(TM_E_PROTOCOL, "HTTP: Content-Length is not one number");
        *out = v;
    }
    return 0;
}

int tm_http_body_init(tm_http_body_t *b, const tm_http_head_t *head)
{
    uint32_t coding_cnt = tm_http_head_cnt(head, "Transfer-Encoding");
    bool has_length = tm_http_head_cnt(head, "Content-Length") > 0;
    *b = (tm_http_body_t){.state = UNTIL_END};
    TM_TRY(length_read(head, &b->left_sz));
    if (coding_cnt > 0) {
        tm_http_slice_t coding = tm_http_head_get(head, "Transfer-Encoding", 0);
        if (coding_cnt > 1 || has_length || !tm_http_slice_is(coding, "chunked"))
            return tm_error_set(TM_E_PROTOCOL,
                                "HTTP: a transfer coding other than chunked, or one with a length");
        b->state = CHUNK_SIZE;
    } else if (has_length) {
        b->state = b->left_sz > 0 ? LENGTH : DONE;
    }
    if (head->status == 204 || head->status == 304 || head->status / 100 == 1) b->state = DONE;
    return 0;
}

bool tm_http_body_is_whole(const tm_http_body_t *b)
{
    return b->state == DONE;
}

bool tm_http_body_ends_here(const tm_http_body_t *b)
{
    return b->state == UNTIL_END;
}

static int bad_chunk(void)
{
    return tm_error_set(TM_E_PROTOCOL, "HTTP: a chunk that breaks the grammar");
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int chunk_size_take(tm_http_body_t *b, uint8_t c)
{
    int digit = hex(c);
    if (digit >= 0) {
        if (b->left_sz >> 40) return tm_error_set(TM_E_LIMIT, "HTTP: a chunk of 16 TiB or more");
        b->left_sz = b->left_sz << 4 | (uint64_t)digit;
        b->digits = true;
        return 0;
    }
    if (!b->digits || (c != '\r' && c != ';' && c != ' ' && c != '\t')) return bad_chunk();
    b->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return 0;
}

/* What stands between the chunks is read a byte at a time and not looked at. */
static int between_take(tm_http_body_t *b, uint8_t c)
{
    switch (b->state) {
    case CHUNK_SIZE:
        return chunk_size_take(b, c);
    case CHUNK_EXTENSION:
        if (c == '\r') b->state = CHUNK_SIZE_LF;
        break;
    case CHUNK_SIZE_LF:
        if (c != '\n') return bad_chunk();
        b->state = b->left_sz > 0 ? CHUNK_BYTES : TRAILER;
        b->blank = true;
        return 0;
    case CHUNK_CR:
        if (c != '\r') return bad_chunk();
        b->state = CHUNK_LF;
        return 0;
    case CHUNK_LF:
        if (c != '\n') return bad_chunk();
        b->state = CHUNK_SIZE;
        b->digits = false;
        return 0;
    case TRAILER:
        if (c == '\r')
            b->state = TRAILER_LF;
        else
            b->blank = false;
        break;
    default: /* TRAILER_LF */
        if (c != '\n') return bad_chunk();
        b->state = b->blank ? DONE : TRAILER;
        b->blank = true;
        return 0;
    }
    if (c == '\n') return bad_chunk();
    if (++b->other_sz > TM_HTTP_LINE_MAX)
        return tm_error_set(TM_E_LIMIT, "HTTP: extensions and trailers of more than %d bytes",
                            TM_HTTP_LINE_MAX);
    return 0;
}

static bool gives_bytes(const tm_http_body_t *b)
{
    return b->state == UNTIL_END || b->state == LENGTH || b->state == CHUNK_BYTES;
}

int tm_http_body_feed(tm_http_body_t *b, const uint8_t *in, size_t in_sz, size_t *used_sz,
                      const uint8_t **run, size_t *run_sz)
{
    size_t at = 0;
    *run = in;
    *run_sz = *used_sz = 0;
    while (at < in_sz && b->state != DONE && !gives_bytes(b)) TM_TRY(between_take(b, in[at++]));
    if (at < in_sz && gives_bytes(b)) {
        size_t sz = in_sz - at;
        if (b->state != UNTIL_END && sz > b->left_sz) sz = (size_t)b->left_sz;
        *run = in + at;
        *run_sz = sz;
        at += sz;
        if (b->state != UNTIL_END) b->left_sz -= sz;
        if (b->state == LENGTH && b->left_sz == 0) b->state = DONE;
        if (b->state == CHUNK_BYTES && b->left_sz == 0) b->state = CHUNK_CR;
    }
    *used_sz = at;
    return b->state == DONE;
}
