#include "engine/runtime/source/lane.h"

#include <stdio.h>
#include <string.h>

uint32_t tm_lane_put(char text[TM_LANE_TEXT_MAX], const tm_feed_row_t *row)
{
    return (uint32_t)snprintf(text, TM_LANE_TEXT_MAX,
                              "group %u lane %u of %u addresses, address %u, trades %u, quotes %u",
                              row->group, row->lane, row->endpoint_cnt, row->entry, row->trade_rule,
                              row->quote_rule);
}

bool tm_lane_take(tm_feed_row_t *row, const char *text, uint32_t text_sz)
{
    char copy[TM_LANE_TEXT_MAX];
    unsigned group, lane, addresses, entry, trades, quotes;
    if (text_sz >= sizeof copy) return false;
    memcpy(copy, text, text_sz);
    copy[text_sz] = '\0';
    if (sscanf(copy, "group %5u lane %3u of %3u addresses, address %3u, trades %1u, quotes %1u",
               &group, &lane, &addresses, &entry, &trades, &quotes) != 6)
        return false;
    if (group > UINT16_MAX || lane > UINT8_MAX || addresses > UINT8_MAX || entry > UINT8_MAX ||
        trades > TM_ID_CHAIN || quotes > TM_ID_CHAIN)
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
