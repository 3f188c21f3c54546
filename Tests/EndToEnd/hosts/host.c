// A host in C: one worker under load, one patch installed, activated, frozen, confirmed and rolled back.
//
//   host STATE-DIRECTORY MODULE TRUSTED-KEY PATCH
//
// Exits 0 when every batch was handled, by the version that was in force, and none was lost.
#include <hitless/host.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <upf/slots.h>

enum { PACKETS = 32, SESSIONS = 64 };

static struct hitless_agent *agent;
static atomic_bool stopping;
static atomic_ullong handled[65536];
static atomic_ullong batches;

struct work {
  struct hitless_worker *worker;
  struct upf_batch batch;
  struct upf_packet packets[PACKETS];
  struct upf_verdict verdicts[PACKETS];
  struct upf_bucket_update updates[PACKETS];
};

static struct upf_qer qers[SESSIONS];
static struct upf_bucket buckets[2 * SESSIONS];
static const struct upf_qer_tables tables = {sizeof tables, SESSIONS, qers, buckets};

/// One batch: the module decides, the host counts what was decided (the commit point).
static int32_t run(const struct hitless_view *view, void *argument) {
  struct work *work = argument;
  for (uint32_t index = 0; index < PACKETS; index++) {
    work->verdicts[index] = (struct upf_verdict){.qer = index % SESSIONS};
  }
  work->batch.update_count = 0;
  const struct upf_qer_table *table = hitless_table(view, 0);
  table->process(&tables, &work->batch);
  hitless_commit(work->worker);
  for (uint32_t index = 0; index < PACKETS; index++) {
    atomic_fetch_add_explicit(&handled[work->verdicts[index].qer_mark], 1, memory_order_relaxed);
  }
  atomic_fetch_add_explicit(&batches, 1, memory_order_release);
  return 0;
}

static void *work_loop(void *argument) {
  struct work *work = argument;
  struct hitless_worker *worker;
  if (hitless_worker_register(agent, "c-worker", &worker) != HITLESS_OK) {
    return "cannot register";
  }
  work->worker = worker;
  while (!atomic_load(&stopping)) {
    work->batch.now++;
    hitless_run_batch(worker, run, work);
  }
  hitless_idle(worker);
  return hitless_worker_unregister(agent, worker) == HITLESS_OK ? NULL : "cannot unregister";
}

/// Ends the program when a call did not say what it should have said.
static void expect(hitless_status found, hitless_status wanted, const char *what) {
  if (found == wanted) {
    return;
  }
  char detail[2048] = "";
  hitless_error_read(detail, sizeof detail);
  fprintf(stderr, "%s: status %d instead of %d: %s\n", what, found, wanted, detail);
  exit(1);
}

/// Waits until the worker has handled some more batches, all of them in the view that is in force now.
static void let_work(void) {
  unsigned long long goal = atomic_load(&batches) + 1000;
  while (atomic_load_explicit(&batches, memory_order_acquire) < goal) {
  }
}

static unsigned long long marked(unsigned mark) { return atomic_load(&handled[mark]); }

