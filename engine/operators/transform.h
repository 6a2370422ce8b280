/* engine/operators/transform.h - filter, map, flat_map and connect: a user's function over rows,
   without state.
   Flow     any operator -> [transform] -> any operator
   Rules    rows keep their order; a row that goes out has the header of the row it came from (kind,
            symbol, times) and, behind map and the others, the id of the new schema. Rows that pass
            a filter are those that came in. Watermarks and the end pass when all before is out
   Memory   tm_transform_footprint bytes: 64 rows an output; allocates nothing
   Threads  the task's
   Limits   TM_OPERATOR_OUTPUT_MAX outputs.  Tests tests/engine/test_dataflow.c */
#ifndef TM_ENGINE_TRANSFORM_H
#define TM_ENGINE_TRANSFORM_H

#include "base/schema.h"
#include "engine/operators/operator.h"
#include "engine/tidemark.h"

typedef enum tm_transform_kind {
    TM_TRANSFORM_FILTER,
    TM_TRANSFORM_MAP,
    TM_TRANSFORM_FLAT_MAP, /* of one input or, connected, of two */
} tm_transform_kind_t;

typedef struct tm_transform_cfg {
    tm_transform_kind_t kind;
    tm_filter_fn *filter;
    tm_map_fn *map;
    tm_flat_map_fn *flat_map[2]; /* by input */
    void *ctx;
    const tm_schema_t *outs[TM_OPERATOR_OUTPUT_MAX]; /* rows of each output; filter: of the input */
    uint32_t out_cnt;
} tm_transform_cfg_t;

size_t tm_transform_footprint(const tm_transform_cfg_t *cfg);
tm_operator_t *tm_transform_init(void *mem, const tm_transform_cfg_t *cfg,
                                 const tm_operator_env_t *env);

#endif
