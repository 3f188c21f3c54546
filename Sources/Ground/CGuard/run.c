#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "hitless/health.h"

// Swift binds atomics to these words.
_Static_assert(__builtin_offsetof(struct hitless_guard, signals) == 88, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, thread) == 128, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, state) == 132, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, missed) == 136, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, faults) == 216, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, expirations) == 224, "as WorkerGuard has it");
_Static_assert(__builtin_offsetof(struct hitless_guard, unreported) == 232, "as WorkerGuard has it");

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FORGET_STACK(begin, end) __asan_unpoison_memory_region((void *)(begin), (end) - (begin))
#endif
#endif
#ifndef FORGET_STACK
#define FORGET_STACK(begin, end) ((void)(begin), (void)(end))
#endif

HANDLER_LOCAL struct hitless_guard *hitless_guard_current;
const char hitless_guard_cookie = 0;

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) {
    return UINT64_MAX;
  }
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t guard_time(void) { return nanoseconds(CLOCK_MONOTONIC); }

uint64_t hitless_guard_thread_time(uint32_t thread) {
  // The kernel's number of a thread's clock of processor time, as pthread_getcpuclockid makes it.
  return nanoseconds((clockid_t)(~thread << 3 | 6));
}

int hitless_guard_default_signal(void) { return SIGRTMAX - 2; }

int hitless_guard_largest_signal(void) { return SIGRTMAX; }

int hitless_guard_tell(struct hitless_guard *guard, uint64_t batch, int late_signal) {
  siginfo_t info = {.si_signo = late_signal, .si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
  info.si_ptr = (void *)(uintptr_t)&hitless_guard_cookie;
  __atomic_store_n(&guard->late_time, guard_time(), __ATOMIC_RELAXED);
  // Release: pairs with the handler's acquire; who gets the signal finds the batch that is meant.
  __atomic_store_n(&guard->late_batch, batch, __ATOMIC_RELEASE);
  uint32_t thread = __atomic_load_n(&guard->thread, __ATOMIC_RELAXED);
  if (thread == 0) {
    errno = ESRCH;
    return -1;
  }
  __atomic_fetch_add(&guard->signals, 1, __ATOMIC_RELAXED);
  return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, late_signal, &info);
}

/// `view` without its candidate. What it points to lives as long as `view`, whose sequence the worker goes on
/// reporting.
static const struct hitless_view *stable_only(struct hitless_guard *guard,
                                              const struct hitless_view *view) {
  if (guard->fallback.sequence != view->sequence) {
    guard->fallback = (struct hitless_view){.size = sizeof guard->fallback,
                                            .sequence = view->sequence,
                                            .serving = view->stable,
                                            .stable = view->stable,
                                            .states = view->states};
  }
  return &guard->fallback;
}

/// The worker does not follow `view` any more: until another one comes, it follows the same without its
/// candidate.
static const struct hitless_view *leave(struct hitless_guard *guard, const struct hitless_view *view) {
  guard->left = view->sequence;
  return stable_only(guard, view);
}

static const struct hitless_view *leave_expired(struct hitless_guard *guard,
                                                const struct hitless_view *view) {
  __atomic_fetch_add(&guard->expirations, 1, __ATOMIC_RELAXED);
  return leave(guard, view);
}

/// What the breaker says about the next batch.
enum admission { ADMITTED, ON_TRIAL, HELD_BACK };

/// A load and a test of two bits, unless the breaker is half-open.
///
/// Ordering: relaxed. The bits choose between two complete generations, both of which the view's acquire has
/// made visible; too old an answer is a batch more on a candidate that is guarded anyway.
static enum admission admission(struct hitless_breaker *breaker) {
  if (breaker == 0) {
    return ADMITTED;
  }
  uint64_t word = __atomic_load_n(&breaker->word, __ATOMIC_RELAXED);
  if (__builtin_expect(word == 0, 1)) {
    return ADMITTED;
  }
  // The load first: with no token left, workers must not go on writing to the line that they share.
  if ((word & HITLESS_BREAKER_OPEN) != 0 || __atomic_load_n(&breaker->tokens, __ATOMIC_RELAXED) <= 0 ||
      __atomic_fetch_sub(&breaker->tokens, 1, __ATOMIC_RELAXED) <= 0) {
    return HELD_BACK;
  }
  return ON_TRIAL;
}

int hitless_guard_admits(struct hitless_breaker *breaker) { return admission(breaker) != HELD_BACK; }

/// The next number of a sequence that differs from worker to worker.
static uint64_t next_random(uint64_t *state, uint32_t worker) {
  *state = *state * 6364136223846793005u + 2 * (uint64_t)worker + 1442695040888963407u;
  return *state >> 33;
}

