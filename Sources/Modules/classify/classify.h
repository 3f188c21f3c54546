/// What the Embedded Swift sources of `classify` see of C.
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "hitless/module.h"
#include "upf/slots.h"

// Swift sizes its scratch arrays and spells the descriptor in literals; these are what they rely on.
_Static_assert(UPF_BATCH_MAX == 32, "scratch arrays of process");
_Static_assert(sizeof(struct hitless_module) == 152, "table_offset");
_Static_assert(sizeof(struct upf_classify_table) == 16, "table_size");
_Static_assert(UPF_INTERFACE_CLASSIFY == 0x55434c53u && UPF_INTERFACE_VERSION == 1u, "interface");
_Static_assert(UPF_SCHEMA_PDR == 0x50445201u && sizeof(struct upf_pdr) == 32, "first state");
_Static_assert(UPF_SCHEMA_FILTER == 0x53444601u && sizeof(struct upf_filter) == 48, "second state");

/// Asks for the cache line at `address`; Swift has no such intrinsic. Never faults.
static inline void classify_prefetch(const void *address) { __builtin_prefetch(address); }

#endif
