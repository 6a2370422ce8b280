// simdjson's DOM as the witness.
#include "tests/fuzz/json_peer.h"

#include <simdjson.h>

using namespace simdjson;

namespace
{
dom::parser parser;
dom::element root;
} // namespace

tm_peer_verdict_t tm_peer_json_parse(const uint8_t *message, size_t sz)
{
    padded_string text(reinterpret_cast<const char *>(message), sz);
    error_code error = parser.parse(text).get(root);
    if (error == SUCCESS) return TM_PEER_ACCEPTS;
    bool unsure = error == NUMBER_ERROR || error == STRING_ERROR || error == DEPTH_ERROR;
    return unsure ? TM_PEER_UNSURE : TM_PEER_REFUSES;
}

tm_peer_value_t tm_peer_json_at(const char *pointer)
{
    tm_peer_value_t v = {};
    dom::element e;
    if (root.at_pointer(pointer).get(e) != SUCCESS) return v;
    std::string_view text;
    switch (e.type()) {
    case dom::element_type::NULL_VALUE:
        v.kind = TM_PEER_NULL;
        break;
    case dom::element_type::BOOL:
        v.kind = TM_PEER_BOOL;
        v.i64 = e.get_bool().value_unsafe();
        break;
    case dom::element_type::INT64:
        v.kind = TM_PEER_I64;
        v.i64 = e.get_int64().value_unsafe();
        break;
    case dom::element_type::UINT64:
        v.kind = TM_PEER_U64;
        v.u64 = e.get_uint64().value_unsafe();
        break;
    case dom::element_type::DOUBLE:
        v.kind = TM_PEER_DOUBLE;
        v.f64 = e.get_double().value_unsafe();
        break;
    case dom::element_type::STRING:
        v.kind = TM_PEER_TEXT;
        text = e.get_string().value_unsafe();
        v.text = text.data();
        v.text_sz = text.size();
        break;
    default:
        v.kind = TM_PEER_CONTAINER;
    }
    return v;
}
