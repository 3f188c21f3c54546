// How the agent's library reads a host's options: hosts of older headers, and where its threads run.
//
//   options STATE-DIRECTORY MODULE CONTROL-SOCKET
//
// Exits 0 when every host was answered as it should be.
#define _GNU_SOURCE
#include <dirent.h>
#include <hitless/host.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <upf/slots.h>

enum { NICE = 9 };

static struct hitless_agent *agent;

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

static struct hitless_agent_options options_of(const char *state) {
  return (struct hitless_agent_options){.size = sizeof(struct hitless_agent_options),
                                        .abi_version = HITLESS_ABI_VERSION,
                                        .state_directory = state};
}

/// A host that was built before there were fields for threads has fewer bytes, and garbage behind them.
static void open_as_older_hosts(const char *state) {
  union {
    struct hitless_agent_options options;
    unsigned char bytes[sizeof(struct hitless_agent_options)];
  } host;
  size_t old = offsetof(struct hitless_agent_options, agent_processors);
  host.options = options_of(state);
  memset(host.bytes + old, 0xa5, sizeof host.bytes - old);
  host.options.size = (uint32_t)old;
  expect(hitless_agent_open(&host.options, &agent), HITLESS_OK, "open as a host of the first headers");
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
  host.options.size = (uint32_t)old - 1;
  expect(hitless_agent_open(&host.options, &agent), HITLESS_STATUS_USAGE, "open with too few fields");
}

static void open_with_impossible_guards(const char *state) {
  struct hitless_agent_options options = options_of(state);
  options.guard_mode = HITLESS_GUARD_ALWAYS + 1;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with no such guard");
  options.guard_mode = HITLESS_GUARD_ALWAYS;
  const int32_t taken[] = {-1, 11, 33, 65};
  for (int index = 0; index < 4; index++) {
    options.guard_signal = taken[index];
    expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with a signal of others");
  }
  options.guard_signal = 40;
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open with a guard");
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
}

/// Of modules by name, before there are any.
static void freeze_modules(void) {
  expect(hitless_module_freeze(agent, NULL, NULL), HITLESS_STATUS_USAGE, "freeze a module without a name");
  expect(hitless_module_freeze(agent, "qer", NULL), HITLESS_STATUS_USAGE, "freeze a module not in force");
  expect(hitless_module_release(agent, "qer"), HITLESS_STATUS_STATE, "release a module that is not frozen");
  int32_t none = HITLESS_BREAKER_MODE_METRICS_ONLY + 1;
  expect(hitless_breaker_define(agent, "qer", none), HITLESS_STATUS_USAGE, "define no such breaker");
  expect(hitless_breaker_define(agent, "q/er", 0), HITLESS_STATUS_PATH, "define a breaker of no module");
  expect(hitless_breaker_define(agent, "qer", HITLESS_BREAKER_MODE_METRICS_ONLY), HITLESS_OK, "define one");
}

/// Patches can be kept out before there is anything to patch, and figures be had.
static void freeze_and_release(const char *state) {
  struct hitless_agent_options options = options_of(state);
  options.breaker_mode = HITLESS_BREAKER_MODE_METRICS_ONLY + 1;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with no such breaker");
  options.breaker_mode = HITLESS_BREAKER_MODE_ON;
  options.breaker_batches = 8;
  options.breaker_successes = 9;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with a breaker that never closes");
  options.breaker_successes = 0;
  options.load_failure_percent = 101;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with a share above all");
  options.load_failure_percent = 100;
  options.load_failures_in_a_row = UINT32_MAX;
  options.breaker_openings = options.golden_interval_ns = options.early_end_window_ns = HITLESS_NEVER;
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open with a breaker");
  expect(hitless_agent_release(agent, NULL), HITLESS_STATUS_STATE, "release what is not frozen");
  expect(hitless_agent_freeze(agent, "a look"), HITLESS_OK, "freeze");
  expect(hitless_agent_freeze(agent, NULL), HITLESS_OK, "freeze once more");
  freeze_modules();
  expect(hitless_agent_release(agent, "0123"), HITLESS_STATUS_USAGE, "release half a patch");
  expect(hitless_agent_release(agent, "0123456789"), HITLESS_STATUS_STATE, "release no patch");
  char text[1 << 16], few[8] = "xxxxxxx";
  size_t length = hitless_metrics_read(agent, text, sizeof text);
  if (length == 0 || length != strlen(text) || strstr(text, "\nhitless_frozen 1\n") == NULL ||
      hitless_metrics_read(agent, few, sizeof few) < sizeof few || strcmp(few, "# HELP ") != 0 ||
      hitless_metrics_read(NULL, few, sizeof few) != 0 || few[0] != 0) {
    fprintf(stderr, "the figures are wrong: %s\n", text);
    exit(1);
  }
  expect(hitless_agent_release(agent, NULL), HITLESS_OK, "release");
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
}

