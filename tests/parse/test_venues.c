/* One message of every kind in the forms that the venues document today, and what it gives. */
#include "base/schema.h"
#include "parse/dialect.h"
#include "parse/venues/venues.h"
#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

#define RECV 1700000000000000000ll

static rig_t rig;

static const char *symbol_of(const void *row)
{
    return tm_symbols_name(rig.symbols[0], ((const tm_row_t *)row)->symbol, NULL);
}

/* The same message three times: the first teaches, the others may take a fast path. Returns its
   rows; `lines` is how many cache lines they must take. */
static const tm_market_row_t *rows_of(const char *text, uint32_t lines)
{
    for (int i = 0; i < 3; i++) {
        uint32_t n = rig_text(&rig, text);
        if (n != lines) fprintf(stderr, "# %u lines, not %u: %s\n", n, lines, text);
        tm_assert_eq(n, lines);
    }
    for (uint32_t i = 0; i < RIG_CNT; i++) tm_assert_eq(rig_count(&rig, i, "dead_letters"), 0u);
    return rig.rows[0];
}

static bool is_null(const void *row, const char *name)
{
    const tm_schema_t *s = tm_schema_market(((const tm_row_t *)row)->schema_id);
    int i = tm_schema_find(s, name);
    uint64_t nulls;
    tm_assert(i >= 0 && s->fields[i].nullable);
    memcpy(&nulls, (const uint8_t *)row + s->null_off, sizeof nulls);
    return nulls >> s->fields[i].null_bit & 1;
}

static tm_i128_t wide(const uint64_t words[2])
{
    return (tm_i128_t)((tm_u128_t)words[1] << 64 | words[0]);
}

static void is_level(const tm_market_row_t *r, int64_t price_e8, int64_t qty_e8, uint8_t side)
{
    tm_assert_eq(r->row.schema_id, TM_SCHEMA_ID_LEVEL);
    tm_assert_eq(r->level.price_e8, price_e8);
    tm_assert_eq(r->level.qty_e8, qty_e8);
    tm_assert_eq(r->level.side, side);
}

/* ---- Binance --------------------------------------------------------------------------------- */

Test(venues, binance_depth_updates_give_a_head_and_levels)
{
    rig_open(&rig);
    const tm_market_row_t *r = rows_of(WRAP("btcusdt@depth@100ms", DEPTH), 5);
    const tm_depth_t *d = &r->depth;
    tm_assert_eq(d->row.schema_id, TM_SCHEMA_ID_DEPTH);
    tm_assert_str(symbol_of(d), "BTCUSDT");
    tm_assert_eq(d->row.event_ns, 1723161255208000000ll);
    tm_assert_eq(d->row.recv_ns, RECV);
    tm_assert_eq(d->first_id, 50093239189u);
    tm_assert_eq(d->last_id, 50093239202u);
    tm_assert_eq(d->prev_id, 0u);
    tm_assert_eq(d->level_cnt, 4);
    tm_assert_eq(d->snapshot, 0);
    tm_assert_eq(d->chain, TM_CHAIN_RANGE);
    is_level(&r[1], 6173763000000, 0, TM_SIDE_BUY);
    is_level(&r[3], 5685458000000, 0, TM_SIDE_BUY);
    is_level(&r[4], 6183764000000, 154698000, TM_SIDE_SELL);
    tm_assert_eq(r[4].level.first_id, 50093239189u);
    tm_assert_eq(r[4].level.last_id, 50093239202u);
    tm_assert_eq(r[4].row.event_ns, 1723161255208000000ll);
    tm_assert_str(symbol_of(&r[4]), "BTCUSDT");
    tm_assert_eq(r[3].level.last, 0);
    tm_assert_eq(r[4].level.last, 1);
    /* Futures: chained by pu, T is the event's time, and fields come without notice. */
    r = rows_of(
        "{\"e\":\"depthUpdate\",\"E\":1723161257440,\"T\":1723161257432,\"s\":\"BTCUSD_PERP\","
        "\"ps\":\"BTCUSD\",\"U\":1007198631260,\"u\":1007198631565,\"pu\":1007198631198,"
        "\"b\":[],\"a\":[],\"st\":1}",
        1);
    tm_assert_eq(r->depth.prev_id, 1007198631198u);
    tm_assert_eq(r->depth.chain, TM_CHAIN_PREV);
    tm_assert_eq(r->depth.row.event_ns, 1723161257432000000ll);
    tm_assert_eq(r->depth.level_cnt, 0);
    rig_close(&rig);
}

