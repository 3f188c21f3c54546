#define _GNU_SOURCE
#include "hitless_shim_fork.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum { WORD = 64, DESCRIPTOR_LIMIT = 1 << 20 };

// A bit for each number that the kernel gives without being told to give more (/proc/sys/fs/nr_open). Relaxed
// throughout: the child's copy of the memory is read by the thread that has forked, which sees what it and
// whoever it has synchronized with have stored.
static uint64_t covered[DESCRIPTOR_LIMIT / WORD];
static int is_fork;

static uint64_t bit(int descriptor) { return (uint64_t)1 << descriptor % WORD; }

static int is_covered(int descriptor) {
  return descriptor >= 0 && descriptor < DESCRIPTOR_LIMIT &&
         (__atomic_load_n(&covered[descriptor / WORD], __ATOMIC_RELAXED) & bit(descriptor)) != 0;
}

// In the child only what a signal handler may do: other threads may have held any lock.
static void begin_child(void) {
  __atomic_store_n(&is_fork, 1, __ATOMIC_RELAXED);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int index = 0; index < DESCRIPTOR_LIMIT / WORD; index++) {
    uint64_t left = __atomic_load_n(&covered[index], __ATOMIC_RELAXED);
    for (; left != 0; left &= left - 1) {
      int descriptor = index * WORD + __builtin_ctzll(left);
      // The number stays in use: what still knows it must not meet a file of the child's.
      if (nothing < 0 || dup3(nothing, descriptor, O_CLOEXEC) < 0) {
        close(descriptor);
      }
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
  if (descriptor >= 0 && descriptor < DESCRIPTOR_LIMIT) {
    (void)__atomic_fetch_or(&covered[descriptor / WORD], bit(descriptor), __ATOMIC_RELAXED);
  }
}

void hitless_shim_fork_uncover(int descriptor) {
  // Most numbers were never covered: those cost a load.
  if (is_covered(descriptor)) {
    (void)__atomic_fetch_and(&covered[descriptor / WORD], ~bit(descriptor), __ATOMIC_RELAXED);
  }
}

int hitless_shim_fork_is_child(void) { return __atomic_load_n(&is_fork, __ATOMIC_RELAXED); }
