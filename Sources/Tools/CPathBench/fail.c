#define _GNU_SOURCE
#include <time.h>

#include "path.h"

enum { FAILING_STAGE = 2 };

// One run of a batch that is to fail, and what the clock said.
struct attempt {
  struct path_state *state;
  uint64_t before;
  uint64_t after;
};

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int32_t run_stages(const struct hitless_view *view, void *context) {
  struct attempt *attempt = context;
  struct path_state *state = attempt->state;
  if (attempt->before != 0) {
    attempt->after = nanoseconds();
  }
  for (uint32_t slot = 0; slot < PATH_STAGES; slot++) {
    const struct path_stage_table *stage = hitless_table(view, slot);
    if (slot == FAILING_STAGE && attempt->before == 0) {
      attempt->before = nanoseconds();
    }
    stage->process(&state->tables, &state->batch);
  }
  return 0;
}

uint64_t path_fail(struct path_state *state, struct hitless_worker *worker, uint32_t fail) {
  struct attempt attempt = {state, 0, 0};
  state->batch.fail = fail;
  hitless_run_batch(worker, run_stages, &attempt);
  state->batch.fail = 0;
  return attempt.after == 0 ? 0 : attempt.after - attempt.before;
}
