/* Stands in for peers that are not installed. */
#include "bench/ring/queue.h"

#include <stddef.h>

const queue_ops_t *queue_boost(void)
{
    return NULL;
}
