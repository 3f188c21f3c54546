#define _GNU_SOURCE
#include "path.h"

#include <sys/resource.h>
#include <time.h>

// Batches between two looks at the thread's context switches: a system call, so not after each.
enum { WINDOW = 32 };

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t switches(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
}

static void note_time(struct path_watch *watch, uint64_t time) {
  uint64_t place = time / watch->histogram_step;
  watch->histogram[place < watch->histogram_size ? place : watch->histogram_size - 1]++;
}

void path_watch_run(struct path_watch *watch) {
  uint64_t before = switches();
  uint64_t sequence = 0;
  uint64_t last = nanoseconds();
  while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
    uint64_t first_gap = watch->gap_count;
    for (uint32_t left = WINDOW; left > 0; left--) {
      watch->driver->run_slots(watch->state, watch->worker, 1);
      uint64_t now = nanoseconds();
      // What the batch before said that it had loaded: this thread's own word.
      if (watch->worker->seen == sequence || watch->gap_count == watch->gap_capacity) {
        note_time(watch, now - last);
      } else {
        sequence = watch->worker->seen;
        watch->gaps[watch->gap_count++] = (struct path_gap){sequence, now - last, 0, 0};
      }
      last = now;
      __atomic_store_n(&watch->batches, watch->batches + 1, __ATOMIC_RELAXED);
    }
    uint64_t after = switches();
    for (uint64_t i = first_gap; i < watch->gap_count; i++) {
      watch->gaps[i].is_clean = after == before;
    }
    before = after;
    last = nanoseconds();
  }
}

void path_watch_stop(struct path_watch *watch) { __atomic_store_n(&watch->stop, 1u, __ATOMIC_RELAXED); }

uint64_t path_watch_batches(const struct path_watch *watch) {
  return __atomic_load_n(&watch->batches, __ATOMIC_RELAXED);
}
