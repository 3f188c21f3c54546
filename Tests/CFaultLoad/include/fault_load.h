// The packet path of a host that faults are tried on: batches of one packet, which is a number that the
// module in slot 0 answers.
#ifndef FAULT_LOAD_H
#define FAULT_LOAD_H

#include <stdint.h>

#include "hitless/shadow.h"
#include "hitless/worker.h"

/// What the modules of these tests answer by ending in a trap.
#define FAULT_LOAD_TRAP 666

/// Runs one batch and returns the answer.
int32_t fault_load_run(struct hitless_worker *_Nonnull worker, int32_t number);

/// Where the view in force has the candidate: 65 536ths of the batches or flows, 0 where there is none.
uint32_t fault_load_share(struct hitless_worker *_Nonnull worker);

/// How such batches are compared on copies: by a third of the answer, the same for all versions.
struct hitless_shadow_options fault_load_shadow(void);

#endif
