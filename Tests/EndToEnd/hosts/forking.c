// A host whose child, made by `fork`, calls the agent: every call is refused, and none harms the host.
//
//   forking STATE-DIRECTORY MODULE
//
// Exits 0 when the child was refused what it asked for, had no file of the agent, and the host noticed
// nothing.
#include <dirent.h>
#include <hitless/host.h>
#include <hitless/shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <upf/slots.h>

static struct hitless_agent *agent;
static struct hitless_worker *worker;
static int mistakes;

static void expect(hitless_status found, hitless_status wanted, const char *what) {
  if (found != wanted) {
    char detail[2048] = "";
    hitless_error_read(detail, sizeof detail);
    fprintf(stderr, "%s: status %d instead of %d: %s\n", what, found, wanted, detail);
    mistakes++;
  }
}

static struct hitless_agent_options options_of(const char *state) {
  return (struct hitless_agent_options){.size = sizeof(struct hitless_agent_options),
                                        .abi_version = HITLESS_ABI_VERSION,
                                        .state_directory = state};
}

static struct hitless_slot_options slot_of(const char *module) {
  return (struct hitless_slot_options){.size = sizeof(struct hitless_slot_options),
                                       .interface_id = UPF_INTERFACE_QER,
                                       .interface_version = UPF_INTERFACE_VERSION,
                                       .table_size = sizeof(struct upf_qer_table),
                                       .name = "qer",
                                       .module = module};
}

/// Every call that a host can make, with arguments that the agent would take.
static void call_everything(char **arguments) {
  const hitless_status refused = HITLESS_STATUS_STATE;
  struct hitless_agent_options options = options_of(arguments[1]);
  struct hitless_slot_options slot = slot_of(arguments[2]);
  struct hitless_agent *another;
  struct hitless_worker *registered;
  struct hitless_activation activation = {.size = sizeof activation};
  struct hitless_shadow_options shadow = {.size = sizeof shadow};
  struct hitless_agent_status status = {.size = sizeof status};
  struct hitless_event event = {.size = sizeof event};
  uint64_t transaction = 1;
  uint32_t number;
  char text[256] = "untouched";
  expect(hitless_agent_open(&options, &another), refused, "open");
  expect(hitless_slot_define(agent, &slot, &number), refused, "define a slot");
  expect(hitless_signal_define(agent, "x", HITLESS_SIGNAL_DROPS, &number), refused, "define a signal");
  expect(hitless_shadow_define(agent, &shadow), refused, "define a shadow");
  expect(hitless_agent_start(agent), refused, "start");
  expect(hitless_worker_register(agent, "child", &registered), refused, "register");
  expect(hitless_worker_unregister(agent, worker), refused, "unregister");
  expect(hitless_patch_install(agent, text, sizeof text, &transaction), refused, "install");
  expect(hitless_patch_activate(agent, 1), refused, "activate");
  expect(hitless_patch_rollout(agent, 1, &activation), refused, "roll out");
  expect(hitless_patch_confirm(agent, 1), refused, "confirm");
  expect(hitless_patch_rollback(agent, 1), refused, "roll back");
  expect(hitless_agent_freeze(agent, "child"), refused, "freeze");
  expect(hitless_agent_release(agent, NULL), refused, "release");
  expect(hitless_agent_status_read(agent, &status), refused, "read the status");
  expect(hitless_event_next(agent, 0, 0, &event), refused, "read an event");
  expect(hitless_agent_close(agent), refused, "close");
  mistakes += hitless_metrics_read(agent, text, sizeof text) != 0;
  hitless_error_read(text, sizeof text);
  if (strstr(text, "fork") == NULL) {
    fprintf(stderr, "the child is told no reason: %s\n", text);
    mistakes++;
  }
}

/// Descriptors of this process that lead to the agent's directory or to a module.
static int files_of_agent(const char *state) {
  char path[64], target[512];
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    snprintf(path, sizeof path, "/proc/self/fd/%.20s", entry->d_name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) continue;
    target[length] = 0;
    count += strncmp(target, state, strlen(state)) == 0 || strstr(target, "memfd:hitless") != NULL;
  }
  if (folder != NULL) closedir(folder);
  return count;
}

static int run_child(char **arguments) {
  // A child that hangs is one that has met a lock of the host's.
  alarm(30);
  int files = files_of_agent(arguments[1]);
  if (files != 0) {
    fprintf(stderr, "the child has %d files of the agent\n", files);
    mistakes++;
  }
  call_everything(arguments);
  return mistakes;
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: forking STATE-DIRECTORY MODULE\n");
    return 2;
  }
  struct hitless_agent_options options = options_of(arguments[1]);
  struct hitless_slot_options slot = slot_of(arguments[2]);
  uint32_t number;
  expect(hitless_agent_open(&options, &agent), HITLESS_OK, "open");
  expect(hitless_slot_define(agent, &slot, &number), HITLESS_OK, "define slot");
  expect(hitless_agent_start(agent), HITLESS_OK, "start");
  expect(hitless_worker_register(agent, "worker", &worker), HITLESS_OK, "register");
  hitless_idle(worker);
  if (mistakes != 0 || files_of_agent(arguments[1]) < 3) {
    fprintf(stderr, "the host has no files of the agent: what is looked for?\n");
    return 1;
  }
  pid_t child = fork();
  if (child == 0) _exit(run_child(arguments));
  int ending = -1;
  waitpid(child, &ending, 0);
  if (ending != 0) {
    fprintf(stderr, "the child has ended with %d\n", ending);
    mistakes++;
  }
  struct hitless_agent_status status = {.size = sizeof status};
  expect(hitless_agent_status_read(agent, &status), HITLESS_OK, "read the status");
  mistakes += status.worker_count != 1 || status.refusals != 0;
  expect(hitless_agent_freeze(agent, "the host's own"), HITLESS_OK, "freeze");
  expect(hitless_agent_release(agent, NULL), HITLESS_OK, "release");
  expect(hitless_worker_unregister(agent, worker), HITLESS_OK, "unregister");
  expect(hitless_agent_close(agent), HITLESS_OK, "close");
  return mistakes == 0 ? 0 : 1;
}
