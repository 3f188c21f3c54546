#define _GNU_SOURCE
#include "test_system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int bind_read_only(const char *path) {
  // What is mounted here shall not show anywhere else.
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
  if (mount(path, path, NULL, MS_BIND, NULL) != 0) return -1;
  return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

int test_mounts_read_only(const char *path, struct test_mounts *before) {
  before->mounts = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
  before->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (before->mounts < 0 || before->directory < 0 || unshare(CLONE_NEWNS) != 0) {
    int error = errno;
    close(before->mounts);
    close(before->directory);
    errno = error;
    return -1;
  }
  if (bind_read_only(path) != 0) {
    int error = errno;
    (void)test_mounts_restore(*before);
    errno = error;
    return -1;
  }
  return 0;
}

int test_mounts_restore(struct test_mounts before) {
  int result = setns(before.mounts, CLONE_NEWNS);
  // The way back leads to the root of the mounts.
  if (result == 0) result = fchdir(before.directory);
  close(before.mounts);
  close(before.directory);
  return result;
}

int test_threads_forbid(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  // Of this thread alone; those that are there go on as before.
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int test_permissions_hold(int hold) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) return -1;
  unsigned override = CAP_TO_MASK(CAP_DAC_OVERRIDE) | CAP_TO_MASK(CAP_DAC_READ_SEARCH);
  if (hold) {
    sets[0].effective &= ~override;
  } else {
    sets[0].effective |= sets[0].permitted & override;
  }
  return (int)syscall(SYS_capset, &header, sets);
}

int test_child_begin(int (*body)(void), int *end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -1;
  }
  pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    int result = body();
    char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
    }
    _exit(result);
  }
  close(ends[0]);
  if (child < 0) {
    close(ends[1]);
  }
  *end = ends[1];
  return child;
}

int test_child_end(int child, int end) {
  close(end);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return -1;
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
