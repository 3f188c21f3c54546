#define _GNU_SOURCE
#include "hitless_shim_thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int32_t hitless_shim_thread_id(void) { return gettid(); }

int hitless_shim_thread_exists(int32_t thread) {
  return tgkill(getpid(), thread, 0) == 0 || errno != ESRCH;
}

int hitless_shim_thread_pin(uint32_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int hitless_shim_thread_switches(uint64_t *voluntary, uint64_t *involuntary) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) {
    return -1;
  }
  *voluntary = (uint64_t)usage.ru_nvcsw;
  *involuntary = (uint64_t)usage.ru_nivcsw;
  return 0;
}

int hitless_shim_thread_set_name(const char *name) {
  return pthread_setname_np(pthread_self(), name);
}

int hitless_shim_thread_set_processors(const int32_t *list, int32_t count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int32_t index = 0; index < count; index++) {
    if (list[index] < 0 || list[index] >= CPU_SETSIZE) {
      errno = EINVAL;
      return -1;
    }
    CPU_SET((size_t)list[index], &set);
  }
  return sched_setaffinity(0, sizeof set, &set);
}

int hitless_shim_thread_set_nice(int value) {
  return setpriority(PRIO_PROCESS, (id_t)hitless_shim_thread_id(), value);
}

int hitless_shim_thread_start(pthread_t *thread, void *(*body)(void *), void *context) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  // A fault stays with the thread that made it.
  sigdelset(&blocked, SIGSEGV);
  sigdelset(&blocked, SIGBUS);
  sigdelset(&blocked, SIGFPE);
  sigdelset(&blocked, SIGILL);
  sigdelset(&blocked, SIGTRAP);
  sigdelset(&blocked, SIGABRT);
  int error = pthread_sigmask(SIG_SETMASK, &blocked, &before);
  if (error) return error;
  error = pthread_create(thread, NULL, body, context);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}
