#include "net/simulated/fault_frame.h"

#include <string.h>

/* Bytes up to the payload's end, or, where `fill` is set, a head with so many 'x' behind it. */
typedef struct bad_frame {
    const char *name;
    uint16_t code, deflate_code; /* the second one where deflate is in use; 0 = the same */
    uint16_t head_sz, fill;
    const char *head;
} bad_frame_t;

#define FRAME(bytes) .head = (bytes), .head_sz = sizeof(bytes) - 1

/* RFC 6455: 5.1 (masks), 5.2 (bits, opcodes, lengths), 5.4 (fragments), 5.5 (control frames), 7.4
   (close codes), 8.1 (UTF-8). */
static const bad_frame_t frames[] = {
    {"masked", 1002, 0, FRAME("\x81\x82\x01\x02\x03\x04zz")},
    {"rsv1", 1002, 0, FRAME("\xc9\x00")}, /* on a ping: with or without an extension it is wrong */
    {"rsv1-continuation", 1002, 0, FRAME("\x01\x01{\xc0\x01}")},
    {"not-deflate", 1002, 1007, FRAME("\xc1\x02\xff\xff")},     /* a block of an unknown kind */
    {"deflate-cut", 1002, 1007, FRAME("\xc1\x03\xf2\x48\xcd")}, /* ends inside a block */
    {"rsv2", 1002, 0, FRAME("\xa1\x02{}")},
    {"rsv3", 1002, 0, FRAME("\x91\x02{}")},
    {"opcode-3", 1002, 0, FRAME("\x83\x02{}")},
    {"opcode-4", 1002, 0, FRAME("\x84\x02{}")},
    {"opcode-5", 1002, 0, FRAME("\x85\x02{}")},
    {"opcode-6", 1002, 0, FRAME("\x86\x02{}")},
    {"opcode-7", 1002, 0, FRAME("\x87\x02{}")},
    {"opcode-11", 1002, 0, FRAME("\x8b\x02{}")},
    {"opcode-12", 1002, 0, FRAME("\x8c\x00")},
    {"opcode-13", 1002, 0, FRAME("\x8d\x02{}")},
    {"opcode-14", 1002, 0, FRAME("\x8e\x00")},
    {"opcode-15", 1002, 0, FRAME("\x8f\x00")},
    {"ping-fragment", 1002, 0, FRAME("\x09\x01x")},
    {"pong-fragment", 1002, 0, FRAME("\x0a\x00")},
    {"close-fragment", 1002, 0, FRAME("\x08\x02\x03\xe8")},
    {"ping-126", 1002, 0, FRAME("\x89\x7e\x00\x7e"), .fill = 126},
    {"ping-64k", 1002, 0, FRAME("\x89\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
    {"pong-126", 1002, 0, FRAME("\x8a\x7e\x00\x7e"), .fill = 126},
    {"close-126", 1002, 0, FRAME("\x88\x7e\x00\x7e\x03\xe8"), .fill = 124},
    {"length-16", 1002, 0, FRAME("\x81\x7e\x00\x02{}")},
    {"length-64", 1002, 0, FRAME("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02{}")},
    {"length-sign", 1002, 0, FRAME("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"huge", 1009, 0, FRAME("\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00")},
    {"continuation", 1002, 0, FRAME("\x80\x02{}")},
    {"nested", 1002, 0, FRAME("\x01\x01{\x81\x01}")},
    {"utf8", 1007, 0, FRAME("\x81\x04\"\xc0\xaf\"")},
    {"utf8-surrogate", 1007, 0, FRAME("\x81\x05\"\xed\xa0\x80\"")},
    {"utf8-cut", 1007, 0, FRAME("\x81\x03\"\xe2\x82")},
    {"utf8-range", 1007, 0, FRAME("\x81\x06\"\xf4\x90\x80\x80\"")},
    {"utf8-fragments", 1007, 0, FRAME("\x01\x03\"\xe2\x82\x80\x02\"}")},
    {"close-half", 1002, 0, FRAME("\x88\x01\x03")},
    {"close-0", 1002, 0, FRAME("\x88\x02\x00\x00")},
    {"close-1004", 1002, 0, FRAME("\x88\x02\x03\xec")},
    {"close-1005", 1002, 0, FRAME("\x88\x02\x03\xed")},
    {"close-1006", 1002, 0, FRAME("\x88\x02\x03\xee")},
    {"close-1015", 1002, 0, FRAME("\x88\x02\x03\xf7")},
    {"close-2999", 1002, 0, FRAME("\x88\x02\x0b\xb7")},
    {"close-999", 1002, 0, FRAME("\x88\x02\x03\xe7")},
    {"close-5000", 1002, 0, FRAME("\x88\x02\x13\x88")},
    {"close-utf8", 1007, 0, FRAME("\x88\x04\x03\xe8\xc0\xaf")},
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

uint16_t tm_fault_frame_code(uint32_t kind, bool deflate)
{
    const bad_frame_t *f = &frames[kind];
    return deflate && f->deflate_code ? f->deflate_code : f->code;
}

size_t tm_fault_frame_write(uint32_t kind, uint8_t out[TM_FAULT_FRAME_MAX])
{
    const bad_frame_t *f = &frames[kind];
    memcpy(out, f->head, f->head_sz);
    memset(out + f->head_sz, 'x', f->fill);
    return (size_t)f->head_sz + f->fill;
}
