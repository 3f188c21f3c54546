#define _GNU_SOURCE
#include "path.h"

#include <sys/resource.h>
#include <time.h>

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

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void note_time(const struct path_watch *watch, uint64_t *histogram, uint64_t time) {
  uint64_t place = time / watch->histogram_step;
  histogram[place < watch->histogram_size ? place : watch->histogram_size - 1]++;
}

// What a worker had done before a batch: this thread's own words.
struct progress {
  uint64_t sequence;
  uint64_t fetched;
};

// After one batch: where its time is counted, and what others may look up.
static void note_batch(struct path_watch *watch, uint64_t begin, uint64_t end, struct progress *last) {
  const struct hitless_worker *worker = watch->worker;
  struct path_interval time = {begin, end};
  if (worker->seen != last->sequence && watch->gap_count < watch->gap_capacity) {
    last->sequence = worker->seen;
    watch->gaps[watch->gap_count++] = (struct path_gap){worker->seen, time};
  } else {
    note_time(watch, worker->fetched == last->fetched ? watch->histogram : watch->fetching, end - begin);
  }
  last->fetched = worker->fetched;
  struct path_interval *place = &watch->history[watch->batches & (PATH_HISTORY - 1)];
  __atomic_store_n(&place->begin, begin, __ATOMIC_RELAXED);
  __atomic_store_n(&place->end, end, __ATOMIC_RELAXED);
  // Release: pairs with the acquire in path_watch_batches; whoever reads the number finds the entry.
  __atomic_store_n(&watch->batches, watch->batches + 1, __ATOMIC_RELEASE);
}

void path_watch_run(struct path_watch *watch) {
  struct progress progress = {0, 0};
  __atomic_store_n(&watch->switches, switches(), __ATOMIC_RELAXED);
  while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
    uint64_t last = nanoseconds();
    for (uint32_t left = PATH_WINDOW; left > 0; left--) {
      watch->driver->run_slots(watch->state, watch->worker, 1);
      uint64_t now = nanoseconds();
      note_batch(watch, last, now, &progress);
      last = now;
    }
    __atomic_store_n(&watch->switches, switches(), __ATOMIC_RELAXED);
  }
}

void path_watch_stop(struct path_watch *watch) { __atomic_store_n(&watch->stop, 1u, __ATOMIC_RELAXED); }

uint64_t path_watch_batches(const struct path_watch *watch) {
  return __atomic_load_n(&watch->batches, __ATOMIC_ACQUIRE);
}

uint64_t path_watch_switches(const struct path_watch *watch) {
  return __atomic_load_n(&watch->switches, __ATOMIC_RELAXED);
}

void path_watch_look(const struct path_watch *watch, uint64_t time) {
  uint64_t deadline = nanoseconds() + time;
  do {
    (void)__atomic_load_n(&watch->worker->seen, __ATOMIC_SEQ_CST);
    pause_briefly();
  } while (nanoseconds() < deadline);
}

void path_watch_pass(const struct path_watch *watch, uint64_t batches) {
  uint64_t target = path_watch_batches(watch) + batches;
  uint64_t deadline = nanoseconds() + 1000000000u;
  do {
    for (uint32_t left = 32; left > 0; left--) {
      if (path_watch_batches(watch) >= target) {
        return;
      }
      pause_briefly();
    }
  } while (nanoseconds() < deadline);
}

static struct path_interval remembered(const struct path_watch *watch, uint64_t batch) {
  const struct path_interval *place = &watch->history[batch & (PATH_HISTORY - 1)];
  return (struct path_interval){__atomic_load_n(&place->begin, __ATOMIC_RELAXED),
                                __atomic_load_n(&place->end, __ATOMIC_RELAXED)};
}

int path_watch_around(const struct path_watch *watch, uint64_t time, struct path_interval batches[2]) {
  uint64_t count = path_watch_batches(watch);
  // Half of the history: what is read here is not written again before this has ended, or is found out.
  uint64_t oldest = count > PATH_HISTORY / 2 ? count - PATH_HISTORY / 2 : 0;
  uint64_t found = count;
  while (found > oldest && remembered(watch, found - 1).end > time) {
    found--;
  }
  if (found == oldest || found + 1 >= count) {
    return -1;
  }
  batches[0] = remembered(watch, found);
  batches[1] = remembered(watch, found + 1);
  return path_watch_batches(watch) - found < PATH_HISTORY ? 0 : -1;
}
