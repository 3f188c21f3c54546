#include "swap_test_support.h"

#include <sched.h>
#include <string.h>

// Views of these agents: static, so that a reader that is late reads memory that is still there.
enum { VIEW_COUNT = 64 };
static struct hitless_view views[VIEW_COUNT] __attribute__((aligned(64)));
static struct hitless_view kept __attribute__((aligned(64)));

static void fill(struct hitless_view *view, uint64_t sequence) {
  memset(view, 0, sizeof *view);
  view->sequence = sequence;
  __atomic_store_n(&view->size, (uint32_t)sizeof *view, __ATOMIC_RELEASE);
}

static void put_in_force(struct hitless_worker *worker, const struct hitless_view *view) {
  __atomic_store_n(&worker->view, view, __ATOMIC_SEQ_CST);
}

static uint64_t seen(struct hitless_worker *worker) {
  return __atomic_load_n(&worker->seen, __ATOMIC_SEQ_CST);
}

static void wait_while(struct hitless_worker *worker, uint64_t value, int same) {
  for (uint32_t spins = 1; (seen(worker) == value) == same; spins++) {
    if (spins % 4096 == 0) {
      sched_yield();
    }
  }
}

void swap_tight_agent_prepare(struct swap_reader *reader) {
  fill(&kept, 1);
  put_in_force(reader->worker, &kept);
}

static struct hitless_view *publish_next(struct swap_reader *reader, uint64_t index) {
  struct hitless_view *view = &views[index % VIEW_COUNT];
  fill(view, index + 2);
  put_in_force(reader->worker, view);
  return view;
}

// "The tick has moved, so the reader has loaded the new word": it may have loaded the old one after.
static uint64_t run_with_tick(struct swap_reader *reader, uint64_t count) {
  struct hitless_view *old = 0;
  uint64_t index = 0;
  for (; index < count && swap_reader_poisoned(reader) == 0; index++) {
    struct hitless_view *view = publish_next(reader, index);
    wait_while(reader->worker, seen(reader->worker), 1);
    if (old != 0) {
      memset(old, 0xa5, sizeof *old);
    }
    old = view;
  }
  return index;
}

// "The reader says it is back on the old view": it said so before it loaded the one in between.
static uint64_t run_with_pointer(struct swap_reader *reader, uint64_t count) {
  uint64_t index = 0;
  for (; index < count && swap_reader_poisoned(reader) == 0; index++) {
    struct hitless_view *view = publish_next(reader, index);
    for (volatile uint32_t left = (uint32_t)(index % 64); left > 0; left--) {
    }
    put_in_force(reader->worker, &kept);
    wait_while(reader->worker, (uint64_t)(uintptr_t)&kept, 0);
    memset(view, 0xa5, sizeof *view);
  }
  return index;
}

// The right protocol, with nothing between the publishing store and the load of `seen`.
static uint64_t run_with_sequence(struct swap_reader *reader, uint64_t count) {
  const uint64_t first = 2;
  struct hitless_view *old = &kept;
  uint64_t index = 0;
  for (; index < count && swap_reader_poisoned(reader) == 0; index++) {
    struct hitless_view *view = publish_next(reader, index);
    for (uint32_t spins = 1; seen(reader->worker) < index + first; spins++) {
      if (spins % 4096 == 0) {
        sched_yield();
      }
    }
    memset(old, 0xa5, sizeof *old);
    old = view;
  }
  return index;
}

uint64_t swap_tight_agent_run(struct swap_reader *reader, uint64_t count) {
  switch (reader->protocol) {
    case SWAP_PROTOCOL_TICK: return run_with_tick(reader, count);
    case SWAP_PROTOCOL_POINTER: return run_with_pointer(reader, count);
    default: return run_with_sequence(reader, count);
  }
}
