// Layout that the tools, the agent and compiled modules rely on; a change here is another ABI.
#include "hitless/health.h"
#include "hitless/host.h"
#include "hitless/state.h"

_Static_assert(sizeof(struct hitless_module_facts) == 96, "facts are 96 bytes without padding");
_Static_assert(sizeof(struct hitless_module_note) == 116, "a note of 12 + 8 + 96 bytes");
_Static_assert(offsetof(struct hitless_worker, view) == 64, "the agent's line");
_Static_assert(offsetof(struct hitless_worker, seen) == 128, "the worker's line");
_Static_assert(sizeof(struct hitless_worker) == 192, "three cache lines");
_Static_assert(offsetof(struct hitless_worker, guarded) == 160, "on the worker's line");
_Static_assert(offsetof(struct hitless_worker, sampling) == 168, "on the worker's line");
_Static_assert(offsetof(struct hitless_health, counts) == 64, "the agent reads both as arrays");
_Static_assert(offsetof(struct hitless_health, histograms) == 64 + 2 * 8 * HITLESS_SIGNALS, "as above");
_Static_assert(offsetof(struct hitless_view, turns) == 64, "one cache line for every batch");
_Static_assert(sizeof(struct hitless_view) == 128, "two cache lines");
_Static_assert(sizeof(struct hitless_breaker) == 64, "a cache line of its own");
_Static_assert(offsetof(struct hitless_breaker, tokens) == 8, "as BreakerWord has it");
_Static_assert(offsetof(struct hitless_breaker, successes) == 16, "as BreakerWord has it");
_Static_assert(sizeof(struct hitless_state_area) == 16, "no padding");
_Static_assert(offsetof(struct hitless_state_progress, is_halted) == 32, "as Migration has it");
_Static_assert(offsetof(struct hitless_state_progress, failed) == 36, "as Migration has it");
