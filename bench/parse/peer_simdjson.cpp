// simdjson's On-Demand front end on the same job, written the way its documentation advises: one
// parser for all messages, padded input used in place, fields asked for in the order of the
// message.
#include "bench/parse/parse_peer.h"

#include <simdjson.h>

#include <cstring>
#include <string>

namespace
{

using namespace simdjson;

// Digits, a point, digits: exact, scaled by 1e8. Good enough for messages known to be well-formed.
int64_t decimal_e8(std::string_view text)
{
    uint64_t v = 0;
    size_t i = 0;
    bool minus = !text.empty() && text[0] == '-';
    for (i = minus; i < text.size() && text[i] != '.'; i++) v = v * 10 + uint64_t(text[i] - '0');
    int fraction = 0;
    for (i++; i < text.size() && fraction < 8; i++, fraction++)
        v = v * 10 + uint64_t(text[i] - '0');
    for (; fraction < 8; fraction++) v *= 10;
    return minus ? -int64_t(v) : int64_t(v);
}

struct slot {
    char text[16];
    uint32_t sz, number;
};
slot slots[4096];
uint32_t cnt;

// Open addressing; the bench's symbols are few and short.
uint32_t symbol(std::string_view name)
{
    uint64_t lo = 0, hi = 0;
    std::memcpy(&lo, name.data(), name.size() < 8 ? name.size() : 8);
    if (name.size() > 8) std::memcpy(&hi, name.data() + 8, name.size() < 16 ? name.size() - 8 : 8);
    uint64_t at = ((lo ^ hi * 31) * 0x9e3779b97f4a7c15ull) >> 52;
    for (;; at = (at + 1) & 4095) {
        slot &s = slots[at];
        if (s.sz == 0) {
            std::memcpy(s.text, name.data(), name.size() < 16 ? name.size() : 16);
            s.sz = uint32_t(name.size());
            s.number = cnt++;
        }
        if (s.sz == name.size() && std::memcmp(s.text, name.data(), name.size()) == 0)
            return s.number;
    }
}

uint64_t trade(ondemand::object &o)
{
    uint64_t sum = o.find_field_unordered("E").get_uint64().value() * 1000000;
    sum += symbol(o.find_field_unordered("s").get_string().value());
    sum += o.find_field_unordered("t").get_uint64().value();
    sum += uint64_t(decimal_e8(o.find_field_unordered("p").get_string().value()));
    sum += uint64_t(decimal_e8(o.find_field_unordered("q").get_string().value()));
    sum += o.find_field_unordered("T").get_uint64().value() * 1000000;
    return sum + (o.find_field_unordered("m").get_bool().value() ? 2 : 1);
}

uint64_t quote(ondemand::object &o, bool timed)
{
    uint64_t sum = o.find_field_unordered("u").get_uint64().value();
    sum += symbol(o.find_field_unordered("s").get_string().value());
    for (const char *key : {"b", "B", "a", "A"})
        sum += uint64_t(decimal_e8(o.find_field_unordered(key).get_string().value()));
    if (timed) sum += o.find_field_unordered("T").get_uint64().value() * 1000000;
    return sum;
}

uint64_t levels(ondemand::array array, uint64_t side)
{
    uint64_t sum = 0;
    for (ondemand::array level : array)
        for (std::string_view text : level) sum += uint64_t(decimal_e8(text)) * side;
    return sum;
}

uint64_t depth(ondemand::object &o)
{
    uint64_t sum = o.find_field_unordered("E").get_uint64().value() * 1000000, matched;
    if (o.find_field_unordered("T").get_uint64().get(matched) == SUCCESS) sum = matched * 1000000;
    sum += symbol(o.find_field_unordered("s").get_string().value());
    sum += o.find_field_unordered("U").get_uint64().value();
    sum += o.find_field_unordered("u").get_uint64().value();
    sum += levels(o.find_field_unordered("b").get_array().value(), 1);
    return sum + levels(o.find_field_unordered("a").get_array().value(), 2);
}

/* The answer to a request for a whole book. */
uint64_t book(ondemand::object &o, uint64_t last_id)
{
    uint64_t sum = last_id, matched;
    std::string_view name;
    if (o.find_field_unordered("T").get_uint64().get(matched) == SUCCESS) sum += matched * 1000000;
    sum += o.find_field_unordered("symbol").get_string().get(name) == SUCCESS ? symbol(name)
                                                                              : UINT32_MAX;
    sum += levels(o.find_field_unordered("bids").get_array().value(), 1);
    return sum + levels(o.find_field_unordered("asks").get_array().value(), 2);
}

} // namespace

const char *tm_peer_simdjson_name(void)
{
    static std::string name = std::string("simdjson ") + SIMDJSON_STRINGIFY(SIMDJSON_VERSION) +
                              " " + get_active_implementation()->name();
    return name.c_str();
}

void tm_peer_simdjson_reset(void)
{
    std::memset(slots, 0, sizeof slots);
    cnt = 0;
}

uint64_t tm_peer_simdjson(const char *message, size_t sz, size_t capacity)
{
    static ondemand::parser parser;
    ondemand::document doc = parser.iterate(padded_string_view(message, sz, capacity));
    ondemand::object o = doc.get_object();
    // The first key tells the wrapper from the raw form.
    ondemand::value data;
    bool wrapped = message[2] == 's' && message[3] == 't';
    if (wrapped) {
        if (o.find_field("data").get(data) != SUCCESS) return 0;
        o = data.get_object();
    }
    std::string_view kind;
    if (o.find_field_unordered("e").get_string().get(kind) != SUCCESS) {
        uint64_t snapshot;
        if (o.find_field_unordered("lastUpdateId").get_uint64().get(snapshot) == SUCCESS)
            return book(o, snapshot);
        return quote(o, false);
    }
    if (kind == "trade") return trade(o);
    if (kind == "bookTicker") return quote(o, true);
    if (kind == "depthUpdate") return depth(o);
    return 0;
}
