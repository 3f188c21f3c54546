/// How a host takes part in shadow mode: copies of live batches are run on stable and on a candidate, off the
/// packet path, and what both put out is compared. docs/operations.md says what an operator sees of it.
///
/// Version 1. A host without it refuses `--shadow`, and everything else works as before.
#ifndef HITLESS_SHADOW_H
#define HITLESS_SHADOW_H

#include <stdint.h>

#include "hitless/host.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Largest `copy_size`, and largest `output_limit`.
#define HITLESS_SHADOW_COPY_MAX (16u << 20)
#define HITLESS_SHADOW_OUTPUTS_MAX 65536u
/// Largest name of an output, with its terminating NUL; names match `[a-z0-9][a-z0-9._-]*`.
#define HITLESS_SHADOW_NAME_SIZE 32u
/// Slot of an output that is the host's own work, made of what its modules put out.
#define HITLESS_SHADOW_HOST UINT32_MAX
/// Packet of an output that concerns the whole batch.
#define HITLESS_SHADOW_BATCH UINT32_MAX

/// What an output is.
enum {
  /// Compared: anything that a module or the host has put out.
  HITLESS_SHADOW_OUTPUT = 0,
  /// Not compared, but shown beside a divergence: a packet as it came.
  HITLESS_SHADOW_INPUT = 1
};

/// One named range of bytes that a run has put out, for one packet or for the batch.
///
/// Bytes that may differ without harm, such as a version's mark or padding, do not belong in it.
struct hitless_shadow_output {
  /// What it is, such as "verdict"; NUL-terminated, and the same string for both runs.
  const char *name;
  /// Index of the slot whose module has put it out, or `HITLESS_SHADOW_HOST`.
  uint32_t slot;
  /// Place of the packet in the batch, or `HITLESS_SHADOW_BATCH`.
  uint32_t packet;
  /// `HITLESS_SHADOW_OUTPUT` or `…_INPUT`.
  uint32_t role;
  uint32_t reserved;
  /// Valid until `end`; null for none.
  const void *bytes;
  uint64_t size;
};

/// How a batch is copied, run on the side and read. What is not said to be null must not be.
///
/// A copy is a piece of `copy_size` bytes, aligned to 64, of which the agent moves the bytes that `copy`
/// has filled with `memcpy`: it has no pointer into itself before `begin`. Two copies of the same batch are
/// worked on, one after the other: `begin`, `run` on stable, `begin` and `run` of the other on the
/// candidate, `outputs` of both, `end` of both.
struct hitless_shadow_options {
  uint32_t size;
  /// Most outputs of one copy, 1 to `HITLESS_SHADOW_OUTPUTS_MAX`.
  uint32_t output_limit;
  /// Handed back to every call.
  void *context;
  /// Bytes of a copy, with whatever room `run` needs for what it puts out; up to `HITLESS_SHADOW_COPY_MAX`.
  uint64_t copy_size;
  /// Copies what a run of `batch` depends on, before it is run; returns how many bytes from the beginning of
  /// `copy` it has filled, 0 when this batch is not to be compared.
  ///
  /// Thread: the worker whose batch it is, on its packet path: it must not block or allocate.
  uint64_t (*copy)(void *context, const void *batch, void *copy);
  /// Prepares a copy for `run`; anything but 0 says that it is of no use any more, and is counted as
  /// skipped. May be null.
  ///
  /// Thread: the agent's, like everything that follows.
  int32_t (*begin)(void *context, void *copy);
  /// Runs the modules of `view` on the copy as the pipeline function does on a batch, and applies nothing: no
  /// counter, no session, no packet that is sent. What it returns is compared as well.
  ///
  /// It is left in the middle, like by `longjmp`, when a module of `view`, of either side, faults or is over
  /// the time budget: until it returns it holds no lock, no allocation and nothing that a destructor would
  /// have to end.
  int32_t (*run)(void *context, const struct hitless_view *view, void *copy);
  /// Lists what the run has put out, in an order that depends on nothing but what it is; returns how many
  /// entries of `outputs`, which has `output_limit`, are filled.
  uint32_t (*outputs)(void *context, void *copy, struct hitless_shadow_output *outputs);
  /// Gives back what `begin` has taken; also after a run that was left. May be null.
  void (*end)(void *context, void *copy);
};

/// Makes the host take part, before the start; `options` is copied, its context must outlive the agent.
hitless_status hitless_shadow_define(struct hitless_agent *agent,
                                     const struct hitless_shadow_options *options);

#ifdef __cplusplus
}
#endif

#endif
