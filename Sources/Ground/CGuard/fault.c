// Whose fault a signal is, and what is written down about it. All of it runs in handlers.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guard.h"

// Linux 5.13 and later; older headers do not name it.
#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif

/// Code of the C library.
static struct {
  uint64_t begin;
  uint64_t size;
  int was_looked_for;
} library;

static int note_library(struct dl_phdr_info *image, size_t size, void *function) {
  (void)size;
  for (int index = 0; index < image->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &image->dlpi_phdr[index];
    uint64_t begin = image->dlpi_addr + segment->p_vaddr;
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0 ||
        (uintptr_t)function - begin >= segment->p_memsz) {
      continue;
    }
    // In a program that has the library inside, its code is not told from the host's.
    if (image->dlpi_name != 0 && image->dlpi_name[0] != 0) {
      library.begin = begin;
      library.size = segment->p_memsz;
    }
    return 1;
  }
  return 0;
}

void guard_find_library(void) {
  if (library.was_looked_for) {
    return;
  }
  library.was_looked_for = 1;
  void *function = dlsym(RTLD_DEFAULT, "abort");
  if (function != 0) {
    dl_iterate_phdr(note_library, function);
  }
}

/// Whose code the batch of this thread is run with: the candidate's, or, on a copy, stable's.
///
/// Stable's view has no candidate; only `hitless_guard_try` runs such a view under the guard.
static const struct hitless_generation *suspect(const struct hitless_guard *guard) {
  const struct hitless_view *view = guard->view;
  return view->candidate != 0 ? view->candidate : view->stable;
}

/// The code that holds `address` in a module of the suspect; null when none does.
static const struct hitless_module_info *code_of(const struct hitless_generation *suspect, uint64_t address) {
  for (uint32_t slot = 0; slot < suspect->slot_count; slot++) {
    const struct hitless_module_info *module = suspect->modules[slot];
    if (address - module->code_address < module->code_size) {
      return module;
    }
  }
  return 0;
}

/// Whether `word` is where a call of the suspect's code returns to.
///
/// The call counts, not what follows it: behind a call that never returns there may be no more code.
static int returns_to_suspect(const struct hitless_generation *suspect, uint64_t word) {
  const struct hitless_module_info *module = code_of(suspect, word - 1);
  return module != 0 && machine_follows_call(word, module->code_address);
}

/// Copies the stack from `address` on, up to the frame of the guarded call; returns how many words there are.
///
/// By the kernel: an overflown or lost stack pointer leads to memory that is not there, and a fault in here
/// would be the last.
static uint32_t copy_stack(struct hitless_guard *guard, uint64_t address) {
  const uint64_t page = 4096;
  for (int attempt = 0; attempt < 2; attempt++) {
    uint64_t limit = guard->context.stack;
    if (address >= limit || (address & 7) != 0) {
      return 0;
    }
    uint64_t size = limit - address < sizeof guard->words ? limit - address : sizeof guard->words;
    struct iovec here = {guard->words, size}, there = {(void *)(uintptr_t)address, size};
    long copied = syscall(SYS_process_vm_readv, getpid(), &here, 1ul, &there, 1ul, 0ul);
    if (copied > 0) {
      return (uint32_t)((uint64_t)copied / sizeof guard->words[0]);
    }
    // In the page below the stack: what is above is what overflowed it.
    address = (address + page) & ~(page - 1);
  }
  return 0;
}

/// Whether the signal tells of what this thread was doing, not of what somebody has sent it.
static int is_own(int signal, const siginfo_t *info) {
  switch (signal) {
    case SIGABRT:
      return info->si_code == SI_TKILL && info->si_pid == getpid();
    case SIGTRAP:
      // Single steps and watchpoints are a debugger's, samples a profiler's.
      return info->si_code == SI_KERNEL || info->si_code == TRAP_BRKPT;
    case SIGBUS:
      // A memory error that was found, not met.
      return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
    default:
      return info->si_code > 0;
  }
}

/// Whether the thread was in the C library, in a batch of which it is known that its commit point is to come.
///
/// A module may leave for a function of the library by a jump, and then nothing of it is on the stack. Should
/// the host itself have called it, the batch is run again without harm, and the host gets the next fault.
static int is_in_import(const struct hitless_guard *guard, const ucontext_t *place) {
  return guard->marks_commit && machine_instruction(place) - library.begin < library.size;
}

