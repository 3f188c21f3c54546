#define _GNU_SOURCE
#include "hitless_shim_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int describe(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int input,
                    int output) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, output, 1);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, output, 2);
  if (!error && input >= 0) error = posix_spawn_file_actions_adddup2(actions, input, 3);
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, input >= 0 ? 4 : 3);
  if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  if (!error)
    error = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  return error;
}

int hitless_shim_spawn(const char *path, char *const *arguments, char *const *environment,
                       int input, int output, pid_t *process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    error = describe(&actions, &attributes, input, output);
    if (!error) error = posix_spawn(process, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

int hitless_shim_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

int hitless_shim_process_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int hitless_shim_process_reap(pid_t process) {
  int status = 0;
  pid_t result;
  do {
    result = waitpid(process, &status, 0);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return -1;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}