Test(venues, binance_partial_books_take_the_symbol_of_their_stream)
{
    rig_open(&rig);
    const tm_market_row_t *r = rows_of(WRAP("bnbbtc@depth20@100ms", SNAPSHOT), 3);
    tm_assert_str(symbol_of(r), "BNBBTC");
    tm_assert_eq(r->depth.snapshot, 1);
    tm_assert_eq(r->depth.last_id, 160u);
    tm_assert_eq(r->depth.row.event_ns, RECV);
    is_level(&r[1], 240000, 1000000000, TM_SIDE_BUY);
    is_level(&r[2], 260000, 10000000000, TM_SIDE_SELL);
    tm_assert_eq(r[2].level.snapshot, 1);
    r = rows_of(SNAPSHOT, 3);
    tm_assert_eq(r->row.symbol, TM_SYMBOL_NONE);
    /* On futures only the stream's name tells a partial book from an update. */
    tm_assert_eq(rows_of(WRAP("btcusdt@depth5@100ms", DEPTH), 5)->depth.snapshot, 1);
    tm_assert_eq(rows_of(WRAP("btcusdt@depth@100ms", DEPTH), 5)->depth.snapshot, 0);
    rig_close(&rig);
}

Test(venues, binance_aggregate_trades_and_mark_prices)
{
    rig_open(&rig);
    const tm_agg_trade_t *t = &rows_of(AGG_TRADE, 1)->agg_trade;
    tm_assert_eq(t->row.schema_id, TM_SCHEMA_ID_AGG_TRADE);
    tm_assert_eq(t->agg_id, 12345u);
    tm_assert_eq(t->price_e8, 100000);
    tm_assert_eq(t->first_trade_id, 100u);
    tm_assert_eq(t->trade_cnt, 6);
    tm_assert_eq(t->side, TM_SIDE_SELL);
    const tm_mark_t *m = (const tm_mark_t *)rows_of(MARK_PRICE, 1);
    tm_assert_eq(m->mark_px_e8, 2815510000000);
    tm_assert_eq(m->index_px_e8, 2816504857143);
    tm_assert_eq(m->settle_px_e8, 2814147600845);
    tm_assert_eq(m->funding_rate_e8, 2760);
    tm_assert_eq(m->next_funding_ns, 1680652800000000000ll);
    /* A delivery contract has no funding. */
    m = (const tm_mark_t *)rows_of(
        "[{\"e\":\"markPriceUpdate\",\"E\":5,\"s\":\"BTCUSD_210625\",\"p\":\"1\",\"r\":\"\"}]", 1);
    tm_assert_eq(m->funding_rate_e8, 0);
    tm_assert_eq(m->next_funding_ns, TM_TIME_NONE);
    rig_close(&rig);
}

