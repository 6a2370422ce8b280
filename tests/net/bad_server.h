/* tests/net/bad_server.h - a small server that misbehaves on purpose, on blocking sockets and
   OpenSSL.
   Why      the client is tested against bytes that none of its own code made: accept keys, frames
            and TLS come from here and from OpenSSL directly
   Use      a script runs on the server's thread for every connection; when it returns, the
            connection is closed in order (or as the script left it)
   Threads  open, close: the test's; scripts: the server's */
#ifndef TM_TESTS_NET_BAD_SERVER_H
#define TM_TESTS_NET_BAD_SERVER_H

#include "base/types.h"

typedef struct bad_peer bad_peer_t;
typedef struct bad_server bad_server_t;
typedef void (*bad_script_t)(bad_peer_t *peer);

typedef struct bad_server_cfg {
    bad_script_t script;
    const char *cert_file, *key_file; /* NULL = plain */
    int tls_version;                  /* the only one spoken, as OpenSSL numbers it; 0 = all */
    bool deaf; /* listens, but its queue of connections is full: connects get no answer */
} bad_server_cfg_t;

bad_server_t *bad_server_open(const bad_server_cfg_t *cfg);
void bad_server_close(bad_server_t *server); /* waits for running scripts */
uint16_t bad_server_port(const bad_server_t *server);

/* What scripts have kept for the test so far: all of it that came before something the client has
   seen. */
const char *bad_server_seen(bad_server_t *server);

/* For scripts. Reads a request head and keeps its key; false where the client went away. */
bool bad_peer_request(bad_peer_t *peer);
void bad_peer_send(bad_peer_t *peer, const void *bytes, size_t sz);
void bad_peer_text(bad_peer_t *peer, const char *text);

/* Reads the request and answers 101 with the right key. */
bool bad_peer_upgrade(bad_peer_t *peer);

/* Sends one unmasked frame. */
void bad_peer_frame(bad_peer_t *peer, uint8_t first_byte, const void *payload, size_t sz);

/* Reads one masked frame, payload unmasked and NUL-terminated. Returns its first byte, -1 at the
   end. */
int bad_peer_read_frame(bad_peer_t *peer, char *payload, size_t cap);

/* Keeps a text for bad_server_seen. */
void bad_peer_keep(bad_peer_t *peer, const char *text);

/* Ends with a reset instead of an orderly end. */
void bad_peer_reset(bad_peer_t *peer);

/* Says nothing until the client goes away or the server is closed. */
void bad_peer_wait(bad_peer_t *peer);

#endif
