// A host in C that takes part in shadow mode: copies of its batches decide whether a patch may go on.
//
//   shadow STATE-DIRECTORY MODULE TRUSTED-KEY PATCH
//
// Exits 0 when the patch was compared on copies first, without any batch of the worker's, and served
// afterwards.
#include <hitless/shadow.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <upf/slots.h>

enum { PACKETS = 32, SESSIONS = 64, COMPARED = 200 };

static struct hitless_agent *agent;
static atomic_bool stopping;
static atomic_ullong handled[65536];

/// All that a run depends on, and room for what it puts out: the worker's, and each copy.
struct work {
  struct upf_batch batch;
  struct upf_packet packets[PACKETS];
  struct upf_verdict verdicts[PACKETS];
  struct upf_bucket_update updates[PACKETS];
};

struct worker {
  struct hitless_worker *record;
  struct work work;
};

static struct upf_qer qers[SESSIONS];
static struct upf_bucket buckets[2 * SESSIONS];
static const struct upf_qer_tables tables = {sizeof tables, SESSIONS, qers, buckets};

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

static void require(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "%s\n", what);
    exit(1);
  }
}

/// What both the worker and a copy do: everything up to the commit point.
static void decide(const struct hitless_view *view, struct work *work) {
  work->batch.packets = work->packets;
  work->batch.verdicts = work->verdicts;
  work->batch.updates = work->updates;
  work->batch.update_count = 0;
  for (uint32_t index = 0; index < PACKETS; index++) {
    work->verdicts[index] = (struct upf_verdict){.qer = index % SESSIONS};
  }
  const struct upf_qer_table *table = hitless_table(view, 0);
  table->process(&tables, &work->batch);
}

static int32_t run(const struct hitless_view *view, void *argument) {
  struct worker *worker = argument;
  decide(view, &worker->work);
  hitless_commit(worker->record);
  for (uint32_t index = 0; index < PACKETS; index++) {
    atomic_fetch_add_explicit(&handled[worker->work.verdicts[index].qer_mark], 1, memory_order_relaxed);
  }
  return 0;
}

static uint64_t copy_batch(void *context, const void *batch, void *copy) {
  (void)context;
  const struct worker *worker = batch;
  memcpy(copy, &worker->work, sizeof worker->work);
  return sizeof worker->work;
}

static int32_t run_copy(void *context, const struct hitless_view *view, void *copy) {
  (void)context;
  decide(view, copy);
  return 0;
}

static uint32_t list_outputs(void *context, void *copy, struct hitless_shadow_output *outputs) {
  (void)context;
  struct work *work = copy;
  for (uint32_t index = 0; index < PACKETS; index++) {
    // Without the mark, which is the version's own.
    outputs[index] = (struct hitless_shadow_output){.name = "verdict",
                                                    .slot = 0,
                                                    .packet = index,
                                                    .bytes = &work->verdicts[index],
                                                    .size = offsetof(struct upf_verdict, qer_mark)};
  }
  return PACKETS;
}

static void *work_loop(void *argument) {
  struct worker *worker = argument;
  expect(hitless_worker_register(agent, "c-worker", &worker->record), HITLESS_OK, "register");
  while (!atomic_load(&stopping)) {
    worker->work.batch.now++;
    hitless_run_batch(worker->record, run, worker);
  }
  expect(hitless_worker_unregister(agent, worker->record), HITLESS_OK, "unregister");
  return NULL;
}

static void *read_file(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  void *bytes = malloc(1 << 20);
  require(file != NULL && bytes != NULL, "the patch cannot be read");
  *count = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

static void open_agent(char **arguments) {
  const char *keys[] = {arguments[3]};
  struct hitless_agent_options options = {.size = sizeof options,
                                          .abi_version = HITLESS_ABI_VERSION,
                                          .state_directory = arguments[1],
                                          .trust_keys = keys,
                                          .trust_key_count = 1};
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open");
  struct hitless_slot_options slot = {.size = sizeof slot,
                                      .interface_id = UPF_INTERFACE_QER,
                                      .interface_version = UPF_INTERFACE_VERSION,
                                      .table_size = sizeof(struct upf_qer_table),
                                      .name = "qer",
                                      .module = arguments[2]};
  uint32_t index;
  expect(hitless_slot_define(agent, &slot, &index), HITLESS_OK, "define slot");
  struct hitless_shadow_options shadow = {.size = sizeof shadow,
                                          .output_limit = PACKETS,
                                          .copy_size = sizeof(struct work),
                                          .copy = copy_batch,
                                          .outputs = list_outputs};
  expect(hitless_shadow_define(agent, &shadow), HITLESS_STATUS_USAGE, "define a shadow that runs nothing");
  shadow.run = run_copy;
  shadow.copy_size = 0;
  expect(hitless_shadow_define(agent, &shadow), HITLESS_STATUS_LIMIT, "define a shadow without a copy");
  shadow.copy_size = sizeof(struct work);
  expect(hitless_shadow_define(agent, &shadow), HITLESS_OK, "define shadow");
  expect(hitless_shadow_define(agent, &shadow), HITLESS_STATUS_STATE, "define shadow twice");
  expect(hitless_agent_start(agent), HITLESS_OK, "start");
}

static void compare_and_confirm(const char *path) {
  size_t size;
  void *patch = read_file(path, &size);
  uint64_t transaction;
  expect(hitless_patch_install(agent, patch, size, &transaction), HITLESS_OK, "install");
  free(patch);
  struct hitless_activation activation = {.size = sizeof activation, .shadow_batches = COMPARED};
  expect(hitless_patch_rollout(agent, transaction, &activation), HITLESS_STATUS_USAGE,
         "activate with a shadow of nothing");
  activation.shadow_share = HITLESS_SHARE_ALL;
  activation.shadow_only = 1;
  expect(hitless_patch_rollout(agent, transaction, &activation), HITLESS_OK, "activate in shadow");
  struct hitless_agent_status status = {.size = sizeof status};
  unsigned long long marked;
  do {
    marked = atomic_load(&handled[1]);
    expect(hitless_agent_status_read(agent, &status), HITLESS_OK, "status");
    require(status.transaction_state == HITLESS_TRANSACTION_ACTIVE, "the patch was rolled back");
    require(marked == 0 || status.shadow_compared >= COMPARED, "a worker had it before it was compared");
  } while (marked == 0);
  // The worker is much faster than two runs on another thread: it must not have waited for them.
  require(status.shadow_skipped > 0, "a full ring was not counted");
  require(status.shadow_divergences == 0, "equal results were taken for others");
  // The agent may still wait for the end of the swap that the comparison has led to.
  hitless_status confirmed = hitless_patch_confirm(agent, transaction);
  while (confirmed == HITLESS_STATUS_BUSY) {
    confirmed = hitless_patch_confirm(agent, transaction);
  }
  expect(confirmed, HITLESS_OK, "confirm");
  printf("summary: %llu batches compared, %llu skipped, none differs\n",
         (unsigned long long)status.shadow_compared, (unsigned long long)status.shadow_skipped);
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: shadow STATE-DIRECTORY MODULE TRUSTED-KEY PATCH\n");
    return 2;
  }
  static struct worker worker;
  worker.work.batch.size = sizeof worker.work.batch;
  worker.work.batch.count = PACKETS;
  open_agent(arguments);
  pthread_t thread;
  require(pthread_create(&thread, NULL, work_loop, &worker) == 0, "no thread");
  while (atomic_load(&handled[0]) == 0) {
  }
  compare_and_confirm(arguments[4]);
  atomic_store(&stopping, 1);
  pthread_join(thread, NULL);
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
  return 0;
}
