// File calls that Swift cannot make: variadic ones, and ones without a wrapper in the C library.
#ifndef HITLESS_SHIM_FILE_H
#define HITLESS_SHIM_FILE_H

#include <stddef.h>
#include <sys/types.h>

/// `open` is variadic, which Swift cannot call. Returns a descriptor or -1 with `errno`.
int hitless_shim_open(const char *_Nonnull path, int flags, mode_t mode);
/// `openat` is variadic. Returns a descriptor or -1 with `errno`.
int hitless_shim_openat(int directory, const char *_Nonnull path, int flags, mode_t mode);
/// `openat2` has no wrapper. The path stays beneath `directory` and no link of any kind is followed.
/// Close-on-exec; returns a descriptor or -1 with `errno`.
int hitless_shim_open_beneath(int directory, const char *_Nonnull path, int flags, mode_t mode);
/// `fcntl` is variadic. Returns a close-on-exec copy of `descriptor`, numbered `least` or higher, or -1
/// with `errno`.
int hitless_shim_duplicate(int descriptor, int least);

#endif
