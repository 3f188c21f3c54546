#include "endurance_load.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "upf/slots.h"

enum { SESSIONS = 64 };

struct work {
  struct hitless_worker *worker;
  struct endurance_book *book;
  uint16_t mark;
  struct upf_qer_tables tables;
  struct upf_batch batch;
  struct upf_packet packets[ENDURANCE_PACKETS];
  struct upf_verdict verdicts[ENDURANCE_PACKETS];
  struct upf_bucket_update updates[UPF_BATCH_MAX];
  struct upf_qer qers[SESSIONS];
  struct upf_bucket buckets[2 * SESSIONS];
};

static void add(uint64_t *figure, uint64_t amount) {
  __atomic_store_n(figure, *figure + amount, __ATOMIC_RELAXED);
}

/// The module decides, the host counts what was decided (the commit point).
static int32_t run(const struct hitless_view *view, void *argument) {
  struct work *work = argument;
  for (uint32_t index = 0; index < ENDURANCE_PACKETS; index++) {
    work->verdicts[index] = (struct upf_verdict){.qer = index % SESSIONS, .qer_mark = UINT16_MAX};
  }
  work->batch.update_count = 0;
  const struct upf_qer_table *table = hitless_table(view, 0);
  table->process(&work->tables, &work->batch);
  hitless_commit(work->worker);
  uint16_t mark = work->verdicts[0].qer_mark;
  uint32_t same = 0;
  for (uint32_t index = 0; index < ENDURANCE_PACKETS; index++) {
    same += work->verdicts[index].qer_mark == mark && mark != UINT16_MAX;
  }
  add(&work->book->applied, same);
  add(&work->book->torn, same != ENDURANCE_PACKETS);
  add(&work->book->changes, mark != work->mark);
  work->mark = mark;
  return 0;
}

int endurance_run(struct hitless_worker *worker, struct endurance_book *book) {
  struct work *work = calloc(1, sizeof *work);
  if (work == 0) {
    return -1;
  }
  work->worker = worker;
  work->book = book;
  work->tables = (struct upf_qer_tables){sizeof work->tables, SESSIONS, work->qers, work->buckets};
  work->batch.size = sizeof work->batch;
  work->batch.packets = work->packets;
  work->batch.verdicts = work->verdicts;
  work->batch.updates = work->updates;
  work->batch.count = ENDURANCE_PACKETS;
  while (!__atomic_load_n(&book->stop, __ATOMIC_RELAXED)) {
    work->batch.now++;
    add(&book->given, ENDURANCE_PACKETS);
    hitless_run_batch(worker, run, work);
    add(&book->batches, 1);
    if (book->pause_every != 0 && book->batches % book->pause_every == 0) {
      hitless_idle(worker);
      struct timespec pause = {0, 100000};
      nanosleep(&pause, 0);
      hitless_resume(worker);
    }
  }
  free(work);
  return 0;
}

void endurance_trim(void) { (void)malloc_trim(0); }

uint64_t endurance_read(const uint64_t *figure) { return __atomic_load_n(figure, __ATOMIC_RELAXED); }

void endurance_stop(struct endurance_book *book) { __atomic_store_n(&book->stop, 1u, __ATOMIC_RELAXED); }
