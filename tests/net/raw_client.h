/* tests/net/raw_client.h - a WebSocket client on a blocking plain socket, made of nothing but
   bytes: what the venue is tested with, so that it is not judged by our own client. */
#ifndef TM_TESTS_NET_RAW_CLIENT_H
#define TM_TESTS_NET_RAW_CLIENT_H

#include "base/types.h"

typedef struct raw_client raw_client_t;

/* Connects to 127.0.0.1 and asks for the target. */
raw_client_t *raw_client_open(uint16_t port, const char *target);

/* True where something listens on the port of 127.0.0.1; waits 10 ms where not. */
bool raw_client_can_connect(uint16_t port);
void raw_client_close(raw_client_t *client);

/* HTTP status of the answer; the accept key is checked where it is 101. */
int raw_client_status(const raw_client_t *client);

/* Sends one masked frame. */
void raw_client_send(raw_client_t *client, uint8_t first_byte, const void *payload, size_t sz);
void raw_client_text(raw_client_t *client, const char *text);

/* Reads one frame into text (NUL-terminated). Returns its first byte, -1 at the end of the stream,
   -2 where none came within wait_ms. */
int raw_client_read(raw_client_t *client, char *text, size_t cap, int wait_ms);

#endif
