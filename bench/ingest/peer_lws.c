/* Receives with libwebsockets until the server closes: PORT CA_FILE. Prints messages, seconds,
   nanoseconds of the process's time a message, version. */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long count;
static double begin_s, begin_cpu;
static bool closed, failed;

static double now(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t sz)
{
    (void)user;
    (void)sz;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (count == 0) {
            begin_s = now(CLOCK_MONOTONIC);
            begin_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        }
        /* A message may come in pieces. */
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) count++;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "libwebsockets: %s\n", in ? (const char *)in : "no connection");
        failed = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        closed = true;
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "peer", .callback = on_event, .rx_buffer_size = 65536}, {.name = NULL}};
    if (argc != 3) return 2;
    lws_set_log_level(LLL_ERR, NULL);
    const struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                                   .protocols = protocols,
                                                   .client_ssl_ca_filepath = argv[2],
                                                   .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT};
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    const struct lws_client_connect_info to = {.context = context,
                                               .address = "localhost",
                                               .host = "localhost",
                                               .origin = "localhost",
                                               .path = "/ws/btcusdt@trade",
                                               .port = (int)strtol(argv[1], NULL, 10),
                                               .ssl_connection = LCCSCF_USE_SSL};
    if (!lws_client_connect_via_info(&to)) return 1;
    while (!closed && !failed) lws_service(context, 0);
    double seconds = now(CLOCK_MONOTONIC) - begin_s;
    double cpu_ns = (now(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu) * 1e9;
    printf("%llu %f %f %s\n", count, seconds, cpu_ns / (double)(count ? count : 1),
           LWS_LIBRARY_VERSION);
    lws_context_destroy(context);
    return failed || count == 0;
}
