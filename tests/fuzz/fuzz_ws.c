/* A stream of WebSocket bytes must give the same messages, answers and verdict however it is cut.
   Input: role, limits, the size of the first piece, the size of the others, then the stream. */
#include "net/ws/ws.h"
#include "tests/fuzz/fuzz.h"
#include "tests/net/ws_wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    uint8_t role = tm_fuzz_byte(&data, &sz), limits = tm_fuzz_byte(&data, &sz);
    uint8_t first = tm_fuzz_byte(&data, &sz), chop = tm_fuzz_byte(&data, &sz);
    tm_ws_cfg_t cfg = {
        .role = role % 2 ? TM_WS_SERVER : TM_WS_CLIENT,
        .message_sz_max = limits % 16 ? 1u << (limits % 16) : 0,
        .fragment_cnt_max = limits / 16,
    };
    tm_wire_t wire = {0};
    tm_wire_raw(&wire, data, sz);
    char *whole = tm_wire_run(&cfg, &wire, (tm_wire_cut_t){0}, true);
    char *cut = tm_wire_run(&cfg, &wire, (tm_wire_cut_t){first, chop}, true);
    char *bytes = sz < 2000 ? tm_wire_run(&cfg, &wire, (tm_wire_cut_t){.chop_sz = 1}, true) : NULL;
    TM_MUST(strcmp(whole, cut) == 0);
    TM_MUST(!bytes || strcmp(whole, bytes) == 0);
    free(whole);
    free(cut);
    free(bytes);
    tm_wire_free(&wire);
    return 0;
}
