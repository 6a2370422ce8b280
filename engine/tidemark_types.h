/* tidemark_types.h - words that all parts of the public interface share; a part of tidemark.h. */
#ifndef TIDEMARK_TYPES_H
#define TIDEMARK_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifndef TM_API
#    define TM_API __attribute__((visibility("default")))
#endif

#define TM_MICROSECOND INT64_C(1000)
#define TM_MILLISECOND INT64_C(1000000)
#define TM_SECOND      INT64_C(1000000000)
#define TM_MINUTE      (60 * TM_SECOND)
#define TM_HOUR        (60 * TM_MINUTE)

enum { TM_JOB_NODE_MAX = 64, TM_JOB_AGG_MAX = 32 };

typedef struct tm_job tm_job_t;       /* a graph under construction; owned by tm_main */
typedef struct tm_stream tm_stream_t; /* the output of one operator; owned by the job */

/* The exchange's clock, which watermarks tell, or the wall clock. */
typedef enum tm_time_domain { TM_EVENT_TIME, TM_PROCESSING_TIME } tm_time_domain_t;

#endif
