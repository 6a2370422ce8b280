#include "net/simulated/venue_stream.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tm_venue_streams {
    tm_venue_stream_t *buckets[TM_VENUE_STREAM_BUCKETS];
};

int tm_venue_streams_open(tm_venue_streams_t **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : tm_error_set(-ENOMEM, "no memory for the table of streams");
}

void tm_venue_streams_close(tm_venue_streams_t *streams)
{
    for (uint32_t i = 0; streams && i < TM_VENUE_STREAM_BUCKETS; i++) {
        while (streams->buckets[i]) {
            tm_venue_stream_t *stream = streams->buckets[i];
            streams->buckets[i] = stream->next;
            free(stream);
        }
    }
    free(streams);
}

/* Eight bytes at a time; names are short and mostly differ in the first ones. */
static uint32_t hash_of(const char *name, size_t sz)
{
    uint64_t h = sz * 0x9e3779b97f4a7c15u, v;
    for (; sz >= 8; sz -= 8, name += 8) {
        memcpy(&v, name, 8);
        h = (h ^ v) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    v = 0;
    memcpy(&v, name, sz);
    h = (h ^ v) * 0x9fb21c651e98df25u;
    return (uint32_t)(h >> 32);
}

static tm_venue_stream_t *find(const tm_venue_streams_t *streams, const char *name, size_t sz,
                               uint32_t hash)
{
    tm_venue_stream_t *s = streams->buckets[hash % TM_VENUE_STREAM_BUCKETS];
    while (s && (s->hash != hash || s->sz != sz || memcmp(s->name, name, sz) != 0)) s = s->next;
    return s;
}

uint64_t tm_venue_streams_mask(const tm_venue_streams_t *streams, const char *name, size_t sz)
{
    const tm_venue_stream_t *stream = find(streams, name, sz, hash_of(name, sz));
    return stream ? stream->mask : 0;
}

tm_venue_stream_t *tm_venue_streams_add(tm_venue_streams_t *streams, const char *name, size_t sz,
                                        uint32_t client_idx)
{
    uint32_t hash = hash_of(name, sz);
    tm_venue_stream_t *stream = find(streams, name, sz, hash);
    if (!stream) {
        stream = malloc(sizeof *stream + sz + 1);
        if (!stream) return NULL;
        tm_venue_stream_t **bucket = &streams->buckets[hash % TM_VENUE_STREAM_BUCKETS];
        *stream = (tm_venue_stream_t){.next = *bucket, .hash = hash, .sz = (uint32_t)sz};
        memcpy(stream->name, name, sz);
        stream->name[sz] = '\0';
        *bucket = stream;
    }
    stream->mask |= UINT64_C(1) << client_idx;
    return stream;
}

void tm_venue_streams_drop(tm_venue_streams_t *streams, tm_venue_stream_t *stream,
                           uint32_t client_idx)
{
    stream->mask &= ~(UINT64_C(1) << client_idx);
    if (stream->mask) return;
    tm_venue_stream_t **at = &streams->buckets[stream->hash % TM_VENUE_STREAM_BUCKETS];
    while (*at != stream) at = &(*at)->next;
    *at = stream->next;
    free(stream);
}
