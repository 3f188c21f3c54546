// A host in C whose candidates get their share of the batches step by step, judged by what the host counts.
//
//   rollout STATE-DIRECTORY MODULE TRUSTED-KEY PATCH
//
// The candidate is rolled out twice: while the host counts errors of it, which must end in a rollback, and
// while it counts none, which must end in a confirmation that nobody asks for. Exits 0 when it did, and no
// batch was lost.
#include <hitless/health.h>
#include <hitless/host.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <upf/slots.h>

enum { PACKETS = 32, SESSIONS = 64 };

static struct hitless_agent *agent;
static uint32_t errors, drops, depth;
static atomic_bool stopping, failing;
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

/// One batch: the module decides; behind the commit point the host counts, for the side that has decided.
static int32_t run(const struct hitless_view *view, void *argument) {
  struct work *work = argument;
  uint32_t side = hitless_side(view, view->serving);
  for (uint32_t index = 0; index < PACKETS; index++) {
    work->verdicts[index] = (struct upf_verdict){.qer = index % SESSIONS};
  }
  work->batch.update_count = 0;
  const struct upf_qer_table *table = hitless_table(view, 0);
  uint64_t begin = hitless_slot_begin(work->worker);
  table->process(&tables, &work->batch);
  hitless_slot_end(work->worker, side, 0, begin);
  hitless_commit(work->worker);
  for (uint32_t index = 0; index < PACKETS; index++) {
    atomic_fetch_add_explicit(&handled[work->verdicts[index].qer_mark], 1, memory_order_relaxed);
  }
  hitless_signal_add(work->worker, side, HITLESS_SIGNAL_PACKETS, PACKETS);
  // One packet in 32 is dropped, whoever decides; errors are the candidate's, when it has any.
  hitless_signal_add(work->worker, side, drops, 1);
  hitless_signal_add(work->worker, side, errors, side == 1 && atomic_load(&failing) ? 4 : 0);
  hitless_signal_value(work->worker, side, depth, 3);
  atomic_fetch_add_explicit(&batches, 1, memory_order_release);
  return 0;
}

static void *work_loop(void *argument) {
  struct work *work = argument;
  if (hitless_worker_register(agent, "c-worker", &work->worker) != HITLESS_OK) {
    return "cannot register";
  }
  while (!atomic_load(&stopping)) {
    work->batch.now++;
    hitless_run_batch(work->worker, run, work);
  }
  hitless_idle(work->worker);
  return hitless_worker_unregister(agent, work->worker) == HITLESS_OK ? NULL : "cannot unregister";
}

static void fail(const char *what, long long found) {
  fprintf(stderr, "%s: %lld\n", what, found);
  exit(1);
}

/// Ends the program when a call did not say what it should have said.
static void expect(hitless_status found, hitless_status wanted, const char *what) {
  if (found != wanted) {
    char detail[2048] = "";
    hitless_error_read(detail, sizeof detail);
    fprintf(stderr, "%s: status %d instead of %d: %s\n", what, found, wanted, detail);
    exit(1);
  }
}

static void let_work(void) {
  unsigned long long goal = atomic_load(&batches) + 1000;
  while (atomic_load_explicit(&batches, memory_order_acquire) < goal) {
    usleep(100);
  }
}

