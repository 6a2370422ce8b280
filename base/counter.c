#include "base/counter.h"

#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tm_counter_set {
    alignas(TM_FALSE_SHARE) tm_counter_t values[TM_COUNTER_MAX]; /* written by the owner */
    alignas(TM_FALSE_SHARE) const char *names[TM_COUNTER_MAX];   /* under `lock` */
    uint32_t cnt;
    char owner[TM_COUNTER_OWNER_MAX];
};

/* Guards the list of sets and their names; never taken on a hot path. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tm_counter_set_t *sets[TM_COUNTER_SET_MAX];
static uint32_t set_cnt;

tm_counter_set_t *tm_counter_set_new(const char *owner)
{
    tm_counter_set_t *set = aligned_alloc(TM_FALSE_SHARE, sizeof *set);
    if (!set) return NULL;
    memset(set, 0, sizeof *set);
    snprintf(set->owner, sizeof set->owner, "%s", owner);
    pthread_mutex_lock(&lock);
    bool room = set_cnt < TM_COUNTER_SET_MAX;
    if (room) sets[set_cnt++] = set;
    pthread_mutex_unlock(&lock);
    if (room) return set;
    free(set);
    return NULL;
}

void tm_counter_set_free(tm_counter_set_t *set)
{
    if (!set) return;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < set_cnt; i++) {
        if (sets[i] != set) continue;
        memmove(&sets[i], &sets[i + 1], (set_cnt - i - 1) * sizeof sets[0]);
        set_cnt--;
        break;
    }
    pthread_mutex_unlock(&lock);
    free(set);
}

tm_counter_t *tm_counter_get(tm_counter_set_t *set, const char *name)
{
    pthread_mutex_lock(&lock);
    uint32_t i = 0;
    while (i < set->cnt && strcmp(set->names[i], name) != 0) i++;
    if (i == set->cnt) {
        TM_CHECK(i < TM_COUNTER_MAX, "counter set %s is full at %s", set->owner, name);
        set->names[set->cnt++] = name;
    }
    pthread_mutex_unlock(&lock);
    return &set->values[i];
}

uint64_t tm_counter_sum(const char *name)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t s = 0; s < set_cnt; s++)
        for (uint32_t i = 0; i < sets[s]->cnt; i++)
            if (strcmp(sets[s]->names[i], name) == 0) sum += tm_counter_read(&sets[s]->values[i]);
    pthread_mutex_unlock(&lock);
    return sum;
}

uint64_t tm_counter_largest(const char *name)
{
    uint64_t largest = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t s = 0; s < set_cnt; s++) {
        for (uint32_t i = 0; i < sets[s]->cnt; i++) {
            if (strcmp(sets[s]->names[i], name) != 0) continue;
            uint64_t v = tm_counter_read(&sets[s]->values[i]);
            if (v > largest) largest = v;
        }
    }
    pthread_mutex_unlock(&lock);
    return largest;
}

void tm_counter_each(void (*fn)(void *ctx, const char *owner, const char *name, uint64_t value),
                     void *ctx)
{
    pthread_mutex_lock(&lock);
    for (uint32_t s = 0; s < set_cnt; s++)
        for (uint32_t i = 0; i < sets[s]->cnt; i++)
            fn(ctx, sets[s]->owner, sets[s]->names[i], tm_counter_read(&sets[s]->values[i]));
    pthread_mutex_unlock(&lock);
}
