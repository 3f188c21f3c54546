// Starting and waiting for a child: what is GNU-only or has no wrapper.
#ifndef HITLESS_SHIM_PROCESS_H
#define HITLESS_SHIM_PROCESS_H

#include <sys/types.h>

/// Starts `path` with `input` as descriptor 3 (-1: none) and `output` as its standard output and
/// error; everything else is closed in the child, its signals are at their defaults, and it leads a
/// process group of its own. Never a fork: copy-on-write would slow the workers. Returns 0 or the
/// error number of `posix_spawn`.
int hitless_shim_spawn(const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
                       char *_Nullable const *_Nonnull environment, int input, int output,
                       pid_t *_Nonnull process);
/// `pipe2` is a GNU extension. Both ends are close-on-exec; returns 0, or -1 with `errno`.
int hitless_shim_pipe(int *_Nonnull ends);
/// `pidfd_open` has no wrapper in older C libraries. Returns a descriptor that becomes readable when
/// the process ends, or -1 with `errno`.
int hitless_shim_process_open(pid_t process);
/// Reaps `process`, which must have ended. Returns its exit code, 256 plus the signal that ended it,
/// or -1 with `errno` (ECHILD: the host ignores SIGCHLD or reaped it itself).
int hitless_shim_process_reap(pid_t process);

#endif
