/// What a worker calls: views, and the inline calls of the packet path. Part of hitless/host.h.
///
/// They never block, never allocate, and are made by the worker they name. docs/concurrency.md argues the
/// orders named here.
#ifndef HITLESS_WORKER_H
#define HITLESS_WORKER_H

#include <stdint.h>

#include "hitless/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Value of `hitless_worker.seen` while the worker touches no view.
#define HITLESS_SEEN_IDLE UINT64_MAX
/// Value of `hitless_view.share` and `turns` when every flow or batch is the candidate's.
#define HITLESS_SHARE_ALL 65536u
/// Cache lines that a worker fetches ahead per batch, while a view announces some.
#define HITLESS_LINES_PER_BATCH 4u

/// Identity of one mapped module, as a host may want to count by it.
struct hitless_module_info {
  uint32_t size;
  /// Small and dense: the n-th distinct image that was staged since the host started, from 0.
  uint32_t ordinal;
  /// Bytes of `build_id` in use.
  uint32_t build_id_size;
  uint8_t build_id[32];
  struct hitless_module_facts facts;
  /// Where the module's code lies.
  uint64_t code_address;
  uint64_t code_size;
};

/// An immutable set of modules, one per slot: what a worker uses for one whole batch.
struct hitless_generation {
  uint32_t size;
  uint32_t slot_count;
  /// Rises with every generation the agent makes; never reused.
  uint64_t number;
  /// Function table of each slot.
  const void *const *tables;
  /// Identity of each slot's module.
  const struct hitless_module_info *const *modules;
};

/// Whether a candidate may be used at this moment. All workers share the line; it is only written to when
/// something fails, and while it is half-open.
struct hitless_breaker {
  /// `HITLESS_BREAKER_…`, each a bit.
  uint64_t word;
  /// While half-open: batches that may still be run on the candidate.
  int64_t tokens;
  /// While half-open: batches that were, and came to their end.
  uint64_t successes;
  uint64_t reserved[5];
};

/// Bits of `hitless_breaker.word`; without any, every batch may.
enum {
  /// No batch may.
  HITLESS_BREAKER_OPEN = 1,
  /// As many batches may as there are tokens.
  HITLESS_BREAKER_HALF_OPEN = 2
};

struct hitless_states;
struct hitless_claims;

/// An immutable record that a worker's one word points to: a cache line for every batch, and one that only
/// `hitless_run_batch` reads, while there is a candidate.
struct hitless_view {
  uint32_t size;
  /// Flows of 65 536 that are the candidate's, for `hitless_partition`.
  uint32_t share;
  /// One higher than any view before it.
  uint64_t sequence;
  /// What a batch uses that is not split by flow.
  const struct hitless_generation *serving;
  /// The generation to fall back to.
  const struct hitless_generation *stable;
  /// The generation under guard, because it is on trial or always; null when there is none.
  const struct hitless_generation *candidate;
  /// CLOCK_MONOTONIC nanoseconds after which the candidate is not used any more; 0 is never. Kept by
  /// `hitless_run_batch`, without the agent's help, to a tick of the kernel's clock (up to 10 ms late).
  uint64_t deadline;
  /// Addresses of the code and tables that a later view will use; null when none is announced.
  const void *const *lines;
  uint64_t line_count;
  /// Batches of 65 536 that are the candidate's on this worker; the others are stable's as a whole. Unless it
  /// is all of them, `share` is 0 and `serving` stable: only `hitless_run_batch` takes turns.
  uint32_t turns;
  uint32_t reserved0;
  /// Null where nothing holds the candidate back.
  struct hitless_breaker *breaker;
  /// Where copies of some of stable's batches go (hitless/shadow.h); null while none are made. Only
  /// `hitless_run_batch` makes them.
  void *shadow;
  /// The host's state tables (hitless/state.h); null when it has defined none.
  const struct hitless_states *states;
  uint64_t reserved1[4];
};

/// One batch's work: calls tables of `view`, applies what they put out, returns 0 or the host's code.
///
/// Commit point: until the tables have returned, packet bytes, sessions and counters are as they were;
/// what modules do are outputs that the function applies last. A batch is run again on another view
/// if it did not reach that point: the function is then left in the middle, like by `longjmp`, so up to
/// the commit point it holds no lock, no allocation and nothing that a destructor would have to end.
typedef int32_t (*hitless_pipeline)(const struct hitless_view *view, void *batch);

