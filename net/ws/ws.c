#include "net/ws/ws.h"

#include "base/error.h"
#include "net/ws/ws_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_SZ_MIN = 4096 };

static tm_ws_block_t *block_new(size_t cap_sz)
{
    tm_ws_block_t *block = malloc(sizeof *block + cap_sz + TM_FRAME_PAD);
    if (!block) return NULL;
    block->next = NULL;
    block->cap_sz = cap_sz;
    memset(block->data + cap_sz, 0, TM_FRAME_PAD);
    return block;
}

static int open_deflate(tm_ws_t *ws)
{
    const tm_deflate_terms_t *terms = &ws->cfg.deflate;
    if (!terms->on) return 0;
    TM_TRY(tm_inflater_open(&ws->inflater, terms));
    return terms->level ? tm_deflater_open(&ws->deflater, terms) : 0;
}

int tm_ws_open(tm_ws_t **out, const tm_ws_cfg_t *cfg)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = tm_ws_on_recv};
    *out = NULL;
    tm_ws_t *ws = calloc(1, sizeof *ws);
    if (!ws) return -ENOMEM;
    ws->cfg = *cfg;
    if (ws->cfg.message_sz_max == 0) ws->cfg.message_sz_max = TM_FRAME_SZ_MAX_DEFAULT;
    if (ws->cfg.fragment_cnt_max == 0) ws->cfg.fragment_cnt_max = TM_WS_FRAGMENT_MAX_DEFAULT;
    tm_ws_begin_frame(ws);
    ws->block = block_new(BUF_SZ_MIN);
    if (!ws->block || wslay_frame_context_init(&ws->framer, &callbacks, ws) != 0) {
        tm_ws_free(ws);
        return -ENOMEM;
    }
    int err = open_deflate(ws);
    if (err < 0) {
        tm_ws_free(ws);
        return err;
    }
    *out = ws;
    return 0;
}

static void free_retired(tm_ws_t *ws)
{
    while (ws->retired) {
        tm_ws_block_t *block = ws->retired;
        ws->retired = block->next;
        free(block);
    }
}

void tm_ws_free(tm_ws_t *ws)
{
    if (!ws) return;
    free_retired(ws);
    free(ws->block);
    if (ws->framer) wslay_frame_context_free(ws->framer);
    tm_inflater_free(ws->inflater);
    tm_deflater_free(ws->deflater);
    free(ws);
}

void tm_ws_release(tm_ws_t *ws)
{
    if (ws->retired) free_retired(ws);
    if (ws->part_off == 0) return;
    memmove(ws->block->data, ws->block->data + ws->part_off, ws->part_sz);
    ws->part_off = 0;
}

/* Messages before the current one in the block are held by the caller: then the block is put aside
   and the message goes on in a new one, twice as large, so that soon those of one poll fit. */
int tm_ws_make_room(tm_ws_t *ws, size_t sz)
{
    tm_ws_block_t *old = ws->block;
    bool held = ws->part_off > 0;
    size_t cap_sz = old->cap_sz;
    if (held && cap_sz < ws->cfg.message_sz_max) cap_sz *= 2;
    while (cap_sz < ws->part_sz + sz) cap_sz *= 2;
    tm_ws_block_t *block = block_new(cap_sz);
    if (!block) return -ENOMEM;
    memcpy(block->data, old->data + ws->part_off, ws->part_sz);
    if (held) {
        old->next = ws->retired;
        ws->retired = old;
    } else {
        free(old);
    }
    ws->block = block;
    ws->part_off = 0;
    return 0;
}

bool tm_ws_close_sent(const tm_ws_t *ws)
{
    return ws->close_sent;
}

bool tm_ws_is_done(const tm_ws_t *ws)
{
    return ws->close_sent && (ws->close_came || ws->err < 0);
}

uint16_t tm_ws_peer_code(const tm_ws_t *ws)
{
    return ws->peer_code;
}

const char *tm_ws_peer_reason(const tm_ws_t *ws)
{
    return ws->peer_reason;
}

size_t tm_ws_buffer_sz(const tm_ws_t *ws)
{
    size_t sz = ws->block->cap_sz;
    for (const tm_ws_block_t *block = ws->retired; block; block = block->next) sz += block->cap_sz;
    return sz;
}
