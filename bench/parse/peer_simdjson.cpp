// simdjson's On-Demand front end on the same job, written the way its documentation advises: one
// parser for all messages, padded input used in place, fields asked for in the order of the
// message. TM_PEER_IMPLEMENTATION names one of its implementations; without, it picks its best.
#include "bench/parse/parse_peer.h"
#include "bench/parse/peer_values.hpp"

#include <simdjson.h>

#include <string>

namespace
{

using namespace simdjson;

uint64_t text_e8(ondemand::value v)
{
    return uint64_t(peer::decimal_e8(v.get_string().value()));
}

uint64_t trade(ondemand::object &o)
{
    uint64_t sum = o.find_field_unordered("E").get_uint64().value() * 1000000;
    sum += peer::symbol(o.find_field_unordered("s").get_string().value());
    sum += o.find_field_unordered("t").get_uint64().value();
    sum += text_e8(o.find_field_unordered("p").value());
    sum += text_e8(o.find_field_unordered("q").value());
    sum += o.find_field_unordered("T").get_uint64().value() * 1000000;
    return sum + (o.find_field_unordered("m").get_bool().value() ? 2 : 1);
}

uint64_t quote(ondemand::object &o, bool timed)
{
    uint64_t sum = o.find_field_unordered("u").get_uint64().value();
    sum += peer::symbol(o.find_field_unordered("s").get_string().value());
    for (const char *key : {"b", "B", "a", "A"})
        sum += text_e8(o.find_field_unordered(key).value());
    if (timed) sum += o.find_field_unordered("T").get_uint64().value() * 1000000;
    return sum;
}

uint64_t levels(ondemand::value array, uint64_t side)
{
    uint64_t sum = 0;
    for (ondemand::value level : array.get_array()) {
        for (ondemand::value text : level.get_array()) sum += text_e8(text);
        sum += side;
    }
    return sum;
}

// A batch of levels, or a whole book. Field by field: asking for T, which spot has not, would
// search all the levels for it.
uint64_t depth(ondemand::object &o)
{
    uint64_t sum = 0, sent = 0, matched = 0;
    (void)o.reset().value();
    for (ondemand::field field : o) {
        ondemand::raw_json_string key = field.key();
        if (key == "E") sent = field.value().get_uint64();
        if (key == "T") matched = field.value().get_uint64();
        if (key == "s") sum += peer::symbol(field.value().get_string().value());
        if (key == "U" || key == "u" || key == "lastUpdateId")
            sum += field.value().get_uint64().value();
        if (key == "b" || key == "bids") sum += levels(field.value(), 1);
        if (key == "a" || key == "asks") sum += levels(field.value(), 2);
    }
    return sum + (matched ? matched : sent) * 1000000;
}

ondemand::parser *parser;

const implementation *wanted()
{
#ifdef TM_PEER_IMPLEMENTATION
    const implementation *i = get_available_implementations()[TM_PEER_IMPLEMENTATION];
    return i && i->supported_by_runtime_system() ? i : nullptr;
#else
    return get_active_implementation();
#endif
}

const char *name()
{
    static std::string text;
    if (!wanted()) return nullptr;
    std::string version = SIMDJSON_STRINGIFY(SIMDJSON_VERSION); // quoted in newer versions
    if (version.front() == '"') version = version.substr(1, version.size() - 2);
    text = "simdjson " + version + " " + wanted()->name();
    return text.c_str();
}

// The parser keeps the implementation that is active when it gets its memory.
void reset()
{
    const implementation *before = get_active_implementation();
    peer::symbols_reset();
    delete parser;
    parser = new ondemand::parser;
    get_active_implementation() = wanted();
    (void)!parser->allocate(1 << 20);
    get_active_implementation() = before;
}

uint64_t sum(const char *message, size_t sz, size_t capacity)
{
    ondemand::document doc = parser->iterate(padded_string_view(message, sz, capacity));
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
        uint64_t id;
        if (o.find_field_unordered("lastUpdateId").get_uint64().get(id) == SUCCESS) return depth(o);
        return quote(o, false);
    }
    if (kind == "trade") return trade(o);
    if (kind == "bookTicker") return quote(o, true);
    return kind == "depthUpdate" ? depth(o) : 0;
}

} // namespace

const tm_parse_peer_t tm_parse_peer = {name, reset, sum};