Test(venues, binance_bars_tickers_and_liquidations)
{
    rig_open(&rig);
    const tm_bar_t *b = (const tm_bar_t *)rows_of(KLINE, 3);
    tm_assert_str(symbol_of(b), "BNBBTC");
    tm_assert_eq(b->row.event_ns, 1672515782136000000ll);
    tm_assert_eq(b->open_ns, 1672515780000000000ll);
    tm_assert_eq(b->close_ns, 1672515839999000000ll);
    tm_assert_eq(b->interval_ns, 60 * TM_NS_PER_S);
    tm_assert_eq(b->open_e8, 100000);
    tm_assert_eq(b->high_e8, 250000);
    tm_assert_eq(b->low_e8, 150000);
    tm_assert_eq(b->close_e8, 200000);
    tm_assert(wide(b->volume_e8) == 100000000000ll);
    tm_assert(wide(b->taker_quote_volume_e8) == 50000000);
    tm_assert_eq(b->first_trade_id, 100u);
    tm_assert_eq(b->closed, 0);
    tm_assert_eq(b->nulls, 0u);
    const tm_market_row_t *r = rows_of(WRAP("!miniTicker@arr", "[" MINI_TICKER "," MINI_TICKER "]"),
                                       8);
    const tm_ticker_t *t = (const tm_ticker_t *)&r[4];
    tm_assert_str(symbol_of(t), "SHIBUSDT");
    tm_assert(wide(t->volume_e8) == (tm_i128_t)2345678901234ll * 100000000);
    tm_assert(is_null(t, "bid_price") && is_null(t, "trade_count") && !is_null(t, "open"));
    t = (const tm_ticker_t *)rows_of(TICKER_24H, 4);
    tm_assert_eq(t->change_pct_e8, 25000000000);
    tm_assert_eq(t->bid_px_e8, 240000);
    tm_assert_eq(t->open_ns, 0);
    tm_assert_eq(t->trade_cnt, 18151u);
    tm_assert_eq(t->nulls, 0u);
    const tm_liquidation_t *l = (const tm_liquidation_t *)rows_of(FORCE_ORDER, 1);
    tm_assert_str(symbol_of(l), "BTCUSDT");
    tm_assert_eq(l->row.event_ns, 1568014460890000000ll);
    tm_assert_eq(l->side, TM_SIDE_SELL);
    tm_assert_eq(l->price_e8, 991000000000);
    tm_assert_eq(l->avg_px_e8, 991250000000);
    tm_assert_eq(l->filled_qty_e8, 1200000);
    rig_close(&rig);
}

static void is_notice(const char *text, tm_notice_what_t what, uint64_t id, int64_t code)
{
    const tm_notice_t *n = (const tm_notice_t *)rows_of(text, 1);
    tm_assert_eq(n->row.schema_id, TM_SCHEMA_ID_NOTICE);
    tm_assert_eq(n->what, (int64_t)what);
    tm_assert_eq(n->id, id);
    tm_assert_eq(n->code, code);
}

Test(venues, binance_says_things_about_the_connection)
{
    rig_open(&rig);
    is_notice("{\"result\":null,\"id\":312}", TM_NOTICE_REPLY, 312, 0);
    is_notice("{\"result\":[\"btcusdt@aggTrade\"],\"id\":\"mine\"}", TM_NOTICE_REPLY, 0, 0);
    is_notice("{\"error\":{\"code\":2,\"msg\":\"Invalid request\"},\"id\":20}", TM_NOTICE_ERROR, 20,
              2);
    is_notice("{\"code\":-1121,\"msg\":\"Invalid symbol.\",\"id\":7}", TM_NOTICE_ERROR, 7, -1121);
    is_notice("{\"e\":\"serverShutdown\",\"E\":1770123456789}", TM_NOTICE_SHUTDOWN, 0, 0);
    is_notice(WRAP("!serverShutdown", "{\"e\":\"serverShutdown\",\"E\":1770123456789}"),
              TM_NOTICE_SHUTDOWN, 0, 0);
    rig_close(&rig);
}

/* ---- Bybit ----------------------------------------------------------------------------------- */

