#define _GNU_SOURCE
#include "crew.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t preemptions(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return (uint64_t)usage.ru_nivcsw;
}

// Which build served the batch that has just ended; 0: two of them.
static uint64_t build_of(const struct path_batch *batch) {
  uint32_t build = batch->mark[0];
  for (uint32_t stage = 1; stage < PATH_STAGES; stage++) {
    build = batch->mark[stage] == build ? build : 0;
  }
  return build;
}

static void note(struct crew_member *member, uint64_t begin, uint64_t end) {
  struct crew_batch *place = &member->history[member->batches & (CREW_HISTORY - 1)];
  __atomic_store_n(&place->begin, begin, __ATOMIC_RELAXED);
  __atomic_store_n(&place->end, end, __ATOMIC_RELAXED);
  __atomic_store_n(&place->build, build_of(&member->state->batch), __ATOMIC_RELAXED);
  // Release: pairs with the acquire in crew_batches; whoever reads the number finds the entry.
  __atomic_store_n(&member->batches, member->batches + 1, __ATOMIC_RELEASE);
}

// Threads of this program take no signals unless they say so.
static void allow_parking(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, CREW_SIGNAL);
  (void)pthread_sigmask(SIG_UNBLOCK, &signals, 0);
}

void crew_run(struct crew_member *member) {
  struct crew *crew = member->crew;
  allow_parking();
  __atomic_store_n(&member->thread, (int32_t)gettid(), __ATOMIC_RELEASE);
  uint64_t last = nanoseconds();
  while (!__atomic_load_n(&crew->stop, __ATOMIC_RELAXED)) {
    if (__atomic_load_n(&crew->by_view, __ATOMIC_RELAXED)) {
      member->driver->run_slots(member->state, member->worker, 1);
    } else {
      member->driver->run_pointers(member->state, crew->stages, 1);
    }
    uint64_t now = nanoseconds();
    note(member, last, now);
    if (member->batches % PATH_WINDOW == 0) {
      __atomic_store_n(&member->preemptions, preemptions(), __ATOMIC_RELAXED);
      now = nanoseconds();
    }
    last = now;
  }
}

void crew_stop(struct crew *crew) { __atomic_store_n(&crew->stop, 1u, __ATOMIC_RELAXED); }

void crew_serve(struct crew *crew, int by_view) {
  __atomic_store_n(&crew->by_view, by_view != 0, __ATOMIC_RELAXED);
}

uint64_t crew_batches(const struct crew_member *member) {
  return __atomic_load_n(&member->batches, __ATOMIC_ACQUIRE);
}

uint64_t crew_preemptions(const struct crew_member *member) {
  return __atomic_load_n(&member->preemptions, __ATOMIC_RELAXED);
}

int32_t crew_thread(const struct crew_member *member) {
  return __atomic_load_n(&member->thread, __ATOMIC_ACQUIRE);
}

static struct crew_batch remembered(const struct crew_member *member, uint64_t batch) {
  const struct crew_batch *place = &member->history[batch & (CREW_HISTORY - 1)];
  return (struct crew_batch){__atomic_load_n(&place->begin, __ATOMIC_RELAXED),
                             __atomic_load_n(&place->end, __ATOMIC_RELAXED),
                             __atomic_load_n(&place->build, __ATOMIC_RELAXED)};
}

// Adds one batch to a passage; whether it was the last of it.
static int pass(struct crew_passage *passage, struct crew_batch batch, uint64_t until, uint64_t build) {
  uint64_t time = batch.end - batch.begin;
  passage->longest = time > passage->longest ? time : passage->longest;
  passage->span += time;
  passage->served++;
  passage->mixed += batch.build == 0;
  passage->arrived = batch.end;
  return batch.build == build && batch.end >= until;
}

int crew_passage_of(const struct crew_member *member, uint64_t time, uint64_t until, uint64_t build,
                    struct crew_passage *passage) {
  enum { LATER = 8 };
  uint64_t count = crew_batches(member);
  // Half of the history: what is read here is not written again before this has ended, or is found out.
  uint64_t oldest = count > CREW_HISTORY / 2 ? count - CREW_HISTORY / 2 : 0;
  uint64_t place = count;
  while (place > oldest && remembered(member, place - 1).end > time) {
    place--;
  }
  if (place == oldest) {
    return -1;
  }
  uint64_t first = place;
  *passage = (struct crew_passage){0};
  while (place < count && !pass(passage, remembered(member, place), until, build)) {
    place++;
  }
  if (place + LATER >= count) {
    return -1;
  }
  struct crew_batch quiet = remembered(member, place + LATER);
  passage->quiet = quiet.end - quiet.begin;
  return crew_batches(member) - first < CREW_HISTORY ? 0 : -1;
}