static void *read_file(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  void *bytes = malloc(1 << 20);
  if (file == NULL || bytes == NULL) {
    fail("cannot read the patch", 0);
  }
  *count = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

/// Signals have names of their own and are defined before the start; their numbers count from 1.
static void define_signals(void) {
  expect(hitless_signal_define(agent, "errors", HITLESS_SIGNAL_ERRORS, &errors), HITLESS_OK, "define errors");
  expect(hitless_signal_define(agent, "drops", HITLESS_SIGNAL_DROPS, &drops), HITLESS_OK, "define drops");
  expect(hitless_signal_define(agent, "depth", HITLESS_SIGNAL_GAUGE, &depth), HITLESS_OK, "define depth");
  if (errors != 1 || drops != 2 || depth != 3) {
    fail("signals are not numbered from 1", errors);
  }
  uint32_t none = 77;
  expect(hitless_signal_define(agent, "drops", HITLESS_SIGNAL_DROPS, &none),
         HITLESS_STATUS_STATE, "define twice");
  expect(hitless_signal_define(agent, "packets", 0, &none), HITLESS_STATUS_USAGE, "define the packets");
  expect(hitless_signal_define(agent, "odd", 4, &none), HITLESS_STATUS_USAGE, "define of no kind");
  expect(hitless_signal_define(agent, "a/b", HITLESS_SIGNAL_GAUGE, &none),
         HITLESS_STATUS_PATH, "define a path");
  expect(hitless_signal_define(agent, NULL, HITLESS_SIGNAL_GAUGE, &none),
         HITLESS_STATUS_USAGE, "define no name");
  expect(hitless_signal_define(agent, "x", HITLESS_SIGNAL_GAUGE, NULL),
         HITLESS_STATUS_USAGE, "define for nobody");
  expect(hitless_signal_define(NULL, "x", HITLESS_SIGNAL_GAUGE, &none),
         HITLESS_STATUS_USAGE, "define nowhere");
  char name[] = "signal-00";
  for (uint32_t number = 4; number < HITLESS_SIGNALS; number++) {
    name[7] = (char)('0' + number / 10);
    name[8] = (char)('0' + number % 10);
    expect(hitless_signal_define(agent, name, HITLESS_SIGNAL_DROPS, &none), HITLESS_OK, "define many");
  }
  expect(hitless_signal_define(agent, "over", HITLESS_SIGNAL_DROPS, &none), HITLESS_STATUS_LIMIT, "one more");
}

static void open_agent(char **arguments) {
  const char *keys[] = {arguments[3]};
  struct hitless_agent_options options = {.size = sizeof options,
                                          .abi_version = HITLESS_ABI_VERSION,
                                          .state_directory = arguments[1],
                                          .trust_keys = keys,
                                          .trust_key_count = 1,
                                          // The same patch is to be tried again at once.
                                          .breaker_mode = HITLESS_BREAKER_MODE_METRICS_ONLY};
  struct hitless_slot_options slot = {.size = sizeof slot,
                                      .interface_id = UPF_INTERFACE_QER,
                                      .interface_version = UPF_INTERFACE_VERSION,
                                      .table_size = sizeof(struct upf_qer_table),
                                      .name = "qer",
                                      .module = arguments[2]};
  uint32_t number;
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open");
  expect(hitless_slot_define(agent, &slot, &number), HITLESS_OK, "define slot");
  define_signals();
  expect(hitless_agent_start(agent), HITLESS_OK, "start");
  expect(hitless_signal_define(agent, "late", HITLESS_SIGNAL_GAUGE, &number),
         HITLESS_STATUS_STATE, "define late");
}

static const uint32_t steps[] = {HITLESS_SHARE_ALL / 4, HITLESS_SHARE_ALL};

/// Two steps of 100 ms; times are let be what they are, because other programs share the processors.
static struct hitless_activation plan(void) {
  return (struct hitless_activation){.size = sizeof(struct hitless_activation),
                                     .canary = HITLESS_CANARY_BATCHES,
                                     .steps = steps,
                                     .step_count = 2,
                                     .dwell_ns = 100000000,
                                     .confirm_within_ns = 40000000000,
                                     .auto_confirm = 1,
                                     .minimum_samples = 50,
                                     .median_permille = 1000000,
                                     .tail_permille = 1000000,
                                     .time_floor_ns = 1000000000,
                                     .cold_floor_ns = 1000000000};
}

/// A plan that makes no sense changes nothing.
static void refuse(uint64_t transaction) {
  static const uint32_t falling[] = {HITLESS_SHARE_ALL / 2, HITLESS_SHARE_ALL / 4, HITLESS_SHARE_ALL};
  struct hitless_activation wrong = plan();
  // What was appended later may be missing, the rest may not.
  wrong.size = offsetof(struct hitless_activation, shadow_share) - 1;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "a plan that is too short");
  wrong = plan();
  wrong.canary = HITLESS_CANARY_FLOWS + 1;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "a canary of nothing");
  wrong = plan();
  wrong.steps = NULL;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "steps that are not there");
  wrong = plan();
  wrong.step_count = 1;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "steps without an end");
  wrong.steps = falling;
  wrong.step_count = 3;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "steps that fall");
  wrong.step_count = UINT32_MAX;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_LIMIT, "steps without number");
  wrong = plan();
  wrong.confirm_within_ns = 100000000;
  expect(hitless_patch_rollout(agent, transaction, &wrong), HITLESS_STATUS_USAGE, "steps without time");
  wrong = plan();
  expect(hitless_patch_rollout(agent, transaction + 1, &wrong), HITLESS_STATUS_STATE, "no such transaction");
  expect(hitless_patch_rollout(NULL, transaction, &wrong), HITLESS_STATUS_USAGE, "no agent");
}

