/* net/simulated/venue_request.h - the JSON requests that clients of the venue send, and the errors
   they get.
   Flow     WebSocket text -> [venue_request] -> venue_client.c
   Source   Binance spot API documentation, web-socket-streams: methods, error codes and texts; the
            nesting in "error" is how the exchange sends them
   Memory   parameters point into the text
   Threads  no state
   Errors   a request that cannot be done has `code` >= 0 and the text of the reply
   Limits   TM_VENUE_PARAM_MAX parameters
   Tests    tests/net/test_venue_request.c */
#ifndef TM_NET_VENUE_REQUEST_H
#define TM_NET_VENUE_REQUEST_H

#include "base/types.h"

enum { TM_VENUE_PARAM_MAX = 1024, TM_VENUE_ERROR_SZ_MAX = 240, TM_VENUE_ID_SZ_MAX = 64 };

typedef enum tm_venue_method {
    TM_VENUE_SUBSCRIBE,
    TM_VENUE_UNSUBSCRIBE,
    TM_VENUE_LIST_SUBSCRIPTIONS,
    TM_VENUE_SET_PROPERTY,
    TM_VENUE_GET_PROPERTY,
    TM_VENUE_METHOD_CNT,
} tm_venue_method_t;

typedef enum tm_venue_param_kind {
    TM_VENUE_PARAM_STRING,
    TM_VENUE_PARAM_TRUE,
    TM_VENUE_PARAM_FALSE,
    TM_VENUE_PARAM_OTHER,
} tm_venue_param_kind_t;

typedef struct tm_venue_param {
    tm_venue_param_kind_t kind;
    const char *s; /* without quotes; escapes are left as they are */
    size_t sz;
} tm_venue_param_t;

typedef struct tm_venue_request {
    tm_venue_method_t method;
    char id[TM_VENUE_ID_SZ_MAX]; /* as the reply repeats it, quotes included; "null" */
    uint32_t param_cnt;
    int code; /* -1 = fine, else 0..3 */
    char msg[TM_VENUE_ERROR_SZ_MAX];
    tm_venue_param_t params[TM_VENUE_PARAM_MAX];
} tm_venue_request_t;

/* Fills the request from one message. Returns true where it can be done. */
bool tm_venue_request_parse(tm_venue_request_t *request, const char *text, size_t sz);

/* Writes {"error":{"code":..,"msg":".."},"id":..}. Returns bytes, at most out_sz. */
size_t tm_venue_request_error(const tm_venue_request_t *request, char *out, size_t out_sz);

#endif
