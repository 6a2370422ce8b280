#include "parse/paths/shape.h"
#include "parse/scan/kernels.h"

static uint64_t quotes64(const uint8_t *p, uint32_t sz)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < 64; i += 16) mask |= (uint64_t)tm_swar_quotes16(p + i) << i;
    return sz < 64 ? mask & ((1ull << sz) - 1) : mask;
}

uint64_t tm_shape_key_scalar(const uint8_t *bytes, uint32_t sz)
{
    uint64_t quotes[3] = {quotes64(bytes, sz), 0, 0};
    if (sz >= 64) {
        quotes[1] = quotes64(bytes + 64, sz - 64);
        quotes[2] = quotes64(bytes + sz - 64, 64);
    }
    return tm_shape_key(quotes, sz);
}

/* Plain loops over whole blocks, which compilers turn into whatever vectors they may use. */
static bool in_range(const tm_shape_t *s, const uint8_t *bytes)
{
    uint8_t above[TM_SHAPE_BLOCK] = {0};
    for (uint32_t i = 0; i < s->block_cnt; i++, bytes += TM_SHAPE_BLOCK) {
        const uint8_t *least = s->ranges[i][0], *span = s->ranges[i][1];
        for (uint32_t k = 0; k < TM_SHAPE_BLOCK; k++) {
            uint8_t over = (uint8_t)(bytes[k] - least[k]);
            above[k] |= (uint8_t)(over > span[k] ? 0xff : 0);
        }
    }
    uint64_t any = 0;
    for (uint32_t k = 0; k < TM_SHAPE_BLOCK; k += 8) any |= tm_swar_load(above + k);
    return any == 0;
}

const tm_shape_t *tm_shape_take_scalar(const tm_shapes_t *shapes, const uint8_t *bytes, uint32_t sz,
                                       void *result)
{
    const tm_shape_t *s = tm_shapes_slot(shapes, tm_shape_key_scalar(bytes, sz));
    if (TM_UNLIKELY(!s || !in_range(s, bytes))) return NULL;
    memcpy(result, tm_shapes_image(shapes, s), shapes->image_sz);
    for (uint32_t i = 0; i < s->lane_cnt; i++) {
        const tm_shape_lane_t *l = &s->lanes[i];
        const uint8_t *p = bytes + l->from;
        uint64_t v = tm_numeral_digits(p, l->whole_sz) * tm_powers_of_ten[l->scale];
        if (l->fraction_sz > 0)
            v += tm_numeral_digits(p + l->whole_sz + 1, l->fraction_sz) *
                 tm_powers_of_ten[l->scale - l->fraction_sz];
        int64_t value = (int64_t)v * l->factor;
        memcpy((uint8_t *)result + l->off, &value, sizeof value);
    }
    return s;
}
