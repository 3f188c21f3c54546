// Copies of batches on their way from workers to the thread that compares: one ring for each worker.
#ifndef HITLESS_SHADOW_RING_H
#define HITLESS_SHADOW_RING_H

#include <stdint.h>

#include "hitless/shadow.h"

/// Bytes before a copy in its place; the first word says how many it has.
#define HITLESS_SHADOW_HEAD 64u

/// Places for copies of one worker's batches. Three lines: what never changes, the worker's, the agent's.
struct hitless_shadow_ring {
  uint8_t *_Nonnull places;
  uint64_t stride;
  /// Places minus one; there is a power of two of them.
  uint64_t mask;
  uint64_t copy_size;
  uint64_t reserved0[4];
  /// Written by the worker only: copies that are complete, ever; batches for which there was no place; and
  /// those that the host did not want to have compared.
  uint64_t written;
  uint64_t skipped;
  uint64_t declined;
  uint64_t reserved1[5];
  /// Written by the agent only: copies that it has taken, ever.
  uint64_t read;
  uint64_t reserved2[7];
};

/// What `hitless_view.shadow` points to. Rings are only added while a view names it.
struct hitless_shadow {
  uint64_t (*_Nonnull copy)(void *_Nullable context, const void *_Nullable batch, void *_Nullable copy);
  void *_Nullable context;
  /// Batches of 65 536 that are copied.
  uint32_t share;
  uint32_t ring_count;
  /// By the worker's index; null until the agent has made one.
  struct hitless_shadow_ring *_Nullable *_Nonnull rings;
  uint64_t reserved0[4];
  /// Written by workers that have no ring: how many batches were drawn all the same.
  uint64_t unplaced;
  uint64_t reserved1[7];
};

/// Copies a batch that was drawn, if there is a place for it. The worker's thread; never waits.
void hitless_shadow_offer(struct hitless_worker *_Nonnull worker, struct hitless_shadow *_Nonnull shadow,
                          const void *_Nullable batch);

/// A run on a copy, as a pipeline function's `batch`.
struct hitless_shadow_call {
  const struct hitless_shadow_options *_Nonnull host;
  void *_Nonnull copy;
};

/// `hitless_pipeline` for a `hitless_shadow_call`.
int32_t hitless_shadow_run(const struct hitless_view *_Nonnull view, void *_Nonnull call);

#endif
