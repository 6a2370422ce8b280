#include "base/error.h"
#include "state/parquet/thrift.h"
#include "tests/tm_test.h"

/* Bytes by hand from the compact protocol's description: field headers hold the id's difference and
   the type, integers are zigzag varints. */
Test(thrift, structs_have_the_bytes_of_the_specification)
{
    static const uint8_t want[] = {
        0x15, 0x02,             /* 1: i32 1 */
        0x11,                   /* 2: true */
        0x18, 0x02, 'h',  'i',  /* 3: "hi" */
        0x05, 0xc8, 0x01, 0x01, /* 100: i32 -1, long form of the header */
        0x19, 0x25, 0x06, 0x05, /* 101: list of two i32: 3, -3 */
        0x1c, 0x16, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 102: {1: i64 min} */
        0x00, 0x00,
    };
    tm_buffer_t bytes = {0};
    tm_thrift_out_t out;
    tm_thrift_out_init(&out, &bytes);
    tm_thrift_struct(&out);
    tm_thrift_field_i32(&out, 1, 1);
    tm_thrift_field_bool(&out, 2, true);
    tm_thrift_field_binary(&out, 3, "hi", 2);
    tm_thrift_field_i32(&out, 100, -1);
    tm_thrift_field_list(&out, 101, TM_THRIFT_I32, 2);
    tm_thrift_item_int(&out, 3);
    tm_thrift_item_int(&out, -3);
    tm_thrift_field_struct(&out, 102);
    tm_thrift_field_i64(&out, 1, INT64_MIN);
    tm_thrift_end(&out);
    tm_thrift_end(&out);
    tm_assert_eq(out.err, 0);
    tm_assert_eq(bytes.sz, sizeof want);
    tm_assert(memcmp(bytes.data, want, sizeof want) == 0);
    tm_buffer_free(&bytes);
}

/* Reads everything that write_all() writes, or stops with an error. */
static int read_all(const uint8_t *src, size_t sz, uint32_t *seen)
{
    tm_thrift_in_t in;
    tm_thrift_field_t f;
    size_t text_sz;
    tm_thrift_in_init(&in, src, sz);
    tm_thrift_enter(&in);
    while (tm_thrift_next(&in, &f)) {
        if (f.id == 1 && tm_thrift_int(&in, &f) == -77)
            *seen |= 1;
        else if (f.id == 20 && tm_thrift_list(&in, &f, TM_THRIFT_BINARY) == 20) {
            for (int i = 0; i < 20; i++)
                tm_thrift_binary(&in, &(tm_thrift_field_t){.type = TM_THRIFT_BINARY}, &text_sz);
            *seen |= 2;
        } else if (f.id == 21 && !tm_thrift_bool(&in, &f))
            *seen |= 4;
        else
            tm_thrift_skip(&in, &f);
    }
    return in.err;
}

static void write_all(tm_buffer_t *bytes)
{
    tm_thrift_out_t out;
    tm_thrift_out_init(&out, bytes);
    tm_thrift_struct(&out);
    tm_thrift_field_i64(&out, 1, -77);
    tm_thrift_field_struct(&out, 2); /* unknown to the reader */
    tm_thrift_field_list(&out, 1, TM_THRIFT_TRUE, 3);
    for (int i = 0; i < 3; i++) tm_thrift_item_bool(&out, i == 1);
    tm_thrift_field_list(&out, 2, TM_THRIFT_STRUCT, 1);
    tm_thrift_struct(&out);
    tm_thrift_field_i8(&out, 1, -1);
    tm_thrift_end(&out);
    tm_thrift_end(&out);
    tm_thrift_field_list(&out, 20, TM_THRIFT_BINARY, 20);
    for (int i = 0; i < 20; i++) tm_thrift_item_binary(&out, "text", 4);
    tm_thrift_field_bool(&out, 21, false);
    tm_thrift_end(&out);
}

Test(thrift, readers_skip_what_they_do_not_know)
{
    tm_buffer_t bytes = {0};
    uint32_t seen = 0;
    write_all(&bytes);
    tm_assert_eq(read_all(bytes.data, bytes.sz, &seen), 0);
    tm_assert_eq(seen, 7u);
    tm_buffer_free(&bytes);
}

Test(thrift, every_cut_is_an_error_and_no_read_behind_the_end)
{
    tm_buffer_t bytes = {0};
    write_all(&bytes);
    for (size_t sz = 0; sz < bytes.sz; sz++) {
        uint32_t seen = 0;
        uint8_t *copy = malloc(sz ? sz : 1); /* its own block, so that ASan sees an over-read */
        memcpy(copy, bytes.data, sz);
        tm_assert_eq(read_all(copy, sz, &seen), TM_E_CORRUPT);
        free(copy);
    }
    tm_buffer_free(&bytes);
}

Test(thrift, nesting_is_limited)
{
    uint8_t deep[64];
    uint32_t seen = 0;
    memset(deep, 0x1c, sizeof deep); /* a struct in a struct in a struct ... */
    tm_assert_eq(read_all(deep, sizeof deep, &seen), TM_E_CORRUPT);
    memset(deep, 0x19, sizeof deep); /* a list of lists of lists ... */
    tm_assert_eq(read_all(deep, sizeof deep, &seen), TM_E_CORRUPT);
}
