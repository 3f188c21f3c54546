/// Workers whose code is changed by stopping all of them, as userspace live patching does, and by views.
///
/// The same threads run the same batches both ways, so that moments of both can take turns in one run.
#ifndef CREW_H
#define CREW_H

#include <stdint.h>

#include "path.h"

/// Batches that a member remembers, the newest ones: a power of two.
#define CREW_HISTORY 8192u
/// Members of a crew at most.
#define CREW_LIMIT 64u
/// Takes a member into the handler; needs <signal.h>.
#define CREW_SIGNAL (SIGRTMIN + 8)

/// One batch: when it began (the end of the one before) and ended, and which build served it; 0: two of them.
struct crew_batch {
  uint64_t begin;
  uint64_t end;
  uint64_t build;
};

/// What all members share.
struct crew {
  /// The functions that members call while `by_view` is 0: what live patching changes.
  const struct path_stage_table *stages[PATH_STAGES];
  /// Whether batches are served through the member's view.
  uint32_t by_view;
  /// Set by whoever wants the members to end.
  uint32_t stop;
  /// Members that are in the handler stay there while it is set.
  uint32_t hold;
  /// Members in the handler.
  uint32_t parked;
};

/// One worker.
struct crew_member {
  struct crew *crew;
  struct path_state *state;
  struct hitless_worker *worker;
  const struct path_driver_table *driver;
  /// Batch i is at i modulo `CREW_HISTORY`.
  struct crew_batch *history;
  /// What others read all the time lies on other lines than what the member reads.
  uint64_t apart[16];
  /// Batches so far.
  uint64_t batches;
  /// How often its thread had to give the processor away, as of the last look.
  uint64_t preemptions;
  /// The kernel's number of its thread; 0 before it runs.
  int32_t thread;
  uint32_t reserved;
};

/// What a member went through from a moment on until it was on the new code.
struct crew_passage {
  /// Longest of the batches meanwhile, the one in which the moment lies and the first on new code among them.
  uint64_t longest;
  /// From the beginning of the first of these batches to the end of the last, and how many they are.
  uint64_t span;
  uint64_t served;
  /// When the first batch ended that was all of the new code.
  uint64_t arrived;
  /// Batches that met both builds.
  uint64_t mixed;
  /// How long a batch took some time later, when nothing happened.
  uint64_t quiet;
};

/// Runs batches until the crew is stopped.
void crew_run(struct crew_member *member);
/// Makes all members end after their batch.
void crew_stop(struct crew *crew);
/// Has batches served through views, or through `crew.stages`; members find out before their next batch.
void crew_serve(struct crew *crew, int by_view);
/// Batches so far.
uint64_t crew_batches(const struct crew_member *member);
/// How often the member had to give the processor away until the last look, at most `PATH_WINDOW` batches
/// ago. A thread that is stopped by ptrace does not count: it has gone to sleep.
uint64_t crew_preemptions(const struct crew_member *member);
/// The thread's number; 0 before it runs.
int32_t crew_thread(const struct crew_member *member);
/// Finds what a member went through from `time` on until its first batch of `build` that ended after `until`.
/// Returns 0, or -1 when that has not come yet or is not remembered any more.
int crew_passage_of(const struct crew_member *member, uint64_t time, uint64_t until, uint64_t build,
                    struct crew_passage *passage);

/// Installs the handler in which members are parked.
int crew_prepare_signals(void);
/// Signals all members, waits until each is in the handler, changes the functions and lets them go.
/// Returns 0, or -1 when one has not come within a second.
int crew_swap_by_signals(struct crew *crew, struct crew_member *const *members, uint32_t count,
                         const struct path_stage_table *const *stages);

/// What another process is asked to do to this one.
struct crew_order {
  int32_t threads[CREW_LIMIT];
  uint32_t count;
  uint32_t reserved;
  /// Where `PATH_STAGES` words are written, and which.
  uint64_t address;
  uint64_t words[PATH_STAGES];
};

/// Lets `process` trace this one, where the kernel asks for that.
void crew_allow_tracer(int32_t process);
/// In another process: obeys the orders that come through descriptor `input`, with one answer through
/// `output` each (0, or an error number), until `input` ends.
void crew_trace(int input, int output);
/// Gives an order and waits for its answer: 0, or an error number.
int crew_swap_by_tracer(int input, int output, const struct crew_order *order);

#endif
