/* net/ws/http_head.h - one HTTP/1.1 message head out of a byte stream, by the grammar of RFC 9112.
   Flow     bytes -> [head] -> http_upgrade
   Strict   refused: bare CR or LF, NUL and other control bytes, obs-fold, blanks around a field
            name, a start line that is not the grammar's
   Units    *_sz, *_off: bytes
   Memory   the caller owns the struct (about 18 KiB); allocates nothing
   Threads  one owner
   Errors   TM_E_PROTOCOL or TM_E_LIMIT with a text; a failed head stays failed
   Limits   TM_HTTP_LINE_MAX a line, TM_HTTP_HEAD_MAX a head, TM_HTTP_FIELD_MAX fields
   Tests    tests/net/test_http_head.c, tests/fuzz/fuzz_http.c */
#ifndef TM_NET_HTTP_HEAD_H
#define TM_NET_HTTP_HEAD_H

#include "base/types.h"

enum { TM_HTTP_LINE_MAX = 8 << 10, TM_HTTP_HEAD_MAX = 16 << 10, TM_HTTP_FIELD_MAX = 100 };

/* Bytes inside the head's text; not NUL-terminated. */
typedef struct tm_http_slice {
    const char *s;
    size_t sz;
} tm_http_slice_t;

typedef struct tm_http_field {
    uint16_t name_off, name_sz;
    uint16_t value_off, value_sz; /* without the blanks around it */
} tm_http_field_t;

typedef enum tm_http_kind { TM_HTTP_REQUEST, TM_HTTP_RESPONSE } tm_http_kind_t;

typedef struct tm_http_head {
    tm_http_kind_t kind;
    int err;           /* sticky result: 0 going on, 1 complete, below 0 failed */
    uint32_t text_sz;  /* bytes kept in text */
    uint32_t line_off; /* where the line that is being read starts */
    uint32_t field_cnt;
    int status;              /* response */
    tm_http_slice_t method;  /* request */
    tm_http_slice_t target;  /* request */
    tm_http_slice_t reason;  /* response; may be empty */
    tm_http_slice_t version; /* "HTTP/1.1" */
    tm_http_field_t fields[TM_HTTP_FIELD_MAX];
    char text[TM_HTTP_HEAD_MAX];
} tm_http_head_t;

void tm_http_head_init(tm_http_head_t *head, tm_http_kind_t kind);

/* Takes bytes up to the end of the head; *used_sz tells how many, and what follows them belongs to
   whatever comes after the head. Returns 1 = the head is complete, 0 = more is needed (all bytes
   are used), TM_E_PROTOCOL, TM_E_LIMIT. A line is judged as soon as it ends, a byte that can stand
   nowhere at once. */
int tm_http_head_feed(tm_http_head_t *head, const uint8_t *in, size_t in_sz,
                      size_t *used_sz) TM_MUST_CHECK;

/* The idx-th field of that name (case does not count), or a slice with s = NULL. */
tm_http_slice_t tm_http_head_get(const tm_http_head_t *head, const char *name, uint32_t idx);

/* How many fields have that name. */
uint32_t tm_http_head_cnt(const tm_http_head_t *head, const char *name);

/* True where a comma list over all fields of that name holds the token (case does not count). */
bool tm_http_head_has_token(const tm_http_head_t *head, const char *name, const char *token);

/* The first field of that name as a whole number, -1 where it is none (a date) or not there. */
int64_t tm_http_head_number(const tm_http_head_t *head, const char *name);

/* Steps through a comma list: cuts the next member that is not empty off *list. False at its
   end. */
bool tm_http_list_next(tm_http_slice_t *list, tm_http_slice_t *member);

/* True where both are equal but for case. */
bool tm_http_slice_is(tm_http_slice_t slice, const char *text);

/* Copies a slice for an error text: cut to out_sz - 1, bytes outside printable ASCII become '?'.
   Returns out. */
const char *tm_http_slice_show(tm_http_slice_t slice, char *out, size_t out_sz);

#endif
