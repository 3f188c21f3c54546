#include "swap_test_support.h"

#include <stdlib.h>

// Lines that every batch writes to before it acknowledges: like packets, they keep the processor's store
// buffer busy, which is what makes a missing order visible.
enum { LINE_COUNT = 1 << 15, LINE = 64 };

struct disturbance {
  uint64_t random;
  uint8_t *lines;
};

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void dirty_lines(struct disturbance *state) {
  for (int index = 0; index < 8; index++) {
    state->lines[(next_random(&state->random) % LINE_COUNT) * LINE] += 1;
  }
}

static void linger(struct disturbance *state) {
  for (uint64_t left = next_random(&state->random) & 31; left > 0; left--) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
  }
}

static const struct hitless_view *load_view(struct hitless_worker *worker, int order) {
  return order == __ATOMIC_SEQ_CST ? __atomic_load_n(&worker->view, __ATOMIC_SEQ_CST)
                                   : __atomic_load_n(&worker->view, __ATOMIC_ACQUIRE);
}

static const struct hitless_view *enter_with_second_load(struct hitless_worker *worker,
                                                         struct disturbance *state) {
  const struct hitless_view *view = load_view(worker, __ATOMIC_ACQUIRE);
  linger(state);
  uint64_t sequence = load_view(worker, __ATOMIC_ACQUIRE)->sequence;
  __atomic_store_n(&worker->seen, sequence, __ATOMIC_RELEASE);
  return view;
}

static const struct hitless_view *enter_with_tick(struct hitless_worker *worker) {
  __atomic_store_n(&worker->seen, worker->seen + 1, __ATOMIC_RELEASE);
  return load_view(worker, __ATOMIC_ACQUIRE);
}

static const struct hitless_view *enter_with_pointer(struct hitless_worker *worker,
                                                     struct disturbance *state) {
  const struct hitless_view *view = load_view(worker, __ATOMIC_ACQUIRE);
  linger(state);
  __atomic_store_n(&worker->seen, (uint64_t)(uintptr_t)view, __ATOMIC_RELEASE);
  return view;
}

static const struct hitless_view *enter_from_idle(struct hitless_worker *worker, int weak,
                                                  struct disturbance *state) {
  hitless_idle(worker);
  linger(state);
  dirty_lines(state);
  if (!weak) {
    hitless_resume(worker);
    return hitless_enter(worker);
  }
  __atomic_store_n(&worker->seen, (uint64_t)0, __ATOMIC_RELEASE);
  // As `hitless_enter`, which would follow what a view announces: a poisoned one would end the process.
  const struct hitless_view *view = load_view(worker, __ATOMIC_ACQUIRE);
  __atomic_store_n(&worker->seen, view->sequence, __ATOMIC_RELEASE);
  return view;
}

static const struct hitless_view *enter(struct swap_reader *reader, struct disturbance *state) {
  switch (reader->protocol) {
    case SWAP_PROTOCOL_IDLE:
      return next_random(&state->random) & 1 ? enter_from_idle(reader->worker, 0, state)
                                     : hitless_enter(reader->worker);
    case SWAP_PROTOCOL_SECOND_LOAD: return enter_with_second_load(reader->worker, state);
    case SWAP_PROTOCOL_TICK: return enter_with_tick(reader->worker);
    case SWAP_PROTOCOL_POINTER: return enter_with_pointer(reader->worker, state);
    case SWAP_PROTOCOL_WEAK_RESUME: return enter_from_idle(reader->worker, 1, state);
    default: return hitless_enter(reader->worker);
  }
}

// Reads a view as a compiler must that cannot know whether it changes.
static int is_whole(const volatile struct hitless_view *view, uint64_t sequence, int follows) {
  if (view->size != sizeof *view || view->sequence != sequence) {
    return 0;
  }
  if (!follows) {
    return 1;
  }
  const volatile struct hitless_generation *serving = view->serving;
  return serving->size == sizeof *serving && view->stable->size == sizeof *serving;
}

void swap_reader_run(struct swap_reader *reader) {
  struct disturbance state = {0x9e3779b97f4a7c15u, calloc(LINE_COUNT, LINE)};
  if (state.lines == 0) {
    return;
  }
  uint64_t previous = 0;
  while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
    dirty_lines(&state);
    const struct hitless_view *view = enter(reader, &state);
    uint64_t sequence = ((const volatile struct hitless_view *)view)->sequence;
    int whole = 1;
    for (uint64_t left = next_random(&state.random) & 63; left > 0 && whole; left--) {
      whole = is_whole(view, sequence, reader->follows);
    }
    reader->changes += sequence != previous;
    previous = sequence;
    __atomic_store_n(&reader->batches, reader->batches + 1, __ATOMIC_RELAXED);
    if (!whole) {
      __atomic_store_n(&reader->poisoned, reader->poisoned + 1, __ATOMIC_RELAXED);
    }
  }
  free(state.lines);
}

void swap_reader_stop(struct swap_reader *reader) { __atomic_store_n(&reader->stop, 1u, __ATOMIC_RELAXED); }

uint64_t swap_reader_poisoned(const struct swap_reader *reader) {
  return __atomic_load_n(&reader->poisoned, __ATOMIC_RELAXED);
}

uint64_t swap_reader_batches(const struct swap_reader *reader) {
  return __atomic_load_n(&reader->batches, __ATOMIC_RELAXED);
}
