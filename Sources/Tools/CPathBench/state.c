#define _GNU_SOURCE
#include "path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { IPV4_PROTOCOL = 9 };

// Tables of a forwarder lie in large pages.
static void *allocate(size_t count) {
  const size_t page = 2u << 20;
  void *memory = 0;
  if (posix_memalign(&memory, page, (count + page - 1) / page * page) != 0) {
    return 0;
  }
  (void)madvise(memory, count, MADV_HUGEPAGE);
  memset(memory, 0, count);
  return memory;
}

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

// As in the module: entry `hash & mask` is the first to look at.
static uint32_t teid_hash(uint32_t teid) {
  teid *= 0x9e3779b1u;
  return teid ^ teid >> 15;
}

static void add_session(struct path_teid *teids, uint32_t mask, uint32_t teid, uint32_t session) {
  uint32_t place = teid_hash(teid) & mask;
  while (teids[place].session != PATH_NONE) {
    place = (place + 1) & mask;
  }
  teids[place] = (struct path_teid){teid, session};
}

// Most sessions forward at a high rate; one in 256 has its gate closed, one in 64 is slow.
static void fill_tables(struct path_teid *teids, struct path_session *sessions, uint32_t *arrivals,
                        const struct path_state *state) {
  uint64_t random = 0x243f6a8885a308d3u;
  memset(teids, 0xff, (state->tables.mask + 1ul) * sizeof *teids);
  for (uint32_t i = 0; i < state->tables.session_count; i++) {
    uint32_t teid = (i + 1) * 0x01000193u;
    add_session(teids, state->tables.mask, teid, i);
    sessions[i] = (struct path_session){.teid = teid,
                                        .peer_teid = (uint32_t)next_random(&random),
                                        .peer_address = 0x0a000000u + i,
                                        .own_address = 0x0a640001u,
                                        .rate = i % 64 == 1 ? 20000000 : 100000000000u,
                                        .burst = 1u << 20,
                                        .gate = i % 256 == 7,
                                        .qfi = (uint8_t)(i % 64)};
  }
  for (uint32_t i = 0; i <= state->arrival_mask; i++) {
    // One in 1 000 is of no session.
    uint64_t draw = next_random(&random);
    arrivals[i] = draw % 1000 == 0 ? 5 : sessions[(draw >> 10) % state->tables.session_count].teid;
  }
}

struct path_state *path_state_create(uint32_t sessions) {
  struct path_state *state = allocate(sizeof *state);
  if (state == 0) {
    return 0;
  }
  uint32_t entries = 1024;
  while (entries < 2 * (uint64_t)sessions) {
    entries *= 2;
  }
  state->arrival_mask = (1u << 20) - 1;
  state->tables.session_count = sessions;
  state->tables.mask = entries - 1;
  struct path_teid *teids = allocate(entries * sizeof *teids);
  struct path_session *records = allocate(sessions * sizeof *records);
  uint32_t *arrivals = allocate((state->arrival_mask + 1ul) * sizeof *arrivals);
  state->buckets = allocate(sessions * sizeof *state->buckets);
  state->usage = allocate(sessions * sizeof *state->usage);
  state->ring = allocate((size_t)PATH_RING * PATH_BUFFER);
  state->tables.teids = teids;
  state->tables.sessions = records;
  state->tables.buckets = state->buckets;
  state->tables.usage = state->usage;
  state->arrivals = arrivals;
  if (!teids || !records || !arrivals || !state->buckets || !state->usage || !state->ring) {
    path_state_destroy(state);
    return 0;
  }
  fill_tables(teids, records, arrivals, state);
  path_state_reset(state);
  return state;
}

// G-PDUs of 64 to 160 bytes; one in 512 is no GTP-U.
static void fill_ring(uint8_t *ring) {
  static const uint8_t pattern[PATH_OUTER] = {
      0x45, 0, 0, 0,    0, 0,   0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10,   100, 0, 1, 0x08, 0x68,
      0x08, 0x68, 0, 0, 0, 0,   0x34, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x85, 1, 0x10, 9, 0};
  for (uint32_t i = 0; i < PATH_RING; i++) {
    uint8_t *packet = ring + (size_t)i * PATH_BUFFER;
    uint32_t length = 64 + i * 7 % 97;
    memcpy(packet, pattern, sizeof pattern);
    packet[3] = (uint8_t)(PATH_OUTER + length);
    packet[IPV4_PROTOCOL] = i % 512 == 3 ? 6 : 17;
    for (uint32_t place = PATH_OUTER; place < PATH_BUFFER; place++) {
      packet[place] = (uint8_t)(place * 31 + i);
    }
  }
}

void path_state_reset(struct path_state *state) {
  for (uint32_t i = 0; i < state->tables.session_count; i++) {
    // Full for the slow ones within the first batches of their session.
    state->buckets[i] = (struct path_bucket){4000000000000u, 0};
  }
  memset(state->usage, 0, state->tables.session_count * sizeof *state->usage);
  fill_ring(state->ring);
  memset(state->forwarded, 0, sizeof state->forwarded);
  memset(state->dropped, 0, sizeof state->dropped);
  memset(&state->batch, 0, sizeof state->batch);
  state->received = 0;
  state->mixed = 0;
}

static uint64_t mix(uint64_t digest, const void *memory, size_t count) {
  const uint64_t *words = memory;
  for (size_t i = 0; i < count / sizeof *words; i++) {
    digest = (digest ^ words[i]) * 0x9fb21c651e98df25u;
    digest ^= digest >> 29;
  }
  return digest;
}

uint64_t path_state_digest(const struct path_state *state) {
  uint64_t sums[] = {state->received, state->forwarded[0] + state->forwarded[1]};
  uint64_t digest = mix(1, sums, sizeof sums);
  digest = mix(digest, state->dropped, sizeof state->dropped);
  digest = mix(digest, state->buckets, state->tables.session_count * sizeof *state->buckets);
  digest = mix(digest, state->usage, state->tables.session_count * sizeof *state->usage);
  return mix(digest, state->ring, (size_t)PATH_RING * PATH_BUFFER);
}

struct path_usage path_state_usage(const struct path_state *state) {
  struct path_usage sum = {0, 0};
  for (uint32_t i = 0; i < state->tables.session_count; i++) {
    sum.packets += state->usage[i].packets;
    sum.bytes += state->usage[i].bytes;
  }
  return sum;
}

void path_state_destroy(struct path_state *state) {
  if (state == 0) {
    return;
  }
  free((void *)state->tables.teids);
  free((void *)state->tables.sessions);
  free((void *)state->arrivals);
  free(state->buckets);
  free(state->usage);
  free(state->ring);
  free(state);
}