/// Waits until the transaction stands where it must come to; anything final but that is a failure.
static struct hitless_agent_status wait_for(int32_t wanted) {
  struct hitless_agent_status status = {.size = sizeof status};
  for (int turn = 0; turn < 60000; turn++) {
    expect(hitless_agent_status_read(agent, &status), HITLESS_OK, "status");
    if (status.transaction_state == wanted) {
      return status;
    }
    if (status.transaction_state != HITLESS_TRANSACTION_ACTIVE) {
      fail("the rollout has ended as", status.transaction_state);
    }
    usleep(1000);
  }
  fail("the rollout does not end as", wanted);
  return status;
}

static void expect_metric(const char *line) {
  static char text[1 << 18];
  if (hitless_metrics_read(agent, text, sizeof text) >= sizeof text || strstr(text, line) == NULL) {
    fprintf(stderr, "the figures do not have '%s':\n%s\n", line, text);
    exit(1);
  }
}

/// The life of a patch, with the worker at work all the time.
static void roll_out(const char *path) {
  size_t size;
  uint64_t transaction;
  void *patch = read_file(path, &size);
  expect(hitless_patch_install(agent, patch, size, &transaction), HITLESS_OK, "install");
  free(patch);
  refuse(transaction);
  // Without a plan it is an activation, which nobody judges.
  expect(hitless_patch_rollout(agent, transaction, NULL), HITLESS_OK, "activate");
  let_work();
  expect(hitless_patch_rollback(agent, transaction), HITLESS_OK, "roll back");

  struct hitless_activation activation = plan();
  atomic_store(&failing, true);
  expect(hitless_patch_rollout(agent, transaction, &activation), HITLESS_OK, "roll out what fails");
  let_work();
  expect(hitless_patch_confirm(agent, transaction), HITLESS_STATUS_STATE, "confirm before the last step");
  wait_for(HITLESS_TRANSACTION_ROLLED_BACK);
  expect_metric("reason=\"health\"} 1\n");
  atomic_store(&failing, false);
  expect(hitless_patch_rollout(agent, transaction, &activation), HITLESS_OK, "roll out what does not fail");
  struct hitless_agent_status status = wait_for(HITLESS_TRANSACTION_CONFIRMED);
  if (status.activations != 3 || status.confirmations != 1 || status.rollbacks != 2) {
    fail("confirmations", (long long)status.confirmations);
  }
  let_work();
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: rollout STATE-DIRECTORY MODULE TRUSTED-KEY PATCH\n");
    return 2;
  }
  static struct work work;
  work.batch = (struct upf_batch){.size = sizeof work.batch,
                                  .count = PACKETS,
                                  .packets = work.packets,
                                  .verdicts = work.verdicts,
                                  .updates = work.updates};
  open_agent(arguments);
  pthread_t thread;
  pthread_create(&thread, NULL, work_loop, &work);
  let_work();
  roll_out(arguments[4]);
  atomic_store(&stopping, true);
  void *problem;
  pthread_join(thread, &problem);
  if (problem != NULL) {
    fprintf(stderr, "worker: %s\n", (const char *)problem);
    return 1;
  }
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
  unsigned long long total = 0, sent = atomic_load(&batches) * PACKETS;
  for (unsigned mark = 0; mark < 65536; mark++) {
    total += atomic_load(&handled[mark]);
  }
  printf("packets %llu, by 1.0.1 %llu, lost %lld\n", sent, (unsigned long long)atomic_load(&handled[1]),
         (long long)(sent - total));
  return sent == total && handled[0] > 0 && handled[1] > 0 ? 0 : 1;
}