Test(venues, bybit_v5_trades_books_tickers_and_bars)
{
    rig_open_venue(&rig, tm_venue_bybit());
    const tm_market_row_t *r = rows_of(
        "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1672304486868,\"data\":[{"
        "\"T\":1672304486865,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.001\",\"p\":\"16578.50\","
        "\"L\":\"PlusTick\",\"i\":\"20f43950-d8dd-5b31-9112-a178eb6023af\",\"BT\":false,"
        "\"seq\":1783284617},{\"T\":1672304486866,\"s\":\"BTCUSDT\",\"S\":\"Sell\",\"v\":\"2\","
        "\"p\":\"16578\",\"i\":\"2290000000061666327\",\"BT\":false}]}",
        2);
    tm_assert_eq(r->trade.trade_id, 0x20f43950d8dd5b31u);
    tm_assert_eq(r->trade.price_e8, 1657850000000);
    tm_assert_eq(r->trade.side, TM_SIDE_BUY);
    tm_assert_eq(r->trade.row.event_ns, 1672304486865000000ll);
    tm_assert_eq(r->trade.publish_ns, 1672304486868000000ll);
    tm_assert_eq(r[1].trade.trade_id, 2290000000061666327u);
    tm_assert_eq(r[1].trade.side, TM_SIDE_SELL);
    r = rows_of(
        "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":1687940967466,\"data\":{"
        "\"s\":\"BTCUSDT\",\"b\":[[\"30247.20\",\"30.028\"],[\"30245.40\",\"0\"]],\"a\":[["
        "\"30248.70\",\"0\"]],\"u\":177400507,\"seq\":66544703342},\"cts\":1687940967464}",
        4);
    tm_assert_eq(r->depth.last_id, 177400507u);
    tm_assert_eq(r->depth.chain, TM_CHAIN_STEP);
    tm_assert_eq(r->depth.snapshot, 0);
    tm_assert_eq(r->row.event_ns, 1687940967464000000ll);
    is_level(&r[1], 3024720000000, 3002800000, TM_SIDE_BUY);
    is_level(&r[3], 3024870000000, 0, TM_SIDE_SELL);
    r = rows_of("{\"topic\":\"orderbook.1.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":{\"s\":"
                "\"BTCUSDT\",\"b\":[[\"1\",\"2\"]],\"a\":[],\"u\":1,\"seq\":1}}",
                2);
    tm_assert_eq(r->depth.snapshot, 1);
    const tm_ticker_t *t = (const tm_ticker_t *)rows_of(
        "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"data\":{\"symbol\":\"BTCUSDT\","
        "\"bid1Price\":\"17215.50\",\"bid1Size\":\"84.489\",\"fundingRate\":\"-0.000212\"},\"cs\":"
        "24987956059,\"ts\":1673272861686}",
        4);
    tm_assert_eq(t->bid_px_e8, 1721550000000);
    tm_assert(is_null(t, "ask_price") && !is_null(t, "bid_qty"));
    const tm_bar_t *b = (const tm_bar_t *)rows_of(
        "{\"topic\":\"kline.5.BTCUSDT\",\"data\":[{\"start\":1672324800000,\"end\":1672325099999,"
        "\"interval\":\"5\",\"open\":\"16649.5\",\"close\":\"16677\",\"high\":\"16677\",\"low\":"
        "\"16608\",\"volume\":\"2.081\",\"turnover\":\"34666.4005\",\"confirm\":false,"
        "\"timestamp\":1672324988882}],\"ts\":1672324988882,\"type\":\"snapshot\"}",
        3);
    tm_assert_str(symbol_of(b), "BTCUSDT");
    tm_assert_eq(b->interval_ns, 300 * TM_NS_PER_S);
    tm_assert_eq(b->close_e8, 1667700000000);
    tm_assert(is_null(b, "trade_count"));
    is_notice(
        "{\"success\":true,\"ret_msg\":\"subscribe\",\"conn_id\":\"2324d924\",\"req_id\":\"\","
        "\"op\":\"subscribe\"}",
        TM_NOTICE_REPLY, 0, 0);
    is_notice(
        "{\"req_id\":\"100001\",\"op\":\"pong\",\"args\":[\"1675418560633\"],\"conn_id\":\"c\"}",
        TM_NOTICE_HEARTBEAT, 100001, 0);
    rig_close(&rig);
}

/* ---- OKX ------------------------------------------------------------------------------------- */

Test(venues, okx_v5_trades_books_and_best_prices)
{
    rig_open_venue(&rig, tm_venue_okx());
    const tm_market_row_t *r = rows_of(
        "{\"arg\":{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"},"
        "\"data\":[{\"instId\":\"BTC-USDT\","
        "\"tradeId\":\"130639474\",\"px\":\"42219.9\",\"sz\":\"0.12060306\",\"side\":\"buy\","
        "\"ts\":"
        "\"1630048897897\",\"count\":\"3\"}]}",
        1);
    tm_assert_eq(r->trade.trade_id, 130639474u);
    tm_assert_eq(r->trade.qty_e8, 12060306);
    r = rows_of(
        "{\"arg\":{\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\"action\":\"snapshot\","
        "\"data\":[{\"asks\":[[\"8476.98\",\"415\",\"0\",\"13\"],[\"8477\",\"7\",\"0\",\"2\"]],"
        "\"bids\":[[\"8476.97\",\"256\",\"0\",\"12\"]],\"ts\":\"1597026383085\",\"checksum\":"
        "-855196043,\"prevSeqId\":-1,\"seqId\":123456}]}",
        4);
    tm_assert_str(symbol_of(r), "BTC-USDT");
    tm_assert_eq(r->depth.snapshot, 1);
    tm_assert_eq(r->depth.last_id, 123456u);
    tm_assert_eq(r->depth.prev_id, 0u);
    tm_assert_eq(r->depth.checksum, 4294967296 - 855196043);
    is_level(&r[1], 847697000000, 25600000000, TM_SIDE_BUY);
    tm_assert_eq(r[1].level.order_cnt, 12);
    is_level(&r[3], 847700000000, 700000000, TM_SIDE_SELL);
    r = rows_of("{\"arg\":{\"channel\":\"books5\",\"instId\":\"BTC-USDT\"},\"data\":[{\"asks\":[],"
                "\"bids\":[],\"instId\":\"BTC-USDT\",\"ts\":\"1670324386802\",\"seqId\":7}]}",
                1);
    tm_assert_eq(r->depth.snapshot, 1);
    r = rows_of("{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"BTC-USDT\"},\"data\":[{\"asks\":[["
                "\"111.06\",\"55154\",\"0\",\"2\"]],\"bids\":[],\"ts\":\"1670324386802\",\"seqId\":"
                "363996337}]}",
                1);
    tm_assert_eq(r->quote.ask_px_e8, 11106000000);
    tm_assert_eq(r->quote.ask_qty_e8, 5515400000000);
    tm_assert_eq(r->quote.bid_px_e8, 0);
    tm_assert_eq(r->quote.update_id, 363996337u);
    r = rows_of(
        "{\"arg\":{\"channel\":\"tickers\",\"instId\":\"A\"},\"data\":[{\"instId\":\"A\",\"last\":"
        "\"9999.99\",\"askPx\":\"10000\",\"askSz\":\"11\",\"bidPx\":\"\",\"bidSz\":\"\",\"ts\":"
        "\"1597026383085\"}]}",
        5);
    tm_assert_eq(r->row.schema_id, TM_SCHEMA_ID_TICKER);
    tm_assert(is_null(r, "bid_price"));
    tm_assert_eq(r[4].row.schema_id, TM_SCHEMA_ID_QUOTE);
    tm_assert_eq(r[4].quote.ask_px_e8, 1000000000000);
    is_notice("pong", TM_NOTICE_HEARTBEAT, 0, 0);
    is_notice(
        "{\"event\":\"error\",\"code\":\"60012\",\"msg\":\"Invalid request\",\"connId\":\"a4d3\"}",
        TM_NOTICE_ERROR, 0, 60012);
    is_notice("{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"soon closed\",\"connId\":\"a\"}",
              TM_NOTICE_SHUTDOWN, 0, 64008);
    rig_close(&rig);
}

