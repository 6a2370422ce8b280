/* tests/net/venue_fixture.h - the simulated exchange on a thread of the test, on any free ports. */
#ifndef TM_TESTS_NET_VENUE_FIXTURE_H
#define TM_TESTS_NET_VENUE_FIXTURE_H

#include "net/simulated/venue.h"

typedef struct venue_fixture venue_fixture_t;

/* Starts it and waits until it listens. Ports, state folder and counters are the fixture's. */
venue_fixture_t *venue_fixture_open(const tm_venue_cfg_t *cfg);

/* Stops it where it has not ended by itself; returns what tm_venue_run returned. */
int venue_fixture_close(venue_fixture_t *fixture);

/* Waits for it to end by itself, at most ten seconds; then as close. */
int venue_fixture_wait(venue_fixture_t *fixture);

const tm_venue_ports_t *venue_fixture_ports(const venue_fixture_t *fixture);
const char *venue_fixture_ca(const venue_fixture_t *fixture);

/* The venue's counter, not the client's. */
uint64_t venue_fixture_count(const venue_fixture_t *fixture, const char *name);

/* Waits, at most ten seconds, until the venue has stopped publishing for 100 ms; returns how many
   messages it took from its source. */
uint64_t venue_fixture_settle(const venue_fixture_t *fixture);

/* "wss://localhost:<port><target>" or ws://127.0.0.1 */
const char *venue_fixture_url(const venue_fixture_t *fixture, bool tls, const char *target,
                              char out[512]);

#endif
