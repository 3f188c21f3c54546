#define _GNU_SOURCE
#include "hitless_shim_fork.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { DESCRIPTOR_LIMIT = 256 };

// Each is a descriptor plus one, or 0. Relaxed throughout: the child's copy of the memory is read by the
// thread that has forked, which sees what it and whoever it has synchronized with have stored.
static int covered[DESCRIPTOR_LIMIT];
static int is_fork;

static int is_covered(int descriptor) {
  for (int index = 0; index < DESCRIPTOR_LIMIT; index++) {
    if (__atomic_load_n(&covered[index], __ATOMIC_RELAXED) == descriptor + 1) {
      return 1;
    }
  }
  return 0;
}

// In the child only what a signal handler may do: other threads may have held any lock.
static void begin_child(void) {
  __atomic_store_n(&is_fork, 1, __ATOMIC_RELAXED);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int index = 0; index < DESCRIPTOR_LIMIT; index++) {
    int descriptor = __atomic_load_n(&covered[index], __ATOMIC_RELAXED) - 1;
    // The number stays in use: what still knows it must not meet a file of the child's.
    if (descriptor >= 0 && (nothing < 0 || dup3(nothing, descriptor, O_CLOEXEC) < 0)) {
      close(descriptor);
    }
  }
  if (nothing >= 0 && !is_covered(nothing)) {
    close(nothing);
  }
}

static void install(void) { (void)pthread_atfork(0, 0, begin_child); }

void hitless_shim_fork_cover(int descriptor) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, install);
  for (int index = 0; index < DESCRIPTOR_LIMIT; index++) {
    int expected = 0;
    if (__atomic_compare_exchange_n(&covered[index], &expected, descriptor + 1, 0, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      return;
    }
  }
}

void hitless_shim_fork_uncover(int descriptor) {
  for (int index = 0; index < DESCRIPTOR_LIMIT; index++) {
    int expected = descriptor + 1;
    if (__atomic_compare_exchange_n(&covered[index], &expected, 0, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      return;
    }
  }
}

int hitless_shim_fork_is_child(void) { return __atomic_load_n(&is_fork, __ATOMIC_RELAXED); }
