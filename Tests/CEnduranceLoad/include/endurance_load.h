// Workers that never rest, and a book of every packet that they were given.
#ifndef ENDURANCE_LOAD_H
#define ENDURANCE_LOAD_H

#include "hitless/host.h"

/// One worker's book; written by that worker, and read while it runs by who wants to know.
struct endurance_book {
  /// Set by who wants the worker to end.
  uint32_t stop;
  /// Batches between two pauses of a tenth of a millisecond; 0: no pause.
  uint32_t pause_every;
  uint64_t batches;
  /// Packets that were handed to a module, and that came to their commit point.
  uint64_t given;
  uint64_t applied;
  /// Batches in which not all packets were handled by one version.
  uint64_t torn;
  /// How often the version was another one than in the batch before.
  uint64_t changes;
  uint64_t reserved[9];
};

/// Packets of one batch.
enum { ENDURANCE_PACKETS = 32 };

/// Runs batches through the qer in slot 0 until `book->stop` is set. Returns 0, or -1 without memory.
int endurance_run(struct hitless_worker *_Nonnull worker, struct endurance_book *_Nonnull book);
/// Gives memory that was freed back to the system, so that it does not count as used.
void endurance_trim(void);
/// Reads one figure of a book that is being written.
uint64_t endurance_read(const uint64_t *_Nonnull figure);
/// Sets `stop`.
void endurance_stop(struct endurance_book *_Nonnull book);

#endif