/// Whether the next batch is one of the `turns` in 65 536, at most half of them, that are drawn.
///
/// One in each stretch, at a place that is drawn: evenly spread, and yet not in step with a host that serves
/// its ports by turns, whose every second batch is of another kind.
static int is_drawn(struct hitless_guard *guard, uint32_t turns) {
  uint64_t from = guard->turn;
  uint64_t to = from + turns;
  guard->owed += from < guard->drawn && to >= guard->drawn;
  if (to >= HITLESS_SHARE_ALL) {
    to -= HITLESS_SHARE_ALL;
    guard->drawn = 1 + next_random(&guard->random, guard->worker->index) % HITLESS_SHARE_ALL;
    guard->owed += to >= guard->drawn;
  }
  guard->turn = to;
  uint64_t is_due = guard->owed > 0;
  guard->owed -= is_due;
  return (int)is_due;
}

/// Whether the next batch is the candidate's by its share of them.
static int is_candidates_turn(struct hitless_guard *guard, const struct hitless_view *view) {
  if (__builtin_expect(view->turns >= HITLESS_SHARE_ALL, 1)) {
    return 1;
  }
  return view->turns <= HITLESS_SHARE_ALL / 2 ? is_drawn(guard, view->turns)
                                             : !is_drawn(guard, HITLESS_SHARE_ALL - view->turns);
}

/// `view` with everything the candidate's, for a batch that has its turn; lives as long as `stable_only`'s.
static const struct hitless_view *candidate_only(struct hitless_guard *guard,
                                                 const struct hitless_view *view) {
  if (__builtin_expect(view->turns >= HITLESS_SHARE_ALL, 1)) {
    return view;
  }
  if (guard->trial.sequence != view->sequence) {
    guard->trial = *view;
    guard->trial.share = HITLESS_SHARE_ALL;
    guard->trial.serving = view->candidate;
  }
  return &guard->trial;
}

/// Of so many batches one is measured, where a side has all of them. A side that has fewer is measured more
/// often, so that there are as many samples of either.
#define MEASURED_EVERY 16u

/// The cycle counter if the next batch, of which `side` has `share` of 65 536, is to be measured; else 0.
///
/// A distance that is drawn, for the reason that turns are.
static uint64_t begin_measuring(struct hitless_worker *worker, uint32_t side, uint32_t share) {
  struct hitless_health *health = worker->health;
  if (health == 0) {
    return 0;
  }
  if (__builtin_expect(health->left[side] > 1, 1)) {
    health->left[side]--;
    return 0;
  }
  uint32_t mean = MEASURED_EVERY * share / HITLESS_SHARE_ALL;
  uint32_t longest = mean > 1 ? 2 * mean - 1 : 1;
  health->left[side] = 1 + (uint32_t)(next_random(&health->random, worker->index) % longest);
  uint64_t begin = hitless_ticks();
  worker->sampling = begin != 0;
  return begin;
}

/// Writes down what a batch took that was begun to be measured, unless it was of both sides.
static void end_measuring(struct hitless_worker *worker, const struct hitless_view *view, uint32_t side,
                          uint64_t begin) {
  uint64_t ticks = hitless_ticks() - begin;
  worker->sampling = 0;
  if (view->share == 0 || view->share >= HITLESS_SHARE_ALL) {
    hitless_health_record(worker->health, side, 0, ticks << 8);
  }
}

/// Lets the batch be copied if it is drawn: each by itself, so that no host's rhythm is in step with it.
static __attribute__((noinline)) void offer_to_shadow(struct hitless_worker *worker,
                                                      struct hitless_guard *guard,
                                                      struct hitless_shadow *shadow, const void *batch) {
  if ((next_random(&guard->random, worker->index) & 0xffff) < shadow->share) {
    hitless_shadow_offer(worker, shadow, batch);
  }
}

/// Runs a batch of stable's, while there is a candidate to compare it with.
static int32_t run_stable(struct hitless_worker *worker, struct hitless_guard *guard,
                          const struct hitless_view *view, hitless_pipeline pipeline, void *batch) {
  if (__builtin_expect(view->shadow != 0, 0)) {
    offer_to_shadow(worker, guard, view->shadow, batch);
  }
  uint64_t begin = begin_measuring(worker, 0, HITLESS_SHARE_ALL - view->turns);
  int32_t result = pipeline(stable_only(guard, view), batch);
  if (__builtin_expect(begin != 0, 0)) {
    end_measuring(worker, view, 0, begin);
  }
  return result;
}

