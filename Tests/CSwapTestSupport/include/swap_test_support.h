// Readers and agents for the stress tests of HotSwap, right ones and ones that are wrong on purpose.
#ifndef SWAP_TEST_SUPPORT_H
#define SWAP_TEST_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "hitless/host.h"

/// How a reader finds and acknowledges its view.
enum swap_protocol {
  /// `hitless_enter`, as it is.
  SWAP_PROTOCOL_SEQUENCE = 0,
  /// The same, going idle and coming back every few batches.
  SWAP_PROTOCOL_IDLE = 1,
  /// Wrong: uses the view of one load and echoes the sequence of a second one.
  SWAP_PROTOCOL_SECOND_LOAD = 2,
  /// Wrong: stores a tick of its own before it loads the view.
  SWAP_PROTOCOL_TICK = 3,
  /// Wrong: echoes the address of the view, which comes back when a view is used again.
  SWAP_PROTOCOL_POINTER = 4,
  /// Wrong: comes back from idle with a release store where one total order is needed.
  SWAP_PROTOCOL_WEAK_RESUME = 5
};

/// One reader: a worker that checks every view it uses for poison until the end of its batch.
struct swap_reader {
  struct hitless_worker *_Nonnull worker;
  int32_t protocol;
  /// 1: also follow the pointers of the view, which a wrong protocol would not survive.
  int32_t follows;
  /// Batches so far, views that differed from the one before, and batches that met retired memory.
  uint64_t batches;
  uint64_t changes;
  uint64_t poisoned;
  /// Set by whoever wants the reader to end.
  uint32_t stop;
};

/// Runs batches until `stop` is set.
void swap_reader_run(struct swap_reader *_Nonnull reader);
/// Makes `swap_reader_run` return after its batch.
void swap_reader_stop(struct swap_reader *_Nonnull reader);
/// How many batches met retired memory so far.
uint64_t swap_reader_poisoned(const struct swap_reader *_Nonnull reader);
/// How many batches the reader has run so far.
uint64_t swap_reader_batches(const struct swap_reader *_Nonnull reader);

/// An agent in C: for the wrong protocols that `SwapDomain` does not wait for, and for the order between
/// its publishing store and its load of `seen`, with nothing between the two.
///
/// Publishes `count` views to the reader and poisons each as soon as the protocol says that it is out of
/// use; ends early when the reader has met poison. Returns how many it published.
uint64_t swap_tight_agent_run(struct swap_reader *_Nonnull reader, uint64_t count);
/// Gives the reader a first view of the agent in C.
void swap_tight_agent_prepare(struct swap_reader *_Nonnull reader);

/// 1 when this build runs under ThreadSanitizer, which reports the wrong protocols before they bite.
int32_t swap_thread_sanitizer(void);
/// A sealed memory file with these bytes, or -1.
int32_t swap_sealed_file(const void *_Nonnull bytes, size_t count);
/// Bytes that the C library's allocator has given out and not got back.
size_t swap_allocated_bytes(void);

#endif
