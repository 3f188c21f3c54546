// The ways to fail, of the guard's tests and of tools/bench. Every function gets a number that is not known
// before and not zero.
#ifndef FAILURE_H
#define FAILURE_H

#include <stdint.h>

// Where a test maps a file that has no bytes.
#define EMPTY_FILE 0x20000000

// Those that every language has, as failure.swift is told them.
enum failure {
  failure_segv = 1,
  failure_bus,
  failure_fpe,
  failure_ill,
  failure_trap,
  failure_abort,
  failure_loop,
  failure_overflow
};

extern void abort(void);
extern void *memcpy(void *to, const void *from, unsigned long count);

static inline void fail_nothing(uint64_t number) { (void)number; }

static inline void fail_segv(uint64_t number) { *(volatile uint64_t *)(uintptr_t)(number & 8) = number; }

static inline void fail_bus(uint64_t number) { *(volatile uint64_t *)(uintptr_t)EMPTY_FILE = number; }

static inline void fail_fpe(uint64_t number) {
#if defined(__x86_64__)
  uint64_t low = number, high = 0;
  __asm__ volatile("divq %2" : "+a"(low), "+d"(high) : "r"((uint64_t)0));
#else
  (void)number;
  __builtin_trap();
#endif
}

static inline void fail_ill(uint64_t number) {
  (void)number;
#if defined(__x86_64__)
  __asm__ volatile("ud2");
#else
  __asm__ volatile(".inst 0");
#endif
}

static inline void fail_trap(uint64_t number) {
  (void)number;
#if defined(__x86_64__)
  __asm__ volatile("int3");
#else
  __asm__ volatile("brk #0");
#endif
}

static inline void fail_abort(uint64_t number) {
  (void)number;
  abort();
}

static inline void keep(void *address) { __asm__ volatile("" ::"r"(address) : "memory"); }

static inline void fail_loop(uint64_t number) {
  while (number != 0) {
    keep(&number);
  }
}

static __attribute__((noinline, unused)) uint64_t descend(uint64_t number) {
  volatile uint64_t frame[64];
  frame[number % 64] = number;
  keep((void *)frame);
  return descend(number + 1) + frame[number % 64];
}

static inline void fail_overflow(uint64_t number) {
  uint64_t sum = descend(number);
  keep(&sum);
}

// In a function of the C library that the module may call.
static inline void fail_import(uint64_t number) {
  uint64_t words[512] = {number};
  memcpy((void *)(uintptr_t)(number & 8), words, 1 + (number & 4094));
}

static inline void fail_jump(uint64_t number) {
  void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)(number & 8);
  nowhere();
  keep(&number);
}

#endif
