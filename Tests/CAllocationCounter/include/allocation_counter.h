// Counts what the calling thread asks the C library's allocator for.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// Allocations of the calling thread so far; always 0 where a sanitizer has an allocator of its own.
uint64_t allocation_count(void);
/// Whether allocations are counted in this build.
int32_t allocation_counting(void);

#endif
