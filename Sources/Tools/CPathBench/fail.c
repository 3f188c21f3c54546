#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "path.h"

enum { FAILING_STAGE = 2 };
// A worker that has come alone fails alone, before its batch is late.
enum { LONGEST_MEETING = 500000 };

// Of a canary's batches every second is the candidate's.
enum { MOST_TURNS = 64 };

// One run of a batch that is to fail, and what the clock said.
struct attempt {
  struct path_state *state;
  struct path_meeting *meeting;
  uint64_t before;
  uint64_t after;
};

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// All of them have the candidate's view by then: nobody who fails earlier can take it from the others.
static void meet(struct path_meeting *meeting) {
  uint64_t limit = nanoseconds() + LONGEST_MEETING;
  __atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_RELAXED);
  while (__atomic_load_n(&meeting->arrived, __ATOMIC_RELAXED) < meeting->wanted && nanoseconds() < limit) {
  }
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
      if (attempt->meeting != 0) {
        meet(attempt->meeting);
      }
      attempt->before = nanoseconds();
    }
    stage->process(&state->tables, &state->batch);
  }
  return 0;
}

uint64_t path_fail(struct path_state *state, struct hitless_worker *worker, uint32_t fail,
                   struct path_meeting *meeting) {
  struct attempt attempt;
  // The whole stack of a thread takes longer to fill than all the rest: for a while it ends here.
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t top = ((uintptr_t)__builtin_frame_address(0) - PATH_STACK) / page * page;
  void *end = (void *)(top - page);
  if (fail == PATH_FAIL_OVERFLOW && mprotect(end, page, PROT_NONE) != 0) {
    return 0;
  }
  state->batch.fail = fail;
  // Who has waited for others has come to the candidate, or too late.
  uint32_t turns = meeting == 0 ? MOST_TURNS : 1;
  do {
    attempt = (struct attempt){state, meeting, 0, 0};
    hitless_run_batch(worker, run_stages, &attempt);
  } while (attempt.after == 0 && --turns > 0);
  state->batch.fail = 0;
  if (fail == PATH_FAIL_OVERFLOW) {
    mprotect(end, page, PROT_READ | PROT_WRITE);
  }
  return attempt.after == 0 ? 0 : attempt.after - attempt.before;
}

int path_map_empty_file(void) {
  int file = memfd_create("empty", MFD_CLOEXEC);
  if (file < 0) {
    return -1;
  }
  void *place = (void *)(uintptr_t)PATH_EMPTY_FILE;
  void *mapped =
      mmap(place, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
  close(file);
  return mapped == place ? 0 : -1;
}
