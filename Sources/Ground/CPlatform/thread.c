#define _GNU_SOURCE
#include "hitless_shim_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int32_t hitless_shim_thread_id(void) { return gettid(); }

int hitless_shim_thread_join(pthread_t thread, uint64_t deadline) {
  struct timespec time = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
  return pthread_clockjoin_np(thread, 0, CLOCK_MONOTONIC, &time);
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