/// After a handler has ended the batch: leaves the candidate, and completes the report.
static __attribute__((noinline)) const struct hitless_view *leave_after_fault(
    struct hitless_guard *guard, const struct hitless_view *view) {
  guard->caught = 0;
  guard->worker->sampling = 0;
  if (guard->fault_stack < guard->context.stack) {
    // The frames that were left; below the stack pointer a leaf function may have had 128 bytes more.
    FORGET_STACK(guard->fault_stack - 128, guard->context.stack);
  }
  const struct hitless_view *stable = leave(guard, view);
  __atomic_fetch_add(&guard->faults, 1, __ATOMIC_RELAXED);
  if (guard->is_reporting) {
    guard->is_reporting = 0;
    guard->report.stable_time = guard_time();
    // Release: pairs with the agent's acquire; who finds the report full reads all of it.
    __atomic_store_n(&guard->state, HITLESS_GUARD_FULL, __ATOMIC_RELEASE);
  }
  if (view->breaker != 0) {
    // The other workers are on stable with their next batch, whenever the agent gets to it. Release: pairs
    // with the agent's acquire; who finds it open finds the report, and does not count the fault twice.
    __atomic_fetch_or(&view->breaker->word, HITLESS_BREAKER_OPEN, __ATOMIC_RELEASE);
  }
  return stable;
}

/// Wakes who answers for faults. The descriptor does not block; a full one wakes as well.
static void ring(const struct hitless_guard *guard) {
  uint64_t one = 1;
  ssize_t written = write(guard->wake, &one, sizeof one);
  (void)written;
}

/// After a handler has ended the batch: tells the agent, and runs it again.
static __attribute__((noinline)) int32_t run_again(struct hitless_guard *guard,
                                                   const struct hitless_view *view,
                                                   hitless_pipeline pipeline, void *batch) {
  int32_t result = pipeline(leave_after_fault(guard, view), batch);
  // After the batch, which has waited long enough.
  ring(guard);
  return result;
}

/// Runs a batch of the candidate's, or of stable's on a copy; `caught` says afterwards whether it has come to
/// its end.
static inline int32_t run_caught(struct hitless_worker *worker, struct hitless_guard *guard,
                                 const struct hitless_view *view, hitless_pipeline pipeline,
                                 void *batch) {
  if (!IS_GUARDED_MACHINE || !guard->is_catching || hitless_guard_current != 0) {
    return pipeline(view, batch);
  }
#if IS_GUARDED_MACHINE
  // Relaxed: the watchdog only compares numbers; the handler is of this thread, hence the compiler's fences.
  uint64_t mark = worker->guarded + 1;
  guard->view = view;
  hitless_guard_current = guard;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, mark, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  int32_t result = hitless_guard_call(&guard->context, pipeline, view, batch);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  // Even after the commit point. A hook that was called meanwhile has had a number of its own.
  uint64_t last = worker->guarded;
  guard->marks_commit |= 1 - (last & 1);
  __atomic_store_n(&worker->guarded, last + (last & 1), __ATOMIC_RELAXED);
  hitless_guard_current = 0;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return result;
#endif
}

int32_t hitless_guard_run(struct hitless_worker *worker, const struct hitless_view *view,
                          hitless_pipeline pipeline, void *batch) {
  struct hitless_guard *guard = worker->guard;
  if (guard->left == view->sequence) {
    return pipeline(&guard->fallback, batch);
  }
  // The coarse clock is a load; it is late by a tick at most.
  if (view->deadline != 0 && nanoseconds(CLOCK_MONOTONIC_COARSE) >= view->deadline) {
    return pipeline(leave_expired(guard, view), batch);
  }
  if (!is_candidates_turn(guard, view)) {
    return run_stable(worker, guard, view, pipeline, batch);
  }
  enum admission admitted = admission(view->breaker);
  if (admitted == HELD_BACK) {
    return pipeline(stable_only(guard, view), batch);
  }
  view = candidate_only(guard, view);
  // A batch that is split by flow is measured part by part, by the host.
  uint32_t side = view->share >= HITLESS_SHARE_ALL;
  uint64_t begin = begin_measuring(worker, side, view->turns);
  int32_t result = run_caught(worker, guard, view, pipeline, batch);
  if (__builtin_expect(guard->caught != 0, 0)) {
    return run_again(guard, view, pipeline, batch);
  }
  if (__builtin_expect(begin != 0, 0)) {
    end_measuring(worker, view, side, begin);
  }
  if (__builtin_expect(admitted == ON_TRIAL, 0)) {
    __atomic_fetch_add(&view->breaker->successes, 1, __ATOMIC_RELAXED);
  }
  return result;
}

int hitless_guard_try(struct hitless_worker *worker, const struct hitless_view *view,
                      hitless_pipeline pipeline, void *batch, int32_t *result) {
  struct hitless_guard *guard = worker->guard;
  *result = run_caught(worker, guard, view, pipeline, batch);
  if (guard->caught == 0) {
    return 1;
  }
  leave_after_fault(guard, view);
  if (view->candidate == 0) {
    guard->stables.stable_time = guard_time();
  } else {
    ring(guard);
  }
  return 0;
}
