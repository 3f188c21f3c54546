/// What the Embedded Swift sources of `classify` see of C.
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "hitless/module.h"
#include "upf/slots.h"

/// Asks for the cache line at `address`; Swift has no such intrinsic. Never faults.
static inline void classify_prefetch(const void *address) { __builtin_prefetch(address); }

#endif