/// Whether the thread was in the suspect's code, or in a function that this code has called and that has no
/// frame yet, as the string functions of the C library never have.
static int is_in_suspect(const struct hitless_guard *guard, const ucontext_t *place, uint32_t words) {
  const struct hitless_generation *code = suspect(guard);
  if (code_of(code, machine_instruction(place)) != 0 || is_in_import(guard, place)) {
    return 1;
  }
  return returns_to_suspect(code, machine_caller(place, words > 0 ? guard->words[0] : 0));
}

/// Return addresses into the suspect among the first `words` of the stack.
static uint32_t find_frames(struct hitless_guard *guard, uint32_t words, uint64_t *frames, uint32_t limit) {
  uint32_t count = 0;
  for (uint32_t index = 0; index < words && count < limit; index++) {
    if (returns_to_suspect(suspect(guard), guard->words[index])) {
      frames[count++] = guard->words[index];
    }
  }
  return count;
}

/// The batch of this thread that can still be run again; null when there is none.
static struct hitless_guard *open_batch(void) {
  struct hitless_guard *guard = hitless_guard_current;
  return guard != 0 && (guard->worker->guarded & 1) != 0 ? guard : 0;
}

/// Where the fault is written down; null when the agent has not read the candidate's report before.
static struct hitless_guard_report *room_for_report(struct hitless_guard *guard) {
  if (guard->view->candidate == 0) {
    return &guard->stables;
  }
  // Acquire: pairs with the agent's release; its reads of the report before are over.
  if (__atomic_load_n(&guard->state, __ATOMIC_ACQUIRE) != HITLESS_GUARD_FREE) {
    return 0;
  }
  guard->is_reporting = 1;
  return &guard->report;
}

/// Writes the report down, if there is room for it, and ends the batch.
static void leave_batch(struct hitless_guard *guard, int32_t reason, const siginfo_t *info, ucontext_t *place,
                        uint32_t words, uint64_t time) {
  guard->caught = (uint32_t)reason;
  guard->fault_stack = machine_stack(place);
  struct hitless_guard_report *report = room_for_report(guard);
  if (report != 0) {
    report->reason = reason;
    report->signal = info->si_signo;
    report->code = info->si_code;
    report->address = (uint64_t)(uintptr_t)info->si_addr;
    report->instruction = machine_instruction(place);
    report->generation = suspect(guard)->number;
    report->sequence = guard->view->sequence;
    report->fault_time = time;
    report->frame_count = find_frames(guard, words, report->frames, HITLESS_GUARD_FRAMES);
  } else {
    // Without it the agent would answer for the fault before and never hear of this one, which may be another
    // candidate's, or the same one's after it was activated again. Relaxed: the number is all there is.
    __atomic_store_n(&guard->missed, guard->view->candidate->number, __ATOMIC_RELAXED);
    __atomic_fetch_add(&guard->unreported, 1, __ATOMIC_RELAXED);
  }
  machine_leave(place, &guard->context);
}

int guard_catch(int signal, const siginfo_t *info, ucontext_t *place) {
  uint64_t time = guard_time();
  struct hitless_guard *guard = open_batch();
  if (guard == 0 || !is_own(signal, info)) {
    return 0;
  }
  uint32_t words = copy_stack(guard, machine_stack(place));
  uint64_t first;
  // `abort` raises its signal some calls further down: who called it is on the stack.
  int is_fault = signal == SIGABRT
                     ? is_in_import(guard, place) || find_frames(guard, words, &first, 1) > 0
                     : is_in_suspect(guard, place, words);
  if (!is_fault) {
    return 0;
  }
  leave_batch(guard, HITLESS_GUARD_FAULT, info, place, words, time);
  return 1;
}

void guard_catch_late(int signal, const siginfo_t *info, ucontext_t *place) {
  (void)signal;
  struct hitless_guard *guard = open_batch();
  // Acquire: pairs with the release in hitless_guard_tell.
  if (guard == 0 || __atomic_load_n(&guard->late_batch, __ATOMIC_ACQUIRE) != guard->worker->guarded) {
    return;
  }
  uint32_t words = copy_stack(guard, machine_stack(place));
  // In code of the host or of another library: the watchdog asks again. In the C library the batch ends only
  // where it is known that its commit point is to come, as with faults there.
  if (is_in_suspect(guard, place, words)) {
    uint64_t time = __atomic_load_n(&guard->late_time, __ATOMIC_RELAXED);
    leave_batch(guard, HITLESS_GUARD_OVER_BUDGET, info, place, words, time);
  }
}
