#define _GNU_SOURCE
#include <time.h>

#include "path.h"

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t path_decisions(int (*decide)(struct hitless_breaker *), struct hitless_breaker *breaker, int answer,
                        uint64_t *samples, uint64_t *empty, uint64_t count) {
  uint64_t wrong = 0;
  for (uint64_t index = 0; index < count; index++) {
    uint64_t begin = nanoseconds();
    uint64_t middle = nanoseconds();
    for (uint32_t left = PATH_DECISIONS; left > 0; left--) {
      wrong += decide(breaker) != answer;
    }
    uint64_t end = nanoseconds();
    empty[index] = middle - begin;
    samples[index] = end - middle;
  }
  return wrong;
}
