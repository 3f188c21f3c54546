// Thread calls that glibc offers only as GNU extensions, which Swift's Glibc module hides.
#ifndef HITLESS_SHIM_THREAD_H
#define HITLESS_SHIM_THREAD_H

#include <pthread.h>
#include <stdint.h>

/// The kernel's number of the calling thread.
int32_t hitless_shim_thread_id(void);
/// Whether this process has a thread of that number; 0 only when the kernel says that it has none.
int hitless_shim_thread_exists(int32_t thread);
/// Binds the calling thread to one processor. Returns 0 or an error number.
int hitless_shim_thread_pin(uint32_t processor);
/// How often the calling thread was switched out so far, willingly and not. Returns 0, or -1 with `errno`.
int hitless_shim_thread_switches(uint64_t *_Nonnull voluntary, uint64_t *_Nonnull involuntary);

/// Names the calling thread; at most 15 bytes. Returns 0 or an error number.
int hitless_shim_thread_set_name(const char *_Nonnull name);
/// Restricts the calling thread to the processors in `list`. Returns 0, or -1 with `errno`.
int hitless_shim_thread_set_processors(const int32_t *_Nonnull list, int32_t count);
/// Sets the nice value of the calling thread only. Returns 0, or -1 with `errno`.
int hitless_shim_thread_set_nice(int value);
/// Starts a thread that receives no asynchronous signal: those are the host's business.
/// Returns 0 or an error number.
int hitless_shim_thread_start(pthread_t *_Nonnull thread,
                              void *_Nullable (*_Nonnull body)(void *_Nullable),
                              void *_Nullable context);

/// Tells the processor that this is a spinning wait; an instruction, which Swift cannot name.
static inline void hitless_shim_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#else
  __asm__ volatile("" ::: "memory");
#endif
}

#endif
