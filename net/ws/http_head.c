#include "net/ws/http_head.h"

#include "base/error.h"

#include <string.h>
#include <strings.h>

enum { GOES_ON = 0, COMPLETE = 1 };

void tm_http_head_init(tm_http_head_t *head, tm_http_kind_t kind)
{
    /* The text is written before it is read: clearing its 16 KiB would be for nothing. */
    memset(head, 0, offsetof(tm_http_head_t, fields));
    head->kind = kind;
}

static bool is_token_byte(uint8_t b)
{
    if ((b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')) return true;
    return b != 0 && strchr("!#$%&'*+-.^_`|~", b) != NULL;
}

static bool is_token(tm_http_slice_t slice)
{
    for (size_t i = 0; i < slice.sz; i++) {
        if (!is_token_byte((uint8_t)slice.s[i])) return false;
    }
    return slice.sz > 0;
}

/* What may stand in a field value or a reason: printable bytes, blanks, bytes above ASCII. */
static bool is_text_byte(uint8_t b)
{
    return b == '\t' || (b >= 0x20 && b != 0x7f);
}

static const char *whose(const tm_http_head_t *head)
{
    return head->kind == TM_HTTP_RESPONSE ? "response" : "request";
}

static int refuse(tm_http_head_t *head, const char *what)
{
    head->err = tm_error_set(TM_E_PROTOCOL, "HTTP %s: %s", whose(head), what);
    return head->err;
}

static tm_http_slice_t slice(const char *from, const char *to)
{
    return (tm_http_slice_t){from, (size_t)(to - from)};
}

static bool is_version(tm_http_slice_t s)
{
    return s.sz == 8 && memcmp(s.s, "HTTP/", 5) == 0 && s.s[5] >= '0' && s.s[5] <= '9' &&
           s.s[6] == '.' && s.s[7] >= '0' && s.s[7] <= '9';
}

/* "HTTP/1.1 101 Switching Protocols"; the reason may be empty, the blank before it is sometimes
   left out with it. */
static int parse_status_line(tm_http_head_t *head, const char *line, const char *end)
{
    if (end - line < 12) return refuse(head, "the status line is too short");
    head->version = slice(line, line + 8);
    if (!is_version(head->version) || line[8] != ' ') {
        return refuse(head, "it does not begin with HTTP/<digit>.<digit>");
    }
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') return refuse(head, "the status is no number");
        status = status * 10 + (line[i] - '0');
    }
    if (status < 100 || status > 599) return refuse(head, "the status is not in 100..599");
    if (end - line > 12 && line[12] != ' ') return refuse(head, "the status has four digits");
    head->status = status;
    head->reason = end - line > 13 ? slice(line + 13, end) : slice(end, end);
    return GOES_ON;
}

/* "GET /path HTTP/1.1", single blanks. */
static int parse_request_line(tm_http_head_t *head, const char *line, const char *end)
{
    const char *first = memchr(line, ' ', (size_t)(end - line));
    const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    if (!second) return refuse(head, "the request line has not three parts");
    head->method = slice(line, first);
    head->target = slice(first + 1, second);
    head->version = slice(second + 1, end);
    if (!is_token(head->method)) return refuse(head, "the method is no token");
    if (head->target.sz == 0) return refuse(head, "the target is empty");
    for (size_t i = 0; i < head->target.sz; i++) {
        uint8_t b = (uint8_t)head->target.s[i];
        if (b <= 0x20 || b >= 0x7f) return refuse(head, "the target has a byte outside ASCII");
    }
    if (!is_version(head->version))
        return refuse(head, "it does not end with HTTP/<digit>.<digit>");
    return GOES_ON;
}

static int parse_field(tm_http_head_t *head, const char *line, const char *end)
{
    if (*line == ' ' || *line == '\t') return refuse(head, "a field goes on over a second line");
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon) return refuse(head, "a field without a colon");
    if (!is_token(slice(line, colon))) return refuse(head, "a field name that is no token");
    if (head->field_cnt == TM_HTTP_FIELD_MAX) {
        head->err = tm_error_set(TM_E_LIMIT, "HTTP %s: more than %d fields", whose(head),
                                 TM_HTTP_FIELD_MAX);
        return head->err;
    }
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    head->fields[head->field_cnt++] = (tm_http_field_t){
        .name_off = (uint16_t)(line - head->text),
        .name_sz = (uint16_t)(colon - line),
        .value_off = (uint16_t)(value - head->text),
        .value_sz = (uint16_t)(end - value),
    };
    return GOES_ON;
}