struct hitless_worker;
struct hitless_health;

/// How a worker runs a batch while there is a candidate; the agent's, see `hitless_run_batch`.
typedef int32_t (*hitless_guarded_run)(struct hitless_worker *worker, const struct hitless_view *view,
                                       hitless_pipeline pipeline, void *batch);

/// One data-plane thread; the agent allocates it on cache lines of its own.
///
/// Three lines, because each has one writer: what never changes, what the agent writes, what the
/// worker writes.
struct hitless_worker {
  uint32_t size;
  uint32_t index;
  /// Null where nothing is guarded.
  hitless_guarded_run run_guarded;
  /// What `run_guarded` needs.
  void *guard;
  /// What the worker counts and measures for the comparison of candidate and stable (hitless/health.h);
  /// null: nothing.
  struct hitless_health *health;
  /// What the worker's batch uses of the host's state tables (hitless/state.h).
  struct hitless_claims *claims;
  uint64_t reserved0[3];
  /// Written by the agent only.
  const struct hitless_view *view;
  uint64_t reserved1[7];
  /// Written by the worker only: sequence of the last view it loaded, `HITLESS_SEEN_IDLE` while idle.
  uint64_t seen;
  /// Written by the worker only: sequence of the last view whose announced lines it has all fetched.
  uint64_t ready;
  /// The worker's own: the view whose lines it fetches, and how many of them it has asked for.
  uint64_t fetching;
  uint64_t fetched;
  /// Written by the worker only: odd from the beginning of a guarded batch to its commit point, another
  /// number for each batch.
  uint64_t guarded;
  /// The worker's own: not 0 while it runs a batch whose times are measured.
  uint64_t sampling;
  uint64_t reserved2[2];
};

/// Fetches the next few of the lines that `view` announces; `hitless_enter` calls it when there are any.
///
/// Only a hint to the processor: nothing is read, so nothing can fault. A few lines per batch, so that no
/// batch waits for memory; without them the first batch through new code would wait for all of them.
/// It goes round until another view comes, so that what was fetched first is not evicted meanwhile.
///
/// Ordering: relaxed; who reads `ready` publishes a little earlier or later, and nothing else.
static inline void hitless_fetch_ahead(struct hitless_worker *worker,
                                       const struct hitless_view *view) {
  uint64_t next = worker->fetching == view->sequence ? worker->fetched : 0;
  for (uint32_t left = HITLESS_LINES_PER_BATCH; left > 0 && next < view->line_count; left--) {
    __builtin_prefetch(view->lines[next++], 0, 2);
  }
  if (next == view->line_count) {
    __atomic_store_n(&worker->ready, view->sequence, __ATOMIC_RELAXED);
    next = 0;
  }
  worker->fetching = view->sequence;
  worker->fetched = next;
}

/// Returns the view for the next batch; call once per batch and keep nothing of the one before.
///
/// Ordering: the acquire load pairs with the agent's publishing store, so that whoever reads the new
/// word also reads the view, the generation and the tables behind it. The release store says "every
/// view before this one is behind me": it pairs with the agent's acquire load of `seen`, and keeps this
/// worker's last reads of older views before it. Echoing the sequence that was *loaded* matters: a tick
/// stored before the load would promise a view that the worker does not have yet, and the agent would
/// retire the one it has.
static inline const struct hitless_view *hitless_enter(struct hitless_worker *worker) {
  const struct hitless_view *view = __atomic_load_n(&worker->view, __ATOMIC_ACQUIRE);
  __atomic_store_n(&worker->seen, view->sequence, __ATOMIC_RELEASE);
  if (__builtin_expect(view->line_count != 0, 0)) {
    hitless_fetch_ahead(worker, view);
  }
  return view;
}

/// Returns the function table that fills `slot` for a batch that is not split by flow.
static inline const void *hitless_table(const struct hitless_view *view, uint32_t slot) {
  return view->serving->tables[slot];
}

/// Returns the function table that fills `slot` in one generation of the view, after a partition.
static inline const void *hitless_generation_table(const struct hitless_generation *generation,
                                                   uint32_t slot) {
  return generation->tables[slot];
}

