/* Messages of all venues with something wrong in them: told by name, and the same on every path. */
#include "parse/venues/venues.h"
#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

#include <stdlib.h>

static rig_t rig;

/* What is wrong with books is told, and gives no rows at all. */
Test(venue_damage, faulty_books_are_dead_letters)
{
    static const char *const wrongs[][2] = {
        {"[[\"1\",\"2\"],[\"3\"]]", "bad_missing"},
        {"[[\"1\",\"2\"],[],[\"3\",\"4\"]]", "bad_missing"},
        {"[[\"1\",\"2\"],[\"3\",\"x\"]]", "bad_number"},
        {"[[\"1\",\"2\"],[\"3\",null]]", "bad_type"},
        {"[[\"1\",\"2\"],[\"3\",[]]]", "bad_type"},
        {"[[\"1\",\"2\"],7]", "bad_type"},
        {"7", "bad_type"},
        {"[[\"1\",\"2\"],[\"3\",\"0.000000001\"]]", "bad_range"},
        {"[[\"1\",\"2\"],[\"92233720368.54775808\",\"1\"]]", "bad_range"},
        {"[[\"1\",\"2\"],[\"3\",\"4\"]", "bad_syntax"},
    };
    rig_open(&rig);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(wrongs); i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"A\",\"U\":1,\"u\":2,\"b\":%s,\"a\":[]}",
                 wrongs[i][0]);
        tm_assert_str(rig_reason(&rig, text, strlen(text)), wrongs[i][1]);
    }
    rig_close(&rig);
}

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

/* Changes, removes or repeats a few bytes. */
static uint32_t damage(const char *from, uint8_t *to)
{
    static const char alphabet[] = "\"\"{}[]:,.0123456789-eEtn \\\n\x80\xc3";
    uint32_t sz = (uint32_t)strlen(from);
    memcpy(to, from, sz);
    for (uint32_t changes = draw(4); changes > 0 && sz > 8; changes--) {
        uint32_t at = draw(sz - 8), n = 1 + draw(6), what = draw(4);
        if (what == 0) to[at] = (uint8_t)alphabet[draw(sizeof alphabet - 1)];
        if (what == 1 && to[at] >= '0' && to[at] <= '9') to[at] = (uint8_t)('0' + draw(10));
        if (what == 2) memmove(to + at, to + at + n, sz - at - n);
        if (what == 2) sz -= n;
        if (what == 3) memmove(to + at + n, to + at, sz - at);
        if (what == 3) sz += n;
    }
    return sz;
}

Test(venue_damage, all_paths_agree_on_damaged_messages_of_all_venues)
{
    static const struct {
        const char *venue, *text;
    } forms[] = {
        {"bybit",
         "{\"topic\":\"publicTrade.A\",\"ts\":5,\"data\":[{\"T\":1,\"s\":\"A\",\"S\":\"Buy\","
         "\"v\":\"0.001\",\"p\":\"16578.50\",\"i\":\"22\"}]}"},
        {"bybit",
         "{\"topic\":\"orderbook.50.A\",\"type\":\"delta\",\"ts\":1,\"data\":{\"s\":\"A\",\"b\":[["
         "\"3\",\"4\"],[\"2\",\"0\"]],\"a\":[[\"5\",\"6\"]],\"u\":17,\"seq\":6}}"},
        {"bybit",
         "{\"topic\":\"orderBookL2_25.A\",\"type\":\"delta\",\"data\":{\"delete\":[{\"price\":"
         "\"1\",\"side\":\"Buy\"}],\"update\":[],\"insert\":[{\"price\":\"2\",\"side\":"
         "\"Sell\",\"size\":3}]},\"cross_seq\":8,\"timestamp_e6\":9}"},
        {"okx",
         "{\"arg\":{\"channel\":\"books\",\"instId\":\"A\"},\"action\":\"update\",\"data\":[{"
         "\"asks\":[[\"8\",\"4\",\"0\",\"13\"],[\"9\",\"7\",\"0\",\"2\"]],\"bids\":[],\"ts\":"
         "\"15\",\"checksum\":-8,\"prevSeqId\":-1,\"seqId\":1}]}"},
        {"okx",
         "{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"A\"},\"data\":[{\"asks\":[[\"1\",\"2\","
         "\"0\",\"2\"]],\"bids\":[],\"ts\":\"16\",\"seqId\":3}]}"},
        {"coinbase",
         "{\"channel\":\"l2_data\",\"client_id\":\"\",\"timestamp\":\"2023-02-09T20:32:50.714Z\","
         "\"sequence_num\":3,\"events\":[{\"type\":\"update\",\"product_id\":\"A\",\"updates\":[{"
         "\"side\":\"bid\",\"event_time\":\"1970-01-01T00:00:01Z\",\"price_level\":\"2\","
         "\"new_quantity\":\"0.06\"}]}]}"},
        {"coinbase",
         "{\"type\":\"l2update\",\"product_id\":\"A\",\"changes\":[[\"sell\",\"1\",\"2\"],["
         "\"buy\",\"3\",\"4\"]],\"time\":\"2021-04-17T16:43:37.075687Z\"}"},
        {"kraken",
         "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"A\",\"bids\":[{"
         "\"price\":0.5,\"qty\":1.25}],\"asks\":[],\"checksum\":21}]}"},
        {"kraken",
         "[1920,{\"a\":[[\"0.042990\",\"36.1\",\"16.9\"]]},{\"b\":[[\"0.04\",\"0\",\"16.92\","
         "\"r\"]],\"c\":\"41\"},\"book-1000\",\"SC/EUR\"]"},
    };
    const char *given = getenv("TM_SEED");
    seed = given ? strtoull(given, NULL, 10) : 20240808;
    fprintf(stderr, "# seed %llu\n", seed + 0ull);
    for (uint32_t f = 0; f < TM_ARRAY_CNT(forms); f++) {
        uint64_t rows = 0, rounds = 1500;
        rig_open_venue(&rig, tm_venue_find(forms[f].venue));
        for (uint64_t i = 0; i < rounds; i++) {
            uint8_t text[1024];
            uint32_t sz = damage(forms[f].text, text);
            rows += rig_feed(&rig, text, sz) > 0;
            for (uint32_t k = 1; k < RIG_CNT; k++)
                tm_assert_eq(rig_count(&rig, k, "dead_letters"),
                             rig_count(&rig, 0, "dead_letters"));
        }
        /* A quarter is not damaged at all. */
        tm_assert(rows >= rounds / 8 && rig_count(&rig, 0, "dead_letters") >= rounds / 8);
        rig_close(&rig);
    }
}