/* The line from line_off up to the CR LF that was just kept. */
static int end_line(tm_http_head_t *head)
{
    const char *line = head->text + head->line_off;
    const char *end = head->text + head->text_sz - 2;
    bool is_first = head->line_off == 0;
    head->line_off = head->text_sz;
    if (line == end) {
        if (is_first) return refuse(head, "it begins with an empty line");
        head->err = COMPLETE;
        return COMPLETE;
    }
    if (!is_first) return parse_field(head, line, end);
    return head->kind == TM_HTTP_RESPONSE ? parse_status_line(head, line, end)
                                          : parse_request_line(head, line, end);
}

static int take_byte(tm_http_head_t *head, uint8_t b)
{
    if (head->text_sz == TM_HTTP_HEAD_MAX) {
        head->err = tm_error_set(TM_E_LIMIT, "HTTP %s: the head is longer than %d bytes",
                                 whose(head), TM_HTTP_HEAD_MAX);
        return head->err;
    }
    /* The limit counts the line's CR LF. */
    if (head->text_sz - head->line_off == TM_HTTP_LINE_MAX) {
        head->err = tm_error_set(TM_E_LIMIT, "HTTP %s: a line is longer than %d bytes", whose(head),
                                 TM_HTTP_LINE_MAX);
        return head->err;
    }
    bool after_cr = head->text_sz > head->line_off && head->text[head->text_sz - 1] == '\r';
    if (after_cr && b != '\n') return refuse(head, "a CR without its LF");
    if (b == '\n' && !after_cr) return refuse(head, "an LF without its CR");
    if (b == 0) return refuse(head, "a NUL byte");
    if (b != '\r' && b != '\n' && !is_text_byte(b)) return refuse(head, "a control byte");
    head->text[head->text_sz++] = (char)b;
    return b == '\n' ? end_line(head) : GOES_ON;
}

int tm_http_head_feed(tm_http_head_t *head, const uint8_t *in, size_t in_sz, size_t *used_sz)
{
    *used_sz = 0;
    /* A head is read once a connection: a byte at a time is clear and fast enough. */
    while (head->err == GOES_ON && *used_sz < in_sz) {
        head->err = take_byte(head, in[*used_sz]);
        *used_sz += 1;
    }
    return head->err;
}

bool tm_http_slice_is(tm_http_slice_t s, const char *text)
{
    return s.s && strlen(text) == s.sz && strncasecmp(s.s, text, s.sz) == 0;
}

tm_http_slice_t tm_http_head_get(const tm_http_head_t *head, const char *name, uint32_t idx)
{
    for (uint32_t i = 0; i < head->field_cnt; i++) {
        const tm_http_field_t *field = &head->fields[i];
        tm_http_slice_t field_name = {head->text + field->name_off, field->name_sz};
        if (!tm_http_slice_is(field_name, name)) continue;
        if (idx == 0) return (tm_http_slice_t){head->text + field->value_off, field->value_sz};
        idx--;
    }
    return (tm_http_slice_t){0};
}

uint32_t tm_http_head_cnt(const tm_http_head_t *head, const char *name)
{
    uint32_t cnt = 0;
    while (tm_http_head_get(head, name, cnt).s) cnt++;
    return cnt;
}

bool tm_http_list_next(tm_http_slice_t *list, tm_http_slice_t *member)
{
    while (list->sz > 0) {
        const char *comma = memchr(list->s, ',', list->sz);
        const char *from = list->s;
        const char *to = comma ? comma : from + list->sz;
        size_t step = (size_t)(to - from) + (comma != NULL);
        list->s += step;
        list->sz -= step;
        while (from < to && (*from == ' ' || *from == '\t')) from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t')) to--;
        if (from == to) continue;
        *member = slice(from, to);
        return true;
    }
    return false;
}

bool tm_http_head_has_token(const tm_http_head_t *head, const char *name, const char *token)
{
    tm_http_slice_t list, member;
    for (uint32_t idx = 0; (list = tm_http_head_get(head, name, idx)).s; idx++) {
        while (tm_http_list_next(&list, &member)) {
            if (tm_http_slice_is(member, token)) return true;
        }
    }
    return false;
}

int64_t tm_http_head_number(const tm_http_head_t *head, const char *name)
{
    tm_http_slice_t text = tm_http_head_get(head, name, 0);
    int64_t v = 0;
    if (!text.s || text.sz == 0 || text.sz > 9) return -1;
    for (size_t i = 0; i < text.sz; i++) {
        if (text.s[i] < '0' || text.s[i] > '9') return -1;
        v = v * 10 + (text.s[i] - '0');
    }
    return v;
}

const char *tm_http_slice_show(tm_http_slice_t s, char *out, size_t out_sz)
{
    size_t sz = s.sz < out_sz - 1 ? s.sz : out_sz - 1;
    for (size_t i = 0; i < sz; i++) {
        char c = s.s[i];
        out[i] = '?';
        if (c >= 0x20 && c < 0x7f) out[i] = c;
    }
    out[sz] = '\0';
    return out;
}