/* ---- Coinbase -------------------------------------------------------------------------------- */

#define CB(channel, seq, events)                                                                   \
    "{\"channel\":\"" channel                                                                      \
    "\",\"client_id\":\"\",\"timestamp\":\"2023-02-09T20:32:50.714964855Z\""                       \
    ",\"sequence_num\":" seq ",\"events\":[" events "]}"

Test(venues, coinbase_advanced_trades_books_and_tickers)
{
    rig_open_venue(&rig, tm_venue_coinbase());
    const tm_market_row_t *r = rows_of(
        CB("market_trades", "0",
           "{\"type\":\"snapshot\",\"trades\":[{\"trade_id\":\"12345\",\"product_id\":\"ETH-USD\","
           "\"price\":\"1260.01\",\"size\":\"0.3\",\"side\":\"BUY\",\"time\":"
           "\"2019-08-14T20:42:27.265Z\"},{\"trade_id\":\"12346\",\"product_id\":\"BTC-USD\","
           "\"price\":\"1\",\"size\":\"2\",\"side\":\"SELL\",\"time\":\"2019-08-14T20:42:27Z\"}]}"),
        2);
    tm_assert_eq(r->trade.trade_id, 12345u);
    tm_assert_eq(r->trade.side, TM_SIDE_SELL); /* the maker bought */
    tm_assert_eq(r->trade.row.event_ns, 1565815347265000000ll);
    tm_assert_eq(r->trade.publish_ns, 1675974770714964855ll);
    tm_assert_str(symbol_of(&r[1]), "BTC-USD");
    r = rows_of(
        CB("l2_data", "0",
           "{\"type\":\"snapshot\",\"product_id\":\"BTC-USD\",\"updates\":[{\"side\":\"bid\","
           "\"event_time\":\"1970-01-01T00:00:01Z\",\"price_level\":\"21921.73\","
           "\"new_quantity\":\"0.06317902\"},{\"side\":\"offer\",\"event_time\":"
           "\"1970-01-01T00:00:02Z\",\"price_level\":\"21921.74\",\"new_quantity\":\"0\"}]}"),
        3);
    tm_assert_eq(r->depth.snapshot, 1);
    tm_assert_eq(r->depth.level_cnt, 2);
    is_level(&r[1], 2192173000000, 6317902, TM_SIDE_BUY);
    is_level(&r[2], 2192174000000, 0, TM_SIDE_SELL);
    tm_assert_eq(r[2].row.event_ns, 2000000000);
    tm_assert_str(symbol_of(&r[2]), "BTC-USD");
    r = rows_of(
        CB("ticker", "0",
           "{\"type\":\"snapshot\",\"tickers\":[{\"type\":\"ticker\",\"product_id\":\"BTC-USD\","
           "\"price\":\"21932.98\",\"volume_24_h\":\"16038.28770938\",\"best_bid\":\"21931.98\","
           "\"best_bid_quantity\":\"8000.21\",\"best_ask\":\"21933.98\","
           "\"best_ask_quantity\":\"8038.07770938\",\"price_percent_chg_24_h\":"
           "\"-4.15775596190603\"}]}"),
        5);
    tm_assert_eq(((const tm_ticker_t *)r)->last_px_e8, 2193298000000);
    tm_assert_eq(r[4].quote.bid_qty_e8, 800021000000);
    tm_assert_eq(r[4].quote.ask_qty_e8, 803807770938);
    is_notice(CB("heartbeats", "0", "{\"current_time\":\"x\",\"heartbeat_counter\":\"3049\"}"),
              TM_NOTICE_HEARTBEAT, 0, 0);
    is_notice(CB("subscriptions", "0", "{\"subscriptions\":{\"ticker\":[\"BTC-USD\"]}}"),
              TM_NOTICE_REPLY, 0, 0);
    rig_close(&rig);
}

