#define _GNU_SOURCE
#include "hitless_shim_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int hitless_shim_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int hitless_shim_openat(int directory, const char *path, int flags, mode_t mode) {
  return openat(directory, path, flags, mode);
}

int hitless_shim_open_beneath(int directory, const char *path, int flags, mode_t mode) {
  struct open_how how = {
      .flags = (unsigned)flags | O_CLOEXEC,
      // The kernel refuses a mode where nothing can be created.
      .mode = flags & O_CREAT ? mode : 0,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  };
  long descriptor;
  // EAGAIN: something was renamed while the path was walked; the walk has no result yet.
  do {
    descriptor = syscall(SYS_openat2, directory, path, &how, sizeof how);
  } while (descriptor < 0 && (errno == EAGAIN || errno == EINTR));
  return (int)descriptor;
}

int hitless_shim_duplicate(int descriptor, int least) {
  return fcntl(descriptor, F_DUPFD_CLOEXEC, least);
}
