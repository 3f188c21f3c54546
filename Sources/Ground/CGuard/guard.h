// Shared by the files of the guard.
#ifndef GUARD_H
#define GUARD_H

#include <signal.h>
#include <ucontext.h>

#include "hitless_guard.h"
#include "machine.h"

// Handlers read it, and storage that the loader gives to a thread on first use is not theirs to ask for.
#define HANDLER_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/// The record whose batch this thread is in; null outside of guarded batches.
extern HANDLER_LOCAL struct hitless_guard *hitless_guard_current;

/// What a queued signal of the watchdog carries.
extern const char hitless_guard_cookie;

/// Nanoseconds of CLOCK_MONOTONIC.
uint64_t guard_time(void);

/// Finds out where the C library lies, which has the functions that modules may call. Once, before the first
/// fault; not in a handler, because the dynamic loader is asked.
void guard_find_library(void);

/// Ends the batch that this thread is in if the signal is the candidate's fault. Returns whether it was.
int guard_catch(int signal, const siginfo_t *info, ucontext_t *place);
/// Ends the batch that this thread is in if it is the one that the watchdog means.
void guard_catch_late(int signal, const siginfo_t *info, ucontext_t *place);

/// Handles `signal` the way it was handled before the guard came. `frame` tells calls of one handler apart.
void guard_pass_on(int signal, siginfo_t *info, void *place, uintptr_t frame);

#endif
