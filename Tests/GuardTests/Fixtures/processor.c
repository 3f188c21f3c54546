// The guard without an agent, for machines of another kind than the one that the tests run on: a candidate
// spoils the registers that a callee keeps, and fails. Ends with 0 when every batch was run again on stable,
// and the caller has its registers as before.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "hitless_guard.h"

#define CANDIDATE __attribute__((noinline, section("candidate")))
extern const char __start_candidate[], __stop_candidate[];

typedef int32_t (*run)(uint64_t number);

static void spoil(void) {
#if defined(__aarch64__)
  __asm__ volatile(
      "mov x19, #-1\n mov x20, #-1\n mov x21, #-1\n mov x22, #-1\n mov x23, #-1\n mov x24, #-1\n"
      "mov x25, #-1\n mov x26, #-1\n mov x27, #-1\n mov x28, #-1\n"
      "fmov d8, xzr\n fmov d9, xzr\n fmov d10, xzr\n fmov d11, xzr\n fmov d12, xzr\n fmov d13, xzr\n"
      "fmov d14, xzr\n fmov d15, xzr\n msr fpcr, %0\n" ::"r"((uint64_t)1 << 24));
#elif defined(__x86_64__)
  __asm__ volatile("movq $-1, %rbx\n movq $-1, %r12\n movq $-1, %r13\n movq $-1, %r14\n movq $-1, %r15\n");
#endif
}

#define FAILURE(name, what) \
  static CANDIDATE int32_t name(uint64_t number) { \
    spoil(); \
    what; \
    return 2; \
  }
FAILURE(segv, fail_segv(number))
FAILURE(ill, fail_ill(number))
FAILURE(trap, fail_trap(number))
FAILURE(jump, ((void (*)(void))(uintptr_t)(number & 8))())
FAILURE(import, memcpy((void *)(uintptr_t)(number & 8), __start_candidate, 64))
FAILURE(loop, fail_loop(number))

static CANDIDATE int32_t right(uint64_t number) { return number != 0 ? 2 : 3; }
static int32_t old(uint64_t number) { return number != 0 ? 1 : 3; }

static struct hitless_worker worker;
static struct hitless_guard guard;

static int32_t pipeline(const struct hitless_view *view, void *batch) {
  run function = (run)(uintptr_t)hitless_table(view, 0);
  int32_t result = function(*(const uint64_t *)batch);
  hitless_commit(&worker);
  return result;
}

/// Finds the late one, as the watchdog does.
static void *watch(void *unused) {
  (void)unused;
  uint64_t mark;
  while (((mark = __atomic_load_n(&worker.guarded, __ATOMIC_RELAXED)) & 1) == 0) {
  }
  while (__atomic_load_n(&worker.guarded, __ATOMIC_RELAXED) == mark) {
    (void)hitless_guard_tell(&guard, mark, hitless_guard_default_signal());
    usleep(10000);
  }
  return NULL;
}

// Volatile, so that what is read of them is kept, and not read again.
static volatile uint64_t whole[] = {3, 5, 7, 11, 13, 17, 19};
static volatile double real[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
static volatile double smallest = 4.9e-324;

/// Runs one batch with as much in registers as there is room for; returns its result, or -1 when something of
/// that is another afterwards, or arithmetic is.
static int32_t run_with_registers(void) {
  uint64_t number = whole[0];
  uint64_t a = whole[1], b = whole[2], c = whole[3], d = whole[4], e = whole[5], f = whole[6];
  double p = real[0], q = real[1], r = real[2], s = real[3], t = real[4], u = real[5], v = real[6];
  double w = real[7];
  int32_t result = hitless_run_batch(&worker, pipeline, &number);
  int is_whole = a == whole[1] && b == whole[2] && c == whole[3] && d == whole[4] && e == whole[5] &&
                 f == whole[6];
  int is_real = p == real[0] && q == real[1] && r == real[2] && s == real[3] && t == real[4] &&
                u == real[5] && v == real[6] && w == real[7];
  return is_whole && is_real && smallest * 1.0 > 0 ? result : -1;
}

static struct hitless_module_info info = {.size = sizeof info};
static const struct hitless_module_info *const infos[] = {&info};

/// Runs a batch on a candidate; returns whether it came back as it should.
static int try_candidate(const char *name, run candidate, int signal, int is_late) {
  static uint64_t sequence;
  static struct hitless_breaker breaker;
  const void *stable_table[] = {(const void *)(uintptr_t)old};
  const void *table[] = {(const void *)(uintptr_t)candidate};
  struct hitless_generation stable = {
      .size = sizeof stable, .slot_count = 1, .number = 1, .tables = stable_table, .modules = infos};
  struct hitless_generation generation = {
      .size = sizeof generation, .slot_count = 1, .number = 2, .tables = table, .modules = infos};
  memset(&breaker, 0, sizeof breaker);
  struct hitless_view view = {
      .size = sizeof view, .share = HITLESS_SHARE_ALL, .turns = HITLESS_SHARE_ALL, .sequence = ++sequence,
      .serving = &generation, .stable = &stable, .candidate = &generation, .breaker = &breaker};
  worker.view = &view;
  guard.state = HITLESS_GUARD_FREE;
  guard.report.signal = 0;
  pthread_t thread;
  if (is_late && pthread_create(&thread, NULL, watch, NULL) != 0) return 0;
  int32_t result = run_with_registers();
  if (is_late) pthread_join(thread, NULL);
  int32_t expected = signal == 0 ? 2 : 1;
  int is_right = result == expected && guard.report.signal == signal;
  if (!is_right) fprintf(stderr, "error: %s: result %d, signal %d\n", name, result, guard.report.signal);
  return is_right;
}

int main(void) {
  static _Alignas(16) char handlers[1 << 16];
  stack_t stack = {.ss_sp = handlers, .ss_size = sizeof handlers};
  int late_signal = hitless_guard_default_signal();
  if (sigaltstack(&stack, NULL) != 0 || hitless_guard_install(late_signal) < 0) return 1;
  info.code_address = (uintptr_t)__start_candidate;
  info.code_size = (uint64_t)(__stop_candidate - __start_candidate);
  guard.worker = &worker;
  guard.wake = -1;
  guard.is_catching = 1;
  guard.thread = (uint32_t)gettid();
  worker.guard = &guard;
  worker.run_guarded = hitless_guard_run;
  int count = 0;
  count += try_candidate("right", right, 0, 0);
  count += try_candidate("segv", segv, SIGSEGV, 0);
  count += try_candidate("ill", ill, SIGILL, 0);
  count += try_candidate("trap", trap, SIGTRAP, 0);
  count += try_candidate("jump", jump, SIGSEGV, 0);
  count += try_candidate("import", import, SIGSEGV, 0);
  count += try_candidate("loop", loop, late_signal, 1);
  count += try_candidate("right", right, 0, 0);
  if (count != 8) return 1;
  printf("%d batches, 6 of them run again\n", count);
  return 0;
}
