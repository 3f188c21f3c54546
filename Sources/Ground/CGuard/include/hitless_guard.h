// The guard's part that Swift cannot be: saved registers, signal handlers, and what both share.
//
// A handler may run in the middle of anything. It touches the record of its own thread and nothing else: no
// lock, no allocation, no call that is not async-signal-safe, which Swift promises of none of its own.
#ifndef HITLESS_GUARD_H
#define HITLESS_GUARD_H

#include <signal.h>
#include <stdint.h>

#include "hitless/host.h"
#include "hitless/state.h"
#include "hitless_shadow_ring.h"

/// Addresses that a report keeps of the stack.
#define HITLESS_GUARD_FRAMES 16u
/// Words of the stack that are looked at for them.
#define HITLESS_GUARD_WORDS 512u

/// Registers of the caller at the beginning of a guarded batch, as call.S stores them.
struct hitless_guard_context {
  /// x86-64: rbx, rbp, r12 to r15. AArch64: x19 to x30.
  uint64_t general[12];
  /// AArch64: d8 to d15.
  uint64_t vector[8];
  uint64_t stack;
  /// x86-64: mxcsr, then the x87 control word. AArch64: fpcr.
  uint64_t control;
};

/// Why a worker left the candidate.
enum {
  HITLESS_GUARD_FAULT = 1,
  HITLESS_GUARD_OVER_BUDGET = 2
};

/// Why handlers were not installed.
enum {
  HITLESS_GUARD_NOT_INSTALLED = -1,
  HITLESS_GUARD_BUSY = -2
};

/// Where the report of a record stands.
enum {
  /// The worker may fill it.
  HITLESS_GUARD_FREE = 0,
  /// The agent may read it.
  HITLESS_GUARD_FULL = 1
};

/// What a handler has written down about one fault.
struct hitless_guard_report {
  /// One of `HITLESS_GUARD_FAULT` and `…_OVER_BUDGET`.
  int32_t reason;
  int32_t signal;
  /// `si_code`.
  int32_t code;
  uint32_t frame_count;
  /// `si_addr`; of no meaning for a signal that was sent.
  uint64_t address;
  /// Where the thread was.
  uint64_t instruction;
  /// Number of the generation that was left, and sequence of its view.
  uint64_t generation;
  uint64_t sequence;
  /// CLOCK_MONOTONIC when the handler began, or the watchdog decided, and when the batch began again.
  uint64_t fault_time;
  uint64_t stable_time;
  /// Return addresses into the candidate's code that lay on the stack, innermost first.
  uint64_t frames[HITLESS_GUARD_FRAMES];
};

/// One worker's guard. The agent allocates it; each group of fields has one writer.
struct hitless_guard {
  /// Set by the agent before the worker starts.
  struct hitless_worker *_Nonnull worker;
  struct hitless_guard *_Nullable next;
  /// eventfd that wakes the agent; write-only for the worker.
  int32_t wake;
  /// 0: nothing is caught, only deadlines are kept.
  uint32_t is_catching;
  uint64_t reserved0[5];

  /// Written by the watchdog only.
  uint64_t late_batch;
  uint64_t watched_batch;
  uint64_t watched_time;
  /// Signals that were sent to this worker.
  uint64_t signals;
  /// When the last of them was sent.
  uint64_t late_time;
  uint64_t reserved1[3];

  /// Written by the registering thread, which is the worker: the kernel's number, 0 for none.
  uint32_t thread;
  /// Handed to and fro: `HITLESS_GUARD_FREE` by the agent, `…_FULL` by the worker.
  uint32_t state;
  /// Number of the generation whose fault found the report in use, 0 for none. Stored by the worker, taken by
  /// the agent.
  uint64_t missed;
  uint64_t reserved2[6];