static void *read_file(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  void *bytes = malloc(1 << 20);
  if (file == NULL || bytes == NULL) {
    fprintf(stderr, "cannot read %s\n", path);
    exit(1);
  }
  *count = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

static void open_agent(char **arguments) {
  const char *keys[] = {arguments[3]};
  struct hitless_agent_options options = {
      .size = sizeof options,
      .abi_version = HITLESS_ABI_VERSION,
      .state_directory = arguments[1],
      .trust_keys = keys,
      .trust_key_count = 1,
  };
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open");
  struct hitless_slot_options slot = {
      .size = sizeof slot,
      .interface_id = UPF_INTERFACE_QER,
      .interface_version = UPF_INTERFACE_VERSION,
      .table_size = sizeof(struct upf_qer_table),
      .name = "qer",
      .module = arguments[2],
  };
  uint32_t index;
  expect(hitless_slot_define(agent, &slot, &index), HITLESS_OK, "define slot");
  expect(hitless_agent_start(agent), HITLESS_OK, "start");
}

/// Ends the program unless the version with `mark` handles everything that the worker does from here on.
static void expect_alone(unsigned mark) {
  let_work();
  unsigned long long own = marked(mark), others = marked(1 - mark);
  let_work();
  if (marked(mark) == own || marked(1 - mark) != others) {
    fprintf(stderr, "not only version 1.0.%u is at work\n", mark);
    exit(1);
  }
}

/// Keeps patches of the module in force out: the one on trial goes, and comes in again after the release.
static void freeze_and_release(uint64_t transaction) {
  expect(hitless_module_freeze(agent, "far", NULL), HITLESS_STATUS_USAGE, "freeze a module not in force");
  expect(hitless_module_freeze(agent, "qer", "a look"), HITLESS_OK, "freeze the module");
  expect_alone(0);
  expect(hitless_patch_confirm(agent, transaction), HITLESS_STATUS_STATE, "confirm what has gone");
  expect(hitless_patch_activate(agent, transaction), HITLESS_STATUS_FROZEN, "activate what is frozen");
  expect(hitless_module_release(agent, "far"), HITLESS_STATUS_STATE, "release another module");
  expect(hitless_module_release(agent, "qer"), HITLESS_OK, "release the module");
  expect(hitless_module_release(agent, "qer"), HITLESS_STATUS_STATE, "release it once more");
  expect(hitless_patch_activate(agent, transaction), HITLESS_OK, "activate what was frozen");
  expect_alone(1);
}

/// The life of a patch, with the worker at work between the steps.
static void swap(const char *path) {
  size_t size;
  void *patch = read_file(path, &size);
  uint64_t transaction;
  ((char *)patch)[size / 2] ^= 1;
  hitless_status refused = hitless_patch_install(agent, patch, size, &transaction);
  if (refused == HITLESS_OK) {
    fprintf(stderr, "a flipped bit was accepted\n");
    exit(1);
  }
  ((char *)patch)[size / 2] ^= 1;
  expect(hitless_patch_install(agent, patch, size, &transaction), HITLESS_OK, "install");
  free(patch);
  let_work();
  expect(hitless_patch_activate(agent, transaction), HITLESS_OK, "activate");
  let_work();
  expect(hitless_patch_rollback(agent, transaction), HITLESS_OK, "roll back");
  let_work();
  expect(hitless_patch_activate(agent, transaction), HITLESS_OK, "activate again");
  let_work();
  freeze_and_release(transaction);
  expect(hitless_patch_confirm(agent, transaction), HITLESS_OK, "confirm");
  let_work();
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: host STATE-DIRECTORY MODULE TRUSTED-KEY PATCH\n");
    return 2;
  }
  static struct work work;
  work.batch = (struct upf_batch){.size = sizeof work.batch,
                                  .count = PACKETS,
                                  .packets = work.packets,
                                  .verdicts = work.verdicts,
                                  .updates = work.updates};
  expect(hitless_agent_open(NULL, &agent), HITLESS_STATUS_USAGE, "open without options");
  open_agent(arguments);

  pthread_t thread;
  pthread_create(&thread, NULL, work_loop, &work);
  let_work();

  swap(arguments[4]);
  struct hitless_agent_status status = {.size = sizeof status};
  expect(hitless_agent_status_read(agent, &status), HITLESS_OK, "status");
  struct hitless_event event = {.size = sizeof event};
  expect(hitless_event_next(agent, 0, 0, &event), HITLESS_OK, "event");
  atomic_store(&stopping, true);
  void *problem;
  pthread_join(thread, &problem);
  if (problem != NULL) {
    fprintf(stderr, "worker: %s\n", (const char *)problem);
    return 1;
  }
  expect(hitless_agent_close(agent), HITLESS_OK, "close");

  unsigned long long total = 0;
  for (unsigned mark = 0; mark < 65536; mark++) {
    total += marked(mark);
  }
  unsigned long long sent = atomic_load(&batches) * PACKETS;
  printf("packets %llu, by 1.0.0 %llu, by 1.0.1 %llu, lost %lld; activations %llu, confirmations %llu\n",
         sent, marked(0), marked(1), (long long)(sent - total), (unsigned long long)status.activations,
         (unsigned long long)status.confirmations);
  return sent == total && marked(0) + marked(1) == total && marked(0) > 0 && marked(1) > 0 &&
                 status.activations == 3 && status.confirmations == 1 && status.rollbacks == 2 &&
                 status.transaction_state == HITLESS_TRANSACTION_CONFIRMED && event.number == 1
             ? 0
             : 1;
}
