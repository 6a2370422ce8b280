/* net/simulated/venue_fault.h - what goes wrong on one connection of the simulated exchange.
   Flow     venue.c accepts, venue_client.c upgrades, sends, steps -> [venue_fault] -> the client's
            queue and link
   Plan     net/simulated/fault_plan.h; rules are looked at in the order of the script, and each
            that fits fires. Every one that fires is a counter (fault_<name>) and a line of the log,
            with the connection's number and its message
   Messages a message goes through what is on then: gap, spoilt text, clock, reorder, duplicate
   Units    *_ns: nanoseconds (mono); *_sz: bytes
   Memory   one block a connection, copies of the messages that it holds back
   Threads  the venue's
   Errors   faults that find no room in the client's queue are left out and counted
            (faults_skipped)
   Tests    tests/net/test_venue_fault.c */
#ifndef TM_NET_VENUE_FAULT_H
#define TM_NET_VENUE_FAULT_H

#include "base/counter.h"
#include "net/conn/link.h"
#include "net/simulated/fault_plan.h"

struct tm_venue_client;
struct tm_venue_message;

/* What the connections of a venue share. */
typedef struct tm_venue_faults {
    const tm_fault_plan_t *plan;
    tm_counter_t *fired[TM_FAULT_WHAT_CNT], *skipped;
    int64_t outage_ns; /* set by a fault: for so long nobody is served; taken by venue.c */
} tm_venue_faults_t;

typedef struct tm_venue_fault tm_venue_fault_t;

/* NULL where memory is short. */
tm_venue_fault_t *tm_venue_fault_open(tm_venue_faults_t *faults, uint32_t conn_nr);
void tm_venue_fault_close(tm_venue_fault_t *fault);

/* The rule for the upgrade request; NULL = answer it as usual. It counts as fired. */
const tm_fault_rule_t *tm_venue_fault_upgrade(tm_venue_fault_t *fault);

/* Counts and logs a rule that fires. */
void tm_venue_faults_note(tm_venue_faults_t *faults, const tm_fault_rule_t *rule, uint32_t conn_nr,
                          uint64_t message_nr);

/* The link stands: its first rule by bytes is set up. */
void tm_venue_fault_watch(tm_venue_fault_t *fault, struct tm_venue_client *client);

/* The upgrade is done: times count from now. */
void tm_venue_fault_begin(tm_venue_fault_t *fault, int64_t now_ns);

/* Bytes of the queue that sending a message of sz bytes may take now. */
size_t tm_venue_fault_room(const tm_venue_fault_t *fault, size_t frame_sz);

/* Sends a message, or whatever comes of it. */
void tm_venue_fault_send(tm_venue_fault_t *fault, struct tm_venue_client *client,
                         const struct tm_venue_message *message);

/* Fires what time and bytes bring. Returns 0, or TM_E_CLOSED where the connection was ended. */
int tm_venue_fault_step(tm_venue_fault_t *fault, struct tm_venue_client *client,
                        int64_t now_ns) TM_MUST_CHECK;

/* True where tm_venue_fault_step has something to do. */
bool tm_venue_fault_is_due(const tm_venue_fault_t *fault, const struct tm_venue_client *client,
                           int64_t now_ns);

/* True where the client is neither read nor written to. */
bool tm_venue_fault_is_quiet(const tm_venue_fault_t *fault);

/* Never speaks again. */
void tm_venue_fault_silence(tm_venue_fault_t *fault);

#endif
