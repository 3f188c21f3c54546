// The handlers, and how what is not the guard's reaches the handlers that were there before.
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"

enum { FAULTS = 6, SIGNALS = 65, LAYERS = 8 };

/// What was installed before the guard, for one signal. Entry 0 is the oldest; a host that installs a handler
/// later adds another one. Entries do not change once `top` has named them.
struct layers {
  struct sigaction actions[LAYERS];
  uint32_t count;
  /// The entry that gets the signals which are not the guard's.
  uint32_t top;
};

static const int fault_signals[FAULTS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
/// By the number of the signal.
static struct layers layers[SIGNALS];
/// Whether somebody is installing; not a lock, because the watchdog waits for nobody.
static uint32_t is_busy;

/// A signal that this thread is passing on.
struct passing {
  const void *place;
  uintptr_t frame;
  uint32_t layer;
};
static HANDLER_LOCAL struct passing passing;

static void on_fault(int signal, siginfo_t *info, void *place) {
  machine_begin();
  if (!guard_catch(signal, info, place)) {
    guard_pass_on(signal, info, place, (uintptr_t)__builtin_frame_address(0));
  }
}

static void on_late(int signal, siginfo_t *info, void *place) {
  if (info->si_code == SI_QUEUE && info->si_ptr == &hitless_guard_cookie && info->si_pid == getpid()) {
    guard_catch_late(signal, info, place);
  } else {
    guard_pass_on(signal, info, place, (uintptr_t)__builtin_frame_address(0));
  }
}

/// What the kernel does without a handler: the same signal once more, with the same facts, when this handler
/// is left.
static void default_action(int signal, siginfo_t *info) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, 0);
  syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info);
}

/// Calls a handler under the mask that the kernel would have given it. Leaving the guard's handler restores
/// the thread's own.
static void call_handler(const struct sigaction *action, int signal, siginfo_t *info, void *place) {
  sigset_t mask;
  sigorset(&mask, &((ucontext_t *)place)->uc_sigmask, &action->sa_mask);
  if ((action->sa_flags & SA_NODEFER) != 0) {
    sigdelset(&mask, signal);
  } else {
    sigaddset(&mask, signal);
  }
  pthread_sigmask(SIG_SETMASK, &mask, 0);
  if ((action->sa_flags & SA_SIGINFO) != 0) {
    action->sa_sigaction(signal, info, place);
  } else {
    action->sa_handler(signal);
  }
}

/// Whether an ignored signal is ignored: the kernel ignores none that a thread's own instruction has caused.
static int is_ignored(const struct sigaction *action, const siginfo_t *info) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_IGN && info->si_code <= 0;
}

static int is_without_handler(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) == 0 &&
         (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

void guard_pass_on(int signal, siginfo_t *info, void *place, uintptr_t frame) {
  struct layers *before = &layers[signal];
  // Acquire: pairs with the release in `add_layer`.
  uint32_t layer = __atomic_load_n(&before->top, __ATOMIC_ACQUIRE);
  struct passing outer = passing;
  // A handler that was installed after the guard may itself call what it found, which is the guard: then the
  // next older one is meant. One that was left by a jump is not under way any more: its frame is not above.
  if (outer.place == place && frame < outer.frame) {
    if (outer.layer == 0) {
      default_action(signal, info);
      return;
    }
    layer = outer.layer - 1;
  }
  struct sigaction *action = &before->actions[layer];
  if (is_ignored(action, info)) {
    return;
  }
  if (is_without_handler(action)) {
    default_action(signal, info);
    return;
  }
  struct sigaction copy = *action;
  if ((copy.sa_flags & (int)SA_RESETHAND) != 0) {
    action->sa_flags &= ~SA_SIGINFO;
    action->sa_handler = SIG_DFL;
  }
  passing = (struct passing){place, frame, layer};
  call_handler(&copy, signal, info, place);
  passing = outer;
}

static int is_guards(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) != 0 &&
         (action->sa_sigaction == on_fault || action->sa_sigaction == on_late);
}

static int is_same(const struct sigaction *left, const struct sigaction *right) {
  return left->sa_sigaction == right->sa_sigaction && left->sa_flags == right->sa_flags;
}

/// Makes `action` what gets the signals that are not the guard's. Returns 0, or -1 when there is no room.
static int add_layer(struct layers *before, const struct sigaction *action) {
  uint32_t index = 0;
  while (index < before->count && !is_same(&before->actions[index], action)) {
    index++;
  }
  if (index == LAYERS) {
    return -1;
  }
  if (index == before->count) {
    before->actions[index] = *action;
    before->count++;
  }
  // Release: pairs with the acquire in `guard_pass_on`; who finds the entry named finds it written.
  __atomic_store_n(&before->top, index, __ATOMIC_RELEASE);
  return 0;
}

static int install(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct layers *before = &layers[signal];
  struct sigaction found, own;
  if (sigaction(signal, 0, &found) != 0) {
    return -1;
  }
  if (is_guards(&found)) {
    return 0;
  }
  if (add_layer(before, &found) != 0) {
    return -1;
  }
  memset(&own, 0, sizeof own);
  own.sa_sigaction = handler;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  // Whatever else comes waits until the thread has left the handler, which takes microseconds.
  sigfillset(&own.sa_mask);
  for (int index = 0; index < FAULTS; index++) {
    sigdelset(&own.sa_mask, fault_signals[index]);
  }
  if (sigaction(signal, &own, &found) != 0) {
    return -1;
  }
  // Replaced in between: that one is newer.
  return !is_guards(&found) && add_layer(before, &found) != 0 ? -1 : 1;
}

int hitless_guard_install(int late_signal) {
  if (late_signal <= 0 || late_signal >= SIGNALS) {
    return HITLESS_GUARD_NOT_INSTALLED;
  }
  // Acquire and release: the next one finds the entries that this one has written.
  if (__atomic_exchange_n(&is_busy, 1, __ATOMIC_ACQUIRE) != 0) {
    return HITLESS_GUARD_BUSY;
  }
  guard_find_library();
  int installed = install(late_signal, on_late);
  for (int index = 0; index < FAULTS && installed >= 0; index++) {
    int result = install(fault_signals[index], on_fault);
    installed = result < 0 ? HITLESS_GUARD_NOT_INSTALLED : installed + result;
  }
  __atomic_store_n(&is_busy, 0, __ATOMIC_RELEASE);
  return installed;
}

void hitless_guard_signals(sigset_t *set, int late_signal) {
  sigemptyset(set);
  for (int index = 0; index < FAULTS; index++) {
    sigaddset(set, fault_signals[index]);
  }
  sigaddset(set, late_signal);
}