/// Splits a batch once by flow: stable's part first, then the candidate's, each in arrival order.
///
/// `hashes[i]` must depend on nothing but packet i's flow, the same in both directions where both
/// matter; `order` receives `count` indices. Returns how many of them are stable's. A growing share
/// only ever moves flows from stable to the candidate. Complexity: two passes over `count`.
static inline uint32_t hitless_partition(const struct hitless_view *view, const uint32_t *hashes,
                                         uint32_t count, uint16_t *order) {
  uint32_t share = view->candidate == 0 ? 0 : view->share;
  uint32_t stable = 0;
  for (uint32_t index = 0; index < count; index++) {
    if ((hashes[index] & 0xffffu) >= share) {
      order[stable++] = (uint16_t)index;
    }
  }
  uint32_t next = stable;
  for (uint32_t index = 0; index < count; index++) {
    if ((hashes[index] & 0xffffu) < share) {
      order[next++] = (uint16_t)index;
    }
  }
  return stable;
}

/// Runs one batch; while there is a candidate, under a guard.
///
/// When code of the candidate faults, overflows the stack or is over the time budget, this worker is back
/// on the stable generation at once, and the batch is run once more, on that. After the view's deadline
/// batches are run on stable without a fault. What comes back is what the last run returned.
/// docs/operations.md says what is caught and what is not.
///
/// Costs a load and a branch more than `hitless_enter` while there is no candidate.
static inline int32_t hitless_run_batch(struct hitless_worker *worker, hitless_pipeline pipeline,
                                        void *batch) {
  const struct hitless_view *view = hitless_enter(worker);
  if (__builtin_expect(view->candidate != 0, 0) && worker->run_guarded != 0) {
    return worker->run_guarded(worker, view, pipeline, batch);
  }
  return pipeline(view, batch);
}

/// Says that the batch has reached its commit point: from here to the end of the pipeline function, it is not
/// run again, whatever happens.
///
/// Call it after the last table has returned and before the first output is applied. Without the call
/// a fault is still told from the host's own by where it happened; with it there is no doubt.
///
/// Ordering: relaxed, between two fences for the compiler. The only reader that decides by it is a signal
/// handler of this thread; the agent's watchdog reads it too, and asks that handler.
static inline void hitless_commit(struct hitless_worker *worker) {
  uint64_t mark = worker->guarded;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, mark + (mark & 1), __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/// Begins work of the host's own in the middle of a pipeline function that must be done whole, such as
/// changing the order of what a second run of the batch would begin with: a batch that is late is not ended
/// meanwhile, and a fault is the host's.
///
/// Returns what `hitless_resume_guard` has to be given. Call no table between the two, nor `hitless_commit`:
/// the batch could be run again behind its commit point.
///
/// Ordering: as `hitless_commit`.
static inline uint64_t hitless_pause_guard(struct hitless_worker *worker) {
  uint64_t mark = worker->guarded;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, mark + (mark & 1), __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return mark & 1;
}

/// Ends what `hitless_pause_guard` has begun, which has returned `paused`; the batch's time begins anew.
static inline void hitless_resume_guard(struct hitless_worker *worker, uint64_t paused) {
  uint64_t mark = worker->guarded;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, mark + paused, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/// Says that the worker uses no view until `hitless_resume`: call before blocking.
///
/// Ordering: release; pairs with the agent's load of `seen` and keeps the worker's last reads of any
/// view before it.
static inline void hitless_idle(struct hitless_worker *worker) {
  __atomic_store_n(&worker->seen, HITLESS_SEEN_IDLE, __ATOMIC_RELEASE);
}

/// Ends `hitless_idle`.
///
/// Ordering: sequentially consistent, twice. The agent stores the word and then loads `seen`; the worker
/// stores `seen` and then loads the word. Without one total order both could miss each other: the agent
/// would still see an idle worker, and the worker still an old view.
static inline void hitless_resume(struct hitless_worker *worker) {
  __atomic_store_n(&worker->seen, (uint64_t)0, __ATOMIC_SEQ_CST);
  (void)__atomic_load_n(&worker->view, __ATOMIC_SEQ_CST);
}

#ifdef __cplusplus
}
#endif

#endif
