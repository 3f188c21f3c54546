#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"

static struct crew *stopped;

static void wait_briefly(uint32_t turn) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
  // Several members may share a processor. Seldom, because who yields counts as switched out by others.
  if (turn % 4096 == 4095) {
    (void)sched_yield();
  }
}

// Where a member stays while its code is changed. It spins: what wakes a sleeper would make this dearer.
static void park(int signal) {
  (void)signal;
  int error = errno;
  struct crew *crew = stopped;
  // Release and acquire: whoever sees the count sees the member out of its stages; the member sees the new
  // functions when it is let go.
  __atomic_add_fetch(&crew->parked, 1, __ATOMIC_ACQ_REL);
  for (uint32_t turn = 0; __atomic_load_n(&crew->hold, __ATOMIC_ACQUIRE); turn++) {
    wait_briefly(turn);
  }
  __atomic_sub_fetch(&crew->parked, 1, __ATOMIC_ACQ_REL);
  errno = error;
}

static int wait_until_parked(struct crew *crew, uint32_t count) {
  struct timespec now, start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (uint32_t turn = 0; __atomic_load_n(&crew->parked, __ATOMIC_ACQUIRE) != count; turn++) {
    wait_briefly(turn);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > start.tv_sec + 1) {
      return -1;
    }
  }
  return 0;
}

int crew_prepare_signals(void) {
  struct sigaction action = {.sa_handler = park, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  return sigaction(CREW_SIGNAL, &action, 0);
}

int crew_swap_by_signals(struct crew *crew, struct crew_member *const *members, uint32_t count,
                         const struct path_stage_table *const *stages) {
  stopped = crew;
  __atomic_store_n(&crew->hold, 1u, __ATOMIC_RELEASE);
  int result = 0;
  for (uint32_t i = 0; i < count && result == 0; i++) {
    result = (int)syscall(SYS_tgkill, getpid(), crew_thread(members[i]), CREW_SIGNAL);
  }
  result = result == 0 ? wait_until_parked(crew, count) : result;
  for (uint32_t stage = 0; stage < PATH_STAGES && result == 0; stage++) {
    __atomic_store_n(&crew->stages[stage], stages[stage], __ATOMIC_RELAXED);
  }
  __atomic_store_n(&crew->hold, 0u, __ATOMIC_RELEASE);
  return wait_until_parked(crew, 0) == 0 ? result : -1;
}

void crew_allow_tracer(int32_t process) { (void)prctl(PR_SET_PTRACER, process, 0, 0, 0); }

// Waits for one thread to stop; the signal that it is to be given when it goes on, or -1.
static int wait_for_stop(pid_t thread) {
  int status = 0;
  pid_t found;
  while ((found = waitpid(thread, &status, __WALL)) < 0 && errno == EINTR) {
  }
  if (found != thread || !WIFSTOPPED(status)) {
    errno = ESRCH;
    return -1;
  }
  // A stop by PTRACE_INTERRUPT carries no signal; another is the thread's own, which it must not lose.
  return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static int write_words(const struct crew_order *order, pid_t thread) {
  for (uint32_t i = 0; i < PATH_STAGES; i++) {
    void *place = (void *)(uintptr_t)(order->address + i * sizeof order->words[0]);
    if (ptrace(PTRACE_POKEDATA, thread, place, (void *)(uintptr_t)order->words[i]) != 0) {
      return errno;
    }
  }
  return 0;
}

// One order: all are seized, then all are interrupted, and only when all stand still something is written.
static int obey(const struct crew_order *order) {
  int signals[CREW_LIMIT] = {0};
  uint32_t seized = 0;
  int error = order->count == 0 || order->count > CREW_LIMIT ? EINVAL : 0;
  for (; error == 0 && seized < order->count; seized++) {
    if (ptrace(PTRACE_SEIZE, order->threads[seized], 0, 0) != 0) {
      error = errno;
      break;
    }
  }
  for (uint32_t i = 0; i < seized; i++) {
    (void)ptrace(PTRACE_INTERRUPT, order->threads[i], 0, 0);
  }
  for (uint32_t i = 0; i < seized; i++) {
    signals[i] = wait_for_stop(order->threads[i]);
    error = signals[i] < 0 && error == 0 ? errno : error;
  }
  error = error == 0 ? write_words(order, order->threads[0]) : error;
  for (uint32_t i = 0; i < seized; i++) {
    (void)ptrace(PTRACE_DETACH, order->threads[i], 0, (void *)(intptr_t)(signals[i] > 0 ? signals[i] : 0));
  }
  return error;
}

void crew_trace(int input, int output) {
  struct crew_order order;
  while (read(input, &order, sizeof order) == (ssize_t)sizeof order) {
    int32_t answer = obey(&order);
    if (write(output, &answer, sizeof answer) != (ssize_t)sizeof answer) {
      return;
    }
  }
}

int crew_swap_by_tracer(int input, int output, const struct crew_order *order) {
  int32_t answer = EPIPE;
  if (write(input, order, sizeof *order) != (ssize_t)sizeof *order ||
      read(output, &answer, sizeof answer) != (ssize_t)sizeof answer) {
    return EPIPE;
  }
  return answer;
}
