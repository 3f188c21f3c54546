#define _GNU_SOURCE
#include "hitless_shim_file.h"

#include <fcntl.h>

int hitless_shim_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int hitless_shim_openat(int directory, const char *path, int flags, mode_t mode) {
  return openat(directory, path, flags, mode);
}