  /// Written by the worker only, in and out of its handlers.
  const struct hitless_view *_Nullable view;
  /// Where the batch was caught: 0 or `HITLESS_GUARD_…`.
  uint32_t caught;
  uint32_t is_reporting;
  /// Sequence of the view that this worker does not follow any more.
  uint64_t left;
  /// Batches that were run again.
  uint64_t faults;
  /// Views left because of their deadline.
  uint64_t expirations;
  /// Faults for which the report was in use.
  uint64_t unreported;
  uint64_t fault_stack;
  /// Whether a batch has been seen whose pipeline function calls `hitless_commit`.
  uint64_t marks_commit;
  /// Which batches are the candidate's by its share of them: how far the stretch has got in which the next
  /// one was drawn, where it was, what the one after it is drawn from, and how many are still owed.
  uint64_t turn;
  uint64_t drawn;
  uint64_t random;
  uint64_t owed;
  /// The view that it followed last without its candidate: after it was left, or for a batch of stable's.
  struct hitless_view fallback;
  /// The view that it followed last with all of its candidate, for a batch that is the candidate's by turn.
  struct hitless_view trial;
  struct hitless_guard_context context;
  struct hitless_guard_report report;
  /// The last fault of stable on a copy. The handler writes it and whoever had the copy run reads it, on the
  /// same thread: it is handed to nobody, so that nobody can take it for a candidate's.
  struct hitless_guard_report stables;
  uint64_t words[HITLESS_GUARD_WORDS];
};

/// Runs a batch while there is a candidate: `hitless_worker.run_guarded`. The worker's thread.
int32_t hitless_guard_run(struct hitless_worker *_Nonnull worker, const struct hitless_view *_Nonnull view,
                          hitless_pipeline _Nonnull pipeline, void *_Nullable batch);

/// Runs `batch` on what `view` serves under the guard, once, whatever happens: for what is no worker's batch.
///
/// Returns whether it came to its end; `result` is then what it returned. A fault of a view's candidate is
/// reported like a worker's. A view without a candidate has stable run: its fault is left in `stables`, and
/// nobody is told.
int hitless_guard_try(struct hitless_worker *_Nonnull worker, const struct hitless_view *_Nonnull view,
                      hitless_pipeline _Nonnull pipeline, void *_Nullable batch,
                      int32_t *_Nonnull result);

/// Whether the candidate of that breaker may have the next batch: what `hitless_guard_run` asks, for whoever
/// measures it.
int hitless_guard_admits(struct hitless_breaker *_Nullable breaker);

/// Puts the handlers for faults and for `late_signal` first, before whatever was installed meanwhile, which
/// gets everything that is not a candidate's.
///
/// Returns how many had to be put there, or one of `HITLESS_GUARD_NOT_INSTALLED` (somebody keeps replacing
/// them) and `…_BUSY` (another thread is at it).
int hitless_guard_install(int late_signal);

/// Signals that must reach a worker: fills `set` with those of faults and `late_signal`.
void hitless_guard_signals(sigset_t *_Nonnull set, int late_signal);

/// Tells a worker that its batch is over the budget. Returns 0 or -1 with `errno`.
int hitless_guard_tell(struct hitless_guard *_Nonnull guard, uint64_t batch, int late_signal);

/// The signal that is used when the host has named none.
int hitless_guard_default_signal(void);
/// The last real-time signal.
int hitless_guard_largest_signal(void);

/// Processor time of a thread of this process in nanoseconds; UINT64_MAX when there is no such thread.
uint64_t hitless_guard_thread_time(uint32_t thread);

/// Finds a record that may be on its way: `hitless_state_table.settle`. The worker's thread.
uint32_t hitless_state_find(struct hitless_worker *_Nonnull worker, const struct hitless_view *_Nonnull view,
                            const struct hitless_state_table *_Nonnull table, uint64_t record,
                            uint32_t is_candidates);

/// Moves those of `count` records to `goal` that nobody uses; returns how many are not there. One thread at a
/// time; `guard` is that thread's, or null.
uint64_t hitless_state_sweep(struct hitless_guard *_Nullable guard,
                             const struct hitless_state_table *_Nonnull table, uint64_t first,
                             uint64_t count, uint32_t goal);

/// How many records do not lie at `place`, or are being moved away from there.
uint64_t hitless_state_count(const struct hitless_state_table *_Nonnull table, uint32_t place);

/// Fills a record with zeros wherever it lies. No worker uses it.
void hitless_state_zero(const struct hitless_state_table *_Nonnull table, uint64_t record);

#endif
