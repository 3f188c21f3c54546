// Memory files and their seals: GNU extensions that Swift's Glibc module does not show.
#ifndef HITLESS_SHIM_MEMORY_H
#define HITLESS_SHIM_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

/// What a memory file says about execution; kernels from 6.3 on want to be told.
enum {
  /// Nothing: the kernel's default (`vm.memfd_noexec`) decides; the only way before 6.3.
  HITLESS_SHIM_MEMORY_DEFAULT = 0,
  /// `MFD_EXEC`.
  HITLESS_SHIM_MEMORY_EXEC = 1,
  /// `MFD_NOEXEC_SEAL`.
  HITLESS_SHIM_MEMORY_NOEXEC = 2
};

/// `memfd_create` is a GNU extension. Close-on-exec and sealable; returns a descriptor or -1 with
/// `errno`.
int hitless_shim_memory_file(const char *_Nonnull name, int execution);
/// `fcntl` is variadic. Adds the seals write, grow, shrink and seal; returns 0 or -1 with `errno`.
int hitless_shim_memory_seal(int descriptor);
/// Returns 1 when all four seals are set, 0 when not, -1 with `errno`.
int hitless_shim_memory_is_sealed(int descriptor);

#endif