/// The status of a host that was built before there was a guard is shorter, and nothing is written behind it.
static void read_status_as_older_hosts(const char *state) {
  struct hitless_agent_options options = options_of(state);
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open");
  struct hitless_agent_status status = {.faults = 0xa5};
  status.size = offsetof(struct hitless_agent_status, faults);
  expect(hitless_agent_status_read(agent, &status), HITLESS_OK, "read a status of the first headers");
  if (status.faults != 0xa5) {
    fprintf(stderr, "something was written behind the status\n");
    exit(1);
  }
  status.size--;
  expect(hitless_agent_status_read(agent, &status), HITLESS_STATUS_USAGE, "read a status that is too short");
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
}

static void open_in_impossible_places(const char *state) {
  struct hitless_agent_options options = options_of(state);
  const uint32_t nowhere[] = {CPU_SETSIZE - 1, UINT32_MAX};
  for (int index = 0; index < 2; index++) {
    options.agent_processors = &nowhere[index];
    options.agent_processor_count = 1;
    expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open on no processor");
  }
  options.agent_processors = NULL;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_USAGE, "open with a count and no list");
  options.agent_processors = nowhere;
  options.agent_processor_count = 1025;
  expect(hitless_agent_open(&options, &agent), HITLESS_STATUS_LIMIT, "open with a list without end");
}

/// The last processor that this process may use.
static uint32_t last_processor(void) {
  cpu_set_t allowed;
  uint32_t last = 0;
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (uint32_t processor = 0; processor < CPU_SETSIZE; processor++) {
    if (CPU_ISSET(processor, &allowed)) last = processor;
  }
  return last;
}

/// How many threads but the first one run on `processor` alone with the nice value asked for.
static int placed_threads(uint32_t processor) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
    int thread = atoi(entry->d_name);
    cpu_set_t places;
    if (thread <= 0 || thread == getpid() || sched_getaffinity(thread, sizeof places, &places) != 0) continue;
    if (CPU_COUNT(&places) == 1 && CPU_ISSET(processor, &places) &&
        getpriority(PRIO_PROCESS, (id_t)thread) == NICE) {
      count++;
    }
  }
  if (tasks != NULL) closedir(tasks);
  return count;
}

static void open_with_placed_threads(char **arguments) {
  struct hitless_agent_options options = options_of(arguments[1]);
  uint32_t processor = last_processor();
  options.control_socket = arguments[3];
  options.agent_processors = &processor;
  options.agent_processor_count = 1;
  options.agent_nice = NICE;
  options.probe_timeout_ns = 1;
  struct hitless_slot_options slot = {.size = sizeof slot,
                                      .interface_id = UPF_INTERFACE_QER,
                                      .interface_version = UPF_INTERFACE_VERSION,
                                      .table_size = sizeof(struct upf_qer_table),
                                      .name = "qer",
                                      .module = arguments[2]};
  uint32_t index;
  // An answer that is there by the time that anybody looks is taken, and a busy machine may look late.
  hitless_status outcome = HITLESS_OK;
  for (int round = 0; round < 50 && outcome == HITLESS_OK; round++) {
    expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open with placed threads");
    expect(hitless_slot_define(agent, &slot, &index), HITLESS_OK, "define slot");
    outcome = hitless_agent_start(agent);
    expect(hitless_agent_close(agent), HITLESS_OK, "close");
  }
  expect(outcome, HITLESS_STATUS_HEALTH, "start with a helper that has no time");

  options.probe_timeout_ns = 0;
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open with placed threads");
  expect(hitless_slot_define(agent, &slot, &index), HITLESS_OK, "define slot");
  expect(hitless_agent_start(agent), HITLESS_OK, "start");
  // A thread is placed as the first thing it does, which may be after the call that started it.
  int count = 0;
  for (int round = 0; round < 5000 && count == 0; round++) {
    count = placed_threads(processor);
    usleep(1000);
  }
  if (count == 0 || getpriority(PRIO_PROCESS, (id_t)getpid()) == NICE) {
    fprintf(stderr, "%d threads are where they should be\n", count);
    exit(1);
  }
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: options STATE-DIRECTORY MODULE CONTROL-SOCKET\n");
    return 2;
  }
  open_as_older_hosts(arguments[1]);
  open_in_impossible_places(arguments[1]);
  open_with_impossible_guards(arguments[1]);
  freeze_and_release(arguments[1]);
  read_status_as_older_hosts(arguments[1]);
  open_with_placed_threads(arguments);
  return 0;
}
