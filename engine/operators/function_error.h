/* engine/operators/function_error.h - a function of the user's says that the job cannot go on.
   Flow     user function -> tm_fail (tidemark_flow.h) -> [function error] -> body of the thread
   Threads  of the calling thread alone: it looks once a round, before it puts out any barrier
   Errors   TM_E_FUNCTION with the function's sentence; the first one counts */
#ifndef TM_ENGINE_FUNCTION_ERROR_H
#define TM_ENGINE_FUNCTION_ERROR_H

#include "base/types.h"

/* Nothing has failed on this thread so far: where it begins. */
void tm_function_error_clear(void);

/* 0, or TM_E_FUNCTION with the sentence in the trail. */
int tm_function_error(void) TM_MUST_CHECK;

#endif
