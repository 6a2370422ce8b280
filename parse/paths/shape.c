#include "parse/paths/shape.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

enum {
    YOUNG_CNT = 2 * TM_SHAPE_SLOTS, /* shapes learned without ration: enough for a day's sizes */
    RATION = 128,                   /* then one of so many messages that fitted none */
    TRIAL_CNT = 4096,               /* messages after which it is asked whether shapes pay */
    TRIAL_FOUND_MIN = TRIAL_CNT / 4,
    PAUSE_CNT = 16 * TRIAL_CNT,
};

int tm_shapes_open(tm_shapes_t *shapes, uint32_t result_sz)
{
    memset(shapes, 0, sizeof *shapes);
    shapes->image_sz = (uint32_t)tm_align_up(result_sz, 64);
    size_t slots_sz = TM_SHAPE_SLOTS * sizeof shapes->slots[0];
    size_t images_sz = (size_t)TM_SHAPE_SLOTS * shapes->image_sz;
    shapes->slots = aligned_alloc(64, slots_sz + images_sz);
    if (!shapes->slots) return tm_error_set(-ENOMEM, "shapes: no memory for them");
    shapes->images = (uint8_t *)shapes->slots + slots_sz;
    return 0;
}

void tm_shapes_close(tm_shapes_t *shapes)
{
    free(shapes->slots);
    shapes->slots = NULL;
}

bool tm_shapes_may_learn(tm_shapes_t *shapes)
{
    if (shapes->asked_cnt >= TRIAL_CNT) {
        if (shapes->found_cnt < TRIAL_FOUND_MIN) shapes->pause = PAUSE_CNT;
        shapes->asked_cnt = shapes->found_cnt = 0;
    }
    if (shapes->pause > 0) return false;
    if (shapes->learned_cnt < YOUNG_CNT) return true;
    if (shapes->ration > 0) {
        shapes->ration--;
        return false;
    }
    shapes->ration = RATION;
    return true;
}

/* A shape in the making. */
typedef struct maker {
    tm_shape_t *shape;
    const uint8_t *bytes;
} maker_t;

static void range_set(maker_t *m, uint32_t at, uint8_t least, uint8_t most)
{
    uint8_t(*range)[TM_SHAPE_BLOCK] = m->shape->ranges[at / TM_SHAPE_BLOCK];
    range[0][at % TM_SHAPE_BLOCK] = least;
    range[1][at % TM_SHAPE_BLOCK] = (uint8_t)(most - least);
}

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9;
}

/* The inside of a string: ranges of bytes that stand for themselves. Escapes and UTF-8 stay as they
   are. */
static void free_string(maker_t *m, const tm_value_t *v)
{
    for (uint32_t i = v->from; i < v->to; i++) {
        uint8_t c = m->bytes[i];
        if (c >= '#' && c <= '[') range_set(m, i, '#', '[');
        if (c >= ']' && c <= 0x7f) range_set(m, i, ']', 0x7f);
    }
    /* An escape is more than its backslash. */
    if (v->type == TM_VALUE_ESCAPED)
        for (uint32_t i = v->from; i < v->to; i++) range_set(m, i, m->bytes[i], m->bytes[i]);
}

/* Any digits in place of those there; a number of several starts with none that is zero. */
static void free_digits(maker_t *m, const tm_value_t *v)
{
    uint32_t first = v->from + (m->bytes[v->from] == '-');
    for (uint32_t i = first; i < v->to; i++)
        if (is_digit(m->bytes[i])) range_set(m, i, '0', '9');
    if (v->type == TM_VALUE_NUMBER && first + 1 < v->to && is_digit(m->bytes[first + 1]))
        range_set(m, first, '1', '9');
    else if (v->type == TM_VALUE_NUMBER)
        range_set(m, first, '0', '9');
}

/* Whether any number of so many digits, times the factor, fits an int64_t; where those of a lower
   first digit do, *most is lowered to it. */
static bool product_fits(uint32_t digit_cnt, int64_t factor, uint8_t *most)
{
    int64_t unit = factor < 0 ? -factor : factor, room = unit;
    for (uint32_t i = 0; i + 1 < digit_cnt; i++)
        if (__builtin_mul_overflow(room, 10, &room)) return false;
    int64_t top = INT64_MAX / room; /* of one digit more, this is what the first may stay below */
    if (top < 2) return false;
    if (top < 10) *most = (uint8_t)('0' + top - 1);
    return true;
}

