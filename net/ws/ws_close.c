#include "net/ws/ws.h"

/* The registry that RFC 6455 opened at IANA; 1004 is reserved without a meaning. */
static const struct {
    uint16_t code;
    bool may_be_sent;
    const char *name;
} registered[] = {
    {1000, true, "normal closure"},     {1001, true, "going away"},
    {1002, true, "protocol error"},     {1003, true, "unsupported data"},
    {1004, false, "reserved"},          {1005, false, "no code received"},
    {1006, false, "abnormal closure"},  {1007, true, "invalid payload"},
    {1008, true, "policy violation"},   {1009, true, "message too big"},
    {1010, true, "extension required"}, {1011, true, "internal error"},
    {1012, true, "service restart"},    {1013, true, "try again later"},
    {1014, true, "bad gateway"},        {1015, false, "TLS handshake failed"},
};

bool tm_ws_close_code_is_valid(uint16_t code)
{
    if (code >= 3000 && code <= 4999) return true;
    for (size_t i = 0; i < TM_ARRAY_CNT(registered); i++) {
        if (registered[i].code == code) return registered[i].may_be_sent;
    }
    return false;
}

const char *tm_ws_close_code_name(uint16_t code)
{
    if (code >= 3000 && code <= 3999) return "registered by a library";
    if (code >= 4000 && code <= 4999) return "private to the server";
    for (size_t i = 0; i < TM_ARRAY_CNT(registered); i++) {
        if (registered[i].code == code) return registered[i].name;
    }
    return "unassigned";
}
