/* parse/venues/fields.h - how a venue's file writes its tables: places in rows by name.
   Flow     venues/<venue>.c
   Names    TRADE(m), QUOTE(m) ... are the places of member m of the row; MUST and MAY say whether a
            message without the field is wrong; OUTER and PART whose key it is; ROWS(SCHEMA, fields)
            is a kind's row and its fields */
#ifndef TM_PARSE_VENUES_FIELDS_H
#define TM_PARSE_VENUES_FIELDS_H

#include "parse/dialect.h"
#include "parse/venues/venues.h"

#define HEADER(m)      offsetof(tm_row_t, m)
#define TRADE(m)       offsetof(tm_trade_t, m)
#define QUOTE(m)       offsetof(tm_quote_t, m)
#define AGG_TRADE(m)   offsetof(tm_agg_trade_t, m)
#define DEPTH(m)       offsetof(tm_depth_t, m)
#define LEVEL(m)       offsetof(tm_level_t, m)
#define MARK(m)        offsetof(tm_mark_t, m)
#define LIQUIDATION(m) offsetof(tm_liquidation_t, m)
#define NOTICE(m)      offsetof(tm_notice_t, m)
#define BAR(m)         offsetof(tm_bar_t, m)
#define TICKER(m)      offsetof(tm_ticker_t, m)

#define MUST  .required = true
#define MAY   .required = false
#define OUTER .scope = TM_SCOPE_OUTER
#define PART  .scope = TM_SCOPE_PART

#define ROWS(SCHEMA, table)                                                                        \
    .schema_id = TM_SCHEMA_ID_##SCHEMA, .fields = (table), .field_cnt = TM_ARRAY_CNT(table)
#define LEVELS(table) .levels = (table), .level_cnt = TM_ARRAY_CNT(table)

/* A notice without fields of its own but those of `table`. */
#define SAYS(WHAT, table)                                                                          \
    .preset_off = offsetof(tm_notice_t, what), .preset = TM_NOTICE_##WHAT, ROWS(NOTICE, table)

#endif