static bool number(maker_t *m, const tm_shape_part_t *part)
{
    tm_shape_t *s = m->shape;
    const tm_value_t *v = &part->value;
    bool minus = m->bytes[v->from] == '-';
    uint32_t from = v->from + minus, whole = from, scale = part->scale;
    while (whole < v->to && is_digit(m->bytes[whole])) whole++;
    uint32_t whole_sz = whole - from, fraction_sz = 0;
    if (whole < v->to) {
        if (m->bytes[whole] != '.') return false;
        fraction_sz = v->to - whole - 1;
        if (fraction_sz == 0) return false;
    }
    for (uint32_t i = whole + 1; i < v->to; i++)
        if (!is_digit(m->bytes[i])) return false;
    uint32_t kept = fraction_sz < scale ? fraction_sz : scale;
    bool fits = whole_sz > 0 && whole_sz + scale <= 16 && whole_sz + (kept > 0) + kept <= 16;
    uint8_t most = '9';
    if (!fits || s->lane_cnt == TM_SHAPE_LANE_MAX) return false;
    if (!product_fits(whole_sz + scale, part->factor, &most)) return false;

    tm_value_t body = *v;
    body.from = from;
    free_digits(m, &body);
    uint8_t *least = &s->ranges[from / TM_SHAPE_BLOCK][0][from % TM_SHAPE_BLOCK];
    range_set(m, from, *least, most);
    /* Digits that the scale has no place for must be zero. */
    for (uint32_t i = kept; i < fraction_sz; i++) {
        if (m->bytes[whole + 1 + i] != '0') return false;
        range_set(m, whole + 1 + i, '0', '0');
    }
    tm_shape_lane_t *l = &s->lanes[s->lane_cnt++];
    *l = (tm_shape_lane_t){.factor = minus ? -part->factor : part->factor,
                           .from = (uint16_t)from,
                           .off = part->off,
                           .whole_sz = (uint8_t)whole_sz,
                           .fraction_sz = (uint8_t)kept,
                           .scale = (uint8_t)scale};
    memset(l->shuffle, 0x80, sizeof l->shuffle);
    for (uint32_t i = 0; i < whole_sz; i++) l->shuffle[16 - scale - whole_sz + i] = (uint8_t)i;
    for (uint32_t i = 0; i < kept; i++) l->shuffle[16 - scale + i] = (uint8_t)(whole_sz + 1 + i);
    return true;
}

static bool text(maker_t *m, const tm_shape_part_t *part)
{
    tm_shape_t *s = m->shape;
    const tm_value_t *v = &part->value;
    if (v->type != TM_VALUE_STRING || s->text_cnt == TM_SHAPE_TEXT_MAX) return false;
    free_string(m, v);
    s->texts[s->text_cnt++] = (tm_shape_text_t){.from = (uint16_t)v->from,
                                                .sz = (uint16_t)(v->to - v->from),
                                                .off = part->off,
                                                .field = part->field};
    return true;
}

static bool part_make(maker_t *m, const tm_shape_part_t *part)
{
    switch (part->use) {
    case TM_SHAPE_NUMBER:
        return number(m, part);
    case TM_SHAPE_TEXT:
        return text(m, part);
    case TM_SHAPE_FREE:
        if (part->value.type == TM_VALUE_NUMBER) free_digits(m, &part->value);
        if (part->value.type == TM_VALUE_STRING) free_string(m, &part->value);
        return true;
    case TM_SHAPE_FIXED:
        break;
    }
    return true;
}

tm_shape_t *tm_shapes_learn(tm_shapes_t *shapes, const tm_shape_message_t *message)
{
    const uint8_t *bytes = message->bytes;
    uint32_t sz = message->sz;
    tm_shape_t made = {.sz = (uint16_t)sz};
    maker_t m = {&made, bytes};
    if (sz == 0 || sz > TM_SHAPE_SZ_MAX) return NULL;
    shapes->learned_cnt++;
    /* An odd number of blocks: sizes that differ a little take the same number of steps, and the
       last one stays within the padding of a frame. */
    made.block_cnt = (uint8_t)(((sz + TM_SHAPE_BLOCK - 1) / TM_SHAPE_BLOCK) | 1);
    for (uint32_t i = 0; i < made.block_cnt * TM_SHAPE_BLOCK; i++)
        range_set(&m, i, i < sz ? bytes[i] : 0, i < sz ? bytes[i] : 0xff);
    for (uint32_t i = 0; i < message->part_cnt; i++)
        if (!part_make(&m, &message->parts[i])) return NULL;
    if (made.lane_cnt % 2) {
        made.lanes[made.lane_cnt] = made.lanes[made.lane_cnt - 1];
        made.lane_cnt++;
    }
    uint64_t idx = message->key >> (64 - TM_SHAPE_SLOT_BITS);
    shapes->slots[idx] = made;
    shapes->keys[idx] = message->key;
    memcpy(shapes->images + idx * shapes->image_sz, message->image, shapes->image_sz);
    return &shapes->slots[idx];
}
