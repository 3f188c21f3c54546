// Stops a program at every system call that touches a file, memory, a socket or a process, and lets
// its parent decide what becomes of the call: seccomp's user notification, which takes no privilege and no
// tracer.
#ifndef FAULT_TRACER_H
#define FAULT_TRACER_H

#include <stdint.h>
#include <sys/types.h>

/// A program under the filter.
struct fault_process {
  pid_t process;
  /// Where the calls are announced.
  int listener;
  /// The program's standard input and output.
  int input;
  int output;
};

/// A call that waits for its answer.
struct fault_call {
  uint64_t id;
  /// The thread that makes it.
  pid_t thread;
  int number;
  uint64_t arguments[6];
};

/// What `fault_process_next` has seen.
enum fault_event {
  FAULT_EVENT_CALL = 1,
  FAULT_EVENT_OUTPUT = 2,
  FAULT_EVENT_TIMEOUT = 3,
  FAULT_EVENT_END = 4,
};

/// Starts `path` under the filter. Returns 0, or -1 with `errno`.
///
/// Descriptor 3 of the program is taken, so that none of those that it opens is among the first four: what it
/// does with those is not announced.
int fault_process_start(const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
                        struct fault_process *_Nonnull process);
/// Waits for a call, for output or for the end.
enum fault_event fault_process_next(const struct fault_process *_Nonnull process,
                                    struct fault_call *_Nonnull call, int timeout);
/// Lets a call be made, or, with an error number, fail without being made. Returns 0, or -1 with `errno`.
int fault_call_answer(const struct fault_process *_Nonnull process, const struct fault_call *_Nonnull call,
                      int error);
/// Kills the program, waits for its end and closes its descriptors.
void fault_process_kill(struct fault_process *_Nonnull process);
/// Waits for the end of the program and closes its descriptors; its status as of waitpid, or -1.
int fault_process_join(struct fault_process *_Nonnull process);

/// Whether a call asks for memory, or changes how memory may be used, and no file is concerned.
int fault_call_is_memory(const struct fault_call *_Nonnull call);
/// Whether a call maps the stack of a thread.
int fault_call_is_stack(const struct fault_call *_Nonnull call);
/// Name of a system call that may be announced; NULL when it is none of these.
const char *_Nullable fault_call_name(int number);

#endif
