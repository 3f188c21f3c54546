// Shadow mode on the packet path: a batch that was drawn is copied, or not; nothing else ever happens.
#include "hitless_shadow_ring.h"

// Swift binds atomics to these words.
_Static_assert(__builtin_offsetof(struct hitless_shadow_ring, written) == 64, "as ShadowArea has it");
_Static_assert(__builtin_offsetof(struct hitless_shadow_ring, skipped) == 72, "as ShadowArea has it");
_Static_assert(__builtin_offsetof(struct hitless_shadow_ring, declined) == 80, "as ShadowArea has it");
_Static_assert(__builtin_offsetof(struct hitless_shadow_ring, read) == 128, "as ShadowArea has it");
_Static_assert(sizeof(struct hitless_shadow_ring) == 192, "three cache lines");
_Static_assert(__builtin_offsetof(struct hitless_shadow, unplaced) == 64, "as ShadowArea has it");

/// Adds one to a counter of which this thread is the only writer.
///
/// Ordering: relaxed; who reads it learns a number and nothing else.
static void count(uint64_t *cell) { __atomic_store_n(cell, *cell + 1, __ATOMIC_RELAXED); }

void hitless_shadow_offer(struct hitless_worker *worker, struct hitless_shadow *shadow, const void *batch) {
  // Acquire: pairs with the agent's release when it adds the ring, whose first line is filled then.
  struct hitless_shadow_ring *ring = worker->index < shadow->ring_count
                                         ? __atomic_load_n(&shadow->rings[worker->index], __ATOMIC_ACQUIRE)
                                         : 0;
  if (ring == 0) {
    __atomic_fetch_add(&shadow->unplaced, 1, __ATOMIC_RELAXED);
    return;
  }
  uint64_t written = ring->written;
  // Acquire: pairs with the agent's release; what it has read in the place that is used again is behind it.
  if (written - __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE) > ring->mask) {
    count(&ring->skipped);
    return;
  }
  uint8_t *place = ring->places + (written & ring->mask) * ring->stride;
  uint64_t size = shadow->copy(shadow->context, batch, place + HITLESS_SHADOW_HEAD);
  if (size == 0 || size > ring->copy_size) {
    count(&ring->declined);
    return;
  }
  *(uint64_t *)(void *)place = size;
  // Release: pairs with the agent's acquire; who sees the number sees the copy.
  __atomic_store_n(&ring->written, written + 1, __ATOMIC_RELEASE);
}

int32_t hitless_shadow_run(const struct hitless_view *view, void *call) {
  const struct hitless_shadow_call *mine = call;
  return mine->host->run(mine->host->context, view, mine->copy);
}
