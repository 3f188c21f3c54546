#define _GNU_SOURCE
#include "hitless_shim_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

// Linux 6.3; older C libraries do not name them.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

static const int all_seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

int hitless_shim_memory_file(const char *name, int execution) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (execution == HITLESS_SHIM_MEMORY_EXEC) flags |= MFD_EXEC;
  if (execution == HITLESS_SHIM_MEMORY_NOEXEC) flags |= MFD_NOEXEC_SEAL;
  return memfd_create(name, flags);
}

int hitless_shim_memory_seal(int descriptor) { return fcntl(descriptor, F_ADD_SEALS, all_seals); }

int hitless_shim_memory_is_sealed(int descriptor) {
  int seals = fcntl(descriptor, F_GET_SEALS);
  return seals < 0 ? -1 : (seals & all_seals) == all_seals;
}
