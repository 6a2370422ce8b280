#include "net/fault_frame.h"

#include <string.h>

/* Bytes up to the payload's end, or, where `fill` is set, a head with so many 'x' behind it. */
typedef struct bad_frame {
    const char *name;
    uint16_t code;
    uint16_t head_sz, fill;
    const char *head;
} bad_frame_t;

#define FRAME(bytes) .head = (bytes), .head_sz = sizeof(bytes) - 1

/* RFC 6455: 5.1 (masks), 5.2 (bits, opcodes, lengths), 5.4 (fragments), 5.5 (control frames), 7.4
   (close codes), 8.1 (UTF-8). */
static const bad_frame_t frames[] = {
    {"masked", 1002, FRAME("\x81\x82\x01\x02\x03\x04zz")},
    {"rsv1", 1002, FRAME("\xc9\x00")}, /* on a ping: with or without an extension it is wrong */
    {"rsv2", 1002, FRAME("\xa1\x02{}")},
    {"rsv3", 1002, FRAME("\x91\x02{}")},
    {"opcode-3", 1002, FRAME("\x83\x02{}")},
    {"opcode-7", 1002, FRAME("\x87\x02{}")},
    {"opcode-11", 1002, FRAME("\x8b\x02{}")},
    {"opcode-15", 1002, FRAME("\x8f\x00")},
    {"ping-fragment", 1002, FRAME("\x09\x01x")},
    {"ping-126", 1002, FRAME("\x89\x7e\x00\x7e"), .fill = 126},
    {"close-126", 1002, FRAME("\x88\x7e\x00\x7e\x03\xe8"), .fill = 124},
    {"length-16", 1002, FRAME("\x81\x7e\x00\x02{}")},
    {"length-64", 1002, FRAME("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02{}")},
    {"length-sign", 1002, FRAME("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"huge", 1009, FRAME("\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00")},
    {"continuation", 1002, FRAME("\x80\x02{}")},
    {"nested", 1002, FRAME("\x01\x01{\x81\x01}")},
    {"utf8", 1007, FRAME("\x81\x04\"\xc0\xaf\"")},
    {"utf8-surrogate", 1007, FRAME("\x81\x05\"\xed\xa0\x80\"")},
    {"utf8-cut", 1007, FRAME("\x81\x03\"\xe2\x82")},
    {"close-half", 1002, FRAME("\x88\x01\x03")},
    {"close-1005", 1002, FRAME("\x88\x02\x03\xed")},
    {"close-999", 1002, FRAME("\x88\x02\x03\xe7")},
    {"close-5000", 1002, FRAME("\x88\x02\x13\x88")},
    {"close-utf8", 1007, FRAME("\x88\x04\x03\xe8\xc0\xaf")},
};

uint32_t tm_fault_frame_cnt(void)
{
    return TM_ARRAY_CNT(frames);
}

const char *tm_fault_frame_name(uint32_t kind)
{
    return frames[kind].name;
}

int tm_fault_frame_find(const char *name, size_t sz)
{
    for (uint32_t i = 0; i < TM_ARRAY_CNT(frames); i++)
        if (strlen(frames[i].name) == sz && memcmp(frames[i].name, name, sz) == 0) return (int)i;
    return -1;
}

uint16_t tm_fault_frame_code(uint32_t kind)
{
    return frames[kind].code;
}

size_t tm_fault_frame_write(uint32_t kind, uint8_t out[TM_FAULT_FRAME_MAX])
{
    const bad_frame_t *f = &frames[kind];
    memcpy(out, f->head, f->head_sz);
    memset(out + f->head_sz, 'x', f->fill);
    return (size_t)f->head_sz + f->fill;
}
