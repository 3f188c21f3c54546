// What a host's child must not have of the agent: C, because the child may run nothing but what a signal
// handler may.
#ifndef HITLESS_SHIM_FORK_H
#define HITLESS_SHIM_FORK_H

/// From here on a child of `fork` finds nothing behind `descriptor`; a program that is started by `exec` or
/// `posix_spawn` is not concerned. Holds for the numbers below 2^20, the kernel's own limit unless it was
/// raised.
void hitless_shim_fork_cover(int descriptor);
/// Ends that, before the descriptor is closed; one that is not covered is no mistake.
void hitless_shim_fork_uncover(int descriptor);
/// Whether this process is such a child of one that has covered something.
int hitless_shim_fork_is_child(void);

#endif