Test(venues, coinbase_messages_that_are_missing_are_counted)
{
    static const char *const seqs[] = {"4", "5", "6", "8", "9", "0", "1", "1"};
    rig_open_venue(&rig, tm_venue_coinbase());
    for (uint32_t i = 0; i < TM_ARRAY_CNT(seqs); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\"channel\":\"heartbeats\",\"timestamp\":\"2023-02-09T20:32:50Z\","
                 "\"sequence_num\":%s,\"events\":[{\"heartbeat_counter\":\"1\"}]}",
                 seqs[i]);
        tm_assert_eq(rig_text(&rig, text), 1u);
    }
    /* 7 is missing; a connection may begin anew; 1 comes twice. */
    for (uint32_t i = 0; i < RIG_CNT; i++) tm_assert_eq(rig_count(&rig, i, "sequence_gaps"), 2u);
    rig_close(&rig);
}

/* ---- Kraken ---------------------------------------------------------------------------------- */

Test(venues, kraken_v2_trades_books_and_tickers)
{
    rig_open_venue(&rig, tm_venue_kraken());
    const tm_market_row_t *r = rows_of(
        "{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"MATIC/USD\","
        "\"side\":\"sell\","
        "\"price\":0.5117,\"qty\":40.0,\"ord_type\":\"market\",\"trade_id\":4665906,\"timestamp\":"
        "\"2023-09-25T07:49:37.708706Z\"}]}",
        1);
    tm_assert_eq(r->trade.price_e8, 51170000);
    tm_assert_eq(r->trade.side, TM_SIDE_SELL);
    tm_assert_eq(r->trade.row.event_ns, 1695628177708706000ll);
    r = rows_of(
        "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"MATIC/USD\",\"bids\":[{"
        "\"price\":0.5657,\"qty\":1098.3947558}],\"asks\":[{\"price\":0.6,\"qty\":0},{\"price\":"
        "1e-3,\"qty\":7}],\"checksum\":2114181697,\"timestamp\":"
        "\"2023-10-06T17:35:55.440295Z\"}]}",
        4);
    tm_assert_eq(r->depth.checksum, 2114181697);
    tm_assert_eq(r->depth.price_digits, 4);
    tm_assert_eq(r->depth.qty_digits, 7);
    is_level(&r[1], 56570000, 109839475580, TM_SIDE_BUY);
    is_level(&r[2], 60000000, 0, TM_SIDE_SELL);
    is_level(&r[3], 100000, 700000000, TM_SIDE_SELL);
    r = rows_of(
        "{\"channel\":\"ticker\",\"type\":\"snapshot\",\"data\":[{\"symbol\":\"ALGO/USD\",\"bid\":"
        "0.10025,\"bid_qty\":740.0,\"ask\":0.10035,\"ask_qty\":740.0,\"last\":0.10035,"
        "\"volume\":997038.98383185,\"vwap\":0.10148,\"low\":0.09979,\"high\":0.10285,"
        "\"change\":-0.00017,\"change_pct\":-0.17}]}",
        5);
    tm_assert_eq(((const tm_ticker_t *)r)->change_e8, -17000);
    tm_assert_eq(r[4].quote.bid_px_e8, 10025000);
    is_notice("{\"channel\":\"heartbeat\"}", TM_NOTICE_HEARTBEAT, 0, 0);
    is_notice("{\"method\":\"pong\",\"req_id\":101,\"time_in\":\"2023-09-24T14:10:23.799685Z\","
              "\"time_out\":\"2023-09-24T14:10:23.799703Z\"}",
              TM_NOTICE_HEARTBEAT, 101, 0);
    is_notice(
        "{\"method\":\"subscribe\",\"result\":{\"channel\":\"book\"},\"success\":true,\"req_id\":5,"
        "\"time_in\":\"2023-10-06T17:35:55.219022Z\",\"time_out\":"
        "\"2023-10-06T17:35:55.219067Z\"}",
        TM_NOTICE_REPLY, 5, 0);
    is_notice(
        "{\"error\":\"Currency pair not supported\",\"method\":\"subscribe\",\"success\":false,"
        "\"symbol\":\"X\",\"time_in\":\"2023-10-06T17:35:55.219022Z\",\"time_out\":"
        "\"2023-10-06T17:35:55.219067Z\"}",
        TM_NOTICE_ERROR, 0, 0);
    rig_close(&rig);
}

Test(venues, each_is_found_by_its_name)
{
    for (uint32_t i = 0; tm_venue_at(i); i++)
        tm_assert(tm_venue_find(tm_venue_at(i)->name) == tm_venue_at(i));
    tm_assert(tm_venue_find("kraken") == tm_venue_kraken());
    tm_assert(tm_venue_find("binance-usdm") == tm_venue_binance());
    tm_assert(tm_venue_find("nobody") == NULL);
    tm_assert(tm_venue_find("bin") == NULL);
}
