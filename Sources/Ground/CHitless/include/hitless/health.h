/// What a host counts and measures, so that the agent can compare a candidate with stable while both serve.
///
/// Inline calls for workers, like those of hitless/worker.h: they never block, never allocate, and are made
/// by the worker they name. docs/operations.md says what is made of the figures.
#ifndef HITLESS_HEALTH_H
#define HITLESS_HEALTH_H

#include <stdint.h>

#include "hitless/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Signals there may be; number 0, the packets, is there from the start.
#define HITLESS_SIGNALS 32u
/// Number of the signal that the others are measured against.
#define HITLESS_SIGNAL_PACKETS 0u
/// Slots whose time is measured: the first ones.
#define HITLESS_TIMED_SLOTS 16u
/// Buckets of a histogram of times or of what a gauge shows.
#define HITLESS_BUCKETS 656u
/// Histograms of each side: times of whole batches, of slots, then of gauges by the number of the signal.
#define HITLESS_HISTOGRAMS (1u + HITLESS_TIMED_SLOTS + HITLESS_SIGNALS)

/// Figures of one worker since it was first registered, for stable at 0 and the candidate at 1.
///
/// Written by the worker only, with relaxed stores; the agent reads them relaxed. Nothing is decided by one
/// reading: what counts are differences over thousands of batches, of which one more or less is noise.
struct hitless_health {
  uint32_t size;
  uint32_t reserved0;
  /// The worker's own: batches until the next one that is measured, by side, and what the distance of the
  /// one after it is drawn from.
  uint32_t left[2];
  uint64_t random;
  uint64_t reserved1[5];
  uint64_t counts[2][HITLESS_SIGNALS];
  uint32_t histograms[2][HITLESS_HISTOGRAMS][HITLESS_BUCKETS];
};

/// One part of a batch: packets of one generation.
struct hitless_part {
  const struct hitless_generation *generation;
  /// Place of its first packet in the order, and how many there are.
  uint32_t first;
  uint32_t count;
  /// Whether its times may be compared with those of the other side.
  uint32_t is_timed;
  uint32_t reserved;
};

/// Most parts of a batch.
#define HITLESS_PARTS 3u

/// Splits a batch as `hitless_partition` does, for hosts that measure their slots: returns how many parts
/// there are, in the order of `order`, some of which may be empty.
///
/// A batch that is measured has a third part. A few packets take longer each than many do; so that the
/// small part of one side is compared with a part of the other that is as small, flows that are as many
/// as the candidate's, or as stable's if that has fewer, are taken out of the larger side. What serves a
/// packet is the same as in `hitless_partition`. Complexity: three passes over `count`.
static inline uint32_t hitless_split(const struct hitless_worker *worker,
                                     const struct hitless_view *view, const uint32_t *hashes,
                                     uint32_t count, uint16_t *order,
                                     struct hitless_part parts[HITLESS_PARTS]) {
  uint32_t share = view->candidate == 0 ? 0 : view->share;
  uint32_t smaller = share < HITLESS_SHARE_ALL - share ? share : HITLESS_SHARE_ALL - share;
  uint32_t is_timed = worker->sampling != 0;
  // Flows from `begin` of each part to that of the next: the rest of the larger side comes first or last.
  uint32_t begins[HITLESS_PARTS + 1] = {HITLESS_SHARE_ALL, share, 0, 0};
  uint32_t part_count = 2;
  if (is_timed != 0 && smaller != 0 && smaller * 2 != HITLESS_SHARE_ALL) {
    part_count = 3;
    begins[1] = share + smaller < HITLESS_SHARE_ALL ? share + smaller : share;
    begins[2] = share + smaller < HITLESS_SHARE_ALL ? share : share - smaller;
    begins[3] = 0;
  }
  uint32_t next = 0;
  for (uint32_t part = 0; part < part_count; part++) {
    uint32_t first = next;
    for (uint32_t index = 0; index < count; index++) {
      uint32_t flow = hashes[index] & 0xffffu;
      if (flow >= begins[part + 1] && flow < begins[part]) {
        order[next++] = (uint16_t)index;
      }
    }
    parts[part].generation = begins[part] > share ? view->stable : view->candidate;
    parts[part].first = first;
    parts[part].count = next - first;
    parts[part].is_timed = part_count == 2 || begins[part] - begins[part + 1] == smaller;
    parts[part].reserved = 0;
  }
  return part_count;
}

