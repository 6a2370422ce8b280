/* price_jump - an alert for each symbol whose price moves by half a percent within ten seconds.

   A process function keeps one reference price a symbol, good for ten seconds. A trade that is too
   far from it raises an alert and becomes the new reference; slow drift raises none. A trade behind
   the ten seconds does not look at it, whether the watermark has come so far or not, and a timer
   takes the reference of a quiet symbol away. All of it is by the exchange's clock: a replay gives
   the alerts that the live feed gave.

       price_jump --connect wss://stream.binance.com:9443/ws/btcusdt@trade --out alerts
       price_jump --replay capture.gz --out alerts --speed max */
#include <tidemark.h>

#define WITHIN   (10 * TM_SECOND)
#define JUMP_BPS 50

typedef struct alert {
    tm_row_t row;
    int64_t from_e8;
    int64_t to_e8;
    int64_t jump_bps; /* signed, in hundredths of a percent */
} alert_t;

static const tm_struct_field_t alert_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_HEADER_TIME("time"),
    TM_DECIMAL(alert_t, from_e8, "from", 8),
    TM_DECIMAL(alert_t, to_e8, "to", 8),
    TM_MEMBER(alert_t, jump_bps, "jump_bps", TM_TYPE_I64),
};
static const tm_struct_t alert = TM_STRUCT(alert_t, "alert", alert_fields);

/* What is remembered of a symbol. */
typedef struct reference {
    int64_t price_e8;
    int64_t until_ns; /* the timer that ends it */
} reference_t;

enum { REFERENCE };
static const tm_state_spec_t states[] = {
    [REFERENCE] = {.name = "reference", .kind = TM_STATE_VALUE, .value_sz = sizeof(reference_t)},
};

static uint16_t price_off; /* of the price within a trade */

static void set_reference(tm_process_t *p, int64_t price_e8)
{
    const reference_t fresh = {price_e8, tm_process_time(p) + WITHIN};
    if (tm_value_set(p, REFERENCE, &fresh, sizeof fresh) < 0) return; /* counted */
    tm_timer_set(p, TM_EVENT_TIME, fresh.until_ns, 0);
}

static void on_trade(tm_process_t *p, const void *trade)
{
    const int64_t price_e8 = *(const int64_t *)((const char *)trade + price_off);
    const reference_t *known = tm_value_get(p, REFERENCE, NULL);
    if (!known) {
        set_reference(p, price_e8);
        return;
    }
    const int64_t from_e8 = known->price_e8, until_ns = known->until_ns;
    if (tm_process_time(p) < until_ns) {
        if (from_e8 <= 0) return;
        const int64_t jump_bps = (int64_t)((double)(price_e8 - from_e8) / (double)from_e8 * 10000);
        if (jump_bps > -JUMP_BPS && jump_bps < JUMP_BPS) return;
        alert_t *out = tm_process_emit(p);
        out->from_e8 = from_e8;
        out->to_e8 = price_e8;
        out->jump_bps = jump_bps;
    }
    tm_timer_delete(p, TM_EVENT_TIME, until_ns, 0);
    set_reference(p, price_e8);
}

static void on_quiet(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    (void)domain;
    (void)time_ns;
    (void)name;
    tm_state_clear(p, REFERENCE); /* the next trade sets another */
}

static int build(tm_job_t *job)
{
    tm_stream_t *trades = tm_source_feed(
        job, &(tm_feed_spec_t){.name = "trades", .rows = TM_ROWS_TRADE});
    price_off = tm_field_off(trades, "price", TM_TYPE_DECIMAL64);
    tm_stream_t *timed = tm_watermarks(trades, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *alerts = tm_process(tm_key_by(timed, "symbol"),
                                     &(tm_process_spec_t){
                                         .name = "price_jump",
                                         .out = &alert,
                                         .fns = {.on_row = on_trade, .on_timer = on_quiet},
                                         .states = states,
                                         .state_cnt = 1,
                                     });
    tm_sink_parts(alerts, &(tm_parts_spec_t){.bucket_field = "time"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
