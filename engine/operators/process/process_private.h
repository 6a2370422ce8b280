/* engine/operators/process/process_private.h - the inside of the process operator, shared by
   process.c (its life) and process_calls.c (what callbacks may call). Nobody else includes it. */
#ifndef TM_ENGINE_PROCESS_PRIVATE_H
#define TM_ENGINE_PROCESS_PRIVATE_H

#include "engine/operators/process/process.h"

enum { PROCESS_OUT_ROWS = 64, PROCESS_BUDGET = 256 };

/* Rows that wait to be handed on together. */
typedef struct process_port {
    tm_emitter_t to;
    uint8_t *rows;
    uint32_t stride, cnt;
    uint16_t schema_id;
} process_port_t;

struct tm_process {
    tm_operator_t op;
    tm_process_fns_t fns;
    void *user;
    const char *name;
    int64_t timer_grain_ns;
    uint32_t budget;
    uint32_t side_cnt;
    uint32_t in_cnt;
    uint32_t subtask_idx, subtask_cnt;
    tm_key_t keys[2]; /* by input */
    int symbol_at;    /* of the key's first symbol within its bytes, -1 = none */
    tm_keyed_state_t state;
    tm_timer_queue_t timers[2]; /* by domain */

    int64_t wm_ns, wm_out_ns; /* seen, handed on */
    int64_t now_ns;           /* wall clock */
    bool firing;              /* timers of the watermark are under way */
    bool in_key;              /* a callback of a key is under way */
    int64_t time_ns;          /* of the row or timer under way */
    int64_t recv_ns;          /* of the last row */

    tm_counter_t *rows, *fired, *expired, *full;
    process_port_t ports[1 + TM_PROCESS_SIDE_MAX]; /* the output, then the side outputs */
    uint8_t key_bytes[TM_KEY_SZ_MAX];
};

void tm_process_port_flush(process_port_t *port);

/* process_roots.c: what lies outside of the pages, for the operator's save and restore. */
size_t tm_process_save(const tm_process_t *p, void *bytes, size_t max);
int tm_process_restore(tm_process_t *p, const void *bytes, size_t sz) TM_MUST_CHECK;

/* The states that roots were written with, without functions; names point into `bytes`. Returns how
   many, or TM_E_* where the roots cannot be read. */
int tm_process_saved_states(const tm_process_t *p, const void *bytes, size_t sz,
                            tm_state_spec_t specs[TM_STATE_CNT_MAX]) TM_MUST_CHECK;

/* process_move.c: what operator.h says of move. */
int tm_process_move(tm_operator_t *const *to, uint32_t to_cnt,
                    const tm_operator_old_t *old) TM_MUST_CHECK;

#endif
