#include "engine/runtime/source/lane.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t tm_lane_put(char text[TM_LANE_TEXT_MAX], const tm_feed_row_t *row)
{
    return (uint32_t)snprintf(text, TM_LANE_TEXT_MAX,
                              "group %u lane %u of %u addresses, address %u, trades %u, quotes %u",
                              row->group, row->lane, row->endpoint_cnt, row->entry, row->trade_rule,
                              row->quote_rule);
}

/* Steps over the label and the number behind it. */
static bool number_take(const char **at, const char *label, unsigned long max, unsigned long *out)
{
    const size_t label_sz = strlen(label);
    char *end;
    if (strncmp(*at, label, label_sz) != 0 || !isdigit((unsigned char)(*at)[label_sz]))
        return false;
    *out = strtoul(*at + label_sz, &end, 10);
    *at = end;
    return *out <= max;
}

bool tm_lane_take(tm_feed_row_t *row, const char *text, uint32_t text_sz)
{
    char copy[TM_LANE_TEXT_MAX];
    const char *at = copy;
    unsigned long group, lane, addresses, entry, trades, quotes;
    if (text_sz >= sizeof copy) return false;
    memcpy(copy, text, text_sz);
    copy[text_sz] = '\0';
    if (!number_take(&at, "group ", UINT16_MAX, &group) ||
        !number_take(&at, " lane ", UINT8_MAX, &lane) ||
        !number_take(&at, " of ", UINT8_MAX, &addresses) ||
        !number_take(&at, " addresses, address ", UINT8_MAX, &entry) ||
        !number_take(&at, ", trades ", TM_ID_CHAIN, &trades) ||
        !number_take(&at, ", quotes ", TM_ID_CHAIN, &quotes))
        return false;
    *row = (tm_feed_row_t){
        .row = {.kind = TM_ROW_FEED, .symbol = TM_SYMBOL_NONE, .event_ns = TM_TIME_NONE},
        .group = (uint16_t)group,
        .lane = (uint8_t)lane,
        .what = TM_FEED_UP,
        .trade_rule = (uint8_t)trades,
        .quote_rule = (uint8_t)quotes,
        .entry = (uint8_t)entry,
        .endpoint_cnt = (uint8_t)addresses};
    return true;
}
