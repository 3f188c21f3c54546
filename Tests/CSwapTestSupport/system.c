#define _GNU_SOURCE
#include "swap_test_support.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

int32_t swap_thread_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return 1;
#endif
#endif
  return 0;
}

int32_t swap_sealed_file(const void *bytes, size_t count) {
  int descriptor = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) {
    return -1;
  }
  const char *next = bytes;
  while (count > 0) {
    ssize_t written = write(descriptor, next, count);
    if (written <= 0) {
      close(descriptor);
      return -1;
    }
    next += written;
    count -= (size_t)written;
  }
  if (fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    close(descriptor);
    return -1;
  }
  return descriptor;
}

size_t swap_allocated_bytes(void) {
  return mallinfo2().uordblks;
}