/// Returns which side of the comparison a generation is on: 1 for the candidate, 0 for anything else.
static inline uint32_t hitless_side(const struct hitless_view *view,
                                    const struct hitless_generation *generation) {
  return generation == view->candidate ? 1u : 0u;
}

/// Returns the processor's cycle counter, or another that counts as steadily; 0 where there is none.
static inline uint64_t hitless_ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#elif defined(__riscv) && __riscv_xlen == 64
  uint64_t ticks;
  __asm__ volatile("rdtime %0" : "=r"(ticks));
  return ticks;
#elif defined(__loongarch64)
  uint64_t ticks;
  __asm__ volatile("rdtime.d %0, $zero" : "=r"(ticks));
  return ticks;
#else
  return 0;
#endif
}

/// Returns the bucket of a value: one each below 16, then sixteen per doubling.
static inline uint32_t hitless_bucket(uint64_t value) {
  if (value < 16) {
    return (uint32_t)value;
  }
  uint32_t exponent = 63u - (uint32_t)__builtin_clzll(value);
  uint32_t bucket = (exponent - 3) * 16 + (uint32_t)((value >> (exponent - 4)) & 15);
  return bucket < HITLESS_BUCKETS ? bucket : HITLESS_BUCKETS - 1;
}

/// Counts one value in a histogram; see `hitless_health` for the order.
static inline void hitless_health_record(struct hitless_health *health, uint32_t side,
                                         uint32_t histogram, uint64_t value) {
  uint32_t *cell = &health->histograms[side & 1][histogram][hitless_bucket(value)];
  __atomic_store_n(cell, *cell + 1, __ATOMIC_RELAXED);
}

/// Adds to a signal that was defined as a count; after the commit point, so that it counts once.
///
/// `side` is what `hitless_side` says of the generation that has worked on the packets.
static inline void hitless_signal_add(struct hitless_worker *worker, uint32_t side, uint32_t signal,
                                      uint64_t count) {
  struct hitless_health *health = worker->health;
  if (health != 0 && signal < HITLESS_SIGNALS) {
    uint64_t *cell = &health->counts[side & 1][signal];
    __atomic_store_n(cell, *cell + count, __ATOMIC_RELAXED);
  }
}

/// Writes down one value of a signal that was defined as a gauge.
static inline void hitless_signal_value(struct hitless_worker *worker, uint32_t side, uint32_t signal,
                                        uint64_t value) {
  if (worker->health != 0 && signal < HITLESS_SIGNALS) {
    hitless_health_record(worker->health, side, 1 + HITLESS_TIMED_SLOTS + signal, value);
  }
}

/// Begins to measure a slot: returns what `hitless_slot_end` wants, 0 for batches that are not measured.
///
/// Costs a load and a branch for those.
static inline uint64_t hitless_slot_begin(const struct hitless_worker *worker) {
  return __builtin_expect(worker->sampling != 0, 0) ? hitless_ticks() : 0;
}

/// Ends what `hitless_slot_begin` began, for packets that `side` has worked on in `slot`.
///
/// Costs a branch for batches that are not measured. Of a batch with several parts only those that
/// `is_timed` says are compared: leave the call out for the others.
static inline void hitless_slot_end(struct hitless_worker *worker, uint32_t side, uint32_t slot,
                                    uint64_t begin) {
  if (__builtin_expect(begin != 0, 0) && slot < HITLESS_TIMED_SLOTS) {
    // In 256ths, as all times are.
    hitless_health_record(worker->health, side, 1 + slot, (hitless_ticks() - begin) << 8);
  }
}

#ifdef __cplusplus
}
#endif

#endif
